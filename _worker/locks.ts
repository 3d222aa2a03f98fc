// Copyright 2026 the Rendezvous authors. MIT license.

import { nodeProcess, withResolvers } from "../_common/platform.ts";
import { LIVES } from "../_memory/layout.ts";
import type { SharedBarrier } from "../_memory/shared_barrier.ts";
import { announce, type Life, type Liveness, type Lives, Watch } from "./liveness.ts";

/*
 * Lives as Web Locks: in Deno and browsers. The worker holds a lock, which is freed when it ends. The maker asks for the
 * same lock and waits in line for it. It asks for locks that are held only: it never gets one before its worker does.
 *
 * All pages of an origin share the names of locks: they carry the random id of the barrier.
 */

/** What is used of Web Locks. The types of some platforms lack them. */
interface LockManager {
  request(
    name: string,
    options: { signal?: AbortSignal },
    granted: () => unknown,
  ): Promise<unknown>;
  query(): Promise<{ held?: { name?: string }[] }>;
}

/** Those of Node do not cross threads, and are not freed when a worker ends. */
const webLocks: LockManager | undefined = nodeProcess() === undefined
  ? (globalThis.navigator as { locks?: LockManager } | undefined)?.locks
  : undefined;

/** Lives as Web Locks, where those can tell. */
export const locks: Liveness | undefined = webLocks !== undefined && "waitAsync" in Atomics
  ? { begin, watch: (barrier) => new Watch(barrier, (ended) => new Locks(barrier, ended)) }
  : undefined;

async function begin(barrier: SharedBarrier): Promise<Life> {
  const { words, id } = barrier.memory;
  const life = Atomics.add(words, LIVES, 1) + 1;
  const release = await hold(lockName(id, life));
  return { life, announce: () => announce(barrier), release };
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

class Locks implements Lives {
  readonly #barrier: SharedBarrier;
  readonly #ended: (life: number) => void;
  readonly #stop = new AbortController();
  /** The lives that have begun, and are not known to be over. */
  readonly #unwatched = new Set<number>();
  readonly #watched = new Set<number>();
  #lives = 0;

  constructor(barrier: SharedBarrier, ended: (life: number) => void) {
    this.#barrier = barrier;
    this.#ended = ended;
  }

  get size(): number {
    return this.#watched.size;
  }

  /** Asks for the locks of those who have begun a life and hold its lock. */
  async look(): Promise<boolean> {
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
    this.#ended(life);
  }

  close(): void {
    this.#stop.abort();
  }
}
