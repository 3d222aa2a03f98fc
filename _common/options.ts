// Copyright 2026 the Rendezvous authors. MIT license.

import {
  checkAbsent,
  checkChoice,
  checkInteger,
  checkName,
  checkOptions,
  checkPromise,
  checkSignal,
  checkTimeout,
  checkType,
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

/** The options of `waitFor` or `ready`, checked and complete. */
export interface Watching {
  timeout: number;
  signal: AbortSignal | undefined;
}

/** The options of a wait, checked and complete. */
export interface Waiting extends Watching {
  onCancel: "break" | "withdraw";
}

/** The options of a new barrier, checked and complete. */
export interface BarrierSettings {
  action: BarrierAction | undefined;
  timeout: number;
}

/** The options of a handle, checked. */
export interface HandleSettings {
  name: string | undefined;
  timeout: number | undefined;
}

/** What each option must be, wherever it is taken. */
const rules: Record<string, (doing: string, value: unknown) => void> = {
  action: (doing, value) => checkType(doing, "action", value, "function"),
  dropLost: (doing, value) => checkType(doing, "dropLost", value, "boolean"),
  name: checkName,
  onCancel: (doing, value) => checkChoice(doing, "onCancel", value, ["break", "withdraw"]),
  signal: checkSignal,
  timeout: checkTimeout,
};

/** Checks the options that have a default here, and puts them in its place. `undefined` counts as not given. */
function read<Options extends object>(
  doing: string,
  options: { [Name in keyof Options]?: Options[Name] | undefined } | undefined,
  defaults: Options,
): Options {
  checkOptions(doing, options);
  for (const name in defaults) {
    const value = options?.[name];
    if (value === undefined) continue;
    rules[name]!(doing, value);
    defaults[name] = value;
  }
  return defaults;
}

/** Reads the options of a wait. */
export function readWait(options: WaitOptions | undefined, timeout: number): Waiting {
  return read<Waiting>("wait", options, { timeout, signal: undefined, onCancel: "break" });
}

/** Reads the options of a wait that blocks. */
export function readBlockingWait(
  options: BlockingWaitOptions | undefined,
  defaultTimeout: number,
): Waiting {
  checkBlocking("wait", options);
  return readWait(options, defaultTimeout);
}

/** Reads the options of `waitFor` or `ready`. */
export function readWatch(doing: string, options: WaitForOptions | undefined): Watching {
  checkAbsent(doing, options, "onCancel", "onCancel is for parties");
  return read<Watching>(doing, options, { timeout: Infinity, signal: undefined });
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
  return read("reset", options, { dropLost: false }).dropLost;
}

/** Reads the options of a new barrier. */
export function readBarrier(
  doing: string,
  options: AsyncBarrierOptions | undefined,
): BarrierSettings {
  return read<BarrierSettings>(doing, options, { action: undefined, timeout: Infinity });
}

/** Reads the options of a handle, which takes no action. */
export function readHandle(doing: string, options: JoinOptions | undefined): HandleSettings {
  checkAbsent(doing, options, "action", "action belongs to where the barrier is made");
  return read<HandleSettings>(doing, options, { name: undefined, timeout: undefined });
}

/** Checks what `expect` is given. */
export function checkExpect(name: unknown, ended: unknown): void {
  checkName("expect a party", name);
  checkPromise("expect a party", "ended", ended);
}
