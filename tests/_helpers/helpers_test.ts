// Copyright 2026 the Rendezvous authors. MIT license.

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { Barrier, BrokenBarrierError } from "../../barrier.ts";
import { FakeTime } from "./fake_time.ts";
import {
  CountingController,
  failure,
  run,
  turn,
  UnhandledRejections,
  until,
  within,
} from "./harness.ts";
import { runProgram } from "./program.ts";
import { Thread } from "./thread.ts";
import { pack, unpack } from "./wire.ts";

Deno.test("run() fails a test that hangs, after its scope has freed it", async () => {
  const { promise, reject } = Promise.withResolvers<void>();
  let freed = false;
  const hanging = run((scope) => {
    scope.defer(() => {
      freed = true;
      reject(new Error("freed"));
    });
    return promise;
  }, 5);
  await assertRejects(() => hanging, Error, "Hung: the test did not end in 5 ms");
  assert(freed);
});

Deno.test("run() ends the scope of a test that fails, and fails as it did", async () => {
  let freed = false;
  const failing = run((scope) => {
    scope.defer(() => void (freed = true));
    throw new TypeError("no");
  });
  await assertRejects(() => failing, TypeError, "no");
  assert(freed);
});

Deno.test("within() gives what the promise gives", async () => {
  assertEquals(await within(Promise.resolve(7), "it"), 7);
  await assertRejects(() => within(Promise.reject(new TypeError("no")), "it"), TypeError, "no");
});

Deno.test("until() returns when the condition holds and fails when it does not", async () => {
  let turns = 0;
  await until(() => ++turns === 3, "three turns");
  assertEquals(turns, 3);
  await assertRejects(() => until(() => false, "never", 1), Error, "not in 1 ms: never");
});

Deno.test("failure() gives the reason, and fails if there is none", async () => {
  assertEquals(await failure(Promise.reject("why")), "why");
  await assertRejects(() => failure(Promise.resolve(7)), Error, "gave 7");
});

Deno.test("UnhandledRejections sees a rejection that nobody handles, and no other", async () => {
  using unhandled = new UnhandledRejections();
  Promise.reject("unhandled");
  Promise.reject("handled").catch(() => {});
  await turn();
  await turn();
  assertEquals(unhandled.reasons, ["unhandled"]);
});

Deno.test("CountingController counts the listeners of its signal", () => {
  const controller = new CountingController();
  const calls: string[] = [];
  const listener = () => calls.push("abort");
  controller.signal.addEventListener("abort", listener);
  assertEquals([controller.listeners, controller.added], [1, 1]);
  controller.abort();
  assertEquals(calls, ["abort"]);
  controller.signal.removeEventListener("abort", listener);
  controller.signal.removeEventListener("abort", listener);
  assertEquals([controller.listeners, controller.added], [0, 1]);
});

Deno.test("FakeTime runs the timers that are due, in their order, and puts the real ones back", () => {
  const real = [globalThis.setTimeout, globalThis.clearTimeout];
  const log: string[] = [];
  {
    using time = new FakeTime();
    setTimeout((word: string) => log.push(word), 20, "late");
    setTimeout(() => {
      log.push("early");
      setTimeout(() => log.push("nested"), 5);
    }, 10);
    const cleared = setTimeout(() => log.push("cleared"), 1);
    clearTimeout(cleared);
    clearTimeout(undefined);
    assertEquals(time.pending, 2);
    time.tick(9);
    assertEquals(log, []);
    time.tick(1);
    assertEquals(log, ["early"]);
    time.tick(100);
    assertEquals(log, ["early", "nested", "late"]);
    setTimeout(() => log.push("too long"), 2 ** 31);
    time.tick(0);
    assertEquals(log.at(-1), "too long");
    assertEquals(time.pending, 0);
  }
  assertEquals([globalThis.setTimeout, globalThis.clearTimeout], real);
});

Deno.test("unpack() makes the error that pack() took", () => {
  const details = { phase: 1, arrived: 2, parties: 3, missing: ["a"], party: "a", cause: "why" };
  const broken = new BrokenBarrierError("no", { reason: "lost", ...details });
  const errors = [
    broken,
    new DOMException("late", "TimeoutError"),
    new RangeError("r"),
    new TypeError("t"),
    new Error("e"),
  ];
  for (const error of errors) {
    const copy = unpack(structuredClone(pack(error)));
    assertStrictEquals(copy.constructor, error.constructor);
    assertEquals([copy.name, copy.message], [error.name, error.message]);
  }
  const copy = unpack(pack(broken)) as BrokenBarrierError;
  const { reason, phase, arrived, parties, missing, party, cause } = copy;
  assertEquals({ phase, arrived, parties, missing, party, cause }, details);
  assertEquals(reason, "lost");
});

Deno.test("Thread frees its blocked worker when it is returned, and is used again", async () => {
  const barrier = new Barrier(2);
  const thread = await Thread.from(barrier);
  const waiting = failure(thread.call("wait"));
  await until(() => barrier.arrived === 1, "arrived");
  barrier.abort();
  await thread.giveBack();
  assertEquals((await waiting as BrokenBarrierError).reason, "aborted");
  const next = new Barrier(1);
  const again = await Thread.from(next);
  assertStrictEquals(again, thread);
  assertEquals(await again.call("wait"), 0);
  await assertRejects(() => again.call("wait", { timeout: -1 }), RangeError);
  await again.giveBack();
});

Deno.test("runProgram() gives what a program wrote, and how it ended", async () => {
  const program = "console.log(typeof AsyncBarrier); console.error('error'); Deno.exit(3);";
  assertEquals(await runProgram(program), { code: 3, output: "function\nerror\n" });
});
