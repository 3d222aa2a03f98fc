// Copyright 2026 the Rendezvous authors. MIT license.

import type { Parking } from "../_memory/parking.ts";

/** How threads that share memory sleep and wake each other. */
export function atomicsParking(words: Int32Array<SharedArrayBuffer>): Parking {
  return {
    wait: (word, value, timeout) => void Atomics.wait(words, word, value, timeout),
    waitAsync: (word, value) => Promise.resolve(Atomics.waitAsync(words, word, value).value),
    notify: (word) => void Atomics.notify(words, word),
  };
}

let mayBlockHere: boolean | undefined;

/** Whether this thread may sleep: the main thread of a browser may not. */
export function mayBlock(): boolean {
  if (mayBlockHere === undefined) {
    try {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0);
      mayBlockHere = true;
    } catch {
      mayBlockHere = false;
    }
  }
  return mayBlockHere;
}
