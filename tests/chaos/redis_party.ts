// Copyright 2026 the Rendezvous authors. MIT license.

import { Redis } from "ioredis";
import { RedisBarrier, type RedisBarrierOptions, type RedisClient } from "../../redis_barrier.ts";
import type { RedisPlace } from "./party.ts";

/** Joins a barrier of Redis, maybe by a script that is not what it should be, and maybe with an action. */
export async function enterRedis(
  place: RedisPlace,
  name: string,
  onAction?: (phase: number) => void,
): Promise<RedisBarrier> {
  const { url, key, seats: parties, lease, mutation } = place;
  const options: RedisBarrierOptions = { key, parties, name, lease };
  let barrier: RedisBarrier | undefined;
  if (onAction !== undefined) {
    options.action = async () => {
      onAction(barrier!.phase);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
    };
  }
  return barrier = await RedisBarrier.connect(connection(url, mutation), options);
}

function connection(url: string, mutation: RedisPlace["mutation"]): string | RedisClient {
  if (mutation === undefined) return url;
  const client = new Redis(url);
  const [from, to] = mutation;
  return {
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
}
