// Copyright 2026 the Rendezvous authors. MIT license.

import { type BarrierMemory, STATE } from "./layout.ts";
import { afterCorruption, initialState, isCorrupt, type State } from "./state.ts";

/** Two states, as halves and as 64-bit numbers, to turn one into the other. */
const halves = new Int32Array(4);
const wholes = new BigInt64Array(halves.buffer);

/** The word that decides (I1): reads it, and exchanges it. */
export class StateWord {
  readonly #longs: BigInt64Array;
  readonly #onCorruption: () => void;

  /** `onCorruption` is called after a break by which this thread has answered a corrupt state. */
  constructor({ longs }: BarrierMemory, onCorruption: () => void) {
    this.#longs = longs;
    this.#onCorruption = onCorruption;
  }

  /** Gives the memory its first state. */
  initialize(parties: number): void {
    const { low, high } = initialState(parties);
    halves[0] = low;
    halves[1] = high;
    Atomics.store(this.#longs, STATE / 2, wholes[0]!);
  }

  /** The state, for good. */
  read(): State {
    for (;;) {
      wholes[0] = Atomics.load(this.#longs, STATE / 2);
      const state = { low: halves[0]!, high: halves[1]! };
      if (!isCorrupt(state)) return state;
      // Somebody has written over it. All are told, and a reset mends it.
      if (this.exchange(state, afterCorruption(state))) this.#onCorruption();
    }
  }

  /** Makes it `next`, if it is `state`. */
  exchange(state: State, next: State): boolean {
    halves[0] = state.low;
    halves[1] = state.high;
    halves[2] = next.low;
    halves[3] = next.high;
    const before = wholes[0]!;
    return Atomics.compareExchange(this.#longs, STATE / 2, before, wholes[1]!) === before;
  }
}
