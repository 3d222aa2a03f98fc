// Copyright 2026 the Rendezvous authors. MIT license.

import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertNotInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { inspect } from "node:util";
import { Barrier, type BarrierHandle, BrokenBarrierError } from "../mod.ts";
import { FakeTime } from "./_fake_time.ts";
import { CountingController, failure, test, turn, UnhandledRejections, until } from "./_harness.ts";
import { Thread, type ThreadOptions } from "./_thread.ts";

const SIZE = Barrier.BYTE_LENGTH;

function reasonOf(error: unknown): string {
  assertInstanceOf(error, BrokenBarrierError);
  return error.reason;
}

/** A worker with a handle of `barrier`, which is free when `scope` ends. */
async function thread(scope: AsyncDisposableStack, barrier: Barrier, options: ThreadOptions = {}) {
  const thread = await Thread.take(barrier, options);
  scope.defer(() => {
    barrier.abort();
    return thread.giveBack();
  });
  return thread;
}

async function arrives(barrier: Barrier, arrived: number): Promise<void> {
  await until(() => barrier.arrived === arrived, `${arrived} arrived`);
}

type Step = (barrier: Barrier) => void;

/**
 * Takes one step, and another in the midst of it: before its access number `at` to the memory. Returns
 * whether it has so many.
 */
function interrupt(barrier: Barrier, step: Step, at: number, other: Step): boolean {
  const { load, store, add, compareExchange, notify } = Atomics;
  const real = { load, store, add, compareExchange, notify };
  const restore = () => void Object.assign(Atomics, real);
  const attempt = (step: Step) => {
    try {
      step(barrier);
    } catch (error) {
      assertInstanceOf(error, BrokenBarrierError);
    }
  };
  let interrupted = false;
  for (const [name, access] of Object.entries(real)) {
    Object.assign(Atomics, {
      [name]: (...args: never[]) => {
        if (!interrupted && at-- === 0) {
          interrupted = true;
          restore();
          attempt(other);
        }
        return (access as (...args: never[]) => unknown)(...args);
      },
    });
  }
  try {
    attempt(step);
  } finally {
    restore();
  }
  return interrupted;
}

/** Runs a program of its own. */
async function runProgram(program: string): Promise<{ code: number; output: string }> {
  const mod = JSON.stringify(import.meta.resolve("../mod.ts"));
  const source = `import { Barrier } from ${mod};\n${program}`;
  const command = new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      "--no-check",
      `--config=${new URL("../deno.json", import.meta.url).pathname}`,
      source,
    ],
    signal: AbortSignal.timeout(15_000),
    env: { NO_COLOR: "1" },
  });
  const { code, stdout, stderr } = await command.output();
  const output = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  return { code, output };
}

// Memory and handles

test("Barrier() refuses memory that cannot hold it", () => {
  const small = new SharedArrayBuffer(SIZE - 4);
  const large = new SharedArrayBuffer(SIZE + 64);
  const refusals: [Record<string, unknown>, typeof RangeError | typeof TypeError, string][] = [
    [{ buffer: new ArrayBuffer(SIZE) }, TypeError, "buffer must be a SharedArrayBuffer"],
    [{ buffer: new Int32Array(SIZE) }, TypeError, "buffer must be a SharedArrayBuffer"],
    [{ buffer: null }, TypeError, "buffer must be a SharedArrayBuffer"],
    [{ buffer: small }, RangeError, `must be ${SIZE} bytes or more: current value is ${SIZE - 4}`],
    [{ buffer: new SharedArrayBuffer(0) }, RangeError, "current value is 0"],
    [{ buffer: large, byteOffset: 68 }, RangeError, "bytes or more"],
    [{ buffer: large, byteOffset: SIZE + 64 }, RangeError, "bytes or more"],
    [{ buffer: large, byteOffset: 2 }, RangeError, "byteOffset must be a multiple of 4"],
    [{ buffer: large, byteOffset: -4 }, RangeError, "byteOffset must be an integer from 0"],
    [{ buffer: large, byteOffset: 1.5 }, RangeError, "byteOffset must be an integer from 0"],
    [{ buffer: large, byteOffset: NaN }, RangeError, "byteOffset must be an integer from 0"],
    [{ buffer: large, byteOffset: "4" }, TypeError, "byteOffset must be a number"],
    [{ buffer: large, byteOffset: null }, TypeError, "byteOffset must be a number"],
    [{ byteOffset: 4 }, RangeError, "bytes or more"],
  ];
  for (const [options, Refused, message] of refusals) {
    assertThrows(() => new Barrier(2, options), Refused, message);
  }
});

test("Barrier() overwrites its own bytes, and no others", () => {
  const buffer = new SharedArrayBuffer(3 * SIZE);
  const bytes = new Uint8Array(buffer).fill(0x5a);
  const barrier = new Barrier(2, { buffer, byteOffset: SIZE });
  for (let i = 0; i < 100; i++) barrier.arrive();
  barrier.abort();
  barrier.reset();
  assertEquals([barrier.parties, barrier.arrived, barrier.phase], [2, 0, 50]);
  assertStrictEquals(barrier.buffer, buffer);
  assertEquals(barrier.byteOffset, SIZE);
  const others = [...bytes.subarray(0, SIZE), ...bytes.subarray(2 * SIZE)];
  assert(others.every((byte) => byte === 0x5a));
});

test("Barrier() keeps two barriers of one buffer apart", () => {
  const buffer = new SharedArrayBuffer(2 * SIZE);
  const [a, b] = [new Barrier(1, { buffer }), new Barrier(2, { buffer, byteOffset: SIZE })];
  a.arrive();
  b.arrive();
  a.abort();
  assertEquals([a.phase, a.broken, b.phase, b.broken, b.arrived], [1, true, 0, false, 1]);
});

test("Barrier.from() refuses what holds no barrier", () => {
  const zeroed = new SharedArrayBuffer(SIZE);
  const garbage = new SharedArrayBuffer(SIZE);
  new Uint8Array(garbage).fill(0xa5);
  const beside = new SharedArrayBuffer(2 * SIZE);
  new Barrier(1, { buffer: beside });
  const wrong: unknown[] = [
    ...[zeroed, garbage, new SharedArrayBuffer(0), new SharedArrayBuffer(SIZE - 1)],
    ...[new ArrayBuffer(SIZE), new Int32Array(zeroed), { buffer: new ArrayBuffer(SIZE) }],
    ...[{ buffer: beside, byteOffset: SIZE }, { buffer: beside, byteOffset: "0" }],
    ...[{ byteOffset: 0 }, {}, [], null, undefined, 3, "barrier", Symbol("barrier")],
  ];
  for (const handle of wrong) {
    assertThrows(
      () => Barrier.from(handle as BarrierHandle),
      TypeError,
      "Cannot attach to a barrier",
    );
  }
  for (const byteOffset of [-4, 2, NaN, SIZE + 4, 2 * SIZE]) {
    assertThrows(() => Barrier.from({ buffer: beside, byteOffset }), RangeError);
  }
  assertThrows(() => Barrier.from(beside, { timeout: -1 }), RangeError);
  assertThrows(() => Barrier.from(beside, { action: "f" as never }), TypeError);
});

test("Barrier.from() takes a barrier, its clone, and the memory from its start", () => {
  const barrier = new Barrier(5);
  const handles = [
    Barrier.from(barrier),
    Barrier.from(structuredClone(barrier)),
    Barrier.from(barrier.buffer),
    Barrier.from({ buffer: barrier.buffer, byteOffset: 0 }),
    Barrier.from({ buffer: barrier.buffer } as BarrierHandle),
  ];
  for (const handle of handles) handle.arrive();
  assertEquals([barrier.phase, barrier.arrived], [1, 0]);
  assertNotInstanceOf(structuredClone(barrier), Barrier);
});

test("Barrier survives postMessage() to a worker and back", async (scope) => {
  const buffer = new SharedArrayBuffer(2 * SIZE);
  const barrier = new Barrier(2, { buffer, byteOffset: SIZE });
  const worker = await thread(scope, barrier);
  assertEquals(await worker.call("arrive"), 0);
  assertEquals(barrier.arrived, 1);
  assertEquals(await worker.call("inspect"), "Barrier { 1/2 arrived, phase 0 }");
  const { port1, port2 } = new MessageChannel();
  const posted = new Promise<MessageEvent>((resolve) => port2.onmessage = resolve);
  port1.postMessage(barrier);
  const handle = Barrier.from((await posted).data);
  port1.close();
  port2.close();
  handle.arrive();
  assertEquals(barrier.phase, 1);
});

test("Barrier.from() gives each handle its own timeout and action", async () => {
  const log: string[] = [];
  const barrier = new Barrier(2, { action: () => void log.push("maker's") });
  const handle = Barrier.from(barrier, { timeout: 0, action: () => void log.push("other's") });
  const plain = Barrier.from(barrier);
  barrier.arrive();
  handle.arrive();
  handle.arrive();
  barrier.arrive();
  barrier.arrive();
  plain.arrive();
  assertEquals(log, ["other's", "maker's"]);
  assertInstanceOf(await failure(handle.waitAsync()), DOMException);
  assertEquals(reasonOf(await failure(barrier.waitAsync())), "timeout");
});

test("Barrier.MAX_PARTIES parties meet", async () => {
  const most = Barrier.MAX_PARTIES;
  const barrier = new Barrier(most);
  const waiting = Array.from({ length: most }, () => barrier.waitAsync());
  assertEquals(await Promise.all(waiting), Array.from({ length: most }, (_, i) => most - 1 - i));
  assertThrows(() => barrier.register(), RangeError, "parties must be at most");
  barrier.arriveAndDrop();
  assertEquals(barrier.register(), 1);
  assertEquals([barrier.parties, barrier.arrived], [most, 0]);
});

test("Barrier.arrive() is refused when no party is left", async () => {
  const barrier = new Barrier(1);
  barrier.arriveAndDrop();
  const message = "Cannot arrive as parties must be at least 1: current value is 0";
  assertThrows(() => barrier.arrive(), RangeError, message);
  assertThrows(() => barrier.arriveAndDrop(), RangeError, message);
  assertThrows(() => barrier.wait(), RangeError, message);
  assertInstanceOf(await failure(barrier.waitAsync()), RangeError);
  assertEquals([barrier.parties, barrier.arrived, barrier.phase], [0, 0, 1]);
});

// Scope and inspection

test("Barrier[Symbol.dispose]() breaks the barrier at the end of its scope, also twice", async () => {
  const barrier = new Barrier(2);
  const error = failure(barrier.waitAsync());
  {
    using handle = Barrier.from(barrier);
    assertEquals(handle.arrived, 1);
  }
  assertEquals(reasonOf(await error), "aborted");
  barrier.reset();
  barrier[Symbol.dispose]();
  barrier[Symbol.dispose]();
  assert(barrier.broken);
});

test("Barrier[Symbol.dispose]() breaks nothing after arriveAndDrop()", async () => {
  const barrier = new Barrier(2);
  const waiting = barrier.waitAsync();
  {
    using handle = Barrier.from(barrier);
    handle.arriveAndDrop();
    handle[Symbol.dispose]();
  }
  assertEquals(await waiting, 1);
  assertEquals([barrier.broken, barrier.parties], [false, 1]);
  // That handle's party has dropped, not the others'.
  Barrier.from(barrier)[Symbol.dispose]();
  assert(barrier.broken);
});

test("Barrier[Symbol.dispose]() breaks nothing after an arriveAndDrop() whose action threw", () => {
  const action = () => {
    throw new Error("no");
  };
  const barrier = new Barrier(2);
  const handle = Barrier.from(barrier, { action });
  barrier.arrive();
  assertThrows(() => handle.arriveAndDrop(), Error, "no");
  barrier.reset();
  assertEquals(barrier.parties, 1);
  handle[Symbol.dispose]();
  assertFalse(barrier.broken);
});

test("Barrier[Symbol.dispose]() breaks the barrier when arriveAndDrop() was refused", () => {
  const barrier = new Barrier(2);
  const handle = Barrier.from(barrier);
  barrier.abort();
  assertThrows(() => handle.arriveAndDrop(), BrokenBarrierError);
  barrier.reset();
  handle[Symbol.dispose]();
  assert(barrier.broken);
});

test("Barrier[Symbol.dispose]() frees a worker that is blocked", async (scope) => {
  const barrier = new Barrier(2);
  const worker = await thread(scope, barrier);
  const error = failure(worker.call("wait"));
  await arrives(barrier, 1);
  barrier[Symbol.dispose]();
  assertEquals(reasonOf(await error), "aborted");
});

test("Barrier shows how far it has come when it is inspected", () => {
  const barrier = new Barrier(3);
  for (let i = 0; i < 3 * 7 + 2; i++) barrier.arrive();
  assertEquals(Deno.inspect(barrier), "Barrier { 2/3 arrived, phase 7 }");
  assertEquals(inspect(barrier), "Barrier { 2/3 arrived, phase 7 }");
});

test("Barrier shows why it is broken when it is inspected", async () => {
  const barrier = new Barrier(3);
  await failure(barrier.waitAsync({ timeout: 0 }));
  assertEquals(Deno.inspect([barrier]), "[ Barrier { broken: timeout, phase 0 } ]");
  assertEquals(inspect(barrier), "Barrier { broken: timeout, phase 0 }");
});

// Waiting

test("Barrier.wait() passes in the main thread when the others have arrived", () => {
  const barrier = new Barrier(2);
  for (let phase = 0; phase < 10; phase++) {
    barrier.arrive();
    // Whoever blocks this thread keeps the deadline from it: hence a timeout.
    assertEquals(barrier.wait({ timeout: 5_000 }), 0);
    barrier.waitFor(phase, { timeout: 5_000 });
  }
});

test("Barrier.wait() and waitAsync() take no options and empty options alike", async () => {
  const barrier = new Barrier(1);
  assertEquals([barrier.wait(), barrier.wait({})], [0, 0]);
  assertEquals([await barrier.waitAsync(), await barrier.waitAsync({})], [0, 0]);
});

test("Barrier.waitAsync() rejects and does not throw", async () => {
  const barrier = new Barrier(2);
  assertInstanceOf(await failure(barrier.waitAsync({ timeout: -1 })), RangeError);
  assertInstanceOf(await failure(barrier.waitForAsync(-1)), RangeError);
  barrier.abort();
  assertEquals(reasonOf(await failure(barrier.waitAsync())), "aborted");
});

test("Barrier.waitAsync() heeds a timeout that is longer than a timer can be", async () => {
  using time = new FakeTime();
  const barrier = new Barrier(2);
  const month = 30 * 24 * 60 * 60 * 1_000;
  const error = failure(barrier.waitAsync({ timeout: month }));
  time.tick(month - 1);
  await turn();
  assertFalse(barrier.broken);
  time.tick(1);
  assertInstanceOf(await error, DOMException);
  assert(barrier.broken);
});

test("Barrier.waitAsync() leaves no timer and no listener, however it ends", async () => {
  using time = new FakeTime();
  const ends: Record<string, (barrier: Barrier, controller: AbortController) => void> = {
    pass: (barrier) => void barrier.arrive(),
    timeout: () => time.tick(1_000),
    signal: (_, controller) => controller.abort(),
    abort: (barrier) => barrier.abort(),
    reset: (barrier) => barrier.reset(),
    dispose: (barrier) => barrier[Symbol.dispose](),
  };
  for (const [name, end] of Object.entries(ends)) {
    for (const onCancel of ["break", "withdraw"] as const) {
      const barrier = new Barrier(2);
      const controller = new CountingController();
      const { signal } = controller;
      const waiting = barrier.waitAsync({ timeout: 1_000, signal, onCancel });
      const settled = waiting.then(() => "passed", () => "failed");
      await turn();
      assertEquals([time.pending, controller.listeners], [1, 1], name);
      end(barrier, controller);
      assertEquals(await settled, name === "pass" ? "passed" : "failed");
      assertEquals([time.pending, controller.listeners], [0, 0], name);
    }
  }
});

for (const breaks of ["abort", "reset"] as const) {
  for (const place of ["its handle", "another handle"]) {
    test(`Barrier.waitAsync() is told of ${breaks}() at ${place}, though its signal aborts after that`, async () => {
      for (const onCancel of ["break", "withdraw"] as const) {
        const barrier = new Barrier(3);
        const controller = new AbortController();
        const waiting = failure(barrier.waitAsync({ signal: controller.signal, onCancel }));
        const other = failure(barrier.waitAsync());
        (place === "its handle" ? barrier : Barrier.from(barrier))[breaks]();
        controller.abort("mine");
        const reason = breaks === "abort" ? "aborted" : "reset";
        assertEquals(reasonOf(await waiting), reason);
        assertEquals(reasonOf(await other), reason);

        barrier.reset();
        const numbers = [barrier.waitAsync(), barrier.waitAsync(), barrier.waitAsync()];
        assertEquals(await Promise.all(numbers), [2, 1, 0]);
      }
    });
  }
}

test("Barrier.waitAsync() gives each who shares a signal its reason, whoever breaks the barrier by it", async () => {
  for (const onCancel of ["break", "withdraw"] as const) {
    const barrier = new Barrier(4);
    const controller = new AbortController();
    const { signal } = controller;
    // Told first, as another party would be, and before the others are.
    signal.addEventListener("abort", () => barrier.abort());
    const waiting = [1, 2].map(() => failure(barrier.waitAsync({ signal, onCancel })));
    const other = failure(barrier.waitAsync());
    controller.abort("mine");
    assertEquals(await Promise.all(waiting), ["mine", "mine"]);
    assertEquals(reasonOf(await other), "aborted");
    assertEquals(reasonOf(await failure(barrier.waitAsync())), "aborted");
  }
});

test("Barrier.waitAsync() leaves no sleeper when it is cancelled", async () => {
  const barrier = new Barrier(2);
  const words = new Int32Array(barrier.buffer);
  const wakeAll = () => [...words.keys()].map((word) => Atomics.notify(words, word));
  const before = wakeAll();
  await turn();
  await failure(barrier.waitAsync({ timeout: 1, onCancel: "withdraw" }));
  await failure(barrier.waitForAsync(0, { timeout: 1 }));
  assertEquals(wakeAll(), before);
});

test("Barrier.waitForAsync() leaves no timer and no listener, however it ends", async () => {
  using time = new FakeTime();
  const ends: Record<string, (barrier: Barrier, controller: AbortController) => void> = {
    pass: (barrier) => void barrier.arrive(),
    timeout: () => time.tick(1_000),
    signal: (_, controller) => controller.abort(),
    abort: (barrier) => barrier.abort(),
  };
  for (const [name, end] of Object.entries(ends)) {
    const barrier = new Barrier(1);
    const controller = new CountingController();
    const watching = barrier.waitForAsync(0, { timeout: 1_000, signal: controller.signal });
    const settled = watching.then(() => "passed", () => "failed");
    await turn();
    end(barrier, controller);
    assertEquals(await settled, name === "pass" ? "passed" : "failed");
    assertEquals([time.pending, controller.listeners], [0, 0], name);
  }
});

test("Barrier.waitAsync() leaves no rejection unhandled but those of its promises", async () => {
  using unhandled = new UnhandledRejections();
  using time = new FakeTime();
  for (const how of ["timeout", "signal", "abort", "reset", "dispose"]) {
    const barrier = new Barrier(4);
    const controller = new AbortController();
    const errors = [
      barrier.waitAsync(),
      barrier.waitAsync({ timeout: 10, signal: controller.signal }),
      ...(how === "reset" ? [] : [barrier.waitForAsync(0)]),
    ].map(failure);
    await turn();
    if (how === "timeout") time.tick(10);
    if (how === "signal") controller.abort(new Error("no"));
    if (how === "abort") barrier.abort();
    if (how === "reset") barrier.reset();
    if (how === "dispose") barrier[Symbol.dispose]();
    await Promise.all(errors);
  }
  await turn();
  await turn();
  assertEquals(unhandled.reasons, []);
});

test("Barrier.waitAsync() keeps the process alive, as does waitForAsync()", async () => {
  for (const wait of ["waitAsync()", "waitForAsync(0)", "waitAsync({ signal })"]) {
    const { code, output } = await runProgram(`
      const { signal } = new AbortController();
      const barrier = new Barrier(2);
      barrier.${wait}.then(() => console.log("passed"));
      Deno.unrefTimer(setTimeout(() => {
        barrier.arrive();
        barrier.phase || barrier.arrive();
      }, 20));
    `);
    assertEquals([code, output], [0, "passed\n"], wait);
  }
});

test("Barrier.waitAsync() lets the process end once it has ended", async () => {
  const { code, output } = await runProgram(`
    const barrier = new Barrier(2);
    const errors = [
      barrier.waitAsync({ timeout: 1, onCancel: "withdraw" }),
      barrier.waitForAsync(0, { timeout: 1 }),
    ].map((promise) => promise.catch((error) => error.name));
    console.log((await Promise.all(errors)).join());
  `);
  assertEquals([code, output], [0, "TimeoutError,TimeoutError\n"]);
});

// Settled once

// A number: so many phases more. With that of the wait, some make a counter of 3, 4 or 5 bits go round.
for (const disturb of ["abort", "reset", "timeout", "signal", 1, 7, 15, 31] as const) {
  const after = typeof disturb === "number" ? `phase ${disturb}` : disturb;
  const title =
    `Barrier.waitAsync() passes if the last has arrived, though it wakes after ${after}`;
  test(title, async () => {
    using time = new FakeTime();
    const barrier = new Barrier(3);
    const controller = new AbortController();
    const waiting = [
      barrier.waitAsync({ timeout: 1, signal: controller.signal }),
      barrier.waitAsync({ onCancel: "withdraw", timeout: 1, signal: controller.signal }),
      barrier.waitForAsync(0, { timeout: 1, signal: controller.signal }),
    ];
    await turn();
    barrier.arrive();
    if (disturb === "abort") barrier.abort();
    if (disturb === "reset") barrier.reset();
    if (disturb === "timeout") time.tick(1);
    if (disturb === "signal") controller.abort();
    for (let i = 0; i < 3 * Number(disturb); i++) barrier.arrive();
    assertEquals(await Promise.all(waiting), [2, 1, undefined]);
    assertEquals(barrier.broken, disturb === "abort");
  });
}

for (const resets of [1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 64, 1_000]) {
  test(`Barrier.reset() frees those who wait, ${resets} times before they wake`, async () => {
    const barrier = new Barrier(2);
    const error = failure(barrier.waitAsync());
    const watching = failure(barrier.waitForAsync(0));
    for (let i = 0; i < resets; i++) {
      barrier.reset();
      barrier.arrive();
    }
    const reasons = [reasonOf(await error), reasonOf(await watching)];
    assertEquals(reasons, ["reset", "reset"]);
    assertEquals([barrier.phase, barrier.arrived, barrier.broken], [0, 1, false]);
  });
}

test("Barrier.reset() tells those who wake late what broke the barrier before it", async () => {
  const barrier = new Barrier(3);
  const error = failure(barrier.waitAsync());
  barrier.abort();
  barrier.reset();
  barrier.arrive();
  assertEquals(reasonOf(await error), "aborted");
});

/** What those who wait in phase 0 get, if all this happens before they wake. */
async function lateOutcome(happens: (barrier: Barrier) => void): Promise<string> {
  const barrier = new Barrier(2);
  const waiting = barrier.waitAsync().then(() => "passed", reasonOf);
  happens(barrier);
  return await waiting;
}

function pass(barrier: Barrier, phases: number): void {
  for (let i = 0; i < 2 * phases; i++) barrier.arrive();
}

function reset(barrier: Barrier, resets: number): void {
  for (let i = 0; i < resets; i++) {
    barrier.arrive();
    barrier.reset();
  }
}

const COUNTS = [1, 2, 3, 7, 8, 9, 15, 16, 17, 40];

test("Barrier.reset() frees those who wait, though phases pass before they wake", async () => {
  for (const resets of COUNTS) {
    for (const phases of COUNTS) {
      const outcome = await lateOutcome((barrier) => {
        barrier.reset();
        reset(barrier, resets - 1);
        pass(barrier, phases);
      });
      assertEquals(outcome, "reset", `${resets} resets, ${phases} phases`);
    }
  }
});

test("Barrier.reset() leaves those alone who have passed, though it comes before they wake", async () => {
  for (const resets of COUNTS) {
    const outcome = await lateOutcome((barrier) => {
      barrier.arrive();
      reset(barrier, resets);
    });
    assertEquals(outcome, "passed", `${resets} resets`);
  }
});

test(
  "Barrier.reset() leaves those alone who have passed, though more phases pass before they wake",
  async () => {
    for (const phases of COUNTS) {
      const outcomes = [
        await lateOutcome((barrier) => {
          barrier.arrive();
          pass(barrier, phases);
          reset(barrier, 1);
        }),
        await lateOutcome((barrier) => {
          barrier.arrive();
          reset(barrier, 1);
          pass(barrier, phases);
        }),
      ];
      assertEquals(outcomes, ["passed", "passed"], `${phases} phases`);
    }
  },
);

test("Barrier.reset() frees a blocked worker, however often it is called", async (scope) => {
  const barrier = new Barrier(2);
  const worker = await thread(scope, barrier);
  for (const resets of [16, 32, 1_000]) {
    const error = failure(worker.call("wait"));
    await arrives(barrier, 1);
    for (let i = 0; i < resets; i++) {
      barrier.abort();
      barrier.reset();
    }
    assert(["aborted", "reset"].includes(reasonOf(await error)));
    assertEquals([barrier.phase, barrier.arrived, barrier.broken], [0, 0, false]);
  }
});

const steps: Record<string, Step> = {
  arrive: (barrier) => void barrier.arrive(),
  arriveAndDrop: (barrier) => void barrier.arriveAndDrop(),
  abort: (barrier) => barrier.abort(),
  reset: (barrier) => barrier.reset(),
  register: (barrier) => void barrier.register(),
  wait: (barrier) => {
    try {
      barrier.wait({ timeout: 0 });
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
    }
  },
};
for (const [name, step] of Object.entries(steps)) {
  test(`Barrier.${name}() keeps to one outcome, wherever another step comes in between`, async () => {
    for (const [otherName, other] of Object.entries(steps)) {
      let more = true;
      for (let at = 0; more; at++) {
        const barrier = new Barrier(2);
        const waiting = barrier.waitAsync().then(() => "passed", reasonOf);
        const watching = barrier.waitForAsync(0).then(() => "passed", reasonOf);
        await turn();
        let seen = 0;
        more = interrupt(barrier, step, at, (barrier) => {
          try {
            other(barrier);
          } finally {
            seen = barrier.phase;
          }
        });
        const where = `${otherName} before access ${at} of ${name}: ${Deno.inspect(barrier)}`;
        const { phase } = barrier;
        assert(phase >= seen, where);
        const passed = phase > 0;
        // Whoever still waits must be one who can be freed.
        barrier.abort();
        assertEquals(await waiting === "passed", passed, where);
        assertEquals(await watching === "passed", passed, where);
        barrier.reset();
        const { parties } = barrier;
        for (let i = 0; i < parties; i++) barrier.arrive();
        assertEquals([barrier.phase, barrier.arrived], [phase + Math.sign(parties), 0], where);
      }
    }
  });
}

// Counters

test("Barrier.arrive() counts 300,000 phases, through every turn of its counters", () => {
  const barrier = new Barrier(2);
  for (let phase = 0; phase < 300_000; phase++) {
    if (barrier.arrive() !== phase || barrier.arrive() !== phase) throw new Error(`in ${phase}`);
  }
  assertEquals([barrier.phase, barrier.arrived], [300_000, 0]);
});

test("Barrier.phase keeps its count through resets, and is kept by them", () => {
  const barrier = new Barrier(2);
  const other = Barrier.from(barrier);
  for (let phase = 0; phase < 1_000; phase++) {
    assertEquals(barrier.arrive(), phase);
    barrier.reset();
    other.abort();
    barrier.reset();
    assertEquals([other.arrive(), barrier.arrive()], [phase, phase]);
    assertEquals([barrier.phase, other.phase, barrier.arrived], [phase + 1, phase + 1, 0]);
  }
});

test("Barrier.waitForAsync() knows past phases, however far its handle has fallen behind", async () => {
  const barrier = new Barrier(1);
  const watching = [0, 7, 8, 99].map((phase) => barrier.waitForAsync(phase));
  for (let i = 0; i < 100; i++) barrier.arrive();
  await Promise.all(watching);
  for (let phase = 0; phase < 100; phase++) await barrier.waitForAsync(phase, { timeout: 0 });
  for (const phase of [100, 107, 108, 2 ** 31]) {
    assertInstanceOf(await failure(barrier.waitForAsync(phase, { timeout: 0 })), DOMException);
  }
});

test("Barrier.phase goes on at 0 after 4,294,967,295", async () => {
  // Sets the private count beside the word, see the layout in _shared_barrier.ts: to come there takes an hour.
  const barrier = new Barrier(2);
  const words = new Int32Array(barrier.buffer);
  words[19] = -16;
  assertEquals(barrier.phase, 2 ** 32 - 16);
  for (let phase = -16; phase < 20; phase++) {
    const waiting = barrier.waitAsync();
    assertEquals(barrier.arrive(), phase >>> 0);
    assertEquals(await waiting, 1);
    await barrier.waitForAsync(phase >>> 0, { timeout: 0 });
    assertEquals(barrier.phase, phase + 1 >>> 0);
  }
});

// The action

test("Barrier() refuses an action that turns out to be async, and breaks for all", async () => {
  using unhandled = new UnhandledRejections();
  const actions = [() => Promise.resolve(), () => Promise.reject(new Error("no"))];
  for (const action of actions) {
    const barrier = new Barrier(2, { action: action as () => void });
    const error = failure(barrier.waitAsync());
    assertThrows(
      () => barrier.arrive(),
      TypeError,
      "Cannot run the action as it must be synchronous",
    );
    assertEquals(reasonOf(await error), "action");
  }
  await turn();
  assertEquals(unhandled.reasons, []);
});

test("Barrier.abort() in an action that throws changes nothing for the phase", async () => {
  const barrier: Barrier = new Barrier(2, {
    action: () => {
      barrier.abort();
      throw new Error("no");
    },
  });
  const error = failure(barrier.waitAsync());
  assertThrows(() => barrier.arrive(), Error, "no");
  assertEquals(reasonOf(await error), "action");
  // The next phase it breaks, and there it came first.
  assertEquals(reasonOf(await failure(barrier.waitAsync())), "aborted");
});

test("Barrier() takes arrivals made in its action for the next phase", async () => {
  const seen: unknown[] = [];
  let waiting: Promise<number> | undefined;
  const barrier: Barrier = new Barrier(3, {
    action: () => {
      waiting ??= barrier.waitAsync();
      seen.push(barrier.arrive(), barrier.arrived, barrier.phase);
    },
  });
  const first = barrier.waitAsync();
  barrier.arrive();
  barrier.arrive();
  assertEquals(seen, [1, 3, 0]);
  assertEquals(await first, 2);
  assertEquals([barrier.phase, barrier.arrived], [1, 2]);
  assertEquals(barrier.arrive(), 1);
  assertEquals(await waiting, 2);
});

test("Barrier() refuses to complete the next phase in its action, and breaks", async (scope) => {
  const barrier = new Barrier(2);
  const worker = await thread(scope, barrier);
  const error = failure(barrier.waitAsync());
  const message = "Cannot complete a phase in the action of the phase before";
  await assertRejects(() => worker.call("nest"), Error, message);
  assertEquals(reasonOf(await error), "action");
  barrier.reset();
  assertEquals([barrier.phase, barrier.arrived], [0, 0]);
});

test("Barrier() lets nothing end a phase whose action runs in a worker", async (scope) => {
  for (const onCancel of ["break", "withdraw"] as const) {
    const controller = new AbortController();
    const seen: unknown[] = [];
    const barrier = new Barrier(3);
    const action = () => {
      // The timeout of the first two has passed, and now their signals abort.
      controller.abort();
      barrier.reset();
      seen.push(barrier.arrived, barrier.phase, barrier.broken);
    };
    const worker = await thread(scope, barrier, { action });
    const blocked = await thread(scope, barrier);
    const waiting = [barrier.waitAsync({ signal: controller.signal, onCancel })];
    await arrives(barrier, 1);
    waiting.push(blocked.call("wait"));
    await arrives(barrier, 2);
    waiting.push(worker.call("wait", { timeout: 0 }));
    assertEquals(await Promise.all(waiting), [2, 1, 0]);
    assertEquals(seen, [3, 0, false]);
    assertEquals([barrier.phase, barrier.broken], [1, false]);
  }
});

test("Barrier.waitAsync() that would complete the next phase waits for the action to end", async (scope) => {
  const barrier = new Barrier(2);
  let next: Promise<number>[] = [];
  const worker = await thread(scope, barrier, {
    action: () => {
      if (next.length === 0) next = [barrier.waitAsync(), barrier.waitAsync()];
    },
  });
  const waiting = barrier.waitAsync();
  assertEquals(await worker.call("wait"), 0);
  assertEquals(await waiting, 1);
  assertEquals((await Promise.all(next)).sort(), [0, 1]);
  assertEquals(barrier.phase, 2);
});
