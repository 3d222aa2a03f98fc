// Copyright 2026 the Rendezvous authors. MIT license.
// deno-lint-ignore-file no-console

/**
 * An action that merges what the parties found, once a phase: k-means, which sorts numbers into groups.
 *
 *     deno run examples/merge_action.ts
 *
 * In each phase every task sorts its own numbers by the nearest center. Then the action moves each center into the
 * middle of its group. It runs after the last arrival and before anyone goes on, so nobody reads half of a result.
 *
 * @module
 */

import { AsyncBarrier } from "../mod.ts";

/** The sum and the count of a group. */
interface Group {
  sum: number;
  count: number;
}

const shards = [[1, 2, 21, 9], [3, 10, 11, 22], [2, 12, 20, 10]];
let centers = [2, 3, 22];
let settled = false;
const found: Group[][] = [];

/** Merges the groups that the tasks found. */
function merge(): void {
  if (settled) return; // The tasks leave. To leave is to arrive, so that is a phase, too.
  const moved = centers.map((center, i) => {
    const sum = found.reduce((total, groups) => total + groups[i]!.sum, 0);
    const count = found.reduce((total, groups) => total + groups[i]!.count, 0);
    return count === 0 ? center : sum / count;
  });
  settled = moved.every((center, i) => center === centers[i]);
  centers = moved;
  console.log(`Phase ${barrier.phase}: centers ${centers.map((c) => c.toFixed(2)).join(", ")}`);
}

const barrier = new AsyncBarrier(shards.length, { action: merge });

async function sort(shard: number, me: AsyncBarrier): Promise<void> {
  while (!settled) {
    found[shard] = group(shards[shard]!);
    await me.wait();
  }
}

function group(numbers: number[]): Group[] {
  const groups = centers.map(() => ({ sum: 0, count: 0 }));
  for (const number of numbers) {
    const distances = centers.map((center) => Math.abs(number - center));
    const nearest = groups[distances.indexOf(Math.min(...distances))]!;
    nearest.sum += number;
    nearest.count++;
  }
  return groups;
}

await Promise.all(shards.map((_, i) => barrier.run(`shard ${i}`, (me) => sort(i, me))));
console.log("The centers have settled.");
