// Copyright 2026 the Rendezvous authors. MIT license.
// deno-lint-ignore-file no-console

/**
 * Four processes each work for a random time, wait for each other, and go on together.
 *
 *     deno run -A examples/processes.ts
 *
 * It starts itself once more for each process, with no permission but to reach the barrier. `process_demo.ts` is this
 * with options and a timeline.
 *
 * @module
 */

import { setTimeout as delay } from "node:timers/promises";
import { ProcessBarrier, ProcessBarrierServer } from "../process_barrier.ts";

const [path, name] = Deno.args;
if (path === undefined) await parent();
else await party(path, name!);

async function parent(): Promise<void> {
  await using server = await ProcessBarrierServer.listen({ parties: 4 });
  const endings = ["Process 0", "Process 1", "Process 2", "Process 3"].map((name) => {
    const { status } = start(server.path, name);
    // If the process fails before it connects, this frees the others.
    server.expect(name, status);
    return status;
  });
  const statuses = await Promise.all(endings);
  Deno.exitCode = statuses.every(({ success }) => success) ? 0 : 1;
}

function start(path: string, name: string): Deno.ChildProcess {
  const directory = path.slice(0, path.lastIndexOf("/"));
  const permissions = [
    `--allow-read=${directory}`,
    `--allow-write=${directory}`,
    `--allow-net=unix:${path}`,
  ];
  const args = ["run", "--no-prompt", ...permissions, import.meta.filename!, path, name];
  return new Deno.Command(Deno.execPath(), { args }).spawn();
}

async function party(path: string, name: string): Promise<void> {
  await using barrier = await ProcessBarrier.connect(path, { name });
  await delay(Math.random() * 500);
  console.log(`${name} reached the barrier.`);
  await barrier.wait();
  console.log(`${name} goes on.`);
  await barrier.arriveAndDrop(); // leaves, and breaks nothing
}
