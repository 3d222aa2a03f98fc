// Copyright 2026 the Rendezvous authors. MIT license.
// deno-lint-ignore-file no-console

/**
 * A worker of `workers.ts`.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import { setTimeout as delay } from "node:timers/promises";
import { Barrier, type BarrierHandle } from "../../mod.ts";

interface Task {
  handle: BarrierHandle;
  name: string;
}

self.onmessage = async ({ data: { handle, name } }: MessageEvent<Task>) => {
  using barrier = await Barrier.join(handle, { name });
  await delay(Math.random() * 500);
  console.log(`${name} reached the barrier.`);
  barrier.wait(); // blocks this thread
  console.log(`${name} goes on.`);
  barrier.arriveAndDrop(); // leaves, and breaks nothing
  self.postMessage("done");
  self.close();
};
