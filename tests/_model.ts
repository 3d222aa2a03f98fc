// Copyright 2026 the Rendezvous authors. MIT license.

/*
 * The contract of a barrier as a plain state machine, to hold the real ones against. It is written from the
 * table "How a phase ends" of the design and shares no code with the library: no promise, no timer, no event.
 * What becomes of somebody is a sentence:
 *
 *   "gives 2"                              it gets that value
 *   "throws signal 1"                      it gets that very thing: a signal's reason, or what the action threw
 *   "TimeoutError", "InvalidStateError", "RangeError"
 *   "broken: aborted by why 1, phase 0"    a BrokenBarrierError with that reason, cause and phase
 *   "broken"                               a BrokenBarrierError with any reason
 */

export interface ModelOptions {
  parties: number;
  /** The timeout of every wait that brings none. */
  timeout?: number;
  /** Starts the action, and tells whether it returned, runs on, or threw what is named "action N". */
  action?: () => "returns" | "runs" | `action ${number}`;
}

export interface Wish {
  timeout?: number;
  /** The name of its signal. */
  signal?: string;
  onCancel?: "break" | "withdraw";
}

/** Somebody who has arrived, or who watches. */
export interface Ticket {
  /** What became of it; nothing yet, if there is none. */
  outcome?: string;
  /** The party, where parties have an identity. */
  party?: unknown;
  /** For somebody who watches: the phase. */
  watches?: number;
  signal?: string;
  deadline: number;
  withdraws: boolean;
  drops: boolean;
}

function decide(ticket: Ticket, outcome: string): void {
  ticket.outcome ??= outcome;
}

function decided(outcome: string): Ticket {
  return { outcome, deadline: Infinity, withdraws: false, drops: false };
}

export class Model {
  parties: number;
  /** How many phases have completed. */
  phase = 0;
  /** What a refused arrival gets. */
  brokenBy: string | undefined;
  /** How often the action was started. */
  actions = 0;
  readonly #options: ModelOptions;
  readonly #aborted = new Set<string>();
  #now = 0;
  /** Who has arrived in the phase that is open, in their order. */
  #arrivals: Ticket[] = [];
  /** Who has arrived in the phases before it that only an action keeps from completing. */
  #full: Ticket[][] = [];
  /** All who ever waited or watched, in their order. */
  #tickets: Ticket[] = [];

  constructor(options: ModelOptions) {
    this.#options = options;
    this.parties = options.parties;
  }

  // What can be seen

  get broken(): boolean {
    return this.brokenBy !== undefined;
  }

  get acting(): boolean {
    return this.#full.length > 0;
  }

  /** Whoever dropped is no longer one of the parties, so neither one of those that have arrived. */
  get arrived(): number {
    if (this.broken) return 0;
    if (this.acting) return this.parties;
    return this.#arrivals.filter((ticket) => !ticket.drops).length;
  }

  /** The phase that arrivals join. */
  get open(): number {
    return this.phase + this.#full.length;
  }

  /** How many must still arrive in it. */
  get toCome(): number {
    return this.parties - this.#arrivals.filter((ticket) => !ticket.drops).length;
  }

  has(party: unknown): boolean {
    return this.#arrivals.some((ticket) => ticket.party === party);
  }

  /** How many have a timeout that may still pass. */
  get timers(): number {
    return this.#pending.filter((ticket) => ticket.deadline < Infinity).length;
  }

  /** How many would hear of this signal. */
  listeners(signal: string): number {
    return this.#pending.filter((ticket) => ticket.signal === signal).length;
  }

  get #pending(): Ticket[] {
    return this.#tickets = this.#tickets.filter((ticket) => ticket.outcome === undefined);
  }

  // What can be done

  wait(wish: Wish = {}, party?: unknown): Ticket {
    const { signal, onCancel = "break", timeout = this.#options.timeout } = wish;
    if (signal !== undefined && this.#aborted.has(signal)) {
      if (onCancel === "break") this.break("aborted");
      return decided(`throws ${signal}`);
    }
    const refusal = this.#refusal(party);
    if (refusal !== undefined) return decided(refusal);
    const ticket = this.#ticket({ ...wish, timeout: timeout ?? Infinity });
    this.#arrive(ticket, party);
    return ticket;
  }

  arrive(party?: unknown, drops = false): Ticket {
    const refusal = this.#refusal(party);
    if (refusal !== undefined) return decided(refusal);
    const phase = this.open;
    const ticket: Ticket = { deadline: Infinity, withdraws: false, drops };
    if (drops) this.parties--;
    this.#arrive(ticket, party);
    return decided(ticket.outcome?.startsWith("throws") ? ticket.outcome : `gives ${phase}`);
  }

  watch(phase: number, { timeout = Infinity, signal }: Wish = {}): Ticket {
    if (phase < this.phase) return decided("gives undefined");
    if (signal !== undefined && this.#aborted.has(signal)) return decided(`throws ${signal}`);
    if (this.broken && phase >= this.open) return decided(this.brokenBy!);
    const ticket = this.#ticket({ timeout, ...(signal !== undefined && { signal }) });
    ticket.watches = phase;
    return ticket;
  }

  register(count: number): Ticket {
    this.parties += count;
    return decided(`gives ${this.open}`);
  }

  abort(why?: string): Ticket {
    this.break("aborted", why);
    return decided("gives undefined");
  }

  reset(): Ticket {
    // Who has dropped is not taken back.
    if (this.#arrivals.some(({ drops }) => !drops)) this.break("reset");
    this.brokenBy = undefined;
    return decided("gives undefined");
  }

  /** A signal aborts. */
  cancel(signal: string): void {
    if (this.#aborted.has(signal)) return;
    this.#aborted.add(signal);
    for (const ticket of this.#pending) {
      if (ticket.signal === signal) this.#cancel(ticket, `throws ${signal}`, "aborted");
    }
  }

  tick(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const deadline = Math.min(...this.#pending.map((ticket) => ticket.deadline));
      if (deadline > end) break;
      const ticket = this.#pending.find((ticket) => ticket.deadline === deadline)!;
      this.#now = deadline;
      this.#cancel(ticket, "TimeoutError", "timeout");
    }
    this.#now = end;
  }

  /** The action that runs has ended, and threw if it is told what. */
  endAction(thrown?: string): void {
    if (thrown !== undefined) return this.#fail(thrown);
    this.#pass();
    this.#act();
  }

  // What follows from it

  #ticket({ timeout, signal, onCancel }: Wish): Ticket {
    const ticket: Ticket = {
      deadline: this.#now + timeout!,
      withdraws: onCancel === "withdraw",
      drops: false,
      ...(signal !== undefined && { signal }),
    };
    this.#tickets.push(ticket);
    return ticket;
  }

  #refusal(party: unknown): string | undefined {
    if (this.broken) return this.brokenBy;
    if (this.parties === 0) return "RangeError";
    if (party !== undefined && this.has(party)) return "InvalidStateError";
    return undefined;
  }

  #arrive(ticket: Ticket, party: unknown): void {
    ticket.party = party;
    this.#arrivals.push(ticket);
    if (this.toCome > 0) return;
    // The last arrival settles the phase: whatever looks for those who can still be broken is done with it.
    this.#full.push(this.#arrivals);
    this.#arrivals = [];
    if (this.#full.length === 1) this.#act();
  }

  /** Runs the action for every full phase, one after the other. */
  #act(): void {
    const { action } = this.#options;
    while (this.acting) {
      if (action !== undefined) {
        this.actions++;
        const does = action();
        if (does === "runs") return;
        if (does !== "returns") return this.#fail(does);
      }
      this.#pass();
    }
  }

  #pass(): void {
    const passing = this.#full.shift()!;
    this.phase++;
    for (const [i, ticket] of passing.entries()) decide(ticket, `gives ${passing.length - 1 - i}`);
    for (const ticket of this.#pending) {
      if (ticket.watches! < this.phase) decide(ticket, "gives undefined");
    }
  }

  #fail(thrown: string): void {
    decide(this.#full[0]!.at(-1)!, `throws ${thrown}`);
    const broken = `broken: action by ${thrown}, phase ${this.phase}`;
    for (const ticket of [...this.#full.flat(), ...this.#pending]) decide(ticket, broken);
    this.#full = [];
    this.#arrivals = [];
    this.brokenBy = this.brokenBy === undefined ? broken : this.again(this.brokenBy);
  }

  /** What broke the phase after one whose action then threw: how a later arrival is told of it. */
  protected again(brokenBy: string): string {
    return brokenBy;
  }

  /** Breaks the open phase; those before it are settled. */
  protected break(reason: string, cause?: string): void {
    if (this.broken) return;
    this.brokenBy = `broken: ${reason}${cause ? ` by ${cause}` : ""}, phase ${this.open}`;
    for (const ticket of this.#arrivals) {
      // Where parties share a signal, each gets its reason, and not only the one that is told first.
      const own = ticket.signal !== undefined && this.#aborted.has(ticket.signal);
      decide(ticket, own ? `throws ${ticket.signal}` : this.brokenBy);
    }
    this.#arrivals = [];
    for (const ticket of this.#pending) {
      if (ticket.watches! >= this.open) decide(ticket, this.brokenBy);
    }
  }

  /** The timeout or the signal of somebody who waits or watches. */
  #cancel(ticket: Ticket, outcome: string, reason: string): void {
    if (ticket.outcome !== undefined) return;
    // Neither comes twice, and who is settled hears of neither.
    ticket.deadline = Infinity;
    delete ticket.signal;
    if (ticket.watches !== undefined) return decide(ticket, outcome);
    // Its phase is settled.
    if (!this.#arrivals.includes(ticket)) return;
    decide(ticket, outcome);
    if (ticket.withdraws) this.#arrivals.splice(this.#arrivals.indexOf(ticket), 1);
    else this.break(reason);
  }
}

/** A party of a {@linkcode SeatedModel}. */
export interface Seat {
  name: string;
  readonly number: number;
  /** Whether a party has connected to it. */
  taken: boolean;
  /** Whether that party is no longer there. */
  gone: boolean;
}

/** The same where the parties have an identity, and so a seat. */
export class SeatedModel extends Model {
  /** The seats of those who have not dropped. */
  seats: Seat[] = [];
  #numbered = 0;

  constructor(options: ModelOptions) {
    super(options);
    this.#addSeats(options.parties);
  }

  /** There, the phase is looked up when somebody asks: it is the one that failed. */
  protected override again(brokenBy: string): string {
    return brokenBy.replace(/phase \d+$/, `phase ${this.phase}`);
  }

  #addSeats(count: number): void {
    for (let i = 0; i < count; i++) {
      const number = this.#numbered++;
      this.seats.push({ name: `party ${number}`, number, taken: false, gone: false });
    }
  }

  /** Who has not arrived in the current phase, while it is not broken. */
  get missing(): string[] {
    if (this.acting) return [];
    return this.seats.filter((seat) => !this.has(seat)).map((seat) => seat.name);
  }

  /** Takes a seat; there may be none. */
  connect(name: string): Seat | undefined {
    const seat = this.seats.find((seat) => !seat.taken);
    if (seat !== undefined) Object.assign(seat, { name, taken: true });
    return seat;
  }

  override wait(wish: Wish, seat: Seat): Ticket {
    return this.#dropped(seat) ?? super.wait(wish, seat);
  }

  override arrive(seat: Seat, drops = false): Ticket {
    const refusal = this.#dropped(seat);
    if (refusal !== undefined) return refusal;
    const parties = this.parties;
    const ticket = super.arrive(seat, drops);
    if (this.parties < parties) this.seats = this.seats.filter((other) => other !== seat);
    return ticket;
  }

  #dropped(seat: Seat): Ticket | undefined {
    return this.seats.includes(seat) ? undefined : decided("InvalidStateError");
  }

  override register(count: number): Ticket {
    this.#addSeats(count);
    return super.register(count);
  }

  override reset(): Ticket {
    this.seats = this.seats.map((seat) => {
      const { number } = seat;
      return seat.gone ? { name: `party ${number}`, number, taken: false, gone: false } : seat;
    });
    return super.reset();
  }

  /** The connection of a party ends, without a word or with one. */
  end(seat: Seat, how: "lost" | "left"): void {
    if (!this.seats.includes(seat)) return;
    seat.gone = true;
    if (how === "lost") this.break("lost", seat.name);
    else this.break("aborted");
  }
}
