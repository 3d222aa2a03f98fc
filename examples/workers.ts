// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * Four workers each work for a random time, wait for each other, and go on together.
 *
 *     deno run --allow-read examples/workers.ts
 *
 * What a worker does is in `workers/worker.ts`. The permission is for that file: the barrier needs none.
 *
 * @module
 */

import { Barrier } from "../mod.ts";

using barrier = new Barrier(4);

/** Starts a party, and returns a promise of its end. */
function start(name: string): Promise<void> {
  const worker = new Worker(new URL("./workers/worker.ts", import.meta.url), { type: "module" });
  const ended = new Promise<void>((resolve, reject) => {
    worker.onmessage = () => resolve();
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(`${name} failed: ${event.message}`));
    };
  });
  // If the worker fails before it joins, this frees the others.
  barrier.expect(name, ended);
  worker.postMessage({ handle: barrier, name });
  return ended;
}

await Promise.all(["Worker 0", "Worker 1", "Worker 2", "Worker 3"].map(start));
