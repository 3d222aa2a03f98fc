// Copyright 2026 the Rendezvous authors. MIT license.

import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { inspect } from "node:util";
import { AsyncBarrier, BrokenBarrierError } from "../mod.ts";
import { FakeTime } from "./_fake_time.ts";
import { CountingController, failure, test, turn, UnhandledRejections } from "./_harness.ts";

const WHY = new Error("the disk is full");

function reasonOf(error: unknown): string {
  assertInstanceOf(error, BrokenBarrierError);
  return error.reason;
}

/** A barrier whose action runs until it is told to end. */
function withAction(parties: number) {
  const runs: PromiseWithResolvers<void>[] = [];
  const barrier = new AsyncBarrier(parties, {
    action: () => {
      runs.push(Promise.withResolvers());
      return runs.at(-1)!.promise;
    },
  });
  return { barrier, runs };
}

/** Notes whether a promise has settled. */
function watch(promise: Promise<unknown>): { settled: boolean } {
  const watched = { settled: false };
  const settle = () => void (watched.settled = true);
  promise.then(settle, settle);
  return watched;
}

// Waiting

test("AsyncBarrier.wait() resumes the parties in the order of their arrival", async () => {
  const barrier = new AsyncBarrier(4);
  const log: string[] = [];
  const task = async (name: string, options?: { timeout: number }) => {
    await barrier.wait(options);
    log.push(name);
  };
  const tasks = [task("a"), task("b", { timeout: 1_000 }), task("c"), task("d")];
  await Promise.all(tasks);
  assertEquals(log, ["a", "b", "c", "d"]);
});

test("AsyncBarrier.wait() makes 2,500 tasks meet, ten times", async () => {
  const barrier = new AsyncBarrier(2_500);
  let arrived = 0;
  await Promise.all(Array.from({ length: 2_500 }, async () => {
    for (let phase = 1; phase <= 10; phase++) {
      arrived++;
      await barrier.wait();
      assert(arrived >= phase * 2_500);
    }
  }));
  assertEquals(barrier.phase, 10);
});

test("AsyncBarrier.wait() completes 300,000 phases", async () => {
  const barrier = new AsyncBarrier(2);
  const task = async () => {
    let zeros = 0;
    for (let phase = 0; phase < 300_000; phase++) {
      if (await barrier.wait() === 0) zeros++;
    }
    return zeros;
  };
  const [a, b] = await Promise.all([task(), task()]);
  assertEquals(a + b, 300_000);
  assertEquals(barrier.phase, 300_000);
});

test("AsyncBarrier.wait() rejects and does not throw", async () => {
  const barrier = new AsyncBarrier(2);
  assertInstanceOf(await failure(barrier.wait({ timeout: -1 })), RangeError);
  barrier.abort();
  assertEquals(reasonOf(await failure(barrier.wait())), "aborted");
  assertEquals(reasonOf(await failure(barrier.wait({ timeout: 5 }))), "aborted");
});

test("AsyncBarrier.wait() is refused when no party is left", async () => {
  const barrier = new AsyncBarrier(1);
  barrier.arriveAndDrop();
  const message = "Cannot arrive as parties must be at least 1: current value is 0";
  for (const options of [undefined, {}, { timeout: 0 }]) {
    const error = await failure(barrier.wait(options));
    assertInstanceOf(error, RangeError);
    assertEquals(error.message, message);
  }
  assertThrows(() => barrier.arrive(), RangeError, message);
  assertThrows(() => barrier.arriveAndDrop(), RangeError, message);
  assertEquals([barrier.parties, barrier.arrived, barrier.phase], [0, 0, 1]);
});

// Timeouts

test("AsyncBarrier.wait() waits for all of its timeout, and no longer", async () => {
  using time = new FakeTime();
  const barrier = new AsyncBarrier(2);
  const error = failure(barrier.wait({ timeout: 1_000 }));
  time.tick(999);
  assertEquals([barrier.arrived, barrier.broken], [1, false]);
  time.tick(1);
  assert(barrier.broken);
  assertInstanceOf(await error, DOMException);
});

test("AsyncBarrier.wait() heeds a timeout that is longer than a timer can be", async () => {
  using time = new FakeTime();
  const barrier = new AsyncBarrier(2);
  const month = 30 * 24 * 60 * 60 * 1_000;
  const error = failure(barrier.wait({ timeout: month }));
  time.tick(month - 1);
  assertFalse(barrier.broken);
  time.tick(1);
  assert(barrier.broken);
  assertInstanceOf(await error, DOMException);
  assertEquals(time.pending, 0);
});

test("AsyncBarrier.wait() needs no timer for a timeout of Infinity", async () => {
  using time = new FakeTime();
  const barrier = new AsyncBarrier(2, { timeout: 5 });
  const waiting = barrier.wait({ timeout: Infinity });
  assertEquals(time.pending, 0);
  barrier.arrive();
  await waiting;
});

test("AsyncBarrier.wait() leaves no timer and no listener, however it ends", async () => {
  using time = new FakeTime();
  const ends: Record<string, (barrier: AsyncBarrier, controller: AbortController) => void> = {
    pass: (barrier) => void barrier.arrive(),
    timeout: () => time.tick(1_000),
    signal: (_, controller) => controller.abort(),
    abort: (barrier) => barrier.abort(),
    reset: (barrier) => barrier.reset(),
    dispose: (barrier) => barrier[Symbol.dispose](),
  };
  for (const [name, end] of Object.entries(ends)) {
    for (const onCancel of ["break", "withdraw"] as const) {
      const barrier = new AsyncBarrier(2);
      const controller = new CountingController();
      const { signal } = controller;
      const waiting = barrier.wait({ timeout: 1_000, signal, onCancel });
      const watched = watch(waiting);
      assertEquals([time.pending, controller.listeners], [1, 1], name);
      end(barrier, controller);
      assertEquals([time.pending, controller.listeners], [0, 0], name);
      await turn();
      assert(watched.settled, name);
      assertEquals(controller.added, 1);
    }
  }
});

test("AsyncBarrier.wait() leaves no timer and no listener when it is refused", async () => {
  using time = new FakeTime();
  const broken = new AsyncBarrier(2);
  broken.abort();
  const empty = new AsyncBarrier(1);
  empty.arriveAndDrop();
  const aborted = new CountingController();
  aborted.abort(WHY);
  for (const barrier of [broken, empty, new AsyncBarrier(2)]) {
    const controller = barrier === broken || barrier === empty ? new CountingController() : aborted;
    await failure(barrier.wait({ timeout: 1_000, signal: controller.signal }));
    assertEquals([time.pending, controller.listeners], [0, 0]);
  }
});

test("AsyncBarrier.waitFor() leaves no timer and no listener, however it ends", async () => {
  using time = new FakeTime();
  const ends: Record<string, (barrier: AsyncBarrier, controller: AbortController) => void> = {
    pass: (barrier) => void barrier.arrive(),
    timeout: () => time.tick(1_000),
    signal: (_, controller) => controller.abort(),
    abort: (barrier) => barrier.abort(),
  };
  for (const [name, end] of Object.entries(ends)) {
    const barrier = new AsyncBarrier(1);
    const controller = new CountingController();
    const watching = barrier.waitFor(0, { timeout: 1_000, signal: controller.signal });
    const watched = watch(watching);
    assertEquals([time.pending, controller.listeners], [1, 1], name);
    end(barrier, controller);
    assertEquals([time.pending, controller.listeners], [0, 0], name);
    await turn();
    assert(watched.settled, name);
  }
});

test("AsyncBarrier.wait() settles once when timeout and signal come together", async () => {
  using time = new FakeTime();
  const barrier = new AsyncBarrier(3);
  const controller = new AbortController();
  const other = barrier.wait();
  const error = failure(barrier.wait({
    timeout: 10,
    signal: controller.signal,
    onCancel: "withdraw",
  }));
  time.tick(10);
  controller.abort();
  assertInstanceOf(await error, DOMException);
  assertEquals(barrier.arrived, 1);
  barrier.arrive();
  barrier.arrive();
  assertEquals(await other, 2);
});

test("AsyncBarrier.wait() leaves no rejection unhandled but those of its promises", async () => {
  using unhandled = new UnhandledRejections();
  using time = new FakeTime();
  for (const how of ["timeout", "signal", "abort", "reset", "action", "dispose"]) {
    const barrier = new AsyncBarrier(how === "action" ? 3 : 4, {
      action: () => {
        throw WHY;
      },
    });
    const controller = new AbortController();
    const errors = [
      barrier.wait(),
      barrier.wait({ timeout: 10, signal: controller.signal }),
      barrier.waitFor(0),
    ].map(failure);
    if (how === "timeout") time.tick(10);
    if (how === "signal") controller.abort(WHY);
    if (how === "abort") barrier.abort();
    if (how === "reset") barrier.reset();
    if (how === "action") assertThrows(() => barrier.arrive());
    if (how === "dispose") barrier[Symbol.dispose]();
    await Promise.all(errors);
  }
  // Nobody waits: there is nobody to reject.
  const lonely = new AsyncBarrier(2);
  lonely.arrive();
  lonely.abort(WHY);
  await turn();
  await turn();
  assertEquals(unhandled.reasons, []);
});

// Settled once

test("AsyncBarrier.abort() and reset() after the last arrival disturb nobody who wakes late", async () => {
  for (const disturb of ["abort", "reset"] as const) {
    using time = new FakeTime();
    const barrier = new AsyncBarrier(3);
    const controller = new AbortController();
    const waiting = [
      barrier.wait({ timeout: 1, signal: controller.signal }),
      barrier.wait(),
      barrier.wait(),
    ];
    const watching = barrier.waitFor(0);
    barrier[disturb]();
    controller.abort();
    time.tick(1);
    assertEquals(await Promise.all(waiting), [2, 1, 0]);
    await watching;
    assertEquals([barrier.phase, barrier.broken], [1, disturb === "abort"]);
  }
});

test("AsyncBarrier.reset() frees those who wait, even if the phase passes before they wake", async () => {
  const barrier = new AsyncBarrier(2);
  const error = failure(barrier.wait());
  barrier.reset();
  barrier.arrive();
  barrier.arrive();
  assertEquals(reasonOf(await error), "reset");
  assertEquals(barrier.phase, 1);
});

test("AsyncBarrier.reset() within a turn frees each phase with its own reason", async () => {
  const barrier = new AsyncBarrier(2);
  const errors = [];
  errors.push(failure(barrier.wait()));
  barrier.abort(WHY);
  barrier.reset();
  errors.push(failure(barrier.wait()));
  barrier.reset();
  const waiting = barrier.wait();
  barrier.arrive();
  assertEquals((await Promise.all(errors)).map(reasonOf), ["aborted", "reset"]);
  assertEquals(await waiting, 1);
});

test("AsyncBarrier.abort() tells all who wait the same, its reason the cause", async () => {
  const barrier = new AsyncBarrier(3);
  const waiting = [failure(barrier.wait()), failure(barrier.wait()), failure(barrier.waitFor(0))];
  barrier.abort(WHY);
  waiting.push(failure(barrier.wait()));
  for (const error of await Promise.all(waiting)) {
    assertInstanceOf(error, BrokenBarrierError);
    assertStrictEquals(error.cause, WHY);
  }
});

// The action

test("AsyncBarrier() sees all that was written before, and shows what the action wrote", async () => {
  const words = ["", "", ""];
  let sentence = "";
  const barrier = new AsyncBarrier(3, { action: () => void (sentence = words.join("")) });
  await Promise.all(words.map(async (_, i) => {
    for (const letter of "abc") {
      words[i] = letter + i;
      await barrier.wait();
      assertEquals(sentence, `${letter}0${letter}1${letter}2`);
    }
  }));
});

test("AsyncBarrier() lets nobody pass before its async action has ended", async () => {
  const { barrier, runs } = withAction(2);
  const waiting = [barrier.wait(), barrier.wait()];
  const watching = barrier.waitFor(0);
  const watched = [...waiting, watching].map(watch);
  await turn();
  assertEquals(watched.map(({ settled }) => settled), [false, false, false]);
  assertEquals([runs.length, barrier.phase, barrier.arrived], [1, 0, 2]);
  runs[0]!.resolve();
  assertEquals(await Promise.all(waiting), [1, 0]);
  await watching;
  assertEquals([barrier.phase, barrier.arrived], [1, 0]);
});

test("AsyncBarrier() takes arrivals made during its action for the next phase", async () => {
  const { barrier, runs } = withAction(2);
  const first = [barrier.wait(), barrier.wait()];
  const early = barrier.wait();
  assertEquals(barrier.arrive(), 1);
  assertEquals(barrier.arrive(), 2);
  assertEquals(runs.length, 1);
  const watched = watch(early);
  runs[0]!.resolve();
  assertEquals(await Promise.all(first), [1, 0]);
  await turn();
  // The action of the second phase comes after that of the first, and runs for it alone.
  assertEquals([runs.length, watched.settled, barrier.phase], [2, false, 1]);
  runs[1]!.resolve();
  assertEquals(await early, 1);
  assertEquals([barrier.phase, barrier.arrived], [2, 1]);
});

test("AsyncBarrier() completes a phase in its action, and runs the action again after it", async () => {
  const log: string[] = [];
  const barrier = new AsyncBarrier(1, {
    action: () => {
      log.push(`begins in ${barrier.phase}`);
      if (barrier.phase < 2) log.push(`arrives in ${barrier.arrive()}`);
      log.push("ends");
    },
  });
  assertEquals(await barrier.wait(), 0);
  assertEquals(log, [
    ...["begins in 0", "arrives in 1", "ends"],
    ...["begins in 1", "arrives in 2", "ends"],
    ...["begins in 2", "ends"],
  ]);
  assertEquals(barrier.phase, 3);
});

test("AsyncBarrier() lets nothing end a phase whose action runs", async () => {
  using time = new FakeTime();
  for (const onCancel of ["break", "withdraw"] as const) {
    const { barrier, runs } = withAction(3);
    const controller = new AbortController();
    const waiting = [
      barrier.wait({ timeout: 10, onCancel }),
      barrier.wait({ signal: controller.signal, onCancel }),
      barrier.wait(),
    ];
    time.tick(10);
    controller.abort();
    assertEquals([barrier.arrived, barrier.broken], [3, false]);
    barrier.reset();
    runs[0]!.resolve();
    assertEquals(await Promise.all(waiting), [2, 1, 0]);
    assertEquals([barrier.phase, barrier.broken], [1, false]);
  }
});

test("AsyncBarrier.abort() during the action breaks the next phase only", async () => {
  const { barrier, runs } = withAction(2);
  const waiting = [barrier.wait(), barrier.wait()];
  const next = failure(barrier.wait());
  const watching = [barrier.waitFor(0), failure(barrier.waitFor(1))];
  barrier.abort(WHY);
  assertEquals(reasonOf(await next), "aborted");
  assertEquals(reasonOf(await watching[1]), "aborted");
  assertEquals(reasonOf(await failure(barrier.wait())), "aborted");
  runs[0]!.resolve();
  assertEquals(await Promise.all(waiting), [1, 0]);
  await watching[0];
  assertEquals([barrier.phase, barrier.broken, barrier.arrived], [1, true, 0]);
  barrier.reset();
  assertEquals(barrier.arrive(), 1);
});

test("AsyncBarrier.abort() in an action that throws changes nothing for the phase", async () => {
  const barrier: AsyncBarrier = new AsyncBarrier(2, {
    action: () => {
      barrier.abort();
      throw WHY;
    },
  });
  const error = failure(barrier.wait());
  assertThrows(() => barrier.arrive(), Error, WHY.message);
  assertEquals(reasonOf(await error), "action");
  // The next phase it breaks, and there it came first.
  assertEquals(reasonOf(await failure(barrier.wait())), "aborted");
});

test("AsyncBarrier.reset() during the action frees those of the next phase only", async () => {
  const { barrier, runs } = withAction(2);
  const waiting = [barrier.wait(), barrier.wait()];
  const next = failure(barrier.wait());
  barrier.reset();
  assertEquals(reasonOf(await next), "reset");
  runs[0]!.resolve();
  assertEquals(await Promise.all(waiting), [1, 0]);
  assertEquals([barrier.phase, barrier.broken, barrier.arrived], [1, false, 0]);
});

test("AsyncBarrier.wait() cancelled during the action breaks or leaves its own phase, the next", async () => {
  for (const onCancel of ["break", "withdraw"] as const) {
    const { barrier, runs } = withAction(2);
    const waiting = [barrier.wait(), barrier.wait()];
    const controller = new AbortController();
    const next = failure(barrier.wait({ signal: controller.signal, onCancel }));
    controller.abort(WHY);
    assertStrictEquals(await next, WHY);
    runs[0]!.resolve();
    assertEquals(await Promise.all(waiting), [1, 0]);
    assertEquals([barrier.broken, barrier.arrived], [onCancel === "break", 0]);
  }
});

test("AsyncBarrier.wait() gives its last party what the async action rejects with", async () => {
  const { barrier, runs } = withAction(3);
  const errors = [failure(barrier.wait()), failure(barrier.wait()), failure(barrier.wait())];
  const watching = failure(barrier.waitFor(0));
  const next = failure(barrier.wait({ timeout: 10_000 }));
  runs[0]!.reject(WHY);
  const [a, b, last] = await Promise.all(errors);
  assertStrictEquals(last, WHY);
  for (const error of [a, b, await watching, await next]) {
    assertEquals(reasonOf(error), "action");
    assertStrictEquals((error as Error).cause, WHY);
  }
  assertEquals([barrier.phase, barrier.broken, barrier.arrived], [0, true, 0]);
  assertEquals(reasonOf(await failure(barrier.wait())), "action");
  barrier.reset();
  const waiting = [barrier.wait(), barrier.wait(), barrier.wait()];
  runs[1]!.resolve();
  assertEquals(await Promise.all(waiting), [2, 1, 0]);
});

test("AsyncBarrier.arrive() does not wait for an async action, nor hear of its failure", async () => {
  using unhandled = new UnhandledRejections();
  const { barrier, runs } = withAction(2);
  const error = failure(barrier.wait());
  assertEquals(barrier.arrive(), 0);
  assertFalse(barrier.broken);
  runs[0]!.reject(WHY);
  assertEquals(reasonOf(await error), "action");
  await turn();
  assertEquals(unhandled.reasons, []);
});

test("AsyncBarrier() takes an action that throws nothing for one that throws", async () => {
  for (const thrown of [undefined, null, 0]) {
    const barrier = new AsyncBarrier(2, {
      action: () => {
        throw thrown;
      },
    });
    const errors = [failure(barrier.wait()), failure(barrier.wait())];
    assertEquals(reasonOf(await errors[0]), "action");
    assertStrictEquals(await errors[1], thrown);
    assert(barrier.broken);
  }
});

// Observers, parties and scope

test("AsyncBarrier.arrived counts the parties of the open phase that have come", () => {
  const barrier = new AsyncBarrier(3);
  const seen = [barrier.arrived];
  for (let i = 0; i < 4; i++) {
    barrier.arrive();
    seen.push(barrier.arrived);
  }
  assertEquals(seen, [0, 1, 2, 0, 1]);
  barrier.abort();
  assertEquals([barrier.arrived, barrier.phase], [0, 1]);
});

test("AsyncBarrier.register() refuses more parties than can be counted", () => {
  const barrier = new AsyncBarrier(2);
  assertThrows(() => barrier.register(Number.MAX_SAFE_INTEGER - 1), RangeError);
  assertEquals(barrier.register(Number.MAX_SAFE_INTEGER - 2), 0);
  assertThrows(() => barrier.register(), RangeError);
});

test("AsyncBarrier.register() during the action adds parties to the next phase", async () => {
  const { barrier, runs } = withAction(1);
  const waiting = barrier.wait();
  assertEquals(barrier.register(), 1);
  runs[0]!.resolve();
  assertEquals(await waiting, 0);
  barrier.arrive();
  assertEquals([barrier.arrived, barrier.parties, barrier.phase], [1, 2, 1]);
});

test("AsyncBarrier[Symbol.dispose]() breaks the barrier at the end of its scope, also twice", async () => {
  let error: Promise<unknown>;
  let kept: AsyncBarrier;
  {
    using barrier = new AsyncBarrier(2);
    error = failure(barrier.wait());
    kept = barrier;
  }
  assertEquals(reasonOf(await error), "aborted");
  assert(kept.broken);
  kept.reset();
  kept[Symbol.dispose]();
  kept[Symbol.dispose]();
  assert(kept.broken);
});

test("AsyncBarrier shows how far it has come when it is inspected", () => {
  const barrier = new AsyncBarrier(3);
  for (let i = 0; i < 3 * 7 + 2; i++) barrier.arrive();
  assertEquals(Deno.inspect(barrier), "AsyncBarrier { 2/3 arrived, phase 7 }");
  assertEquals(inspect(barrier), "AsyncBarrier { 2/3 arrived, phase 7 }");
  barrier.abort();
  assertEquals(Deno.inspect([barrier]), "[ AsyncBarrier { broken: aborted, phase 7 } ]");
  assertEquals(inspect(barrier), "AsyncBarrier { broken: aborted, phase 7 }");
});

test("BrokenBarrierError has a cause only where there is one", () => {
  const options = { reason: "lost", phase: 3, arrived: 1, parties: 2 } as const;
  const error = new BrokenBarrierError("no", options);
  assertEquals([error.name, error.message], ["BrokenBarrierError", "no"]);
  assertEquals([error.reason, error.phase, error.arrived, error.parties], ["lost", 3, 1, 2]);
  assertFalse("cause" in error);
  assertInstanceOf(error, Error);
  const undefinedCause = new BrokenBarrierError("no", { ...options, cause: undefined });
  assert("cause" in undefinedCause);
});
