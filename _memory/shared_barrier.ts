// Copyright 2026 the Rendezvous authors. MIT license.

import type { Cancellation } from "../_common/cancellation.ts";
import { cannot } from "../_common/checks.ts";
import {
  type Break,
  type BreakDetails,
  type BreakReason,
  brokenError,
  forgotten,
  invalidState,
  textOf,
} from "../_common/errors.ts";
import { settleOnce } from "../_common/settlement.ts";
import type { Snapshot } from "../_common/snapshot.ts";
import { firstBreak, recordBreak } from "./history.ts";
import { type BarrierMemory, STATE } from "./layout.ts";
import { readNote, writeNote } from "./note.ts";
import type { Parking } from "./parking.ts";
import { type Seat, Seats } from "./seats.ts";
import { Spinner } from "./spin.ts";
import {
  afterAction,
  afterArrival,
  afterBreak,
  afterCorruption,
  afterEnd,
  afterLastArrival,
  afterLoss,
  afterRegistration,
  afterReset,
  afterWithdrawal,
  arrivalPhaseOf,
  arrivedOf,
  behindAction,
  initialState,
  isBroken,
  isCorrupt,
  isExhausted,
  isLast,
  isOver,
  isRunning,
  partiesOf,
  phaseOf,
  reasonOf,
  remainingOf,
  type State,
} from "./state.ts";
import { Waiters } from "./waiters.ts";

/** What a party waits with that has arrived in a phase, or a watcher that waits for one. */
export interface Ticket {
  /** Whose end is waited for. */
  readonly phase: number;
  /** The first phase of which it is not known yet that it passed: a break of that one or a later one counts. */
  from: number;
}

/** A ticket of an arrival. */
export interface Arrival extends Ticket {
  /** How many parties were still to come. */
  readonly index: number;
  /** Whether it was the last, and its phase has passed. */
  readonly passed: boolean;
  /** The low half of the state after it, for spinning. */
  readonly low: number;
}

/** How a phase ended. */
export type Outcome =
  | { readonly kind: "passed" }
  | { readonly kind: "broken"; readonly phase: number; readonly reason: BreakReason }
  | { readonly kind: "forgotten" };

/** How a wait ended: as its phase did, or by what cancelled it. */
export type WaitOutcome =
  | Outcome
  | { readonly kind: "closed" }
  | { readonly kind: "cancelled"; readonly why: Cancellation; readonly before: Snapshot };

const PASSED: Outcome = { kind: "passed" };
const FORGOTTEN: Outcome = { kind: "forgotten" };
const CLOSED: WaitOutcome = { kind: "closed" };

/**
 * How long a reader waits for the note of a break, in ms: its writer is between the exchange and the note. On a busy
 * machine a thread that was put aside there comes back within some ms; only one that died there costs all of this.
 */
const NOTE_PATIENCE = 20;

/** The words of the state and of 64-bit numbers, to turn one into the other without allocating. */
const long = new BigInt64Array(2);
const halves = new Int32Array(long.buffer);

/**
 * A barrier in memory that threads or processes share, as one of them sees it: the one implementation of the
 * algorithm. Its parties are {@linkcode SharedParty}.
 */
export class SharedBarrier {
  readonly memory: BarrierMemory;
  readonly seats: Seats;
  readonly waiters: Waiters;
  readonly #words: Int32Array;
  readonly #longs: BigInt64Array;
  readonly #spinner: Spinner | undefined;
  /** The last break from here: its cause, of which only the text crosses, and its signal, which does not. */
  #own: { state: State; cause: unknown; signal: AbortSignal | undefined } | undefined;

  /** `parking` is nothing where nobody else has the memory. */
  constructor(memory: BarrierMemory, parking: Parking | undefined) {
    this.memory = memory;
    this.seats = new Seats(memory);
    this.waiters = new Waiters(memory.words, parking);
    this.#words = memory.words;
    this.#longs = memory.longs;
    this.#spinner = parking === undefined ? undefined : new Spinner(parking);
  }

  /** Gives the memory its first state. */
  initialize(parties: number): void {
    const { low, high } = initialState(parties);
    halves[0] = low;
    halves[1] = high;
    Atomics.store(this.#longs, STATE / 2, long[0]!);
  }

  /** The state, for good. */
  read(): State {
    for (;;) {
      long[0] = Atomics.load(this.#longs, STATE / 2);
      const state = { low: halves[0]!, high: halves[1]! };
      if (!isCorrupt(state)) return state;
      // Somebody has written over it. All are told, and a reset mends it.
      if (this.#swap(state, afterCorruption(state))) this.waiters.wakeAll();
    }
  }

  #swap(state: State, next: State): boolean {
    halves[0] = state.low;
    halves[1] = state.high;
    halves[2] = next.low;
    halves[3] = next.high;
    const before = long[0]!;
    return Atomics.compareExchange(this.#longs, STATE / 2, before, long[1]!) === before;
  }

  /** How the barrier stands; if it is broken, how it stood when it broke. */
  get snapshot(): Snapshot {
    const state = this.read();
    if (!isBroken(state)) {
      return { ...this.#countsIn(state), phase: phaseOf(state), broken: false, reason: undefined };
    }
    const { phase, reason, arrived = 0, parties = partiesOf(state), missing = [] } = this
      .breakOf(phaseOf(state), reasonOf(state)!);
    return { parties, arrived, phase, broken: true, reason, missing };
  }

  /** As `snapshot`, without the names: to list those, all seats have to be read. */
  get counts(): Omit<Snapshot, "missing"> {
    const state = this.read();
    if (isBroken(state)) {
      const { missing: _, ...counts } = this.snapshot;
      return counts;
    }
    return {
      parties: partiesOf(state),
      arrived: arrivedOf(state),
      phase: phaseOf(state),
      broken: false,
      reason: undefined,
    };
  }

  #countsIn(state: State): Pick<Snapshot, "parties" | "arrived" | "missing"> {
    const missing = isRunning(state) ? [] : this.seats.missingIn(state);
    return { parties: partiesOf(state), arrived: arrivedOf(state), missing };
  }

  // Arriving

  /**
   * Arrives.
   *
   * @param arrivedIn The phase in which the party arrived last: it arrives once in each.
   * @throws If the barrier is broken or over, the party has arrived, none is left, or the phase is full.
   */
  arrive(dropping: 0 | 1, seat: Seat | undefined, arrivedIn: number): Arrival {
    for (let marked = false;;) {
      // A first guess, in halves that need not belong together: the exchange confirms them.
      const state = { low: this.#words[STATE]!, high: this.#words[STATE + 1]! };
      const remaining = remainingOf(state);
      const phase = arrivalPhaseOf(state);
      if (isBroken(state) || remaining === 0 || phase === arrivedIn || isExhausted(state)) {
        if (marked) this.seats.setMark(seat!.index, arrivedIn);
        marked = false;
        this.#refuse(this.read(), seat, arrivedIn);
        continue;
      }
      if (seat !== undefined) {
        this.seats.setMark(seat.index, phase);
        marked = true;
      }
      const last = isLast(state);
      const { hasAction } = this.memory;
      const next = last
        ? afterLastArrival(state, dropping, hasAction)
        : afterArrival(state, dropping);
      if (!this.#swap(state, next)) continue;
      if (last) this.waiters.wake();
      return {
        phase,
        // A break of the phase before breaks this one too, and then both are recorded.
        from: phase,
        index: remaining - 1,
        passed: last && !hasAction,
        low: next.low,
      };
    }
  }

  /** Throws if a party cannot arrive. */
  #refuse(state: State, seat?: Seat, arrivedIn?: number): void {
    if (isOver(state)) throw invalidState("This barrier is over: its maker has ended it");
    if (isBroken(state)) throw brokenError(this.breakOf(phaseOf(state), reasonOf(state)!));
    if (arrivalPhaseOf(state) === arrivedIn) {
      throw invalidState(`${JSON.stringify(seat!.name)} has arrived in phase ${arrivedIn} already`);
    }
    if (partiesOf(state) === 0) throw invalidState("No party is left at this barrier");
    if (remainingOf(state) === 0) {
      throw invalidState(
        `Phase ${arrivalPhaseOf(state)} is full: the action of phase ${phaseOf(state)} still runs`,
      );
    }
    if (isExhausted(state)) throw noPhasesLeft(state);
  }

  /** Throws as an arrival would that is refused. */
  checkArrival(seat: Seat | undefined, arrivedIn: number): void {
    this.#refuse(this.read(), seat, arrivedIn);
  }

  /** Throws if the barrier is over. */
  checkNotOver(): void {
    const state = this.read();
    if (isOver(state)) this.#refuse(state);
  }

  /** Adds parties, and returns the phase in which they can arrive first. */
  register(count: number): number {
    for (;;) {
      const state = this.read();
      if (isOver(state)) this.#refuse(state);
      const parties = partiesOf(state) + count;
      if (parties > this.memory.room) {
        const rule = `there must be at most ${this.memory.room}`;
        throw new RangeError(cannot("register parties", rule, parties));
      }
      if (!this.#swap(state, afterRegistration(state, count))) continue;
      return isBroken(state) ? phaseOf(afterReset(state, false)) : arrivalPhaseOf(state);
    }
  }

  // Ending phases

  /** Breaks the barrier, unless it is broken already: the first reason stays. */
  break(reason: BreakReason, details: BreakDetails = {}): void {
    for (;;) {
      const state = this.read();
      if (isBroken(state) || this.#break(state, afterBreak(state, reason, 0), details)) return;
    }
  }

  /**
   * Wins the exchange that breaks, writes the note, wakes.
   *
   * @param open The state that breaks: another than `state` only at the end of a broken barrier.
   * @param gone The seat of the party that `next` counts as gone.
   */
  #break(
    state: State,
    next: State,
    details: BreakDetails,
    open: State = state,
    gone?: Seat,
  ): boolean {
    const counts = this.#countsIn(open);
    if (!this.#swap(state, next)) return false;
    // At once: if this thread dies before it, the party is counted again.
    if (gone !== undefined) this.seats.setGoneIn(gone.index, phaseOf(state));
    const { party, cause, note, signal } = details;
    this.#own = { state: open, cause, signal };
    writeNote(this.memory, {
      ...counts,
      reason: reasonOf(next)!,
      phase: phaseOf(open),
      running: isRunning(open),
      party,
      cause: cause === undefined ? undefined : textOf(cause),
      note,
    });
    this.waiters.wakeAll();
    return true;
  }

  /**
   * Breaks the barrier as a party is gone, if it had not left its seat. A barrier that is broken already keeps its
   * reason, but the party counts as gone.
   *
   * @param expected The party was only expected.
   */
  lose(
    seat: Seat,
    reason: "lost" | "aborted",
    details: BreakDetails,
    expected: boolean = false,
  ): void {
    // It may have died before it woke those whom its arrival released.
    this.waiters.wakeAll();
    if (!this.seats.markGone(seat, expected)) return;
    for (;;) {
      const state = this.read();
      if (!isBroken(state)) {
        const next = afterBreak(state, reason, 1);
        if (this.#break(state, next, { party: seat.name, ...details }, state, seat)) return;
      } else if (isOver(state) || this.#swap(state, afterLoss(state))) {
        return this.seats.setGoneIn(seat.index, phaseOf(state));
      }
    }
  }

  /**
   * Makes the barrier usable again, and returns the names of the parties that were gone. `phase` is that of the break
   * that is to be mended.
   */
  reset(phase: number | undefined, dropLost: boolean): string[] {
    for (;;) {
      const state = this.read();
      if (isOver(state)) this.#refuse(state);
      if (isExhausted(state)) throw noPhasesLeft(state);
      if (!isBroken(state)) {
        const idle = !isRunning(state) && remainingOf(state) === partiesOf(state);
        if (phase !== undefined || idle) return [];
        // Broken first: that freezes the outcome. If somebody else mends this break meanwhile, all is done.
        if (this.#break(state, afterBreak(state, "reset", 0), {})) phase = phaseOf(state);
        continue;
      }
      const open = phaseOf(state);
      const last = isRunning(state) ? open + 1 : open;
      if (phase !== undefined && (phase < open || phase > last)) return [];
      this.#record(state);
      const gone = this.seats.goneIn(open);
      if (!this.#swap(state, afterReset(state, dropLost))) continue;
      this.waiters.wakeAll();
      return gone;
    }
  }

  /** Records the phases that a broken state has broken, before they are left. */
  #record(state: State): void {
    const phase = phaseOf(state);
    recordBreak(this.memory, phase, reasonOf(state)!);
    if (isRunning(state)) recordBreak(this.memory, phase + 1, reasonOf(state)!);
  }

  /** Ends the barrier for good: nothing passes it any more. */
  end(reason: "aborted" | "lost", note: string): void {
    for (;;) {
      const state = this.read();
      if (isOver(state)) return;
      // What broke keeps its reason: the next phase is the one that is over.
      const open = isBroken(state) ? afterReset(state, false) : state;
      if (isBroken(state)) this.#record(state);
      if (this.#break(state, afterEnd(open, reason), { note }, open)) return;
    }
  }

  // The action

  /** The phase whose action is to run, if there is one. */
  get actionPhase(): number | undefined {
    const state = this.read();
    return isRunning(state) && !isBroken(state) ? phaseOf(state) : undefined;
  }

  /** The action of a phase has ended: it passes, unless it broke meanwhile. */
  passAction(phase: number): void {
    for (;;) {
      const state = this.read();
      if (!isRunning(state) || isBroken(state) || phaseOf(state) !== phase) return;
      if (this.#swap(state, afterAction(state))) return this.waiters.wake();
    }
  }

  /** The action of a phase threw. */
  failAction(phase: number, error: unknown): void {
    for (;;) {
      const state = this.read();
      if (!isRunning(state) || isBroken(state) || phaseOf(state) !== phase) return;
      if (this.#break(state, afterBreak(state, "action", 0), { cause: error })) return;
    }
  }

  // Waiting

  /** How the phase of a ticket ended; nothing while it has not. Passed comes first, then broken. */
  outcomeOf(ticket: Ticket): Outcome | undefined {
    const state = this.read();
    const phase = phaseOf(state);
    const broke = firstBreak(this.memory, ticket.from, Math.min(phase - 1, ticket.phase));
    if (broke === undefined) return FORGOTTEN;
    if (broke !== "none") return { kind: "broken", ...broke };
    if (phase > ticket.phase) return PASSED;
    ticket.from = Math.max(ticket.from, phase);
    const reason = reasonOf(state);
    if (reason === undefined) return undefined;
    // Later than the open phase only for who arrived behind its action: then both are broken.
    return { kind: "broken", phase: ticket.from, reason };
  }

  /** The ticket of one who waits for a phase without being a party. */
  ticketFor(phase: number): Ticket {
    return { phase, from: Math.min(phase, phaseOf(this.read())) };
  }

  /** Spins for a while, if that pays, while the phase of an arrival has not ended. */
  spin({ low, index }: Arrival): void {
    if (index > 0) this.#spinner?.spin(this.#words, STATE, low, partiesOf({ low, high: 0 }));
  }

  /** Blocks until the phase of a ticket has ended, or until `deadline` on the clock of `performance`. */
  block(ticket: Ticket, deadline: number): Outcome | undefined {
    return this.#blockUntil(() => this.outcomeOf(ticket), deadline);
  }

  /** Blocks until the barrier is usable, or over; `false` if the deadline comes first. */
  blockUntilReady(deadline: number): boolean {
    return this.#blockUntil(() => this.#isReady() || undefined, deadline) ?? false;
  }

  #isReady(): boolean {
    const state = this.read();
    return !isBroken(state) || isOver(state);
  }

  #blockUntil<T>(look: () => T | undefined, deadline: number): T | undefined {
    for (;;) {
      const count = this.waiters.prepareToSleep();
      const found = look();
      if (found !== undefined) return found;
      const left = deadline === Infinity ? Infinity : deadline - performance.now();
      if (left <= 0) return undefined;
      this.waiters.block(count, left);
    }
  }

  /** Waits without blocking until the phase of a ticket has ended, or until `revoke` takes that back. */
  untilEnded(
    ticket: Ticket,
    timeout: number,
    signal: AbortSignal | undefined,
    revoke: (why: Cancellation) => WaitOutcome | undefined,
  ): Promise<WaitOutcome> {
    const look = () => this.outcomeOf(ticket);
    return this.#until(ticket.phase, look, timeout, signal, revoke, CLOSED);
  }

  /** Waits without blocking until the barrier is usable, or over. */
  untilReady(
    timeout: number,
    signal: AbortSignal | undefined,
  ): Promise<"ready" | "closed" | Cancellation> {
    const look = () => this.#isReady() ? "ready" as const : undefined;
    return this.#until<"ready" | "closed" | Cancellation>(
      -1,
      look,
      timeout,
      signal,
      (why) => why,
      "closed",
    );
  }

  #until<T>(
    phase: number,
    look: () => T | undefined,
    timeout: number,
    signal: AbortSignal | undefined,
    revoke: (why: Cancellation) => T | undefined,
    closed: T,
  ): Promise<T> {
    let revoking = false;
    return settleOnce<T>(timeout, signal, (end) => {
      const check = () => {
        // What this wait breaks is told to all others: its own end is its cancellation.
        if (revoking) return false;
        const found = look();
        if (found !== undefined) end(found);
        return found !== undefined;
      };
      return check() ? () => {} : this.waiters.add({ phase, check, cancel: () => end(closed) });
    }, (why) => {
      revoking = true;
      const revoked = revoke(why);
      revoking = false;
      // It has ended, and nobody here has been told yet.
      if (revoked === undefined) this.waiters.check();
      return revoked;
    });
  }

  /**
   * Takes an arrival back, or breaks its phase, and returns how the barrier stood; nothing if the phase has ended.
   */
  cancel(
    arrival: Arrival,
    why: Cancellation,
    onCancel: "break" | "withdraw",
    seat: Seat | undefined,
    details: BreakDetails,
  ): Snapshot | undefined {
    for (;;) {
      const state = this.read();
      if (isBroken(state) || phaseOf(state) > arrival.phase) return undefined;
      const isBehind = phaseOf(state) < arrival.phase;
      const before: Snapshot = {
        ...this.#countsIn(isBehind ? behindAction(state) : state),
        phase: arrival.phase,
        broken: false,
        reason: undefined,
      };
      // Once its own action runs, an arrival cannot be taken back.
      if (onCancel === "withdraw" && arrivalPhaseOf(state) === arrival.phase) {
        if (!this.#swap(state, afterWithdrawal(state))) continue;
        if (seat !== undefined) this.seats.setMark(seat.index, arrival.phase - 1);
        return before;
      }
      if (this.#break(state, afterBreak(state, why, 0), details)) return before;
    }
  }

  // What is told

  /** What is known of a broken phase. */
  breakOf(phase: number, reason: BreakReason): Break {
    const note = this.#noteOf(phase);
    if (note?.reason !== reason) return { phase, reason };
    const { running: _, ...known } = note;
    const own = this.#ownBreakOf(phase);
    return { ...known, phase, cause: own === undefined ? note.cause : own.cause };
  }

  /** What is known of the break of a phase, if it broke. */
  endingOf(phase: number): Break | undefined {
    const outcome = this.outcomeOf({ phase, from: phase });
    return outcome?.kind === "broken" ? this.breakOf(outcome.phase, outcome.reason) : undefined;
  }

  #noteOf(phase: number): ReturnType<typeof readNote> {
    const patience = performance.now() + NOTE_PATIENCE;
    for (;;) {
      // Read before the note: while it is this break that is in force, its note may yet come.
      const state = this.read();
      const note = readNote(this.memory, phase);
      const may = isBroken(state) && phase >= phaseOf(state) && performance.now() < patience;
      if (note !== undefined || !may) return note;
    }
  }

  #ownBreakOf(phase: number): { cause: unknown; signal: AbortSignal | undefined } | undefined {
    if (this.#own === undefined) return undefined;
    const { state } = this.#own;
    const first = phaseOf(state);
    return phase >= first && phase <= arrivalPhaseOf(state) ? this.#own : undefined;
  }

  /**
   * The error of who did not pass. Where parties share a signal that broke the phase, each gets its reason.
   */
  errorOf(
    outcome: Exclude<Outcome, { kind: "passed" }>,
    ticket: Ticket,
    signal?: AbortSignal,
  ): unknown {
    if (outcome.kind === "forgotten") return forgotten(ticket.phase);
    const { phase, reason } = outcome;
    const shared = signal !== undefined && this.#ownBreakOf(phase)?.signal === signal;
    return shared ? signal.reason : brokenError(this.breakOf(phase, reason));
  }
}

function noPhasesLeft(state: State): RangeError {
  return new RangeError(`This barrier has no phases left: it is in phase ${phaseOf(state)}`);
}
