// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * A barrier with the parties that meet at it. It knows nothing of how the page looks.
 *
 * @module
 */

import { AsyncBarrier, Barrier, BrokenBarrierError } from "../../mod.ts";
import type { News, Pace } from "./party.ts";
import { type Party, startTask, startWorker } from "./start.ts";

/** What the visitor chooses. */
export interface Settings {
  /** Whether each party is a thread or a task of the page. */
  kind: "workers" | "tasks";
  parties: number;
  pace: Pace;
  /** How long each wait waits, in ms. */
  timeout: number;
}

/** What a meeting tells the page. */
export interface Listener {
  added(name: string): void;
  removed(name: string): void;
  told(name: string, news: News): void;
  /** A phase has passed. */
  passed(phase: number): void;
  /** A phase broke. */
  broke(error: BrokenBarrierError): void;
  /** The barrier can be used again. */
  mended(): void;
  /** An error that is nobody's own. */
  failed(error: unknown): void;
}

/** Names for the parties, in the order in which they come. */
const NAMES = "Ann Bob Cyd Dan Eve Fay Gus Hal".split(" ");

/** How many parties the page shows. Every `Barrier` has room for so many. */
export const MOST_PARTIES = NAMES.length;

/** A barrier and its parties. */
export class Meeting {
  /** How the barrier stands: read it at any moment. */
  readonly barrier: Readonly<Pick<Barrier, "parties" | "arrived" | "phase" | "broken" | "missing">>;
  readonly #start: (name: string) => Party;
  readonly #parties = new Map<string, Party>();
  readonly #listener: Listener;
  readonly #watch = new AbortController();
  /** The error of the break that has not been mended. */
  #broken: BrokenBarrierError | undefined;
  readonly #shared: Barrier | AsyncBarrier;

  constructor({ kind, parties, pace, timeout }: Settings, listener: Listener) {
    this.#listener = listener;
    const tellOf = (name: string) => (news: News) => listener.told(name, news);
    if (kind === "workers") {
      const barrier = new Barrier(parties, { timeout });
      this.#shared = barrier;
      this.#start = (name) => startWorker(barrier, name, pace, tellOf(name));
    } else {
      const barrier = new AsyncBarrier(parties, { timeout });
      this.#shared = barrier;
      this.#start = (name) => startTask(barrier, name, pace, tellOf(name));
    }
    this.barrier = this.#shared;
    for (let i = 0; i < parties; i++) this.#add(this.#nextName());
    this.#follow().catch((error) => {
      if (!this.#watch.signal.aborted) listener.failed(error);
    });
  }

  /** Follows the phases, from the first on. */
  async #follow(): Promise<void> {
    for (let phase = 0;; phase++) {
      try {
        await this.#waitFor(phase);
        this.#listener.passed(phase);
      } catch (error) {
        if (!(error instanceof BrokenBarrierError)) throw error;
        this.#broken = error;
        // Whoever was paused has made the others wait for long enough.
        for (const party of this.#parties.values()) party.pause(false);
        this.#listener.broke(error);
        await this.#ready();
        this.#broken = undefined;
        this.#listener.mended();
      }
    }
  }

  // The page may not block. At a barrier of tasks nothing does, so there these need no name of their own.

  #waitFor(phase: number): Promise<void> {
    const options = { signal: this.#watch.signal };
    const barrier = this.#shared;
    if (barrier instanceof AsyncBarrier) return barrier.waitFor(phase, options);
    return barrier.waitForAsync(phase, options);
  }

  #ready(): Promise<void> {
    const options = { signal: this.#watch.signal };
    const barrier = this.#shared;
    return barrier instanceof AsyncBarrier ? barrier.ready(options) : barrier.readyAsync(options);
  }

  #nextName(): string {
    const name = NAMES.find((name) => !this.#parties.has(name));
    if (name === undefined) throw new RangeError(`The page has room for ${MOST_PARTIES} parties`);
    return name;
  }

  #add(name: string): void {
    this.#listener.added(name);
    this.#parties.set(name, this.#start(name));
  }

  /** One party more. */
  add(): string {
    const name = this.#nextName();
    this.#shared.register();
    this.#add(name);
    return name;
  }

  /** Keeps a party in its work, or lets it go on. */
  pause(name: string, paused: boolean): void {
    this.#parties.get(name)?.pause(paused);
  }

  /** Ends a party without a word. */
  kill(name: string): void {
    this.#parties.get(name)?.kill();
  }

  /** Breaks the barrier. */
  abort(reason: string): void {
    this.#shared.abort(reason);
  }

  /** Makes the barrier usable again, with a replacement for each party that is gone or without them. */
  reset({ dropLost }: { dropLost: boolean }): void {
    for (const name of this.#shared.reset(this.#broken?.phase, { dropLost })) {
      this.#parties.delete(name);
      if (dropLost) this.#listener.removed(name);
      else this.#add(name);
    }
  }

  /** Ends all that was started. */
  end(): void {
    this.#watch.abort();
    for (const party of this.#parties.values()) party.kill();
    // The end of this scope disposes the barrier.
    using _ = this.#shared;
  }
}
