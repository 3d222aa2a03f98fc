// Copyright 2026 the Rendezvous authors. MIT license.

import type { Cancellation } from "../_common/cancellation.ts";
import { type BreakDetails, invalidState, timeoutError } from "../_common/errors.ts";
import type { Waiting, Watching } from "../_common/options.ts";
import type { Party } from "../_common/party.ts";
import type { Snapshot } from "../_common/snapshot.ts";
import type { Seat } from "./seats.ts";
import type { Outcomes, Ticket, WaitOutcome } from "./outcomes.ts";
import type { Arrival, SharedBarrier } from "./shared_barrier.ts";
import type { Waiters } from "./waiters.ts";

const CLOSED: WaitOutcome = { kind: "closed" };

/** A party of a barrier in shared memory, or with no seat, parties without a name. */
export class SharedParty implements Party {
  readonly barrier: SharedBarrier;
  /** Nothing for a handle without a name. */
  readonly seat: Seat | undefined;
  readonly #outcomes: Outcomes;
  readonly #waiters: Waiters;
  /** The phase in which this party arrived last, by which it is known that it arrives twice. */
  #arrivedIn = -1;
  #dropped = false;
  #closed = false;

  constructor(barrier: SharedBarrier, seat: Seat | undefined) {
    this.barrier = barrier;
    this.seat = seat;
    this.#outcomes = barrier.outcomes;
    this.#waiters = barrier.waiters;
  }

  /** Whether this party has dropped, or was closed. */
  get left(): boolean {
    return this.#dropped || this.#closed;
  }

  get snapshot(): Snapshot {
    return this.#outcomes.snapshot;
  }

  status(): Snapshot {
    return this.snapshot;
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
  async wait(
    { timeout, signal, onCancel }: Waiting,
    spins: boolean = false,
  ): Promise<number> {
    if (signal?.aborted) {
      if (this.#closed || this.#dropped) throw this.#whyNot();
      this.barrier.checkArrival(this.seat, this.#arrivedIn);
      if (onCancel === "break") this.barrier.break("aborted", this.#details(signal));
      throw signal.reason;
    }
    const arrival = this.#arrive(0);
    if (arrival.passed) return arrival.index;
    if (spins) this.barrier.spin(arrival);
    const outcome = this.#outcomes.outcomeOf(arrival) ?? await this.#untilEnded(
      arrival,
      timeout,
      signal,
      (why) => this.#cancel(arrival, why, onCancel, signal),
    );
    if (outcome.kind === "passed") return arrival.index;
    throw this.#errorOf(arrival, outcome, timeout, signal);
  }

  waitSync({ timeout, onCancel }: Omit<Waiting, "signal">): number {
    const arrival = this.#arrive(0);
    if (arrival.passed) return arrival.index;
    const look = () => this.#outcomes.outcomeOf(arrival);
    const outcome = (this.barrier.spin(arrival) ? look() : undefined) ??
      this.#waiters.blockUntil(look, timeout) ??
      this.#cancel(arrival, "timeout", onCancel, undefined) ??
      look()!;
    if (outcome.kind === "passed") return arrival.index;
    throw this.#errorOf(arrival, outcome, timeout, undefined);
  }

  /** Waits without blocking until the phase of a ticket has ended, or until `revoke` takes that back. */
  #untilEnded(
    ticket: Ticket,
    timeout: number,
    signal: AbortSignal | undefined,
    revoke: (why: Cancellation) => WaitOutcome | undefined,
  ): Promise<WaitOutcome> {
    const look = () => this.#outcomes.outcomeOf(ticket);
    return this.#waiters.until({
      phase: ticket.phase,
      timeout,
      signal,
      closed: CLOSED,
      look,
      revoke,
    });
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
    return this.#outcomes.errorOf(outcome, ticket, signal);
  }

  async waitFor(phase: number, { timeout, signal }: Watching): Promise<void> {
    const ticket = this.#outcomes.ticketFor(phase);
    const outcome = await this.#untilEnded(
      ticket,
      timeout,
      signal,
      (why) => ({ kind: "cancelled", why, before: this.snapshot }),
    );
    if (outcome.kind === "passed") return;
    // Only parties that share a signal get its reason: who watches is told how the phase ended.
    const own = outcome.kind === "cancelled" ? signal : undefined;
    throw this.#errorOf(ticket, outcome, timeout, own);
  }

  waitForSync(phase: number, timeout: number): void {
    const ticket = this.#outcomes.ticketFor(phase);
    const look = () => this.#outcomes.outcomeOf(ticket);
    const outcome = this.#waiters.blockUntil(look, timeout);
    if (outcome === undefined) throw timeoutError(timeout, phase, this.snapshot);
    if (outcome.kind !== "passed") throw this.#outcomes.errorOf(outcome, ticket);
  }

  async ready({ timeout, signal }: Watching): Promise<void> {
    this.#checkNotClosed();
    const outcome = await this.#waiters.until<"ready" | "closed" | Cancellation>({
      phase: -1,
      timeout,
      signal,
      closed: "closed",
      look: () => this.#outcomes.isReady ? "ready" : undefined,
      revoke: (why) => why,
    });
    if (outcome === "aborted") throw signal!.reason;
    if (outcome === "timeout") throw this.#readyTimeout(timeout);
    if (outcome === "closed") throw this.#whyNot();
    this.barrier.checkNotOver();
  }

  readySync(timeout: number): void {
    this.#checkNotClosed();
    const look = () => this.#outcomes.isReady || undefined;
    if (!this.#waiters.blockUntil(look, timeout)) throw this.#readyTimeout(timeout);
    this.barrier.checkNotOver();
  }

  #readyTimeout(timeout: number): DOMException {
    const { snapshot } = this;
    return timeoutError(timeout, snapshot.phase, snapshot);
  }

  /** Throws if the handle was disposed. */
  #checkNotClosed(): void {
    if (this.#closed) throw this.#whyNot();
  }

  register(count: number): number {
    this.#checkNotClosed();
    return this.barrier.register(count);
  }

  abort(reason: unknown): void {
    if (this.#closed) return;
    this.barrier.break("aborted", { party: this.seat?.name, cause: reason });
  }

  reset(phase: number | undefined, dropLost: boolean): string[] {
    this.#checkNotClosed();
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
