// Copyright 2026 the Rendezvous authors. MIT license.

// A thread with a handle of a barrier, which does what it is told by messages. See thread.ts.

import {
  Barrier,
  type BarrierHandle,
  type BarrierHandleOptions,
  type JoinOptions,
} from "../../barrier.ts";
import { type Command, pack, type Reply } from "./wire.ts";
import { parentOfWorker } from "./worker.ts";

const parent = parentOfWorker();
let barrier: Barrier;

const operations: Record<string, (...args: never[]) => unknown> = {
  from(handle: BarrierHandle, options: BarrierHandleOptions) {
    barrier = Barrier.from(handle, options);
  },
  async join(handle: BarrierHandle, options: JoinOptions) {
    barrier = await Barrier.join(handle, options);
  },
  /** Makes a barrier here. */
  make(parties: number): BarrierHandle {
    barrier = new Barrier(parties);
    return { buffer: barrier.buffer, byteOffset: barrier.byteOffset };
  },
  /** Looks again what is in the memory of its barrier. */
  again() {
    barrier = Barrier.from(barrier.buffer);
  },
  state() {
    const { parties, arrived, phase, broken, missing } = barrier;
    return { parties, arrived, phase, broken, missing };
  },
  inspect: () => Deno.inspect(barrier),
  dispose: () => barrier[Symbol.dispose](),
  leave: () => barrier?.[Symbol.dispose](),
  close: () => parent.close(),
  throw() {
    // In a task of its own, so that it is the worker's error.
    setTimeout(() => {
      throw new Error("on purpose");
    });
  },
  /** Arrives and waits for the phase, as often as all who do so together have `total` arrivals, and counts them. */
  arriveTogether(counts: Int32Array, taken: Int32Array, total: number) {
    while (Atomics.add(taken, 0, 1) < total) {
      const phase = barrier.arrive();
      Atomics.add(counts, phase, 1);
      barrier.waitFor(phase);
    }
  },
  /** Waits until its timeout passes, then sets a word. */
  timeOut(word: Int32Array) {
    try {
      barrier.wait({ timeout: 10 });
    } finally {
      Atomics.store(word, 0, 1);
      Atomics.notify(word, 0);
    }
  },
  stack() {
    function thisVeryCaller() {
      barrier.wait();
    }
    try {
      thisVeryCaller();
    } catch (error) {
      return (error as Error).stack;
    }
  },
};

parent.listen(async ({ id, operation, args }: Command) => {
  const reply = (message: Reply) => parent.post(message);
  try {
    const run = operations[operation] ?? barrier[operation as "wait"].bind(barrier);
    reply({ id, value: await run(...args as never[]) });
  } catch (error) {
    reply({ id, error: pack(error) });
  }
});
