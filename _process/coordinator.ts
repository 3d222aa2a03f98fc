// Copyright 2026 the Rendezvous authors. MIT license.

import { brokenError } from "../_common/errors.ts";
import type { BarrierSettings } from "../_common/options.ts";
import { ActionRunner } from "../_memory/action_runner.ts";
import { BarrierMemory, byteLengthFor, HISTORY_SLOTS, MAX_PARTIES } from "../_memory/layout.ts";
import type { Seat } from "../_memory/seats.ts";
import { SharedBarrier } from "../_memory/shared_barrier.ts";
import { SharedParty } from "../_memory/shared_party.ts";
import { arrivalPhaseOf, isBroken, phaseOf } from "../_memory/state.ts";
import { MappedMemory, unsupportedReason } from "./mapped_memory.ts";
import { privateCopy } from "./private_copy.ts";
import { encodeError, type Message } from "./protocol.ts";
import { ServerParking } from "./server_parking.ts";

/** What the barrier of a server is made with. */
export interface ServerSettings extends BarrierSettings {
  parties: number;
}

/** What a party has joined with, for as long as it may take that back. */
export interface Joined {
  readonly seat: Seat;
  /** By whose end it had been expected. */
  readonly ended: PromiseLike<unknown> | undefined;
}

/** The barrier of a server: its memory, its seats, its action, and the parties that it expects. */
export class Coordinator {
  /** What the server itself does at the barrier. */
  #party: SharedParty;
  readonly #memory: MappedMemory | undefined;
  readonly #parking: ServerParking;
  readonly #runner: ActionRunner | undefined;
  /** By whose ends parties are expected that have yet to join, by name. */
  readonly #expected = new Map<string, PromiseLike<unknown>>();
  #ended = false;

  constructor({ parties, action, timeout }: ServerSettings) {
    const size = byteLengthFor(MAX_PARTIES);
    this.#memory = createMemory(size);
    const memory = BarrierMemory.initialize(
      this.#memory?.buffer ?? new ArrayBuffer(size),
      0,
      MAX_PARTIES,
      { hasAction: action !== undefined, timeout },
    );
    this.#parking = new ServerParking(this.#memory?.parking);
    const barrier = new SharedBarrier(memory, this.#parking);
    barrier.initialize(parties);
    this.#party = new SharedParty(barrier, undefined);
    this.#runner = action && new ActionRunner(barrier, action);
  }

  get party(): SharedParty {
    return this.#party;
  }

  get barrier(): SharedBarrier {
    return this.#party.barrier;
  }

  /** Where other processes find the memory, and by what they know it; nothing where it is private. */
  get place(): { path: string; id: string } | undefined {
    if (this.#memory === undefined || this.#ended) return undefined;
    return { path: this.#memory.place, id: this.barrier.memory.id };
  }

  /** Gives a party a seat. */
  join(name: string | undefined): Joined {
    this.barrier.checkNotOver();
    const seat = this.barrier.seats.join(name);
    const ended = this.#expected.get(seat.name);
    this.#expected.delete(seat.name);
    return { seat, ended };
  }

  /** All is as before a party joined, which has asked for nothing yet: nobody knows that it has a seat. */
  vacate({ seat, ended }: Joined, catchUp: () => Promise<void>): void {
    this.barrier.seats.release(seat);
    if (ended !== undefined) this.expect(seat.name, ended, catchUp);
  }

  /** From now on parties arrive in the memory. */
  share(): void {
    this.#parking.share();
  }

  /** The connection of a party has ended. Does nothing if it had left its seat. */
  lose(seat: Seat): void {
    if (!this.#ended) this.barrier.lose(seat, "lost", {});
  }

  /**
   * Keeps a seat for a party of that name, and breaks the barrier if `ended` settles before it has joined. First
   * `catchUp` lets in who queued up before.
   */
  expect(name: string, ended: PromiseLike<unknown>, catchUp: () => Promise<void>): void {
    this.barrier.checkNotOver();
    const seat = this.barrier.seats.expect(name);
    this.#expected.set(name, ended);
    const lose = async (cause?: unknown) => {
      await catchUp();
      if (this.#expected.get(name) === ended) this.#expected.delete(name);
      if (this.#ended) return;
      const note = `${JSON.stringify(name)} ended before it joined`;
      this.barrier.lose(seat, "lost", { cause, note }, true);
    };
    Promise.resolve(ended).then(() => lose(), lose);
  }

  /** The phases that broke, of the last ones: what a party needs to know how each of them ended. */
  recentBreaks(): Message[] {
    const breaks: Message[] = [];
    const state = this.barrier.read();
    // If the barrier broke while its action ran, two phases did.
    const last = isBroken(state) ? arrivalPhaseOf(state) : phaseOf(state) - 1;
    for (let phase = Math.max(0, phaseOf(state) - HISTORY_SLOTS); phase <= last; phase++) {
      const broken = this.barrier.outcomes.endingOf(phase);
      if (broken !== undefined) breaks.push(encodeError(brokenError(broken)));
    }
    return breaks;
  }

  /** Ends the barrier: nothing passes it any more. */
  end(): void {
    this.barrier.end("aborted", "the server was disposed");
    this.#runner?.close();
  }

  /** Gives the memory back. The barrier can still be looked at. */
  async close(): Promise<void> {
    const { barrier } = this;
    this.#ended = true;
    this.#party = new SharedParty(privateCopy(barrier), undefined);
    this.#parking.close();
    await barrier.waiters.end();
    this.#memory?.close();
  }
}

/** The memory, where this process may share it. */
function createMemory(size: number): MappedMemory | undefined {
  if (unsupportedReason() !== undefined) return undefined;
  try {
    return MappedMemory.create(size);
  } catch {
    return undefined;
  }
}
