// Copyright 2026 the Rendezvous authors. MIT license.

import { invalidState } from "../_common/errors.ts";
import { JOINS } from "../_memory/layout.ts";
import type { SharedBarrier } from "../_memory/shared_barrier.ts";

/*
 * How the maker of a barrier learns that a worker has ended which joined it. There are two ways, each with what frees
 * itself when a worker ends, however: a Web Lock (locks.ts), and a MessagePort (ports.ts) where Web Locks do not cross
 * workers, in Node and Bun.
 *
 * A worker announces its life by JOINS before it takes a seat, so the maker watches it in time (I9). JOINS is odd once
 * nobody watches: whoever announces a life then is refused.
 */

/** One of the two ways. */
export interface Liveness {
  /** Begins the life of a party in this thread. */
  begin(barrier: SharedBarrier): Promise<Life>;
  /** Watches the lives, in the thread that made the barrier. Nothing if that thread cannot. */
  watch(barrier: SharedBarrier): Watch | undefined;
}

/** The life of a party that joins from a worker. */
export interface Life {
  /** By which the watch knows the party. */
  readonly life: number;
  /** To be called before the seat is taken, when its record says which life it is. */
  announce(): void;
  /** To be called when the party has left: the end of its worker means nothing any more. */
  release(): void;
}

/** No life: that of a party in the thread of the maker, which ends with that. */
export const NO_LIFE: Life = { life: 0, announce: () => {}, release: () => {} };

/** Announces a life. */
export function announce({ memory: { words } }: SharedBarrier): void {
  if (Atomics.add(words, JOINS, 2) & 1) {
    throw invalidState(
      "Nobody watches this barrier: the handle that made it is gone, or its thread cannot watch",
    );
  }
  Atomics.notify(words, JOINS);
}

/** The error of a worker whose end nobody would notice. */
export function cannotNotice(): TypeError {
  return new TypeError(
    "Cannot join a barrier as the end of this worker must be noticed, which needs Web Locks, or postMessageToThread() " +
      "of node:worker_threads (since Node 20.19 and 22.5; in Bun, by workers of that module): use Barrier.from()",
  );
}

/** The lives at a barrier that are known to its maker. */
export interface Lives {
  /** How many are watched. */
  readonly size: number;
  /** Begins to watch those who have come since. Returns whether it has to look again at once. */
  look(): boolean | Promise<boolean>;
  /** Watches nobody any more. */
  close(): void;
}

/** The maker's watch over the workers that join a barrier. It keeps no event loop alive. */
export class Watch {
  readonly #barrier: SharedBarrier;
  readonly #lives: Lives;
  #forgotten = false;
  #closed = false;

  /** `watch` makes the lives, which call `ended` when one has ended. */
  constructor(barrier: SharedBarrier, watch: (ended: (life: number) => void) => Lives) {
    this.#barrier = barrier;
    this.#lives = watch((life) => this.#end(life));
    this.#watch();
  }

  async #watch(): Promise<void> {
    const { words } = this.#barrier.memory;
    while (!this.#closed) {
      const joins = Atomics.load(words, JOINS);
      if (await this.#lives.look()) continue;
      const idle = this.#forgotten && this.#lives.size === 0;
      // Unless somebody has joined since.
      if (idle && Atomics.compareExchange(words, JOINS, joins, joins | 1) === joins) return;
      await Atomics.waitAsync(words, JOINS, joins).value;
    }
  }

  /** The worker of a life has ended, or has left: then it has no seat any more. */
  #end(life: number): void {
    for (const seat of this.#barrier.seats.joined()) {
      if (seat.life === life) this.#barrier.lose(seat, "lost", {});
    }
    if (this.#forgotten) this.#wake();
  }

  #wake(): void {
    Atomics.notify(this.#barrier.memory.words, JOINS);
  }

  /** The handle of the maker is gone. The watch goes on until the last of those who joined is. */
  forget(): void {
    this.#forgotten = true;
    this.#wake();
  }

  /** Ends the watch. */
  close(): void {
    this.#closed = true;
    this.#lives.close();
    Atomics.or(this.#barrier.memory.words, JOINS, 1);
    this.#wake();
  }
}
