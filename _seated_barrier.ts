// Copyright 2026 the Rendezvous authors. MIT license.

import { arm, type Cancellation } from "./_cancel.ts";
import { checkInteger, checkOptions, checkSignal, checkTimeout } from "./_check.ts";
import { decodeError, isBy, textOf, type WireError } from "./_protocol.ts";
import {
  type BreakReason,
  type BrokenBarrierError,
  brokenError,
  noPartyLeft,
  timeoutError,
} from "./_errors.ts";
import {
  BARRIER_WORDS,
  completedOf,
  EPOCHS,
  MAX_PARTIES,
  NEVER,
  type Outcome,
  OWN_WORDS,
  progressOf,
  reasonOf,
  SharedBarrier,
  type Sleeper,
  type View,
} from "./_shared_barrier.ts";
import type { WaitOptions, WatchOptions } from "./barrier.ts";

/*
 * What lies behind the words of `_shared_barrier.ts`, where the parties have seats and names. Texts are JSON
 * in parts: a word for the length, and the bytes.
 *
 *   SEATED  how many seats have ever been given
 *   CLAIMS  of each of the last 8 epochs, by the count of resets: resets << 10 | who said why it broke
 *   NOTES   of each of these epochs two parts:
 *             THREW    { name, message } of what the action threw, before the phase is broken
 *             MISSING  the names of those who had not arrived, before the reset
 *   WHYS    a part for each seat and one for the server, { reason, note?, cause? }: why it breaks the barrier
 *   SEATS   of each party 96 words: its marks, whether it is listed, and its name
 *
 * Whoever breaks the barrier and has something to say writes that, claims the epoch, and then breaks it; the
 * first who claims it is who is quoted. Each writes in its own places only, and before what makes others read it.
 */
const CLAIMS = OWN_WORDS;
const SEATED = CLAIMS + EPOCHS;
const THREW = 0;
const MISSING = 1;
const NOTE_WORDS = 3_072;
const NOTES = BARRIER_WORDS;
const WHYS = NOTES + 2 * EPOCHS * NOTE_WORDS;
const WHY_WORDS = 2_048;

/** Who speaks for the server, among the seats. */
export const SERVER = MAX_PARTIES;

const SEATS = WHYS + (SERVER + 1) * WHY_WORDS;
const SEAT_WORDS = 96;
const LISTED = 4;
const NAME_LENGTH = 5;
const NAME = 16;
const MAX_NAME = 4 * (SEAT_WORDS - NAME);

/** How many words it takes. */
export const SEATED_WORDS = SEATS + MAX_PARTIES * SEAT_WORDS;

/** How many names a message tells: one more, and it says how many more there are. */
const MAX_NAMES = 17;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

type Epoch = Pick<View, "resets">;

/** How a barrier stands: what goes over the wire with every answer, too. */
export interface State {
  parties: number;
  arrived: number;
  phase: number;
  reason?: BreakReason;
}

/** Why somebody breaks the barrier. */
interface Why {
  reason: BreakReason;
  note?: string;
  cause?: string;
}

/** A barrier in shared memory whose parties have seats and names, so that it can be said who is missing. */
export class SeatedBarrier extends SharedBarrier {
  constructor(words: Int32Array, sleeper: Sleeper) {
    super(words, sleeper, { start: SEATS, stride: SEAT_WORDS });
  }

  get #bytes(): Uint8Array {
    const { buffer, byteOffset, byteLength } = this.words;
    return new Uint8Array(buffer, byteOffset, byteLength);
  }

  get standing(): State {
    const { parties, arrived, completed: phase, reason } = this;
    return reason === undefined ? { parties, arrived, phase } : { parties, arrived, phase, reason };
  }

  override found(parties: number): void {
    super.found(parties);
    this.words.fill(NEVER, CLAIMS, CLAIMS + EPOCHS);
  }

  /** Arrives for the party of a seat. There is no ticket while an action runs that has to end first. */
  arriveAs(seat: number, dropping: 0 | 1 = 0): View | undefined {
    const ticket = this.arrive(dropping, seat);
    if (ticket === undefined) return undefined;
    switch (this.refused(ticket)) {
      case undefined:
        return ticket;
      case "no party":
        throw noPartyLeft();
      case "twice":
        throw new DOMException(
          `Cannot arrive as "${this.nameOf(seat)}" must arrive once in a phase: ` +
            `current value is arrived in phase ${ticket.phase}`,
          "InvalidStateError",
        );
      default:
        throw this.brokenError(ticket, this.refused(ticket) as BreakReason);
    }
  }

  /** The number of a party that has passed; throws if it has not. */
  conclude(ticket: View, outcome: Outcome, seat: number): number {
    if (outcome === "passed") return this.numberOf(ticket, seat);
    if (outcome === "action" && ticket.trips) throw this.thrown(ticket);
    throw this.brokenError(ticket, outcome!);
  }

  /** Waits for the end of the phase that the party of a seat has arrived in. */
  stay(
    ticket: View,
    seat: number,
    { timeout = Infinity, signal, onCancel = "break" }: WaitOptions,
  ): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    let disarm = () => {};
    let dismiss = () => {};
    const settle = (outcome: Outcome) => {
      disarm();
      try {
        resolve(this.conclude(ticket, outcome, seat));
      } catch (error) {
        // Where parties share a signal, each gets its reason, and not only the one that was told first.
        reject(signal !== undefined && isBy(signal, error) ? signal.reason : error);
      }
    };
    const stay = () => {
      const outcome = this.outcome(ticket, this.look());
      if (outcome === undefined) dismiss = this.attend(ticket, settle);
      else settle(outcome);
    };
    const cancel = (why: Cancellation) => {
      dismiss();
      if (why === "aborted") {
        if (this.giveUp(ticket, seat, onCancel, signal!.reason)) return reject(signal!.reason);
      } else {
        const error = this.timeOut(ticket, timeout, onCancel, seat);
        if (error !== undefined) return reject(error);
      }
      // The phase is settled, and only its action keeps this party: success wins.
      stay();
    };
    // It may have aborted since the arrival, and tells nobody any more.
    if (signal?.aborted) cancel("aborted");
    else {
      if (timeout < Infinity || signal !== undefined) disarm = arm(timeout, signal, cancel);
      stay();
    }
    return promise;
  }

  /** Takes a wait back as its signal has aborted, and says whether it was not settled. */
  giveUp(ticket: View, seat: number, onCancel: "break" | "withdraw", reason: unknown): boolean {
    if (onCancel === "break") {
      const cancel = () => this.cancel(ticket, "aborted", onCancel, seat) !== undefined;
      return this.#breakBy(seat, whyOf(reason), cancel);
    }
    if (this.cancel(ticket, "aborted", onCancel, seat) === undefined) return false;
    this.unmark(seat, ticket);
    return true;
  }

  /** Takes a wait back, and returns the error of a timeout; nothing if the phase is settled. */
  timeOut(
    ticket: View,
    timeout: number,
    onCancel: "break" | "withdraw",
    seat: number,
  ): DOMException | undefined {
    const view = this.cancel(ticket, "timeout", onCancel, seat);
    if (view === undefined) {
      // The server may know of no action.
      this.alarm();
      return undefined;
    }
    const error = timeoutError(timeout, { ...progressOf(view), missing: this.missingIn(view) });
    if (onCancel === "withdraw") this.unmark(seat, ticket);
    return error;
  }

  /** Waits until a phase has completed, for one who is no party. */
  async waitFor(phase: number, options: WatchOptions = {}): Promise<void> {
    checkOptions("wait for a phase", options);
    const { timeout = Infinity, signal } = options;
    checkInteger("wait for a phase", "phase", phase, 0, 2 ** 32 - 1);
    checkTimeout("wait for a phase", timeout);
    checkSignal("wait for a phase", signal);
    const now = this.look();
    const ticket: View = { ...now, phase, watches: true };
    // Whoever comes when it is broken is told the first reason, as an arrival is.
    const reason = reasonOf(now.state);
    if (reason !== undefined && !signal?.aborted && (phase - now.phase | 0) >= 0) {
      throw this.brokenError(ticket, reason);
    }
    const outcome = await this.park(ticket, timeout, signal);
    if (outcome === "passed") return;
    if (outcome !== undefined) throw this.brokenError(ticket, outcome);
    if (signal?.aborted) throw signal.reason;
    const view = this.look();
    throw timeoutError(timeout, { ...progressOf(view), phase, missing: this.missingIn(view) });
  }

  /** The error of a party that did not pass. */
  brokenError(ticket: View, reason: BreakReason): BrokenBarrierError {
    const why = this.#why(ticket, reason);
    const threw = this.#read(ticket, noteOf(ticket, THREW)) as WireError | undefined;
    const noted = this.#read(ticket, noteOf(ticket, MISSING));
    const progress = this.progress(ticket, reason);
    const view = this.look();
    if (view.resets === ticket.resets) progress.missing = this.missingIn(view);
    else if (this.remembers(ticket, view) && Array.isArray(noted)) progress.missing = noted;
    if (!this.remembers(ticket, view)) return brokenError(reason, progress);
    if (reason === "action") {
      return brokenError(reason, progress, threw === undefined ? {} : { cause: threw.message });
    }
    const { note, cause } = why ?? {};
    const details = cause === undefined ? {} : { cause };
    if (note !== undefined) return brokenError(reason, progress, { ...details, note });
    // Who breaks it by that reason says which party it is, unless nobody is left to say.
    const lost = { note: "the server is gone, or the memory was written over" };
    return brokenError(reason, progress, reason === "lost" ? lost : details);
  }

  /** What the action of that phase threw. */
  protected thrown(ticket: View): unknown {
    const { name, message } = (this.#read(ticket, noteOf(ticket, THREW)) ?? {}) as Partial<
      WireError
    >;
    return decodeError({ name: String(name), message: String(message) });
  }

  // Who they are

  protected override get seated(): number {
    const seated = Atomics.load(this.words, SEATED);
    return seated > 0 && seated <= MAX_PARTIES ? seated : 0;
  }

  /** Gives a seat to a party. */
  list(seat: number, name: string): void {
    if (seat >= this.seated) Atomics.store(this.words, SEATED, seat + 1);
    const start = SEATS + seat * SEAT_WORDS;
    const bytes = encoder.encode(name).subarray(0, MAX_NAME);
    this.#bytes.set(bytes, 4 * (start + NAME));
    this.words[start + NAME_LENGTH] = bytes.length;
    Atomics.store(this.words, start + LISTED, 1);
  }

  /** Says again who the parties are. */
  relist(seats: readonly { index: number; name: string }[]): void {
    const most = Math.max(0, ...seats.map(({ index }) => index + 1));
    if (this.seated < most) Atomics.store(this.words, SEATED, most);
    for (const { index, name } of seats) this.list(index, name);
  }

  /** Takes a seat from a party that has dropped. */
  unlist(seat: number): void {
    Atomics.store(this.words, SEATS + seat * SEAT_WORDS + LISTED, 0);
  }

  /** Makes a seat ready for its next party. */
  clear(seat: number): void {
    const start = SEATS + seat * SEAT_WORDS;
    this.words.fill(NEVER, start, start + LISTED);
  }

  nameOf(seat: number): string {
    const start = SEATS + seat * SEAT_WORDS;
    const length = Math.min(Math.max(this.words[start + NAME_LENGTH]!, 0), MAX_NAME);
    return decoder.decode(this.#bytes.slice(4 * (start + NAME), 4 * (start + NAME) + length));
  }

  /** The names of those who have not arrived in the current phase, or had not when it broke. */
  missingIn(view: View): string[] {
    // All have arrived, and who registers now does so for the next phase.
    if (view.phase !== completedOf(view)) return [];
    const missing: string[] = [];
    const { seated } = this;
    for (let seat = 0; seat < seated; seat++) {
      const listed = Atomics.load(this.words, SEATS + seat * SEAT_WORDS + LISTED) === 1;
      if (listed && this.markIn(seat, view) === 0) missing.push(this.nameOf(seat));
    }
    return missing;
  }

  // What is said

  /** Breaks the barrier, and says why. */
  breakBy(who: number, why: Why): void {
    this.#breakBy(who, why, () => {
      this.break(why.reason);
      return true;
    });
  }

  /** Says why, and breaks the barrier; says nothing if that was not to be. */
  #breakBy(who: number, why: Why, act: () => boolean): boolean {
    const view = this.look();
    const said = reasonOf(view.state) === undefined && this.#claim(view, who, why);
    const done = act();
    if (said && !done) this.#claimed(view, claimOf(view, who), NEVER);
    return done;
  }

  #claim(view: View, who: number, why: Why): boolean {
    this.#write(view, whyPart(who), why);
    const claim = Atomics.load(this.words, CLAIMS + view.resets % EPOCHS);
    if (claim !== NEVER && claimOf(view, claim & MAX_PARTIES) === claim) return false;
    return this.#claimed(view, claim, claimOf(view, who));
  }

  #claimed({ resets }: Epoch, claim: number, next: number): boolean {
    return Atomics.compareExchange(this.words, CLAIMS + resets % EPOCHS, claim, next) === claim;
  }

  /** Why the epoch of a ticket was broken, by whoever said so. */
  #why(ticket: View, reason: BreakReason): Why | undefined {
    const claim = Atomics.load(this.words, CLAIMS + ticket.resets % EPOCHS);
    const said = claim !== NEVER && claimOf(ticket, claim & MAX_PARTIES) === claim
      ? this.#read(ticket, whyPart(claim & MAX_PARTIES)) as Why | undefined
      : undefined;
    if (said?.reason === reason) return said;
    // The server may have come second with its word, and first with what it did.
    const server = this.#read(ticket, whyPart(SERVER)) as Why | undefined;
    return server?.reason === reason ? server : undefined;
  }

  /** Notes what the action threw. */
  noteThrown(thrown: WireError): void {
    // A reset may have come while it ran: then there is one more epoch that it breaks.
    for (const epoch of [this.tripped, this.look()]) {
      this.#write(epoch, noteOf(epoch, THREW), thrown);
    }
  }

  /** Makes the barrier empty and usable. */
  override reset(): void {
    super.reset((view) => {
      const missing = this.missingIn(view);
      // An error tells how many more there are: so that many are kept.
      const kept = missing.length > MAX_NAMES
        ? [...missing.slice(0, MAX_NAMES), ...Array(missing.length - MAX_NAMES).fill("")]
        : missing;
      this.#write(view, noteOf(view, MISSING), kept);
    });
  }

  #write(epoch: Epoch, { start, words }: Part, value: unknown): void {
    const bytes = encoder.encode(JSON.stringify([epoch.resets, value]));
    const fits = bytes.length <= 4 * (words - 1);
    if (fits) this.#bytes.set(bytes, 4 * (start + 1));
    Atomics.store(this.words, start, fits ? bytes.length : 0);
  }

  /** What was written in an epoch. Whoever has the memory may have written over it. */
  #read(epoch: Epoch, { start, words }: Part): unknown {
    const length = Atomics.load(this.words, start);
    if (length <= 0 || length > 4 * (words - 1)) return undefined;
    try {
      const bytes = this.#bytes.slice(4 * (start + 1), 4 * (start + 1) + length);
      const [resets, value] = JSON.parse(decoder.decode(bytes));
      return resets === epoch.resets ? value ?? undefined : undefined;
    } catch {
      return undefined;
    }
  }
}

/** What is said of a value that somebody aborts with: its text. */
export function whyOf(value: unknown): Why {
  return value === undefined ? { reason: "aborted" } : { reason: "aborted", cause: textOf(value) };
}

/** A place in the memory, in words. */
export interface Part {
  start: number;
  words: number;
}

/** Where the seat of a party is. */
export function seatPart(seat: number): Part {
  return { start: SEATS + seat * SEAT_WORDS, words: SEAT_WORDS };
}

function noteOf({ resets }: Epoch, part: number): Part {
  return { start: NOTES + (2 * (resets % EPOCHS) + part) * NOTE_WORDS, words: NOTE_WORDS };
}

/** Where somebody says why it breaks the barrier. */
export function whyPart(who: number): Part {
  return { start: WHYS + who * WHY_WORDS, words: WHY_WORDS };
}

function claimOf({ resets }: Epoch, who: number): number {
  return resets << 10 | who;
}
