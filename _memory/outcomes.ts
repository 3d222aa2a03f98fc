// Copyright 2026 the Rendezvous authors. MIT license.

import type { Cancellation } from "../_common/cancellation.ts";
import {
  type Break,
  type BreakDetails,
  type BreakReason,
  brokenError,
  forgotten,
  textOf,
} from "../_common/errors.ts";
import type { Counts, Progress, Snapshot } from "../_common/snapshot.ts";
import { firstBreak, isUnused } from "./history.ts";
import type { BarrierMemory } from "./layout.ts";
import { readNote, writeNote } from "./note.ts";
import type { Seats } from "./seats.ts";
import {
  arrivalPhaseOf,
  arrivedOf,
  isBroken,
  isOver,
  isRunning,
  partiesOf,
  phaseOf,
  reasonOf,
  type State,
} from "./state.ts";
import type { StateWord } from "./state_word.ts";

/** Says what is waited for: by a party that has arrived, or by who only watches. */
export interface Ticket {
  /** The phase whose end is waited for. */
  readonly phase: number;
  /** The first phase of which it is not known yet that it passed: a break of that one or a later one counts. */
  from: number;
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

/**
 * How long a reader waits for the note of a break, in ms: its writer is between the exchange and the note. On a busy
 * machine a thread that was put aside there comes back within some ms; only one that died there costs all of this.
 */
const NOTE_PATIENCE = 20;

/**
 * What is seen of a barrier: how it stands, how its phases ended, and what is known of a break. Nothing here exchanges
 * the state.
 */
export class Outcomes {
  readonly #memory: BarrierMemory;
  readonly #word: StateWord;
  readonly #seats: Seats;
  /** The last break from here: its cause, of which only the text crosses, and its signal, which does not. */
  #own: { state: State; cause: unknown; signal: AbortSignal | undefined } | undefined;

  constructor(memory: BarrierMemory, word: StateWord, seats: Seats) {
    this.#memory = memory;
    this.#word = word;
    this.#seats = seats;
  }

  // How it stands

  /** How the barrier stands; if it is broken, how it stood when it broke. */
  get snapshot(): Snapshot {
    const state = this.#word.read();
    if (!isBroken(state)) {
      return { ...this.progressIn(state), phase: phaseOf(state), broken: false, reason: undefined };
    }
    const { phase, reason, arrived = 0, parties = partiesOf(state), missing = [] } = this
      .breakOf(phaseOf(state), reasonOf(state)!);
    return { parties, arrived, phase, broken: true, reason, missing };
  }

  /** As `snapshot`, without the names. */
  get counts(): Counts {
    const state = this.#word.read();
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

  /** How far the lowest phase has come in a state that is not broken. */
  progressIn(state: State): Pick<Snapshot, keyof Progress> {
    const missing = isRunning(state) ? [] : this.#seats.missingIn(state);
    return { parties: partiesOf(state), arrived: arrivedOf(state), missing };
  }

  /** Whether the barrier is usable, or over. */
  get isReady(): boolean {
    const state = this.#word.read();
    return !isBroken(state) || isOver(state);
  }

  // How a phase ended

  /** The ticket of one who waits for a phase without being a party. */
  ticketFor(phase: number): Ticket {
    return { phase, from: Math.min(phase, phaseOf(this.#word.read())) };
  }

  /** How the phase of a ticket ended; nothing while it has not. Passed comes first, then broken. */
  outcomeOf(ticket: Ticket): Outcome | undefined {
    const state = this.#word.read();
    const phase = phaseOf(state);
    if (phase > ticket.from) {
      // The usual end: one phase is asked for, and nothing ever broke. Then no thread need compile the search.
      const isOne = ticket.from === ticket.phase;
      if (isOne && isUnused(this.#memory, ticket.phase)) return PASSED;
      const broke = firstBreak(this.#memory, ticket.from, Math.min(phase - 1, ticket.phase));
      if (broke === undefined) return FORGOTTEN;
      if (broke !== "none") return { kind: "broken", ...broke };
      if (phase > ticket.phase) return PASSED;
      ticket.from = phase;
    }
    const reason = reasonOf(state);
    if (reason === undefined) return undefined;
    // Later than the open phase only for who arrived behind its action: then both are broken.
    return { kind: "broken", phase: ticket.from, reason };
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

  // What is known of a break

  /** Notes the details of a break that this thread has just made, of a state in which its phase had come so far. */
  noteBreak(
    state: State,
    reason: BreakReason,
    progress: Progress,
    { party, cause, note, signal }: BreakDetails,
  ): void {
    this.#own = { state, cause, signal };
    writeNote(this.#memory, {
      ...progress,
      reason,
      phase: phaseOf(state),
      running: isRunning(state),
      party,
      cause: cause === undefined ? undefined : textOf(cause),
      note,
    });
  }

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
      const state = this.#word.read();
      const note = readNote(this.#memory, phase);
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
}
