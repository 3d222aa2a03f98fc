// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * The two barriers that need nothing but JavaScript: {@linkcode AsyncBarrier} for the tasks of one event
 * loop, and {@linkcode Barrier} for workers that share memory.
 *
 * Both keep one contract. None of the `parties` passes before all have arrived; then the barrier is ready
 * for the next phase. A phase completes for all of its parties or for none: an outcome is settled once, by
 * the last arrival, and no timeout, abort or reset that comes later revises it.
 *
 * @module
 */

import { arm, type Cancellation } from "./_cancel.ts";
import {
  cannot,
  checkAction,
  checkChoice,
  checkInteger,
  checkMost,
  checkName,
  checkOptions,
  checkSignal,
  checkTimeout,
  MAX_DELAY,
} from "./_check.ts";
import {
  type BreakDetails,
  type BreakReason,
  type BrokenBarrierError,
  brokenError,
  noPartyLeft,
  type Progress,
  timeoutError,
} from "./_errors.ts";
import { inspect } from "./_inspect.ts";
import { hold, locks } from "./_locks.ts";

export { BrokenBarrierError } from "./_errors.ts";
export type { BreakReason, BrokenBarrierErrorOptions } from "./_errors.ts";

/** Options for {@linkcode AsyncBarrier}. */
export interface AsyncBarrierOptions {
  /**
   * Runs once a phase, after the last arrival and before anyone passes. When it returns a promise, the
   * phase waits for it, and arrivals made meanwhile belong to the next phase. It must end: once all have
   * arrived, no timeout, abort or reset takes the phase back.
   *
   * @default {undefined}
   */
  action?: () => unknown;
  /**
   * How long each `wait()` waits unless it says otherwise, in ms.
   *
   * @default {Infinity}
   */
  timeout?: number;
}

/** Options for {@linkcode Barrier.wait}, which blocks its thread and so cannot heed a signal. */
export interface BlockingWaitOptions {
  /**
   * How long to wait for the others, in ms.
   *
   * @default {the barrier's own timeout}
   */
  timeout?: number;
  /**
   * What a timeout or an aborted signal does to the others. With `"break"` the barrier is broken, and they
   * are told at once. With `"withdraw"` the arrival is taken back, and they wait on for somebody else.
   *
   * @default {"break"}
   */
  onCancel?: "break" | "withdraw";
}

/** Options for the waits that return a promise. */
export interface WaitOptions extends BlockingWaitOptions {
  /**
   * Cancels the wait when it aborts, before or while waiting. Where parties share a signal, each of them gets
   * its reason.
   *
   * @default {undefined}
   */
  signal?: AbortSignal;
}

/** Options for {@linkcode Barrier.waitFor}, which blocks its thread. */
export interface BlockingWatchOptions {
  /**
   * How long to watch, in ms.
   *
   * @default {Infinity}
   */
  timeout?: number;
}

/** Options for watching a phase without being a party. */
export interface WatchOptions extends BlockingWatchOptions {
  /**
   * Ends the watch when it aborts. This breaks nothing.
   *
   * @default {undefined}
   */
  signal?: AbortSignal;
}

/** What settles an arrival: its number when the phase passes, a rejected promise when it does not. */
type Settle = (outcome: number | Promise<never>) => void;

/** The arrivals of one phase of an {@linkcode AsyncBarrier}. The trip swaps it for a new one. */
class Phase {
  readonly number: number;
  /** How many arrivals complete it. */
  expected: number;
  /** Those that have come, in order; one that nobody waits for is `ignore`. */
  readonly arrivals: Settle[] = [];
  /** What its action threw, if it did. */
  thrown: { error: unknown } | undefined = undefined;

  constructor(number: number, expected: number) {
    this.number = number;
    this.expected = expected;
  }
}

interface Watcher {
  phase: number;
  settle: (outcome: void | Promise<never>) => void;
}

function ignore(): void {}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === "function";
}

// A wait costs what its promise costs. One executor for all of them saves a closure each, which at 10,000
// parties is a third of the time.
let captured: Settle = ignore;
function capture(resolve: Settle): void {
  captured = resolve;
}

/** Refuses every arrival of a phase with the same error. */
function refuse(phase: Phase, error: BrokenBarrierError): void {
  const failure = rejected(error);
  for (const settle of phase.arrivals) settle(failure);
}

/** A rejected promise that does not count as unhandled, whoever adopts it. */
function rejected(error: unknown): Promise<never> {
  const promise = Promise.reject(error);
  promise.catch(ignore);
  return promise;
}

/**
 * A barrier for the tasks of one event loop: N tasks wait for each other, phase after phase.
 *
 * **How a wait ends.** {@linkcode AsyncBarrier.wait} resolves when all parties have arrived and the action,
 * if there is one, has ended. The last arrival settles the phase: whatever comes after it changes nothing
 * for the parties of that phase. Before it, the first of these breaks the barrier for all of them: a
 * timeout or an aborted signal (that party gets the `TimeoutError` or the signal's reason, the others a
 * {@linkcode BrokenBarrierError}), {@linkcode AsyncBarrier.abort}, {@linkcode AsyncBarrier.reset}, or the
 * end of a `using` scope. A broken barrier refuses every arrival with the first reason, until `reset()`.
 *
 * **What a cancelled wait leaves behind.** No timer and no listener. With `onCancel: "withdraw"` its
 * arrival is taken back and the barrier is as if it had never come; with `"break"` the barrier is broken.
 *
 * **Fairness.** Parties of a phase resume in the order of their arrival.
 *
 * @example Tasks that go on together
 * ```ts
 * import { AsyncBarrier } from "@rendezvous/barrier";
 * import { assertEquals } from "@std/assert";
 *
 * const barrier = new AsyncBarrier(3);
 * const log: string[] = [];
 * async function task(name: string) {
 *   log.push(`${name} arrives`);
 *   await barrier.wait();
 *   log.push(`${name} passes`);
 * }
 * await Promise.all([task("a"), task("b"), task("c")]);
 * assertEquals(log, [
 *   "a arrives", "b arrives", "c arrives",
 *   "a passes", "b passes", "c passes",
 * ]);
 * ```
 *
 * @example An action between two phases
 * ```ts
 * import { AsyncBarrier } from "@rendezvous/barrier";
 * import { assertEquals } from "@std/assert";
 *
 * const sums = [1, 2];
 * let total = 0;
 * const barrier = new AsyncBarrier(2, {
 *   action: () => {
 *     total = sums.reduce((a, b) => a + b);
 *   },
 * });
 * await Promise.all(sums.map(async (_, i) => {
 *   sums[i]! *= 10;
 *   await barrier.wait();
 *   assertEquals(total, 30);
 * }));
 * ```
 */
export class AsyncBarrier implements Disposable {
  #parties: number;
  readonly #action: (() => unknown) | undefined;
  readonly #timeout: number;
  #phase = 0;
  #open: Phase;
  /** The phases that are complete but for their action, oldest first; that of the first is running. */
  #full: Phase[] = [];
  #broken: BrokenBarrierError | undefined;
  readonly #watchers = new Set<Watcher>();

  /**
   * Creates a barrier.
   *
   * @param parties How many arrivals complete a phase, an integer of at least 1.
   * @param options Its action, and a timeout in ms for every wait.
   * @throws {TypeError} If `parties` or `options.timeout` is not a number or `options.action` not a
   *   function.
   * @throws {RangeError} If `parties` is not an integer of at least 1 or `options.timeout` is negative or
   *   NaN.
   */
  constructor(parties: number, options: AsyncBarrierOptions = {}) {
    checkOptions("create a barrier", options);
    const { action, timeout = Infinity } = options;
    checkInteger("create a barrier", "parties", parties, 1);
    checkAction("create a barrier", action);
    checkTimeout("create a barrier", timeout);
    this.#parties = parties;
    this.#action = action;
    this.#timeout = timeout;
    this.#open = new Phase(0, parties);
  }

  /**
   * Arrives, and waits until all parties have.
   *
   * @example Usage
   * ```ts
   * import { AsyncBarrier } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * const barrier = new AsyncBarrier(3);
   * const numbers = await Promise.all([barrier.wait(), barrier.wait(), barrier.wait()]);
   * assertEquals(numbers, [2, 1, 0]);
   * ```
   *
   * @example Giving up without disturbing the others
   * ```ts
   * import { AsyncBarrier } from "@rendezvous/barrier";
   * import { assertEquals, assertRejects } from "@std/assert";
   *
   * const barrier = new AsyncBarrier(2);
   * const error = await assertRejects(
   *   () => barrier.wait({ timeout: 5, onCancel: "withdraw" }),
   *   DOMException,
   * );
   * assertEquals(error.name, "TimeoutError");
   * assertEquals([barrier.arrived, barrier.broken], [0, false]);
   * ```
   *
   * @param options Timeout in ms, signal, and what a cancellation does to the others.
   * @returns How many parties were still to come when this one arrived: `parties - 1` for the first, `0` for
   *   the last. The numbers of one phase are a permutation.
   * @throws {TypeError} If an option is of the wrong type. Nothing has arrived then.
   * @throws {RangeError} If the timeout is negative or NaN, or no party is left. Nothing has arrived then.
   * @throws {BrokenBarrierError} If the barrier is broken, or breaks while this party waits.
   * @throws {DOMException} A `TimeoutError` if the timeout passes before the last party arrives.
   * @throws The signal's reason if it aborts, and what the action threw if this is the last arrival.
   */
  wait(options?: WaitOptions): Promise<number> {
    try {
      if (options !== undefined || this.#timeout !== Infinity) {
        return this.#waitUnless(options ?? {});
      }
      this.#check();
      const phase = this.#open;
      if (phase.arrivals.length + 1 === phase.expected && this.#action === undefined) {
        this.#trip(phase);
        return Promise.resolve(0);
      }
      const promise = new Promise<number>(capture);
      this.#arrive(captured);
      return promise;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #waitUnless(options: WaitOptions): Promise<number> {
    checkOptions("wait", options);
    const { timeout = this.#timeout, signal, onCancel = "break" } = options;
    checkTimeout("wait", timeout);
    checkSignal("wait", signal);
    checkChoice("wait", "onCancel", onCancel, ["break", "withdraw"]);
    if (signal?.aborted) {
      if (onCancel === "break") this.#break("aborted", { cause: signal.reason });
      throw signal.reason;
    }
    this.#check();
    const { promise, resolve } = Promise.withResolvers<number>();
    const phase = this.#open;
    let late = false;
    const settle: Settle = (outcome) => {
      disarm();
      // Where parties share a signal, each gets its reason, and not only the one that was told first.
      const own = signal?.aborted && !late && typeof outcome !== "number";
      resolve(own ? rejected(signal.reason) : outcome);
    };
    const disarm = arm(timeout, signal, (why) => {
      // The phase is settled, and only its action keeps this party: success wins.
      late = phase !== this.#open;
      if (late) return;
      const error = why === "timeout" ? this.#timeoutError(timeout) : signal!.reason;
      const place = phase.arrivals.lastIndexOf(settle);
      if (onCancel === "withdraw") {
        phase.arrivals.splice(place, 1);
      } else {
        phase.arrivals[place] = ignore;
        this.#break(why, why === "aborted" ? { cause: error } : {});
      }
      settle(rejected(error));
    });
    this.#arrive(settle);
    return promise;
  }

  /**
   * Arrives without waiting, for a party that the others need but which needs not wait for them. Together
   * with {@linkcode AsyncBarrier.waitFor} it makes a wait of two halves, with work in between.
   *
   * @example Usage
   * ```ts
   * import { AsyncBarrier } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * const barrier = new AsyncBarrier(2);
   * const waiting = barrier.wait();
   * assertEquals(barrier.arrive(), 0);
   * assertEquals(await waiting, 1);
   * ```
   *
   * @returns The phase that it arrived in.
   * @throws {BrokenBarrierError} If the barrier is broken.
   * @throws {RangeError} If no party is left.
   * @throws What the action threw, if this is the last arrival and the action is not async.
   */
  arrive(): number {
    this.#check();
    return this.#arriveUnwaited();
  }

  /**
   * Arrives for the last time: the phase need not wait for this party, and later phases do without it.
   *
   * @example Usage
   * ```ts
   * import { AsyncBarrier } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * const barrier = new AsyncBarrier(2);
   * const waiting = barrier.wait();
   * barrier.arriveAndDrop();
   * await waiting;
   * assertEquals(barrier.parties, 1);
   * ```
   *
   * @returns The phase that it arrived in.
   * @throws {BrokenBarrierError} If the barrier is broken; the party has not dropped then.
   * @throws {RangeError} If no party is left.
   * @throws What the action threw, if this is the last arrival and the action is not async.
   */
  arriveAndDrop(): number {
    this.#check();
    this.#parties--;
    return this.#arriveUnwaited();
  }

  /**
   * Waits until a phase has completed, without being a party: it never counts as an arrival, and its own
   * timeout or cancellation breaks nothing.
   *
   * @example Usage
   * ```ts
   * import { AsyncBarrier } from "@rendezvous/barrier";
   *
   * const barrier = new AsyncBarrier(2);
   * const phase = barrier.arrive();
   * // … work that needs nothing of the other party …
   * barrier.arrive();
   * await barrier.waitFor(phase);
   * ```
   *
   * @param phase The phase to wait for, from 0.
   * @param options Timeout in ms, and signal.
   * @returns A promise that resolves when the phase has completed, at once if it has already.
   * @throws {TypeError} If `phase` or an option is of the wrong type.
   * @throws {RangeError} If `phase` is not an integer of at least 0 or the timeout is negative or NaN.
   * @throws {BrokenBarrierError} If the barrier is broken or breaks before that phase completes.
   * @throws {DOMException} A `TimeoutError` if the timeout passes first.
   * @throws The signal's reason if it aborts first.
   */
  waitFor(phase: number, options: WatchOptions = {}): Promise<void> {
    try {
      return this.#watch(phase, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #watch(phase: number, options: WatchOptions): Promise<void> {
    checkOptions("wait for a phase", options);
    const { timeout = Infinity, signal } = options;
    checkInteger("wait for a phase", "phase", phase, 0);
    checkTimeout("wait for a phase", timeout);
    checkSignal("wait for a phase", signal);
    if (phase < this.#phase) return Promise.resolve();
    signal?.throwIfAborted();
    if (this.#broken !== undefined && phase >= this.#open.number) throw this.#broken;
    const { promise, resolve } = Promise.withResolvers<void>();
    const watcher: Watcher = {
      phase,
      settle: (outcome) => {
        disarm();
        this.#watchers.delete(watcher);
        resolve(outcome);
      },
    };
    const disarm = arm(timeout, signal, (why) => {
      watcher.settle(
        rejected(why === "timeout" ? this.#timeoutError(timeout, phase) : signal!.reason),
      );
    });
    this.#watchers.add(watcher);
    return promise;
  }

  /**
   * Adds parties, who join the phase that is open.
   *
   * @example Usage
   * ```ts
   * import { AsyncBarrier } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * const barrier = new AsyncBarrier(1);
   * assertEquals(barrier.register(2), 0);
   * assertEquals(barrier.parties, 3);
   * ```
   *
   * @param count How many, an integer of at least 1.
   * @returns The phase that they join.
   * @throws {TypeError} If `count` is not a number.
   * @throws {RangeError} If `count` is not an integer of at least 1, or the parties would be too many.
   */
  register(count: number = 1): number {
    checkInteger("register parties", "count", count, 1);
    checkMost(this.#parties + count, Number.MAX_SAFE_INTEGER);
    this.#parties += count;
    this.#open.expected += count;
    return this.#open.number;
  }

  /**
   * Breaks the barrier: every party that waits gets a {@linkcode BrokenBarrierError} with the reason
   * `"aborted"`, and so does every later arrival, until {@linkcode AsyncBarrier.reset}. It does nothing to
   * a barrier that is broken already, nor to the parties of a phase whose last party has arrived.
   *
   * @example Usage
   * ```ts
   * import { AsyncBarrier } from "@rendezvous/barrier";
   * import { assert } from "@std/assert";
   *
   * const barrier = new AsyncBarrier(2);
   * barrier.abort(new Error("the disk is full"));
   * assert(barrier.broken);
   * ```
   *
   * @param reason Becomes the error's `cause`.
   */
  abort(reason?: unknown): void {
    this.#break("aborted", reason === undefined ? {} : { cause: reason });
  }

  /**
   * Makes the barrier empty and usable again. Parties that wait get a {@linkcode BrokenBarrierError} with
   * the reason `"reset"`. The phase count goes on.
   *
   * @example Usage
   * ```ts
   * import { AsyncBarrier } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * const barrier = new AsyncBarrier(1);
   * barrier.abort();
   * barrier.reset();
   * assertEquals(await barrier.wait(), 0);
   * ```
   */
  reset(): void {
    if (this.#open.arrivals.length > 0) this.#break("reset");
    this.#broken = undefined;
  }

  /**
   * How many parties must arrive to complete a phase. A snapshot.
   *
   * @example Usage
   * ```ts
   * import { AsyncBarrier } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * assertEquals(new AsyncBarrier(3).parties, 3);
   * ```
   *
   * @returns The number of parties.
   */
  get parties(): number {
    return this.#parties;
  }

  /**
   * How many parties have arrived in the current phase: 0 while the barrier is broken, all of them while the
   * action runs. A snapshot.
   *
   * @example Usage
   * ```ts
   * import { AsyncBarrier } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * const barrier = new AsyncBarrier(3);
   * barrier.arrive();
   * assertEquals(barrier.arrived, 1);
   * ```
   *
   * @returns The number of parties that have arrived.
   */
  get arrived(): number {
    if (this.#broken !== undefined) return 0;
    if (this.#full.length > 0) return this.#parties;
    // A party that dropped is no longer one of the parties, so it does not count among those arrived.
    return this.#parties - (this.#open.expected - this.#open.arrivals.length);
  }

  /**
   * How many phases have completed: the number of the current phase, from 0. A snapshot.
   *
   * @example Usage
   * ```ts
   * import { AsyncBarrier } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * const barrier = new AsyncBarrier(1);
   * await barrier.wait();
   * assertEquals(barrier.phase, 1);
   * ```
   *
   * @returns The number of completed phases.
   */
  get phase(): number {
    return this.#phase;
  }

  /**
   * Whether the barrier is broken, and so refuses arrivals. A snapshot.
   *
   * @example Usage
   * ```ts
   * import { AsyncBarrier } from "@rendezvous/barrier";
   * import { assertFalse } from "@std/assert";
   *
   * assertFalse(new AsyncBarrier(3).broken);
   * ```
   *
   * @returns `true` if it is broken.
   */
  get broken(): boolean {
    return this.#broken !== undefined;
  }

  /**
   * The end of a `using` scope: breaks the barrier as {@linkcode AsyncBarrier.abort} does, so that nobody
   * waits for tasks that will not come. Doing it twice does no more.
   *
   * @example Usage
   * ```ts
   * import { AsyncBarrier, BrokenBarrierError } from "@rendezvous/barrier";
   * import { assertRejects } from "@std/assert";
   *
   * let waiting: Promise<number>;
   * {
   *   using barrier = new AsyncBarrier(2);
   *   waiting = barrier.wait();
   * }
   * await assertRejects(() => waiting, BrokenBarrierError);
   * ```
   */
  [Symbol.dispose](): void {
    this.abort();
  }

  /**
   * How `console.log` shows it in Deno.
   *
   * @returns Its class, arrivals and phase, or why it is broken.
   */
  [Symbol.for("Deno.customInspect")](): string {
    return inspect("AsyncBarrier", this, this.#broken?.reason);
  }

  /**
   * How `console.log` shows it in Node.
   *
   * @returns Its class, arrivals and phase, or why it is broken.
   */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return inspect("AsyncBarrier", this, this.#broken?.reason);
  }

  /**
   * The names of those who have not arrived, for the messages of errors. The tasks of an event loop have
   * none; a subclass that knows its parties can tell.
   *
   * @returns The names, none by default.
   */
  protected missing(): readonly string[] {
    return [];
  }

  /**
   * Breaks the barrier for a reason that a subclass sees: a party that is gone, or has left.
   *
   * @param reason The reason.
   * @param note What happened, for the message.
   */
  protected break(reason: BreakReason, note: string): void {
    this.#break(reason, { note });
  }

  /**
   * The phase that arrivals join: the current one, or a later one while the action runs. For a subclass
   * that knows its parties.
   *
   * @returns Its number, from 0.
   */
  protected get joining(): number {
    return this.#open.number;
  }

  /**
   * Why the barrier is broken, for a subclass that reports it.
   *
   * @returns The reason, `undefined` while the barrier is not broken.
   */
  protected get reason(): BreakReason | undefined {
    return this.#broken?.reason;
  }

  /** Throws if an arrival is refused. */
  #check(): void {
    if (this.#broken !== undefined) throw this.#broken;
    if (this.#parties === 0) throw noPartyLeft();
  }

  #arrive(settle: Settle): Phase {
    const phase = this.#open;
    if (phase.arrivals.push(settle) === phase.expected) this.#trip(phase);
    return phase;
  }

  #arriveUnwaited(): number {
    const { number, thrown } = this.#arrive(ignore);
    if (thrown !== undefined) throw thrown.error;
    return number;
  }

  #trip(phase: Phase): void {
    this.#open = new Phase(phase.number + 1, this.#parties);
    if (this.#action === undefined) this.#release(phase);
    else if (this.#full.push(phase) === 1) this.#act(this.#action);
  }

  /** Runs the action for each full phase, one at a time, and releases it. */
  #act(action: () => unknown): void {
    while (this.#full.length > 0) {
      try {
        const result = action();
        if (isThenable(result)) {
          Promise.resolve(result).then(
            () => {
              this.#release(this.#full.shift()!);
              this.#act(action);
            },
            (error) => this.#fail(error),
          );
          return;
        }
      } catch (error) {
        return this.#fail(error);
      }
      this.#release(this.#full.shift()!);
    }
  }

  #release(phase: Phase): void {
    this.#phase = phase.number + 1;
    let toCome = phase.expected;
    for (const settle of phase.arrivals) settle(--toCome);
    for (const watcher of this.#watchers) {
      if (watcher.phase < this.#phase) watcher.settle();
    }
  }

  /** Breaks the phase whose action threw, and those that came after it. */
  #fail(error: unknown): void {
    const [acting, ...later] = this.#full as [Phase, ...Phase[]];
    this.#full = [];
    const failure = this.#brokenError("action", acting, { cause: error });
    acting.thrown = { error };
    const last = acting.arrivals.pop()!;
    for (const phase of [acting, ...later, this.#open]) refuse(phase, failure);
    last(rejected(error));
    // An abort made while the action ran came first, and stays the reason.
    this.#broken ??= failure;
    this.#open = new Phase(this.#phase, this.#parties);
    this.#refuseWatchers(failure);
  }

  /** Breaks the open phase, unless the barrier is broken already: the first reason stays. */
  #break(reason: BreakReason, details: BreakDetails = {}): void {
    if (this.#broken !== undefined) return;
    const phase = this.#open;
    this.#broken = this.#brokenError(reason, phase, details);
    this.#open = new Phase(phase.number, this.#parties);
    refuse(phase, this.#broken);
    this.#refuseWatchers(this.#broken);
  }

  /** Refuses those who watch a phase that is not settled. */
  #refuseWatchers(error: BrokenBarrierError): void {
    for (const watcher of this.#watchers) {
      if (watcher.phase >= this.#open.number) watcher.settle(rejected(error));
    }
  }

  #brokenError(reason: BreakReason, phase: Phase, details: BreakDetails): BrokenBarrierError {
    return brokenError(reason, this.#progress(phase), details);
  }

  #timeoutError(timeout: number, phase: number = this.#open.number): DOMException {
    return timeoutError(timeout, { ...this.#progress(this.#open), phase });
  }

  #progress(phase: Phase): Progress {
    return {
      phase: phase.number,
      arrived: phase.arrivals.length,
      parties: phase.expected,
      missing: this.missing(),
    };
  }
}

/** Options for {@linkcode Barrier} handles. */
export interface BarrierHandleOptions {
  /**
   * Runs once a phase, after the last arrival and before anyone passes, in the thread of the last party if
   * its handle has one. It must be synchronous, and it must end: once all have arrived, no timeout, abort
   * or reset takes the phase back.
   *
   * @default {undefined}
   */
  action?: () => void;
  /**
   * How long each `wait()` and `waitAsync()` of this handle waits unless it says otherwise, in ms.
   *
   * @default {Infinity}
   */
  timeout?: number;
}

/** Options for {@linkcode Barrier.join}. */
export interface BarrierJoinOptions extends BarrierHandleOptions {
  /**
   * What to call this party where it is lost, of 1 to 100 characters.
   *
   * @default {"party N, with the number of its seat"}
   */
  name?: string;
}

/** Options for a new {@linkcode Barrier}. */
export interface BarrierOptions extends BarrierHandleOptions {
  /**
   * Memory for the barrier: {@linkcode Barrier.BYTE_LENGTH} bytes from `byteOffset` on are overwritten.
   *
   * @default {a new SharedArrayBuffer}
   */
  buffer?: SharedArrayBuffer;
  /**
   * Where in `buffer` it lies, in bytes: a multiple of 4.
   *
   * @default {0}
   */
  byteOffset?: number;
}

/** What finds a {@linkcode Barrier} in another thread: the barrier as it was posted, or the place. */
export interface BarrierHandle {
  /** The memory that holds it. */
  readonly buffer: SharedArrayBuffer;
  /** Where in `buffer` it lies, in bytes. */
  readonly byteOffset: number;
}

/*
 * A Barrier is 352 words of 32 bits. All that decides an outcome is in one of them, STATE, so that every
 * transition is one compare-exchange; it has a cache line to itself.
 *
 *   word   name      holds
 *       0  STATE     see below
 *      16  MAGIC     what tells a barrier from other memory
 *      17  SLEEPERS  how many threads may be asleep; none: nobody need be woken
 *      18  PHASES    a recent count of completed phases
 *      19  RESETS    a recent count of resets
 *   20-21  SETTLED   in which epoch, by the count of resets, the last even and the last odd phase was settled
 *   22-23  FAILED    the phase whose action threw last, and the epoch that it was settled in
 *   24-31  ENDED     how the last 8 epochs ended: epoch << 13 | arrived << 3 | reason
 *   40-47  ENDED_IN  the phase that was open then
 *   32-33  ID        a random number, for the names of locks
 *      34  JOINS     how often a party has joined
 *      35  WATCHES   how often those who joined have begun to be watched
 *      36  TRIPPER   the seat of the party whose action runs, if it has joined
 *   64-95  LOST      the name of the party that was lost: how many bytes, and the bytes
 *  96-351  SEATS     a byte for each party that may join: FREE, CLAIMED, JOINED, WATCHED or LEFT
 *
 *   bits of STATE
 *     0-9  remaining   parties that have yet to arrive in the open phase
 *   10-19  parties     parties of the next phase
 *   20-22  reason      0, or why the barrier is broken: an index of REASONS
 *      23  tripping    the last party has arrived, and its action runs; the next phase is open
 *   24-27  phases      completed phases, modulo 16
 *   28-31  resets      resets, modulo 16
 *
 * The two counters in STATE tell a waiter whether its phase has passed or was broken; their lower bits
 * suffice for that while it is awake, but a watcher, or a waiter whose thread stood still, may miss a
 * whole turn of them. So the whole counts are kept beside STATE. Whoever is about to count from n to n + 1,
 * where n is a multiple of 8, first lifts the count beside it to n: thus that count is never ahead, and
 * never more than 8 behind, and with the lower bits of STATE it gives the whole one. A whole count has 32
 * bits: `phase` goes on at 0 after 4,294,967,295. What is left to chance: a thread that stands still
 * between reading STATE and exchanging it, while the others reset the barrier exactly a multiple of 16
 * times and as many parties arrive as before, arrives in the latter epoch and takes it for the former.
 *
 * ENDED, ENDED_IN and SETTLED are for a waiter who wakes late and finds both counters changed: had its phase
 * passed before the reset, or did the reset revoke its arrival, and others made the phase pass? Whoever is
 * about to reset, or to settle a phase, lifts them first, and to lift never lowers: one who comes too late
 * does no harm. Only who slept through 8 resets and more than one later phase takes "reset" for an answer.
 */
const STATE = 0;
const MAGIC = 16;
const SLEEPERS = 17;
const PHASES = 18;
const RESETS = 19;
const SETTLED = 20;
const FAILED = 22;
const ENDED = 24;
const EPOCHS = 8;
const ID = 32;
const JOINS = 34;
const WATCHES = 35;
const TRIPPER = 36;
const ENDED_IN = 40;
const LOST = 64;
const SEATS = 96;
const WORDS = 352;

/** What SETTLED, FAILED and ENDED hold at first: it comes before every epoch. */
const NEVER = -1;

const BARRIER_MAGIC = 0x42415231;

const REMAINING_MASK = 0x3ff;
const PARTIES_SHIFT = 10;
const REASON_SHIFT = 20;
const REASON_MASK = 7 << REASON_SHIFT;
const TRIPPING = 1 << 23;
const PHASES_SHIFT = 24;
const RESETS_SHIFT = 28;
const COUNT_MASK = 15;
const LIFT_EVERY = 8;

const REASONS = [undefined, "timeout", "aborted", "action", "reset", "lost"] as const;

function remainingOf(state: number): number {
  return state & REMAINING_MASK;
}

function partiesOf(state: number): number {
  return state >> PARTIES_SHIFT & REMAINING_MASK;
}

function reasonOf(state: number): BreakReason | undefined {
  return REASONS[(state & REASON_MASK) >> REASON_SHIFT];
}

/** `state` with as many parties to come as there are parties. */
function refilled(state: number): number {
  return state & ~REMAINING_MASK | partiesOf(state);
}

function brokenBy(state: number, reason: BreakReason): number {
  return state | REASONS.indexOf(reason) << REASON_SHIFT;
}

function mended(state: number): number {
  const resets = (state >>> RESETS_SHIFT) + 1 & COUNT_MASK;
  return refilled(state) & ~(REASON_MASK | COUNT_MASK << RESETS_SHIFT) | resets << RESETS_SHIFT;
}

/** `state` after the open phase, or the tripping one, has passed. */
function passed(state: number): number {
  const phases = (state >>> PHASES_SHIFT) + 1 & COUNT_MASK;
  return state & ~(TRIPPING | COUNT_MASK << PHASES_SHIFT) | phases << PHASES_SHIFT;
}

/** The whole count, from a recent value of it and the lower bits of now. */
function whole(recent: number, bits: number): number {
  return recent + (bits - recent & COUNT_MASK) >>> 0;
}

/** A consistent look at the barrier, and the ticket of a party that arrived in it or watches it. */
interface View {
  state: number;
  /** The phase that arrivals join, or that is watched. */
  phase: number;
  resets: number;
  watches?: true;
}

type Outcome = "passed" | BreakReason | undefined;

/**
 * How often a waiter looks again before it sleeps. To sleep and be woken costs 5 to 50 µs, a look with
 * its pause some 40 ns: so 500 looks cost about what a sleep would, and whoever spins in vain loses no more
 * than twice what sleeping at once had cost.
 */
const SPINS = 500;

const threads = globalThis.navigator?.hardwareConcurrency ?? 1;

const pause: () => void = "pause" in Atomics ? () => Atomics.pause() : ignore;

// What is known of the seat of a party that may join.
const FREE = 0;
const CLAIMED = 1;
const JOINED = 2;
const WATCHED = 3;
const LEFT = 4;

/**
 * How long a party that joins waits to be watched, in ms. A thread whose event loop runs needs less by far;
 * for one that is blocked, and may wait for this very party, nobody shall wait for ever.
 */
const WATCHER_PATIENCE = 1_000;

const WATCH = Symbol("watch");

// Passes for the parties of `from`, so that one constructor makes all handles: no number equals it.
const ATTACH = Symbol("attach") as unknown as number;

let blocking: boolean | undefined;

/** Whether this thread may sleep: the main thread of a browser may not. */
function mayBlock(): boolean {
  if (blocking === undefined) {
    try {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0);
      blocking = true;
    } catch {
      blocking = false;
    }
  }
  return blocking;
}

/**
 * A barrier for workers, the threads of one process, in memory that they share.
 *
 * Every thread has a handle of its own: post the barrier to a worker and make one there by
 * {@linkcode Barrier.from}. {@linkcode Barrier.wait} blocks its thread, {@linkcode Barrier.waitAsync} does
 * not; parties of both kinds meet at the same barrier.
 *
 * **How a wait ends.** As with {@linkcode AsyncBarrier}: it passes when all have arrived and the action of
 * the last party's handle, if it has one, has ended; the last arrival settles the phase. Before it, a
 * timeout, an aborted signal, {@linkcode Barrier.abort}, {@linkcode Barrier.reset} or the end of a `using`
 * scope breaks the barrier for all. Who broke it first decides the reason, and nobody overwrites it.
 *
 * **What a cancelled wait leaves behind.** No timer, no listener, no sleeper; with `onCancel: "withdraw"`
 * no arrival either.
 *
 * **Memory.** Whatever a party wrote before it arrived is visible to every party that passes, and so is what
 * the action wrote.
 *
 * **Limits.** A worker that ends without a word is noticed if it came by {@linkcode Barrier.join}; after
 * {@linkcode Barrier.from} it is not: give its peers a timeout. A thread that blocks in `wait()` runs nothing
 * else, and `worker.terminate()` does not end it: abort, reset or dispose frees it, and then it ends. Where a
 * thread must not block, as the main thread of a browser, use `waitAsync()`.
 *
 * @example Two parties of one thread
 * ```ts
 * import { Barrier } from "@rendezvous/barrier";
 * import { assertEquals } from "@std/assert";
 *
 * using barrier = new Barrier(2);
 * const numbers = await Promise.all([barrier.waitAsync(), barrier.waitAsync()]);
 * assertEquals(numbers, [1, 0]);
 * ```
 *
 * @example A worker and its maker
 * ```ts
 * import { Barrier } from "@rendezvous/barrier";
 * import { assertEquals } from "@std/assert";
 *
 * const source = `
 *   import { Barrier } from ${JSON.stringify(import.meta.resolve("@rendezvous/barrier"))};
 *   self.onmessage = (event) => {
 *     Barrier.from(event.data).wait();
 *     self.close();
 *   };
 * `;
 * const worker = new Worker(`data:text/javascript,${encodeURIComponent(source)}`, { type: "module" });
 * const barrier = new Barrier(2);
 * worker.postMessage(barrier);
 * await barrier.waitAsync();
 * assertEquals(barrier.phase, 1);
 * ```
 */
export class Barrier implements BarrierHandle, Disposable {
  /**
   * The most parties that a barrier can have: 1,023.
   *
   * @example Usage
   * ```ts
   * import { Barrier } from "@rendezvous/barrier";
   * import { assertThrows } from "@std/assert";
   *
   * assertThrows(() => new Barrier(Barrier.MAX_PARTIES + 1), RangeError);
   * ```
   */
  static readonly MAX_PARTIES: number = REMAINING_MASK;

  /**
   * The memory that a barrier takes, in bytes.
   *
   * @example Two barriers in one buffer
   * ```ts
   * import { Barrier } from "@rendezvous/barrier";
   *
   * const buffer = new SharedArrayBuffer(2 * Barrier.BYTE_LENGTH);
   * const start = new Barrier(2, { buffer });
   * const end = new Barrier(2, { buffer, byteOffset: Barrier.BYTE_LENGTH });
   * ```
   */
  static readonly BYTE_LENGTH: number = WORDS * Int32Array.BYTES_PER_ELEMENT;

  /**
   * The memory that holds the barrier. With `byteOffset` it survives `postMessage`.
   *
   * @example Usage
   * ```ts
   * import { Barrier } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * const buffer = new SharedArrayBuffer(Barrier.BYTE_LENGTH);
   * assertEquals(new Barrier(2, { buffer }).buffer, buffer);
   * ```
   */
  readonly buffer: SharedArrayBuffer;

  /**
   * Where in `buffer` the barrier lies, in bytes.
   *
   * @example Usage
   * ```ts
   * import { Barrier } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * assertEquals(new Barrier(2).byteOffset, 0);
   * ```
   */
  readonly byteOffset: number;

  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #action: (() => void) | undefined;
  readonly #timeout: number;
  #acting = false;
  #dropped = false;
  /** The seat of a party that joined, and what frees it. */
  #seat: number | undefined;
  #leave: () => void = ignore;
  /** Ends the watch over those who joined. */
  readonly #watch = new AbortController();

  /**
   * Creates a barrier.
   *
   * @param parties How many arrivals complete a phase, an integer from 1 to {@linkcode Barrier.MAX_PARTIES}.
   * @param options The action and timeout of this handle, and memory to put the barrier in.
   * @throws {TypeError} If `parties`, the timeout or the offset is not a number, the action not a function,
   *   or the buffer not a `SharedArrayBuffer`.
   * @throws {RangeError} If `parties` is out of range, the timeout negative or NaN, the offset no multiple
   *   of 4, or the memory too small.
   */
  constructor(parties: number, options: BarrierOptions = {}) {
    const doing = parties === ATTACH ? "attach to a barrier" : "create a barrier";
    checkOptions(doing, options);
    const {
      buffer = new SharedArrayBuffer(Barrier.BYTE_LENGTH),
      byteOffset = 0,
      action,
      timeout = Infinity,
    } = options;
    if (parties !== ATTACH) checkInteger(doing, "parties", parties, 1, Barrier.MAX_PARTIES);
    checkAction(doing, action);
    checkTimeout(doing, timeout);
    if (!(buffer instanceof SharedArrayBuffer)) {
      throw new TypeError(`Cannot ${doing} as buffer must be a SharedArrayBuffer`);
    }
    checkInteger(doing, "byteOffset", byteOffset, 0);
    if (byteOffset % Int32Array.BYTES_PER_ELEMENT !== 0) {
      throw new RangeError(cannot(doing, "byteOffset must be a multiple of 4", byteOffset));
    }
    const room = buffer.byteLength - byteOffset;
    if (room < Barrier.BYTE_LENGTH) {
      const rule = `the memory from byteOffset on must be ${Barrier.BYTE_LENGTH} bytes or more`;
      throw new RangeError(cannot(doing, rule, room));
    }
    this.buffer = buffer;
    this.byteOffset = byteOffset;
    this.#words = new Int32Array(buffer, byteOffset, WORDS);
    this.#action = action;
    this.#timeout = timeout;
    if (parties === ATTACH) return;
    this.#words.fill(0);
    this.#words.fill(NEVER, SETTLED, ID);
    this.#words.fill(NEVER, ENDED_IN, ENDED_IN + EPOCHS);
    this.#words.set(crypto.getRandomValues(new Int32Array(2)), ID);
    Atomics.store(this.#words, STATE, parties << PARTIES_SHIFT | parties);
    Atomics.store(this.#words, MAGIC, BARRIER_MAGIC);
    if (locks !== undefined && "waitAsync" in Atomics) {
      watchJoins(new WeakRef(this), this.#words);
      forgotten.register(this, this.#words);
    }
  }

  /**
   * Makes a handle of this thread for a barrier that another thread created.
   *
   * @example Usage
   * ```ts
   * import { Barrier } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * const barrier = new Barrier(3);
   * // In a worker `event.data` stands for the clone that was posted.
   * const handle = Barrier.from(structuredClone({ ...barrier }), { timeout: 1_000 });
   * handle.arrive();
   * assertEquals(barrier.arrived, 1);
   * ```
   *
   * @param handle The barrier, what `postMessage` made of it, or the memory that holds it from its start.
   * @param options The action, and a timeout in ms, of this handle.
   * @returns The handle.
   * @throws {TypeError} If there is no barrier in that memory, or an option is of the wrong type.
   * @throws {RangeError} If the offset or the timeout is out of range.
   */
  static from(
    handle: BarrierHandle | SharedArrayBuffer,
    options: BarrierHandleOptions = {},
  ): Barrier {
    checkOptions("attach to a barrier", options);
    const { buffer, byteOffset } = handle instanceof SharedArrayBuffer
      ? { buffer: handle, byteOffset: 0 }
      : handle ?? {};
    // Without this, a missing buffer would be taken for a wish for a new one.
    if (!(buffer instanceof SharedArrayBuffer)) throw noBarrier();
    const place = byteOffset === undefined ? { buffer } : { buffer, byteOffset };
    if (buffer.byteLength < Barrier.BYTE_LENGTH) throw noBarrier();
    const barrier = new Barrier(ATTACH, { ...options, ...place });
    if (Atomics.load(barrier.#words, MAGIC) !== BARRIER_MAGIC) throw noBarrier();
    return barrier;
  }

  /**
   * Makes a handle as {@linkcode Barrier.from} does, for a party that is watched: when its worker ends without
   * {@linkcode Barrier.arriveAndDrop} or the end of a `using` scope, be it closed, terminated or ended by an
   * error, the barrier breaks for all with the reason `"lost"` and the name of the party.
   *
   * The thread that created the barrier watches, by Web Locks, until its own handle is disposed or all who
   * joined have ended. Its event loop must run for that: let it wait by `waitAsync()`. A worker that is blocked
   * in `wait()` does not end by `terminate()`; once it is freed, it does.
   *
   * @example Usage
   * ```ts
   * import { Barrier, BrokenBarrierError } from "@rendezvous/barrier";
   * import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
   *
   * const source = `
   *   import { Barrier } from ${JSON.stringify(import.meta.resolve("@rendezvous/barrier"))};
   *   self.onmessage = async (event) => {
   *     await Barrier.join(event.data, { name: "resize-1" });
   *     self.close(); // without a word
   *   };
   * `;
   * const worker = new Worker(`data:text/javascript,${encodeURIComponent(source)}`, { type: "module" });
   * using barrier = new Barrier(2);
   * worker.postMessage(barrier);
   * const error = await assertRejects(() => barrier.waitAsync(), BrokenBarrierError);
   * assertEquals(error.reason, "lost");
   * assertStringIncludes(error.message, "resize-1");
   * ```
   *
   * @param handle The barrier, what `postMessage` made of it, or the memory that holds it from its start.
   * @param options The action, a timeout in ms, and the name of this party.
   * @returns The handle.
   * @throws {TypeError} If there is no barrier in that memory, an option is of the wrong type, or the platform
   *   has no Web Locks.
   * @throws {RangeError} If an option is out of range, or {@linkcode Barrier.MAX_PARTIES} parties have joined.
   */
  static async join(
    handle: BarrierHandle | SharedArrayBuffer,
    options: BarrierJoinOptions = {},
  ): Promise<Barrier> {
    checkOptions("join a barrier", options);
    const { name, ...rest } = options;
    if (name !== undefined) checkName("join a barrier", name);
    if (locks === undefined) {
      throw new TypeError(
        "Cannot join a barrier as the platform must have Web Locks: use Barrier.from()",
      );
    }
    const barrier = Barrier.from(handle, rest);
    const seats = seatsOf(barrier.#words);
    let seat = 0;
    while (Atomics.compareExchange(seats, seat, FREE, CLAIMED) !== FREE) {
      if (++seat === Barrier.MAX_PARTIES) {
        throw new RangeError(cannot("join a barrier", "a seat must be free", `${seat} taken`));
      }
    }
    const free = await hold(locks, lockPrefix(barrier.#words, seat) + (name ?? `party ${seat}`));
    // Only now may the lock be asked for: before, it would be granted, as if this party had ended.
    Atomics.store(seats, seat, JOINED);
    Atomics.add(barrier.#words, JOINS, 1);
    Atomics.notify(barrier.#words, JOINS);
    barrier.#seat = seat;
    barrier.#leave = () => {
      if (Atomics.load(seats, seat) >= JOINED) Atomics.store(seats, seat, LEFT);
      free();
    };
    await barrier.#watched(seats, seat);
    return barrier;
  }

  /**
   * Arrives, and blocks the thread until all parties have arrived.
   *
   * @example Usage
   * ```ts
   * import { Barrier } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * const barrier = new Barrier(2);
   * barrier.arrive();
   * assertEquals(barrier.wait(), 0);
   * ```
   *
   * @param options Timeout in ms, and what it does to the others.
   * @returns How many parties were still to come when this one arrived: `parties - 1` for the first, `0` for
   *   the last. The numbers of one phase are a permutation, unless a party withdrew or joined meanwhile.
   * @throws {TypeError} If an option is of the wrong type, or this thread must not block. Nothing has
   *   arrived then.
   * @throws {RangeError} If the timeout is negative or NaN, or no party is left. Nothing has arrived then.
   * @throws {BrokenBarrierError} If the barrier is broken, or breaks while this party waits.
   * @throws {DOMException} A `TimeoutError` if the timeout passes before the last party arrives.
   * @throws What the action threw, if this is the last arrival.
   */
  wait(options: BlockingWaitOptions = {}): number {
    checkOptions("wait", options);
    const { timeout = this.#timeout, onCancel = "break" } = options;
    checkWait(timeout, onCancel);
    checkMayBlock();
    const deadline = deadlineOf(timeout);
    const ticket = this.#arrive();
    let outcome = this.#block(ticket, deadline);
    if (outcome === undefined) {
      const view = this.#cancel(ticket, "timeout", onCancel);
      if (view !== undefined) throw timeoutError(timeout, progressOf(view));
      // The phase was settled in the meantime, and only its action keeps this party: success wins.
      outcome = this.#block(ticket, Infinity);
    }
    return this.#conclude(ticket, outcome);
  }

  /**
   * Arrives, and waits until all parties have arrived without blocking the thread. The event loop stays
   * alive meanwhile.
   *
   * @example Usage
   * ```ts
   * import { Barrier } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * const barrier = new Barrier(2);
   * const waiting = barrier.waitAsync();
   * assertEquals(barrier.wait(), 0);
   * assertEquals(await waiting, 1);
   * ```
   *
   * @param options Timeout in ms, signal, and what a cancellation does to the others.
   * @returns How many parties were still to come when this one arrived, as {@linkcode Barrier.wait} does.
   * @throws {TypeError} If an option is of the wrong type. Nothing has arrived then.
   * @throws {RangeError} If the timeout is negative or NaN, or no party is left. Nothing has arrived then.
   * @throws {BrokenBarrierError} If the barrier is broken, or breaks while this party waits.
   * @throws {DOMException} A `TimeoutError` if the timeout passes before the last party arrives.
   * @throws The signal's reason if it aborts, and what the action threw if this is the last arrival.
   */
  async waitAsync(options: WaitOptions = {}): Promise<number> {
    checkOptions("wait", options);
    const { timeout = this.#timeout, signal, onCancel = "break" } = options;
    checkWait(timeout, onCancel);
    checkSignal("wait", signal);
    if (signal?.aborted) {
      if (onCancel === "break") this.#break("aborted");
      throw signal.reason;
    }
    let ticket;
    while ((ticket = this.#tryArrive()) === undefined) {
      await this.#doze(Atomics.load(this.#words, STATE));
    }
    let outcome = await this.#park(ticket, timeout, signal);
    if (outcome === undefined) {
      const why = signal?.aborted ? "aborted" : "timeout";
      const view = this.#cancel(ticket, why, onCancel);
      if (view !== undefined) {
        throw why === "aborted" ? signal!.reason : timeoutError(timeout, progressOf(view));
      }
      outcome = await this.#park(ticket, Infinity);
    }
    // Where parties share a signal, each gets its reason, and not only the one that was told first.
    if (outcome !== "passed" && outcome !== "action" && signal?.aborted) throw signal.reason;
    return this.#conclude(ticket, outcome);
  }

  /**
   * Arrives without waiting, for a party that the others need but which needs not wait for them. Together
   * with {@linkcode Barrier.waitFor} it makes a wait of two halves, with work in between.
   *
   * @example Usage
   * ```ts
   * import { Barrier } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * const barrier = new Barrier(2);
   * assertEquals([barrier.arrive(), barrier.arrive(), barrier.arrive()], [0, 0, 1]);
   * ```
   *
   * @returns The phase that it arrived in.
   * @throws {BrokenBarrierError} If the barrier is broken.
   * @throws {RangeError} If no party is left.
   * @throws What the action threw, if this is the last arrival.
   */
  arrive(): number {
    return this.#arrive().phase;
  }

  /**
   * Arrives for the last time: the phase need not wait for this party, and later phases do without it.
   * Disposing of this handle breaks nothing from then on.
   *
   * @example Usage
   * ```ts
   * import { Barrier } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * const barrier = new Barrier(2);
   * barrier.arriveAndDrop();
   * assertEquals(barrier.wait(), 0);
   * assertEquals(barrier.parties, 1);
   * ```
   *
   * @returns The phase that it arrived in.
   * @throws {BrokenBarrierError} If the barrier is broken; the party has not dropped then.
   * @throws {RangeError} If no party is left.
   * @throws What the action threw, if this is the last arrival.
   */
  arriveAndDrop(): number {
    return this.#arrive(1).phase;
  }

  /**
   * Blocks the thread until a phase has completed, without being a party: it never counts as an arrival,
   * and its own timeout breaks nothing.
   *
   * @example Usage
   * ```ts
   * import { Barrier } from "@rendezvous/barrier";
   *
   * const barrier = new Barrier(2);
   * const phase = barrier.arrive();
   * // … work that needs nothing of the other party …
   * barrier.arrive();
   * barrier.waitFor(phase);
   * ```
   *
   * @param phase The phase to wait for, from 0 to 4,294,967,295; one that lies 2,147,483,648 phases or more
   *   ahead counts as past.
   * @param options Timeout in ms.
   * @throws {TypeError} If `phase` or the timeout is not a number, or this thread must not block.
   * @throws {RangeError} If `phase` or the timeout is out of range.
   * @throws {BrokenBarrierError} If the barrier is broken or breaks before that phase completes.
   * @throws {DOMException} A `TimeoutError` if the timeout passes first.
   */
  waitFor(phase: number, options: BlockingWatchOptions = {}): void {
    checkOptions("wait for a phase", options);
    const { timeout = Infinity } = options;
    checkWatch(phase, timeout);
    checkMayBlock();
    const ticket = { ...this.#look(), phase, watches: true as const };
    const outcome = this.#block(ticket, deadlineOf(timeout));
    if (outcome === undefined) throw this.#watchTimeout(timeout, phase);
    this.#conclude(ticket, outcome);
  }

  /**
   * Waits until a phase has completed, without being a party and without blocking the thread.
   *
   * @example Usage
   * ```ts
   * import { Barrier } from "@rendezvous/barrier";
   *
   * const barrier = new Barrier(2);
   * const watching = barrier.waitForAsync(0);
   * barrier.arrive();
   * barrier.arrive();
   * await watching;
   * ```
   *
   * @param phase The phase to wait for, as for {@linkcode Barrier.waitFor}.
   * @param options Timeout in ms, and signal.
   * @throws {TypeError} If `phase` or an option is of the wrong type.
   * @throws {RangeError} If `phase` or the timeout is out of range.
   * @throws {BrokenBarrierError} If the barrier is broken or breaks before that phase completes.
   * @throws {DOMException} A `TimeoutError` if the timeout passes first.
   * @throws The signal's reason if it aborts first.
   */
  async waitForAsync(phase: number, options: WatchOptions = {}): Promise<void> {
    checkOptions("wait for a phase", options);
    const { timeout = Infinity, signal } = options;
    checkWatch(phase, timeout);
    checkSignal("wait for a phase", signal);
    const ticket = { ...this.#look(), phase, watches: true as const };
    const outcome = await this.#park(ticket, timeout, signal);
    if (outcome === undefined) {
      throw signal?.aborted ? signal.reason : this.#watchTimeout(timeout, phase);
    }
    this.#conclude(ticket, outcome);
  }

  /**
   * Adds parties, who join the phase that is open.
   *
   * @example Usage
   * ```ts
   * import { Barrier } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * const barrier = new Barrier(1);
   * assertEquals(barrier.register(2), 0);
   * assertEquals(barrier.parties, 3);
   * ```
   *
   * @param count How many, an integer of at least 1.
   * @returns The phase that they join.
   * @throws {TypeError} If `count` is not a number.
   * @throws {RangeError} If `count` is not an integer of at least 1, or the parties would be more than
   *   {@linkcode Barrier.MAX_PARTIES}.
   */
  register(count: number = 1): number {
    checkInteger("register parties", "count", count, 1);
    for (;;) {
      const { state, phase } = this.#look();
      checkMost(partiesOf(state) + count, Barrier.MAX_PARTIES);
      if (!this.#swap(state, state + (count << PARTIES_SHIFT | count))) continue;
      // Those who joined may use this handle, which has something to break again.
      this.#dropped = false;
      return phase;
    }
  }

  /**
   * Breaks the barrier: every party that waits gets a {@linkcode BrokenBarrierError} with the reason
   * `"aborted"`, and so does every later arrival, until {@linkcode Barrier.reset}. It does nothing to a
   * barrier that is broken already, nor to the parties of a phase whose last party has arrived.
   *
   * @example Usage
   * ```ts
   * import { Barrier } from "@rendezvous/barrier";
   * import { assert } from "@std/assert";
   *
   * const barrier = new Barrier(2);
   * barrier.abort();
   * assert(barrier.broken);
   * ```
   *
   * @param _reason For the likeness to {@linkcode AsyncBarrier.abort}: a value does not cross threads.
   */
  abort(_reason?: unknown): void {
    this.#break("aborted");
  }

  /**
   * Makes the barrier empty and usable again. Parties that wait get a {@linkcode BrokenBarrierError} with
   * the reason `"reset"`. The phase count goes on.
   *
   * @example Usage
   * ```ts
   * import { Barrier } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * const barrier = new Barrier(1);
   * barrier.abort();
   * barrier.reset();
   * assertEquals(barrier.wait(), 0);
   * ```
   */
  reset(): void {
    for (;;) {
      const { state, phase, resets } = this.#look();
      const reason = (state & REASON_MASK) >> REASON_SHIFT;
      if (reason === 0) {
        if (state === refilled(state)) return;
        // Broken first: that freezes the reason, so that what is noted below cannot be wrong.
        this.#break("reset");
        continue;
      }
      if (resets % LIFT_EVERY === 0) this.#lift(RESETS, resets);
      const arrived = partiesOf(state) - remainingOf(state);
      this.#lift(ENDED + resets % EPOCHS, resets << 13 | arrived << 3 | reason);
      this.#lift(ENDED_IN + resets % EPOCHS, phase);
      if (this.#swap(state, mended(state))) return this.#wake();
    }
  }

  /**
   * How many parties must arrive to complete a phase. A snapshot.
   *
   * @example Usage
   * ```ts
   * import { Barrier } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * assertEquals(new Barrier(3).parties, 3);
   * ```
   *
   * @returns The number of parties.
   */
  get parties(): number {
    return partiesOf(this.#look().state);
  }

  /**
   * How many parties have arrived in the current phase: 0 while the barrier is broken, all of them while the
   * action runs. A snapshot.
   *
   * @example Usage
   * ```ts
   * import { Barrier } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * const barrier = new Barrier(3);
   * barrier.arrive();
   * assertEquals(barrier.arrived, 1);
   * ```
   *
   * @returns The number of parties that have arrived.
   */
  get arrived(): number {
    const { state } = this.#look();
    if (state & REASON_MASK) return 0;
    return partiesOf(state) - (state & TRIPPING ? 0 : remainingOf(state));
  }

  /**
   * How many phases have completed: the number of the current phase, from 0. A snapshot. After 4,294,967,295
   * it goes on at 0.
   *
   * @example Usage
   * ```ts
   * import { Barrier } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * const barrier = new Barrier(1);
   * barrier.wait();
   * assertEquals(barrier.phase, 1);
   * ```
   *
   * @returns The number of completed phases.
   */
  get phase(): number {
    return completedOf(this.#look());
  }

  /**
   * Whether the barrier is broken, and so refuses arrivals. A snapshot.
   *
   * @example Usage
   * ```ts
   * import { Barrier } from "@rendezvous/barrier";
   * import { assertFalse } from "@std/assert";
   *
   * assertFalse(new Barrier(3).broken);
   * ```
   *
   * @returns `true` if it is broken.
   */
  get broken(): boolean {
    return (this.#look().state & REASON_MASK) !== 0;
  }

  /**
   * The end of a `using` scope: breaks the barrier as {@linkcode Barrier.abort} does, unless this handle has
   * dropped, so that nobody sleeps for a party that will not come. Doing it twice does no more.
   *
   * @example Usage
   * ```ts
   * import { Barrier } from "@rendezvous/barrier";
   * import { assert } from "@std/assert";
   *
   * const barrier = new Barrier(2);
   * {
   *   using _handle = Barrier.from(barrier);
   * }
   * assert(barrier.broken);
   * ```
   */
  [Symbol.dispose](): void {
    if (!this.#dropped) this.abort();
    this.#leave();
    this.#watch.abort();
    Atomics.notify(this.#words, JOINS);
  }

  /**
   * How `console.log` shows it in Deno.
   *
   * @returns Its class, arrivals and phase, or why it is broken.
   */
  [Symbol.for("Deno.customInspect")](): string {
    return inspect("Barrier", this, reasonOf(this.#look().state));
  }

  /**
   * How `console.log` shows it in Node.
   *
   * @returns Its class, arrivals and phase, or why it is broken.
   */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return inspect("Barrier", this, reasonOf(this.#look().state));
  }

  #look(): View {
    const words = this.#words;
    for (;;) {
      const phases = Atomics.load(words, PHASES);
      const resets = Atomics.load(words, RESETS);
      const state = Atomics.load(words, STATE);
      // The counts belong to this state if they stood still around it.
      if (phases !== Atomics.load(words, PHASES) || resets !== Atomics.load(words, RESETS)) {
        continue;
      }
      const completed = whole(phases, state >>> PHASES_SHIFT);
      return {
        state,
        phase: state & TRIPPING ? completed + 1 >>> 0 : completed,
        resets: whole(resets, state >>> RESETS_SHIFT),
      };
    }
  }

  #swap(state: number, next: number): boolean {
    return Atomics.compareExchange(this.#words, STATE, state, next) === state;
  }

  /** Exchanges STATE for an arrival. */
  #enter(state: number, next: number, dropping: 0 | 1): boolean {
    const entered = this.#swap(state, next);
    if (entered && dropping === 1) {
      this.#dropped = true;
      this.#leave();
    }
    return entered;
  }

  /** Waits until somebody watches this party, or the thread that should turns out to be busy. */
  async #watched(seats: Uint8Array, seat: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const disarm = arm(WATCHER_PATIENCE, undefined, () => resolve());
    const busy = promise.then(() => true);
    for (;;) {
      const watches = Atomics.load(this.#words, WATCHES);
      if (Atomics.load(seats, seat) !== JOINED) break;
      const { value } = Atomics.waitAsync(this.#words, WATCHES, watches);
      if (await Promise.race([value, busy]) === true) break;
    }
    disarm();
  }

  /** Watches those who have joined since it was last called, if anybody is to be watched still. */
  async [WATCH](watched: Set<number>): Promise<boolean> {
    const { signal } = this.#watch;
    if (signal.aborted) return false;
    const seats = seatsOf(this.#words);
    const { held = [] } = await locks!.query();
    for (let seat = 0; seat < Barrier.MAX_PARTIES; seat++) {
      if (watched.has(seat) || Atomics.load(seats, seat) < JOINED) continue;
      const prefix = lockPrefix(this.#words, seat);
      const lock = held.find(({ name }) => name?.startsWith(prefix))?.name;
      const name = lock?.slice(prefix.length) ?? `party ${seat}`;
      watched.add(seat);
      const ended = locks!.request(lock ?? prefix, { signal }, () => {
        watched.delete(seat);
        const left = Atomics.load(seats, seat) === LEFT;
        Atomics.store(seats, seat, FREE);
        if (!left) this.#lose(seat, name);
      });
      ended.catch(ignore);
      Atomics.compareExchange(seats, seat, JOINED, WATCHED);
    }
    Atomics.add(this.#words, WATCHES, 1);
    Atomics.notify(this.#words, WATCHES);
    return true;
  }

  /** Breaks the barrier as a party has ended, even if its own action still has to end. */
  #lose(seat: number, name: string): void {
    const words = this.#words;
    if (!this.broken) {
      const bytes = new TextEncoder().encode(name).subarray(0, 4 * (SEATS - LOST - 1));
      new Uint8Array(words.buffer, words.byteOffset + 4 * (LOST + 1)).set(bytes);
      Atomics.store(words, LOST, bytes.length);
    }
    for (;;) {
      const state = Atomics.load(words, STATE);
      if (!(state & TRIPPING) || Atomics.load(words, TRIPPER) !== seat) return this.#break("lost");
      const ended = state & ~TRIPPING;
      if (this.#swap(state, state & REASON_MASK ? ended : brokenBy(ended, "lost"))) {
        return this.#wake();
      }
    }
  }

  /** Lifts a whole count to at least `count`. */
  #lift(word: number, count: number): void {
    for (;;) {
      const recent = Atomics.load(this.#words, word);
      if ((count - recent | 0) <= 0) return;
      if (Atomics.compareExchange(this.#words, word, recent, count | 0) === recent) return;
    }
  }

  #arrive(dropping: 0 | 1 = 0): View {
    for (;;) {
      const ticket = this.#tryArrive(dropping);
      if (ticket !== undefined) return ticket;
      const state = Atomics.load(this.#words, STATE);
      if (!(state & TRIPPING)) continue;
      if (mayBlock()) this.#sleep(state, Infinity);
      else pause();
    }
  }

  /**
   * Arrives, and returns the barrier as it was just before: the ticket to wait with. There is none when
   * this is the last arrival of a phase while the action of the phase before still runs.
   */
  #tryArrive(dropping: 0 | 1 = 0): View | undefined {
    for (;;) {
      const ticket = this.#look();
      const { state } = ticket;
      if (state & REASON_MASK) throw this.#brokenError(ticket, reasonOf(state)!);
      const remaining = remainingOf(state);
      const next = state - (dropping << PARTIES_SHIFT) - 1;
      if (remaining > 1) {
        if (this.#enter(state, next, dropping)) return ticket;
      } else if (remaining === 0) {
        throw noPartyLeft();
      } else if (!(state & TRIPPING)) {
        if (this.#trip(ticket, refilled(next), dropping)) return ticket;
      } else if (this.#acting) {
        throw new Error("Cannot complete a phase in the action of the phase before");
      } else {
        return undefined;
      }
    }
  }

  /** The last arrival: runs the action and releases the phase, unless `ticket` is out of date. */
  #trip(ticket: View, next: number, dropping: 0 | 1): boolean {
    if (ticket.phase % LIFT_EVERY === 0) this.#lift(PHASES, ticket.phase);
    this.#lift(SETTLED + ticket.phase % 2, ticket.resets);
    const action = this.#action;
    if (action === undefined) {
      if (!this.#enter(ticket.state, passed(next), dropping)) return false;
    } else {
      if (!this.#enter(ticket.state, next | TRIPPING, dropping)) return false;
      this.#act(action, ticket);
    }
    this.#wake();
    return true;
  }

  #act(action: () => unknown, { phase, resets }: View): void {
    this.#acting = true;
    Atomics.store(this.#words, TRIPPER, this.#seat ?? NEVER);
    try {
      const result = action();
      if (isThenable(result)) {
        result.then(ignore, ignore);
        throw new TypeError(
          "Cannot run the action as it must be synchronous: current value is a promise",
        );
      }
      this.#endTrip(passed);
    } catch (error) {
      Atomics.store(this.#words, FAILED, phase);
      Atomics.store(this.#words, FAILED + 1, resets);
      // For the next phase an abort made while the action ran came first, and stays the reason.
      this.#endTrip((state) => {
        const ended = state & ~(TRIPPING | REMAINING_MASK);
        return state & REASON_MASK ? ended : brokenBy(ended, "action");
      });
      this.#wake();
      throw error;
    } finally {
      this.#acting = false;
    }
  }

  #endTrip(next: (state: number) => number): void {
    for (;;) {
      const state = Atomics.load(this.#words, STATE);
      if (this.#swap(state, next(state))) return;
    }
  }

  /** Breaks the open phase, unless the barrier is broken already: the first reason stays. */
  #break(reason: BreakReason): void {
    for (;;) {
      const state = Atomics.load(this.#words, STATE);
      if (state & REASON_MASK) return;
      if (this.#swap(state, brokenBy(state, reason))) return this.#wake();
    }
  }

  /** Takes the wait of a ticket back, and returns what the barrier was then; nothing if it is settled. */
  #cancel(ticket: View, why: Cancellation, onCancel: "break" | "withdraw"): View | undefined {
    for (;;) {
      const view = this.#look();
      if (view.phase !== ticket.phase || this.#outcome(ticket, view) !== undefined) {
        return undefined;
      }
      const { state } = view;
      if (!this.#swap(state, onCancel === "break" ? brokenBy(state, why) : state + 1)) continue;
      this.#wake();
      return view;
    }
  }

  /** How the phase of a ticket ended; nothing while it has not. */
  #outcome(ticket: View, view: View): Outcome {
    const words = this.#words;
    const completed = completedOf(view);
    const ahead = completed - ticket.phase | 0;
    const same = view.resets === ticket.resets;
    // Passed comes first: whatever broke the barrier after that is not this party's business.
    if (ahead > 0 && (same || ticket.watches)) return "passed";
    if (view.state & TRIPPING && ahead === 0) return undefined;
    const reason = reasonOf(view.state);
    if (same && reason === undefined) return undefined;
    const failed = Atomics.load(words, FAILED) >>> 0 === ticket.phase &&
      Atomics.load(words, FAILED + 1) >>> 0 === ticket.resets;
    if (failed) return "action";
    if (same) return reason;
    // It wakes late: had its phase passed before the reset, or did others make it pass, without its arrival?
    const slot = ticket.resets % EPOCHS;
    const ended = Atomics.load(words, ENDED + slot);
    const endedIn = Atomics.load(words, ENDED_IN + slot);
    if (this.#remembers(ticket, this.#look())) {
      return ahead > 0 && (endedIn - ticket.phase | 0) > 0 ? "passed" : REASONS[ended & 7];
    }
    // It slept through so many resets that nobody knows how its epoch ended.
    const settled = Atomics.load(words, SETTLED + ticket.phase % 2) >>> 0;
    return ahead === 1 && settled === ticket.resets ? "passed" : "reset";
  }

  #conclude(ticket: View, outcome: Outcome): number {
    if (outcome !== "passed") throw this.#brokenError(ticket, outcome!);
    return remainingOf(ticket.state) - 1;
  }

  #brokenError(ticket: View, reason: BreakReason): BrokenBarrierError {
    let progress = progressOf(ticket);
    const ended = Atomics.load(this.#words, ENDED + ticket.resets % EPOCHS);
    const view = this.#look();
    if (view.resets === ticket.resets) progress = progressOf(view);
    else if (this.#remembers(ticket, view)) progress.arrived = ended >> 3 & REMAINING_MASK;
    else progress.arrived++;
    const note = reason === "lost" ? `"${lostName(this.#words)}" is gone` : undefined;
    return brokenError(reason, progress, note === undefined ? {} : { note });
  }

  /** Whether ENDED tells how the epoch of a ticket ended: whether it did before that look. */
  #remembers(ticket: View, later: View): boolean {
    return later.resets - ticket.resets >>> 0 < EPOCHS;
  }

  #watchTimeout(timeout: number, phase: number): DOMException {
    return timeoutError(timeout, { ...progressOf(this.#look()), phase });
  }

  /** Blocks until the phase of a ticket has ended; returns nothing if the deadline comes first. */
  #block(ticket: View, deadline: number): Outcome {
    let spins = partiesOf(ticket.state) <= threads ? SPINS : 0;
    for (;;) {
      const view = this.#look();
      const outcome = this.#outcome(ticket, view);
      if (outcome !== undefined) return outcome;
      while (spins > 0 && Atomics.load(this.#words, STATE) === view.state) {
        spins--;
        pause();
      }
      if (spins > 0) continue;
      const left = deadline === Infinity ? Infinity : deadline - performance.now();
      if (left <= 0) return undefined;
      this.#sleep(view.state, left);
    }
  }

  /** As `#block`, but the thread goes on; returns nothing if it is cancelled first. */
  async #park(ticket: View, timeout: number, signal?: AbortSignal): Promise<Outcome> {
    if (signal?.aborted) {
      const outcome = this.#outcome(ticket, this.#look());
      return outcome === "passed" ? outcome : undefined;
    }
    const { promise, resolve } = Promise.withResolvers<"cancelled">();
    const disarm = arm(timeout, signal, () => resolve("cancelled"));
    try {
      for (;;) {
        const view = this.#look();
        const outcome = this.#outcome(ticket, view);
        if (outcome !== undefined) return outcome;
        if (await this.#doze(view.state, promise) === "cancelled") {
          return this.#outcome(ticket, this.#look());
        }
      }
    } finally {
      disarm();
    }
  }

  #sleep(state: number, timeout: number): void {
    Atomics.add(this.#words, SLEEPERS, 1);
    Atomics.wait(this.#words, STATE, state, timeout);
    Atomics.sub(this.#words, SLEEPERS, 1);
  }

  /** As `#sleep`, but the thread goes on. A pending `waitAsync` does not keep the event loop alive, a timer does. */
  async #doze(state: number, cancelled?: Promise<unknown>): Promise<unknown> {
    const hold = setInterval(ignore, MAX_DELAY);
    Atomics.add(this.#words, SLEEPERS, 1);
    try {
      const { value } = Atomics.waitAsync(this.#words, STATE, state);
      const woken = await (cancelled === undefined ? value : Promise.race([value, cancelled]));
      // The platform would keep the wait until somebody wakes it. The others look again and sleep on.
      if (woken === "cancelled") Atomics.notify(this.#words, STATE);
      return woken;
    } finally {
      Atomics.sub(this.#words, SLEEPERS, 1);
      clearInterval(hold);
    }
  }

  /** Wakes all who sleep. They look again: to be woken says nothing. */
  #wake(): void {
    if (Atomics.load(this.#words, SLEEPERS) > 0) Atomics.notify(this.#words, STATE);
  }
}

/** The seats in that memory, each a byte. */
function seatsOf(words: Int32Array<SharedArrayBuffer>): Uint8Array<SharedArrayBuffer> {
  return new Uint8Array(words.buffer, words.byteOffset + 4 * SEATS, Barrier.MAX_PARTIES);
}

/** What the name of the lock of a seat begins with; the name of its party follows. */
function lockPrefix(words: Int32Array, seat: number): string {
  return `@rendezvous/barrier ${words[ID]} ${words[ID + 1]} ${seat} `;
}

function lostName(words: Int32Array<SharedArrayBuffer>): string {
  const bytes = new Uint8Array(words.buffer, words.byteOffset + 4 * (LOST + 1));
  // A copy: TextDecoder refuses shared memory on some platforms.
  return new TextDecoder().decode(bytes.slice(0, Atomics.load(words, LOST)));
}

/**
 * Watches for parties who join. It holds the barrier weakly: to be watched must not keep it from being
 * collected, and nothing that goes on here keeps the event loop alive before somebody has joined.
 */
async function watchJoins(
  maker: WeakRef<Barrier>,
  words: Int32Array<SharedArrayBuffer>,
): Promise<void> {
  const watched = new Set<number>();
  for (let joins = 0;;) {
    await Atomics.waitAsync(words, JOINS, joins).value;
    joins = Atomics.load(words, JOINS);
    if (!await maker.deref()?.[WATCH](watched)) return;
  }
}

/** Ends the watch over barriers that nobody has any more. */
const forgotten = new FinalizationRegistry<Int32Array>((words) => Atomics.notify(words, JOINS));

function completedOf({ state, phase }: View): number {
  return state & TRIPPING ? phase - 1 >>> 0 : phase;
}

function progressOf({ state, phase }: View): Progress {
  const parties = partiesOf(state);
  return { phase, arrived: parties - remainingOf(state), parties };
}

function deadlineOf(timeout: number): number {
  return timeout === Infinity ? Infinity : performance.now() + timeout;
}

function checkWait(timeout: unknown, onCancel: unknown): void {
  checkTimeout("wait", timeout);
  checkChoice("wait", "onCancel", onCancel, ["break", "withdraw"]);
}

function checkWatch(phase: unknown, timeout: unknown): void {
  checkInteger("wait for a phase", "phase", phase, 0, 2 ** 32 - 1);
  checkTimeout("wait for a phase", timeout);
}

function checkMayBlock(): void {
  if (!mayBlock()) {
    throw new TypeError("Cannot block this thread as its platform forbids it: use the async wait");
  }
}

function noBarrier(): TypeError {
  return new TypeError("Cannot attach to a barrier as the memory must hold one");
}
