// Copyright 2026 the Rendezvous authors. MIT license.

import {
  checkAbsent,
  checkBoolean,
  checkChoice,
  checkFunction,
  checkInteger,
  checkName,
  checkOptions,
  checkPromise,
  checkSignal,
  checkTimeout,
} from "./checks.ts";

/**
 * What a barrier does once a phase, after the last arrival and before anyone passes. It may be async.
 *
 * @param signal Aborts when the phase breaks while the action runs. Its reason is the `BrokenBarrierError`.
 */
export type BarrierAction = (signal: AbortSignal) => unknown;

/** Options for a new barrier, of every kind. */
export interface AsyncBarrierOptions {
  /**
   * Runs once a phase, after the last arrival and before anyone passes. While it runs, arrivals count for the
   * next phase. If it throws or rejects, the phase breaks.
   *
   * @default {undefined}
   */
  action?: BarrierAction | undefined;
  /**
   * How long each wait waits unless it says otherwise, in ms.
   *
   * @default {Infinity}
   */
  timeout?: number | undefined;
}

/** Options for a handle of a barrier that joins as a party with a name. */
export interface JoinOptions {
  /**
   * What to call this party where it is missing or gone: 1 to 64 bytes of UTF-8, unique in the barrier.
   *
   * @default {"party N", the first that is free}
   */
  name?: string | undefined;
  /**
   * How long each wait of this handle waits unless it says otherwise, in ms.
   *
   * @default {the timeout of the barrier}
   */
  timeout?: number | undefined;
}

/** Options for a wait that blocks its thread, and so cannot heed a signal. */
export interface BlockingWaitOptions {
  /**
   * How long to wait for the others, in ms.
   *
   * @default {the timeout of the handle, else of the barrier}
   */
  timeout?: number | undefined;
  /**
   * What a timeout or an aborted signal does to the others. With `"break"` the barrier breaks and they are told
   * at once. With `"withdraw"` the arrival is taken back and they wait on.
   *
   * @default {"break"}
   */
  onCancel?: "break" | "withdraw" | undefined;
}

/** Options for a wait that returns a promise. */
export interface WaitOptions extends BlockingWaitOptions {
  /**
   * Cancels the wait when it aborts, before or while waiting. Where parties share a signal, each gets its
   * reason.
   *
   * @default {undefined}
   */
  signal?: AbortSignal | undefined;
}

/** Options for `waitFor` and `ready` where they block the thread. */
export interface BlockingWaitForOptions {
  /**
   * How long to wait, in ms. Its end breaks nothing.
   *
   * @default {Infinity}
   */
  timeout?: number | undefined;
}

/** Options for `waitFor` and `ready` where they return a promise. */
export interface WaitForOptions extends BlockingWaitForOptions {
  /**
   * Ends the waiting when it aborts. This breaks nothing.
   *
   * @default {undefined}
   */
  signal?: AbortSignal | undefined;
}

/** Options for `reset`. */
export interface ResetOptions {
  /**
   * Goes on without the parties that are gone: `parties` shrinks by them. Otherwise their seats are free for
   * replacements.
   *
   * @default {false}
   */
  dropLost?: boolean | undefined;
}

/** The options of a wait, checked and complete. */
export interface Waiting {
  timeout: number;
  signal: AbortSignal | undefined;
  onCancel: "break" | "withdraw";
}

const ON_CANCEL = ["break", "withdraw"] as const;

/** Reads the options of a wait. */
export function readWait(options: WaitOptions | undefined, defaultTimeout: number): Waiting {
  if (options === undefined) {
    return { timeout: defaultTimeout, signal: undefined, onCancel: "break" };
  }
  checkOptions("wait", options);
  const { timeout = defaultTimeout, signal, onCancel = "break" } = options;
  checkTimeout("wait", timeout);
  checkSignal("wait", signal);
  checkChoice("wait", "onCancel", onCancel, ON_CANCEL);
  return { timeout, signal, onCancel };
}

/** Reads the options of a wait that blocks. */
export function readBlockingWait(
  options: BlockingWaitOptions | undefined,
  defaultTimeout: number,
): Waiting {
  if (options !== undefined) checkBlocking("wait", options);
  return readWait(options, defaultTimeout);
}

/** Reads the options of `waitFor` or `ready`. */
export function readWatch(
  doing: string,
  options: WaitForOptions | undefined,
): Omit<Waiting, "onCancel"> {
  checkOptions(doing, options);
  checkAbsent(doing, options, "onCancel", "onCancel is for parties");
  const { timeout = Infinity, signal } = options ?? {};
  checkTimeout(doing, timeout);
  checkSignal(doing, signal);
  return { timeout, signal };
}

/** Checks that a method that blocks is given no signal: it could not heed it. */
export function checkBlocking(doing: string, options: object | undefined): void {
  checkOptions(doing, options);
  checkAbsent(doing, options, "signal", "a call that blocks cannot heed a signal");
}

/** Checks a phase that is asked for. */
export function checkPhase(doing: string, phase: unknown, max?: number): asserts phase is number {
  checkInteger(doing, "phase", phase, 0, max);
}

/** Reads the arguments of `reset`. */
export function readReset(phase: unknown, options: ResetOptions | undefined): boolean {
  if (phase !== undefined) checkPhase("reset", phase);
  checkOptions("reset", options);
  checkBoolean("reset", "dropLost", options?.dropLost);
  return options?.dropLost ?? false;
}

/** Reads the options of a new barrier. */
export function readBarrier(
  doing: string,
  options: AsyncBarrierOptions | undefined,
): { action: BarrierAction | undefined; timeout: number } {
  checkOptions(doing, options);
  const { action, timeout = Infinity } = options ?? {};
  if (action !== undefined) checkFunction(doing, "action", action);
  checkTimeout(doing, timeout);
  return { action, timeout };
}

/** Reads the options of a handle, which takes no action. */
export function readHandle(
  doing: string,
  options: JoinOptions | undefined,
): { name: string | undefined; timeout: number | undefined } {
  checkOptions(doing, options);
  checkAbsent(doing, options, "action", "action belongs to where the barrier is made");
  const { name, timeout } = options ?? {};
  if (name !== undefined) checkName(doing, name);
  if (timeout !== undefined) checkTimeout(doing, timeout);
  return { name, timeout };
}

/** Checks what `expect` is given. */
export function checkExpect(name: unknown, ended: unknown): void {
  checkName("expect a party", name);
  checkPromise("expect a party", "ended", ended);
}
