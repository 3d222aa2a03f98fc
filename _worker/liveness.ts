// Copyright 2026 the Rendezvous authors. MIT license.

import { invalidState } from "../_common/errors.ts";
import { JOINS, LIVES } from "../_memory/layout.ts";
import type { SharedBarrier } from "../_memory/shared_barrier.ts";

/*
 * How the maker of a barrier learns that a worker has ended which joined it. There are two ways, each with what frees
 * itself when a worker ends, however: a Web Lock (locks.ts), and a MessagePort (ports.ts) where Web Locks do not cross
 * workers, in Node and Bun.
 *
 * A worker begins a life of a new number, announces it by JOINS, and takes a seat with that number. So the maker knows
 * the life before the worker has a seat (I9). JOINS is odd once nobody watches: whoever announces a life then is
 * refused.
 */

/** One of the two ways. */
export interface Liveness {
  /** Begins the life of a party in this thread, and announces it. */
  begin(barrier: SharedBarrier): Promise<Life>;
  /** Watches the lives, in the thread that made the barrier. It keeps no event loop alive. Nothing if that thread cannot. */
  watch(barrier: SharedBarrier): Watch | undefined;
}

/** The life of a party that joins from a worker. */
export interface Life {
  readonly life: number;
  /** Lets the maker know no more when the worker ends. */
  release(): void;
}

/** The maker's watch over the workers that join a barrier. */
export interface Watch {
  /** The handle of the maker is gone. The watch goes on until the last of those who joined is. */
  forget(): void;
  /** Ends the watch. */
  close(): void;
}

/** No life: that of a party in the thread of the maker, which ends with that. */
export const NO_LIFE: Life = { life: 0, release: () => {} };

/** A number for a life. */
export function newLife({ memory: { words } }: SharedBarrier): number {
  return Atomics.add(words, LIVES, 1) + 1;
}

/** Announces a life. */
export function announce({ memory: { words } }: SharedBarrier): void {
  if (Atomics.add(words, JOINS, 2) & 1) {
    throw invalidState(
      "Nobody watches this barrier: the handle that made it is gone, or its thread cannot watch",
    );
  }
}

/** The error of a worker whose end nobody would notice. */
export function cannotNotice(): TypeError {
  return new TypeError(
    "Cannot join a barrier as the end of this worker must be noticed, which needs Web Locks, or postMessageToThread() " +
      "of node:worker_threads (since Node 20.19 and 22.5; in Bun, by workers of that module): use Barrier.from()",
  );
}

/** Ends the watch where as many have joined as `joins` says, and not one more; `false` if one more has. */
export function stopWatching({ memory: { words } }: SharedBarrier, joins: number): boolean {
  return Atomics.compareExchange(words, JOINS, joins, joins | 1) === joins;
}

/** The worker of a life has ended, or has left: then it has no seat any more. */
export function endLife(barrier: SharedBarrier, life: number): void {
  const seat = barrier.seats.joined().find((seat) => seat.life === life);
  if (seat !== undefined) barrier.lose(seat, "lost", {});
}
