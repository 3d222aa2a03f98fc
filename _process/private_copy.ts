// Copyright 2026 the Rendezvous authors. MIT license.

import { BarrierMemory, byteLengthFor, MAX_PARTIES } from "../_memory/layout.ts";
import { SharedBarrier } from "../_memory/shared_barrier.ts";

/**
 * A copy of a barrier as it stands, for who gives the memory back: it still shows how the barrier stood, and how its
 * phases ended.
 */
export function privateCopy({ memory }: SharedBarrier): SharedBarrier {
  const copy = BarrierMemory.find(memory.bytes.slice().buffer, 0);
  if (copy !== undefined) return new SharedBarrier(copy, undefined);
  // Somebody has written over the memory: nothing is known any more.
  const space = new ArrayBuffer(byteLengthFor(MAX_PARTIES));
  const settings = { hasAction: memory.hasAction, timeout: memory.timeout };
  const empty = new SharedBarrier(
    BarrierMemory.initialize(space, 0, MAX_PARTIES, settings),
    undefined,
  );
  empty.end("lost", "its memory was written over");
  return empty;
}
