// Copyright 2026 the Rendezvous authors. MIT license.

import { runAction } from "../_common/action.ts";
import type { Cancellation } from "../_common/cancellation.ts";
import { cannot } from "../_common/checks.ts";
import {
  type Break,
  type BreakDetails,
  type BreakReason,
  brokenError,
  forgotten,
  invalidState,
  overError,
  timeoutError,
} from "../_common/errors.ts";
import {
  type BarrierAction,
  type BarrierSettings,
  readWait,
  type WaitOptions,
  type Watching,
} from "../_common/options.ts";
import { settleOnce } from "../_common/settlement.ts";
import type { Snapshot } from "../_common/snapshot.ts";

/** What settles an arrival: its number when the phase passes, else a rejection. */
type Settle = (outcome: number | Rejection) => void;

/**
 * Rejects each promise that it settles with an error of its own. The error is made where a promise adopts this, so the
 * engine knows who awaits it and the stack names the caller. A pass costs nothing for that.
 */
interface Rejection {
  readonly broken: TaskBreak;
  then(_: unknown, reject: (error: Error) => void): void;
}

/** What a waiter gets: it returns or throws, and is called where the waiter awaits it, so the stack names the caller. */
type Outcome<T> = () => T;

/** How the barrier stands. Where it has a reason, it is broken. */
type Standing = Omit<Snapshot, "broken">;

/** What is known of a broken phase, and the signal that broke it by aborting. */
type TaskBreak = Break & Standing & Pick<BreakDetails, "signal">;

/** The arrivals of one phase. */
interface Phase {
  readonly number: number;
  /** How many arrivals complete it. */
  expected: number;
  /** Those that have come, in order. */
  readonly arrivals: Settle[];
  /** What cancels its action. */
  controller?: AbortController;
}

/** A party, or what stands for all that have no name. */
export interface Member {
  readonly name?: string;
  /** The phase in which it arrived last. */
  arrivedIn: number;
  /** Why its handle cannot arrive any more. */
  left?: "was disposed" | "has dropped";
  /** Whether it is gone, and keeps its seat until a reset. */
  gone?: boolean;
}

/** How many broken phases are remembered: phase p in slot p % 16, as in shared memory. */
const HISTORY_SLOTS = 16;

/** Settles an arrival that nobody waits for. */
const ignore: Settle = () => {};

// A wait costs what its promise costs. One executor for all of them saves a closure each, which at 10,000
// parties is a third of the time.
let captured = ignore;
function capture(resolve: Settle): void {
  captured = resolve;
}

/** The barrier that the handles of an `AsyncBarrier` share. */
export class TaskBarrier {
  /** The maker's timeout, in ms. */
  readonly timeout: number;
  readonly #action: BarrierAction | undefined;
  #parties: number;
  /** The phase that arrivals count for. */
  #open: Phase;
  /** The phase whose action runs. */
  #running: Phase | undefined;
  #broken: TaskBreak | undefined;
  #over = false;
  readonly #history: TaskBreak[] = [];
  readonly #members = new Map<string, Member>();
  /** Those who wait for something else than the end of their own arrival. Each returns `true` when it is done. */
  readonly #waiters = new Set<() => boolean>();

  constructor(parties: number, { action, timeout }: BarrierSettings) {
    this.timeout = timeout;
    this.#action = action;
    this.#parties = parties;
    this.#open = { number: 0, expected: parties, arrivals: [] };
  }

  get snapshot(): Standing {
    return this.#broken ?? this.#standing();
  }

  /** How it stands while it is not broken: in the lowest phase, or in the one that is told. */
  #standing(phase = this.#running ?? this.#open): Standing {
    const { number, expected, arrivals } = phase;
    const parties = this.#parties;
    // A party that dropped is no longer one of the parties, so it does not count among those arrived.
    const arrived = parties - expected + arrivals.length;
    // Who joins while the action runs is missing in the next phase.
    const missing = phase === this.#running ? [] : [...this.#members]
      .filter(([_, { arrivedIn }]) => arrivedIn !== number)
      .map(([name]) => name);
    return { parties, arrived, phase: number, missing, reason: undefined };
  }

  /** Throws if the handle of a member was disposed, or the barrier is over. */
  checkUsable({ name, left }: Member): void {
    if (left === "was disposed") throw hasLeft(name, left);
    this.#checkNotOver();
  }

  #checkNotOver(): void {
    if (this.#over) throw overError();
  }

  // Members

  /** Takes a seat for a party of that name, or of the first free name. */
  join(wish: string | undefined): Member {
    const members = this.#members;
    let name = wish;
    for (let n = 0; name === undefined; n++) {
      if (!members.has(`party ${n}`)) name = `party ${n}`;
    }
    if (members.has(name)) {
      throw invalidState(`The name ${JSON.stringify(name)} is in use at this barrier`);
    }
    if (members.size >= this.#parties) {
      throw invalidState(`No seat is free: ${members.size} of ${this.#parties} are taken`);
    }
    const member: Member = { name, arrivedIn: -1 };
    members.set(name, member);
    return member;
  }

  /** A party is gone: that breaks the barrier. One that is broken keeps its reason. */
  lose(member: Member, reason: "lost" | "aborted", details: BreakDetails): void {
    if (member.left !== undefined) return;
    member.gone = true;
    this.break(reason, { party: member.name, ...details });
  }

  /** Gives up the seat of a party whose task has ended. It drops as soon as it can; where nobody can, it is gone. */
  leave(member: Member): void {
    this.#addWaiter(() => {
      // It has dropped: in its task, or just now, and what its drop has changed asks all waiters again.
      if (this.#members.get(member.name!) !== member) return true;
      if (this.#broken !== undefined) return member.gone = true;
      // One that has arrived drops with the next phase.
      if (member.arrivedIn === this.#open.number || isFull(this.#open)) return false;
      this.#arrive(ignore, member, true);
      return true;
    });
  }

  // Arriving

  /** Arrives, and returns the phase. */
  arrive(member: Member, dropping: boolean): number {
    this.#checkArrival(member);
    return this.#arrive(ignore, member, dropping).number;
  }

  /** Arrives, and waits for as long as it takes. */
  wait(member: Member): Promise<number> {
    try {
      this.#checkArrival(member);
      if (this.#action === undefined && isLast(this.#open)) {
        this.#arrive(ignore, member, false);
        return Promise.resolve(0);
      }
      const promise = new Promise<number>(capture as (resolve: (index: number) => void) => void);
      this.#arrive(captured, member, false);
      return promise;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Arrives, and waits unless that is cancelled. Reads the options itself, as that costs no second promise. */
  async waitUnless(
    member: Member,
    options: WaitOptions | undefined,
    defaultTimeout: number,
  ): Promise<number> {
    const waiting = readWait(options, defaultTimeout);
    const { timeout, signal, onCancel } = waiting;
    const cancel = (why: Cancellation) => {
      const by = why === "aborted" ? signal : undefined;
      this.break(why, { party: member.name, cause: by?.reason, signal: by });
    };
    this.#checkArrival(member);
    if (signal?.aborted) {
      if (onCancel === "break") cancel("aborted");
      throw signal.reason;
    }
    let phase: Phase;
    let settle: Settle;
    const outcome = await settleOnce<Outcome<number>>(
      timeout,
      signal,
      (end) => {
        settle = (outcome) =>
          end(() => {
            if (typeof outcome === "number") return outcome;
            const { broken } = outcome;
            // Where parties share a signal, each gets its reason.
            throw signal && broken.signal === signal ? signal.reason : brokenError(broken);
          });
        phase = this.#arrive(settle, member, false);
        return () => {};
      },
      (why) => {
        const place = phase.arrivals.lastIndexOf(settle);
        if (place < 0) return undefined;
        const before = this.#standing(phase);
        if (onCancel === "withdraw" && phase === this.#open) {
          phase.arrivals.splice(place, 1);
          member.arrivedIn = -1;
        } else {
          phase.arrivals[place] = ignore;
          cancel(why);
        }
        return cancelled(why, waiting, before);
      },
    );
    return outcome();
  }

  /** Throws if a party cannot arrive. */
  #checkArrival({ name, arrivedIn, left }: Member): void {
    const { number } = this.#open;
    if (left !== undefined) throw hasLeft(name, left);
    this.#checkNotOver();
    // Few frames lie between this error and the caller: a stack has ten.
    if (this.#broken !== undefined) throw brokenError(this.#broken);
    if (arrivedIn === number) {
      throw invalidState(`${JSON.stringify(name)} has arrived in phase ${number} already`);
    }
    if (this.#parties === 0) throw invalidState("No party is left at this barrier");
    if (isFull(this.#open)) {
      throw invalidState(`Phase ${number} is full: the action of phase ${number - 1} still runs`);
    }
  }

  /** Arrives, and returns the phase. `settle` is called when that has ended. */
  #arrive(settle: Settle, member: Member, dropping: boolean): Phase {
    const phase = this.#open;
    const { name } = member;
    if (dropping) this.#parties--;
    if (name !== undefined) {
      member.arrivedIn = phase.number;
      if (dropping) {
        this.#members.delete(name);
        member.left ??= "has dropped";
      }
    }
    const last = isLast(phase);
    // Where the phase passes at once, nobody is to be told by `ignore`.
    if (!last || settle !== ignore || this.#action !== undefined) phase.arrivals.push(settle);
    if (last) this.#complete();
    return phase;
  }

  /** Adds parties, and returns the first phase in which they can arrive. */
  register(count: number): number {
    const parties = this.#parties + count;
    if (parties > Number.MAX_SAFE_INTEGER) {
      const rule = `there must be at most ${Number.MAX_SAFE_INTEGER}`;
      throw new RangeError(cannot("register parties", rule, parties));
    }
    this.#parties = parties;
    this.#open.expected += count;
    return this.#open.number;
  }

  // Ending phases

  #openPhase(number: number): void {
    this.#open = { number, expected: this.#parties, arrivals: [] };
  }

  /** The open phase is full: it passes, or its action runs after the one that runs. */
  #complete(): void {
    if (this.#running !== undefined) return;
    const phase = this.#open;
    this.#openPhase(phase.number + 1);
    if (this.#action === undefined) return this.#pass(phase);
    this.#running = phase;
    phase.controller = new AbortController();
    runAction(this.#action, phase.controller.signal, ({ thrown }) => {
      if (thrown !== undefined) return this.break("action", { cause: thrown.error });
      this.#running = undefined;
      this.#pass(phase);
      if (isFull(this.#open) && this.#open.expected > 0) this.#complete();
    });
  }

  #pass({ expected, arrivals }: Phase): void {
    let toCome = expected;
    for (const settle of arrivals) settle(--toCome);
    this.#changed();
  }

  /** Breaks the barrier, unless it is broken already: the first reason stays. */
  break(reason: BreakReason, details: BreakDetails = {}): void {
    if (this.#broken !== undefined) return;
    const open = this.#open;
    const lowest = this.#running ?? open;
    this.#broken = { ...this.#standing(), ...details, reason };
    this.#running = undefined;
    this.#openPhase(open.number + 1);
    // Where the action of the lowest phase runs, the open one behind it breaks, too.
    for (const { number: phase, arrivals } of new Set([lowest, open])) {
      const broken = { ...this.#broken, phase };
      this.#history[phase % HISTORY_SLOTS] = broken;
      const rejection: Rejection = { broken, then: (_, reject) => reject(brokenError(broken)) };
      for (const settle of arrivals.splice(0)) settle(rejection);
    }
    lowest.controller?.abort(brokenError(this.#broken));
    this.#changed();
  }

  /** Makes the barrier usable again, and returns the names of the parties that were gone. `phase`: whose break. */
  reset(phase: number | undefined, dropLost: boolean): string[] {
    if (this.#broken === undefined) {
      // Who has dropped waits for nobody, and is not taken back.
      const idle = this.#running === undefined && this.snapshot.arrived === 0;
      if (phase !== undefined || idle) return [];
      this.break("reset");
    }
    if (phase !== undefined && (phase < this.#broken!.phase || phase >= this.#open.number)) {
      return [];
    }
    const lost: string[] = [];
    for (const [name, { gone }] of this.#members) {
      if (!gone) continue;
      this.#members.delete(name);
      lost.push(name);
      // Parties without a name may have dropped too often.
      if (dropLost && this.#parties > 0) this.#parties--;
    }
    this.#broken = undefined;
    this.#openPhase(this.#open.number);
    this.#changed();
    return lost;
  }

  /** Ends the barrier for good. What broke before keeps its reason: then the next phase is the one that is over. */
  end(): void {
    if (this.#over) return;
    if (this.#broken !== undefined) this.reset(undefined, false);
    this.#over = true;
    this.break("aborted", { note: "the barrier was disposed" });
  }

  // Waiting

  /** Waits until a phase has ended. */
  waitFor(phase: number, watching: Watching): Promise<void> {
    return this.#until(() => this.#endOf(phase), watching, phase);
  }

  /** How a phase ended, if it has. */
  #endOf(phase: number): Outcome<void> | undefined {
    const latest = this.#history[phase % HISTORY_SLOTS];
    const broken = latest?.phase === phase ? latest : this.#broken;
    if (broken !== undefined && broken.phase <= phase) {
      return () => {
        throw brokenError(broken);
      };
    }
    if (phase >= this.snapshot.phase) return undefined;
    return () => {
      if (latest !== undefined && latest.phase > phase) throw forgotten(phase);
    };
  }

  /** Waits until the barrier is usable. */
  ready(member: Member, watching: Watching): Promise<void> {
    this.checkUsable(member);
    const usable = () => this.#checkNotOver();
    return this.#until(
      () => this.#broken === undefined || this.#over ? usable : undefined,
      watching,
    );
  }

  /** Waits until `look` finds an outcome, which it is asked whenever the barrier changes. */
  async #until(
    look: () => Outcome<void> | undefined,
    watching: Watching,
    phase?: number,
  ): Promise<void> {
    const outcome = await settleOnce<Outcome<void>>(
      watching.timeout,
      watching.signal,
      (end) =>
        this.#addWaiter(() => {
          const found = look();
          if (found !== undefined) end(found);
          return found !== undefined;
        }),
      (why) => cancelled(why, watching, this.snapshot, phase),
    );
    outcome();
  }

  #addWaiter(check: () => boolean): () => void {
    if (!check()) this.#waiters.add(check);
    return () => this.#waiters.delete(check);
  }

  #changed(): void {
    if (this.#waiters.size === 0) return;
    for (const check of this.#waiters) if (check()) this.#waiters.delete(check);
  }
}

function isFull({ arrivals, expected }: Phase): boolean {
  return arrivals.length === expected;
}

function isLast({ arrivals, expected }: Phase): boolean {
  return arrivals.length + 1 === expected;
}

/** What a wait gets that is cancelled: how the barrier stands is told as it is then. */
function cancelled(
  why: Cancellation,
  { timeout, signal }: Watching,
  before: Standing,
  phase: number = before.phase,
): Outcome<never> {
  return () => {
    throw why === "aborted" ? signal!.reason : timeoutError(timeout, phase, before);
  };
}

function hasLeft(name: string | undefined, left: string): DOMException {
  return invalidState(`${name === undefined ? "This handle" : JSON.stringify(name)} ${left}`);
}
