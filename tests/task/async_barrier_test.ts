// Copyright 2026 the Rendezvous authors. MIT license.

import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertMatch,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { inspect } from "node:util";
import { AsyncBarrier, BrokenBarrierError } from "../../barrier.ts";
import { FakeTime } from "../_helpers/fake_time.ts";
import {
  CountingController,
  failure,
  lineOf,
  namedCallers,
  test,
  turn,
  UnhandledRejections,
} from "../_helpers/harness.ts";
import { noPrograms, runProgram } from "../_helpers/program.ts";

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
  let log: string[] = [];
  const task = async (name: string, options?: { timeout: number }) => {
    await barrier.wait(options);
    log.push(name);
  };
  await Promise.all([task("a"), task("b"), task("c"), task("d")]);
  assertEquals(log, ["a", "b", "c", "d"]);
  const timed = { timeout: 60_000 };
  log = [];
  await Promise.all([task("a", timed), task("b", timed), task("c", timed), task("d", timed)]);
  assertEquals(log, ["a", "b", "c", "d"]);
  log = [];
  await Promise.all([task("a", timed), task("b"), task("c", timed), task("d")]);
  assertEquals(log, ["b", "d", "a", "c"]);
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

test("AsyncBarrier.wait() passes 300,000 phases", async () => {
  const barrier = new AsyncBarrier(2);
  const task = async () => {
    let zeros = 0;
    for (let phase = 0; phase < 300_000; phase++) {
      if (await barrier.wait() === 0) zeros++;
    }
    return zeros;
  };
  const [a, b] = await Promise.all([task(), task()]);
  assertEquals([a + b, barrier.phase], [300_000, 300_000]);
});

test("AsyncBarrier.wait() rejects and does not throw", async () => {
  const barrier = new AsyncBarrier(2);
  assertInstanceOf(await failure(barrier.wait({ timeout: -1 })), RangeError);
  barrier.abort();
  assertEquals(reasonOf(await failure(barrier.wait())), "aborted");
  assertEquals(reasonOf(await failure(barrier.wait({ timeout: 5 }))), "aborted");
});

test("AsyncBarrier.wait() gives the caller's line in the stack of its error", async () => {
  const ends: Record<string, (barrier: AsyncBarrier) => Promise<unknown>> = {
    "a plain wait that breaks": (barrier) => {
      const waiting = barrier.wait();
      barrier.abort();
      return waiting;
    },
    "a wait with options that breaks": (barrier) => {
      const waiting = barrier.wait({ timeout: 60_000 });
      barrier.abort();
      return waiting;
    },
    "a timeout": (barrier) => barrier.wait({ timeout: 0 }),
    "a broken barrier": (barrier) => {
      barrier.abort();
      return barrier.wait();
    },
    "a broken barrier, with options": (barrier) => {
      barrier.abort();
      return barrier.wait({ timeout: 5 });
    },
    "a phase that breaks": (barrier) => {
      const watching = barrier.waitFor(0);
      barrier.abort();
      return watching;
    },
    "a phase that times out": (barrier) => barrier.waitFor(0, { timeout: 0 }),
    "not ready": (barrier) => {
      barrier.abort();
      return barrier.ready({ timeout: 0 });
    },
    "a bad option": (barrier) => barrier.wait({ timeout: -1 }),
  };
  const named = await namedCallers();
  for (const [name, end] of Object.entries(ends)) {
    if (name === "a plain wait that breaks" ? !named.ofThenable : !named.afterAwait) continue;
    const barrier = new AsyncBarrier(2);
    const thisVeryCaller = async () => {
      await end(barrier);
    };
    const error = await failure(thisVeryCaller()) as Error;
    if (error instanceof DOMException && !named.ofDOMException) continue;
    assertMatch(error.stack!, lineOf("thisVeryCaller", import.meta.url), name);
  }
});

test("AsyncBarrier.wait() gives each party an error of its own", async () => {
  const barrier = new AsyncBarrier(4);
  const waiting = [barrier.wait(), barrier.wait(), barrier.wait({ timeout: 60_000 })].map(failure);
  waiting.push(failure(barrier.waitFor(0)));
  barrier.abort(WHY);
  const errors = await Promise.all(waiting) as BrokenBarrierError[];
  assertEquals(new Set(errors).size, 4);
  for (const error of errors) assertStrictEquals(error.cause, WHY);
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

test("AsyncBarrier.join() takes the timeout of the barrier, unless it is given its own", async () => {
  using time = new FakeTime();
  for (
    const [options, timeout] of [[{}, 50], [{ timeout: 20 }, 20], [{ timeout: undefined }, 50]]
  ) {
    const barrier = new AsyncBarrier(2, { timeout: 50 });
    const error = failure(barrier.join(options as { timeout: number }).wait());
    time.tick(timeout as number - 1);
    assertFalse(barrier.broken);
    time.tick(1);
    assertInstanceOf(await error, DOMException);
  }
});

const ends: Record<string, (barrier: AsyncBarrier, controller: AbortController) => void> = {
  pass: (barrier) => void barrier.arrive(),
  timeout: () => {},
  signal: (_, controller) => controller.abort(),
  abort: (barrier) => barrier.abort(),
  reset: (barrier) => barrier.reset(),
  dispose: (barrier) => barrier[Symbol.dispose](),
};

test("AsyncBarrier.wait() leaves no timer and no listener, however it ends", async () => {
  using time = new FakeTime();
  for (const [name, end] of Object.entries(ends)) {
    for (const onCancel of ["break", "withdraw"] as const) {
      const barrier = new AsyncBarrier(2);
      const controller = new CountingController();
      const { signal } = controller;
      const watched = watch(barrier.wait({ timeout: 1_000, signal, onCancel }));
      assertEquals([time.pending, controller.listeners], [1, 1], name);
      end(barrier, controller);
      if (name === "timeout") time.tick(1_000);
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

for (const member of ["waitFor", "ready"] as const) {
  test(`AsyncBarrier.${member}() leaves no timer and no listener, however it ends`, async () => {
    using time = new FakeTime();
    for (const name of ["end", "timeout", "signal", "dispose"]) {
      const barrier = new AsyncBarrier(1);
      if (member === "ready") barrier.abort();
      const controller = new CountingController();
      const options = { timeout: 1_000, signal: controller.signal };
      const watched = watch(
        member === "ready" ? barrier.ready(options) : barrier.waitFor(0, options),
      );
      assertEquals([time.pending, controller.listeners], [1, 1], name);
      if (name === "end") member === "ready" ? barrier.reset() : barrier.arrive();
      if (name === "timeout") time.tick(1_000);
      if (name === "signal") controller.abort();
      if (name === "dispose") barrier[Symbol.dispose]();
      assertEquals([time.pending, controller.listeners], [0, 0], name);
      await turn();
      assert(watched.settled, name);
      if (name === "timeout" || name === "signal") continue;
      // What ends at once needs none.
      const again = member === "ready" ? barrier.ready(options) : barrier.waitFor(0, options);
      await again.catch(() => {});
      assertEquals([time.pending, controller.listeners], [0, 0], name);
    }
  });
}

test("AsyncBarrier.wait() settles once when timeout and signal come together", async () => {
  using time = new FakeTime();
  const barrier = new AsyncBarrier(3);
  const controller = new AbortController();
  const other = barrier.wait();
  const options = { timeout: 10, signal: controller.signal, onCancel: "withdraw" } as const;
  const error = failure(barrier.wait(options));
  time.tick(10);
  controller.abort();
  assertInstanceOf(await error, DOMException);
  assertEquals(barrier.arrived, 1);
  barrier.arrive();
  barrier.arrive();
  assertEquals(await other, 2);
});

test("AsyncBarrier.wait() gives each party its reason where they share a signal", async () => {
  for (const order of [[0, 1, 2], [2, 1, 0]]) {
    const barrier = new AsyncBarrier(4);
    const controller = new AbortController();
    const { signal } = controller;
    const kinds = [{ signal }, { signal, onCancel: "withdraw" as const }, {
      signal,
      timeout: 60_000,
    }];
    const shared = order.map((i) => failure(barrier.wait(kinds[i]!)));
    const waiting = failure(barrier.waitFor(0));
    controller.abort(WHY);
    for (const error of await Promise.all(shared)) assertStrictEquals(error, WHY);
    assertEquals(reasonOf(await waiting), "aborted");
  }
});

test("AsyncBarrier.waitFor() is told how a phase ended, though its own signal broke it", async () => {
  const barrier = new AsyncBarrier(2);
  const controller = new AbortController();
  const { signal } = controller;
  const waiting = failure(barrier.wait({ signal }));
  controller.abort("why");
  assertEquals(await waiting, "why");
  // Who asks later is no party that shares the signal.
  const error = await failure(barrier.waitFor(0, { signal })) as BrokenBarrierError;
  assertEquals([error.name, error.cause], ["BrokenBarrierError", "why"]);
});

test("AsyncBarrier.wait() tells those who share a signal of abort(), if that came first", async () => {
  const barrier = new AsyncBarrier(3);
  const controller = new AbortController();
  const { signal } = controller;
  const waiting = [failure(barrier.wait({ signal })), failure(barrier.wait({ signal }))];
  barrier.abort(WHY);
  controller.abort("mine");
  for (const error of await Promise.all(waiting)) assertEquals(reasonOf(error), "aborted");
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
    if (how === "action") barrier.arrive();
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

test("AsyncBarrier keeps no event loop alive but by what is awaited", async () => {
  const { code, output } = await runProgram(`
    const barrier = new AsyncBarrier(3, { action: () => new Promise(() => {}) });
    barrier.join({ name: "a" });
    barrier.run("b", (me) => me.wait({ timeout: 1 })).catch((error) => console.log(error.name));
    barrier.wait().catch((error) => console.log(error.name, error.party));
  `);
  const lines = output.split("\n").sort();
  assertEquals([code, lines], [0, ["", "BrokenBarrierError b", "TimeoutError"]]);
}, { ignore: noPrograms });

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

test("AsyncBarrier.reset() within a turn tells each phase its own reason", async () => {
  const barrier = new AsyncBarrier(2);
  const errors = [];
  errors.push(failure(barrier.wait()));
  barrier.abort(WHY);
  barrier.reset();
  errors.push(failure(barrier.wait()));
  barrier.reset();
  const waiting = barrier.wait();
  assertEquals(barrier.arrive(), 2);
  const [first, second] = await Promise.all(errors) as BrokenBarrierError[];
  assertEquals([first!.reason, first!.phase, second!.reason, second!.phase], [
    "aborted",
    0,
    "reset",
    1,
  ]);
  assertEquals(await waiting, 1);
});

test("AsyncBarrier.waitFor() is told of its own phase, though others break in the same turn", async () => {
  const barrier = new AsyncBarrier(2);
  const watching = [0, 1, 2].map((phase) => failure(barrier.waitFor(phase)));
  for (let i = 0; i < 40; i++) {
    barrier.arrive();
    barrier.reset();
  }
  const phases = (await Promise.all(watching) as BrokenBarrierError[]).map(({ phase }) => phase);
  assertEquals(phases, [0, 0, 0]);
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

test("AsyncBarrier() runs a synchronous action before the last arrival returns", () => {
  let calls = 0;
  const barrier = new AsyncBarrier(2, { action: () => void calls++ });
  barrier.arrive();
  assertEquals(calls, 0);
  barrier.arrive();
  assertEquals([calls, barrier.phase], [1, 1]);
});

test("AsyncBarrier() takes arrivals made in its action for the next phase", async () => {
  const log: string[] = [];
  const barrier: AsyncBarrier = new AsyncBarrier(1, {
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

test("AsyncBarrier() frees all by timeout, abort and reset from an action that never ends", async () => {
  using time = new FakeTime();
  for (const how of ["timeout", "abort", "reset"] as const) {
    const { barrier, runs } = withAction(2);
    const waiting = [failure(barrier.wait()), failure(barrier.wait({ timeout: 10 }))];
    assertEquals(runs.length, 1);
    if (how === "timeout") time.tick(10);
    else barrier[how]();
    const [first, second] = await Promise.all(waiting);
    assertEquals(reasonOf(first), how === "abort" ? "aborted" : how);
    if (how === "timeout") assertInstanceOf(second, DOMException);
    else assertEquals(reasonOf(second), how === "abort" ? "aborted" : how);
    barrier.reset(0);
    barrier.arrive();
    barrier.arrive();
    assertEquals(runs.length, 2);
    runs[1]!.resolve();
    await barrier.waitFor(2);
  }
});

test("AsyncBarrier() takes an action that throws nothing for one that throws", async () => {
  for (const thrown of [undefined, null, 0]) {
    const barrier = new AsyncBarrier(2, {
      action: () => {
        throw thrown;
      },
    });
    const errors = [failure(barrier.wait()), failure(barrier.wait())];
    for (const error of await Promise.all(errors)) {
      assertEquals(reasonOf(error), "action");
      assertStrictEquals((error as Error).cause, thrown);
    }
  }
});

test("AsyncBarrier() awaits a thenable, and one that settles twice only once", async () => {
  let calls = 0;
  const thenable = {
    then: (resolve: () => void, reject: (error: Error) => void) => {
      calls++;
      resolve();
      reject(WHY);
    },
  };
  const barrier = new AsyncBarrier(1, { action: () => thenable });
  assertEquals(await barrier.wait(), 0);
  assertEquals([calls, barrier.broken, barrier.phase], [1, false, 1]);
});

test("AsyncBarrier() tells its action of a break in the midst of synchronous code", () => {
  const seen: unknown[] = [];
  const barrier: AsyncBarrier = new AsyncBarrier(1, {
    action: (signal) => {
      signal.addEventListener("abort", () => seen.push((signal.reason as Error).message));
      seen.push(signal.aborted);
      barrier.abort(WHY);
      seen.push(signal.aborted, barrier.broken);
      throw new Error("changes nothing");
    },
  });
  barrier.arrive();
  const message = "Phase 0 broke: aborted: the disk is full (1 of 1 arrived)";
  assertEquals(seen, [false, message, true, true]);
});

test("AsyncBarrier() may be mended by its action's own abort listener", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let calls = 0;
  const barrier: AsyncBarrier = new AsyncBarrier(1, {
    action: (signal) => {
      if (++calls > 1) return;
      signal.addEventListener("abort", () => {
        barrier.reset();
        barrier.arrive();
        resolve();
      });
      return new Promise(() => {});
    },
  });
  const waiting = failure(barrier.wait());
  barrier.abort();
  assertEquals(reasonOf(await waiting), "aborted");
  await promise;
  await barrier.waitFor(2);
  assertEquals([calls, barrier.phase, barrier.broken], [2, 3, false]);
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
  assertEquals([barrier.arrived, barrier.phase], [1, 1]);
});

test("AsyncBarrier.register() refuses more parties than can be counted", () => {
  const barrier = new AsyncBarrier(2);
  assertThrows(() => barrier.register(Number.MAX_SAFE_INTEGER - 1), RangeError);
  assertEquals(barrier.register(Number.MAX_SAFE_INTEGER - 2), 0);
  assertThrows(() => barrier.register(), RangeError);
});

test("AsyncBarrier.join() takes no more parties than there are, those without a name apart", () => {
  const barrier = new AsyncBarrier(2);
  barrier.arrive();
  const [a, b] = [barrier.join(), barrier.join()];
  assertEquals(barrier.missing, ["party 0", "party 1"]);
  a.arrive();
  // Nothing stops too many of those: the phase has passed without "party 1".
  assertEquals([barrier.phase, b.arrive()], [1, 1]);
  assertThrows(() => barrier.join(), DOMException, "No seat is free");
});

test("AsyncBarrier[Symbol.dispose]() ends the barrier with its scope, also twice", async () => {
  let error: Promise<unknown>;
  let kept: AsyncBarrier;
  {
    using barrier = new AsyncBarrier(2);
    error = failure(barrier.wait());
    kept = barrier;
  }
  assertEquals(reasonOf(await error), "aborted");
  assertEquals(
    (await error as Error).message,
    "Phase 0 broke: the barrier was disposed (1 of 2 arrived)",
  );
  kept[Symbol.dispose]();
  assertThrows(() => kept.reset(), DOMException, "This handle was disposed");
  assertThrows(() => kept.join(), DOMException, "This handle was disposed");
  assertEquals([kept.broken, kept.arrived], [true, 1]);
});

test("AsyncBarrier[Symbol.dispose]() of a handle that joined breaks the barrier with its scope", async () => {
  const barrier = new AsyncBarrier(2);
  const waiting = failure(barrier.wait());
  {
    using _handle = barrier.join({ name: "a" });
  }
  const error = await waiting as BrokenBarrierError;
  assertEquals(error.message, 'Phase 0 broke: "a" was disposed (1 of 2 arrived, missing "a")');
  assertEquals([error.reason, error.party], ["aborted", "a"]);
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

test("BrokenBarrierError has what it is given, and a cause only where there is one", () => {
  const options = {
    reason: "lost",
    phase: 3,
    arrived: 1,
    parties: 2,
    missing: ["a"],
    party: "a",
  } as const;
  const error = new BrokenBarrierError("no", options);
  assertEquals([error.name, error.message], ["BrokenBarrierError", "no"]);
  const { reason, phase, arrived, parties, missing, party } = error;
  assertEquals({ reason, phase, arrived, parties, missing, party }, { ...options, missing: ["a"] });
  assertFalse("cause" in error);
  assertFalse("cause" in new BrokenBarrierError("no", { ...options, cause: undefined }));
  assertStrictEquals(new BrokenBarrierError("no", { ...options, cause: WHY }).cause, WHY);
  assertInstanceOf(error, Error);
  const least = new BrokenBarrierError("no", { reason: "reset", phase: 0 });
  assertEquals([least.arrived, least.parties, least.missing, least.party], [0, 0, [], undefined]);
});

test("BrokenBarrierError lists no more than 16 names in its message, and all in missing", async () => {
  const barrier = new AsyncBarrier(20);
  for (let i = 0; i < 20; i++) barrier.join();
  barrier.abort();
  const error = await failure(barrier.waitFor(0)) as BrokenBarrierError;
  assert(error.message.endsWith('"party 14", "party 15" and 4 more)'), error.message);
  assertEquals(error.missing.length, 20);
});

test("BrokenBarrierError quotes a reason of any kind", async () => {
  const nasty = {
    toString() {
      throw new Error("no text");
    },
  };
  const texts: [unknown, string][] = [
    ["text", ": text"],
    [new Error("message"), ": message"],
    [new TypeError(""), ": TypeError"],
    [5, ": 5"],
    [Symbol("symbol"), ": Symbol(symbol)"],
    [nasty, ": object"],
    ["x".repeat(2_000), `: ${"x".repeat(1_000)}`],
    [undefined, ""],
  ];
  for (const [why, text] of texts) {
    const barrier = new AsyncBarrier(2);
    barrier.abort(why);
    const error = await failure(barrier.wait()) as BrokenBarrierError;
    assertEquals(error.message, `Phase 0 broke: aborted${text} (0 of 2 arrived)`);
    assertStrictEquals(error.cause, why);
  }
});
