// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * What a party does, whether it is a worker or a task: it works, waits for the others, and tells the page what it got.
 *
 * @module
 */

import { BrokenBarrierError } from "../../mod.ts";

/** What a party may use of its barrier. `await` waits where the call has not blocked the thread. */
export interface Me {
  readonly phase: number;
  wait(): number | Promise<number>;
  ready(): void | Promise<void>;
}

/** How long a party works before each meeting, in ms: a random time between the two. */
export interface Pace {
  readonly least: number;
  readonly most: number;
}

/** What others set while the party works. A thread that is blocked hears of it afterwards. */
export interface Controls {
  /** It stays in its work. */
  paused: boolean;
  /** It stops as soon as it can. */
  ended: boolean;
}

/** What a party tells the page. */
export type News =
  /** How much of its work is done, from 0 to 1, and how long until it tells more, in ms. */
  | { type: "works"; done: number; next: number }
  | { type: "waits" }
  /** What `wait()` gave: how many parties were still to come when it arrived. */
  | { type: "passed"; phase: number; toCome: number }
  /** What `wait()` threw. */
  | { type: "failed"; error: ErrorFacts }
  /** Its own end. */
  | { type: "ended"; error: ErrorFacts };

/** An error as plain data: a clone by `postMessage` would lose its class and its fields. */
export interface ErrorFacts extends Partial<Pick<BrokenBarrierError, "reason" | "party">> {
  readonly name: string;
  readonly message: string;
}

/** What is to be told of an error. */
export function factsOf(error: unknown): ErrorFacts {
  if (error instanceof BrokenBarrierError) {
    const { name, message, reason, party } = error;
    return { name, message, reason, party };
  }
  if (error instanceof Error) return { name: error.name, message: error.message };
  return { name: typeof error, message: String(error) };
}

/** Works and meets the others, phase after phase, until `controls.ended`. */
export async function takePart(
  me: Me,
  pace: Pace,
  controls: Controls,
  tell: (news: News) => void,
): Promise<void> {
  while (!controls.ended) {
    await work(pace, controls, tell);
    // Nobody passes without this party, so this is the phase in which it arrives.
    const { phase } = me;
    tell({ type: "waits" });
    try {
      const toCome = await me.wait();
      tell({ type: "passed", phase, toCome });
    } catch (error) {
      tell({ type: "failed", error: factsOf(error) });
      await me.ready(); // until somebody resets the barrier
    }
  }
}

/** How often a party tells how far its work is. Between two slices it hears its controls. */
const SLICES = 10;

async function work(
  { least, most }: Pace,
  controls: Controls,
  tell: (news: News) => void,
): Promise<void> {
  const slice = (least + Math.random() * (most - least)) / SLICES;
  for (let done = 0; done < SLICES && !controls.ended; done++) {
    tell({ type: "works", done: done / SLICES, next: slice });
    do await delay(slice); while (controls.paused && !controls.ended);
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
