// Copyright 2026 the Rendezvous authors. MIT license.

import { arm, type Cancellation } from "../_common/cancellation.ts";
import { settleOnce } from "../_common/settlement.ts";
import { timeoutError, unansweredError } from "./errors.ts";
import type { Standing } from "./messages.ts";

/** How long a call that was cancelled, or a party that leaves, waits for an engine that does not answer, in ms. */
export const ANSWER_TIMEOUT = 1_000;

/** What a caller gets: it returns or throws, and is called where the caller awaits it, so that the stack names it. */
export type Outcome<T> = () => T;

/** What to wait for, and how to cancel that. */
export interface Settling<T> {
  timeout: number;
  signal: AbortSignal | undefined;
  /** Calls `end` with the outcome. */
  start(end: (outcome: Outcome<T>) => void): Promise<void>;
  /** Gives the outcome of the cancellation, which the engine decides. */
  cancel(why: Cancellation): Promise<Outcome<T>>;
  /** The phase that is waited for, as far as is known. */
  phase(): number;
  /** Takes note of a cancellation that is not decided yet, though its caller is free. */
  doubt(decided: Promise<void>): void;
}

/**
 * Waits for an outcome, or until what cancels it has been decided. The engine does that, and may be away: then a second
 * later the caller is free, and what was asked of the engine is done when it is back.
 */
export function settle<T>(
  { timeout, signal, start, cancel, phase, doubt }: Settling<T>,
): Promise<Outcome<T>> {
  let end!: (outcome: Outcome<T>) => void;
  let disarm = () => {};
  const fail = (error: unknown) =>
    end(() => {
      throw error;
    });
  return settleOnce<Outcome<T>>(
    timeout,
    signal,
    (settled) => {
      end = (outcome) => {
        disarm();
        settled(outcome);
      };
      start(end).catch(fail);
      return () => {};
    },
    (why) => {
      const open = phase();
      const decided = cancel(why).then(end, fail);
      disarm = arm(ANSWER_TIMEOUT, undefined, () => {
        doubt(decided);
        // Who has arrived is not known: what was told last may be long out of date.
        end(() => {
          throw why === "aborted" ? signal!.reason : unansweredError(timeout, open);
        });
      });
      // What the engine decides ends it.
      return undefined;
    },
  );
}

/** What a call gets that was cancelled. */
export function cancelled(
  why: Cancellation,
  timeout: number,
  signal: AbortSignal | undefined,
  before: Standing,
): Outcome<never> {
  return () => {
    throw why === "aborted" ? signal!.reason : timeoutError(timeout, before);
  };
}

/** Waits for a promise, but no longer than `ms`. */
export async function within(ms: number, promise: Promise<unknown>): Promise<void> {
  await new Promise<void>((resolve) => {
    const disarm = arm(ms, undefined, () => resolve());
    const done = () => {
      disarm();
      resolve();
    };
    promise.then(done, done);
  });
}
