// Copyright 2026 the Rendezvous authors. MIT license.

import type { Waiting, Watching } from "./options.ts";
import type { Snapshot } from "./snapshot.ts";

/** What is there at once in memory, and a promise over a connection. */
export type Awaitable<T> = T | Promise<T>;

/**
 * One party of a barrier in shared memory, over a socket or through Redis. The facades forward to it, after they have
 * checked and completed the options.
 */
export interface Party {
  wait(options: Waiting): Promise<number>;
  waitSync?(options: Omit<Waiting, "signal">): number;
  arrive(): Awaitable<number>;
  arriveAndDrop(): Awaitable<number>;
  waitFor(phase: number, options: Watching): Promise<void>;
  ready(options: Watching): Promise<void>;
  register(count: number): Awaitable<number>;
  abort(reason: unknown): Awaitable<void>;
  /** Returns the names of the parties that were gone. */
  reset(phase: number | undefined, dropLost: boolean): Awaitable<string[]>;
  /** How the barrier stands. */
  status(): Awaitable<Snapshot>;
  /** How the barrier stands, as far as is known here at once. */
  readonly snapshot: Snapshot;
  /** Leaves for good. Breaks the barrier unless the party has dropped. */
  close(): Awaitable<void>;
}
