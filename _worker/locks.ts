// Copyright 2026 the Rendezvous authors. MIT license.

import { nodeProcess } from "../_common/platform.ts";
import { withResolvers } from "../_common/settlement.ts";
import { JOINS, LIVES } from "../_memory/layout.ts";
import type { SharedBarrier } from "../_memory/shared_barrier.ts";
import {
  announce,
  endLife,
  type Life,
  type Liveness,
  newLife,
  stopWatching,
  type Watch,
} from "./liveness.ts";

/*
 * Lives as Web Locks: in Deno and browsers. The worker holds a lock, which is freed when it ends. The maker asks for the
 * same lock and waits in line for it. It asks for locks that are held only: it never gets one before its worker does.
 *
 * All pages of an origin share the names of locks: they carry the random id of the barrier.
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

/** Those of Node do not cross threads, and are not freed when a worker ends. */
const webLocks: Locks | undefined = nodeProcess() === undefined
  ? (globalThis.navigator as { locks?: Locks } | undefined)?.locks
  : undefined;

/** Lives as Web Locks, where those can tell. */
export const locks: Liveness | undefined = webLocks !== undefined && "waitAsync" in Atomics
  ? { begin, watch: (barrier) => new LockWatch(barrier) }
  : undefined;

async function begin(barrier: SharedBarrier): Promise<Life> {
  const { words, id } = barrier.memory;
  const life = newLife(barrier);
  const release = await hold(lockName(id, life));
  try {
    announce(barrier);
  } catch (error) {
    release();
    throw error;
  }
  Atomics.notify(words, JOINS);
  return { life, release };
}

/** Takes a lock, and returns the function that frees it. */
async function hold(name: string): Promise<() => void> {
  const held = withResolvers<void>();
  const freed = withResolvers<void>();
  webLocks!.request(name, {}, () => {
    held.resolve();
    return freed.promise;
  }).catch(held.reject);
  await held.promise;
  return freed.resolve;
}

function lockName(id: string, life: number): string {
  return `@rendezvous/barrier ${id} ${life}`;
}

class LockWatch implements Watch {
  readonly #barrier: SharedBarrier;
  readonly #stop = new AbortController();
  /** The lives that have begun, and are not known to be over. */
  readonly #unwatched = new Set<number>();
  readonly #watched = new Set<number>();
  #lives = 0;
  #forgotten = false;

  constructor(barrier: SharedBarrier) {
    this.#barrier = barrier;
    this.#watch();
  }

  async #watch(): Promise<void> {
    const { words } = this.#barrier.memory;
    while (!this.#stop.signal.aborted) {
      const joins = Atomics.load(words, JOINS);
      if (await this.#watchNew()) continue;
      const idle = this.#forgotten && this.#watched.size === 0;
      if (idle && stopWatching(this.#barrier, joins)) return;
      await Atomics.waitAsync(words, JOINS, joins).value;
    }
  }

  /** Asks for the locks of those who have begun a life and hold its lock. Returns whether it has to look again at once. */
  async #watchNew(): Promise<boolean> {
    const { words, id } = this.#barrier.memory;
    for (const lives = Atomics.load(words, LIVES); this.#lives < lives;) {
      this.#unwatched.add(++this.#lives);
    }
    if (this.#unwatched.size === 0) return false;
    // First the seats: a seat is taken when its lock is held, so one whose lock is not held any more is a dead one's.
    const seated = new Set(this.#barrier.seats.joined().map(({ life }) => life));
    const { held = [] } = await webLocks!.query();
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
      webLocks!.request(name, { signal }, () => this.#end(life)).catch(() => {});
    }
    // Who announced itself before, and took a seat and ended while the locks were listed, wakes this watch no more.
    return this.#barrier.seats.joined().some(({ life }) => this.#unwatched.has(life));
  }

  #end(life: number): void {
    this.#unwatched.delete(life);
    this.#watched.delete(life);
    endLife(this.#barrier, life);
    if (this.#forgotten) this.#wake();
  }

  #wake(): void {
    Atomics.notify(this.#barrier.memory.words, JOINS);
  }

  forget(): void {
    this.#forgotten = true;
    this.#wake();
  }

  close(): void {
    this.#stop.abort();
    Atomics.or(this.#barrier.memory.words, JOINS, 1);
    this.#wake();
  }
}
