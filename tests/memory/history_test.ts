// Copyright 2026 the Rendezvous authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { firstBreak, isUnused, recordBreak } from "../../_memory/history.ts";
import {
  BarrierMemory,
  byteLengthFor,
  HISTORY,
  HISTORY_SLOTS,
  STATE,
} from "../../_memory/layout.ts";
import { type Reason, REASONS } from "./_model.ts";

function newMemory(): BarrierMemory {
  const buffer = new SharedArrayBuffer(byteLengthFor(8));
  return BarrierMemory.initialize(buffer, 0, 8, { hasAction: false, timeout: Infinity });
}

/** Checks an answer against all that ever broke: right, or not known, and that only if it may be. */
function check(
  broken: ReadonlyMap<number, Reason>,
  from: number,
  to: number,
  answer: ReturnType<typeof firstBreak>,
): void {
  const latest = Math.max(-1, ...broken.keys());
  const inRange = [...broken.keys()].filter((phase) => phase >= from && phase <= to).sort(byValue);
  // What is overwritten: somebody broke later in the same slot.
  const known = inRange.filter((phase) =>
    ![...broken.keys()].some((other) =>
      other > phase && other % HISTORY_SLOTS === phase % HISTORY_SLOTS
    )
  );
  const shown = `${from} to ${to}, broken ${[...broken.keys()]}`;
  if (answer === undefined) {
    assert(latest >= from + HISTORY_SLOTS, `not known, though it is recent: ${shown}`);
    assertEquals(known, [], shown);
  } else if (answer === "none") {
    assertEquals(inRange, [], shown);
  } else {
    assertEquals(answer, { phase: known[0]!, reason: broken.get(known[0]!)! }, shown);
  }
}

function byValue(a: number, b: number): number {
  return a - b;
}

Deno.test("firstBreak() finds what broke, or says that it is not known, as a map of all breaks does", () => {
  const reason = fc.constantFrom(...REASONS);
  const base = fc.constantFrom(0, 250, 2 ** 32 - 20, 2 ** 40 - 60);
  const breaks = fc.array(fc.tuple(fc.nat(50), reason), { maxLength: 30 });
  const ranges = fc.array(fc.tuple(fc.nat(50), fc.nat(50)), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(base, breaks, ranges, (base, breaks, ranges) => {
      const memory = newMemory();
      const broken = new Map<number, Reason>();
      // In the order of phases, as a barrier breaks them.
      for (const [offset, reason] of breaks.toSorted(([a], [b]) => a - b)) {
        if (broken.has(base + offset)) continue;
        recordBreak(memory, base + offset, reason);
        broken.set(base + offset, reason);
        for (const [from, length] of ranges) {
          const first = base + Math.min(from, 50);
          // Only phases that are over are asked for.
          const to = Math.min(first + length, base + offset + 1);
          if (to >= first) check(broken, first, to, firstBreak(memory, first, to));
        }
      }
    }),
    { numRuns: 400, seed: 1 },
  );
});

Deno.test("firstBreak() knows the last 16 phases for certain", () => {
  for (let pattern = 0; pattern < 2 ** 10; pattern++) {
    const memory = newMemory();
    for (let phase = 0; phase < 40; phase++) {
      const breaks = pattern >> phase % 10 & 1;
      if (breaks) recordBreak(memory, phase, "aborted");
      for (let old = Math.max(0, phase - 15); old <= phase; old++) {
        const broke = (pattern >> old % 10 & 1) === 1;
        const answer = firstBreak(memory, old, old);
        if (broke ? (answer as { phase: number }).phase !== old : answer !== "none") {
          assertEquals(answer, broke ? { phase: old, reason: "aborted" } : "none");
        }
      }
    }
  }
});

Deno.test("firstBreak() does not know how a phase ended whose slot holds a later one", () => {
  const memory = newMemory();
  recordBreak(memory, 20, "timeout");
  assertEquals(firstBreak(memory, 4, 4), undefined);
  assertEquals(firstBreak(memory, 3, 3), "none");
  assertEquals(firstBreak(memory, 20, 20), { phase: 20, reason: "timeout" });
  assertEquals(firstBreak(memory, 36, 36), "none");
});

Deno.test("firstBreak() finds a break in a range of more phases than there are slots", () => {
  for (let broke = 100; broke < 200; broke++) {
    const memory = newMemory();
    recordBreak(memory, broke, "lost");
    assertEquals(firstBreak(memory, 100, 199), { phase: broke, reason: "lost" });
    assertEquals(firstBreak(memory, 100, broke), { phase: broke, reason: "lost" });
    assertEquals(firstBreak(memory, broke, 199), { phase: broke, reason: "lost" });
    assertEquals(firstBreak(memory, broke + 1, 200), "none");
  }
});

Deno.test("firstBreak() finds no break in a range that is empty", () => {
  const memory = newMemory();
  recordBreak(memory, 5, "lost");
  assertEquals(firstBreak(memory, 6, 5), "none");
});

Deno.test("recordBreak() never takes a slot back to an earlier phase, nor changes a reason", () => {
  const memory = newMemory();
  recordBreak(memory, 21, "timeout");
  recordBreak(memory, 5, "lost");
  recordBreak(memory, 21, "lost");
  assertEquals(firstBreak(memory, 21, 21), { phase: 21, reason: "timeout" });
});

Deno.test("recordBreak() records phase 0 with every reason", () => {
  for (const reason of REASONS) {
    const memory = newMemory();
    assertEquals(firstBreak(memory, 0, 0), "none");
    recordBreak(memory, 0, reason);
    recordBreak(memory, 0, "aborted");
    assertEquals(firstBreak(memory, 0, 0), { phase: 0, reason });
  }
});

Deno.test("recordBreak() writes nothing but its slot", () => {
  const memory = newMemory();
  const before = [...memory.longs];
  recordBreak(memory, 17, "lost");
  const changed = [...memory.longs].flatMap((long, i) => long === before[i] ? [] : [i]);
  assertEquals(changed, [HISTORY / 2 + 1]);
  assertEquals(changed.includes(STATE / 2), false);
});

Deno.test("firstBreak() takes a reason that nobody can have written for a loss", () => {
  const memory = newMemory();
  memory.longs[HISTORY / 2 + 3] = 3n << 3n | 7n;
  assertEquals(firstBreak(memory, 3, 3), { phase: 3, reason: "lost" });
});

Deno.test("isUnused() until a phase that has the slot is recorded", () => {
  const memory = newMemory();
  for (let phase = 0; phase < 2 * HISTORY_SLOTS; phase++) assert(isUnused(memory, phase));
  recordBreak(memory, HISTORY_SLOTS + 3, REASONS[0]!);
  for (let phase = 0; phase < 2 * HISTORY_SLOTS; phase++) {
    assertEquals(isUnused(memory, phase), phase % HISTORY_SLOTS !== 3);
  }
});
