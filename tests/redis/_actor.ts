// Copyright 2026 the Rendezvous authors. MIT license.

// An actor that is a party. See Actor in tests/process/_helpers.ts.

import { RedisBarrier, type RedisBarrierOptions } from "../../redis_barrier.ts";
import { callOrGet, serve } from "../_helpers/actor_program.ts";
import { type ClientKind, openClient } from "./_adapter.ts";

let barrier: RedisBarrier;
/** The phases whose action ran here. */
const ran: number[] = [];

serve({
  /** `acts`: whether it has an action, which notes that it ran, or hangs. */
  async connect(
    path: string,
    { acts, client = "URL", ...options }:
      & RedisBarrierOptions
      & { acts?: "notes" | "hangs"; client?: ClientKind },
  ) {
    if (acts === "notes") options.action = () => void ran.push(barrier.phase);
    if (acts === "hangs") options.action = () => new Promise(() => {});
    const redis = await openClient({ defer() {} }, client, path);
    barrier = await RedisBarrier.connect(redis, options);
    return barrier.name;
  },
  barrier: (member: string, ...args: unknown[]) => callOrGet(barrier, member, args),
  closeBarrier: () => barrier[Symbol.asyncDispose](),
  ran: () => ran,
});
