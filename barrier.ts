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

import { arm } from "./_cancel.ts";
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
import {
  BARRIER_WORDS,
  MAX_PARTIES,
  NEVER,
  type Outcome,
  OWN_WORDS,
  progressOf,
  SharedBarrier,
  type Sleeper,
  threads,
  type View,
} from "./_shared_barrier.ts";

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
    // Who has dropped waits for nobody, and is not taken back.
    if (this.#open.expected - this.#open.arrivals.length < this.#parties) this.#break("reset");
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
 * What a Barrier has behind the words of `_shared_barrier.ts`, and in those that are free there:
 *
 *   word   name      holds
 *   48-49  ID        a random number, for the names of locks
 *      50  JOINS     how often a party has joined
 *      51  WATCHES   how often those who joined have begun to be watched
 *      52  TRIPPER   the seat of the party whose action runs, if it has joined
 *   64-95  LOST      the name of the party that was lost: how many bytes, and the bytes
 *  96-351  SEATS     a byte for each party that may join: FREE, CLAIMED, JOINED, WATCHED or LEFT
 */
const ID = OWN_WORDS;
const JOINS = OWN_WORDS + 2;
const WATCHES = OWN_WORDS + 3;
const TRIPPER = OWN_WORDS + 4;
const LOST = BARRIER_WORDS;
const SEATS = LOST + 32;
const WORDS = SEATS + 256;

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
  static readonly MAX_PARTIES: number = MAX_PARTIES;

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
  readonly #shared: SharedBarrier;
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
    this.#shared = new SharedBarrier(this.#words, sleeperOf(this.#words));
    this.#shared.acts = action !== undefined;
    this.#action = action;
    this.#timeout = timeout;
    if (parties === ATTACH) return;
    this.#words.fill(0);
    this.#shared.found(parties);
    // After that, which clears these words too.
    this.#words.set(crypto.getRandomValues(new Int32Array(2)), ID);
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
    if (!barrier.#shared.founded) throw noBarrier();
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
    let outcome = this.#shared.block(ticket, deadline);
    if (outcome === undefined) {
      const view = this.#shared.cancel(ticket, "timeout", onCancel);
      if (view !== undefined) throw timeoutError(timeout, progressOf(view));
      // The phase was settled in the meantime, and only its action keeps this party: success wins.
      outcome = this.#shared.block(ticket, Infinity);
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
      if (onCancel === "break") this.abort();
      throw signal.reason;
    }
    let ticket;
    while ((ticket = this.#tryArrive()) === undefined) await this.#shared.parkTrip();
    let outcome = await this.#shared.park(ticket, timeout, signal);
    if (outcome === undefined) {
      const why = signal?.aborted ? "aborted" : "timeout";
      const view = this.#shared.cancel(ticket, why, onCancel);
      if (view !== undefined) {
        throw why === "aborted" ? signal!.reason : timeoutError(timeout, progressOf(view));
      }
      outcome = await this.#shared.park(ticket, Infinity);
      // Where parties share a signal, each gets its reason, and not only the one that was told first.
      const own = why === "aborted" && outcome !== "passed" && outcome !== "action";
      if (own) throw signal!.reason;
    }
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
    const ticket = { ...this.#shared.look(), phase, watches: true as const };
    const outcome = this.#shared.block(ticket, deadlineOf(timeout));
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
    const ticket = { ...this.#shared.look(), phase, watches: true as const };
    const outcome = await this.#shared.park(ticket, timeout, signal);
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
    const phase = this.#shared.register(count);
    // Those who joined may use this handle, which has something to break again.
    this.#dropped = false;
    return phase;
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
    this.#shared.break("aborted");
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
    this.#shared.reset();
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
    return this.#shared.parties;
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
    return this.#shared.arrived;
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
    return this.#shared.completed;
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
    return this.#shared.reason !== undefined;
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
    return inspect("Barrier", this, this.#shared.reason);
  }

  /**
   * How `console.log` shows it in Node.
   *
   * @returns Its class, arrivals and phase, or why it is broken.
   */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return inspect("Barrier", this, this.#shared.reason);
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
    const joined: number[] = [];
    for (let seat = 0; seat < Barrier.MAX_PARTIES; seat++) {
      if (!watched.has(seat) && Atomics.load(seats, seat) >= JOINED) joined.push(seat);
    }
    // Only now, as a party takes its lock before its seat shows that it has joined: who has none has ended.
    const { held = [] } = await locks!.query();
    for (const seat of joined) {
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
    if (Atomics.load(words, TRIPPER) === seat) this.#shared.loseTrip();
    else this.#shared.break("lost");
  }

  #arrive(dropping: 0 | 1 = 0): View {
    for (;;) {
      const ticket = this.#tryArrive(dropping);
      if (ticket !== undefined) return ticket;
      if (mayBlock()) this.#shared.blockTrip();
      else pause();
    }
  }

  /** Arrives, unless this is the last arrival of a phase while the action of the phase before still runs. */
  #tryArrive(dropping: 0 | 1 = 0): View | undefined {
    const ticket = this.#shared.arrive(dropping);
    if (ticket === undefined) {
      if (!this.#acting) return undefined;
      throw new Error("Cannot complete a phase in the action of the phase before");
    }
    const refused = this.#shared.refused(ticket);
    if (refused === "no party") throw noPartyLeft();
    if (refused !== undefined) throw this.#brokenError(ticket, refused as BreakReason);
    if (dropping === 1) {
      this.#dropped = true;
      this.#leave();
    }
    if (ticket.trips) this.#act();
    return ticket;
  }

  #act(): void {
    this.#acting = true;
    Atomics.store(this.#words, TRIPPER, this.#seat ?? NEVER);
    try {
      const result: unknown = this.#action!();
      if (isThenable(result)) {
        result.then(ignore, ignore);
        throw new TypeError(
          "Cannot run the action as it must be synchronous: current value is a promise",
        );
      }
      this.#shared.endTrip();
    } catch (error) {
      this.#shared.failTrip();
      throw error;
    } finally {
      this.#acting = false;
    }
  }

  #conclude(ticket: View, outcome: Outcome): number {
    if (outcome !== "passed") throw this.#brokenError(ticket, outcome!);
    return this.#shared.numberOf(ticket);
  }

  #brokenError(ticket: View, reason: BreakReason): BrokenBarrierError {
    const details = reason === "lost" ? { note: `"${lostName(this.#words)}" is gone` } : {};
    return brokenError(reason, this.#shared.progress(ticket, reason), details);
  }

  #watchTimeout(timeout: number, phase: number): DOMException {
    return timeoutError(timeout, { ...progressOf(this.#shared.look()), phase });
  }
}

/** How threads sleep. A pending `waitAsync` does not keep the event loop alive, a timer does. */
function sleeperOf(words: Int32Array<SharedArrayBuffer>): Sleeper {
  return {
    pause(_turn, parties) {
      if (parties <= threads) pause();
      return parties <= threads;
    },
    wait: (word, value, timeout) => void Atomics.wait(words, word, value, timeout),
    async waitAsync(word, value) {
      const hold = setInterval(ignore, MAX_DELAY);
      await Atomics.waitAsync(words, word, value).value;
      clearInterval(hold);
    },
    notify: (word) => void Atomics.notify(words, word),
  };
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
