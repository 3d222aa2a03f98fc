// Copyright 2026 the Rendezvous authors. MIT license.

import type { Waiting } from "./options.ts";
import type { Snapshot } from "./snapshot.ts";

/** What is there at once in memory, and a promise over a connection. */
export type Awaitable<T> = T | Promise<T>;

/**
 * One party of a barrier, however it reaches it. The facades check options and forward to it, the contract
 * tests are written against it. Options are checked and complete. ARCHITECTURE.md has the contract.
 */
export interface Party {
  wait(options: Waiting): Promise<number>;
  waitSync?(options: Omit<Waiting, "signal">): number;
  arrive(): Awaitable<number>;
  arriveAndDrop(): Awaitable<number>;
  waitFor(phase: number, options: Omit<Waiting, "onCancel">): Promise<void>;
  ready(options: Omit<Waiting, "onCancel">): Promise<void>;
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
