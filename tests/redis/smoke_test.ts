// Copyright 2026 the Rendezvous authors. MIT license.

// A cluster, TLS and a password, with each client; and each engine that is found.

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Cluster, Redis } from "ioredis";
import { createClient, createCluster } from "redis";
import type { RedisClient } from "../../redis_barrier.ts";
import {
  certificates,
  Engine,
  engine,
  type EngineOptions,
  redis,
  startCluster,
  valkey,
} from "../_helpers/engine.ts";
import { failure, ignore, test as testAnyhow } from "../_helpers/harness.ts";
import { join, meet, type Scope } from "./_helpers.ts";

function test(name: string, body: (scope: Scope) => Promise<void>): void {
  testAnyhow(`RedisBarrier ${name}`, body, { ignore: engine.missing });
}

const OPTIONS = { key: "job", parties: 2 };

/** A client of ioredis, for the scope. */
function ownIoredis<T extends Redis | Cluster>(scope: Scope, client: T): T {
  client.on("error", ignore);
  scope.defer(async () => {
    const ended = new Promise((resolve) => client.once("end", resolve));
    client.disconnect();
    await ended;
  });
  return client;
}

/** A client of node-redis, for the scope. */
async function ownNodeRedis<
  T extends { on(event: "error", f: () => void): unknown; connect(): unknown; destroy(): void },
>(scope: Scope, client: T): Promise<T> {
  client.on("error", ignore);
  await client.connect();
  scope.defer(() => client.destroy());
  return client;
}

/** They meet, and one who comes by another client meets them. */
async function meetBy(scope: Scope, ...redis: (string | RedisClient)[]): Promise<void> {
  const parties = [];
  for (const [i, each] of redis.entries()) {
    parties.push(await join(scope, each, { ...OPTIONS, parties: redis.length, name: `p${i}` }));
  }
  for (let i = 0; i < 3; i++) await meet(parties);
  assertEquals(parties.map(({ phase }) => phase), parties.map(() => 3));
}

test("meets on a cluster of three, by ioredis and node-redis", async (scope) => {
  const nodes = await startCluster(scope);
  const roots = nodes.map(({ port }) => ({ host: "127.0.0.1", port }));
  const cluster = ownIoredis(scope, new Cluster(roots));
  const rootNodes = nodes.map(({ url }) => ({ url }));
  const nodeCluster = await ownNodeRedis(scope, createCluster({ rootNodes }));
  await meetBy(scope, cluster, nodeCluster);
  // All keys are in one slot: one node has them all.
  const counts = await Promise.all(nodes.map((node) => node.cli("DBSIZE")));
  assertEquals(counts.filter((count) => count !== "0").length, 1);
  // A URL is one node: two of three have not the slot.
  const late = nodes.map(({ url }) => failure(join(scope, url, { ...OPTIONS, parties: 3 })));
  const errors = (await Promise.all(late)).map(String);
  assertEquals(errors.filter((error) => error.includes("MOVED")).length, 2, errors.join("\n"));
});

test("meets by TLS, by ioredis and node-redis", async (scope) => {
  const tls = await certificates(scope);
  const engine = await Engine.start(scope, { tls });
  const ca = await Deno.readTextFile(tls.ca);
  const { port } = engine;
  const ioredis = ownIoredis(scope, new Redis({ port, host: "localhost", tls: { ca } }));
  const socket = { tls: true as const, host: "localhost", port, ca };
  await meetBy(scope, ioredis, await ownNodeRedis(scope, createClient({ socket })));
  // Nobody has said that this certificate is to be trusted.
  const error = await failure(join(scope, engine.url, OPTIONS)) as Error;
  assertStringIncludes(error.message, "Redis cannot be used: ");
  assertMatch(error.message, /certificate|UnknownIssuer/i);
});

for (const { name, path } of [redis, valkey]) {
  // Without that engine it is no test: not every system has both.
  if (path === undefined) continue;
  test(`meets with a password, by a URL, ioredis and node-redis [${name}]`, async (scope) => {
    const options: EngineOptions = {
      password: "a&b/c d",
      program: { name, path, missing: undefined },
    };
    const { url } = await Engine.start(scope, options);
    const ioredis = ownIoredis(scope, new Redis(url));
    await meetBy(scope, url, ioredis, await ownNodeRedis(scope, createClient({ url })));
  });
}
