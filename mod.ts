// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * Barriers: N parties wait for each other, and go on together, phase after phase.
 *
 * {@linkcode AsyncBarrier} is for the tasks of one event loop, {@linkcode Barrier} for workers that share
 * memory. Both need no permission and run in Deno, Node, Bun and browsers. The barrier for processes is
 * `@rendezvous/barrier/process`, the one for machines `@rendezvous/barrier/redis`.
 *
 * A timeout, an abort, an action that throws, or a party with a name that is gone breaks the barrier for all, for
 * one reason. A phase passes for all of its parties or breaks for all of them, and an outcome once given is never
 * taken back.
 *
 * @example Tasks
 * ```ts
 * import { AsyncBarrier } from "@rendezvous/barrier";
 * import { assertEquals } from "@std/assert";
 *
 * const barrier = new AsyncBarrier(3, { timeout: 10_000 });
 * const pages: string[] = [];
 *
 * async function load(page: string) {
 *   pages.push(page); // … fetch it …
 *   await barrier.wait();
 *   return pages.length; // all of them are there now
 * }
 *
 * assertEquals(await Promise.all(["a", "b", "c"].map(load)), [3, 3, 3]);
 * ```
 *
 * @example Workers
 * ```ts
 * import { Barrier } from "@rendezvous/barrier";
 * import { assertEquals } from "@std/assert";
 *
 * // Each worker writes its cell, meets the others, and adds up all cells. The worker's code would have a
 * // file of its own.
 * const source = `
 *   import { Barrier } from ${JSON.stringify(import.meta.resolve("@rendezvous/barrier"))};
 *   self.onmessage = ({ data: { handle, cells, index } }) => {
 *     const barrier = Barrier.from(handle);
 *     cells[index] = index + 1;
 *     barrier.wait();
 *     self.postMessage(cells.reduce((a, b) => a + b));
 *   };
 * `;
 * const url = `data:text/javascript,${encodeURIComponent(source)}`;
 *
 * using barrier = new Barrier(4);
 * const cells = new Int32Array(new SharedArrayBuffer(16));
 * const sums = await Promise.all([0, 1, 2, 3].map((index) => {
 *   const worker = new Worker(url, { type: "module" });
 *   const { promise, resolve } = Promise.withResolvers<number>();
 *   worker.onmessage = ({ data }) => {
 *     worker.terminate();
 *     resolve(data);
 *   };
 *   worker.postMessage({ handle: barrier, cells, index });
 *   return promise;
 * }));
 * assertEquals(sums, [10, 10, 10, 10]);
 * ```
 *
 * @module
 */

export * from "./barrier.ts";
