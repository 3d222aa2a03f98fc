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
