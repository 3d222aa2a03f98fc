// Copyright 2026 the Rendezvous authors. MIT license.

import { assert, assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { AsyncBarrier, BrokenBarrierError } from "../../barrier.ts";
import { failure, test, turn, UnhandledRejections } from "../_helpers/harness.ts";

const WHY = new Error("no network");

test("AsyncBarrier.run() gives its task a handle with that name, and what it returns", async () => {
  const barrier = new AsyncBarrier(2);
  const log: string[] = [];
  const task = async (me: AsyncBarrier) => {
    assertInstanceOf(me, AsyncBarrier);
    await me.wait();
    log.push("met");
    return 7;
  };
  const first = barrier.run("a", task);
  assertEquals(barrier.missing, []);
  assertEquals([barrier.arrived, await Promise.race([first, turn()])], [1, undefined]);
  assertEquals(await Promise.all([first, barrier.run("b", task)]), [7, 7]);
  assertEquals(log, ["met", "met"]);
});

test("AsyncBarrier.run() drops its party when the task has ended", async () => {
  const barrier = new AsyncBarrier(3);
  const log: string[] = [];
  const task = (name: string, phases: number) =>
    barrier.run(name, async (me) => {
      for (let phase = 0; phase < phases; phase++) {
        await me.wait();
        log.push(`${name}${phase}`);
      }
    });
  await Promise.all([task("a", 1), task("b", 2), task("c", 3)]);
  assertEquals(log, ["a0", "b0", "c0", "b1", "c1", "c2"]);
  assertEquals([barrier.parties, barrier.broken, barrier.missing.length], [0, false, 0]);
});

test("AsyncBarrier.run() takes a task that is not async", async () => {
  const barrier = new AsyncBarrier(2);
  const [a, b] = [barrier.run("a", (me) => me.arrive()), barrier.run("b", () => "result")];
  assertEquals(await Promise.all([a, b]), [0, "result"]);
  await barrier.waitFor(0);
});

for (const how of ["throws", "rejects"] as const) {
  test(`AsyncBarrier.run() breaks the barrier when its task ${how}, and names it`, async () => {
    const barrier = new AsyncBarrier(3);
    const waiting = [
      failure(barrier.run("a", (me) => me.wait())),
      failure(barrier.waitFor(0)),
    ];
    const task = () => {
      if (how === "rejects") return Promise.reject(WHY);
      throw WHY;
    };
    assertStrictEquals(await failure(barrier.run("b", task)), WHY);
    for (const error of await Promise.all(waiting)) {
      assertInstanceOf(error, BrokenBarrierError);
      assertEquals(
        error.message,
        'Phase 0 broke: "b" is gone: no network (1 of 3 arrived, missing "b" and 1 without a name)',
      );
      assertEquals([error.reason, error.party, error.missing], ["lost", "b", ["b"]]);
      assertStrictEquals(error.cause, WHY);
    }
    // Its seat is free after a reset, with the one that was never taken; that of "a" was given up as well.
    barrier.reset();
    const [c, d, e] = ["a", "b", "c"].map((name) => barrier.join({ name }));
    assertEquals([c!.arrive(), d!.arrive(), e!.arrive()], [1, 1, 1]);
  });
}

test("AsyncBarrier.run() gives up its seat where the barrier is broken when the task ends", async () => {
  const barrier = new AsyncBarrier(2);
  barrier.abort();
  assertEquals(await barrier.run("a", () => 5), 5);
  assertEquals(barrier.parties, 2);
  barrier.reset(undefined, { dropLost: true });
  assertEquals(barrier.parties, 1);
});

test("AsyncBarrier.run() whose task has arrived and ends drops with the next phase", async () => {
  const barrier = new AsyncBarrier(2);
  await barrier.run("a", (me) => void me.arrive());
  assertEquals([barrier.parties, barrier.arrived, barrier.phase], [2, 1, 0]);
  assertEquals(await barrier.wait(), 0);
  // It has arrived for the last time, in the phase after.
  assertEquals([barrier.parties, barrier.phase], [1, 1]);
  assertEquals(await barrier.wait(), 0);
  assertEquals([barrier.parties, barrier.phase, barrier.arrived], [1, 2, 0]);
});

test("AsyncBarrier.run() whose task has arrived and ends is no party of a barrier that is mended", async () => {
  const barrier = new AsyncBarrier(2);
  await barrier.run("a", (me) => void me.arrive());
  barrier.abort();
  barrier.reset(0, { dropLost: true });
  assertEquals([barrier.parties, barrier.phase, barrier.missing.length], [1, 1, 0]);
  assertEquals(await barrier.wait(), 0);
});

test("AsyncBarrier.run() drops once where its drop starts an action that registers a party", async () => {
  let calls = 0;
  const barrier = new AsyncBarrier(2, {
    action: () => {
      if (++calls === 2) barrier.register();
    },
  });
  await barrier.run("a", (me) => void me.arrive());
  // Phase 0 passes. "a" drops in phase 1, alone, and so completes it.
  barrier.arriveAndDrop();
  assertEquals([calls, barrier.phase, barrier.parties, barrier.arrived], [2, 2, 1, 0]);
});

test("AsyncBarrier.run() drops behind an action that runs once there is room", async () => {
  const ends: PromiseWithResolvers<void>[] = [];
  const barrier = new AsyncBarrier(2, {
    action: () => {
      ends.push(Promise.withResolvers());
      return ends.at(-1)!.promise;
    },
  });
  const b = barrier.join({ name: "b" });
  const running = barrier.run("a", (me) => {
    me.arrive();
    b.arrive();
    assertEquals([me.arrive(), b.arrive()], [1, 1]);
  });
  await running;
  assertEquals(barrier.parties, 2);
  ends[0]!.resolve();
  await barrier.waitFor(0);
  assertEquals(barrier.phase, 1);
  ends[1]!.resolve();
  await barrier.waitFor(1);
  // It has arrived in phase 2, for the last time.
  assertEquals([barrier.parties, barrier.phase, b.arrive()], [1, 2, 2]);
  ends[2]!.resolve();
  await barrier.waitFor(2);
  assertEquals([barrier.parties, barrier.missing], [1, ["b"]]);
});

test("AsyncBarrier.run() does nothing more where the task has dropped or disposed its handle", async () => {
  const barrier = new AsyncBarrier(3);
  await barrier.run("a", (me) => void me.arriveAndDrop());
  assertEquals([barrier.parties, barrier.broken], [2, false]);
  // Nor does what it throws after that.
  const dropped = barrier.run("b", (me) => {
    me.arriveAndDrop();
    throw WHY;
  });
  assertStrictEquals(await failure(dropped), WHY);
  assertEquals([barrier.parties, barrier.broken], [1, false]);
  await failure(barrier.run("c", (me) => {
    me[Symbol.dispose]();
    throw WHY;
  }));
  const error = await failure(barrier.wait()) as BrokenBarrierError;
  assertEquals([error.reason, error.party], ["aborted", "c"]);
});

test("AsyncBarrier.run() drops once where the task has dropped", async () => {
  const barrier = new AsyncBarrier(3);
  await barrier.run("a", (me) => void me.arriveAndDrop());
  // The phase is over, and the next is not begun by a second drop.
  barrier.arrive();
  assertEquals(await barrier.wait(), 0);
  assertEquals([barrier.parties, barrier.arrived, barrier.phase], [2, 0, 1]);
});

test("AsyncBarrier.run() leaves a handle that cannot arrive", async () => {
  const barrier = new AsyncBarrier(1);
  let kept: AsyncBarrier | undefined;
  await barrier.run("a", (me) => void (kept = me));
  for (const call of [() => kept!.wait(), () => kept!.wait({ timeout: 0 }), () => kept!.ready()]) {
    assertEquals((await failure(call()) as Error).message, '"a" was disposed');
  }
  await kept!.waitFor(0);
});

test("AsyncBarrier.run() of a task whose barrier broke keeps the first reason", async () => {
  const barrier = new AsyncBarrier(3);
  const a = failure(barrier.run("a", (me) => me.wait()));
  const b = failure(barrier.run("b", (me) => me.wait()));
  barrier.abort("first");
  // Both tasks rethrow what they are told: that breaks nothing again.
  for (const error of await Promise.all([a, b])) {
    assertInstanceOf(error, BrokenBarrierError);
    assertEquals([error.reason, error.cause], ["aborted", "first"]);
  }
  assertEquals((await failure(barrier.wait()) as BrokenBarrierError).cause, "first");
  barrier.reset(0, { dropLost: true });
  assertEquals(barrier.parties, 1);
});

test("AsyncBarrier.run() refuses bad arguments, and does not call its task then", async () => {
  const barrier = new AsyncBarrier(1);
  let calls = 0;
  const task = () => void calls++;
  const bad: [unknown, unknown, string, string][] = [
    ["", task, "RangeError", "name must be 1 to 64 bytes of UTF-8: current value is 0 bytes"],
    [5, task, "TypeError", "name must be a string: current value is 5"],
    [undefined, task, "TypeError", "name must be a string: current value is undefined"],
    ["a", undefined, "TypeError", "task must be a function"],
    ["a", "task", "TypeError", 'task must be a function: current value is "task"'],
    ["a", {}, "TypeError", "task must be a function: current value is an object"],
  ];
  for (const [name, task, error, message] of bad) {
    const refused = await failure(barrier.run(name as string, task as () => void)) as Error;
    assertEquals(refused.name, error);
    assert(
      refused.message.startsWith("Cannot run a task as ") && refused.message.includes(message),
    );
  }
  const held = barrier.join({ name: "a" });
  for (const [name, message] of [["a", 'The name "a" is in use'], ["b", "No seat is free"]]) {
    const refused = await failure(barrier.run(name!, task)) as DOMException;
    assertEquals(refused.name, "InvalidStateError");
    assert(refused.message.startsWith(message!));
  }
  barrier[Symbol.dispose]();
  assertEquals((await failure(barrier.run("b", task)) as Error).name, "InvalidStateError");
  assertEquals(calls, 0);
  held[Symbol.dispose]();
});

test("AsyncBarrier.run() leaves no rejection unhandled but its own", async () => {
  using unhandled = new UnhandledRejections();
  const barrier = new AsyncBarrier(2);
  const waiting = failure(barrier.run("a", (me) => me.wait()));
  assertStrictEquals(await failure(barrier.run("b", () => Promise.reject(WHY))), WHY);
  await waiting;
  await turn();
  await turn();
  assertEquals(unhandled.reasons, []);
});
