// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * A process that meets the others in each way that `redis.ts` measures: `_redis_party.ts REDIS SOCKET PARTIES INDEX`. A line
 * of its input says how, and how often; a line of its output, as JSON, when each phase began and ended for it, in ms since
 * 1970.
 */

import { createInterface } from "node:readline";
import process from "node:process";
import { Redis } from "ioredis";
import { ProcessBarrier } from "../process_barrier.ts";
import { RedisBarrier } from "../redis_barrier.ts";

/** What is measured, and how long whoever polls sleeps in between, in ms. */
export type Way = "redis" | "socket" | "polling 10" | "polling 100" | "ping";

/** What a party is told to do: phases in a row, or each after the others have been waiting for a while. */
export interface Task {
  way: Way;
  phases: number;
  inARow: boolean;
}

/** When a party called, and when it was released. */
export type Times = [called: number, released: number][];

/** How long the last party waits for the others to sleep, in ms, and for each of them. */
const SETTLE = 15;
const SETTLE_EACH = 1;

const [url, path, count, index] = Deno.args as [string, string, string, string];
const parties = Number(count);
const isLast = index === "0";

const redisBarrier = await RedisBarrier.connect(url, {
  key: "bench",
  parties,
  name: `party ${index}`,
  lease: 60_000,
});
const socketBarrier = await ProcessBarrier.connect(path, { connectTimeout: 60_000 });
const client = new Redis(url);
let polled = 0;

const ways: Record<Way, () => Promise<unknown>> = {
  redis: () => redisBarrier.wait(),
  socket: () => socketBarrier.wait(),
  "polling 10": () => pollingBarrier(10),
  "polling 100": () => pollingBarrier(100),
  ping: () => client.ping(),
};

/** A barrier as people write it by hand: nothing ends it but the last arrival. */
async function pollingBarrier(interval: number): Promise<void> {
  const key = `polled:${polled++}`;
  await client.incr(key);
  await client.expire(key, 60);
  while (Number(await client.get(key)) < parties) await sleep(interval);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function now(): number {
  return performance.timeOrigin + performance.now();
}

for await (const line of createInterface({ input: process.stdin })) {
  const { way, phases, inARow }: Task = JSON.parse(line);
  const times: Times = [];
  if (way !== "ping" || isLast) {
    for (let phase = 0; phase < phases; phase++) {
      if (isLast && !inARow) await sleep(SETTLE + SETTLE_EACH * parties);
      const called = now();
      await ways[way]();
      times.push([called, now()]);
    }
  }
  process.stdout.write(JSON.stringify(times) + "\n");
}
await Promise.all([redisBarrier.arriveAndDrop(), socketBarrier.arriveAndDrop()]);
await redisBarrier[Symbol.asyncDispose]();
await socketBarrier[Symbol.asyncDispose]();
client.disconnect();
