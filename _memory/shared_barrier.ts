// Copyright 2026 the Rendezvous authors. MIT license.

import type { Cancellation } from "../_common/cancellation.ts";
import { cannot } from "../_common/checks.ts";
import {
  type BreakDetails,
  type BreakReason,
  brokenError,
  invalidState,
  overError,
} from "../_common/errors.ts";
import type { Snapshot } from "../_common/snapshot.ts";
import { recordBreak } from "./history.ts";
import { type BarrierMemory, STATE } from "./layout.ts";
import { Outcomes, type Ticket } from "./outcomes.ts";
import type { Parking } from "./parking.ts";
import { type Seat, Seats } from "./seats.ts";
import { Spinner } from "./spin.ts";
import {
  afterAction,
  afterArrival,
  afterBreak,
  afterEnd,
  afterLoss,
  afterRegistration,
  afterReset,
  afterWithdrawal,
  arrivalPhaseOf,
  behindAction,
  isBroken,
  isExhausted,
  isLast,
  isOpen,
  isOver,
  isRunning,
  partiesOf,
  phaseOf,
  reasonOf,
  remainingOf,
  type State,
} from "./state.ts";
import { StateWord } from "./state_word.ts";
import { Waiters } from "./waiters.ts";

/** A ticket of an arrival. */
export interface Arrival extends Ticket {
  /** How many parties were still to come. */
  readonly index: number;
  /** Whether it was the last, and its phase has passed. */
  readonly passed: boolean;
  /** The state after it. */
  readonly after: State;
}

/**
 * A barrier in memory that threads or processes share, as one of them sees it. Here is all that changes the state: who
 * arrives, and what ends a phase. Its parties, {@linkcode SharedParty}, wait.
 */
export class SharedBarrier {
  readonly memory: BarrierMemory;
  readonly seats: Seats;
  readonly waiters: Waiters;
  readonly outcomes: Outcomes;
  readonly #word: StateWord;
  readonly #spinner: Spinner;

  /** `parking` is nothing where nobody else has the memory. */
  constructor(memory: BarrierMemory, parking: Parking | undefined) {
    this.memory = memory;
    this.waiters = new Waiters(memory.words, parking);
    this.#word = new StateWord(memory, () => this.waiters.wakeAll());
    this.seats = new Seats(memory, this.#word);
    this.outcomes = new Outcomes(memory, this.#word, this.seats);
    this.#spinner = new Spinner(memory.words, parking);
  }

  /** Gives the memory its first state. */
  initialize(parties: number): void {
    this.#word.initialize(parties);
  }

  /** The state, for good. */
  read(): State {
    return this.#word.read();
  }

  // Arriving

  /**
   * Arrives.
   *
   * @param arrivedIn The phase in which the party arrived last: it arrives once in each.
   * @throws If the barrier is broken or over, the party has arrived, none is left, or the phase is full.
   */
  arrive(dropping: 0 | 1, seat: Seat | undefined, arrivedIn: number): Arrival {
    const { words, hasAction } = this.memory;
    for (let marked = false;;) {
      // A first guess, in halves that need not belong together: the exchange confirms them.
      const state = { low: words[STATE]!, high: words[STATE + 1]! };
      const phase = arrivalPhaseOf(state);
      if (!isOpen(state) || phase === arrivedIn) {
        if (marked) this.seats.setMark(seat!.index, arrivedIn);
        marked = false;
        this.checkArrival(seat, arrivedIn);
        continue;
      }
      if (seat !== undefined) {
        this.seats.setMark(seat.index, phase);
        marked = true;
      }
      const after = afterArrival(state, dropping, hasAction);
      if (!this.#word.exchange(state, after)) continue;
      const last = isLast(state);
      if (last) this.waiters.wake();
      return {
        phase,
        // A break of the phase before breaks this one too, and then both are recorded.
        from: phase,
        index: remainingOf(state) - 1,
        passed: last && !hasAction,
        after,
      };
    }
  }

  /** Spins for a while, if that pays. Returns `true` if the phase of an arrival may have ended meanwhile. */
  spin({ after, index }: Arrival): boolean {
    return index > 0 && this.#spinner.spin(after);
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
        ...this.outcomes.progressIn(isBehind ? behindAction(state) : state),
        phase: arrival.phase,
        broken: false,
        reason: undefined,
      };
      // Once its own action runs, an arrival cannot be taken back.
      if (onCancel === "withdraw" && arrivalPhaseOf(state) === arrival.phase) {
        if (!this.#word.exchange(state, afterWithdrawal(state))) continue;
        if (seat !== undefined) this.seats.setMark(seat.index, arrival.phase - 1);
        return before;
      }
      if (this.#break(state, afterBreak(state, why, 0), details)) return before;
    }
  }

  /** Throws if a party cannot arrive. */
  checkArrival(seat: Seat | undefined, arrivedIn: number): void {
    const state = this.read();
    if (isOver(state)) throw overError();
    if (isBroken(state)) throw brokenError(this.outcomes.breakOf(phaseOf(state), reasonOf(state)!));
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

  /** Throws if the barrier is over. */
  checkNotOver(): void {
    if (isOver(this.read())) throw overError();
  }

  /** Adds parties, and returns the phase in which they can arrive first. */
  register(count: number): number {
    for (;;) {
      const state = this.read();
      if (isOver(state)) throw overError();
      const parties = partiesOf(state) + count;
      if (parties > this.memory.room) {
        const rule = `there must be at most ${this.memory.room}`;
        throw new RangeError(cannot("register parties", rule, parties));
      }
      if (!this.#word.exchange(state, afterRegistration(state, count))) continue;
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
    const progress = this.outcomes.progressIn(open);
    if (!this.#word.exchange(state, next)) return false;
    // At once: if this thread dies before it, the party is counted again.
    if (gone !== undefined) this.seats.setGoneIn(gone.index, phaseOf(state));
    this.outcomes.noteBreak(open, reasonOf(next)!, progress, details);
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
      } else if (isOver(state) || this.#word.exchange(state, afterLoss(state))) {
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
      if (isOver(state)) throw overError();
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
      if (!this.#word.exchange(state, afterReset(state, dropLost))) continue;
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
      if (this.#word.exchange(state, afterAction(state))) return this.waiters.wake();
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
}

function noPhasesLeft(state: State): RangeError {
  return new RangeError(`This barrier has no phases left: it is in phase ${phaseOf(state)}`);
}
