// Copyright 2026 the Rendezvous authors. MIT license.

import type { Actor, ActorsOf } from "./_explorer.ts";
import { type Ask, type PartyOptions, real, type Result } from "./_explorer_party.ts";

/** A mailbox: whose turn it is, how long the message is, and the message as JSON. */
export const TURN = 0;
const LENGTH = 1;
const HEADER = 2 * Int32Array.BYTES_PER_ELEMENT;
const SIZE = 16_384;

export const CONTROLLER = 0;
export const PARTY = 1;
/** The party is to leave: it gets no operation more. */
export const LEAVE = 2;

/** What a worker is told: to load the library, or to perform a party, too. */
export interface Order extends Omit<PartyOptions, "ask"> {
  url: string;
  /** The scenario. */
  name?: string;
  mailbox?: SharedArrayBuffer;
}

export function put(mailbox: SharedArrayBuffer, message: unknown): void {
  const bytes = new TextEncoder().encode(JSON.stringify(message));
  new Uint8Array(mailbox, HEADER).set(bytes);
  new Int32Array(mailbox)[LENGTH] = bytes.length;
}

export function take<T>(mailbox: SharedArrayBuffer): T {
  const length = new Int32Array(mailbox)[LENGTH]!;
  return JSON.parse(new TextDecoder().decode(new Uint8Array(mailbox, HEADER, length).slice()));
}

/** Workers, each of which performs a party, to see that what was found holds for threads. */
export class Threads implements Disposable {
  readonly #url: string;
  readonly #workers: Worker[] = [];
  #mailboxes: SharedArrayBuffer[] = [];

  private constructor(url: string) {
    this.#url = url;
  }

  /** Starts `count` workers that have loaded the library from `url`. */
  static async start(url: string, count: number): Promise<Threads> {
    const threads = new Threads(url);
    try {
      for (let i = 0; i < count; i++) await threads.#add();
    } catch (error) {
      threads[Symbol.dispose]();
      throw error;
    }
    return threads;
  }

  async #add(): Promise<void> {
    const worker = new Worker(import.meta.resolve("./_explorer_worker.ts"), { type: "module" });
    this.#workers.push(worker);
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    worker.onmessage = resolve;
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
    worker.postMessage({ url: this.#url });
    await promise;
  }

  /** Has them perform the parties of a scenario, until `leave`. */
  perform: ActorsOf = (_library, { name, programs }, place) => {
    return programs.map((_, index) => {
      const mailbox = new SharedArrayBuffer(SIZE);
      real.store(new Int32Array(mailbox), TURN, PARTY);
      this.#mailboxes.push(mailbox);
      const order: Order = { ...place, url: this.#url, name, index, mailbox };
      this.#workers[index]!.postMessage(order);
      return actorOf(mailbox);
    });
  };

  /** Ends what they perform: a worker that waits for its turn could not be terminated. */
  leave(): void {
    for (const mailbox of this.#mailboxes) {
      const turn = new Int32Array(mailbox);
      real.store(turn, TURN, LEAVE);
      real.notify(turn, TURN);
    }
    this.#mailboxes = [];
  }

  [Symbol.dispose](): void {
    this.leave();
    for (const worker of this.#workers) worker.terminate();
  }
}

/** The party of a mailbox as it is when it asks for the next operation. */
function actorOf(mailbox: SharedArrayBuffer): Actor {
  const turn = new Int32Array(mailbox);
  while (real.load(turn, TURN) === PARTY) {
    if (real.wait(turn, TURN, PARTY, 60_000) === "timed-out") {
      throw new Error("Cannot go on as the worker must ask for its next operation within 60 s");
    }
  }
  return {
    ask: take<Ask>(mailbox),
    answer(result: Result) {
      put(mailbox, result);
      real.store(turn, TURN, PARTY);
      real.notify(turn, TURN);
      return actorOf(mailbox);
    },
  };
}
