// Copyright 2026 the Rendezvous authors. MIT license.

import { hardwareThreads } from "../_common/platform.ts";
import { STATE } from "./layout.ts";
import type { Parking } from "./parking.ts";
import { ENDING_MASK, partiesOf, type State } from "./state.ts";

/*
 * Spinning is fast where all parties run at the same time, and ruinous where somebody else has to run for the phase to
 * end. So a party spins for a bounded time, and backs off when that was in vain twice: the next 1, 3, 7 … 511 phases it
 * sleeps at once, then it tries again. Once says little: a party that was put aside for a moment is soon back, and who
 * sleeps then gives its processor to somebody else. It must keep trying: two threads that sleep and wake each other on
 * one processor get apart only by spinning.
 */

/** How many hardware threads there are. */
export const threads: number = hardwareThreads();

/**
 * How long a party spins, in µs: longer than a wake-up takes, so that who spins sees the others come. Of more parties,
 * each must have had its turn.
 */
const SPIN = 100;

/** After how many turns a spin is worth a look at the clock, which costs two turns. */
const UNTIMED_TURNS = 30;

/** The most phases in which a party sleeps at once, after spins in vain. */
const MAX_BACK_OFF = 511;

const pause: () => void = "pause" in Atomics
  ? () => (Atomics as { pause(): void }).pause()
  : () => {};

/** How one handle spins. */
export class Spinner {
  readonly #words: Int32Array;
  readonly #yield: (() => void) | undefined;
  /** In how many phases it still sleeps at once, and in how many after the next spin in vain. */
  #skip = 0;
  #backOff = 0;

  constructor(words: Int32Array, parking: Parking | undefined) {
    this.#words = words;
    this.#yield = parking?.yield;
  }

  /** Spins until the phase or the reason of a state changes, for a bounded time, and returns whether it did. */
  spin(state: State): boolean {
    const parties = partiesOf(state);
    const crowded = parties > threads;
    // Where more parties than threads cannot yield, whoever spins keeps somebody else from arriving.
    if (crowded && this.#yield === undefined) return false;
    if (this.#skip > 0) {
      this.#skip--;
      return false;
    }
    const limit = SPIN * Math.max(1, parties / (2 * threads));
    const letPass = crowded ? this.#yield! : pause;
    const words = this.#words;
    let start = 0;
    for (let turn = 0;; turn++) {
      if ((Atomics.load(words, STATE) ^ state.low) & ENDING_MASK) {
        this.#backOff = 0;
        return true;
      }
      if (turn === UNTIMED_TURNS) start = performance.now();
      const timed = turn > UNTIMED_TURNS && turn % 8 === 0;
      if (timed && (performance.now() - start) * 1e3 > limit) break;
      letPass();
    }
    this.#skip = this.#backOff;
    this.#backOff = Math.min(2 * this.#backOff + 1, MAX_BACK_OFF);
    return false;
  }
}
