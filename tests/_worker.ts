// Copyright 2026 the Rendezvous authors. MIT license.

// A thread with a handle of a barrier, which does what it is told by messages. See _thread.ts.

import { Barrier, type BarrierHandle, type BarrierHandleOptions } from "../mod.ts";
import { BOOM, type Command, pack, type Reply, THREW } from "./_wire.ts";

// deno-lint-ignore no-explicit-any -- the compiler takes this for a window
const worker = globalThis as any;

let barrier: Barrier;

const operations: Record<string, (...args: never[]) => unknown> = {
  attach(handle: BarrierHandle, options: BarrierHandleOptions, gate?: Int32Array) {
    const action = gate && { action: () => actInMain(gate) };
    barrier = Barrier.from(handle, { ...options, ...action });
  },
  state() {
    const { parties, arrived, phase, broken } = barrier;
    return { parties, arrived, phase, broken };
  },
  inspect: () => Deno.inspect(barrier),
  nest() {
    const nested: Barrier = Barrier.from(barrier, {
      action: () => {
        nested.arrive();
        nested.arrive();
      },
    });
    return nested.arrive();
  },
  dispose: () => barrier[Symbol.dispose](),
};

worker.onmessage = ({ data: { id, operation, args } }: { data: Command }) => {
  try {
    const run = operations[operation] ?? barrier[operation as "wait"].bind(barrier);
    reply({ id, value: run(...args as never[]) });
  } catch (error) {
    reply({ id, error: pack(error) });
  }
};

/** Has the main thread run the action of the test, and waits for its end. */
function actInMain(gate: Int32Array) {
  Atomics.store(gate, 0, 0);
  reply({});
  Atomics.wait(gate, 0, 0);
  if (Atomics.load(gate, 0) === THREW) throw new Error(BOOM);
}

function reply(message: Reply) {
  worker.postMessage(message);
}
