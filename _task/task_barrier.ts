// Copyright 2026 the Rendezvous authors. MIT license.

import { runAction } from "../_common/action.ts";
import type { Cancellation } from "../_common/cancellation.ts";
import {
  type Break,
  type BreakDetails,
  type BreakReason,
  brokenError,
  invalidState,
} from "../_common/errors.ts";
import type { BarrierAction, Waiting } from "../_common/options.ts";
import { settleOnce } from "../_common/settlement.ts";
import type { Snapshot } from "../_common/snapshot.ts";

/** What settles an arrival: its number when the phase passes, else a rejection. */
export type Settle = (outcome: number | Rejection) => void;

/** A party, or what stands for all that have no name. */
export interface Member {
  readonly name?: string;
  /** The phase in which it arrived last. */
  arrivedIn: number;
  /** Whether it is gone, and keeps its seat until a reset. */
  gone?: boolean;
}

/** A wait that was cancelled: by what, and how the barrier stood. */
export interface Cancelled {
  readonly why: Cancellation;
  readonly before: Snapshot;
}

/**
 * Rejects each promise that it settles with an error of its own. The error is made where a promise adopts this, so the
 * engine knows who awaits it and the stack names the caller. A pass costs nothing for that.
 */
export class Rejection {
  readonly broken: Break;
  /** The signal that broke the phase by aborting. */
  readonly signal: AbortSignal | undefined;

  constructor(broken: Break, signal: AbortSignal | undefined) {
    this.broken = broken;
    this.signal = signal;
  }

  then(_: unknown, reject: (error: Error) => void): void {
    reject(brokenError(this.broken));
  }
}

/** The arrivals of one phase. */
export interface Phase {
  readonly number: number;
  /** How many arrivals complete it. */
  expected: number;
  /** Those that have come, in order. */
  readonly arrivals: Settle[];
}

/** Settles an arrival that nobody waits for. */
export const ignore: Settle = () => {};

/** How many broken phases are remembered: phase p in slot p % 16, as in shared memory. */
const HISTORY_SLOTS = 16;

/** The barrier that the handles of an `AsyncBarrier` share. */
export class TaskBarrier {
  /** The maker's timeout, in ms. */
  readonly timeout: number;
  #parties: number;
  readonly #action: BarrierAction | undefined;
  /** The phase that arrivals count for. */
  #open: Phase;
  /** The phase whose action runs, and what cancels that. */
  #running: { phase: Phase; controller: AbortController } | undefined;
  #broken: Break | undefined;
  #over = false;
  readonly #history: Break[] = [];
  readonly #members = new Map<string, Member>();
  /** Those who wait for something else than the end of their own arrival. Each returns `true` when it is done. */
  readonly #waiters = new Set<() => boolean>();

  constructor(parties: number, action: BarrierAction | undefined, timeout: number) {
    this.timeout = timeout;
    this.#parties = parties;
    this.#action = action;
    this.#open = { number: 0, expected: parties, arrivals: [] };
  }

  get snapshot(): Snapshot {
    const { phase, reason, ...counts } = this.#broken ?? this.#stand();
    const { parties = 0, arrived = 0, missing = [] } = counts;
    return { parties, arrived, phase, broken: reason !== undefined, reason, missing };
  }

  /** How it stands while it is not broken; unless `running`, the phase that arrivals count for. */
  #stand(running = this.#running !== undefined): Omit<Break, "reason"> & { reason?: undefined } {
    const { number, expected, arrivals } = this.#open;
    const parties = this.#parties;
    if (running) return { parties, arrived: parties, phase: number - 1, missing: [], running };
    const missing = [...this.#members]
      .filter(([_, { arrivedIn }]) => arrivedIn !== number)
      .map(([name]) => name);
    // A party that dropped is no longer one of the parties, so it does not count among those arrived.
    return {
      parties,
      arrived: parties - expected + arrivals.length,
      phase: number,
      missing,
      running,
    };
  }

  /** Throws if the barrier is over. */
  checkNotOver(): void {
    if (this.#over) throw invalidState("This barrier is over: its maker has ended it");
  }

  // Members

  /** Takes a seat for a party of that name, or of the first free name. */
  join(wish: string | undefined): Member {
    this.checkNotOver();
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
    if (this.#over) return;
    member.gone = true;
    this.break(reason, { party: member.name, ...details });
  }

  /** Gives up the seat of a party whose task has ended. It drops as soon as it can; where nobody can, it is gone. */
  leave(member: Member): void {
    this.#addWaiter(() => {
      if (this.#over) return true;
      if (this.#broken !== undefined) return member.gone = true;
      // One that has arrived drops with the next phase.
      if (member.arrivedIn === this.#open.number || isFull(this.#open)) return false;
      this.arrive(ignore, member, true);
      return true;
    });
  }

  // Arriving

  /** Arrives, and returns the phase. `settle` is called when that has ended. */
  arrive(settle: Settle, member: Member, dropping: boolean): Phase {
    if (!this.#takes(member)) this.#refuse(member);
    const phase = this.#open;
    const { name } = member;
    if (dropping) this.#parties--;
    if (name !== undefined) {
      member.arrivedIn = phase.number;
      if (dropping) this.#members.delete(name);
    }
    const last = phase.arrivals.length + 1 === phase.expected;
    // Where the phase passes at once, nobody is to be told by `ignore`.
    if (!last || settle !== ignore || this.#action !== undefined) phase.arrivals.push(settle);
    if (last) this.#complete();
    return phase;
  }

  /** Throws if a party cannot arrive. */
  checkArrival(member: Member): void {
    if (!this.#takes(member)) this.#refuse(member);
  }

  #takes({ arrivedIn }: Member): boolean {
    const phase = this.#open;
    return this.#broken === undefined && !isFull(phase) && arrivedIn !== phase.number;
  }

  /** Throws why a party cannot arrive. */
  #refuse({ arrivedIn, name }: Member): never {
    this.checkNotOver();
    // Few frames lie between this error and the caller: a stack has ten.
    if (this.#broken !== undefined) throw brokenError(this.#broken);
    const { number } = this.#open;
    if (arrivedIn === number) {
      throw invalidState(`${JSON.stringify(name)} has arrived in phase ${number} already`);
    }
    if (this.#parties === 0) throw invalidState("No party is left at this barrier");
    throw invalidState(`Phase ${number} is full: the action of phase ${number - 1} still runs`);
  }

  /** Whether the next arrival makes its phase pass at once. */
  get passesNext(): boolean {
    return this.#open.arrivals.length + 1 === this.#open.expected && this.#action === undefined;
  }

  /** Takes an arrival back, or breaks its phase, and returns how the barrier stood; nothing if it has ended. */
  cancel(
    phase: Phase,
    settle: Settle,
    member: Member,
    why: Cancellation,
    onCancel: "break" | "withdraw",
    details: BreakDetails,
  ): Cancelled | undefined {
    const place = phase.arrivals.lastIndexOf(settle);
    if (place < 0) return undefined;
    const before = { ...this.snapshot, ...this.#stand(phase !== this.#open) } as Snapshot;
    if (onCancel === "withdraw" && phase === this.#open) {
      phase.arrivals.splice(place, 1);
      member.arrivedIn = -1;
    } else {
      phase.arrivals[place] = ignore;
      this.break(why, details);
    }
    return { why, before };
  }

  /** Adds parties, and returns the first phase in which they can arrive. */
  register(count: number): number {
    this.checkNotOver();
    const parties = this.#parties + count;
    if (parties > Number.MAX_SAFE_INTEGER) {
      throw new RangeError(`Cannot register parties as there must be fewer than 2^53: ${parties}`);
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
    const controller = new AbortController();
    this.#running = { phase, controller };
    runAction(this.#action, controller.signal, ({ thrown }) => {
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
  break(reason: BreakReason, { signal, ...details }: BreakDetails = {}): void {
    if (this.#broken !== undefined) return;
    const broken: Break = { ...this.#stand(), ...details, reason };
    const running = this.#running;
    const phases = running === undefined ? [this.#open] : [running.phase, this.#open];
    this.#broken = broken;
    this.#running = undefined;
    this.#openPhase(this.#open.number + 1);
    for (const { number: phase, arrivals } of phases) {
      const own = { ...broken, phase };
      this.#history[phase % HISTORY_SLOTS] = own;
      const rejection = new Rejection(own, signal);
      for (const settle of arrivals.splice(0)) settle(rejection);
    }
    running?.controller.abort(brokenError(broken));
    this.#changed();
  }

  /** Makes the barrier usable again, and returns the names of the parties that were gone. `phase`: whose break. */
  reset(phase: number | undefined, dropLost: boolean): string[] {
    this.checkNotOver();
    if (this.#broken === undefined) {
      const { arrivals, expected } = this.#open;
      // Who has dropped waits for nobody, and is not taken back.
      const idle = this.#running === undefined && expected - arrivals.length === this.#parties;
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
  end(note: string): void {
    if (this.#over) return;
    if (this.#broken !== undefined) this.reset(undefined, false);
    this.#over = true;
    this.break("aborted", { note });
  }

  // Waiting

  /** How a phase ended, if it has: by its break, or by passing. */
  endOf(phase: number): { broken?: Break | undefined } | "forgotten" | undefined {
    const latest = this.#history[phase % HISTORY_SLOTS];
    if (latest?.phase === phase) return { broken: latest };
    if (phase >= this.snapshot.phase) return this.#broken && { broken: this.#broken };
    return latest !== undefined && latest.phase > phase ? "forgotten" : {};
  }

  /** Whether the barrier is usable, or over. */
  get isReady(): boolean {
    return this.#broken === undefined || this.#over;
  }

  /** Waits until `look` finds something, which it is asked whenever the barrier changes. */
  until<T>(look: () => T | undefined, waiting: Omit<Waiting, "onCancel">): Promise<T | Cancelled> {
    return settleOnce<T | Cancelled>(
      waiting.timeout,
      waiting.signal,
      (end) =>
        this.#addWaiter(() => {
          const found = look();
          if (found !== undefined) end(found);
          return found !== undefined;
        }),
      (why) => ({ why, before: this.snapshot }),
    );
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
