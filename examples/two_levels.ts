// Copyright 2026 the Rendezvous authors. MIT license.
// deno-lint-ignore-file no-console

/**
 * Six processes on two machines meet at two levels: those of a machine at a process barrier, whose action waits for the
 * other machine at a Redis barrier. So Redis hears of each machine once a phase, however many processes it has.
 *
 *     deno run -A examples/two_levels.ts redis://localhost:6380
 *
 * If a process dies, the barrier of its machine breaks. That machine ends, and with it its place among the machines: so all
 * are told.
 *
 * The two machines are two processes here. Each runs `two_levels.ts URL KEY MACHINE`, and starts its own processes.
 *
 * @module
 */

import { setTimeout as delay } from "node:timers/promises";
import { ProcessBarrier, ProcessBarrierServer } from "../process_barrier.ts";
import { RedisBarrier } from "../redis_barrier.ts";

const MACHINES = ["Machine A", "Machine B"];
const PROCESSES = 3;
const PHASES = 2;

const [url, key, machine, path, index] = Deno.args;
if (path !== undefined) await work(path, `${machine}, process ${index}`);
else if (machine !== undefined) await lead(url!, key!, machine);
else await main(url!);

async function main(url: string): Promise<void> {
  // A key names one run: an old one never meets a new one.
  const key = `two_levels:${crypto.randomUUID()}`;
  const machines = MACHINES.map((machine) => start(url, key, machine).status);
  const statuses = await Promise.all(machines);
  Deno.exitCode = statuses.every(({ success }) => success) ? 0 : 1;
}

/** Runs once on each machine. */
async function lead(url: string, key: string, machine: string): Promise<void> {
  await using among = await RedisBarrier.connect(url, {
    key,
    parties: MACHINES.length,
    name: machine,
  });
  await using here = await ProcessBarrierServer.listen({
    parties: PROCESSES,
    // If this phase breaks here meanwhile, it breaks among the machines; and the other way round.
    action: async (signal) => {
      await among.wait({ signal });
    },
  });
  const processes = Array.from({ length: PROCESSES }, (_, index) => {
    const { status } = start(url, key, machine, here.path, `${index}`);
    here.expect(`${machine}, process ${index}`, status);
    return status;
  });
  const statuses = await Promise.all(processes);
  Deno.exitCode = statuses.every(({ success }) => success) ? 0 : 1;
}

async function work(path: string, name: string): Promise<void> {
  await using barrier = await ProcessBarrier.connect(path, { name });
  for (let phase = 0; phase < PHASES; phase++) {
    await delay(200 + Math.random() * 200); // works
    console.log(`${name} reached phase ${phase}.`);
    await barrier.wait();
    console.log(`${name} passed phase ${phase}.`);
  }
  await barrier.arriveAndDrop();
}

function start(...args: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", import.meta.filename!, ...args],
  }).spawn();
}
