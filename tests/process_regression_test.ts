// Copyright 2026 the Rendezvous authors. MIT license.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { BrokenBarrierError } from "../mod.ts";
import { ProcessBarrier, ProcessBarrierServer } from "../process_barrier.ts";
import { temporary } from "./_child.ts";
import { failure, quiet, test, until } from "./_harness.ts";
import { RawClient } from "./_raw_client.ts";

test("ProcessBarrierServer[Symbol.asyncDispose]() leaves the socket alone that another server has put there", async (scope) => {
  const path = `${await temporary(scope)}/socket`;
  const first = scope.use(await ProcessBarrierServer.listen({ parties: 1, path }));
  await Deno.remove(path);
  scope.use(await ProcessBarrierServer.listen({ parties: 1, path }));
  await first[Symbol.asyncDispose]();
  assert((await Deno.lstat(path)).isSocket);
  scope.use(await ProcessBarrier.connect(path));
});

test("ProcessBarrierServer[Symbol.asyncDispose]() leaves a file alone that somebody has put there", async (scope) => {
  const path = `${await temporary(scope)}/socket`;
  const server = scope.use(await ProcessBarrierServer.listen({ parties: 1, path }));
  await Deno.remove(path);
  await Deno.writeTextFile(path, "precious");
  await server[Symbol.asyncDispose]();
  assertEquals(await Deno.readTextFile(path), "precious");
});

test("ProcessBarrierServer.listen() gives a stale socket to one of those who want it", async (scope) => {
  for (let i = 0; i < 100; i++) {
    const path = `${await temporary(scope)}/socket`;
    const stale = Deno.listen({ transport: "unix", path: `${path}.live` });
    await Deno.link(`${path}.live`, path);
    stale.close();
    const tries = Array.from(
      { length: 3 },
      () => ProcessBarrierServer.listen({ parties: 1, path }),
    );
    const results = await Promise.allSettled(tries);
    const servers = results.flatMap((r) => r.status === "fulfilled" ? [scope.use(r.value)] : []);
    for (const result of results) {
      if (result.status === "rejected") assertInstanceOf(result.reason, Deno.errors.AddrInUse);
    }
    assertEquals(servers.length, 1, "servers at one path");
  }
});

test("ProcessBarrier.connect() heeds a signal that aborts while it dials", async (scope) => {
  const path = `${await temporary(scope)}/socket`;
  scope.use(Deno.listen({ transport: "unix", path }));
  const controller = new AbortController();
  const connecting = failure(
    ProcessBarrier.connect(path, { signal: controller.signal, timeout: 500 }),
  );
  controller.abort("enough");
  assertStrictEquals(await connecting, "enough");
});

test("ProcessBarrier.arrive() is refused twice in a phase though a reset came between, in one chunk", async (scope) => {
  const server = scope.use(await ProcessBarrierServer.listen({ parties: 2 }));
  const a = scope.use(await ProcessBarrier.connect(server.path, { name: "a" }));
  const reset = failure(a.wait());
  a.reset();
  assertEquals(await a.arrive(), 0);
  await reset;
  assertEquals(server.missing, ["party 1"]);
  await assertRejects(() => a.arrive(), DOMException, "must arrive once in a phase");
  assertEquals([server.phase, server.arrived], [0, 1]);
});

test("ProcessBarrier.arrive() may come as soon as it has asked to withdraw", async (scope) => {
  const server = scope.use(await ProcessBarrierServer.listen({ parties: 2 }));
  const a = scope.use(await ProcessBarrier.connect(server.path, { name: "a" }));
  const controller = new AbortController();
  const cancelled = failure(a.wait({ signal: controller.signal, onCancel: "withdraw" }));
  await until(() => server.arrived === 1, "a waits");
  controller.abort("why");
  assertEquals(await a.arrive(), 0);
  assertEquals(await cancelled, "why");
});

test("ProcessBarrier.wait() that was refused is no arrival for the request behind it", async (scope) => {
  const server = scope.use(await ProcessBarrierServer.listen({ parties: 1 }));
  const client = scope.use(await RawClient.connect(server.path));
  await client.ask({ do: "join", version: 1 });
  await client.send('{"id":"x","do":"wait","timeout":"x"}\n{"id":"y","do":"wait"}\n');
  await until(() => client.others.length === 2, "two answers");
  assertEquals(client.others.find(({ id }) => id === "y")!.ok, 0);
});

test("ProcessBarrier.abort() takes an error that has no text for a message", async (scope) => {
  const server = scope.use(await ProcessBarrierServer.listen({ parties: 1 }));
  const a = scope.use(await ProcessBarrier.connect(server.path));
  await a.abort(Object.assign(new Error(), { message: 42 }));
  assert(server.broken);
});

test("ProcessBarrier.register() without a count adds no party without a seat", async (scope) => {
  const server = scope.use(await ProcessBarrierServer.listen({ parties: 1 }));
  const client = scope.use(await RawClient.connect(server.path));
  await client.ask({ do: "join", version: 1 });
  await client.ask({ do: "register" });
  assertEquals(server.missing.length, server.parties);
});

test("ProcessBarrierServer.missing names nobody who has arrived when reset() comes while the action runs", async (scope) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  scope.defer(() => resolve());
  const server = scope.use(
    await ProcessBarrierServer.listen({ parties: 1, action: () => promise }),
  );
  const a = scope.use(await ProcessBarrier.connect(server.path, { name: "a" }));
  const waiting = quiet(a.wait());
  await until(() => server.arrived === 1, "the action runs");
  assertEquals(server.missing, []);
  await server.reset();
  assertEquals([server.arrived, server.missing], [1, []]);
  resolve();
  assertEquals(await waiting, 0);
});

test("ProcessBarrier.status() is one snapshot", async (scope) => {
  const server = scope.use(await ProcessBarrierServer.listen({ parties: 2 }));
  const a = scope.use(await ProcessBarrier.connect(server.path, { name: "a" }));
  const [status] = await Promise.all([a.status(), a.arrive()]);
  assertEquals(status.parties - status.arrived, status.missing.length);
});

test("ProcessBarrierServer gives no seat to a stranger that was turned away by what it sends behind", async (scope) => {
  const server = scope.use(await ProcessBarrierServer.listen({ parties: 1 }));
  const stranger = scope.use(await RawClient.connect(server.path));
  await stranger.send('{"id":1,"do":"join","version":2}\n{"id":2,"do":"join","version":1}\n');
  await stranger.ended();
  assertEquals(server.broken, false);
});

test("ProcessBarrier.status() of many parties does not cost its party the connection", async (scope) => {
  const server = scope.use(await ProcessBarrierServer.listen({ parties: 1_023 }));
  const a = scope.use(await ProcessBarrier.connect(server.path));
  await a.status();
  assertEquals(server.broken, false);
});

test("ProcessBarrier.register() of more than anybody can hold is refused", async (scope) => {
  const server = scope.use(await ProcessBarrierServer.listen({ parties: 1 }));
  const a = scope.use(await ProcessBarrier.connect(server.path));
  // With 2 ** 40 the server runs out of memory.
  await assertRejects(() => a.register(1_000_000), RangeError);
});

test("ProcessBarrier.wait() with a signal tells what an action threw, whatever its name", async (scope) => {
  const action = () => {
    throw Object.assign(new Error("mine"), { name: "Cancelled" });
  };
  const server = scope.use(await ProcessBarrierServer.listen({ parties: 1, action }));
  const a = scope.use(await ProcessBarrier.connect(server.path));
  const error = await failure(a.wait({ signal: new AbortController().signal }));
  assertEquals((error as Error | undefined)?.message, "mine");
});

test("ProcessBarrier after its own end does not say that the server is gone", async (scope) => {
  const server = scope.use(await ProcessBarrierServer.listen({ parties: 1 }));
  const a = scope.use(await ProcessBarrier.connect(server.path));
  await a[Symbol.asyncDispose]();
  const error = await failure(a.wait());
  assertInstanceOf(error, BrokenBarrierError);
  assertEquals(error.reason, "aborted");
});

test("ProcessBarrier.wait() tells all its names in a timeout's message as in a break's", async (scope) => {
  const server = scope.use(await ProcessBarrierServer.listen({ parties: 17 }));
  const join = (i: number) =>
    ProcessBarrier.connect(server.path, { name: String(i).padEnd(100, "x") });
  const members = [];
  for (let i = 0; i < 17; i++) members.push(scope.use(await join(i)));
  const error = await failure(members[0]!.wait({ timeout: 0 })) as Error;
  assert(error.message.includes('"16xxx'), error.message.slice(-50));
});

test("ProcessBarrier.wait() with a signal that has aborted gets its reason from a server that is gone", async (scope) => {
  const server = scope.use(await ProcessBarrierServer.listen({ parties: 1 }));
  const a = scope.use(await ProcessBarrier.connect(server.path));
  await server[Symbol.asyncDispose]();
  // As AsyncBarrier does when it is broken.
  assertEquals(await failure(a.wait({ signal: AbortSignal.abort("why") })), "why");
});

// Last, as it ends the process now: the rejection is handled by nobody.
test("ProcessBarrierServer.listen() with an action whose error has no text for a message does not bring the server down", async (scope) => {
  const action = () => {
    throw Object.assign(new Error(), { message: 42 });
  };
  const server = scope.use(await ProcessBarrierServer.listen({ parties: 1, action }));
  const a = scope.use(await ProcessBarrier.connect(server.path));
  const error = await failure(a.wait());
  assertEquals((error as Error).message, "42");
});
