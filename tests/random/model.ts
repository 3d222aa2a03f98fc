// Copyright 2026 the Rendezvous authors. MIT license.

/*
 * The contract of a barrier as a plain state machine, to hold the real ones against: the table "How a phase
 * ends" in barrier.ts, whose rows are cited below. It shares no code with the library: no promise, no timer, no
 * event. What becomes of a call is a sentence:
 *
 *   "gives 2"                     it gets that value
 *   "throws signal 1"             it gets that signal's reason
 *   "TimeoutError", "InvalidStateError"
 *   "broken: aborted, why 1, in 0, 2 of 3 arrived, missing a, by b"    a BrokenBarrierError with all that
 */

/** What an action does when it is run. */
export type Does = "returns" | "throws" | "hangs";

export interface Wish {
  timeout?: number;
  /** The name of its signal. */
  signal?: string;
  onCancel?: "break" | "withdraw";
}

/** Somebody who holds a handle: the maker, who has no name, or a party that joined. */
export interface Holder {
  readonly name?: string;
  dropped: boolean;
  disposed: boolean;
}

/** A call, and what became of it: nothing yet, if there is no outcome. */
export interface Call {
  outcome?: string;
  kind: "wait" | "watch" | "ready" | "other";
  signal?: string;
  deadline: number;
  withdraws: boolean;
  by: Holder;
  /** Whether its arrival is the last of its party. */
  drops: boolean;
  /** The phase it watches. */
  phase: number;
  /** How many were still to come when it arrived. */
  toCome: number;
}

export interface Shown {
  parties: number;
  arrived: number;
  phase: number;
  broken: boolean;
  missing: string[];
}

interface Broken {
  text: string;
  shown: Shown;
  /** The last phase that it broke. */
  last: number;
}

export class Model {
  parties: number;
  over = false;
  /** How often the action was run. */
  runs = 0;
  /** How each phase that is over ended. */
  readonly outcomes: string[] = [];
  /** Those who have a seat, in their order, and whether they are gone. */
  readonly members = new Map<Holder, boolean>();
  #phase = 0;
  #now = 0;
  readonly #action: ((run: number) => Does) | undefined;
  readonly #timeout: number;
  readonly #renumbers: boolean;
  readonly #aborted = new Set<string>();
  /** Who has arrived in the phase that arrivals count for, in their order. */
  #arrivals: Call[] = [];
  /** Who has arrived in the phase whose action runs. */
  #running: Call[] | undefined;
  #broken: Broken | undefined;
  /** All who wait for something, in their order. */
  #pending: Call[] = [];

  /** `renumbers`: numbers are by the order of those who passed, else by how many were to come at each arrival. */
  constructor(
    parties: number,
    { timeout, action, renumbers }: {
      timeout: number;
      action: ((run: number) => Does) | undefined;
      renumbers: boolean;
    },
  ) {
    this.parties = parties;
    this.#timeout = timeout;
    this.#renumbers = renumbers;
    this.#action = action;
  }

  // What can be seen

  get shown(): Shown {
    if (this.#broken !== undefined) return this.#broken.shown;
    const missing = this.isRunning
      ? []
      : [...this.members.keys()].filter((one) => !this.#hasArrived(one)).map(({ name }) => name!);
    const arrived = this.isRunning ? this.parties : this.parties - this.#toCome;
    return { parties: this.parties, arrived, phase: this.#phase, broken: false, missing };
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** How many timers and listeners there must be. */
  get timers(): number {
    return this.#pending.filter(({ deadline }) => deadline < Infinity).length;
  }

  get listeners(): number {
    return this.#pending.filter(({ signal }) => signal !== undefined).length;
  }

  /** Whether a holder waits for something else than the end of its own arrival. */
  isWatching(holder: Holder): boolean {
    return this.#pending.some(({ by, kind }) => by === holder && kind !== "wait");
  }

  get #arrivalPhase(): number {
    return this.#phase + (this.isRunning ? 1 : 0);
  }

  /** Who has dropped is no longer one of the parties, so neither one of those that are to come. */
  get #toCome(): number {
    return this.parties - this.#arrivals.filter(({ drops }) => !drops).length;
  }

  #hasArrived(holder: Holder): boolean {
    return this.#arrivals.some(({ by }) => by === holder);
  }

  // What can be done

  #call(kind: Call["kind"], by: Holder, wish: Wish = {}, outcome?: string): Call {
    const { timeout = Infinity, signal, onCancel } = wish;
    const call: Call = {
      kind,
      by,
      ...(outcome !== undefined && { outcome }),
      ...(signal !== undefined && { signal }),
      deadline: this.#now + timeout,
      withdraws: onCancel === "withdraw",
      drops: false,
      phase: -1,
      toCome: 0,
    };
    return call;
  }

  #done(by: Holder, outcome: string): Call {
    return this.#call("other", by, {}, outcome);
  }

  /** Why a party cannot arrive: its handle first, then the barrier. */
  #refusal(by: Holder): string | undefined {
    if (by.disposed || by.dropped || this.over) return "InvalidStateError";
    if (this.#broken !== undefined) return this.#broken.text;
    if (by.name !== undefined && this.#hasArrived(by)) return "InvalidStateError";
    if (this.parties === 0 || this.isRunning && this.#toCome === 0) return "InvalidStateError";
    return undefined;
  }

  wait(by: Holder, wish: Wish): Call {
    const refusal = this.#refusal(by);
    if (refusal !== undefined) return this.#done(by, refusal);
    const { signal, onCancel } = wish;
    if (signal !== undefined && this.#aborted.has(signal)) {
      if (onCancel !== "withdraw") this.#break("aborted", { by, cause: signal, signal });
      return this.#done(by, `throws ${signal}`);
    }
    const call = this.#call("wait", by, { timeout: this.#timeout, ...wish });
    this.#pending.push(call);
    this.#arrive(call);
    return call;
  }

  arrive(by: Holder, drops = false): Call {
    const refusal = this.#refusal(by);
    if (refusal !== undefined) return this.#done(by, refusal);
    const call = this.#call("other", by, {}, `gives ${this.#arrivalPhase}`);
    call.drops = drops;
    if (drops) {
      this.parties--;
      by.dropped = this.members.delete(by);
    }
    this.#arrive(call);
    return call;
  }

  watch(by: Holder, phase: number, wish: Wish): Call {
    const call = this.#call("watch", by, wish);
    call.phase = phase;
    const outcome = this.#outcomeFor(phase);
    if (outcome !== undefined) return Object.assign(call, { outcome });
    return this.#await(call);
  }

  /** How a phase ended, or what breaks whoever waits for it. */
  #outcomeFor(phase: number): string | undefined {
    return this.outcomes[phase] ?? this.#broken?.text;
  }

  ready(by: Holder, wish: Wish): Call {
    if (by.disposed || this.over) return this.#done(by, "InvalidStateError");
    if (this.#broken === undefined) return this.#done(by, "gives undefined");
    return this.#await(this.#call("ready", by, wish));
  }

  #await(call: Call): Call {
    if (call.signal !== undefined && this.#aborted.has(call.signal)) {
      call.outcome = `throws ${call.signal}`;
    } else this.#pending.push(call);
    return call;
  }

  register(by: Holder, count: number): Call {
    if (by.disposed || this.over) return this.#done(by, "InvalidStateError");
    this.parties += count;
    return this.#done(by, `gives ${this.#broken ? this.#broken.last + 1 : this.#arrivalPhase}`);
  }

  /** A party takes a seat. */
  join(holder: Holder): boolean {
    if (this.over || this.members.size >= this.parties) return false;
    this.members.set(holder, false);
    return true;
  }

  /** Row "abort(why)". */
  abort(by: Holder, cause: string | undefined): Call {
    if (!by.disposed) this.#break("aborted", { by, cause });
    return this.#done(by, "gives undefined");
  }

  /** Row "reset() while some have arrived", and what mends. */
  reset(by: Holder, phase: number | undefined, dropLost: boolean): Call {
    if (by.disposed || this.over) return this.#done(by, "InvalidStateError");
    const done = this.#done(by, "gives ");
    if (this.#broken === undefined) {
      const idle = !this.isRunning && this.#toCome === this.parties;
      if (phase !== undefined || idle) return done;
      this.#break("reset", {});
    }
    const { shown, last } = this.#broken!;
    if (phase !== undefined && (phase < shown.phase || phase > last)) return done;
    const gone = [...this.members].filter(([_, gone]) => gone).map(([{ name }]) => name).sort();
    this.#mend(this.#broken!, dropLost);
    this.#settle((call) => call.kind === "ready" ? "gives undefined" : undefined);
    done.outcome = `gives ${gone}`;
    return done;
  }

  #mend({ last }: Broken, dropLost: boolean): void {
    for (const [member, gone] of this.members) {
      if (!gone) continue;
      this.members.delete(member);
      if (dropLost && this.parties > 0) this.parties--;
    }
    this.#broken = undefined;
    this.#phase = last + 1;
  }

  /** Rows "a handle is disposed" and "the maker's handle is disposed". */
  dispose(by: Holder): Call {
    if (by.name === undefined) {
      if (!this.over) {
        // What broke keeps its reason.
        if (this.#broken !== undefined) this.#mend(this.#broken, false);
        this.#break("aborted", {});
      }
      this.over = true;
      this.#settle((call) => call.kind === "ready" ? "InvalidStateError" : undefined);
    } else if (!by.disposed && !by.dropped && !this.over) {
      this.members.set(by, true);
      this.#break("aborted", { by });
    }
    by.disposed = true;
    return this.#done(by, "gives undefined");
  }

  /** A signal aborts. */
  cancel(signal: string): void {
    if (this.#aborted.has(signal)) return;
    this.#aborted.add(signal);
    for (const call of [...this.#pending]) {
      if (call.signal === signal) this.#cancel(call, "aborted");
    }
  }

  tick(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const deadline = Math.min(...this.#pending.map((call) => call.deadline));
      if (deadline > end) break;
      this.#now = deadline;
      this.#cancel(this.#pending.find((call) => call.deadline === deadline)!, "timeout");
    }
    this.#now = end;
  }

  /** The action that runs ends. */
  endAction(throws: boolean): void {
    if (throws) return this.#break("action", { cause: "action" });
    this.#pass(this.#running!);
    if (this.#toCome === 0 && this.#arrivals.length > 0) this.#complete();
  }

  // What follows from it

  #settle(outcomeOf: (call: Call) => string | undefined): void {
    for (const call of this.#pending) {
      const outcome = outcomeOf(call);
      if (outcome !== undefined) call.outcome = outcome;
    }
    this.#pending = this.#pending.filter(({ outcome }) => outcome === undefined);
  }

  #arrive(call: Call): void {
    this.#arrivals.push(call);
    call.toCome = this.#toCome;
    if (this.#toCome === 0 && !this.isRunning) this.#complete();
  }

  /** All have arrived. */
  #complete(): void {
    const arrivals = this.#arrivals;
    this.#arrivals = [];
    this.#running = arrivals;
    const does = this.#action?.(this.runs++) ?? "returns";
    if (does === "returns") this.#pass(arrivals);
    if (does === "throws") this.#break("action", { cause: "action" });
  }

  #pass(arrivals: Call[]): void {
    this.#running = undefined;
    this.outcomes[this.#phase++] = "gives undefined";
    this.#settle((call) => {
      const index = arrivals.indexOf(call);
      if (index >= 0) {
        return `gives ${this.#renumbers ? arrivals.length - 1 - index : call.toCome}`;
      }
      return call.kind === "watch" ? this.outcomes[call.phase] : undefined;
    });
  }

  /** Breaks the open phase and, while the action runs, the one behind it. The first reason stays. */
  #break(
    reason: string,
    { by, cause, signal }: { by?: Holder; cause?: string | undefined; signal?: string },
  ): void {
    if (this.#broken !== undefined) return;
    const shown = { ...this.shown, broken: true };
    const { arrived, parties, phase, missing } = shown;
    const told = (phase: number) =>
      `broken: ${reason}, ${cause}, in ${phase}, ${arrived} of ${parties} arrived, ` +
      `missing ${[...missing].sort()}, by ${by?.name}`;
    const last = this.#arrivalPhase;
    this.#broken = { text: told(phase), shown, last };
    const arrivals = [this.#running ?? this.#arrivals, this.isRunning ? this.#arrivals : []];
    this.#running = undefined;
    this.#arrivals = [];
    for (let i = 0; phase + i <= last; i++) this.outcomes[phase + i] = told(phase + i);
    this.#settle((call) => {
      if (call.kind === "watch") return this.#outcomeFor(call.phase);
      const place = arrivals.findIndex((phase) => phase.includes(call));
      if (place < 0) return undefined;
      // Where parties share a signal, each gets its reason.
      return signal !== undefined && call.signal === signal
        ? `throws ${signal}`
        : told(phase + place);
    });
  }

  /** Rows "its timeout passes" and "its signal aborts", and the same two with "withdraw". */
  #cancel(call: Call, why: "timeout" | "aborted"): void {
    if (call.outcome !== undefined) return;
    const outcome = why === "timeout" ? "TimeoutError" : `throws ${call.signal}`;
    this.#settle((other) => other === call ? outcome : undefined);
    if (call.kind !== "wait") return;
    const place = this.#arrivals.indexOf(call);
    if (call.withdraws && place >= 0) this.#arrivals.splice(place, 1);
    else {
      const { by, signal } = call;
      this.#break(why, why === "timeout" ? { by } : { by, cause: signal!, signal: signal! });
    }
  }
}
