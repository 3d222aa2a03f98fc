// Copyright 2026 the Rendezvous authors. MIT license.

// What random programs found, shrunk.

import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { AsyncBarrier, Barrier, BrokenBarrierError } from "../mod.ts";
import { ProcessBarrier, ProcessBarrierServer } from "../process_barrier.ts";
import { failure, test, until } from "./_harness.ts";

test("AsyncBarrier.wait() tells what the action threw, though its signal aborted meanwhile", async () => {
  const controller = new AbortController();
  const action = Promise.withResolvers<void>();
  const barrier = new AsyncBarrier(2, { action: () => action.promise });
  const { signal } = controller;
  const errors = [failure(barrier.wait({ signal })), failure(barrier.wait({ signal }))];
  controller.abort("too late");
  action.reject("the disk is full");
  const [other, last] = await Promise.all(errors);
  assertEquals((other as BrokenBarrierError).reason, "action");
  assertStrictEquals(last, "the disk is full");
});

test("AsyncBarrier.wait() gives a signal's reason to all parties that share it", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const barrier = new AsyncBarrier(4);
  const shared = [failure(barrier.wait({ signal })), failure(barrier.wait({ signal }))];
  const other = failure(barrier.wait());
  controller.abort("enough");
  assertEquals(await Promise.all(shared), ["enough", "enough"]);
  assertEquals((await other as BrokenBarrierError).reason, "aborted");
});

test("Barrier.waitAsync() gives a signal's reason to all parties that share it", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const barrier = new Barrier(3);
  const shared = [failure(barrier.waitAsync({ signal })), failure(barrier.waitAsync({ signal }))];
  controller.abort("enough");
  assertEquals(await Promise.all(shared), ["enough", "enough"]);
});

test("ProcessBarrier.wait() gives a signal's reason to all parties that share it", async (scope) => {
  const controller = new AbortController();
  const { signal } = controller;
  const server = scope.use(await ProcessBarrierServer.listen({ parties: 3 }));
  const a = scope.use(await ProcessBarrier.connect(server.path));
  const b = scope.use(await ProcessBarrier.connect(server.path));
  const shared = [failure(a.wait({ signal })), failure(b.wait({ signal }))];
  await until(() => server.arrived === 2, "the arrivals");
  controller.abort("enough");
  assertEquals(await Promise.all(shared), ["enough", "enough"]);
});

test("ProcessBarrier.wait() tells that the barrier is broken, though its signal aborts at once", async (scope) => {
  const controller = new AbortController();
  const server = scope.use(await ProcessBarrierServer.listen({ parties: 2 }));
  const barrier = scope.use(await ProcessBarrier.connect(server.path));
  await server.abort("first");
  const refused = barrier.wait({ signal: controller.signal });
  controller.abort("second");
  const error = await assertRejects(() => refused, BrokenBarrierError);
  assertEquals(error.cause, "first");
});

test("ProcessBarrierServer.missing names nobody while the action runs, not even who joins then", async (scope) => {
  const action = Promise.withResolvers<void>();
  const options = { parties: 1, action: () => action.promise };
  const server = scope.use(await ProcessBarrierServer.listen(options));
  const barrier = scope.use(await ProcessBarrier.connect(server.path));
  const waiting = barrier.wait();
  await until(() => server.arrived === 1, "the arrival");
  await server.register();
  assertEquals(server.missing, []);
  action.resolve();
  assertEquals(await waiting, 0);
  assertEquals(server.missing, ["party 0", "party 1"]);
});

test("ProcessBarrier.waitFor() ends at once for a phase that has completed, even with an aborted signal", async (scope) => {
  const server = scope.use(await ProcessBarrierServer.listen({ parties: 1 }));
  const barrier = scope.use(await ProcessBarrier.connect(server.path));
  await barrier.wait();
  await barrier.waitFor(0, { signal: AbortSignal.abort("never mind") });
  assertStrictEquals(
    await failure(barrier.waitFor(1, { signal: AbortSignal.abort("enough") })),
    "enough",
  );
});

test("ProcessBarrier.wait() that was broken takes no later arrival back when it is cancelled", async (scope) => {
  const controller = new AbortController();
  const server = scope.use(await ProcessBarrierServer.listen({ parties: 2 }));
  const barrier = scope.use(await ProcessBarrier.connect(server.path, { transport: "socket" }));
  const broken = failure(barrier.wait({ signal: controller.signal, onCancel: "withdraw" }));
  await until(() => server.arrived === 1, "the arrival");
  // These go out together: the server has not yet answered the first wait when it is cancelled.
  const reset = barrier.reset();
  const waiting = failure(barrier.wait());
  controller.abort("too late");
  await reset;
  assertEquals((await broken as BrokenBarrierError).reason, "reset");
  const { arrived, missing } = await barrier.status();
  assertEquals([arrived, missing], [1, ["party 1"]]);
  await server.abort();
  await waiting;
});
