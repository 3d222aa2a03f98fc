// Copyright 2026 the Rendezvous authors. MIT license.

import { type Cancellation, MAX_DELAY } from "../_common/cancellation.ts";
import { settleOnce } from "../_common/settlement.ts";
import { HAS_SLEEPERS, WAKE_COUNT } from "./layout.ts";
import type { Parking } from "./parking.ts";

/** Somebody in this thread who waits without blocking it. */
export interface Waiter {
  /** Who waits for an earlier phase goes on first. */
  readonly phase: number;
  /** Looks at the barrier, and ends the wait if it is over: then it returns `true`. */
  check(): boolean;
  /** Ends the wait without an outcome: the memory is about to be given back. */
  cancel(): void;
}

/** A wait that does not block its thread. */
export interface Wait<T> {
  /** Who waits for an earlier phase goes on first. */
  readonly phase: number;
  /** In ms. */
  readonly timeout: number;
  readonly signal: AbortSignal | undefined;
  /** How it ends when the memory is about to be given back. */
  readonly closed: T;
  /** Looks at the barrier, and tells how the wait ended; nothing while it has not. */
  look(): T | undefined;
  /** Takes the wait back, and tells how it ended so; nothing if it has ended meanwhile. */
  revoke(why: Cancellation): T | undefined;
}

/**
 * Those who sleep until a barrier changes: the thread itself, or waiters in it.
 *
 * Sleepers sleep on WAKE_COUNT, which only wakers change, so arrivals wake nobody. A wake-up cannot be missed: a
 * sleeper reads WAKE_COUNT, then sets HAS_SLEEPERS, then looks at the state, then sleeps if WAKE_COUNT is the same. A
 * waker clears HAS_SLEEPERS before it increments WAKE_COUNT. So if a sleeper's flag is overwritten, the count has
 * already changed and its sleep returns at once.
 */
export class Waiters {
  readonly #words: Int32Array;
  /** Nothing where nobody else has the memory: then nobody else need be woken, or wakes. */
  readonly #parking: Parking | undefined;
  readonly #waiters = new Set<Waiter>();
  readonly #listeners = new Set<() => void>();
  #sleeping: Promise<void> | undefined;
  #ended = false;
  #keepAlive: ReturnType<typeof setInterval> | undefined;

  constructor(words: Int32Array, parking: Parking | undefined) {
    this.#words = words;
    this.#parking = parking;
  }

  /** Adds a waiter that has to be checked whenever the barrier changes, and returns what removes it. */
  add(waiter: Waiter): () => void {
    if (this.#ended) {
      waiter.cancel();
      return () => {};
    }
    this.#waiters.add(waiter);
    // A pending `Atomics.waitAsync` does not keep every event loop alive. A timer does.
    if (!this.#parking?.keepsAlive) this.#keepAlive ??= setInterval(() => {}, MAX_DELAY);
    this.#sleep();
    return () => this.#remove(waiter);
  }

  #remove(waiter: Waiter): void {
    if (!this.#waiters.delete(waiter)) return;
    this.#letGo();
    // Ends the sleep, which nobody needs any more. Other sleepers look again, and sleep on.
    if (!this.#needed && this.#sleeping !== undefined) this.#wakeSleepers();
  }

  /** Calls `listener` whenever the barrier changes, until the function that is returned is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    this.#sleep();
    return () => {
      this.#listeners.delete(listener);
      if (!this.#needed && this.#sleeping !== undefined) this.#wakeSleepers();
    };
  }

  /** Blocks this thread until `look` finds something, for `timeout` ms at most. */
  blockUntil<T>(look: () => T | undefined, timeout: number): T | undefined {
    const deadline = timeout === Infinity ? Infinity : performance.now() + timeout;
    for (;;) {
      const count = this.#prepareToSleep();
      const found = look();
      if (found !== undefined) return found;
      const left = deadline === Infinity ? Infinity : deadline - performance.now();
      if (left <= 0) return undefined;
      this.#parking?.wait(WAKE_COUNT, count, left);
      // Most wake-ups end the wait: whoever goes on sets no flag for a sleep that does not come.
      const woken = look();
      if (woken !== undefined) return woken;
    }
  }

  /** Waits without blocking until `look` finds something, or until `revoke` takes the wait back. */
  until<T>({ phase, timeout, signal, closed, look, revoke }: Wait<T>): Promise<T> {
    let revoking = false;
    return settleOnce<T>(timeout, signal, (end) => {
      const check = () => {
        // What this wait breaks is told to all others: its own end is its cancellation.
        if (revoking) return false;
        const found = look();
        if (found !== undefined) end(found);
        return found !== undefined;
      };
      return check() ? () => {} : this.add({ phase, check, cancel: () => end(closed) });
    }, (why) => {
      revoking = true;
      const revoked = revoke(why);
      revoking = false;
      // It has ended, and nobody here has been told yet.
      if (revoked === undefined) this.check();
      return revoked;
    });
  }

  /** Wakes all who sleep, and checks the waiters here. */
  wake(): void {
    if (Atomics.load(this.#words, HAS_SLEEPERS) !== 0) this.#wakeSleepers();
    if (this.#waiters.size > 0 || this.#listeners.size > 0) this.check();
  }

  /** As `wake`, whatever is known of sleepers: somebody may have died before it woke them. */
  wakeAll(): void {
    this.#wakeSleepers();
    this.check();
  }

  /** Checks the waiters here. */
  check(): void {
    const inOrder = [...this.#waiters].sort((a, b) => a.phase - b.phase);
    for (const waiter of inOrder) {
      if (this.#waiters.has(waiter) && waiter.check()) this.#waiters.delete(waiter);
    }
    this.#letGo();
    for (const listener of this.#listeners) listener();
  }

  /**
   * Cancels all waits and sleeps no more, as the memory is about to be given back. Resolves when nobody here sleeps
   * there.
   */
  async end(): Promise<void> {
    this.#ended = true;
    for (const waiter of this.#waiters) waiter.cancel();
    this.#waiters.clear();
    this.#letGo();
    if (this.#sleeping !== undefined) this.#wakeSleepers();
    await this.#sleeping;
  }

  get #needed(): boolean {
    return !this.#ended && (this.#waiters.size > 0 || this.#listeners.size > 0);
  }

  #letGo(): void {
    if (this.#waiters.size > 0) return;
    clearInterval(this.#keepAlive);
    this.#keepAlive = undefined;
  }

  /** Sees to it that this thread is woken by others. */
  #sleep(): void {
    if (this.#parking !== undefined) this.#sleeping ??= this.#sleepLoop(this.#parking);
  }

  async #sleepLoop(parking: Parking): Promise<void> {
    // Many a phase ends before this thread has done what it is at.
    await null;
    while (this.#needed) {
      const count = this.#prepareToSleep();
      this.check();
      if (!this.#needed) break;
      await parking.waitAsync(WAKE_COUNT, count);
    }
    this.#sleeping = undefined;
  }

  /** To be called before the last look: what that look does not show ends the sleep that follows. */
  #prepareToSleep(): number {
    const count = Atomics.load(this.#words, WAKE_COUNT);
    Atomics.store(this.#words, HAS_SLEEPERS, 1);
    return count;
  }

  #wakeSleepers(): void {
    Atomics.store(this.#words, HAS_SLEEPERS, 0);
    Atomics.add(this.#words, WAKE_COUNT, 1);
    this.#parking?.notify(WAKE_COUNT);
  }
}
