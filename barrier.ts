// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * The two barriers that need nothing but JavaScript: {@linkcode AsyncBarrier} for the tasks of one event loop, and
 * {@linkcode Barrier} for workers that share memory. Both keep one contract:
 *
 * None of the `parties` passes before all have arrived. Then the barrier is ready for the next phase. A phase is one
 * attempt to meet. It passes for all its parties or breaks for all of them: once, and for ever.
 *
 * | What happens first, before a phase has passed | That party gets | Every other waiting party gets | Afterwards |
 * |---|---|---|---|
 * | its `timeout` passes | `TimeoutError` | `BrokenBarrierError`, `"timeout"` | broken |
 * | its `signal` aborts | the signal's reason | `BrokenBarrierError`, `"aborted"` | broken |
 * | the same two, with `onCancel: "withdraw"`, before its phase's action runs | the same | nothing | usable |
 * | `abort(why)` | – | `BrokenBarrierError`, `"aborted"`, `cause` | broken |
 * | the action throws | – | all: `BrokenBarrierError`, `"action"`, `cause` | broken |
 * | `reset()` while some have arrived | – | `BrokenBarrierError`, `"reset"` | usable |
 * | a party with a name is gone | – | `BrokenBarrierError`, `"lost"`, named | broken |
 * | a handle is disposed before it dropped | – | `BrokenBarrierError`, `"aborted"` | broken |
 * | the maker's handle is disposed | – | `BrokenBarrierError`, `"aborted"` | over |
 *
 * A broken barrier refuses arrivals until `reset()`. One that is over does for good.
 *
 * @module
 */

export { BrokenBarrierError } from "./_common/errors.ts";
export type { BreakReason, BrokenBarrierErrorOptions } from "./_common/errors.ts";
export type {
  AsyncBarrierOptions,
  BarrierAction,
  BlockingWaitForOptions,
  BlockingWaitOptions,
  JoinOptions,
  ResetOptions,
  WaitForOptions,
  WaitOptions,
} from "./_common/options.ts";
export { AsyncBarrier } from "./_task/async_barrier.ts";
export { Barrier } from "./_worker/barrier.ts";
export type { BarrierHandle, BarrierHandleOptions, BarrierOptions } from "./_worker/barrier.ts";
