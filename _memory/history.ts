// Copyright 2026 the Rendezvous authors. MIT license.

import { type BreakReason, REASONS } from "../_common/errors.ts";
import { type BarrierMemory, HISTORY, HISTORY_SLOTS } from "./layout.ts";

/*
 * The ring of broken phases. Phase p has the slot p % 16, which holds phase << 3 | reason of the last phase there
 * that broke. A reset records a broken phase before it moves the state on, so for a phase that is over:
 *
 *   the slot holds that phase     it broke
 *   it holds an earlier one       it passed
 *   it holds a later one          nobody knows any more
 *
 * A slot never goes backwards, so a thread that stood still in the middle of a reset does no harm.
 */
function slotOf(phase: number): number {
  return HISTORY / 2 + phase % HISTORY_SLOTS;
}

/** Records that a phase broke. */
export function recordBreak({ longs }: BarrierMemory, phase: number, reason: BreakReason): void {
  const entry = BigInt(phase) << 3n | BigInt(REASONS.indexOf(reason) + 1);
  for (;;) {
    const before = Atomics.load(longs, slotOf(phase));
    if (before >> 3n >= BigInt(phase) && before !== 0n) return;
    if (Atomics.compareExchange(longs, slotOf(phase), before, entry) === before) return;
  }
}

/** Whether no phase that has the slot of this one has ever broken and been left. */
export function isUnused({ longs }: BarrierMemory, phase: number): boolean {
  return Atomics.load(longs, slotOf(phase)) === 0n;
}

/** The first of these phases that broke, of which all are over; nothing if it is not known whether one did. */
export function firstBreak(
  { longs }: BarrierMemory,
  from: number,
  to: number,
): { phase: number; reason: BreakReason } | "none" | undefined {
  let first: { phase: number; reason: BreakReason } | "none" | undefined = "none";
  // Of more phases than there are slots, each slot is looked at once.
  for (let phase = Math.max(from, to - HISTORY_SLOTS + 1); phase <= to; phase++) {
    const entry = Atomics.load(longs, slotOf(phase));
    if (entry === 0n) continue;
    const latest = Number(entry >> 3n);
    if (latest < from) continue;
    if (latest > to) {
      if (first === "none") first = undefined;
      continue;
    }
    if (typeof first === "object" && first.phase < latest) continue;
    // Another reason than these was written by somebody else than this library.
    first = { phase: latest, reason: REASONS[Number(entry & 7n) - 1] ?? "lost" };
  }
  return first;
}
