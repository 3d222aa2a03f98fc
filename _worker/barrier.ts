// Copyright 2026 the Rendezvous authors. MIT license.

import { cannot, checkAbsent, checkInteger, show } from "../_common/checks.ts";
import { invalidState } from "../_common/errors.ts";
import {
  type AsyncBarrierOptions,
  type BlockingWaitForOptions,
  type BlockingWaitOptions,
  checkBlocking,
  checkExpect,
  checkPhase,
  type JoinOptions,
  readBarrier,
  readBlockingWait,
  readHandle,
  readReset,
  readWait,
  readWatch,
  type ResetOptions,
  type WaitForOptions,
  type Waiting,
  type WaitOptions,
} from "../_common/options.ts";
import { dispose, mayBlock } from "../_common/platform.ts";
import { inspect } from "../_common/snapshot.ts";
import { ActionRunner } from "../_memory/action_runner.ts";
import { BarrierMemory, byteLengthFor, MAX_PARTIES, roomFor } from "../_memory/layout.ts";
import { SharedBarrier } from "../_memory/shared_barrier.ts";
import { SharedParty } from "../_memory/shared_party.ts";
import { MAX_PHASE } from "../_memory/state.ts";
import { atomicsParking } from "./atomics_parking.ts";
import { cannotNotice, type Life, NO_LIFE, type Watch } from "./liveness.ts";
import { locks } from "./locks.ts";
import { ports } from "./ports.ts";

/** Options for a new {@linkcode Barrier}. */
export interface BarrierOptions extends AsyncBarrierOptions {
  /**
   * The memory to put it in.
   *
   * @default {a new SharedArrayBuffer of Barrier.byteLength(parties) bytes}
   */
  buffer?: SharedArrayBuffer | undefined;
  /**
   * Where in the buffer it begins, in bytes: a multiple of 8.
   *
   * @default {0}
   */
  byteOffset?: number | undefined;
}

/** Options for {@linkcode Barrier.from}. */
export interface BarrierHandleOptions {
  /**
   * How long each wait of this handle waits unless it says otherwise, in ms.
   *
   * @default {the timeout of the barrier}
   */
  timeout?: number | undefined;
}

/** What finds a {@linkcode Barrier} in another thread: the barrier as it was posted, or the place. */
export interface BarrierHandle {
  /** The memory that holds it. */
  readonly buffer: SharedArrayBuffer;
  /** Where in `buffer` it begins, in bytes. */
  readonly byteOffset: number;
}

/** How the end of a worker is noticed here, if it can be. */
const liveness = ports ?? locks;

/** The barriers that this thread has found, one object for each memory: so all its waiters wake together. */
const found = new WeakMap<SharedArrayBuffer, Map<number, SharedBarrier>>();

/** The ids of the barriers that were made in this thread. */
const madeHere = new Set<string>();

/** Barriers that must not be collected, as somebody is expected there. */
const kept = new Set<Barrier>();

/** Lets the watches over workers end whose barriers nobody has any more. */
const forgotten = new FinalizationRegistry<() => void>((forget) => forget());

/**
 * A barrier for workers: N threads wait for each other in shared memory, phase after phase, blocking or not.
 *
 * Make it in one thread, post it to the others, and take it there by {@linkcode Barrier.from} or
 * {@linkcode Barrier.join}.
 *
 * **How a phase ends.** As with {@linkcode AsyncBarrier}: once, for all its parties alike. All that decides is one word
 * in memory. Writes made before an arrival are visible to all who pass, and so is what the action wrote.
 *
 * **Names.** A handle that joined has a name. When its worker ends without {@linkcode Barrier.arriveAndDrop} or the end
 * of its scope, the barrier breaks and names it. That is noticed while the event loop of the thread that made the
 * barrier turns (in Node and Bun, also that of the main thread). Handles without a name are counted, not named, and
 * nobody notices their end.
 *
 * **The action** runs in the thread that made the barrier, when its event loop turns. So that thread must not block on
 * the barrier: it uses {@linkcode Barrier.waitAsync}. For work by the last party in its own thread:
 * `if (barrier.wait() === 0) merge(); barrier.wait();`, with `barrier.abort()` where `merge` throws.
 *
 * **What a cancelled wait leaves behind.** No timer and no listener. With `onCancel: "withdraw"` its arrival is taken
 * back; with `"break"` the barrier is broken.
 *
 * @example Workers that meet
 * ```ts
 * import { Barrier } from "@rendezvous/barrier";
 * import { assertEquals } from "@std/assert";
 *
 * // The worker's code would have a file of its own.
 * const source = `
 *   import { Barrier } from ${JSON.stringify(import.meta.resolve("@rendezvous/barrier"))};
 *   self.onmessage = ({ data: { handle, cells, index } }) => {
 *     const barrier = Barrier.from(handle);
 *     cells[index] = index + 1;
 *     barrier.wait();
 *     self.postMessage(cells.reduce((a, b) => a + b));
 *   };
 * `;
 * const url = `data:text/javascript,${encodeURIComponent(source)}`;
 *
 * using barrier = new Barrier(2);
 * const cells = new Int32Array(new SharedArrayBuffer(8));
 * const sums = await Promise.all([0, 1].map((index) => {
 *   const worker = new Worker(url, { type: "module" });
 *   return new Promise<number>((resolve) => {
 *     worker.onmessage = ({ data }) => {
 *       worker.terminate();
 *       resolve(data);
 *     };
 *     worker.postMessage({ handle: barrier, cells, index });
 *   });
 * }));
 * assertEquals(sums, [3, 3]);
 * ```
 */
export class Barrier implements BarrierHandle, Disposable {
  /**
   * The most parties that a barrier in shared memory can have.
   *
   * @example Usage
   * ```ts
   * import { Barrier } from "@rendezvous/barrier";
   * import { assert } from "@std/assert";
   *
   * assert(Barrier.MAX_PARTIES >= 1_000);
   * ```
   */
  static readonly MAX_PARTIES: number = MAX_PARTIES;

  /**
   * How many bytes of memory a barrier takes.
   *
   * @example Two barriers in one memory
   * ```ts
   * import { Barrier } from "@rendezvous/barrier";
   *
   * const byteLength = Barrier.byteLength(4);
   * const buffer = new SharedArrayBuffer(2 * byteLength);
   * using first = new Barrier(4, { buffer });
   * using second = new Barrier(4, { buffer, byteOffset: byteLength });
   * ```
   *
   * @param parties For how many parties it is made. There is room for as many more, and at least for 8 in all.
   * @returns The number of bytes, a multiple of 64.
   * @throws {TypeError} If `parties` is no number.
   * @throws {RangeError} If `parties` is not an integer from 1 to {@linkcode Barrier.MAX_PARTIES}.
   */
  static byteLength(parties: number): number {
    checkInteger("tell the size of a barrier", "parties", parties, 1, MAX_PARTIES);
    return byteLengthFor(roomFor(parties));
  }

  /** The memory that holds it. */
  readonly buffer: SharedArrayBuffer;
  /** Where in `buffer` it begins, in bytes. */
  readonly byteOffset: number;

  #party: SharedParty;
  /** What it waits with unless it is told otherwise. */
  #plainWait: Waiting;
  /** Whether it is known that this thread may block on it. */
  #mayBlock = false;
  #isMaker: boolean;
  #life: Life = NO_LIFE;
  #watch: Watch | undefined;
  #runner: ActionRunner | undefined;

  /**
   * Creates a barrier. This handle stands for parties that have no name.
   *
   * @param parties How many arrivals complete a phase, an integer from 1 to {@linkcode Barrier.MAX_PARTIES}.
   * @param options Its action, a timeout in ms for every wait, and the memory to put it in.
   * @throws {TypeError} If an argument is of the wrong type, or there is no shared memory here.
   * @throws {RangeError} If `parties` is out of range, the timeout negative or NaN, or the memory too small or not
   *   aligned to 8 bytes.
   */
  constructor(parties: number, options?: BarrierOptions);
  // Private: for `from` and `join`. Nobody else has a SharedBarrier to pass.
  constructor(
    made: number | { place: BarrierHandle; barrier: SharedBarrier },
    options?: BarrierOptions,
  ) {
    if (typeof made === "object" && made?.barrier instanceof SharedBarrier) {
      this.buffer = made.place.buffer;
      this.byteOffset = made.place.byteOffset;
      this.#party = new SharedParty(made.barrier, undefined);
      this.#plainWait = readWait(undefined, made.barrier.memory.timeout);
      this.#isMaker = false;
      return;
    }
    const doing = "create a barrier";
    const { action, timeout } = readBarrier(doing, options);
    checkInteger(doing, "parties", made, 1, MAX_PARTIES);
    const room = roomFor(made);
    const { buffer, byteOffset } = readPlace(doing, byteLengthFor(room), options);
    const hasAction = action !== undefined;
    const memory = BarrierMemory.initialize(buffer, byteOffset, room, { hasAction, timeout });
    const barrier = new SharedBarrier(memory, atomicsParking(memory.words as SharedWords));
    barrier.initialize(made);
    remember(buffer, byteOffset, barrier);
    madeHere.add(memory.id);
    this.buffer = buffer;
    this.byteOffset = byteOffset;
    this.#party = new SharedParty(barrier, undefined);
    this.#plainWait = readWait(undefined, timeout);
    this.#isMaker = true;
    if (action !== undefined) this.#runner = new ActionRunner(barrier, action);
    this.#watch = liveness?.watch(barrier);
    if (action === undefined) forgotten.register(this, forgetting(memory.id, this.#watch), this);
  }

  /**
   * Takes a barrier that another thread made, as a handle without a name.
   *
   * @example Usage
   * ```ts
   * import { Barrier } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * using barrier = new Barrier(2);
   * const same = Barrier.from({ buffer: barrier.buffer, byteOffset: barrier.byteOffset });
   * barrier.arrive();
   * assertEquals(same.arrived, 1);
   * ```
   *
   * @param handle The barrier as it was posted, anything else with its `buffer` and `byteOffset`, or the memory if it
   *   begins there.
   * @param options A timeout in ms for its waits.
   * @returns A handle of the same barrier.
   * @throws {TypeError} If there is no barrier at that place, or an option is of the wrong type or belongs to the maker.
   * @throws {RangeError} If the timeout is negative or NaN.
   */
  static from(handle: BarrierHandle | SharedArrayBuffer, options?: BarrierHandleOptions): Barrier {
    const { timeout } = readHandle("take a barrier", options);
    checkAbsent("take a barrier", options, "name", "a handle with a name must join");
    return Barrier.#attach("take a barrier", handle, timeout);
  }

  /**
   * Joins a barrier as a party with a name, which then is named where it is missing or gone.
   *
   * The handle arrives once in a phase. When its worker ends before {@linkcode Barrier.arriveAndDrop}, the barrier breaks
   * with the reason `"lost"` and this name; if the handle is disposed before, with the reason `"aborted"`. It does not
   * wait for the maker. In Deno a worker that has joined stays alive until it leaves, closes or is terminated.
   *
   * @example Usage
   * ```ts
   * import { Barrier } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * using barrier = new Barrier(2);
   * // Each of these would stand in a worker of its own.
   * using resize = await Barrier.join(barrier, { name: "resize" });
   * using upload = await Barrier.join(barrier, { name: "upload" });
   * resize.arrive();
   * assertEquals(barrier.missing, ["upload"]);
   * upload.arrive();
   * resize.arriveAndDrop();
   * upload.arriveAndDrop();
   * ```
   *
   * @param handle As for {@linkcode Barrier.from}.
   * @param options Its name, and a timeout in ms for its waits.
   * @returns A handle of the same barrier.
   * @throws {TypeError} If there is no barrier at that place, an option is of the wrong type or belongs to the maker, or
   *   the end of this worker could not be noticed: before Node 20.19 and 22.5, and in Bun in a worker that was not started
   *   by node:worker_threads.
   * @throws {RangeError} If the name is not 1 to 64 bytes of UTF-8 or the timeout is negative or NaN.
   * @throws {DOMException} `InvalidStateError` if the name is in use, no seat is free, the barrier is over, the handle that
   *   made it was collected, or its thread is such a worker. That its thread has ended is not noticed: the maker must outlive the barrier.
   */
  static async join(
    handle: BarrierHandle | SharedArrayBuffer,
    options?: JoinOptions,
  ): Promise<Barrier> {
    const { name, timeout } = readHandle("join a barrier", options);
    const joined = Barrier.#attach("join a barrier", handle, timeout);
    const { barrier } = joined.#party;
    barrier.checkNotOver();
    const here = madeHere.has(barrier.memory.id);
    if (!here && liveness === undefined) throw cannotNotice();
    // Who joins in the thread that made the barrier ends with it: nobody need watch.
    const life = here ? NO_LIFE : await liveness!.begin(barrier);
    try {
      const seat = barrier.seats.join(name, life.life, life.announce);
      joined.#party = new SharedParty(barrier, seat);
      joined.#life = life;
      return joined;
    } catch (error) {
      life.release();
      throw error;
    }
  }

  static #attach(
    doing: string,
    handle: BarrierHandle | SharedArrayBuffer,
    timeout: number | undefined,
  ): Barrier {
    const place = placeOf(doing, handle);
    const barrier = find(place);
    if (barrier === undefined) throw new TypeError(`Cannot ${doing} as the memory must hold one`);
    const attached = new Barrier({ place, barrier } as never);
    if (timeout !== undefined) attached.#plainWait = readWait(undefined, timeout);
    return attached;
  }

  /**
   * Keeps a seat for a party of that name, and breaks the barrier with the reason `"lost"` if `ended` settles before that
   * party has joined: so a worker that fails at its start frees the others. Once it has joined, `ended` is ignored.
   *
   * Call it in the thread that made the barrier, before the worker gets it. A web worker has no exit event: pass a promise
   * that its `error` event settles.
   *
   * @example A worker that fails at its start
   * ```ts
   * import { Barrier, BrokenBarrierError } from "@rendezvous/barrier";
   * import { assertEquals, assertRejects } from "@std/assert";
   *
   * using barrier = new Barrier(2);
   * const worker = new Worker("data:text/javascript,throw new Error('oops')", { type: "module" });
   * barrier.expect("resize", new Promise((resolve) => {
   *   worker.onerror = (event) => {
   *     event.preventDefault();
   *     resolve(event.message);
   *   };
   * }));
   * const error = await assertRejects(() => barrier.waitAsync(), BrokenBarrierError);
   * assertEquals([error.reason, error.party], ["lost", "resize"]);
   * ```
   *
   * @param name The name by which the party will join.
   * @param ended A promise that settles when the party has ended. A rejection becomes the `cause`.
   * @throws {TypeError} If `name` is no string or `ended` no promise.
   * @throws {RangeError} If the name is not 1 to 64 bytes of UTF-8.
   * @throws {DOMException} `InvalidStateError` if this handle did not make the barrier, the name is in use, no seat is
   *   free, or the barrier is over.
   */
  expect(name: string, ended: PromiseLike<unknown>): void {
    checkExpect(name, ended);
    const { barrier } = this.#party;
    if (!this.#isMaker) throw invalidState("Only the handle that made a barrier expects parties");
    barrier.checkNotOver();
    const seat = barrier.seats.expect(name);
    kept.add(this);
    const lose = (cause?: unknown) => {
      kept.delete(this);
      const note = `${JSON.stringify(name)} ended before it joined`;
      barrier.lose(seat, "lost", { cause, note }, true);
    };
    ended.then(() => lose(), lose);
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
   * @param options Timeout in ms, and what a timeout does to the others.
   * @returns How many parties were still to come when this one arrived: `parties - 1` for the first, `0` for the last.
   *   The numbers of a phase are a permutation, unless a party withdrew or was registered meanwhile.
   * @throws {TypeError} If an option is of the wrong type, a signal is given, or this thread may not block: that of a page.
   *   Nothing has arrived then.
   * @throws {RangeError} If the timeout is negative or NaN, or the barrier has no phases left.
   * @throws {BrokenBarrierError} If the barrier is broken, or breaks while this party waits.
   * @throws {DOMException} `TimeoutError` if the timeout passes first. `InvalidStateError` if this party has arrived in
   *   this phase already, has dropped or was disposed, no party is left, the phase is full behind the action of the
   *   one before, the barrier is over, or this thread runs its action: nothing has arrived then.
   */
  wait(options?: BlockingWaitOptions): number {
    const waiting = options === undefined
      ? this.#plainWait
      : readBlockingWait(options, this.#plainWait.timeout);
    if (!this.#mayBlock) this.#checkMayBlock();
    return this.#party.waitSync(waiting);
  }

  /**
   * Arrives, and waits without blocking the thread until all parties have arrived.
   *
   * @example Usage
   * ```ts
   * import { Barrier } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * const barrier = new Barrier(2);
   * const waiting = barrier.waitAsync();
   * barrier.arrive();
   * assertEquals(await waiting, 1);
   * ```
   *
   * @param options Timeout in ms, signal, and what a cancellation does to the others.
   * @returns As {@linkcode Barrier.wait}.
   * @throws {TypeError} If an option is of the wrong type. Nothing has arrived then.
   * @throws {RangeError} If the timeout is negative or NaN, or the barrier has no phases left.
   * @throws {BrokenBarrierError} If the barrier is broken, or breaks while this party waits.
   * @throws {DOMException} `TimeoutError` if the timeout passes first. `InvalidStateError` as {@linkcode Barrier.wait}, but
   *   for the action.
   * @throws The signal's reason if it aborts first.
   */
  async waitAsync(options?: WaitOptions): Promise<number> {
    return await this.#party.wait(readWait(options, this.#plainWait.timeout));
  }

  /**
   * Arrives without waiting, for a party that the others need but which need not wait for them.
   *
   * @example Usage
   * ```ts
   * import { Barrier } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * const barrier = new Barrier(2);
   * assertEquals(barrier.arrive(), 0);
   * assertEquals(barrier.arrived, 1);
   * ```
   *
   * @returns The phase that it arrived in.
   * @throws {RangeError} If the barrier has no phases left.
   * @throws {BrokenBarrierError} If the barrier is broken.
   * @throws {DOMException} `InvalidStateError` as {@linkcode Barrier.waitAsync}.
   */
  arrive(): number {
    return this.#party.arrive();
  }

  /**
   * Arrives for the last time: the phase need not wait for this party, and later phases do without it.
   *
   * @example Usage
   * ```ts
   * import { Barrier } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * const barrier = new Barrier(2);
   * barrier.arriveAndDrop();
   * assertEquals(barrier.parties, 1);
   * ```
   *
   * @returns The phase that it arrived in.
   * @throws {RangeError} If the barrier has no phases left.
   * @throws {BrokenBarrierError} If the barrier is broken. The party has not dropped then.
   * @throws {DOMException} `InvalidStateError` as {@linkcode Barrier.waitAsync}.
   */
  arriveAndDrop(): number {
    const phase = this.#party.arriveAndDrop();
    if (this.#party.left) this.#life.release();
    return phase;
  }

  /**
   * Blocks the thread until a phase has ended, without being a party: it never counts as an arrival, and its own timeout
   * breaks nothing.
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
   * @param phase The phase to wait for, from 0.
   * @param options Timeout in ms.
   * @throws {TypeError} If `phase` or an option is of the wrong type, a signal is given, or this thread may not block.
   * @throws {RangeError} If `phase` or the timeout is out of range, or nobody knows any more how that phase ended.
   * @throws {BrokenBarrierError} If that phase broke, or the barrier breaks before that phase has ended.
   * @throws {DOMException} `TimeoutError` if the timeout passes first. `InvalidStateError` if this thread runs the action.
   */
  waitFor(phase: number, options?: BlockingWaitForOptions): void {
    checkPhase("wait for a phase", phase, MAX_PHASE);
    checkBlocking("wait for a phase", options);
    const { timeout } = readWatch("wait for a phase", options);
    this.#checkMayBlock();
    this.#party.waitForSync(phase, timeout);
  }

  /**
   * Waits until a phase has ended, without being a party and without blocking the thread. At a broken barrier a later
   * phase rejects at once: whoever follows phase after phase awaits {@linkcode Barrier.readyAsync} after an error.
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
   * @param phase The phase to wait for, from 0.
   * @param options Timeout in ms, and signal.
   * @throws {TypeError} If `phase` or an option is of the wrong type.
   * @throws {RangeError} If `phase` or the timeout is out of range, or nobody knows any more how that phase ended.
   * @throws {BrokenBarrierError} If that phase broke, or the barrier breaks before that phase has ended.
   * @throws {DOMException} `TimeoutError` if the timeout passes first.
   * @throws The signal's reason if it aborts first.
   */
  async waitForAsync(phase: number, options?: WaitForOptions): Promise<void> {
    checkPhase("wait for a phase", phase, MAX_PHASE);
    await this.#party.waitFor(phase, readWatch("wait for a phase", options));
  }

  /**
   * Blocks the thread until the barrier can be used: at once unless it is broken, else until somebody resets it.
   *
   * @example Usage
   * ```ts
   * import { Barrier } from "@rendezvous/barrier";
   *
   * const barrier = new Barrier(2);
   * barrier.ready();
   * ```
   *
   * @param options Timeout in ms.
   * @throws {TypeError} If an option is of the wrong type, a signal is given, or this thread may not block.
   * @throws {RangeError} If the timeout is negative or NaN.
   * @throws {DOMException} `TimeoutError` if the timeout passes first. `InvalidStateError` if the barrier is over, the
   *   handle was disposed, or this thread runs the action.
   */
  ready(options?: BlockingWaitForOptions): void {
    checkBlocking("wait for a barrier", options);
    const { timeout } = readWatch("wait for a barrier", options);
    this.#checkMayBlock();
    this.#party.readySync(timeout);
  }

  /**
   * Waits without blocking until the barrier can be used.
   *
   * @example Usage
   * ```ts
   * import { Barrier } from "@rendezvous/barrier";
   *
   * const barrier = new Barrier(2);
   * barrier.abort();
   * const ready = barrier.readyAsync();
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
  async readyAsync(options?: WaitForOptions): Promise<void> {
    await this.#party.ready(readWatch("wait for a barrier", options));
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
   * @returns The first phase in which they can arrive.
   * @throws {TypeError} If `count` is no number.
   * @throws {RangeError} If `count` is not an integer of at least 1, or there is no room for so many: see
   *   {@linkcode Barrier.byteLength}.
   * @throws {DOMException} `InvalidStateError` if the barrier is over or the handle was disposed.
   */
  register(count: number = 1): number {
    checkInteger("register parties", "count", count, 1);
    return this.#party.register(count);
  }

  /**
   * Breaks the barrier: every party that waits gets a {@linkcode BrokenBarrierError} with the reason `"aborted"`, and so
   * does every later arrival, until {@linkcode Barrier.reset}. It does nothing to a barrier that is broken, nor to
   * phases that have passed. By a handle that was disposed it does nothing.
   *
   * @example Usage
   * ```ts
   * import { Barrier } from "@rendezvous/barrier";
   * import { assert } from "@std/assert";
   *
   * const barrier = new Barrier(2);
   * barrier.abort("the disk is full");
   * assert(barrier.broken);
   * ```
   *
   * @param reason Becomes the errors' `cause`. Its text, of which 1,000 characters cross, does so in other threads.
   */
  abort(reason?: unknown): void {
    this.#party.abort(reason);
  }

  /**
   * Makes a broken barrier usable again, in its next phase. At a barrier that is not broken, parties that wait get a
   * {@linkcode BrokenBarrierError} with the reason `"reset"`.
   *
   * With the phase of an error it mends that break only: two parties that both mend it do not undo each other.
   *
   * @example Usage
   * ```ts
   * import { Barrier, BrokenBarrierError } from "@rendezvous/barrier";
   * import { assertEquals } from "@std/assert";
   *
   * const barrier = new Barrier(1);
   * barrier.abort();
   * try {
   *   barrier.wait();
   * } catch (error) {
   *   if (!(error instanceof BrokenBarrierError)) throw error;
   *   barrier.reset(error.phase);
   * }
   * assertEquals(barrier.wait(), 0);
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
    return this.#party.reset(phase, readReset(phase, options));
  }

  /** How many parties must arrive to complete a phase. A snapshot. */
  get parties(): number {
    return this.#party.snapshot.parties;
  }

  /**
   * How many parties have arrived in the open phase: all of them while the action runs. While the barrier is broken,
   * how many had when it broke. A snapshot.
   */
  get arrived(): number {
    return this.#party.snapshot.arrived;
  }

  /** The lowest phase that has not ended, from 0. A broken phase ends when the barrier is reset. A snapshot. */
  get phase(): number {
    return this.#party.snapshot.phase;
  }

  /** Whether the barrier is broken, and so refuses arrivals. A snapshot. */
  get broken(): boolean {
    return this.#party.snapshot.broken;
  }

  /**
   * The names of the parties that have not arrived in the open phase; while the barrier is broken, that had not when it
   * broke. Parties without a name are not listed. A snapshot.
   */
  get missing(): readonly string[] {
    return this.#party.snapshot.missing;
  }

  /**
   * The end of a `using` scope. The handle that made the barrier ends it for good: parties that wait get a
   * {@linkcode BrokenBarrierError} with the reason `"aborted"`. Any other handle breaks it, unless it has a name and has
   * dropped. Doing it twice does no more.
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
  [dispose](): void {
    const { barrier } = this.#party;
    if (this.#isMaker) {
      barrier.end("aborted", "the barrier was disposed");
      this.#runner?.close();
      this.#watch?.close();
      forgotten.unregister(this);
      kept.delete(this);
      madeHere.delete(barrier.memory.id);
    }
    this.#party.close();
    this.#life.release();
  }

  /**
   * How `console.log` shows it, in Deno as in Node.
   *
   * @returns Its class, arrivals and phase, or why it is broken.
   */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return inspect("Barrier", this.#party.snapshot);
  }

  #checkMayBlock(): void {
    if (!mayBlock()) {
      throw new TypeError("Cannot block this thread as its platform forbids it: use waitAsync()");
    }
    const { memory } = this.#party.barrier;
    if (memory.hasAction && madeHere.has(memory.id)) {
      throw invalidState(
        "This thread runs the action of the barrier and must not block: use waitAsync()",
      );
    }
    this.#mayBlock = true;
  }
}

type SharedWords = Int32Array<SharedArrayBuffer>;

/** Lets go of what is kept of a barrier whose maker's handle was collected. */
function forgetting(id: string, watch: Watch | undefined): () => void {
  return () => {
    madeHere.delete(id);
    watch?.forget();
  };
}

/** Reads where a new barrier is to be put. */
function readPlace(doing: string, byteLength: number, options: BarrierOptions | undefined) {
  if (typeof SharedArrayBuffer === "undefined") throw noSharedMemory(doing);
  const { buffer = new SharedArrayBuffer(byteLength), byteOffset = 0 } = options ?? {};
  if (!(buffer instanceof SharedArrayBuffer)) {
    throw new TypeError(cannot(doing, "buffer must be a SharedArrayBuffer", show(buffer)));
  }
  checkOffset(doing, byteOffset);
  const space = buffer.byteLength - byteOffset;
  if (space < byteLength) {
    const rule = `the memory from byteOffset on must be ${byteLength} bytes or more`;
    throw new RangeError(cannot(doing, rule, space));
  }
  return { buffer, byteOffset };
}

function checkOffset(doing: string, byteOffset: unknown): asserts byteOffset is number {
  checkInteger(doing, "byteOffset", byteOffset, 0);
  if (byteOffset % BigInt64Array.BYTES_PER_ELEMENT !== 0) {
    throw new RangeError(cannot(doing, "byteOffset must be a multiple of 8", byteOffset));
  }
}

function noSharedMemory(doing: string): TypeError {
  return new TypeError(
    `Cannot ${doing} as SharedArrayBuffer must be defined: a page must be served with the headers ` +
      "Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp",
  );
}

/** Reads what a thread was given to find a barrier. */
function placeOf(doing: string, handle: unknown): BarrierHandle {
  if (typeof SharedArrayBuffer === "undefined") throw noSharedMemory(doing);
  if (handle instanceof SharedArrayBuffer) return { buffer: handle, byteOffset: 0 };
  const { buffer, byteOffset } = Object(handle) as { buffer?: unknown; byteOffset?: unknown };
  if (!(buffer instanceof SharedArrayBuffer)) {
    const rule = "it must be given as it was posted, with a buffer that is a SharedArrayBuffer";
    throw new TypeError(cannot(doing, rule, show(handle)));
  }
  const offset = byteOffset ?? 0;
  checkOffset(doing, offset);
  return { buffer, byteOffset: offset };
}

function remember(buffer: SharedArrayBuffer, byteOffset: number, barrier: SharedBarrier): void {
  const places = found.get(buffer) ?? new Map<number, SharedBarrier>();
  places.set(byteOffset, barrier);
  found.set(buffer, places);
}

function find({ buffer, byteOffset }: BarrierHandle): SharedBarrier | undefined {
  const memory = BarrierMemory.find(buffer, byteOffset);
  if (memory === undefined) return undefined;
  const known = found.get(buffer)?.get(byteOffset);
  // The memory may have been made another barrier since.
  if (known?.memory.id === memory.id) return known;
  const barrier = new SharedBarrier(memory, atomicsParking(memory.words as SharedWords));
  remember(buffer, byteOffset, barrier);
  return barrier;
}
