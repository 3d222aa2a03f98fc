// Copyright 2026 the Rendezvous authors. MIT license.

import { RedisBarrier, type RedisBarrierOptions, type RedisClient } from "../../redis_barrier.ts";
import { engine } from "../_helpers/engine.ts";
import { test as testAnyhow } from "../_helpers/harness.ts";
import { Actor } from "../process/_helpers.ts";

export { failure, quiet, turn, until, within } from "../_helpers/harness.ts";

export type Scope = AsyncDisposableStack;

/** A test that needs Redis. */
export function test(name: string, body: (scope: Scope) => Promise<void>): void {
  testAnyhow(name, body, { ignore: engine.missing });
}

/** Joins, for the scope. */
export async function join(
  scope: Scope,
  redis: string | RedisClient,
  options: RedisBarrierOptions,
): Promise<RedisBarrier> {
  return scope.use(await RedisBarrier.connect(redis, options));
}

/** Joins "a", "b", …: all parties, or so many. */
export async function joinAll(
  scope: Scope,
  redis: string | RedisClient,
  options: RedisBarrierOptions,
  count: number = options.parties,
): Promise<RedisBarrier[]> {
  const parties: RedisBarrier[] = [];
  for (let i = 0; i < count; i++) {
    parties.push(await join(scope, redis, { ...options, name: String.fromCharCode(97 + i) }));
  }
  return parties;
}

/** All wait, and pass. */
export async function meet(parties: RedisBarrier[]): Promise<void> {
  const numbers = await Promise.all(parties.map((party) => party.wait()));
  const expected = [...parties.keys()];
  if (numbers.sort((x, y) => x - y).some((number, i) => number !== expected[i])) {
    throw new Error(`They met as ${numbers}`);
  }
}

/** A party in a process of its own: see _actor.ts. */
export async function startParty(
  scope: Scope,
  redis: string,
  options: RedisBarrierOptions,
): Promise<Actor> {
  const path = new URL("_actor.ts", import.meta.url).pathname;
  const command = [Deno.execPath(), "run", "-A", "--quiet", "--no-check", path];
  const actor = new Actor(scope, {}, command);
  await actor.do("connect", redis, options);
  return actor;
}
