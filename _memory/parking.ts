// Copyright 2026 the Rendezvous authors. MIT license.

/** How the threads, or the processes, that share a memory sleep and wake each other. */
export interface Parking {
  /** Whether a pending `waitAsync` keeps the event loop alive, or something else does as long as there is one. */
  readonly keepsAlive?: boolean;
  /** Blocks this thread until `word` is notified, unless it is not `value`, for `timeout` ms at most. */
  wait(word: number, value: number, timeout: number): void;
  /** As `wait`, without a timeout, but the thread goes on. */
  waitAsync(word: number, value: number): Promise<unknown>;
  /** Wakes all who sleep on `word`. */
  notify(word: number): void;
  /** Lets another thread run, where the platform can. */
  yield?(): void;
}
