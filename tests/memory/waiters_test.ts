// Copyright 2026 the Rendezvous authors. MIT license.

/** How threads that block are woken is explored: `explorer_test.ts`. */

import { assertEquals } from "@std/assert";
import { HAS_SLEEPERS, WAKE_COUNT } from "../../_memory/layout.ts";
import type { Parking } from "../../_memory/parking.ts";
import { type Waiter, Waiters } from "../../_memory/waiters.ts";

/** A place to sleep whose sleepers are woken by the test. */
class FakeParking implements Parking {
  readonly keepsAlive: boolean;
  readonly words = new Int32Array(new SharedArrayBuffer(1024));
  readonly blocked: unknown[][] = [];
  notified = 0;
  #sleepers: (() => void)[] = [];

  constructor(keepsAlive: boolean = false) {
    this.keepsAlive = keepsAlive;
  }

  wait(...args: unknown[]): void {
    this.blocked.push(args);
  }

  waitAsync(word: number, value: number): Promise<void> {
    assertEquals(word, WAKE_COUNT);
    if (Atomics.load(this.words, word) !== value) return Promise.resolve();
    return new Promise((resolve) => this.#sleepers.push(resolve));
  }

  notify(word: number): void {
    assertEquals(word, WAKE_COUNT);
    this.notified++;
    for (const wake of this.#sleepers.splice(0)) wake();
  }

  get asleep(): number {
    return this.#sleepers.length;
  }

  /** As another thread that changes the barrier. */
  wakeFromElsewhere(): void {
    Atomics.store(this.words, HAS_SLEEPERS, 0);
    Atomics.add(this.words, WAKE_COUNT, 1);
    this.notify(WAKE_COUNT);
  }
}

async function flush(): Promise<void> {
  for (let i = 0; i < 20; i++) await null;
}

/** A waiter that notes when it is checked. */
function waiter(phase: number, log: string[], over: () => boolean): Waiter {
  return {
    phase,
    check() {
      log.push(`${phase}`);
      return over();
    },
    cancel: () => void log.push("cancelled"),
  };
}

Deno.test("Waiters.add() sleeps until another thread changes the barrier, then checks", async () => {
  const parking = new FakeParking();
  const waiters = new Waiters(parking.words, parking);
  const log: string[] = [];
  let over = false;
  waiters.add(waiter(0, log, () => over));
  await flush();
  assertEquals([log.length, parking.asleep], [1, 1]);
  assertEquals(Atomics.load(parking.words, HAS_SLEEPERS), 1);
  parking.wakeFromElsewhere();
  await flush();
  assertEquals([log.length, parking.asleep], [2, 1]);
  over = true;
  parking.wakeFromElsewhere();
  await flush();
  // Nobody is left who needs the sleep.
  assertEquals([log.length, parking.asleep], [3, 0]);
});

Deno.test("Waiters.add() misses no change between its last look and its sleep", async () => {
  const parking = new FakeParking();
  const waiters = new Waiters(parking.words, parking);
  let changed = false;
  let checks = 0;
  waiters.add({
    phase: 0,
    check() {
      checks++;
      if (checks > 1) return changed;
      // Another thread changes the barrier just after this look.
      changed = true;
      parking.wakeFromElsewhere();
      return false;
    },
    cancel: () => {},
  });
  await flush();
  assertEquals([checks, parking.asleep], [2, 0]);
});

Deno.test("Waiters.add() returns what removes the waiter, which ends the sleep of the last", async () => {
  const parking = new FakeParking();
  const waiters = new Waiters(parking.words, parking);
  const log: string[] = [];
  const removes = [0, 1].map((phase) => waiters.add(waiter(phase, log, () => false)));
  await flush();
  removes[0]!();
  removes[0]!();
  await flush();
  assertEquals([parking.asleep, parking.notified], [1, 0]);
  log.length = 0;
  waiters.check();
  assertEquals(log, ["1"]);
  removes[1]!();
  await flush();
  assertEquals([parking.asleep, parking.notified], [0, 1]);
});

Deno.test("Waiters.check() lets those of earlier phases go first, and each once", () => {
  const parking = new FakeParking();
  const waiters = new Waiters(parking.words, undefined);
  const log: string[] = [];
  for (const phase of [3, 1, 2, -1]) waiters.add(waiter(phase, log, () => true));
  waiters.check();
  waiters.check();
  assertEquals(log, ["-1", "1", "2", "3"]);
});

Deno.test("Waiters.check() does not check a waiter that another has removed", () => {
  const waiters = new Waiters(new FakeParking().words, undefined);
  const log: string[] = [];
  waiters.add({
    phase: 0,
    check() {
      remove();
      return true;
    },
    cancel: () => {},
  });
  const remove = waiters.add(waiter(1, log, () => true));
  waiters.check();
  assertEquals(log, []);
});

Deno.test("Waiters.wake() wakes other threads only if somebody may be asleep", () => {
  const parking = new FakeParking();
  const waiters = new Waiters(parking.words, parking);
  waiters.wake();
  assertEquals([parking.notified, Atomics.load(parking.words, WAKE_COUNT)], [0, 0]);
  Atomics.store(parking.words, HAS_SLEEPERS, 1);
  waiters.wake();
  assertEquals([parking.notified, Atomics.load(parking.words, WAKE_COUNT)], [1, 1]);
  assertEquals(Atomics.load(parking.words, HAS_SLEEPERS), 0);
  waiters.wake();
  assertEquals(parking.notified, 1);
});

Deno.test("Waiters.wakeAll() wakes other threads whatever is known", () => {
  const parking = new FakeParking();
  const waiters = new Waiters(parking.words, parking);
  waiters.wakeAll();
  assertEquals([parking.notified, Atomics.load(parking.words, WAKE_COUNT)], [1, 1]);
});

Deno.test("Waiters.wake() and wakeAll() check the waiters of this thread at once", async () => {
  for (const wake of ["wake", "wakeAll"] as const) {
    const parking = new FakeParking();
    const waiters = new Waiters(parking.words, parking);
    const log: string[] = [];
    waiters.add(waiter(0, log, () => true));
    waiters[wake]();
    assertEquals(log, ["0"]);
    await flush();
    assertEquals([log, parking.asleep], [["0"], 0]);
  }
});

Deno.test("Waiters.blockUntil() sleeps on the count that was read before the last look", () => {
  const parking = new FakeParking();
  const waiters = new Waiters(parking.words, parking);
  Atomics.store(parking.words, WAKE_COUNT, 7);
  let looks = 0;
  const look = () => {
    assertEquals(Atomics.load(parking.words, HAS_SLEEPERS), 1);
    Atomics.add(parking.words, WAKE_COUNT, 1);
    return ++looks === 5 ? "found" : undefined;
  };
  assertEquals(waiters.blockUntil(look, Infinity), "found");
  // It looks once as it wakes, and once more before it sleeps again.
  assertEquals(parking.blocked, [[WAKE_COUNT, 7, Infinity], [WAKE_COUNT, 9, Infinity]]);
});

Deno.test("Waiters.blockUntil() whose sleep was the last leaves no flag", () => {
  const parking = new FakeParking();
  const waiters = new Waiters(parking.words, parking);
  parking.wait = () => parking.wakeFromElsewhere();
  let looks = 0;
  assertEquals(waiters.blockUntil(() => ++looks === 2 || undefined, Infinity), true);
  assertEquals(Atomics.load(parking.words, HAS_SLEEPERS), 0);
});

Deno.test("Waiters.blockUntil() gives up when its timeout has passed, after a last look", () => {
  const parking = new FakeParking();
  const waiters = new Waiters(parking.words, parking);
  assertEquals(waiters.blockUntil(() => undefined, 0), undefined);
  assertEquals(parking.blocked, []);
  assertEquals(waiters.blockUntil(() => "found", 0), "found");
  let looks = 0;
  waiters.blockUntil(() => ++looks === 2 || undefined, 1e6);
  const [[word, count, left]] = parking.blocked as [[number, number, number]];
  assertEquals([word, count, left > 0 && left <= 1e6], [WAKE_COUNT, 0, true]);
});

Deno.test("Waiters.onChange() calls its listener at every change, until it is told not to", async () => {
  const parking = new FakeParking();
  const waiters = new Waiters(parking.words, parking);
  let changes = 0;
  const stop = waiters.onChange(() => changes++);
  await flush();
  assertEquals([changes, parking.asleep], [1, 1]);
  parking.wakeFromElsewhere();
  await flush();
  assertEquals(changes, 2);
  waiters.wake();
  assertEquals(changes, 3);
  await flush();
  assertEquals(parking.asleep, 1);
  stop();
  await flush();
  assertEquals(parking.asleep, 0);
  const before = changes;
  waiters.wakeAll();
  assertEquals(changes, before);
});

Deno.test("Waiters.end() cancels all waits, and resolves when nobody here sleeps any more", async () => {
  const parking = new FakeParking();
  const waiters = new Waiters(parking.words, parking);
  const logs: string[][] = [[], []];
  const removes = logs.map((log, phase) => waiters.add(waiter(phase, log, () => false)));
  await flush();
  assertEquals(parking.asleep, 1);
  for (const log of logs) log.length = 0;
  await waiters.end();
  assertEquals([parking.asleep, logs], [0, [["cancelled"], ["cancelled"]]]);
  for (const remove of removes) remove();
  waiters.check();
  await waiters.end();
  assertEquals(logs, [["cancelled"], ["cancelled"]]);
});

Deno.test("Waiters.end() resolves at once where nobody sleeps", async () => {
  const parking = new FakeParking();
  await new Waiters(parking.words, parking).end();
  assertEquals(parking.notified, 0);
});

/** The timers that are set and not cleared. */
function recordTimers(): Set<unknown> & Disposable {
  const { setInterval, clearInterval } = globalThis;
  const timers = new Set<unknown>();
  globalThis.setInterval = ((...args: Parameters<typeof setInterval>) => {
    const id = setInterval(...args);
    timers.add(id);
    return id;
  }) as typeof setInterval;
  globalThis.clearInterval = (id) => {
    timers.delete(id);
    clearInterval(id);
  };
  return Object.assign(timers, {
    [Symbol.dispose]: () => void Object.assign(globalThis, { setInterval, clearInterval }),
  });
}

Deno.test("Waiters keep the event loop alive while somebody waits, not for a watch", async () => {
  using timers = recordTimers();
  const parking = new FakeParking();
  const waiters = new Waiters(parking.words, parking);
  const stop = waiters.onChange(() => {});
  assertEquals(timers.size, 0);
  const removes = [0, 1].map((phase) => waiters.add(waiter(phase, [], () => false)));
  assertEquals(timers.size, 1);
  removes[0]!();
  assertEquals(timers.size, 1);
  removes[1]!();
  assertEquals(timers.size, 0);
  waiters.add(waiter(0, [], () => true));
  waiters.check();
  assertEquals(timers.size, 0);
  waiters.add(waiter(0, [], () => false));
  assertEquals(timers.size, 1);
  stop();
  await waiters.end();
  assertEquals(timers.size, 0);
});

Deno.test("Waiters need no timer where sleeping keeps the event loop alive", async () => {
  using timers = recordTimers();
  const parking = new FakeParking(true);
  const waiters = new Waiters(parking.words, parking);
  waiters.add(waiter(0, [], () => false));
  assertEquals(timers.size, 0);
  await waiters.end();
});

Deno.test("Waiters sleep anew for who comes while a sleep ends", async () => {
  const parking = new FakeParking();
  const waiters = new Waiters(parking.words, parking);
  waiters.add(waiter(0, [], () => false))();
  let over = false;
  waiters.add(waiter(1, [], () => over));
  await flush();
  assertEquals(parking.asleep, 1);
  over = true;
  waiters.wake();
  waiters.add(waiter(2, [], () => over));
  await flush();
  assertEquals(parking.asleep, 0);
});

Deno.test("Waiters of private memory sleep nowhere, and are checked", async () => {
  const words = new Int32Array(256);
  const waiters = new Waiters(words, undefined);
  let checks = 0;
  waiters.add({ phase: 0, check: () => ++checks > 1, cancel: () => {} });
  await flush();
  assertEquals(checks, 0);
  waiters.wake();
  waiters.wake();
  waiters.wake();
  assertEquals(checks, 2);
  assertEquals(Atomics.load(words, HAS_SLEEPERS), 0);
});
