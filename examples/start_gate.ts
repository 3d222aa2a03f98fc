// Copyright 2026 the Rendezvous authors. MIT license.
// deno-lint-ignore-file no-console

/**
 * A start gate: however long each runner takes to get ready, all start at the same moment.
 *
 *     deno run examples/start_gate.ts
 *
 * The starter is a party, too. Parties go on in the order of their arrival, so the starter, who comes first, is
 * also the first to go on.
 *
 * @module
 */

import { setTimeout as delay } from "node:timers/promises";
import { AsyncBarrier } from "../mod.ts";

const runners = ["Ann", "Bob", "Cyd"];
const gate = new AsyncBarrier(runners.length + 1);

async function race(runner: string): Promise<void> {
  await delay(Math.random() * 200);
  console.log(`${runner} is ready.`);
  await gate.wait();
  console.log(`${runner} runs.`);
}

const racing = runners.map(race);
await gate.wait();
console.log("Go!");
await Promise.all(racing);
