// Copyright 2026 the Rendezvous authors. MIT license.

/** What the workers of a race share. */
export interface Race {
  scenario: Scenario;
  /** The place of the worker, from 0. The last one is no party: it disturbs. */
  place: number;
  parties: number;
  rounds: number;
  barrier: SharedArrayBuffer;
  gate: SharedArrayBuffer;
  /** The outcome of every party in every round: its number, or one of those below. */
  outcomes: SharedArrayBuffer;
  /** How the first phase of every round ended, as the disturber is told afterwards: 0 if it passed. */
  verdicts: SharedArrayBuffer;
  /** Plain memory, for what the parties write. */
  scratch: SharedArrayBuffer;
}

export type Scenario = "abort" | "timeout" | "withdraw" | "reset" | "mend" | "drop" | "memory";

export const TIMED_OUT = -1;
export const BROKEN_BY_TIMEOUT = -2;
export const BROKEN_BY_ABORT = -3;
export const OTHER = -4;
/** Something was seen that must not be. */
export const WRONG = -5;

const LEFT = 0;
const ROUND = 1;
const OVER = 2;

/**
 * Where the workers of a race meet between its rounds: a barrier of the plainest kind, and no code in common
 * with the one it tests. Once it is over, nobody sleeps there any longer.
 */
export class Gate {
  static readonly BYTE_LENGTH = 12;
  readonly #words: Int32Array;
  readonly #threads: number;

  constructor(buffer: SharedArrayBuffer, threads: number) {
    this.#words = new Int32Array(buffer);
    this.#threads = threads;
  }

  pass(): void {
    const words = this.#words;
    const round = Atomics.load(words, ROUND);
    if (Atomics.add(words, LEFT, 1) + 1 === this.#threads) {
      Atomics.store(words, LEFT, 0);
      Atomics.add(words, ROUND, 1);
      Atomics.notify(words, ROUND);
    }
    while (Atomics.load(words, ROUND) === round) {
      if (Atomics.load(words, OVER) === 1) throw new Error("The race is over");
      Atomics.wait(words, ROUND, round, 100);
    }
  }

  end(): void {
    Atomics.store(this.#words, OVER, 1);
    Atomics.notify(this.#words, ROUND);
  }
}
