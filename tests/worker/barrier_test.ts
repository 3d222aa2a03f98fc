// Copyright 2026 the Rendezvous authors. MIT license.

import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertMatch,
  assertNotInstanceOf,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { inspect } from "node:util";
import { mayBlock } from "../../_common/platform.ts";
import { Barrier, type BarrierHandle, BrokenBarrierError } from "../../barrier.ts";
import { FakeTime } from "../_helpers/fake_time.ts";
import {
  CountingController,
  failure,
  lineOf,
  namedCallers,
  test,
  turn,
  UnhandledRejections,
  until,
} from "../_helpers/harness.ts";
import { noPrograms, runProgram } from "../_helpers/program.ts";
import { Thread } from "../_helpers/thread.ts";

const mayNotBlock = !mayBlock() && "the main thread of a page may not block";
const SIZE = Barrier.byteLength(2);

function reasonOf(error: unknown): string {
  assertInstanceOf(error, BrokenBarrierError);
  return error.reason;
}

/** A worker with a handle of `barrier`, which is free when `scope` ends. */
async function thread(scope: AsyncDisposableStack, barrier: Barrier) {
  const thread = await Thread.from(barrier);
  scope.defer(() => {
    barrier.abort();
    return thread.giveBack();
  });
  return thread;
}

async function arrives(barrier: Barrier, arrived: number): Promise<void> {
  await until(() => barrier.arrived === arrived, `${arrived} arrived`);
}

// Memory and handles

test("Barrier.byteLength() tells a size that holds a barrier, and refuses what is no number", () => {
  for (const parties of [1, 2, 4, 5, 100, Barrier.MAX_PARTIES]) {
    const byteLength = Barrier.byteLength(parties);
    assertEquals(byteLength % 64, 0);
    assertEquals(new Barrier(parties).buffer.byteLength, byteLength);
    new Barrier(parties, { buffer: new SharedArrayBuffer(byteLength) });
    assertThrows(
      () => new Barrier(parties, { buffer: new SharedArrayBuffer(byteLength - 8) }),
      RangeError,
      `must be ${byteLength} bytes or more: current value is ${byteLength - 8}`,
    );
  }
  assertEquals(Barrier.byteLength(1), Barrier.byteLength(4));
  assert(Barrier.byteLength(4) < Barrier.byteLength(5));
  for (const parties of [0, 1.5, NaN, Barrier.MAX_PARTIES + 1]) {
    assertThrows(() => Barrier.byteLength(parties), RangeError, "parties must be an integer");
  }
  assertThrows(() => Barrier.byteLength("2" as never), TypeError, "parties must be a number");
});

test("Barrier.register() adds parties while there is room, which is at least for 8", () => {
  for (const [parties, room] of [[1, 8], [4, 8], [5, 10], [1_000, Barrier.MAX_PARTIES]]) {
    const barrier = new Barrier(parties!);
    assertThrows(
      () => barrier.register(room! - parties! + 1),
      RangeError,
      `there must be at most ${room}: current value is ${room! + 1}`,
    );
    assertEquals(barrier.register(room! - parties!), 0);
    assertEquals(barrier.parties, room);
    assertThrows(() => barrier.register(), RangeError);
    // Those who drop make room.
    barrier.arriveAndDrop();
    barrier.register();
  }
});

test("Barrier() refuses memory that cannot hold it", () => {
  const small = new SharedArrayBuffer(SIZE - 8);
  const large = new SharedArrayBuffer(SIZE + 64);
  const refusals: [Record<string, unknown>, typeof RangeError | typeof TypeError, string][] = [
    [{ buffer: new ArrayBuffer(SIZE) }, TypeError, "buffer must be a SharedArrayBuffer"],
    [{ buffer: new Int32Array(SIZE) }, TypeError, "buffer must be a SharedArrayBuffer"],
    [{ buffer: null }, TypeError, "buffer must be a SharedArrayBuffer"],
    [{ buffer: small }, RangeError, `must be ${SIZE} bytes or more: current value is ${SIZE - 8}`],
    [{ buffer: new SharedArrayBuffer(0) }, RangeError, "current value is 0"],
    [{ buffer: large, byteOffset: 72 }, RangeError, "bytes or more"],
    [{ buffer: large, byteOffset: SIZE + 64 }, RangeError, "bytes or more"],
    [{ buffer: large, byteOffset: SIZE + 72 }, RangeError, "bytes or more"],
    [{ buffer: large, byteOffset: 2 }, RangeError, "byteOffset must be a multiple of 8"],
    [{ buffer: large, byteOffset: 4 }, RangeError, "byteOffset must be a multiple of 8"],
    [{ buffer: large, byteOffset: -8 }, RangeError, "byteOffset must be an integer from 0"],
    [{ buffer: large, byteOffset: 1.5 }, RangeError, "byteOffset must be an integer from 0"],
    [{ buffer: large, byteOffset: NaN }, RangeError, "byteOffset must be an integer from 0"],
    [{ buffer: large, byteOffset: "8" }, TypeError, "byteOffset must be a number"],
    [{ buffer: large, byteOffset: null }, TypeError, "byteOffset must be a number"],
    [{ byteOffset: 8 }, RangeError, "bytes or more"],
  ];
  for (const [options, Refused, message] of refusals) {
    assertThrows(() => new Barrier(2, options), Refused, message);
  }
  new Barrier(2, { buffer: undefined, byteOffset: undefined });
  for (const byteOffset of [0, 8, 64]) new Barrier(2, { buffer: large, byteOffset });
});

test("Barrier() refuses what only the library makes of itself", () => {
  const barrier = new Barrier(2);
  for (const made of [barrier, { place: barrier, barrier }, { barrier: {} }, null]) {
    assertThrows(() => new Barrier(made as never), TypeError, "parties must be a number");
  }
});

test("Barrier() overwrites its own bytes, and no others", async () => {
  const buffer = new SharedArrayBuffer(3 * SIZE);
  const bytes = new Uint8Array(buffer).fill(0x5a);
  const barrier = new Barrier(2, { buffer, byteOffset: SIZE });
  for (let i = 0; i < 100; i++) barrier.arrive();
  for (let i = 0; i < 20; i++) {
    barrier.abort("x".repeat(2_000));
    barrier.reset();
  }
  barrier.register(6);
  const joined = [];
  for (let i = 0; i < 8; i++) {
    joined.push(await Barrier.join(barrier, { name: `${i}`.repeat(64) }));
  }
  barrier.abort('"'.repeat(2_000));
  assertEquals([barrier.parties, barrier.arrived, barrier.missing.length], [8, 0, 8]);
  assertStrictEquals(barrier.buffer, buffer);
  assertEquals(barrier.byteOffset, SIZE);
  const others = [...bytes.subarray(0, SIZE), ...bytes.subarray(2 * SIZE)];
  assert(others.every((byte) => byte === 0x5a));
  barrier[Symbol.dispose]();
});

test("Barrier() keeps two barriers of one buffer apart", async () => {
  const buffer = new SharedArrayBuffer(2 * SIZE);
  const [a, b] = [new Barrier(1, { buffer }), new Barrier(2, { buffer, byteOffset: SIZE })];
  a.arrive();
  b.arrive();
  const waiting = b.waitForAsync(0);
  a.abort();
  assertEquals([a.phase, a.broken, b.phase, b.broken, b.arrived], [1, true, 0, false, 1]);
  using first = await Barrier.join({ buffer, byteOffset: SIZE }, { name: "a" });
  assertEquals([a.missing, b.missing], [[], ["a"]]);
  first.arrive();
  await waiting;
  a[Symbol.dispose]();
  assertEquals(b.broken, false);
});

test("Barrier() may be made anew in memory that held another", async () => {
  const buffer = new SharedArrayBuffer(SIZE);
  const old = new Barrier(2, { buffer, timeout: 5 });
  using joined = await Barrier.join(old, { name: "a" });
  old.abort();
  old[Symbol.dispose]();
  const barrier = new Barrier(2, { buffer });
  assertEquals([barrier.broken, barrier.phase, barrier.missing], [false, 0, []]);
  const waiting = Barrier.from(buffer).waitAsync();
  assertEquals(await Barrier.from({ buffer, byteOffset: 0 }).waitAsync(), 0);
  assertEquals(await waiting, 1);
  void joined;
});

test("Barrier.from() finds what was made anew in memory that its thread knew", async (scope) => {
  const old = new Barrier(2);
  const worker = await thread(scope, old);
  await worker.call("arrive");
  old[Symbol.dispose]();
  let calls = 0;
  const { buffer } = old;
  const barrier = new Barrier(1, { buffer, action: () => void calls++, timeout: 30_000 });
  await worker.call("again");
  // Its handle knows that this one has an action, which runs here.
  assertEquals([await worker.call("wait"), calls, barrier.phase], [0, 1, 1]);
});

test("Barrier.from() refuses what holds no barrier, and says what it was given", () => {
  const zeroed = new SharedArrayBuffer(SIZE);
  const garbage = new SharedArrayBuffer(SIZE);
  new Uint8Array(garbage).fill(0xa5);
  const beside = new SharedArrayBuffer(2 * SIZE);
  new Barrier(1, { buffer: beside });
  const part = new SharedArrayBuffer(SIZE);
  const cut = new Uint8Array(part);
  cut.set(new Uint8Array(beside, 0, SIZE));
  // A barrier for more parties than the memory holds.
  new Int32Array(part)[49] = Barrier.MAX_PARTIES;
  const wrong: [unknown, string][] = [
    ...[zeroed, garbage, part, new SharedArrayBuffer(0), new SharedArrayBuffer(SIZE - 1)]
      .map((buffer) => [buffer, "the memory must hold one"] as [unknown, string]),
    [{ buffer: beside, byteOffset: SIZE }, "the memory must hold one"],
    [{ buffer: beside, byteOffset: SIZE + 8 }, "the memory must hold one"],
    [{ buffer: beside, byteOffset: 2 * SIZE }, "the memory must hold one"],
    [{ buffer: beside, byteOffset: 4 * SIZE }, "the memory must hold one"],
    [{ buffer: beside, byteOffset: "0" }, "byteOffset must be a number"],
    [new ArrayBuffer(SIZE), "current value is an object"],
    [{ buffer: new ArrayBuffer(SIZE) }, "current value is an object"],
    [{ byteOffset: 0 }, "it must be given as it was posted"],
    [[], "current value is an object"],
    [null, "current value is null"],
    [undefined, "current value is undefined"],
    [3, "current value is 3"],
    ["barrier", 'current value is "barrier"'],
    [Symbol("barrier"), "current value is Symbol(barrier)"],
    [() => {}, "current value is a function"],
  ];
  for (const [handle, message] of wrong) {
    const { message: told } = assertThrows(() => Barrier.from(handle as BarrierHandle), TypeError);
    assert(told.startsWith("Cannot take a barrier as ") && told.includes(message), told);
  }
  for (const byteOffset of [-8, 2, 4, NaN]) {
    assertThrows(() => Barrier.from({ buffer: beside, byteOffset }), RangeError, "byteOffset");
  }
  assertThrows(() => Barrier.from(beside, { timeout: -1 }), RangeError, "timeout");
  assertThrows(() => Barrier.from(beside, { action: () => {} } as never), TypeError, "action");
  assertThrows(() => Barrier.from(beside, 5 as never), TypeError, "options must be an object");
  Barrier.from(beside, { timeout: undefined });
});

test("Barrier.join() refuses what holds no barrier", async () => {
  const error = await failure(Barrier.join(new SharedArrayBuffer(SIZE))) as Error;
  assertEquals(
    [error.name, error.message],
    ["TypeError", "Cannot join a barrier as the memory must hold one"],
  );
});

test("Barrier.from() takes a barrier, and the memory from its start", () => {
  const barrier = new Barrier(5);
  const handles = [
    Barrier.from(barrier),
    Barrier.from(Barrier.from(barrier)),
    Barrier.from(barrier.buffer),
    Barrier.from({ buffer: barrier.buffer, byteOffset: 0 }),
    Barrier.from({ buffer: barrier.buffer } as BarrierHandle),
  ];
  for (const handle of handles) handle.arrive();
  assertEquals([barrier.phase, barrier.arrived], [1, 0]);
});

const clones = structuredClone(new SharedArrayBuffer(8)) instanceof SharedArrayBuffer;

test("Barrier.from() takes a clone", () => {
  const barrier = new Barrier(2);
  const clone = structuredClone(barrier);
  assertNotInstanceOf(clone, Barrier);
  Barrier.from(clone).arrive();
  assertEquals(barrier.arrived, 1);
}, { ignore: !clones && "structuredClone() copies shared memory here, postMessage() does not" });

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

test("Barrier.from() takes the timeout of the maker, unless it is given its own", async (scope) => {
  const barrier = new Barrier(2, { timeout: 7 });
  const own = Barrier.from(barrier, { timeout: 5 });
  assertMatch((await failure(own.waitAsync()) as Error).message, /timed out after 5 ms/);
  barrier.reset();
  const plain = Barrier.from(barrier);
  assertMatch((await failure(plain.waitAsync()) as Error).message, /timed out after 7 ms/);
  barrier.reset();
  const worker = await thread(scope, barrier);
  assertMatch((await failure(worker.call("wait")) as Error).message, /timed out after 7 ms/);
});

test("Barrier.MAX_PARTIES parties meet", async () => {
  const most = Barrier.MAX_PARTIES;
  const barrier = new Barrier(most);
  const waiting = Array.from({ length: most }, () => barrier.waitAsync());
  assertEquals(await Promise.all(waiting), Array.from({ length: most }, (_, i) => most - 1 - i));
  assertThrows(() => barrier.register(), RangeError, "there must be at most");
  barrier.arriveAndDrop();
  assertEquals(barrier.register(), 1);
  assertEquals([barrier.parties, barrier.arrived], [most, 0]);
});

// Scope and inspection

test("Barrier[Symbol.dispose]() of any handle breaks the barrier, that of the maker ends it", async () => {
  const barrier = new Barrier(2);
  const error = failure(barrier.waitAsync());
  {
    using handle = Barrier.from(barrier);
    assertEquals(handle.arrived, 1);
  }
  assertEquals(
    (await error as Error).message,
    "Phase 0 broke: a handle was disposed (1 of 2 arrived)",
  );
  barrier.reset();
  const other = Barrier.from(barrier);
  barrier[Symbol.dispose]();
  barrier[Symbol.dispose]();
  assertThrows(() => other.arrive(), DOMException, "This barrier is over: its maker has ended it");
  assertThrows(() => barrier.arrive(), DOMException, "was disposed");
  assertEquals(
    (await failure(other.waitForAsync(1)) as Error).message,
    "Phase 1 broke: the barrier was disposed (0 of 2 arrived)",
  );
});

test("Barrier[Symbol.dispose]() of a handle that dropped for one breaks the barrier for the rest", async () => {
  const barrier = new Barrier(3);
  const waiting = failure(barrier.waitAsync());
  const handle = Barrier.from(barrier);
  handle.arriveAndDrop();
  assertEquals(barrier.parties, 2);
  handle[Symbol.dispose]();
  assertEquals(reasonOf(await waiting), "aborted");
});

test("Barrier[Symbol.dispose]() frees a worker that is blocked", async (scope) => {
  const barrier = new Barrier(2);
  const worker = await thread(scope, barrier);
  for (const call of ["wait", "ready"]) {
    if (call === "ready") barrier.abort();
    const error = failure(worker.call(call));
    await (call === "wait" ? arrives(barrier, 1) : turn());
    if (call === "ready") barrier[Symbol.dispose]();
    else barrier.reset();
    const told = await error as Error;
    assertEquals(told.name, call === "wait" ? "BrokenBarrierError" : "InvalidStateError");
  }
});

test("Barrier shows how far it has come when it is inspected", async () => {
  const barrier = new Barrier(3);
  for (let i = 0; i < 3 * 7 + 2; i++) barrier.arrive();
  assertEquals(Deno.inspect(barrier), "Barrier { 2/3 arrived, phase 7 }");
  assertEquals(inspect(barrier), "Barrier { 2/3 arrived, phase 7 }");
  await failure(barrier.waitForAsync(7, { timeout: 0 }));
  barrier.reset();
  await failure(barrier.waitAsync({ timeout: 0 }));
  assertEquals(Deno.inspect([barrier]), "[ Barrier { broken: timeout, phase 8 } ]");
  assertEquals(inspect(barrier), "Barrier { broken: timeout, phase 8 }");
});

// Waiting

test("Barrier.wait() passes in the main thread when the others have arrived", () => {
  const barrier = new Barrier(2);
  for (let phase = 0; phase < 10; phase++) {
    barrier.arrive();
    assertEquals(barrier.wait({ timeout: 30_000 }), 0);
    barrier.waitFor(phase, { timeout: 30_000 });
    barrier.ready({ timeout: 30_000 });
  }
}, { ignore: mayNotBlock });

test("Barrier.wait() gives the caller's line in the stack of its error, as do all its kin", async (scope) => {
  const calls: Record<string, (barrier: Barrier) => unknown> = {
    "wait, its timeout": (barrier) => barrier.wait({ timeout: 0 }),
    "wait, broken": (barrier) => {
      barrier.abort();
      barrier.wait();
    },
    "arrive, broken": (barrier) => {
      barrier.abort();
      barrier.arrive();
    },
    "waitFor, its timeout": (barrier) => barrier.waitFor(0, { timeout: 0 }),
    "waitFor, broken": (barrier) => {
      barrier.abort();
      barrier.waitFor(0);
    },
    "ready, its timeout": (barrier) => {
      barrier.abort();
      barrier.ready({ timeout: 0 });
    },
    "waitAsync, its timeout": (barrier) => barrier.waitAsync({ timeout: 0 }),
    "waitAsync, broken": (barrier) => {
      barrier.abort();
      return barrier.waitAsync();
    },
    "waitAsync, breaks": (barrier) => {
      const waiting = barrier.waitAsync();
      barrier.abort();
      return waiting;
    },
    "waitForAsync, breaks": (barrier) => {
      const watching = barrier.waitForAsync(0);
      barrier.abort();
      return watching;
    },
    "readyAsync, its timeout": (barrier) => {
      barrier.abort();
      return barrier.readyAsync({ timeout: 0 });
    },
  };
  const named = await namedCallers();
  for (const [name, call] of Object.entries(calls)) {
    if (name.includes("Async") && !named.afterAwait) continue;
    const barrier = new Barrier(2);
    const thisVeryCaller = () => {
      call(barrier);
    };
    const thisVeryCallerAwaits = async () => {
      await call(barrier);
    };
    const run = name.includes("Async") ? thisVeryCallerAwaits : thisVeryCaller;
    const error = await failure(Promise.try<void, []>(run)) as Error;
    if (error instanceof DOMException && !named.ofDOMException) continue;
    assertMatch(error.stack!, lineOf("thisVeryCaller", import.meta.url), name);
  }
  const barrier = new Barrier(2);
  const worker = await thread(scope, barrier);
  const stack = worker.call<string>("stack");
  await arrives(barrier, 1);
  barrier.abort();
  assertMatch(await stack, /thisVeryCaller.*thread_worker\.[jt]s/);
});

test("Barrier.waitAsync() rejects and does not throw", async () => {
  const barrier = new Barrier(2);
  assertInstanceOf(await failure(barrier.waitAsync({ timeout: -1 })), RangeError);
  assertInstanceOf(await failure(barrier.waitForAsync(-1)), RangeError);
  assertInstanceOf(await failure(barrier.readyAsync({ timeout: -1 })), RangeError);
  barrier.abort();
  assertEquals(reasonOf(await failure(barrier.waitAsync())), "aborted");
});

test(
  "Barrier.wait() throws a TypeError where a thread may not block, before it arrives",
  async () => {
    const { code, output } = await runProgram(`
    Atomics.wait = () => { throw new TypeError("not here"); };
    const barrier = new Barrier(1);
    for (const call of [() => barrier.wait(), () => barrier.waitFor(0), () => barrier.ready()]) {
      try {
        call();
      } catch (error) {
        console.log(error.name, error.message, barrier.phase);
      }
    }
    console.log(await barrier.waitAsync(), barrier.phase);
  `);
    const refused =
      "TypeError Cannot block this thread as its platform forbids it: use waitAsync() 0\n";
    assertEquals([code, output], [0, refused.repeat(3) + "0 1\n"]);
  },
  { ignore: noPrograms },
);

test("Barrier() says what is to be done where there is no shared memory", async () => {
  const { code, output } = await runProgram(`
    delete globalThis.SharedArrayBuffer;
    for (const call of [() => new Barrier(2), () => Barrier.from({})]) {
      try {
        call();
      } catch (error) {
        console.log(error.name, error.message.includes("Cross-Origin-Opener-Policy"));
      }
    }
  `);
  assertEquals([code, output], [0, "TypeError true\nTypeError true\n"]);
}, { ignore: noPrograms });

test("Barrier.waitAsync() waits for all of its timeout, though a timer cannot be as long", async () => {
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

const ends: Record<string, (barrier: Barrier, controller: AbortController) => void> = {
  pass: (barrier) => void barrier.arrive(),
  timeout: () => {},
  signal: (_, controller) => controller.abort(),
  abort: (barrier) => barrier.abort(),
  reset: (barrier) => barrier.reset(),
  dispose: (barrier) => barrier[Symbol.dispose](),
};

test("Barrier.waitForAsync() is told how a phase ended, though its own signal broke it", async () => {
  const barrier = new Barrier(2);
  const controller = new AbortController();
  const { signal } = controller;
  const waiting = failure(barrier.waitAsync({ signal }));
  controller.abort("why");
  assertEquals(await waiting, "why");
  // Who asks later is no party that shares the signal.
  const error = await failure(barrier.waitForAsync(0, { signal })) as BrokenBarrierError;
  assertEquals([error.name, error.cause], ["BrokenBarrierError", "why"]);
});

test("Barrier.waitAsync() leaves no timer and no listener, however it ends", async () => {
  using time = new FakeTime();
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
      if (name === "timeout") time.tick(1_000);
      assertEquals(await settled, name === "pass" ? "passed" : "failed");
      assertEquals([time.pending, controller.listeners], [0, 0], name);
    }
  }
});

test("Barrier.waitAsync() leaves no timer and no listener when it is refused or passes at once", async () => {
  using time = new FakeTime();
  const broken = new Barrier(2);
  broken.abort();
  for (const barrier of [broken, new Barrier(1)]) {
    const controller = new CountingController();
    await barrier.waitAsync({ timeout: 1_000, signal: controller.signal }).catch(() => {});
    assertEquals([time.pending, controller.listeners], [0, 0]);
  }
});

for (const member of ["waitForAsync", "readyAsync"] as const) {
  test(`Barrier.${member}() leaves no timer and no listener, however it ends`, async () => {
    using time = new FakeTime();
    for (const name of ["end", "timeout", "signal", "dispose"]) {
      const barrier = new Barrier(1);
      const ready = member === "readyAsync";
      if (ready) barrier.abort();
      const controller = new CountingController();
      const options = { timeout: 1_000, signal: controller.signal };
      const watching = ready ? barrier.readyAsync(options) : barrier.waitForAsync(0, options);
      const settled = watching.then(() => "passed", () => "failed");
      await turn();
      assertEquals([time.pending, controller.listeners], [1, 1], name);
      if (name === "end") ready ? barrier.reset() : barrier.arrive();
      if (name === "timeout") time.tick(1_000);
      if (name === "signal") controller.abort();
      if (name === "dispose") barrier[Symbol.dispose]();
      assertEquals(await settled, name === "end" ? "passed" : "failed");
      assertEquals([time.pending, controller.listeners], [0, 0], name);
    }
  });
}

test("Barrier.waitAsync() leaves no rejection unhandled but those of its promises", async () => {
  using unhandled = new UnhandledRejections();
  using time = new FakeTime();
  for (const how of ["timeout", "signal", "abort", "reset", "dispose"]) {
    const barrier = new Barrier(4);
    const controller = new AbortController();
    const errors = [
      barrier.waitAsync(),
      barrier.waitAsync({ timeout: 10, signal: controller.signal }),
      barrier.waitForAsync(0),
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

test(
  "Barrier.waitAsync() keeps the process alive, as do waitForAsync() and readyAsync()",
  async () => {
    const waits = ["waitAsync()", "waitForAsync(0)", "waitAsync({ signal })", "readyAsync()"];
    await Promise.all(waits.map(async (wait) => {
      const { code, output } = await runProgram(`
      const { signal } = new AbortController();
      const barrier = new Barrier(2);
      if (${wait === "readyAsync()"}) barrier.abort();
      barrier.${wait}.then(() => console.log("passed"));
      later(() => {
        barrier.reset(0);
        barrier.arrive();
        barrier.phase || barrier.arrive();
      }, 20);
    `);
      assertEquals([code, output], [0, "passed\n"], wait);
    }));
  },
  { ignore: noPrograms },
);

test("Barrier keeps no event loop alive but by what is awaited", async () => {
  const { code, output } = await runProgram(`
    const barrier = new Barrier(4, { action: () => new Promise(() => {}) });
    barrier.expect("a", new Promise(() => {}));
    await Barrier.join(barrier, { name: "b" });
    Barrier.from(barrier).arrive();
    const plain = new Barrier(2);
    const errors = [
      plain.waitAsync({ timeout: 1, onCancel: "withdraw" }),
      plain.waitForAsync(0, { timeout: 1 }),
    ].map((promise) => promise.catch((error) => error.name));
    console.log((await Promise.all(errors)).join());
    // With an action that runs.
    const acting = new Barrier(1, { action: () => new Promise(() => {}) });
    acting.arrive();
    await turn();
    console.log(acting.arrived);
  `);
  assertEquals([code, output], [0, "TimeoutError,TimeoutError\n1\n"]);
}, { ignore: noPrograms });

// Settled once

// A number: so many phases more, of which some make a counter of few bits go round.
for (const disturb of ["abort", "reset", "timeout", "signal", "dispose", 1, 7, 16, 31] as const) {
  const after = typeof disturb === "number" ? `phase ${disturb}` : disturb;
  test(`Barrier.waitAsync() passes if the last has arrived, though it wakes after ${after}`, async () => {
    using time = new FakeTime();
    const barrier = new Barrier(3);
    const other = Barrier.from(barrier);
    const controller = new AbortController();
    const { signal } = controller;
    const waiting = [
      barrier.waitAsync({ timeout: 1, signal }),
      other.waitAsync({ onCancel: "withdraw", timeout: 1, signal }),
      barrier.waitForAsync(0, { timeout: 1, signal }),
    ];
    await turn();
    barrier.arrive();
    if (disturb === "abort") barrier.abort();
    if (disturb === "reset") barrier.reset();
    if (disturb === "timeout") time.tick(1);
    if (disturb === "signal") controller.abort();
    if (disturb === "dispose") barrier[Symbol.dispose]();
    for (let i = 0; i < 3 * Number(disturb); i++) barrier.arrive();
    assertEquals(await Promise.all(waiting), [2, 1, undefined]);
    assertEquals(barrier.broken, disturb === "abort" || disturb === "dispose");
  });
}

for (const resets of [1, 2, 7, 8, 15]) {
  test(`Barrier.reset() frees those who wait, ${resets} times before they wake`, async () => {
    const barrier = new Barrier(2);
    const error = failure(barrier.waitAsync());
    const watching = failure(barrier.waitForAsync(0));
    for (let i = 0; i < resets; i++) {
      barrier.reset();
      assertEquals(barrier.arrive(), i + 1);
    }
    for (const told of await Promise.all([error, watching]) as BrokenBarrierError[]) {
      assertEquals([told.reason, told.phase], ["reset", 0]);
    }
    assertEquals([barrier.phase, barrier.arrived, barrier.broken], [resets, 1, false]);
  });
}

test("Barrier.wait() that sleeps through more than 16 broken phases is told so, and never wrong", async (scope) => {
  const barrier = new Barrier(2);
  const worker = await thread(scope, barrier);
  for (const resets of [1, 16, 17, 1_000]) {
    const { phase } = barrier;
    const error = failure(worker.call("wait"));
    await arrives(barrier, 1);
    for (let i = 0; i < resets; i++) {
      barrier.abort();
      barrier.reset();
    }
    const told = await error as BrokenBarrierError;
    if (told.name === "RangeError") {
      assert(resets > 16);
      assertEquals(
        told.message,
        `The outcome of phase ${phase} is no longer known: it ended too long ago`,
      );
    } else assertEquals([told.reason, told.phase], ["aborted", phase]);
    assertEquals([barrier.phase, barrier.arrived], [phase + resets, 0]);
  }
});

test("Barrier.waitFor() tells a worker that stood still what became of its arrival", async (scope) => {
  const barrier = new Barrier(2);
  const worker = await thread(scope, barrier);
  const phase = await worker.call<number>("arrive");
  // Meanwhile: broken, mended, and passed by others.
  barrier.reset();
  for (let i = 0; i < 10; i++) barrier.arrive();
  const error = await failure(worker.call("waitFor", phase)) as BrokenBarrierError;
  assertEquals([error.reason, error.phase], ["reset", phase]);
  await worker.call("waitFor", 3);
});

test("Barrier.arrive() counts 300,000 phases, through every turn of its counters", () => {
  const barrier = new Barrier(2);
  for (let phase = 0; phase < 300_000; phase++) {
    if (barrier.arrive() !== phase || barrier.arrive() !== phase) throw new Error(`in ${phase}`);
  }
  assertEquals([barrier.phase, barrier.arrived], [300_000, 0]);
});

// The action

test("Barrier() runs its action in the thread that made it, whoever comes last", async (scope) => {
  const log: number[] = [];
  const cells = new Int32Array(new SharedArrayBuffer(4));
  const barrier = new Barrier(2, { action: () => void log.push(cells[0]!) });
  const worker = await thread(scope, barrier);
  for (let phase = 0; phase < 20; phase++) {
    cells[0] = phase;
    const waiting = [worker.call("wait")];
    if (phase % 2 === 0) await arrives(barrier, 1);
    waiting.push(barrier.waitAsync());
    await Promise.all(waiting);
    assertEquals(log.length, phase + 1);
  }
  assertEquals(log, [...Array(20).keys()]);
});

test(
  "Barrier.wait() is refused in the thread that runs the action, through any handle",
  async (scope) => {
    const barrier = new Barrier(1, { action: () => {} });
    for (const handle of [barrier, Barrier.from(barrier), await Barrier.join(barrier)]) {
      const calls = [() => handle.wait(), () => handle.waitFor(0), () => handle.ready()];
      for (const call of calls) {
        const error = assertThrows(call, DOMException, "must not block: use waitAsync()");
        assertEquals(error.name, "InvalidStateError");
      }
    }
    assertEquals([barrier.phase, barrier.arrived], [0, 0]);
    const worker = await thread(scope, barrier);
    assertEquals(await worker.call("wait"), 0);
    // Bad arguments come first.
    assertThrows(() => barrier.wait({ timeout: -1 }), RangeError);
    // Where there is no action, nothing is refused.
    assertEquals(new Barrier(1).wait(), 0);
  },
  { ignore: mayNotBlock },
);

test(
  "Barrier.wait() heeds its timeout while the maker is too busy to run the action",
  async (scope) => {
    let calls = 0;
    const barrier = new Barrier(1, { action: () => void calls++ });
    const worker = await thread(scope, barrier);
    const word = new Int32Array(new SharedArrayBuffer(4));
    const error = failure(worker.call("timeOut", word));
    // This thread stands still until the worker has been freed.
    const ended = Atomics.wait(word, 0, 0, 30_000);
    assert(ended === "ok" || ended === "not-equal", ended);
    assertInstanceOf(await error, DOMException);
    await turn();
    assertEquals([calls, barrier.broken], [0, true]);
    barrier.reset();
    assertEquals(barrier.phase, 2);
  },
  { ignore: mayNotBlock },
);

test("Barrier.abort() gives its reason itself in this thread, and its text to others", async (scope) => {
  const why = new Error("the disk is full");
  const barrier = new Barrier(3);
  const worker = await thread(scope, barrier);
  const errors = [failure(worker.call("wait")), failure(barrier.waitAsync())];
  await arrives(barrier, 2);
  barrier.abort(why);
  const [far, near] = await Promise.all(errors) as BrokenBarrierError[];
  assertStrictEquals(near!.cause, why);
  assertEquals(far!.cause, "the disk is full");
});
