// Copyright 2026 the Rendezvous authors. MIT license.

import { Redis } from "ioredis";
import { RedisBarrier } from "../../redis_barrier.ts";
import type { RedisPlace } from "./party.ts";

/** Joins a barrier of Redis, maybe by a script that is not what it should be. */
export async function enterRedis(place: RedisPlace, name: string): Promise<RedisBarrier> {
  const { url, key, seats: parties, lease, mutation } = place;
  const options = { key, parties, name, lease };
  if (mutation === undefined) return await RedisBarrier.connect(url, options);
  const client = new Redis(url);
  const [from, to] = mutation;
  const mutant = {
    evalsha: () => Promise.reject(new Error("NOSCRIPT")),
    eval: (script: string, ...args: [number, ...string[]]) => {
      if (!script.includes(from)) throw new Error(`The script has no ${from}`);
      return client.eval(script.replace(from, to), ...args);
    },
    duplicate: () => client.duplicate(),
    get status() {
      return client.status;
    },
  };
  return await RedisBarrier.connect(mutant, options);
}
