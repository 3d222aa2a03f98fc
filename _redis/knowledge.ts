// Copyright 2026 the Rendezvous authors. MIT license.

import type { Snapshot } from "../_common/snapshot.ts";
import type { BrokenPhase, Facts, News, Reply, Seat } from "./messages.ts";
import { HISTORY_SLOTS } from "./script.ts";

/** What a party knows of its barrier. It only grows: what was told once is never taken back. */
export class Knowledge {
  phase = 0;
  broken: BrokenPhase | undefined;
  /** Who runs the action of the phase. */
  running: string | undefined;
  /** The version and the name of the table of seats, and what it holds. */
  version = 0;
  table = "";
  seats: Seat[] = [];
  parties: number;
  #declared: number;
  #action: 0 | 1;
  /** The last phase that passed, the version of the table then, and the last one that passed with this party. */
  #passed = -1;
  #passedVersion = 0;
  counted = -1;
  #arrived = 0;
  #missing: readonly string[] = [];
  readonly #history: BrokenPhase[] = [];

  constructor(parties: number, action: 0 | 1) {
    this.parties = parties;
    this.#declared = parties;
    this.#action = action;
  }

  get snapshot(): Snapshot {
    const { phase, parties, broken } = this;
    const arrived = broken?.arrived ?? (this.running === undefined ? this.#arrived : parties);
    const missing = broken?.missing ?? this.#missing;
    return {
      parties,
      arrived,
      phase,
      broken: broken !== undefined,
      reason: broken?.reason,
      missing,
    };
  }

  /** How a phase broke, if it did. */
  brokenAt(phase: number): BrokenPhase | undefined {
    const latest = this.#history[phase % HISTORY_SLOTS];
    return latest?.phase === phase ? latest : undefined;
  }

  /** Whether a phase that has ended is too old to know how. */
  isForgotten(phase: number): boolean {
    return (this.#history[phase % HISTORY_SLOTS]?.phase ?? -1) > phase;
  }

  /** Takes what the engine answers. First what has passed, then what broke. */
  learn(reply: Reply): void {
    this.counted = Math.max(this.counted, reply.counted ?? -1);
    // An answer may come later than news of what happened since.
    if (reply.phase < this.phase) return;
    // How a phase ended that was known to be over is known, whatever an engine says that was healed by others.
    for (const broken of reply.history) if (broken.phase >= this.phase) this.#keep(broken);
    if (reply.phase > this.phase) this.#open(reply.phase);
    this.#passed = reply.passed;
    this.#passedVersion = reply.passedVersion;
    this.parties = reply.parties;
    this.#arrived = reply.arrived;
    if (reply.missing !== undefined) this.#missing = reply.missing;
    if (reply.seats !== undefined) {
      this.version = reply.version;
      this.table = reply.table;
      this.seats = reply.seats;
      this.#declared = reply.declared!;
      this.#action = reply.action!;
    }
    this.running = reply.running;
    if (reply.broken !== undefined) this.#break(reply.broken);
  }

  /**
   * Takes what was published, where that follows from what is known; else the engine is to be asked. `session` has a seat,
   * or watches.
   *
   * All who have a seat have arrived when a phase passes. So who knows the very table of then, with itself in it, has
   * passed, too.
   */
  hear({ phase, table, passed, running, broken }: News, session: string | undefined): boolean {
    const isIn = session === undefined ||
      table === this.table && this.seats.some((seat) => seat[1] === session);
    if (passed && phase === this.phase + 1 && this.broken === undefined && isIn) {
      this.#passed = this.phase;
      if (session !== undefined) this.counted = this.phase;
      this.#passedVersion = this.version;
      this.#open(phase);
    } else if (broken !== undefined && phase === this.phase && this.broken === undefined) {
      this.#break(broken);
    } else if (running !== undefined && phase === this.phase && this.broken === undefined && isIn) {
      this.running = running;
    } else {
      // What is old needs no question. Everything else does: that an engine was healed, too, for it may lack an arrival.
      const isNext = phase > this.phase || phase === this.phase && this.broken === undefined;
      return passed ? phase <= this.phase : broken || running ? !isNext : false;
    }
    return true;
  }

  #open(phase: number): void {
    this.phase = phase;
    this.broken = undefined;
    this.running = undefined;
    this.#arrived = 0;
    this.#missing = [];
  }

  #break(broken: BrokenPhase): void {
    if (this.broken !== undefined) return;
    this.#keep(broken);
    if (broken.running) this.#keep({ ...broken, phase: broken.phase + 1 });
    this.broken = broken;
    this.running = undefined;
  }

  #keep(broken: BrokenPhase): void {
    const slot = broken.phase % HISTORY_SLOTS;
    if ((this.#history[slot]?.phase ?? -1) < broken.phase) this.#history[slot] = broken;
  }

  /** What is stated in each call. */
  get facts(): Pick<Facts, "version" | "table" | "phase" | "broken" | "running"> {
    const { version, table, phase } = this;
    const running = this.running !== undefined;
    return { version, table, phase, broken: this.broken !== undefined, running };
  }

  /** All that is known, for an engine that knows less. */
  get all(): object {
    const { version, table, phase, broken, seats, parties } = this;
    return {
      ...{ version, table, phase, broken, seats, parties },
      declared: this.#declared,
      action: this.#action,
      passed: this.#passed,
      passedVersion: this.#passedVersion,
      history: Object.values(this.#history),
    };
  }
}
