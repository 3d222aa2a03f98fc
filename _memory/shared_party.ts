// Copyright 2026 the Rendezvous authors. MIT license.

import type { Cancellation } from "../_common/cancellation.ts";
import { type BreakDetails, invalidState, timeoutError } from "../_common/errors.ts";
import type { Waiting } from "../_common/options.ts";
import type { Party } from "../_common/party.ts";
import type { Snapshot } from "../_common/snapshot.ts";
import type { Seat } from "./seats.ts";
import type { Arrival, SharedBarrier, Ticket, WaitOutcome } from "./shared_barrier.ts";

function deadlineOf(timeout: number): number {
  return timeout === Infinity ? Infinity : performance.now() + timeout;
}

/** A party of a barrier in shared memory, or with no seat, parties without a name. */
export class SharedParty implements Party {
  readonly barrier: SharedBarrier;
  /** Nothing for a handle without a name. */
  readonly seat: Seat | undefined;
  /** The phase in which this party arrived last, by which it is known that it arrives twice. */
  #arrivedIn = -1;
  #dropped = false;
  #closed = false;

  constructor(barrier: SharedBarrier, seat: Seat | undefined) {
    this.barrier = barrier;
    this.seat = seat;
  }

  /** Whether this party has dropped, or was closed. */
  get left(): boolean {
    return this.#dropped || this.#closed;
  }

  get snapshot(): Snapshot {
    return this.barrier.snapshot;
  }

  status(): Snapshot {
    return this.barrier.snapshot;
  }

  arrive(): number {
    return this.#arrive(0).phase;
  }

  arriveAndDrop(): number {
    const { phase } = this.#arrive(1);
    // A handle without a name drops for one of the parties without a name.
    if (this.seat !== undefined) {
      this.#dropped = true;
      this.barrier.seats.release(this.seat);
    }
    return phase;
  }

  #arrive(dropping: 0 | 1): Arrival {
    if (this.#closed || this.#dropped) throw this.#whyNot();
    const arrival = this.barrier.arrive(dropping, this.seat, this.#arrivedIn);
    if (this.seat !== undefined) this.#arrivedIn = arrival.phase;
    return arrival;
  }

  #whyNot(): DOMException {
    const who = this.seat === undefined ? "This handle" : JSON.stringify(this.seat.name);
    return invalidState(
      `${who} ${this.#closed ? "was disposed" : "has dropped"}: it cannot arrive`,
    );
  }

  /** Waits, and first spins for a while if `spins`. */
  async wait(waiting: Waiting, spins: boolean = false): Promise<number> {
    const { timeout, signal, onCancel } = waiting;
    if (signal?.aborted) {
      if (this.#closed || this.#dropped) throw this.#whyNot();
      this.barrier.checkArrival(this.seat, this.#arrivedIn);
      if (onCancel === "break") this.barrier.break("aborted", this.#details(signal));
      throw signal.reason;
    }
    const arrival = this.#arrive(0);
    if (arrival.passed) return arrival.index;
    if (spins) this.barrier.spin(arrival);
    const outcome = this.barrier.outcomeOf(arrival) ?? await this.barrier.untilEnded(
      arrival,
      timeout,
      signal,
      (why) => this.#cancel(arrival, why, onCancel, signal),
    );
    return this.#indexOf(arrival, outcome, waiting);
  }

  waitSync({ timeout, onCancel }: Omit<Waiting, "signal">): number {
    const deadline = deadlineOf(timeout);
    const arrival = this.#arrive(0);
    if (arrival.passed) return arrival.index;
    this.barrier.spin(arrival);
    const outcome = this.barrier.outcomeOf(arrival) ??
      this.barrier.block(arrival, deadline) ??
      this.#cancel(arrival, "timeout", onCancel, undefined) ??
      this.barrier.outcomeOf(arrival)!;
    return this.#indexOf(arrival, outcome, { timeout, signal: undefined });
  }

  /** Takes an arrival back, or breaks its phase; nothing if that has ended. */
  #cancel(
    arrival: Arrival,
    why: Cancellation,
    onCancel: "break" | "withdraw",
    signal: AbortSignal | undefined,
  ): WaitOutcome | undefined {
    const details = this.#details(why === "aborted" ? signal : undefined);
    const before = this.barrier.cancel(arrival, why, onCancel, this.seat, details);
    if (before === undefined) return undefined;
    // A party that has withdrawn may come again.
    if (this.#arrivedIn === arrival.phase) this.#arrivedIn = -1;
    return { kind: "cancelled", why, before };
  }

  #details(signal: AbortSignal | undefined): BreakDetails {
    return { party: this.seat?.name, cause: signal?.reason, signal };
  }

  /** The number of a party that has passed. */
  #indexOf(
    arrival: Arrival,
    outcome: WaitOutcome,
    { timeout, signal }: Omit<Waiting, "onCancel">,
  ): number {
    if (outcome.kind === "passed") return arrival.index;
    throw this.#errorOf(arrival, outcome, timeout, signal);
  }

  #errorOf(
    ticket: Ticket,
    outcome: Exclude<WaitOutcome, { kind: "passed" }>,
    timeout: number,
    signal: AbortSignal | undefined,
  ): unknown {
    if (outcome.kind === "cancelled") {
      return outcome.why === "aborted"
        ? signal!.reason
        : timeoutError(timeout, ticket.phase, outcome.before);
    }
    if (outcome.kind === "closed") return this.#whyNot();
    return this.barrier.errorOf(outcome, ticket, signal);
  }

  async waitFor(phase: number, { timeout, signal }: Omit<Waiting, "onCancel">): Promise<void> {
    const ticket = this.barrier.ticketFor(phase);
    const outcome = await this.barrier.untilEnded(
      ticket,
      timeout,
      signal,
      (why) => ({ kind: "cancelled", why, before: this.barrier.snapshot }),
    );
    if (outcome.kind === "passed") return;
    // Only parties that share a signal get its reason: who watches is told how the phase ended.
    const own = outcome.kind === "cancelled" ? signal : undefined;
    throw this.#errorOf(ticket, outcome, timeout, own);
  }

  waitForSync(phase: number, timeout: number): void {
    const ticket = this.barrier.ticketFor(phase);
    const outcome = this.barrier.block(ticket, deadlineOf(timeout));
    if (outcome === undefined) throw timeoutError(timeout, phase, this.barrier.snapshot);
    if (outcome.kind !== "passed") throw this.barrier.errorOf(outcome, ticket);
  }

  async ready({ timeout, signal }: Omit<Waiting, "onCancel">): Promise<void> {
    this.#checkHere();
    const outcome = await this.barrier.untilReady(timeout, signal);
    if (outcome === "aborted") throw signal!.reason;
    if (outcome === "timeout") throw this.#readyTimeout(timeout);
    if (outcome === "closed") throw this.#whyNot();
    this.barrier.checkNotOver();
  }

  readySync(timeout: number): void {
    this.#checkHere();
    if (!this.barrier.blockUntilReady(deadlineOf(timeout))) throw this.#readyTimeout(timeout);
    this.barrier.checkNotOver();
  }

  #readyTimeout(timeout: number): DOMException {
    return timeoutError(timeout, this.barrier.snapshot.phase, this.barrier.snapshot);
  }

  /** Throws if the handle was disposed. */
  #checkHere(): void {
    if (this.#closed) throw this.#whyNot();
  }

  register(count: number): number {
    this.#checkHere();
    return this.barrier.register(count);
  }

  abort(reason: unknown): void {
    if (this.#closed) return;
    this.barrier.break("aborted", { party: this.seat?.name, cause: reason });
  }

  reset(phase: number | undefined, dropLost: boolean): string[] {
    this.#checkHere();
    return this.barrier.reset(phase, dropLost);
  }

  /** Leaves for good. A party that has not dropped breaks the barrier. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#dropped) return;
    const who = this.seat === undefined ? "a handle" : JSON.stringify(this.seat.name);
    const note = `${who} was disposed`;
    if (this.seat === undefined) this.barrier.break("aborted", { note });
    else this.barrier.lose(this.seat, "aborted", { note });
  }

  /** The party is gone: its worker, process or connection has ended. */
  lose(details: BreakDetails = {}): void {
    if (this.left) return;
    this.#closed = true;
    this.barrier.lose(this.seat!, "lost", details);
  }
}
