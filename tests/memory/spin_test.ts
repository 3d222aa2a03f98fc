// Copyright 2026 the Rendezvous authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import type { Parking } from "../../_memory/parking.ts";

/** What a spinning thread does: it loads the state, pauses or yields, and looks at the clock. */
let loads = 0;
let pauses = 0;
let yields = 0;
let now = 0;
/** What happens at a load. */
let onLoad = (_: Int32Array) => {};

const parking: Parking = {
  wait: () => {},
  waitAsync: () => Promise.resolve(),
  notify: () => {},
};
const yielding: Parking = { ...parking, yield: () => void yields++ };

// Before the import: the module takes its pause from there, and counts the threads.
const real = globalThis.Atomics;
globalThis.Atomics = Object.assign(Object.create(real), {
  load(words: Int32Array, word: number): number {
    loads++;
    onLoad(words);
    return real.load(words, word);
  },
  pause: () => void pauses++,
});
performance.now = () => now += 0.001;
Object.defineProperty(navigator, "hardwareConcurrency", { value: 4, configurable: true });

const { Spinner, threads } = await import("../../_memory/spin.ts");

/** The memory of the barrier. */
const words = new Int32Array(1);

/** Two parties that have yet to arrive in phase 1; the same in phase 2. */
const lowWord = 0x0100_0802;
const nextPhase = 0x0200_0802;

/** Spins once in vain, or until the state changes at the load `changes`. How many loads that takes. */
function spin(
  spinner: InstanceType<typeof Spinner>,
  { parties = 2, low = lowWord, next = low, changes = Infinity }: {
    parties?: number;
    low?: number;
    next?: number;
    changes?: number;
  } = {},
): number {
  words[0] = low = low & ~(0x3ff << 10) | parties << 10;
  loads = pauses = yields = 0;
  onLoad = () => {
    if (loads === changes) words[0] = next;
    assert(loads < 1e6, "It spins for ever");
  };
  const changed = spinner.spin({ low, high: 0 });
  assertEquals(changed, ((words[0] ^ low) & -1 << 20) !== 0);
  return loads;
}

Deno.test("threads is what the platform says", () => {
  assertEquals(threads, 4);
});

Deno.test("Spinner.spin() ends as soon as the phase does", () => {
  const spinner = new Spinner(words, parking);
  for (const changes of [1, 2, 30, 31, 100]) {
    assertEquals(spin(spinner, { next: nextPhase, changes }), changes);
    assertEquals(pauses, changes - 1);
  }
});

Deno.test("Spinner.spin() ends when the phase breaks or its action starts, and goes on when somebody arrives", () => {
  for (const bit of [20, 21, 22, 23, 24, 31]) {
    const low = 0x0100_0802;
    assertEquals(spin(new Spinner(words, parking), { low, next: low ^ 1 << bit, changes: 5 }), 5);
  }
  const most = spin(new Spinner(words, parking));
  for (const bit of [0, 9, 10, 19]) {
    const low = 0x0100_0802;
    assertEquals(
      spin(new Spinner(words, parking), { low, next: low ^ 1 << bit, changes: 5 }),
      most,
    );
  }
});

Deno.test("Spinner.spin() is bounded, and looks at the clock now and then only", () => {
  const before = now;
  const most = spin(new Spinner(words, parking));
  // 100 µs, at 1 µs for each look.
  const looks = Math.round((now - before) * 1e3);
  assert(looks > 90 && looks < 110, `${looks}`);
  assert(most > 8 * 90, `${most}`);
});

Deno.test("Spinner.spin() backs off for 1, 3, 7 … 511 phases after two spins in vain", () => {
  const spinner = new Spinner(words, parking);
  const skipped: number[] = [];
  for (let i = 0; i < 9; i++) {
    assert(spin(spinner) > 1);
    let skips = 0;
    while (spin(spinner, { next: nextPhase, changes: 1 }) === 0) skips++;
    skipped.push(skips);
  }
  // Each of those that ended the back-off had success, so the next begins anew.
  assertEquals(skipped, Array(9).fill(0));
  const other = new Spinner(words, parking);
  const growing: number[] = [];
  for (let i = 0; i < 12; i++) {
    let skips = 0;
    while (spin(other) === 0) skips++;
    growing.push(skips);
  }
  assertEquals(growing, [0, 0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 511]);
});

Deno.test("Spinner.spin() does not spin where more parties than threads cannot yield", () => {
  assertEquals(spin(new Spinner(words, parking), { parties: 5 }), 0);
  assertEquals(spin(new Spinner(words, undefined), { parties: 5 }), 0);
  assert(spin(new Spinner(words, parking), { parties: 4 }) > 1);
  assertEquals(yields, 0);
});

Deno.test("Spinner.spin() yields where there are more parties than threads, for longer", () => {
  const most = spin(new Spinner(words, parking));
  const longer = spin(new Spinner(words, yielding), { parties: 80 });
  assertEquals([pauses, yields > 0], [0, true]);
  assert(longer > 5 * most, `${longer}, ${most}`);
  spin(new Spinner(words, yielding), { parties: 4 });
  assertEquals([pauses > 0, yields], [true, 0]);
});
