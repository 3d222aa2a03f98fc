// Copyright 2026 the Rendezvous authors. MIT license.

import type { Waiting, Watching } from "../_common/options.ts";
import { invalidState } from "../_common/errors.ts";
import type { Counts, Snapshot } from "../_common/snapshot.ts";
import type { BarrierMemory } from "../_memory/layout.ts";
import type { Seat } from "../_memory/seats.ts";
import { SharedBarrier } from "../_memory/shared_barrier.ts";
import { SharedParty } from "../_memory/shared_party.ts";
import type { Client } from "./client.ts";
import type { MappedMemory } from "./mapped_memory.ts";
import { privateCopy } from "./private_copy.ts";
import type { ProcessParty } from "./process_party.ts";
import { isBySignal } from "./protocol.ts";
import { turn } from "./turn.ts";

/** After how many waits the event loop has a turn, however fast the phases pass. */
const MAX_STREAK = 1_000;

/** How the barrier ends when its server dies. */
const SERVER_GONE = "the server is gone";

/**
 * A party that arrives in the memory of the server. Its connection tells the server that it lives, and tells it that
 * the server does.
 */
export class MemoryParty implements ProcessParty {
  readonly transport = "shared-memory";
  readonly name: string;
  readonly timeout: number;
  readonly #client: Client;
  readonly #memory: MappedMemory;
  /** Over the memory of the server; once this party has left that, over a copy. */
  #party: SharedParty;
  #closing: Promise<void> | undefined;
  #streak = 0;

  constructor(
    client: Client,
    memory: MappedMemory,
    barrierMemory: BarrierMemory,
    seat: Seat,
    timeout: number,
  ) {
    this.name = seat.name;
    this.timeout = timeout;
    this.#client = client;
    this.#memory = memory;
    this.#party = new SharedParty(new SharedBarrier(barrierMemory, memory.parking), seat);
    memory.onOwnerGone = () => this.onServerGone();
  }

  /** The server is gone. Whoever of the parties notices ends the barrier, so that all agree how its phase ended. */
  onServerGone(): void {
    if (this.#closing === undefined) this.#party.barrier.end("lost", SERVER_GONE);
  }

  get counts(): Counts {
    return this.#party.barrier.outcomes.counts;
  }

  get snapshot(): Snapshot {
    return this.#party.snapshot;
  }

  status(): Snapshot {
    return this.#party.snapshot;
  }

  wait(waiting: Waiting): Promise<number> {
    const isUsual = waiting.signal === undefined && ++this.#streak < MAX_STREAK;
    return isUsual ? this.#party.wait(waiting, true) : this.#waitAndTurn(waiting);
  }

  async #waitAndTurn(waiting: Waiting): Promise<number> {
    const { signal } = waiting;
    try {
      const index = await this.#party.wait(waiting, true);
      this.#streak = 0;
      await new Promise((resolve) => setImmediate(resolve));
      return index;
    } catch (error) {
      throw isBySignal(error, signal) ? signal.reason : error;
    }
  }

  waitSync(waiting: Omit<Waiting, "signal">): number {
    return this.#party.waitSync(waiting);
  }

  arrive(): number {
    return this.#party.arrive();
  }

  arriveAndDrop(): number {
    return this.#party.arriveAndDrop();
  }

  async waitFor(phase: number, options: Watching): Promise<void> {
    const { barrier } = this.#party;
    if (
      this.#closing !== undefined &&
      barrier.outcomes.outcomeOf(barrier.outcomes.ticketFor(phase)) === undefined
    ) {
      throw invalidState(`${JSON.stringify(this.name)} was disposed before phase ${phase} ended`);
    }
    try {
      await this.#party.waitFor(phase, options);
    } catch (error) {
      throw isBySignal(error, options.signal) ? options.signal.reason : error;
    }
  }

  async ready(options: Watching): Promise<void> {
    await this.#party.ready(options);
  }

  register(count: number): number {
    return this.#party.register(count);
  }

  abort(reason: unknown): void {
    if (this.#closing === undefined) this.#party.abort(reason);
  }

  reset(phase: number | undefined, dropLost: boolean): string[] {
    return this.#party.reset(phase, dropLost);
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    const { barrier, seat } = this.#party;
    this.#party.close();
    this.#party = new SharedParty(privateCopy(barrier), seat);
    this.#party.close();
    await barrier.waiters.end();
    // Those whose waits have ended now look at the memory once more, for what their errors say.
    await turn();
    this.#memory.close();
    await this.#client.close();
  }
}
