// Copyright 2026 the Rendezvous authors. MIT license.

// One of two workers that meet again and again, at a barrier or by bare Atomics. See bench.ts.

import { Barrier } from "../../barrier.ts";
import { parentOfWorker } from "../_helpers/worker.ts";

export interface Bout {
  /** The memory of a barrier, or of one word. */
  buffer: SharedArrayBuffer;
  bare: boolean;
  place: 0 | 1;
  rounds: number;
}

const parent = parentOfWorker();

parent.listen(({ buffer, bare, place, rounds }: Bout) => {
  const word = new Int32Array(buffer);
  const barrier = bare ? undefined : Barrier.from(buffer);
  const start = performance.now();
  for (let round = 0; round < rounds; round++) {
    if (barrier !== undefined) barrier.wait();
    else pingPong(word, 2 * round + place);
  }
  parent.post((performance.now() - start) * 1_000 / rounds);
});

/** Waits until the word has this value, then adds 1 and wakes the other. */
function pingPong(word: Int32Array, turn: number): void {
  for (let value; (value = Atomics.load(word, 0)) !== turn;) Atomics.wait(word, 0, value);
  Atomics.store(word, 0, turn + 1);
  Atomics.notify(word, 0);
}
