// Copyright 2026 the Rendezvous authors. MIT license.

import { checkAction, checkInteger, checkTimeout } from "./_check.ts";
import type { BreakReason, BrokenBarrierError } from "./_errors.ts";
import { Memory, whyNot } from "./_memory.ts";
import { encodeError, textOf } from "./_protocol.ts";
import {
  SEATED_WORDS,
  SeatedBarrier,
  seatPart,
  SERVER,
  whyOf,
  whyPart,
} from "./_seated_barrier.ts";
import { MAX_PARTIES, type Sleeper, type View } from "./_shared_barrier.ts";
import type { AsyncBarrierOptions, WaitOptions } from "./barrier.ts";

/** Nobody sleeps where nobody else has the memory. */
const nobody = {} as Sleeper;

/** The place of one party, and what is known of it. */
export class Seat {
  /** Where it is in the memory. */
  readonly index: number;
  /** By what it is called until its party says its name. */
  readonly number: number;
  name: string;
  /** Whether its party has joined. */
  taken = false;
  /** Whether its party has joined and is no longer there. */
  gone = false;
  /** Whether its party has dropped. */
  dropped = false;
  /** Whether its party has the memory. */
  shared = false;
  /** How many answers its party has coming. */
  asked = 0;
  /** What cancels the pending waits of its party, by their ids. */
  readonly pending = new Map<unknown, (reason?: string) => void>();

  constructor(index: number, number: number) {
    this.index = index;
    this.number = number;
    this.name = `party ${number}`;
  }
}

/** A phase whose action runs. */
type Trip = Pick<View, "phase" | "resets">;

/** Checks what a roll is made of. */
export function checkRoll(
  parties: unknown,
  { action, timeout = Infinity }: AsyncBarrierOptions,
): void {
  checkInteger("listen", "parties", parties, 1, MAX_PARTIES);
  checkAction("listen", action);
  checkTimeout("listen", timeout);
}

/**
 * The barrier of a server, who knows its parties by their seats, arrives for those whose arrivals come over
 * a socket, and runs the action. The others have the memory, where this process may share it.
 */
export class Roll extends SeatedBarrier {
  readonly seats: Seat[] = [];
  readonly timeout: number;
  readonly memory: Memory | undefined;
  readonly #action: (() => unknown) | undefined;
  #acting = false;
  /** What the action threw, and what the barrier was aborted with: the values themselves, and when. */
  #thrown: { value: unknown; phase: number } | undefined;
  #cause: { value: unknown; resets: number } | undefined;
  #numbered = 0;
  /** The places of those who dropped, the longest unused first. */
  readonly #free: number[] = [];

  constructor(parties: number, { action, timeout = Infinity }: AsyncBarrierOptions) {
    const memory = create();
    super(memory?.words ?? new Int32Array(SEATED_WORDS), memory?.sleeper ?? nobody);
    this.memory = memory;
    this.timeout = timeout;
    this.#action = action;
    this.alone = true;
    this.acts = action !== undefined;
    this.alike = true;
    this.found(parties);
    this.#addSeats(parties);
  }

  #addSeats(count: number): void {
    for (let i = 0; i < count; i++) {
      const index = this.#numbered < MAX_PARTIES ? this.#numbered : this.#free.shift()!;
      const seat = new Seat(index, this.#numbered++);
      this.seats.push(seat);
      this.clear(index);
      this.list(index, seat.name);
    }
  }

  /** Gives a seat to a party that has joined. */
  seat(seat: Seat, name: string = seat.name): void {
    seat.taken = true;
    seat.name = name;
    this.list(seat.index, name);
  }

  /** The party of a seat has the memory: from now on phases may end unseen. */
  share(seat: Seat): void {
    seat.shared = true;
    if (!this.alone) return;
    this.alone = false;
    if (this.#action !== undefined) this.vigil = () => this.#act();
    this.watch();
  }

  /** Whether a party has the memory. */
  get shared(): boolean {
    return this.seats.some(({ shared, gone }) => shared && !gone);
  }

  get missing(): string[] {
    return this.missingIn(this.look());
  }

  // What the parties do

  /** Arrives for a party and waits, or has it wait until an action has ended that has to end first. */
  meet(seat: Seat, options: WaitOptions = {}): Promise<number> {
    const ticket = this.#enter(seat);
    if (ticket === undefined) return this.parkTrip().then(() => this.meet(seat, options));
    return this.stay(ticket, seat.index, { timeout: this.timeout, ...options });
  }

  /** Arrives for a party that does not wait, and maybe drops. */
  async arriveFor(seat: Seat, dropping: 0 | 1 = 0): Promise<number> {
    let ticket;
    while ((ticket = this.#enter(seat, dropping)) === undefined) await this.parkTrip();
    const failed = ticket.trips && this.outcome(ticket, this.look()) === "action";
    if (failed) throw this.thrown(ticket);
    return ticket.phase;
  }

  #enter(seat: Seat, dropping: 0 | 1 = 0): View | undefined {
    if (seat.dropped || seat.gone) {
      throw new DOMException(
        `Cannot arrive as "${seat.name}" must be a party: ` +
          `current value is ${seat.dropped ? "dropped" : "gone"}`,
        "InvalidStateError",
      );
    }
    const ticket = this.arriveAs(seat.index, dropping);
    if (ticket !== undefined && dropping === 1) {
      seat.dropped = true;
      this.seats.splice(this.seats.indexOf(seat), 1);
      this.unlist(seat.index);
      this.#free.push(seat.index);
    }
    if (ticket?.trips) this.#act();
    return ticket;
  }

  override register(count: number): number {
    checkInteger("register parties", "count", count, 1);
    const phase = super.register(count);
    this.#addSeats(count);
    return phase;
  }

  /** Breaks the barrier by the will of a party, or of the server itself. */
  abort(value: unknown, who: number = SERVER): void {
    // In this process the value is there, and not only its text.
    if (this.reason === undefined) this.#cause = { value, resets: this.look().resets };
    this.breakBy(who, whyOf(value));
  }

  override reset(): void {
    super.reset();
    for (const [i, seat] of this.seats.entries()) {
      if (!seat.gone) continue;
      const next = new Seat(seat.index, seat.number);
      this.seats[i] = next;
      this.list(next.index, next.name);
    }
    // What was written over by somebody is made anew.
    if (this.parties !== this.seats.length) {
      this.mend(this.seats.length);
    }
    this.anchor();
    this.relist(this.seats);
    this.alarm();
  }

  /** Breaks the barrier, as the party of this seat will not come again. */
  vacate(seat: Seat, how: "lost" | "left"): void {
    if (!seat.gone && !seat.dropped) {
      seat.gone = true;
      const [reason, note] = how === "lost"
        ? ["lost", `"${seat.name}" is gone`] as const
        : ["aborted", `"${seat.name}" has left`] as const;
      this.breakBy(SERVER, { reason, note });
    }
    // It may have died after its arrival released a phase, and before it woke the others.
    this.alarm();
  }

  /** Breaks the barrier, as its server ends. */
  close(): void {
    this.breakBy(SERVER, { reason: "aborted", note: "the server was disposed" });
    // Should it have been broken already, those whose phase passed before that have yet to be told.
    this.alarm();
  }

  /** Gives the memory back. */
  async end(): Promise<void> {
    // Nobody will be told of the end of an action that runs.
    if (this.tripping) this.loseTrip();
    await this.detach();
    this.memory?.close();
  }

  protected override copy(): Int32Array {
    const copy = super.copy();
    for (
      const { start, words } of [
        whyPart(SERVER),
        ...this.seats.map(({ index }) => seatPart(index)),
      ]
    ) {
      copy.set(this.words.subarray(start, start + words), start);
    }
    return copy;
  }

  override brokenError(ticket: View, reason: BreakReason): BrokenBarrierError {
    const error = super.brokenError(ticket, reason);
    const { value, resets } = this.#cause ?? {};
    const own = "cause" in error && resets === ticket.resets && error.cause === textOf(value);
    if (own) error.cause = value;
    return error;
  }

  protected override thrown(ticket: View): unknown {
    return this.#thrown?.phase === ticket.phase ? this.#thrown.value : super.thrown(ticket);
  }

  /** Runs the action of a phase that is full, and of those that are when it has ended. */
  #act(): void {
    if (this.#acting || !this.tripping) return;
    this.#acting = true;
    const { tripped } = this;
    try {
      const result = this.#action!();
      if (typeof (result as PromiseLike<unknown> | undefined)?.then === "function") {
        Promise.resolve(result).then(
          () => this.#acted(tripped),
          (error) => this.#failed(tripped, error),
        );
      } else {
        this.#acted(tripped);
      }
    } catch (error) {
      this.#failed(tripped, error);
    }
  }

  /** Whether the action still has its phase: parties who took this process for dead have lost it. */
  #ends({ phase, resets }: Trip): boolean {
    this.#acting = false;
    return this.tripping && this.tripped.phase === phase && this.tripped.resets === resets;
  }

  #acted(trip: Trip): void {
    if (this.#ends(trip)) this.endTrip();
    this.#act();
  }

  #failed(trip: Trip, value: unknown): void {
    if (!this.#ends(trip)) return this.#act();
    this.#thrown = { value, phase: trip.phase };
    this.noteThrown(encodeError(value));
    this.failTrip();
  }
}

/** The memory, where this process may share it. */
function create(): Memory | undefined {
  if (whyNot() !== undefined) return undefined;
  try {
    return Memory.create(SEATED_WORDS);
  } catch {
    return undefined;
  }
}
