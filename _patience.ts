// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * How many phases lie between two probes at the most. A probe that fails beside busy processes costs up to a
 * slice of their time, some ms, and a phase of sleepers some 10 µs: so probing costs a few per cent at worst,
 * and a machine that has become idle is noticed within a fraction of a second.
 */
const MAX_INTERVAL = 2 ** 14;

/**
 * How many phases a probe lasts. In the first of them the others may still have to wake up; in the second all
 * who probe are awake, and it shows whether that pays.
 */
const PROBE = 2;

/**
 * Whether a waiter spins before it sleeps, by what came of it lately. Spinning is fast on idle hardware
 * threads, and ruinous where somebody else has to run for the phase to end: each time that it was in vain,
 * the interval to the next probe doubles, and the first time that it pays, every phase spins again.
 *
 * The intervals are powers of two, counted in phases: so the parties probe in the same phases though none
 * tells the others, and it takes all of them to be awake for any to find the others awake.
 */
export class Patience {
  #interval = 1;

  /** Whether to spin in that phase. */
  in(phase: number): boolean {
    return (phase & this.#interval - 1) < PROBE;
  }

  /** Takes note whether the phase ended while it spun. */
  note(paid: boolean): void {
    if (paid) this.#interval = 1;
    else if (this.#interval < MAX_INTERVAL) this.#interval *= 2;
  }
}
