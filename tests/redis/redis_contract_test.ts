// Copyright 2026 the Rendezvous authors. MIT license.

import { contract } from "../contract/contract.ts";
import { clients, redis } from "./_adapter.ts";
import { noRedis, startRedis, type TestRedis } from "./_server.ts";

let server: TestRedis;

Deno.test.beforeAll(async () => {
  if (noRedis === undefined) server = await startRedis();
});

Deno.test.afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

for (const kind of clients) contract(redis(kind, () => server.path, noRedis));
