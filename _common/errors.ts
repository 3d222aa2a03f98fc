// Copyright 2026 the Rendezvous authors. MIT license.

import { describe, type Progress } from "./snapshot.ts";

/**
 * Why a phase broke:
 *
 * - `"timeout"`: a party waited longer than its timeout.
 * - `"aborted"`: somebody called `abort()`, a signal aborted, or a handle was disposed.
 * - `"action"`: the barrier's action threw.
 * - `"reset"`: somebody called `reset()` while parties waited.
 * - `"lost"`: a party is gone: its task threw, or its worker, process or connection ended.
 */
export type BreakReason = "timeout" | "aborted" | "action" | "reset" | "lost";

/** All reasons. Their order is that of their codes in memory. */
export const REASONS: readonly BreakReason[] = ["timeout", "aborted", "action", "reset", "lost"];

/** What a {@linkcode BrokenBarrierError} carries. */
export interface BrokenBarrierErrorOptions extends ErrorOptions {
  /** Why the phase broke. */
  reason: BreakReason;
  /** The phase that broke, from 0. */
  phase: number;
  /**
   * How many parties had arrived in it.
   *
   * @default {0}
   */
  arrived?: number | undefined;
  /**
   * How many parties had to arrive.
   *
   * @default {0}
   */
  parties?: number | undefined;
  /**
   * The names of the parties that had not arrived.
   *
   * @default {[]}
   */
  missing?: readonly string[] | undefined;
  /**
   * The name of the party that caused it, where it has one.
   *
   * @default {undefined}
   */
  party?: string | undefined;
}

/**
 * The error that a party gets when its phase breaks, or when it arrives at a broken barrier.
 *
 * All parties of a phase get the same reason: the first that broke it. The party whose own timeout or signal
 * broke it gets a `TimeoutError` or the signal's reason instead. {@linkcode BrokenBarrierError.phase} is what
 * `reset(error.phase)` mends.
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
 * assertEquals(error.message, "Phase 0 broke: aborted: the disk is full (1 of 2 arrived)");
 * assertEquals([error.reason, error.cause], ["aborted", "the disk is full"]);
 * assertEquals([error.phase, error.arrived, error.parties], [0, 1, 2]);
 * ```
 */
export class BrokenBarrierError extends Error {
  /** Why the phase broke. */
  readonly reason: BreakReason;
  /** The phase that broke, from 0. */
  readonly phase: number;
  /** How many parties had arrived when it broke. */
  readonly arrived: number;
  /** How many parties had to arrive. */
  readonly parties: number;
  /** The names of the parties that had not arrived. Those without a name are not listed. */
  readonly missing: readonly string[];
  /** The name of the party that caused it, where it has one. */
  readonly party: string | undefined;

  /**
   * Creates the error. The barriers do this for you.
   *
   * @param message What happened.
   * @param options Reason, phase and what else is known, and a `cause` where there is one.
   */
  constructor(message: string, options: BrokenBarrierErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "BrokenBarrierError";
    this.reason = options.reason;
    this.phase = options.phase;
    this.arrived = options.arrived ?? 0;
    this.parties = options.parties ?? 0;
    this.missing = options.missing ?? [];
    this.party = options.party;
  }
}

/** What is known of a broken phase: plain data, of which each caller gets an error of its own. */
export interface Break extends Progress {
  reason: BreakReason;
  phase: number;
  /** The name of the party that caused it. */
  party?: string | undefined;
  cause?: unknown;
  /** What happened, where the reason alone does not tell. */
  note?: string | undefined;
  /** Whether its action ran: then the next phase broke with it. */
  running?: boolean | undefined;
}

/** Who broke a phase, and what is to be said of it. */
export interface BreakDetails extends Pick<Break, "party" | "cause" | "note"> {
  /** The signal that broke it by aborting. */
  signal?: AbortSignal | undefined;
}

/** The error of a broken phase. To be called where the stack names the caller. */
export function brokenError(broken: Break): BrokenBarrierError {
  const message = `Phase ${broken.phase} broke: ${whatHappened(broken)}${describe(broken)}`;
  return new BrokenBarrierError(message, broken);
}

function whatHappened({ reason, party, cause, note }: Break): string {
  const who = party === undefined ? "a party" : JSON.stringify(party);
  const why = cause === undefined ? "" : `: ${textOf(cause)}`;
  return note ?? {
    timeout: `${who} timed out`,
    aborted: `aborted${party === undefined ? "" : ` by ${who}`}${why}`,
    action: `its action threw${why}`,
    reset: "it was reset",
    lost: `${who} is gone${why}`,
  }[reason];
}

/** The error of a wait whose own timeout passed. */
export function timeoutError(timeout: number, phase: number, stood: Progress): DOMException {
  const message = `Phase ${phase} timed out after ${timeout} ms${describe(stood)}`;
  return new DOMException(message, "TimeoutError");
}

/** The error of a call at the wrong moment. It breaks nothing. */
export function invalidState(message: string): DOMException {
  return new DOMException(message, "InvalidStateError");
}

/** The error of a call at a barrier that is over. */
export function overError(): DOMException {
  return invalidState("This barrier is over: its maker has ended it");
}

/** The error for whoever asks how a phase ended of which nobody knows any more. */
export function forgotten(phase: number): RangeError {
  return new RangeError(`The outcome of phase ${phase} is no longer known: it ended too long ago`);
}

/** How much of a text crosses between threads and processes, in characters. */
const MAX_TEXT = 1_000;

/** The text of any value, for messages and for what crosses between threads and processes. */
export function textOf(value: unknown): string {
  try {
    return String(value instanceof Error ? value.message || value.name : value).slice(0, MAX_TEXT);
  } catch {
    return typeof value;
  }
}
