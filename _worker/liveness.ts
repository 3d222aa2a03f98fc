// Copyright 2026 the Rendezvous authors. MIT license.

import { invalidState } from "../_common/errors.ts";
import { withResolvers } from "../_common/settlement.ts";
import { JOINS, LIVES } from "../_memory/layout.ts";
import type { Seat } from "../_memory/seats.ts";
import type { SharedBarrier } from "../_memory/shared_barrier.ts";

/*
 * How the maker of a barrier learns that a worker has ended which joined it. The worker holds a Web Lock, which is freed
 * when it ends, however. The maker asks for the same lock and waits in line for it.
 *
 * Joining takes three steps: take a lock of a new number, announce that by JOINS, take a seat with that number. So a
 * worker that dies before the announcement has no seat, and one that dies after it is watched. The maker asks for
 * locks that are held only: it never gets one before its worker does.
 *
 * JOINS is odd once nobody watches: whoever announces itself then is refused.
 */

/** What is used of Web Locks. The types of some platforms lack them. */
interface Locks {
  request(
    name: string,
    options: { signal?: AbortSignal },
    granted: () => unknown,
  ): Promise<unknown>;
  query(): Promise<{ held?: { name?: string }[] }>;
}

/** Web Locks where they cross workers and are freed when a worker ends: not in Node and Bun. */
const locks: Locks | undefined = "Deno" in globalThis || !("process" in globalThis)
  ? (globalThis.navigator as { locks?: Locks } | undefined)?.locks
  : undefined;

/** Whether the end of a worker can be noticed here. */
export const noticesEnds: boolean = locks !== undefined && "waitAsync" in Atomics;

/** The life of a party that joins from a worker. */
export interface Life {
  readonly life: number;
  /** Lets the maker know no more when the worker ends. */
  release(): void;
}

/** No life: that of a party in the thread of the maker, which ends with that. */
export const NO_LIFE: Life = { life: 0, release: () => {} };

/** Begins the life of a party in this thread, and announces it. */
export async function beginLife({ memory: { words, id } }: SharedBarrier): Promise<Life> {
  const life = Atomics.add(words, LIVES, 1) + 1;
  const release = await holdLock(lockName(id, life));
  if (Atomics.add(words, JOINS, 2) & 1) {
    release();
    throw invalidState("Nobody watches this barrier: the handle that made it is gone");
  }
  Atomics.notify(words, JOINS);
  return { life, release };
}

/** Takes a lock, and returns the function that frees it. */
async function holdLock(name: string): Promise<() => void> {
  const held = withResolvers<void>();
  const freed = withResolvers<void>();
  locks!.request(name, {}, () => {
    held.resolve();
    return freed.promise;
  }).catch(held.reject);
  await held.promise;
  return freed.resolve;
}

function lockName(id: string, life: number): string {
  return `@rendezvous/barrier ${id} ${life}`;
}

/** The maker's watch over the workers that join a barrier. It keeps no event loop alive before somebody joins. */
export class Watch {
  readonly #barrier: SharedBarrier;
  readonly #stop = new AbortController();
  /** The lives that have begun, and are not known to be over. */
  readonly #unwatched = new Set<number>();
  readonly #watched = new Set<number>();
  #lives = 0;
  /** Whether the handle of the maker is gone: then the watch ends with the last party. */
  #forgotten = false;

  constructor(barrier: SharedBarrier) {
    this.#barrier = barrier;
    this.#watch();
  }

  async #watch(): Promise<void> {
    const { words } = this.#barrier.memory;
    while (!this.#stop.signal.aborted) {
      const joins = Atomics.load(words, JOINS);
      await this.#watchNew();
      if (this.#closeIfIdle(joins)) return;
      await Atomics.waitAsync(words, JOINS, joins).value;
    }
  }

  /** Asks for the locks of those who have begun a life and hold its lock. */
  async #watchNew(): Promise<void> {
    const { words, id } = this.#barrier.memory;
    for (const lives = Atomics.load(words, LIVES); this.#lives < lives;) {
      this.#unwatched.add(++this.#lives);
    }
    if (this.#unwatched.size === 0) return;
    // First the seats: a seat is taken when its lock is held, so one whose lock is not held any more is a dead one's.
    const seated = new Set(this.#barrier.seats.joined().map(({ life }) => life));
    const { held = [] } = await locks!.query();
    const names = new Set(held.map(({ name }) => name));
    for (const life of this.#unwatched) {
      const name = lockName(id, life);
      if (!names.has(name)) {
        if (seated.has(life)) this.#end(life);
        continue;
      }
      this.#unwatched.delete(life);
      this.#watched.add(life);
      const { signal } = this.#stop;
      locks!.request(name, { signal }, () => this.#end(life)).catch(() => {});
    }
  }

  #seatOf(life: number): Seat | undefined {
    return this.#barrier.seats.joined().find((seat) => seat.life === life);
  }

  /** The worker of a life has ended, or has left. */
  #end(life: number): void {
    this.#unwatched.delete(life);
    this.#watched.delete(life);
    const seat = this.#seatOf(life);
    if (seat !== undefined) this.#barrier.lose(seat, "lost", {});
    if (this.#forgotten) this.#wake();
  }

  #wake(): void {
    Atomics.notify(this.#barrier.memory.words, JOINS);
  }

  /** Ends the watch where nobody is watched, and nobody can ask for it any more. */
  #closeIfIdle(joins: number): boolean {
    if (!this.#forgotten || this.#watched.size > 0) return false;
    return Atomics.compareExchange(this.#barrier.memory.words, JOINS, joins, joins | 1) === joins;
  }

  /** The handle of the maker is gone. The watch goes on until the last of those who joined is. */
  forget(): void {
    this.#forgotten = true;
    this.#wake();
  }

  /** Ends the watch. */
  close(): void {
    this.#stop.abort();
    Atomics.or(this.#barrier.memory.words, JOINS, 1);
    this.#wake();
  }
}
