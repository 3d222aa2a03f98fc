// Copyright 2026 the Rendezvous authors. MIT license.

import type { Parking } from "../_memory/parking.ts";

/**
 * The parking of a server. Until the first party has joined in its memory nobody else can sleep or arrive there, and
 * it needs neither calls of the system nor a thread to sleep in.
 */
export class ServerParking implements Parking {
  /** The listener of the server does, as long as it is not disposed. */
  readonly keepsAlive = true;
  /** Nothing where the memory is private. */
  readonly #parking: Parking | undefined;
  #isShared = false;
  #wake = () => {};

  constructor(parking: Parking | undefined) {
    this.#parking = parking;
  }

  /** From now on other processes arrive, sleep and wake. */
  share(): void {
    this.#isShared = true;
    this.#wake();
  }

  /** Lets the sleep end that nobody else could end. */
  close(): void {
    this.#wake();
  }

  /** A server never blocks its thread. */
  wait(): void {}

  waitAsync(word: number, value: number): Promise<unknown> {
    if (this.#isShared) return this.#parking!.waitAsync(word, value);
    return new Promise<void>((resolve) => this.#wake = resolve);
  }

  /** While nobody shares the memory, all waiters are in this thread, and are checked there. */
  notify(word: number): void {
    if (this.#isShared) this.#parking!.notify(word);
  }
}
