// Copyright 2026 the Rendezvous authors. MIT license.

import { Redis } from "ioredis";
import { createClient } from "redis";
import { checkInteger } from "../../_common/checks.ts";
import { checkPhase, readReset, readWatch } from "../../_common/options.ts";
import { connect } from "../../_redis/connect.ts";
import type { RedisParty } from "../../_redis/redis_party.ts";
import { readSettings } from "../../_redis/settings.ts";
import type { JoinOptions } from "../../barrier.ts";
import { RedisBarrier, type RedisBarrierOptions, type RedisClient } from "../../redis_barrier.ts";
import { ignore, quiet } from "../_helpers/harness.ts";
import type { Adapter, Fixture, Host } from "../contract/adapter.ts";
import { fill, names, promisedParty } from "../contract/fixture.ts";

/** How a program reaches Redis. */
export const clients = ["URL", "ioredis", "node-redis"] as const;

export type ClientKind = typeof clients[number];

/** Closes a client of ioredis, and waits until nothing is left. */
export async function closeClient(client: Redis): Promise<void> {
  const ended = new Promise((resolve) => client.once("end", resolve));
  client.disconnect();
  client.stream?.destroy();
  await ended;
}

/** What a program gives to `connect`, for the scope. */
export async function openClient(
  scope: Pick<AsyncDisposableStack, "defer">,
  kind: ClientKind,
  path: string,
): Promise<string | RedisClient> {
  if (kind === "URL") return path;
  if (kind === "ioredis") {
    const client = new Redis(path);
    client.on("error", ignore);
    scope.defer(() => closeClient(client));
    return client;
  }
  const client = createClient({ socket: { path, tls: false } });
  client.on("error", ignore);
  await client.connect();
  scope.defer(() => client.destroy());
  return client;
}

/** Who watches, and is no party. On Redis there is no maker. */
function hostOf(watcher: RedisParty): Host {
  const call = <T>(method: () => T | Promise<T>) => quiet(Promise.try(method));
  return {
    waitFor: (phase, options) =>
      call(() => {
        checkPhase("wait for a phase", phase);
        return watcher.waitFor(phase, readWatch("wait for a phase", options));
      }),
    ready: (options) => call(() => watcher.ready(readWatch("wait for a barrier", options))),
    register: (count = 1) =>
      call(() => {
        checkInteger("register parties", "count", count, 1);
        return watcher.register(count);
      }),
    abort: (reason) => call(() => watcher.abort(reason)),
    reset: (phase, options) => call(() => watcher.reset(phase, readReset(phase, options))),
    dispose: () => call(() => watcher.close()),
    state: () =>
      call(async () => {
        const { parties, arrived, phase, broken, missing } = await watcher.status();
        return { parties, arrived, phase, broken, missing };
      }),
  };
}

/** All parties in one process, by one kind of client. `path` is the socket of the engine. */
export function redis(kind: ClientKind, path: () => string, ignored?: string): Adapter {
  return {
    title: (member, behaviour) => {
      const dot = /^[a-z]/.test(member) ? "." : "";
      return `RedisBarrier${dot}${member} ${behaviour} [${kind}]`;
    },
    most: 1_023,
    can: {
      signal: true,
      names: true,
      unnamed: false,
      dispose: true,
      lose: false,
      expect: false,
      maker: false,
      register: false,
    },
    ignored,
    make: async (parties, made, alone = false) => {
      const key = crypto.randomUUID();
      const settings = { ...readSettings({ key, parties, ...made }), name: undefined };
      const scope = new AsyncDisposableStack();
      const client = await openClient(scope, kind, path());
      const watcher = await connect(client, settings);
      scope.defer(() => watcher.close());
      const nextName = names();
      const fixture: Fixture = {
        host: hostOf(watcher),
        parties: [],
        async join(options: JoinOptions = {}) {
          if (typeof options !== "object" || options === null) {
            return promisedParty(await RedisBarrier.connect(client, options));
          }
          const name = "name" in options ? options.name : nextName();
          const wanted: RedisBarrierOptions = { key, parties, ...made, ...options, name };
          return promisedParty(scope.use(await RedisBarrier.connect(client, wanted)));
        },
        [Symbol.asyncDispose]: () => scope.disposeAsync(),
      };
      return alone ? fixture : await fill(fixture, parties);
    },
  };
}
