// Copyright 2026 the Rendezvous authors. MIT license.

import { cannot } from "./_check.ts";

/**
 * Why a barrier is broken:
 *
 * - `"timeout"`: a party waited longer than it would.
 * - `"aborted"`: somebody called `abort()`, a signal aborted, or a handle was disposed.
 * - `"action"`: the barrier's action threw.
 * - `"reset"`: somebody called `reset()` while parties waited.
 * - `"lost"`: a party is gone: its process died, its connection ended, its worker ended.
 */
export type BreakReason = "timeout" | "aborted" | "action" | "reset" | "lost";

/** What a {@linkcode BrokenBarrierError} carries. */
export interface BrokenBarrierErrorOptions extends ErrorOptions {
  /** Why the barrier broke. */
  reason: BreakReason;
  /** The phase that was open when it broke, from 0. */
  phase: number;
  /** How many parties had arrived in it. */
  arrived: number;
  /** How many parties had to arrive. */
  parties: number;
}

/**
 * The error that a party gets when the barrier broke while it waited, or is broken when it arrives.
 *
 * All parties that waited in one phase get the same reason: the first that broke it. The party whose own
 * timeout or signal broke the barrier gets its `TimeoutError` or the signal's reason instead, and the one
 * whose action threw gets what was thrown.
 *
 * @example Telling why a wait failed
 * ```ts
 * import { AsyncBarrier, BrokenBarrierError } from "@rendezvous/barrier";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const barrier = new AsyncBarrier(2);
 * const waiting = barrier.wait();
 * barrier.abort("the disk is full");
 * const error = await assertRejects(() => waiting, BrokenBarrierError);
 * assertEquals(error.reason, "aborted");
 * assertEquals(error.cause, "the disk is full");
 * assertEquals([error.phase, error.arrived, error.parties], [0, 1, 2]);
 * ```
 */
export class BrokenBarrierError extends Error {
  /**
   * Why the barrier broke.
   *
   * @example Usage
   * ```ts
   * import { BrokenBarrierError } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * const error = new BrokenBarrierError("Cannot pass", { reason: "lost", phase: 3, arrived: 1, parties: 2 });
   * assertEquals(error.reason, "lost");
   * ```
   */
  readonly reason: BreakReason;
  /**
   * The phase that was open when the barrier broke, from 0.
   *
   * @example Usage
   * ```ts
   * import { BrokenBarrierError } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * const error = new BrokenBarrierError("Cannot pass", { reason: "lost", phase: 3, arrived: 1, parties: 2 });
   * assertEquals(error.phase, 3);
   * ```
   */
  readonly phase: number;
  /**
   * How many parties had arrived when the barrier broke.
   *
   * @example Usage
   * ```ts
   * import { BrokenBarrierError } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * const error = new BrokenBarrierError("Cannot pass", { reason: "lost", phase: 3, arrived: 1, parties: 2 });
   * assertEquals(error.arrived, 1);
   * ```
   */
  readonly arrived: number;
  /**
   * How many parties had to arrive.
   *
   * @example Usage
   * ```ts
   * import { BrokenBarrierError } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * const error = new BrokenBarrierError("Cannot pass", { reason: "lost", phase: 3, arrived: 1, parties: 2 });
   * assertEquals(error.parties, 2);
   * ```
   */
  readonly parties: number;

  /**
   * Creates the error; the barriers do this for you.
   *
   * @param message What could not be done and why.
   * @param options Reason, phase, arrived and parties, and a `cause` where there is one.
   */
  constructor(message: string, options: BrokenBarrierErrorOptions) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.name = "BrokenBarrierError";
    this.reason = options.reason;
    this.phase = options.phase;
    this.arrived = options.arrived;
    this.parties = options.parties;
  }
}

/** How far a phase has come, for the messages of errors. */
export interface Progress {
  phase: number;
  arrived: number;
  parties: number;
  missing?: readonly string[];
}

/** What else is known of a break: its cause, and a note for the message. */
export interface BreakDetails extends ErrorOptions {
  note?: string;
}

export function brokenError(
  reason: BreakReason,
  progress: Progress,
  { note, ...options }: BreakDetails = {},
): BrokenBarrierError {
  const why = note === undefined ? `"${reason}"` : `"${reason}" (${note})`;
  return new BrokenBarrierError(
    `Cannot pass phase ${progress.phase} as the barrier must be unbroken: ` +
      `current value is ${why}, ${describe(progress)}`,
    { ...progress, ...options, reason },
  );
}

export function timeoutError(timeout: number, progress: Progress): DOMException {
  return new DOMException(
    `Cannot pass phase ${progress.phase} as all parties must arrive within ${timeout} ms: ` +
      `current value is ${describe(progress)}`,
    "TimeoutError",
  );
}

export function noPartyLeft(): RangeError {
  return new RangeError(cannot("arrive", "parties must be at least 1", 0));
}

/** How many names a message tells. */
const MAX_NAMES = 16;

function describe({ arrived, parties, missing = [] }: Progress): string {
  if (missing.length === 0) return `${arrived} of ${parties} arrived`;
  const names = missing.slice(0, MAX_NAMES).map((name) => `"${name}"`).join(", ");
  const more = missing.length > MAX_NAMES ? ` and ${missing.length - MAX_NAMES} more` : "";
  return `${arrived} of ${parties} arrived, missing ${names}${more}`;
}
