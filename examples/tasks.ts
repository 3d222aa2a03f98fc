// Copyright 2026 the Rendezvous authors. MIT license.
// deno-lint-ignore-file no-console

/**
 * Four tasks of one event loop each work for a random time, wait for each other, and go on together.
 *
 *     deno run examples/tasks.ts
 *
 * `run` gives each task a name. If a task threw, the others would be told its name at once.
 *
 * @module
 */

import { setTimeout as delay } from "node:timers/promises";
import { AsyncBarrier } from "../mod.ts";

const barrier = new AsyncBarrier(4);

async function work(name: string, me: AsyncBarrier): Promise<void> {
  await delay(Math.random() * 500);
  console.log(`${name} reached the barrier.`);
  await me.wait();
  console.log(`${name} goes on.`);
}

const names = ["Task 0", "Task 1", "Task 2", "Task 3"];
await Promise.all(names.map((name) => barrier.run(name, (me) => work(name, me))));
