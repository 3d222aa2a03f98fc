// Copyright 2026 the Rendezvous authors. MIT license.

import { arm, type Cancellation } from "./_cancel.ts";
import { checkMost } from "./_check.ts";
import type { BreakReason, Progress } from "./_errors.ts";

/*
 * A barrier in shared memory: 64 words of 32 bits, and what its owner puts behind them. All that decides an
 * outcome is in one of them, STATE, so that every transition is one compare-exchange; it has a cache line to
 * itself.
 *
 *   word   name      holds
 *       0  STATE     see below
 *      16  MAGIC     what tells a barrier from other memory
 *      17  SLEEPERS  whether somebody may be asleep; if not, nobody need be woken
 *      18  BELL      how often they were woken: what they sleep on
 *      19  PHASES    a recent count of completed phases
 *      20  RESETS    a recent count of resets
 *   21-22  SETTLED   in which epoch, by the count of resets, the last even and the last odd phase was settled
 *   23-24  FAILED    the phase whose action threw last, and the epoch that it was settled in
 *   25-26  UNEVEN    the last even and the last odd phase in which somebody withdrew or registered
 *      27  DEBT      what spinning in vain has cost and not saved since, in µs
 *      28  RESUME    when they spin again, in ms of the clock, after the debt has become too high; 0: they do
 *   29-30  ERAS      how often somebody did in that phase
 *   32-39  ENDED     how the last 8 epochs ended: epoch << 13 | arrived << 3 | reason
 *   40-47  ENDED_IN  the phase that was open then
 *   48-63            free for the owner
 *
 *   bits of STATE
 *     0-9  remaining   parties that have yet to arrive in the open phase
 *   10-19  parties     parties of the next phase
 *   20-22  reason      0, or why the barrier is broken: an index of REASONS
 *      23  tripping    the last party has arrived, and the action runs; the next phase is open
 *   24-27  phases      completed phases, modulo 16
 *   28-31  resets      resets, modulo 16
 *
 * The two counters in STATE tell a waiter whether its phase has passed or was broken; their lower bits
 * suffice for that while it is awake, but a watcher, or a waiter whose thread stood still, may miss a
 * whole turn of them. So the whole counts are kept beside STATE. Whoever is about to count from n to n + 1,
 * where n is a multiple of 8, first lifts the count beside it to n: thus that count is never ahead, and
 * never more than 8 behind, and with the lower bits of STATE it gives the whole one. A whole count has 32
 * bits: `phase` goes on at 0 after 4,294,967,295. What is left to chance: a thread that stands still
 * between reading STATE and exchanging it, while the others reset the barrier exactly a multiple of 16
 * times and as many parties arrive as before, arrives in the latter epoch and takes it for the former.
 *
 * ENDED, ENDED_IN and SETTLED are for a waiter who wakes late and finds both counters changed: had its phase
 * passed before the reset, or did the reset revoke its arrival, and others made the phase pass? Whoever is
 * about to reset, or to settle a phase, lifts them first, and to lift never lowers: one who comes too late
 * does no harm. Only who slept through 8 resets and more than one later phase takes "reset" for an answer.
 */
const STATE = 0;
const MAGIC = 16;
const SLEEPERS = 17;
const BELL = 18;
const PHASES = 19;
const RESETS = 20;
const SETTLED = 21;
const FAILED = 23;
const UNEVEN = 25;
const DEBT = 27;
const RESUME = 28;
const ERAS = 29;
const ENDED = 32;
const EPOCHS = 8;
const ENDED_IN = 40;

/** The first word that is free for the owner, and the first behind the barrier. */
export const OWN_WORDS = 48;
export const BARRIER_WORDS = 64;

/** How many epochs are remembered, for owners who keep more of each. */
export { EPOCHS };

/** What SETTLED, FAILED, UNEVEN and ENDED hold at first: it comes before every epoch and phase. */
export const NEVER = -1;

const BARRIER_MAGIC = 0x42415232;

const REMAINING_MASK = 0x3ff;
const PARTIES_SHIFT = 10;
const REASON_SHIFT = 20;
const REASON_MASK = 7 << REASON_SHIFT;
const TRIPPING = 1 << 23;
const PHASES_SHIFT = 24;
const RESETS_SHIFT = 28;
const COUNT_MASK = 15;
const LIFT_EVERY = 8;
/** The bits that change when a phase ends, however. */
const ENDING_MASK = -1 << REASON_SHIFT;

const REASONS = [undefined, "timeout", "aborted", "action", "reset", "lost"] as const;

/** The most parties: as many as `remaining` can count. */
export const MAX_PARTIES: number = REMAINING_MASK;

/*
 * Where parties have an identity, each has a seat, of which the barrier notes in what phase its party arrived:
 *
 *   word  holds
 *    0-1  the last even phase that it arrived in, and resets << 10 | remaining as they were then
 *    2-3  the same for the last odd phase
 *    6-7  in which era of these phases it arrived: after how many withdrew or registered
 *
 * A seat begins at a cache line of its own, and only its party writes here, just before it arrives: so what
 * those who pass read of it is what it was when the phase was settled.
 */
const SEAT_MARK_WORDS = 2;
const SEAT_ERAS = 6;

/** Where the seats are, in words, of a barrier whose parties have them. */
export interface Seats {
  readonly start: number;
  readonly stride: number;
}

function remainingOf(state: number): number {
  return state & REMAINING_MASK;
}

/** How many parties there are, in a state. */
export function partiesOf(state: number): number {
  return state >> PARTIES_SHIFT & REMAINING_MASK;
}

/** Why the barrier is broken, in a state. */
export function reasonOf(state: number): BreakReason | undefined {
  return REASONS[(state & REASON_MASK) >> REASON_SHIFT];
}

/** `state` with as many parties to come as there are parties. */
function refilled(state: number): number {
  return state & ~REMAINING_MASK | partiesOf(state);
}

function brokenBy(state: number, reason: BreakReason): number {
  return state | REASONS.indexOf(reason) << REASON_SHIFT;
}

function mended(state: number): number {
  const resets = (state >>> RESETS_SHIFT) + 1 & COUNT_MASK;
  return refilled(state) & ~(REASON_MASK | COUNT_MASK << RESETS_SHIFT) | resets << RESETS_SHIFT;
}

/** `state` after the open phase, or the tripping one, has passed. */
function passed(state: number): number {
  const phases = (state >>> PHASES_SHIFT) + 1 & COUNT_MASK;
  return state & ~(TRIPPING | COUNT_MASK << PHASES_SHIFT) | phases << PHASES_SHIFT;
}

/** The whole count, from a recent value of it and the lower bits of now. */
function whole(recent: number, bits: number): number {
  return recent + (bits - recent & COUNT_MASK) >>> 0;
}

/** A consistent look at the barrier, and the ticket of a party that arrived in it or watches it. */
export interface View {
  state: number;
  /** The phase that arrivals join, or that is watched. */
  phase: number;
  resets: number;
  /** The recent count of resets that `resets` was told by. */
  recent: number;
  watches?: true;
  /** Whether this was the last arrival of its phase, and the action is to be run. */
  trips?: true;
  /** Whether the party had arrived already. */
  twice?: true;
}

/** How the phase of a ticket ended; nothing while it has not. */
export type Outcome = "passed" | BreakReason | undefined;

/** How the threads, or the processes, that share the memory sleep and wake each other. */
export interface Sleeper {
  /**
   * One look of a waiter that spins, of `parties` in all, was in vain: lets a moment pass. Returns `false` where
   * nobody may spin.
   */
  pause(turn: number, parties: number): boolean;
  /** Blocks this thread until `word` is notified, unless it is not `value`, for `timeout` ms at most. */
  wait(word: number, value: number, timeout: number): void;
  /** As `wait`, but the thread goes on, and its event loop is kept alive. */
  waitAsync(word: number, value: number): Promise<unknown>;
  /** Wakes all who sleep on `word`. */
  notify(word: number): void;
}

/** How many hardware threads there are. */
export const threads: number = globalThis.navigator?.hardwareConcurrency ?? 1;

interface Waiter {
  ticket: View;
  settle: (outcome: Outcome) => void;
}

/*
 * Spinning is fast on idle hardware threads, and ruinous where somebody else has to run for the phase to end. So
 * the barrier keeps an account: a spin in vain adds to the debt what it has cost, one that paid takes off what it
 * saved, and when the debt becomes too high nobody spins for a while; then they start anew. It takes all parties
 * to be awake for any to find the others awake: so they share the account.
 */

/**
 * The highest debt, in µs, and for how long nobody spins then, in ms: so spinning in vain takes 7 % of the time at
 * most. Two parties that the system has put on one hardware thread, though another is idle, get apart while they
 * sleep; then spinning pays again.
 */
const CREDIT = 4_000;
const PAUSE = 50;

/** What a spin that paid saves, in µs: to sleep and be woken takes 5 to 100. */
const SAVED = 10;

/**
 * How long a party spins, in µs, and so for how long it keeps its event loop from going on. It must be more than
 * waking takes, up to 100 µs on virtual machines, or nobody who spins would see the others come; where several
 * parties share a hardware thread, each must have had its turn.
 */
const SPIN = 150;

/** After how many turns a spin is worth a look at the clock, which costs several. */
const UNTIMED_TURNS = 50;

/**
 * The one implementation of the algorithm: a barrier in memory that is shared by threads or by processes, as
 * one of them sees it. How they sleep is the sleeper's business, what an error says is the owner's.
 */
export class SharedBarrier {
  words: Int32Array;
  readonly #sleeper: Sleeper;
  readonly #seats: Seats | undefined;
  readonly #waiters = new Set<Waiter>();
  /** The recent counts as last read. */
  #phases = NaN;
  #resets = NaN;
  #attending: Promise<void> | undefined;
  /** Whether a phase that is full has an action to be run before it is released. */
  acts = false;
  /** Whether all who share the memory know whether there is an action. */
  alike = false;
  /** Whether nobody else has the memory: then only what is done here ends a phase. */
  alone = false;
  /** Is told of every ending, and keeps those who may wake this barrier awake. */
  vigil: (() => void) | undefined = undefined;

  constructor(words: Int32Array, sleeper: Sleeper, seats?: Seats) {
    this.words = words;
    this.#sleeper = sleeper;
    this.#seats = seats;
  }

  /** Makes the memory a barrier. */
  found(parties: number): void {
    const { words } = this;
    words.fill(0, 0, BARRIER_WORDS);
    words.fill(NEVER, SETTLED, UNEVEN + 2);
    words.fill(NEVER, ENDED, ENDED_IN + EPOCHS);
    Atomics.store(words, STATE, parties << PARTIES_SHIFT | parties);
    Atomics.store(words, MAGIC, BARRIER_MAGIC);
  }

  /** Whether the memory holds a barrier. */
  get founded(): boolean {
    return Atomics.load(this.words, MAGIC) === BARRIER_MAGIC;
  }

  look(): View {
    const { words } = this;
    for (;;) {
      const state = Atomics.load(words, STATE);
      const phases = Atomics.load(words, PHASES);
      const resets = Atomics.load(words, RESETS);
      // The counts only grow: they belong to this state if they were the same before it as after.
      if (phases === this.#phases && resets === this.#resets) {
        if (
          remainingOf(state) > partiesOf(state) || (state & REASON_MASK) > LAST_REASON ||
          this.alike && !this.acts && state & TRIPPING
        ) {
          this.#condemn(state);
          continue;
        }
        const completed = whole(phases, state >>> PHASES_SHIFT);
        return {
          state,
          phase: state & TRIPPING ? completed + 1 >>> 0 : completed,
          resets: whole(resets, state >>> RESETS_SHIFT),
          recent: resets,
        };
      }
      this.#phases = phases;
      this.#resets = resets;
    }
  }

  /** No transition leads to that state: somebody has written over it. All are told, and `reset` mends it. */
  #condemn(state: number): void {
    const counts = state & ~(-1 >>> 32 - PHASES_SHIFT);
    const parties = partiesOf(state);
    const lost = brokenBy(counts | parties << PARTIES_SHIFT | parties, "lost");
    if (this.#swap(state, lost)) this.alarm();
  }

  #swap(state: number, next: number): boolean {
    return Atomics.compareExchange(this.words, STATE, state, next) === state;
  }

  /** Lifts a whole count to at least `count`. */
  #lift(word: number, count: number): void {
    for (;;) {
      const recent = Atomics.load(this.words, word);
      if ((count - recent | 0) <= 0) return;
      if (Atomics.compareExchange(this.words, word, recent, count | 0) === recent) return;
    }
  }

  /**
   * Arrives, and returns the barrier as it was just before: the ticket to wait with. Where the barrier is
   * broken, has no party, or that of the seat has arrived already, that is returned instead, and nobody has
   * arrived: see `refused`. There is no ticket when this is the last arrival of a phase while the action of the
   * phase before still runs.
   */
  arrive(dropping: 0 | 1 = 0, seat?: number): View | undefined {
    for (let marked: View | undefined;;) {
      const ticket = this.look();
      const { state } = ticket;
      const remaining = remainingOf(state);
      const next = state - (dropping << PARTIES_SHIFT) - 1;
      const refused = (state & REASON_MASK) !== 0 || remaining === 0;
      if (seat !== undefined && !refused && marked === undefined && this.markIn(seat, ticket) > 0) {
        ticket.twice = true;
        return ticket;
      }
      if (refused || remaining === 1 && state & TRIPPING) {
        if (marked !== undefined) this.unmark(seat!, marked);
        return refused ? ticket : undefined;
      }
      if (seat !== undefined) this.#mark(seat, marked = ticket);
      if (remaining > 1 ? this.#swap(state, next) : this.#trip(ticket, refilled(next))) {
        return ticket;
      }
    }
  }

  /** Why a ticket is none, if it is none. */
  refused({ state, twice }: View): BreakReason | "no party" | "twice" | undefined {
    if (twice) return "twice";
    return reasonOf(state) ?? (remainingOf(state) === 0 ? "no party" : undefined);
  }

  /** The last arrival: releases the phase, unless it has an action, or `ticket` is out of date. */
  #trip(ticket: View, next: number): boolean {
    const { state, phase, resets } = ticket;
    if (phase % LIFT_EVERY === 0) this.#lift(PHASES, phase);
    this.#lift(SETTLED + phase % 2, resets);
    if (this.acts) {
      if (!this.#swap(state, next | TRIPPING)) return false;
      ticket.trips = true;
    } else {
      if (!this.#swap(state, passed(next))) return false;
      this.wake();
    }
    return true;
  }

  /** Releases the phase whose action has ended. */
  endTrip(): void {
    for (;;) {
      const state = Atomics.load(this.words, STATE);
      if (!(state & TRIPPING)) return;
      if (this.#swap(state, passed(state))) return this.wake();
    }
  }

  /** The phase whose action runs, and the epoch that it was settled in. */
  get tripped(): Pick<View, "phase" | "resets"> {
    const phase = this.completed;
    return { phase, resets: Atomics.load(this.words, SETTLED + phase % 2) >>> 0 };
  }

  /** Breaks the phase whose action threw. */
  failTrip(): void {
    const { words } = this;
    const { phase, resets } = this.tripped;
    Atomics.store(words, FAILED, phase);
    Atomics.store(words, FAILED + 1, resets);
    for (;;) {
      const state = Atomics.load(words, STATE);
      // For the next phase an abort made while the action ran came first, and stays the reason.
      const ended = state & ~(TRIPPING | REMAINING_MASK);
      if (this.#swap(state, state & REASON_MASK ? ended : brokenBy(ended, "action"))) {
        return this.wake();
      }
    }
  }

  /** Breaks the phase whose action will not end, and the barrier. */
  loseTrip(): void {
    for (;;) {
      const state = Atomics.load(this.words, STATE);
      if (!(state & TRIPPING)) return this.break("lost");
      const ended = state & ~TRIPPING;
      if (this.#swap(state, state & REASON_MASK ? ended : brokenBy(ended, "lost"))) {
        return this.alarm();
      }
    }
  }

  /** Whether an action runs, or should. */
  get tripping(): boolean {
    return (Atomics.load(this.words, STATE) & TRIPPING) !== 0;
  }

  /** Breaks the open phase, unless the barrier is broken already: the first reason stays. */
  break(reason: BreakReason): void {
    for (;;) {
      const state = Atomics.load(this.words, STATE);
      if (state & REASON_MASK) return;
      if (this.#swap(state, brokenBy(state, reason))) return this.alarm();
    }
  }

  /** Makes the barrier empty and usable. `end` is told, before that, that an epoch has ended. */
  reset(end: (view: View) => void = () => {}): void {
    for (;;) {
      const view = this.look();
      const { state, phase, resets } = view;
      const reason = (state & REASON_MASK) >> REASON_SHIFT;
      if (reason === 0) {
        if (state === refilled(state)) return;
        // Broken first: that freezes the reason, so that what is noted below cannot be wrong.
        this.break("reset");
        continue;
      }
      if (resets % LIFT_EVERY === 0) this.#lift(RESETS, resets);
      const arrived = partiesOf(state) - remainingOf(state);
      this.#lift(ENDED + resets % EPOCHS, resets << 13 | arrived << 3 | reason);
      this.#lift(ENDED_IN + resets % EPOCHS, phase);
      end(view);
      if (this.#swap(state, mended(state))) return this.alarm();
    }
  }

  /** Lifts the counts beside STATE, should they not have been when they had to be. */
  anchor(): void {
    const { resets } = this.look();
    const { completed } = this;
    this.#lift(RESETS, resets - resets % LIFT_EVERY);
    this.#lift(PHASES, completed - completed % LIFT_EVERY);
  }

  /** Begins a new epoch with that many parties, whatever was written over the barrier. */
  mend(parties: number): void {
    for (;;) {
      const { state, resets } = this.look();
      if (resets % LIFT_EVERY === 0) this.#lift(RESETS, resets);
      const counts = state & ~((1 << PHASES_SHIFT) - 1);
      if (this.#swap(state, mended(counts | parties << PARTIES_SHIFT | parties))) return;
    }
  }

  /** Adds parties, and returns the phase that they join. */
  register(count: number): number {
    for (;;) {
      const { state, phase } = this.look();
      checkMost(partiesOf(state) + count, MAX_PARTIES);
      if (this.#seats !== undefined) this.#unsettle(phase);
      if (this.#swap(state, state + (count << PARTIES_SHIFT | count))) return phase;
    }
  }

  /** Takes the wait of a ticket back, and returns what the barrier was then; nothing if it is settled. */
  cancel(
    ticket: View,
    why: Cancellation,
    onCancel: "break" | "withdraw",
    seat?: number,
  ): View | undefined {
    for (;;) {
      const view = this.look();
      if (view.phase !== ticket.phase || this.outcome(ticket, view) !== undefined) {
        return undefined;
      }
      const { state, phase } = view;
      const withdraws = onCancel === "withdraw";
      if (withdraws && seat !== undefined) this.#unsettle(phase);
      if (!this.#swap(state, withdraws ? state + 1 : brokenBy(state, why))) continue;
      this.wake();
      return view;
    }
  }

  /** How the phase of a ticket ended; nothing while it has not. */
  outcome(ticket: View, view: View): Outcome {
    const { words } = this;
    const completed = completedOf(view);
    const ahead = completed - ticket.phase | 0;
    const same = view.resets === ticket.resets;
    // Passed comes first: whatever broke the barrier after that is not this party's business.
    if (ahead > 0 && (same || ticket.watches)) return "passed";
    if (view.state & TRIPPING && ahead === 0) return undefined;
    const reason = reasonOf(view.state);
    if (same && reason === undefined) {
      // A ticket of a phase that is not open yet: somebody has written over the counts.
      const future = !ticket.watches && ahead < (view.state & TRIPPING ? -1 : 0);
      return future ? "lost" : undefined;
    }
    const failed = Atomics.load(words, FAILED) >>> 0 === ticket.phase &&
      Atomics.load(words, FAILED + 1) >>> 0 === ticket.resets;
    if (failed) return "action";
    if (same) return reason;
    // It wakes late: had its phase passed before the reset, or did others make it pass, without its arrival?
    const slot = ticket.resets % EPOCHS;
    const ended = Atomics.load(words, ENDED + slot);
    const endedIn = Atomics.load(words, ENDED_IN + slot);
    if (this.remembers(ticket)) {
      return ahead > 0 && (endedIn - ticket.phase | 0) > 0
        ? "passed"
        : REASONS[ended & 7] ?? "lost";
    }
    // It slept through so many resets that nobody knows how its epoch ended.
    const settled = Atomics.load(words, SETTLED + ticket.phase % 2) >>> 0;
    return ahead === 1 && settled === ticket.resets ? "passed" : "reset";
  }

  /** Whether what is kept of epochs, and was read before this is called, was about the epoch of a ticket. */
  remembers(ticket: View, later: View = this.look()): boolean {
    return later.resets - ticket.resets >>> 0 < EPOCHS;
  }

  /** How far the phase of a ticket came, for the error of one who did not pass. */
  progress(ticket: View, reason: BreakReason): Progress {
    const progress = progressOf(ticket);
    const slot = ticket.resets % EPOCHS;
    const ended = Atomics.load(this.words, ENDED + slot);
    const endedIn = Atomics.load(this.words, ENDED_IN + slot);
    const view = this.look();
    if (view.resets === ticket.resets) return progressOf(view);
    if (this.remembers(ticket, view)) {
      progress.arrived = ended >> 3 & REMAINING_MASK;
      // One who watches is told of the phase that failed, or was open then.
      const failed = Atomics.load(this.words, FAILED);
      if (ticket.watches) progress.phase = (reason === "action" ? failed : endedIn) >>> 0;
    } else {
      progress.arrived++;
    }
    return progress;
  }

  get parties(): number {
    return partiesOf(this.look().state);
  }

  get arrived(): number {
    const { state } = this.look();
    if (state & REASON_MASK) return 0;
    return partiesOf(state) - (state & TRIPPING ? 0 : remainingOf(state));
  }

  /** How many phases have completed. */
  get completed(): number {
    return completedOf(this.look());
  }

  get reason(): BreakReason | undefined {
    return reasonOf(this.look().state);
  }

  // Seats

  /** How many seats there are. */
  protected get seated(): number {
    return 0;
  }

  #markOf(seat: number, phase: number): number {
    const { start, stride } = this.#seats!;
    return start + seat * stride + phase % 2 * SEAT_MARK_WORDS;
  }

  #eraOf(seat: number, phase: number): number {
    const { start, stride } = this.#seats!;
    return start + seat * stride + SEAT_ERAS + phase % 2;
  }

  #isUneven(phase: number): boolean {
    return Atomics.load(this.words, UNEVEN + phase % 2) >>> 0 === phase;
  }

  /** Notes that somebody is about to withdraw or register: who arrives from now on is of a new era. */
  #unsettle(phase: number): void {
    if (!this.#isUneven(phase)) {
      Atomics.store(this.words, ERAS + phase % 2, 0);
      Atomics.store(this.words, UNEVEN + phase % 2, phase);
    }
    Atomics.add(this.words, ERAS + phase % 2, 1);
  }

  /** Notes that the party of a seat is about to arrive: before it does, for those who come after it. */
  #mark(seat: number, { state, phase, resets }: View): void {
    const mark = this.#markOf(seat, phase);
    this.words[mark] = phase;
    this.words[mark + 1] = resets << PARTIES_SHIFT | remainingOf(state);
    this.words[this.#eraOf(seat, phase)] = this.#isUneven(phase)
      ? this.words[ERAS + phase % 2]!
      : 0;
  }

  /** How many had yet to arrive when the party of a seat did, in that phase and epoch; 0 if it has not. */
  markIn(seat: number, { phase, resets }: View): number {
    const mark = this.#markOf(seat, phase);
    const place = this.words[mark + 1]!;
    if (this.words[mark]! >>> 0 !== phase || (place ^ resets << PARTIES_SHIFT) >> PARTIES_SHIFT) {
      return 0;
    }
    return remainingOf(place);
  }

  /** Takes back what was marked of an arrival. */
  unmark(seat: number, { phase }: View): void {
    this.words[this.#markOf(seat, phase) + 1] = 0;
  }

  /**
   * How many were still to come when a party that has passed arrived. Where somebody withdrew or registered
   * meanwhile, several arrived when as many were to come: then it is its rank among all who arrived.
   */
  numberOf(ticket: View, seat?: number): number {
    const own = remainingOf(ticket.state);
    if (seat === undefined) return own - 1;
    const { phase } = ticket;
    if (!this.#isUneven(phase)) return own - 1;
    const era = this.words[this.#eraOf(seat, phase)]!;
    let later = 0;
    for (let other = 0; other < this.seated; other++) {
      const remaining = this.markIn(other, ticket);
      if (remaining === 0) continue;
      const eras = this.words[this.#eraOf(other, phase)]! - era;
      const after = eras || own - remaining || other - seat;
      if (after > 0) later++;
    }
    return later;
  }

  // Waiting

  /** Spins while that has paid lately, and says whether the phase of a ticket has passed. */
  spin({ state, recent, trips }: View): boolean {
    // Its own arrival released the phase.
    if (remainingOf(state) === 1 && !trips) return true;
    // What ends first then is the phase before, which looks the same.
    if (state & TRIPPING) return false;
    const { words } = this;
    const resume = Atomics.load(words, RESUME);
    if (resume !== 0 && this.#pauses(resume)) return false;
    const debt = Atomics.load(words, DEBT);
    const parties = partiesOf(state);
    const limit = SPIN * Math.max(1, parties / (4 * threads));
    let start = 0;
    for (let turn = 0;; turn++) {
      const now = Atomics.load(words, STATE);
      if ((now ^ state) & ENDING_MASK) {
        const spent = turn <= UNTIMED_TURNS ? 0 : (performance.now() - start) * 1e3;
        if (spent > limit) this.#owe(debt + spent);
        else if (debt > 0) Atomics.compareExchange(words, DEBT, debt, Math.max(debt - SAVED, 0));
        // Another count of phases, the same of resets, and less than a whole turn of those: it has passed.
        return now >>> RESETS_SHIFT === state >>> RESETS_SHIFT &&
          ((now ^ state) & COUNT_MASK << PHASES_SHIFT) !== 0 &&
          Atomics.load(words, RESETS) === recent;
      }
      if (turn === UNTIMED_TURNS) start = performance.now();
      const timed = turn > UNTIMED_TURNS && turn % 16 === 0;
      const late = timed && (performance.now() - start) * 1e3 > limit;
      if (!late && this.#sleeper.pause(turn, parties)) continue;
      // Where nobody may spin at all, nothing was learned.
      if (turn > 0) this.#owe(debt + limit);
      return false;
    }
  }

  /** Notes the debt after a spin in vain; what several spent in the same phase counts once. */
  #owe(debt: number): void {
    const { words } = this;
    if (debt > CREDIT) Atomics.store(words, RESUME, Date.now() + PAUSE | 0 || 1);
    Atomics.store(words, DEBT, debt > CREDIT ? 0 : Math.round(debt));
  }

  /** Whether nobody spins still. A clock that was set back makes no difference. */
  #pauses(resume: number): boolean {
    const left = resume - Date.now() | 0;
    if (left > 0 && left <= PAUSE) return true;
    Atomics.compareExchange(this.words, RESUME, resume, 0);
    return false;
  }

  /** Blocks until the phase of a ticket has ended; returns nothing if the deadline comes first. */
  block(ticket: View, deadline: number): Outcome {
    if (ticket.watches === undefined && this.spin(ticket)) return "passed";
    for (;;) {
      const bell = this.#listen();
      const outcome = this.outcome(ticket, this.look());
      if (outcome !== undefined) return outcome;
      const left = deadline === Infinity ? Infinity : deadline - performance.now();
      if (left <= 0) return undefined;
      this.#sleeper.wait(BELL, bell, left);
    }
  }

  /** Blocks until no action runs. */
  blockTrip(): void {
    for (;;) {
      const bell = this.#listen();
      if (!this.tripping) return;
      this.#sleeper.wait(BELL, bell, Infinity);
    }
  }

  /**
   * What to sleep on after one more look: whatever that does not show will ring the bell. The bell is read before
   * SLEEPERS is set: who rings clears that first, so if that clears it here, the bell has changed.
   */
  #listen(): number {
    const bell = Atomics.load(this.words, BELL);
    Atomics.store(this.words, SLEEPERS, 1);
    return bell;
  }

  /** As `block`, but the thread goes on; returns nothing if it is cancelled first. */
  async park(ticket: View, timeout: number, signal?: AbortSignal): Promise<Outcome> {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const now = this.outcome(ticket, this.look());
    if (signal?.aborted) return now === "passed" ? now : undefined;
    if (now !== undefined) return now;
    const dismiss = this.attend(ticket, (outcome) => {
      // Where parties share a signal, the first that is told may break the barrier before the next is told.
      const cancelled = signal?.aborted && outcome !== "passed" && outcome !== "action";
      resolve(cancelled ? undefined : outcome);
    });
    const disarm = arm(timeout, signal, () => {
      dismiss();
      resolve(this.outcome(ticket, this.look()));
    });
    try {
      return await promise;
    } finally {
      disarm();
    }
  }

  /** Waits, without blocking, until no action runs. */
  async parkTrip(): Promise<void> {
    const { resets } = this.look();
    // Whoever watches the phase that the action is of is told of its end.
    while (this.tripping) {
      const { state, recent } = this.look();
      await this.park({ state, phase: this.completed, resets, recent, watches: true }, Infinity);
    }
  }

  /** Calls `settle` once the phase of a ticket has ended, unless the function that is returned is called first. */
  attend(ticket: View, settle: (outcome: Outcome) => void): () => void {
    const waiter = { ticket, settle };
    this.#waiters.add(waiter);
    this.watch();
    return () => {
      // Nobody is left for whom to sleep: the others look again, and sleep on.
      if (this.#waiters.delete(waiter) && !this.#watched && this.#attending) this.#ring();
    };
  }

  get #watched(): boolean {
    return this.#waiters.size > 0 || this.vigil !== undefined;
  }

  /** Sees to it that the waiters here are woken by others, too. */
  watch(): void {
    if (!this.alone) this.#attending ??= this.#attend();
  }

  /** Goes on with a copy of its own, as the memory is about to be given back. */
  async detach(): Promise<void> {
    this.alone = true;
    if (this.#attending !== undefined) this.#ring();
    await this.#attending;
    this.words = this.copy();
    this.words[SLEEPERS] = 0;
  }

  /** Gives up all who wait here, and what would cancel them. */
  forsake(): void {
    for (const waiter of this.#waiters) {
      this.#waiters.delete(waiter);
      waiter.settle("aborted");
    }
  }

  /** A copy of the memory, of all that is still asked for without it. */
  protected copy(): Int32Array {
    const copy = new Int32Array(this.words.length);
    copy.set(this.words.subarray(0, BARRIER_WORDS));
    return copy;
  }

  async #attend(): Promise<void> {
    // Many a phase ends before this thread has done what it is at.
    await null;
    while (this.#watched && !this.alone) {
      const bell = this.#listen();
      this.#settle();
      if (!this.#watched || this.alone) break;
      await this.#sleeper.waitAsync(BELL, bell);
    }
    this.#attending = undefined;
  }

  /** Wakes everybody, whoever may have died after it said that it would. */
  alarm(): void {
    if (!this.alone) this.#ring();
    this.#settle();
  }

  /** Tells the waiters here how their phases ended. */
  #settle(): void {
    if (this.#waiters.size > 0) {
      const view = this.look();
      // Several phases may have ended since the last look: who waited for an earlier one goes on first.
      const inOrder = [...this.#waiters].sort((a, b) => a.ticket.phase - b.ticket.phase | 0);
      for (const waiter of inOrder) {
        const outcome = this.outcome(waiter.ticket, view);
        if (outcome === undefined) continue;
        this.#waiters.delete(waiter);
        waiter.settle(outcome);
      }
    }
    this.vigil?.();
  }

  /** Wakes all who sleep. They look again: to be woken says nothing. */
  wake(): void {
    if (Atomics.load(this.words, SLEEPERS) !== 0) this.#ring();
    if (this.#watched) this.#settle();
  }

  #ring(): void {
    Atomics.store(this.words, SLEEPERS, 0);
    Atomics.add(this.words, BELL, 1);
    this.#sleeper.notify(BELL);
  }
}

const LAST_REASON = REASONS.length - 1 << REASON_SHIFT;

/** How many phases have completed, in a view. */
export function completedOf({ state, phase }: View): number {
  return state & TRIPPING ? phase - 1 >>> 0 : phase;
}

/** How far the open phase has come, in a view. */
export function progressOf({ state, phase }: View): Progress {
  const parties = partiesOf(state);
  return { phase, arrived: parties - remainingOf(state), parties };
}
