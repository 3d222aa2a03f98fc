// Copyright 2026 the Rendezvous authors. MIT license.

import { checkInteger, checkName, checkType } from "../_common/checks.ts";
import {
  type AsyncBarrierOptions,
  checkPhase,
  type JoinOptions,
  readBarrier,
  readHandle,
  readReset,
  readWatch,
  type ResetOptions,
  type WaitForOptions,
  type WaitOptions,
} from "../_common/options.ts";
import { dispose } from "../_common/platform.ts";
import { inspect } from "../_common/snapshot.ts";
import { type Member, TaskBarrier } from "./task_barrier.ts";

/**
 * A barrier for the tasks of one event loop: N tasks wait for each other, phase after phase.
 *
 * **How a phase ends.** It passes for all its parties when all have arrived and the action, if there is one, has ended.
 * Or it breaks for all of them, by what comes first before that: a timeout or an aborted signal (that party gets the
 * `TimeoutError` or the signal's reason, the others a {@linkcode BrokenBarrierError}), {@linkcode AsyncBarrier.abort},
 * {@linkcode AsyncBarrier.reset}, a party that is gone, an action that throws, or the end of a `using` scope. A
 * broken barrier refuses every arrival with the first reason, until `reset()`.
 *
 * **Phases.** A phase is one attempt to meet. Its number is never used again, so it names one outcome for ever. How a phase
 * ended is told by {@linkcode AsyncBarrier.waitFor}, of at least the last 16.
 *
 * **What a cancelled wait leaves behind.** No timer and no listener. With `onCancel: "withdraw"` its arrival is taken
 * back and the barrier is as if it had never come; with `"break"` the barrier is broken.
 *
 * **Fairness.** Parties of a phase resume in the order of their arrival: first those without a timeout or signal, then
 * the others.
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
  #barrier: TaskBarrier;
  #timeout: number;
  /** The party of a handle that joined, else what stands for all without a name. */
  #member: Member = { arrivedIn: -1 };

  /**
   * Creates a barrier. This handle stands for all parties that have no name.
   *
   * @param parties How many arrivals complete a phase, an integer of at least 1.
   * @param options Its action, and a timeout in ms for every wait.
   * @throws {TypeError} If `parties` or `options.timeout` is no number or `options.action` no function.
   * @throws {RangeError} If `parties` is not an integer of at least 1 or `options.timeout` is negative or NaN.
   */
  constructor(parties: number, options?: AsyncBarrierOptions) {
    const settings = readBarrier("create a barrier", options);
    checkInteger("create a barrier", "parties", parties, 1);
    this.#barrier = new TaskBarrier(parties, settings);
    this.#timeout = settings.timeout;
  }

  /**
   * Joins as a party with a name, which then is named where it is missing or gone.
   *
   * The handle arrives once in a phase. If it is disposed before {@linkcode AsyncBarrier.arriveAndDrop}, the barrier
   * breaks. {@linkcode AsyncBarrier.run} takes care of that.
   *
   * @example Usage
   * ```ts
   * import { AsyncBarrier } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * const barrier = new AsyncBarrier(2);
   * const resize = barrier.join({ name: "resize" });
   * const upload = barrier.join({ name: "upload" });
   * resize.arrive();
   * assertEquals(barrier.missing, ["upload"]);
   * upload.arrive();
   * ```
   *
   * @param options Its name, and a timeout in ms for its waits.
   * @returns A handle of the same barrier.
   * @throws {TypeError} If an option is of the wrong type, or an action is given.
   * @throws {RangeError} If the name is not 1 to 64 bytes of UTF-8 or the timeout is negative or NaN.
   * @throws {DOMException} `InvalidStateError` if the name is in use, no seat is free, or the barrier is over.
   */
  join(options?: JoinOptions): AsyncBarrier {
    const { name, timeout = this.#barrier.timeout } = readHandle("join a barrier", options);
    this.#barrier.checkUsable(this.#member);
    const handle = new AsyncBarrier(1);
    handle.#barrier = this.#barrier;
    handle.#member = this.#barrier.join(name);
    handle.#timeout = timeout;
    return handle;
  }

  /**
   * Runs a task as a party with a name: joins, calls the task with its handle, and drops when the task has ended. If
   * the task throws, the barrier breaks with the reason `"lost"`, the name, and the error as its `cause`.
   *
   * Where the barrier is broken when the task ends, its seat is given up. If the task has arrived and not waited, it
   * drops with the next phase. Drops are arrivals: when all tasks end, their drops fill a last phase, and an action
   * runs for that, too.
   *
   * @example A task that throws frees the others
   * ```ts
   * import { AsyncBarrier, BrokenBarrierError } from "@rendezvous/barrier";
   * import { assertEquals, assertRejects } from "@std/assert";
   *
   * const barrier = new AsyncBarrier(2);
   * const resize = barrier.run("resize", (me) => me.wait());
   * const upload = barrier.run("upload", () => {
   *   throw new Error("no network");
   * });
   * await assertRejects(() => upload, Error, "no network");
   * const error = await assertRejects(() => resize, BrokenBarrierError);
   * assertEquals([error.reason, error.party], ["lost", "upload"]);
   * ```
   *
   * @param name The name of the party.
   * @param task What to run, with a handle that {@linkcode AsyncBarrier.join} made.
   * @returns What the task returns. What it throws is thrown.
   * @throws {TypeError} If `name` is no string or `task` no function.
   * @throws {RangeError} If the name is not 1 to 64 bytes of UTF-8.
   * @throws {DOMException} `InvalidStateError` if the name is in use, no seat is free, or the barrier is over. The
   *   task is not called then.
   */
  async run<T>(name: string, task: (me: AsyncBarrier) => T | Promise<T>): Promise<T> {
    checkName("run a task", name);
    checkType("run a task", "task", task, "function");
    const me = this.join({ name });
    try {
      const result = await task(me);
      this.#barrier.leave(me.#member);
      return result;
    } catch (error) {
      this.#barrier.lose(me.#member, "lost", { cause: error });
      throw error;
    } finally {
      me.#member.left = "was disposed";
    }
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
   * @returns How many parties were still to come when this one arrived: `parties - 1` for the first, `0` for the last.
   *   The numbers of a phase are a permutation.
   * @throws {TypeError} If an option is of the wrong type. Nothing has arrived then.
   * @throws {RangeError} If the timeout is negative or NaN. Nothing has arrived then.
   * @throws {BrokenBarrierError} If the barrier is broken, or breaks while this party waits.
   * @throws {DOMException} `TimeoutError` if the timeout passes first. `InvalidStateError` if this party has arrived in
   *   this phase already, has dropped or was disposed, no party is left, the phase is full behind the action of the
   *   one before, or the barrier is over: nothing has arrived then.
   * @throws The signal's reason if it aborts first.
   */
  wait(options?: WaitOptions): Promise<number> {
    return options === undefined && this.#timeout === Infinity
      ? this.#barrier.wait(this.#member)
      : this.#barrier.waitUnless(this.#member, options, this.#timeout);
  }

  /**
   * Arrives without waiting, for a party that the others need but which need not wait for them. Together with
   * {@linkcode AsyncBarrier.waitFor} it makes a wait of two halves, with work in between.
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
   * @throws {DOMException} `InvalidStateError` as for {@linkcode AsyncBarrier.wait}.
   */
  arrive(): number {
    return this.#barrier.arrive(this.#member, false);
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
   * @throws {BrokenBarrierError} If the barrier is broken. The party has not dropped then.
   * @throws {DOMException} `InvalidStateError` as for {@linkcode AsyncBarrier.wait}.
   */
  arriveAndDrop(): number {
    return this.#barrier.arrive(this.#member, true);
  }

  /**
   * Waits until a phase has ended, without being a party: it never counts as an arrival, and its own timeout or
   * cancellation breaks nothing. At a broken barrier a later phase rejects at once: whoever follows phase after phase
   * awaits {@linkcode AsyncBarrier.ready} after an error.
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
   * @returns A promise that resolves when the phase has passed, at once if it has already.
   * @throws {TypeError} If `phase` or an option is of the wrong type.
   * @throws {RangeError} If `phase` is not an integer of at least 0, the timeout is negative or NaN, or nobody knows any
   *   more how that phase ended.
   * @throws {BrokenBarrierError} If that phase broke, or the barrier breaks before that phase has ended.
   * @throws {DOMException} `TimeoutError` if the timeout passes first.
   * @throws The signal's reason if it aborts first.
   */
  async waitFor(phase: number, options?: WaitForOptions): Promise<void> {
    checkPhase("wait for a phase", phase);
    await this.#barrier.waitFor(phase, readWatch("wait for a phase", options));
  }

  /**
   * Waits until the barrier can be used: at once unless it is broken, else until somebody resets it.
   *
   * @example Usage
   * ```ts
   * import { AsyncBarrier } from "@rendezvous/barrier";
   *
   * const barrier = new AsyncBarrier(2);
   * barrier.abort();
   * const ready = barrier.ready();
   * barrier.reset();
   * await ready;
   * ```
   *
   * @param options Timeout in ms, and signal.
   * @throws {TypeError} If an option is of the wrong type.
   * @throws {RangeError} If the timeout is negative or NaN.
   * @throws {DOMException} `TimeoutError` if the timeout passes first. `InvalidStateError` if the barrier is over or the
   *   handle was disposed.
   * @throws The signal's reason if it aborts first.
   */
  async ready(options?: WaitForOptions): Promise<void> {
    await this.#barrier.ready(this.#member, readWatch("wait for a barrier", options));
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
   * @returns The first phase in which they can arrive.
   * @throws {TypeError} If `count` is no number.
   * @throws {RangeError} If `count` is not an integer of at least 1, or there would be too many.
   * @throws {DOMException} `InvalidStateError` if the barrier is over or the handle was disposed.
   */
  register(count: number = 1): number {
    checkInteger("register parties", "count", count, 1);
    this.#barrier.checkUsable(this.#member);
    return this.#barrier.register(count);
  }

  /**
   * Breaks the barrier: every party that waits gets a {@linkcode BrokenBarrierError} with the reason `"aborted"`, and so
   * does every later arrival, until {@linkcode AsyncBarrier.reset}. It does nothing to a barrier that is broken, nor
   * to phases that have passed. By a handle that was disposed it does nothing.
   *
   * @example Usage
   * ```ts
   * import { AsyncBarrier } from "@rendezvous/barrier";
   * import { assert } from "@std/assert";
   *
   * const barrier = new AsyncBarrier(2);
   * barrier.abort("the disk is full");
   * assert(barrier.broken);
   * ```
   *
   * @param reason Becomes the errors' `cause`.
   */
  abort(reason?: unknown): void {
    if (this.#member.left === "was disposed") return;
    this.#barrier.break("aborted", { party: this.#member.name, cause: reason });
  }

  /**
   * Makes a broken barrier usable again, in its next phase. At a barrier that is not broken, parties that wait get a
   * {@linkcode BrokenBarrierError} with the reason `"reset"`.
   *
   * With the phase of an error it mends that break only: two parties that both mend it do not undo each other.
   *
   * @example Mending what broke
   * ```ts
   * import { AsyncBarrier, BrokenBarrierError } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * const barrier = new AsyncBarrier(1);
   * barrier.abort();
   * try {
   *   await barrier.wait();
   * } catch (error) {
   *   if (!(error instanceof BrokenBarrierError)) throw error;
   *   barrier.reset(error.phase);
   * }
   * assertEquals(await barrier.wait(), 0);
   * ```
   *
   * @param phase What to mend. It does nothing unless the present break ended that phase.
   * @param options Whether to go on without the parties that are gone.
   * @returns The names of the parties that were gone, whose seats are free now, or dropped: of several that ended in one
   *   attempt an error names only the first. None if there was nothing to mend.
   * @throws {TypeError} If an argument is of the wrong type.
   * @throws {RangeError} If `phase` is not an integer of at least 0.
   * @throws {DOMException} `InvalidStateError` if the barrier is over or the handle was disposed.
   */
  reset(phase?: number, options?: ResetOptions): string[] {
    const dropLost = readReset(phase, options);
    this.#barrier.checkUsable(this.#member);
    return this.#barrier.reset(phase, dropLost);
  }

  /** How many parties must arrive to complete a phase. A snapshot. */
  get parties(): number {
    return this.#barrier.snapshot.parties;
  }

  /**
   * How many parties have arrived in the open phase: all of them while the action runs. While the barrier is broken,
   * how many had when it broke. A snapshot.
   */
  get arrived(): number {
    return this.#barrier.snapshot.arrived;
  }

  /** The lowest phase that has not ended, from 0. A broken phase ends when the barrier is reset. A snapshot. */
  get phase(): number {
    return this.#barrier.snapshot.phase;
  }

  /** Whether the barrier is broken, and so refuses arrivals. A snapshot. */
  get broken(): boolean {
    return this.#barrier.snapshot.reason !== undefined;
  }

  /**
   * The names of the parties that have not arrived in the open phase; while the barrier is broken, that had not when it
   * broke. Parties without a name are not listed. A snapshot.
   */
  get missing(): readonly string[] {
    return this.#barrier.snapshot.missing;
  }

  /**
   * The end of a `using` scope. The handle that made the barrier ends it for good: parties that wait get a
   * {@linkcode BrokenBarrierError} with the reason `"aborted"`. A handle that joined breaks it, unless it has dropped.
   * Doing it twice does no more.
   *
   * @example Usage
   * ```ts
   * import { AsyncBarrier } from "@rendezvous/barrier";
   * import { assert } from "@std/assert";
   *
   * const barrier = new AsyncBarrier(2);
   * {
   *   using _handle = barrier.join();
   * }
   * assert(barrier.broken);
   * ```
   */
  [dispose](): void {
    const { name } = this.#member;
    if (name === undefined) this.#barrier.end();
    else {
      this.#barrier.lose(this.#member, "aborted", { note: `${JSON.stringify(name)} was disposed` });
    }
    this.#member.left = "was disposed";
  }

  /**
   * How `console.log` shows it, in Deno as in Node.
   *
   * @returns Its class, arrivals and phase, or why it is broken.
   */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return inspect("AsyncBarrier", this.#barrier.snapshot);
  }
}
