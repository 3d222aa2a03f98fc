// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * A barrier for the processes of one machine, over a Unix socket: {@linkcode ProcessBarrierServer} owns it,
 * usually in the parent, and each {@linkcode ProcessBarrier} is a party in a process of its own. A process
 * that dies frees the others at once, and they are told its name.
 *
 * @example A parent and its parties
 * ```ts
 * import { ProcessBarrier, ProcessBarrierServer } from "@rendezvous/barrier/process";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = await ProcessBarrierServer.listen({ parties: 2 });
 *
 * // Each of these would stand in another process, which got server.path as an argument.
 * async function party(name: string) {
 *   await using barrier = await ProcessBarrier.connect(server.path, { name });
 *   return await barrier.wait();
 * }
 * const numbers = await Promise.all([party("resize-1"), party("resize-2")]);
 * assertEquals(numbers.sort(), [0, 1]);
 * ```
 *
 * ### Permissions
 *
 * Both sides need `--allow-read` and `--allow-write` for the directory of the socket and
 * `--allow-net=unix:PATH` for the socket itself. A server without a `path` makes a directory of its own,
 * and so needs to write to the directory for temporary files.
 *
 * ### The wire
 *
 * For clients in other languages. Each side sends lines of JSON in UTF-8, of at most 16,384 bytes. A line
 * that cannot be understood ends the connection.
 *
 * The client asks, with an `id` of its choice, and `do` for what is asked. The first line must be `join`.
 *
 * | `do` | with | answer `ok` |
 * |---|---|---|
 * | `"join"` | `version`: 1, `name`? | the name of the party |
 * | `"wait"` | `timeout`? in ms, `onCancel`?, `cancellable`?: true | how many were still to come; see below |
 * | `"cancel"` | `wait`: the id of a cancellable wait or watch, `reason`?: text | null |
 * | `"arrive"`, `"drop"` | | the phase arrived in |
 * | `"watch"` | `phase`, `timeout`?, `cancellable`? | null, when that phase has completed |
 * | `"register"` | `count` | the phase they join |
 * | `"abort"` | `reason`?: text | null |
 * | `"reset"`, `"leave"` | | null |
 * | `"status"` | | `{ parties, arrived, phase, broken, reason?, missing }`, where `missing` are names |
 *
 * The line `[0]` is short for `{"id":0,"do":"wait"}`, and is answered by the list
 * `[ok, parties, arrived, phase]` when it passes. Otherwise the server answers `{ id, ok, state }` or
 * `{ id, error, state }`, and before it closes a connection `{ error }`. `state` is
 * `{ parties, arrived, phase, reason? }`, where a `reason` means broken. `error` is `{ name, message }`, for a
 * `BrokenBarrierError` with `reason`, `phase`, `arrived`, `parties` and the text of its `cause`; the name of a
 * cancelled wait's error is `"Cancelled"`. A connection that ends without `drop` is a lost party.
 *
 * @module
 */

import { arm } from "./_cancel.ts";
import {
  cannot,
  checkChoice,
  checkInteger,
  checkMost,
  checkName,
  checkOptions,
  checkSignal,
  checkTimeout,
  show,
} from "./_check.ts";
import { brokenError } from "./_errors.ts";
import { inspect } from "./_inspect.ts";
import { encodeLine, Wire } from "./_wire.ts";
import {
  AsyncBarrier,
  type AsyncBarrierOptions,
  type BreakReason,
  BrokenBarrierError,
  type WaitOptions,
  type WatchOptions,
} from "./barrier.ts";

const VERSION = 1;

/** How long a connection may take to join, and connecting by default, in ms. */
const PATIENCE = 10_000;

/** How long a peer may take to read its last lines before the connection is closed, in ms. */
const FAREWELL = 1_000;

/** How long the server waits for a file descriptor before it tries to accept again, in ms. */
const ACCEPT_PAUSE = 50;

/** How long it waits before it tries again to lock the place of its socket, in ms. */
const LOCK_PAUSE = 5;

/** How many answers a party may have coming. One that asks for more does not want to know. */
const MAX_PENDING = 1_000;

/** The longest line that a server takes, and that a client takes of its server, in bytes. */
const MAX_REQUEST = 16 * 1024;
const MAX_ANSWER = 1024 * 1024;

/** How many connections may be about to join. One more, and the oldest of them is closed. */
const MAX_STRANGERS = 128;

const MAX_TEXT = 1_000;

/** The most parties: enough for a machine, and few enough for a status that names them all to fit a line. */
const MAX_PARTIES = 1_023;

/** The longest path of a socket, in bytes: what `sockaddr_un` holds on Linux; macOS has 4 less. */
const MAX_PATH = Deno.build.os === "darwin" ? 103 : 107;

/** The id of the usual wait, which has no options, and its line. */
const USUAL = 0;
const USUAL_WAIT = encodeLine([USUAL]);

/** Options for {@linkcode ProcessBarrierServer.listen}. */
export interface ProcessBarrierServerOptions extends AsyncBarrierOptions {
  /** How many processes meet, an integer of at least 1. */
  parties: number;
  /**
   * Where to listen. A stale socket there is replaced; a live one, or any other file, is an error.
   *
   * @default {"a new directory that only this user may enter"}
   */
  path?: string;
}

/** Options for {@linkcode ProcessBarrier.connect}. */
export interface ProcessBarrierOptions {
  /**
   * What to call this party where it is missing or lost, of 1 to 100 characters.
   *
   * @default {"party N, with the number of its seat"}
   */
  name?: string;
  /**
   * How long connecting may take, in ms.
   *
   * @default {10000}
   */
  timeout?: number;
  /**
   * Cancels connecting when it aborts.
   *
   * @default {undefined}
   */
  signal?: AbortSignal;
}

/** What {@linkcode ProcessBarrier.status} tells: a snapshot. */
export interface ProcessBarrierStatus {
  /** How many parties must arrive to complete a phase. */
  parties: number;
  /** How many have arrived in the current phase, 0 while the barrier is broken. */
  arrived: number;
  /** How many phases have completed. */
  phase: number;
  /** Whether the barrier is broken, and so refuses arrivals. */
  broken: boolean;
  /** Why it is broken. */
  reason?: BreakReason;
  /** The names of those who have not arrived in the current phase, or had not when it broke. */
  missing: string[];
}

/** What goes over the wire with every answer. */
interface State {
  parties: number;
  arrived: number;
  phase: number;
  reason?: BreakReason;
}

type Message = Record<string, unknown>;

/** What goes over the wire for an error. */
interface WireError {
  name: string;
  message: string;
  reason?: BreakReason;
  phase?: number;
  arrived?: number;
  parties?: number;
  cause?: string;
}

/** The place of one party, and what is known of it. */
class Seat {
  readonly number: number;
  name: string;
  /** Whether its party has joined. */
  taken = false;
  /** Whether its party has joined and is no longer there. */
  gone = false;
  /** The last phase that its party arrived in. */
  arrivedIn = -1;
  /** How often it has arrived. */
  arrivals = 0;
  /** How many answers its party has coming. */
  asked = 0;
  /** What cancels the pending waits of its party, by their ids. */
  readonly pending = new Map<unknown, (reason?: string) => void>();

  constructor(number: number) {
    this.number = number;
    this.name = `party ${number}`;
  }
}

/** The barrier of a server: an {@linkcode AsyncBarrier} that knows who its parties are. */
class Roll extends AsyncBarrier {
  readonly seats: Seat[] = [];
  #numbered = 0;

  constructor(parties: number, options: AsyncBarrierOptions) {
    checkInteger("listen", "parties", parties, 1, MAX_PARTIES);
    super(parties, options);
    this.#addSeats(parties);
  }

  #addSeats(count: number): void {
    for (let i = 0; i < count; i++) this.seats.push(new Seat(this.#numbered++));
  }

  /** What both sides tell of the barrier. */
  get state(): State {
    const { parties, arrived, phase, reason } = this;
    return reason === undefined ? { parties, arrived, phase } : { parties, arrived, phase, reason };
  }

  override missing(): string[] {
    // All have arrived, and who registers now does so for the next phase.
    if (this.joining > this.phase) return [];
    return this.seats.filter((seat) => seat.arrivedIn < this.phase).map((seat) => seat.name);
  }

  override register(count: number): number {
    checkInteger("register parties", "count", count, 1);
    checkMost(this.parties + count, MAX_PARTIES);
    const phase = super.register(count);
    this.#addSeats(count);
    return phase;
  }

  override reset(): void {
    super.reset();
    for (const [i, seat] of this.seats.entries()) {
      if (seat.gone) this.seats[i] = new Seat(seat.number);
      else this.takeBack(seat);
    }
  }

  /** Takes back an arrival, unless its phase is settled or another has come after it. */
  takeBack(seat: Seat, arrival: number = seat.arrivals): void {
    if (arrival === seat.arrivals && seat.arrivedIn >= this.joining) seat.arrivedIn = -1;
  }

  /** Notes that a party arrives, which it can do once in a phase, before it does; returns a number for it. */
  enter(seat: Seat): number {
    if (!this.seats.includes(seat)) {
      throw new DOMException(
        `Cannot arrive as "${seat.name}" must be a party: current value is dropped`,
        "InvalidStateError",
      );
    }
    if (this.broken) return seat.arrivals;
    if (seat.arrivedIn >= this.joining) {
      throw new DOMException(
        `Cannot arrive as "${seat.name}" must arrive once in a phase: ` +
          `current value is arrived in phase ${seat.arrivedIn}`,
        "InvalidStateError",
      );
    }
    seat.arrivedIn = this.joining;
    return ++seat.arrivals;
  }

  /** Arrives for the last time, and takes the seat out of the roll. */
  drop(seat: Seat): number {
    const { parties } = this;
    try {
      return this.arriveAndDrop();
    } finally {
      if (this.parties < parties) this.seats.splice(this.seats.indexOf(seat), 1);
    }
  }

  /** Breaks the barrier, as its server ends. */
  close(): void {
    this.break("aborted", "the server was disposed");
  }

  /** Breaks the barrier, as the party of this seat will not come again. */
  vacate(seat: Seat, how: "lost" | "left"): void {
    if (seat.gone || !this.seats.includes(seat)) return;
    seat.gone = true;
    if (how === "lost") this.break("lost", `"${seat.name}" is gone`);
    else this.break("aborted", `"${seat.name}" has left`);
  }
}

/**
 * The side that owns a barrier for processes: it listens at a Unix socket, where each party connects.
 *
 * **Seats.** There are as many seats as parties. A process that connects takes one; when all are taken it is
 * turned away. A party that drops takes its seat along. A party whose connection ends without that is lost:
 * the barrier breaks with the reason `"lost"` and its name, and its seat is kept until
 * {@linkcode ProcessBarrierServer.reset}, which frees it for a replacement.
 *
 * **How a wait ends** is as with {@linkcode AsyncBarrier}, which decides here: the server is that barrier and
 * a wire. Timeouts are measured here too.
 *
 * The server keeps the event loop alive until it is disposed. That breaks the barrier, tells so to all who
 * wait, ends all connections and removes the socket.
 *
 * @example Who is missing
 * ```ts
 * import { ProcessBarrier, ProcessBarrierServer } from "@rendezvous/barrier/process";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = await ProcessBarrierServer.listen({ parties: 2 });
 * await using barrier = await ProcessBarrier.connect(server.path, { name: "resize-1" });
 * await barrier.arrive();
 * assertEquals(server.missing, ["party 1"]);
 * ```
 */
export class ProcessBarrierServer implements AsyncDisposable {
  /**
   * Where the server listens: what the parties connect to.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assert } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 2 });
   * assert((await Deno.lstat(server.path)).isSocket);
   * ```
   */
  readonly path: string;

  readonly #roll: Roll;
  readonly #socket: Socket;
  /** The connections that have not joined, oldest first, and what stops the clock of each. */
  readonly #strangers = new Map<Wire, () => void>();
  readonly #members = new Map<Wire, Seat>();
  #pause: ReturnType<typeof setTimeout> | undefined;
  #disposal: Promise<void> | undefined;

  private constructor(roll: Roll, socket: Socket) {
    this.#roll = roll;
    this.#socket = socket;
    this.path = socket.path;
    this.#accept();
  }

  /**
   * Starts a server.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assertEquals } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 4, timeout: 60_000 });
   * assertEquals(server.parties, 4);
   * ```
   *
   * @param options How many parties; where to listen; the action, which runs here; and a timeout in ms for
   *   every wait.
   * @returns The server, which listens.
   * @throws {TypeError} If an option is of the wrong type.
   * @throws {RangeError} If `parties` is not an integer of at least 1, the timeout negative or NaN, or the
   *   path too long for a socket.
   * @throws {Deno.errors.AddrInUse} If another server listens at that path.
   * @throws {Deno.errors.AlreadyExists} If there is something else than a socket at that path.
   * @throws {Deno.errors.NotCapable} If a permission is missing.
   */
  static async listen(options: ProcessBarrierServerOptions): Promise<ProcessBarrierServer> {
    // They are no option here: without them there are no parties.
    checkOptions("listen", options ?? null);
    const { parties, path, ...rest } = options;
    const roll = new Roll(parties, rest);
    return new ProcessBarrierServer(roll, await occupy(path));
  }

  /**
   * Breaks the barrier, as {@linkcode AsyncBarrier.abort} does.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assert } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 2 });
   * await server.abort("the disk is full");
   * assert(server.broken);
   * ```
   *
   * @param reason Becomes the error's `cause`; its text crosses to the parties.
   * @returns A promise that resolves when it is done.
   */
  abort(reason?: unknown): Promise<void> {
    this.#roll.abort(reason);
    return Promise.resolve();
  }

  /**
   * Makes the barrier empty and usable again, as {@linkcode AsyncBarrier.reset} does, and frees the seats of
   * those who are gone.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assertFalse } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 2 });
   * await server.abort();
   * await server.reset();
   * assertFalse(server.broken);
   * ```
   *
   * @returns A promise that resolves when it is done.
   */
  reset(): Promise<void> {
    this.#roll.reset();
    return Promise.resolve();
  }

  /**
   * Adds parties, and a seat for each.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assertEquals } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 2 });
   * assertEquals(await server.register(2), 0);
   * assertEquals(server.parties, 4);
   * ```
   *
   * @param count How many, an integer of at least 1.
   * @returns The phase that they join.
   * @throws {TypeError} If `count` is not a number.
   * @throws {RangeError} If `count` is not an integer of at least 1.
   */
  // deno-lint-ignore require-await -- a refusal rejects
  async register(count: number = 1): Promise<number> {
    return this.#roll.register(count);
  }

  /**
   * Waits until a phase has completed, as {@linkcode AsyncBarrier.waitFor} does.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrier, ProcessBarrierServer } from "@rendezvous/barrier/process";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 1 });
   * await using barrier = await ProcessBarrier.connect(server.path);
   * await barrier.wait();
   * await server.waitFor(0);
   * ```
   *
   * @param phase The phase to wait for, from 0.
   * @param options Timeout in ms, and signal.
   * @returns A promise that resolves when the phase has completed.
   * @throws {TypeError} If `phase` or an option is of the wrong type.
   * @throws {RangeError} If `phase` is not an integer of at least 0 or the timeout is negative or NaN.
   * @throws {BrokenBarrierError} If the barrier is broken or breaks before that phase completes.
   * @throws {DOMException} A `TimeoutError` if the timeout passes first.
   * @throws The signal's reason if it aborts first.
   */
  waitFor(phase: number, options?: WatchOptions): Promise<void> {
    return this.#roll.waitFor(phase, options);
  }

  /**
   * Tells how the barrier stands, as {@linkcode ProcessBarrier.status} does.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assertEquals } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 1 });
   * const { arrived, missing } = await server.status();
   * assertEquals([arrived, missing], [0, ["party 0"]]);
   * ```
   *
   * @returns A snapshot.
   */
  status(): Promise<ProcessBarrierStatus> {
    return Promise.resolve(statusOf(this.#roll.state, this.missing));
  }

  /**
   * Those who have not arrived in the current phase, or had not when it broke, by the names they gave; a seat
   * that nobody has taken has its number for a name. A snapshot.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrier, ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assertEquals } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 2 });
   * await using barrier = await ProcessBarrier.connect(server.path, { name: "resize-1" });
   * assertEquals(server.missing, ["resize-1", "party 1"]);
   * ```
   *
   * @returns Their names, in the order of their seats.
   */
  get missing(): string[] {
    return this.#roll.missing();
  }

  /**
   * How many parties must arrive to complete a phase.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assertEquals } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 2 });
   * assertEquals(server.parties, 2);
   * ```
   *
   * @returns The number of parties.
   */
  get parties(): number {
    return this.#roll.parties;
  }

  /**
   * How many parties have arrived in the current phase, as {@linkcode AsyncBarrier.arrived}.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assertEquals } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 2 });
   * assertEquals(server.arrived, 0);
   * ```
   *
   * @returns The number of parties that have arrived.
   */
  get arrived(): number {
    return this.#roll.arrived;
  }

  /**
   * How many phases have completed.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assertEquals } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 2 });
   * assertEquals(server.phase, 0);
   * ```
   *
   * @returns The number of completed phases.
   */
  get phase(): number {
    return this.#roll.phase;
  }

  /**
   * Whether the barrier is broken, and so refuses arrivals.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assertFalse } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 2 });
   * assertFalse(server.broken);
   * ```
   *
   * @returns `true` if it is broken.
   */
  get broken(): boolean {
    return this.#roll.broken;
  }

  /**
   * Breaks the barrier, tells those who wait, ends all connections and removes the socket. Doing it twice does
   * no more.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assertRejects } from "@std/assert";
   *
   * const server = await ProcessBarrierServer.listen({ parties: 2 });
   * await server[Symbol.asyncDispose]();
   * await assertRejects(() => Deno.lstat(server.path), Deno.errors.NotFound);
   * ```
   *
   * @returns A promise that resolves when nothing is left behind.
   */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#disposal ??= this.#dispose();
  }

  /**
   * How `console.log` shows it.
   *
   * @returns Its class, arrivals and phase, or why it is broken.
   */
  [Symbol.for("Deno.customInspect")](): string {
    return inspect("ProcessBarrierServer", this, this.#roll.state.reason);
  }

  async #dispose(): Promise<void> {
    clearTimeout(this.#pause);
    this.#roll.close();
    // What is settled already is being answered in microtasks: let those answers go first.
    await pause(0);
    const last = brokenError("aborted", this.#roll.state, { note: "the server was disposed" });
    const wires = [...this.#members.keys(), ...this.#strangers.keys()];
    await Promise.all(wires.map((wire) => {
      wire.send({ error: encodeError(last) });
      return wire.finish(FAREWELL);
    }));
    await this.#socket.vacate();
  }

  async #accept(): Promise<void> {
    while (this.#disposal === undefined) {
      try {
        const conn = await this.#socket.listener.accept();
        if (this.#disposal === undefined) this.#greet(conn);
        else conn.close();
      } catch {
        if (this.#disposal !== undefined) return;
        // No file descriptor was free. The parties have theirs; whoever comes now must wait.
        await new Promise((resolve) => this.#pause = setTimeout(resolve, ACCEPT_PAUSE));
      }
    }
  }

  #greet(conn: Deno.Conn): void {
    const wire = new Wire(conn, MAX_REQUEST, {
      message: (wire, message) => {
        const seat = this.#members.get(wire);
        if (seat === undefined) this.#join(wire, message);
        else this.#answer(wire, seat, message, this.#serve(seat, message));
      },
      integers: (wire) => {
        const seat = this.#members.get(wire);
        if (seat === undefined) wire.close();
        else this.#answerUsual(wire, seat);
      },
      end: (wire) => {
        this.#strangers.get(wire)?.();
        this.#strangers.delete(wire);
        const seat = this.#members.get(wire);
        this.#members.delete(wire);
        if (seat === undefined) return;
        this.#roll.vacate(seat, "lost");
        for (const cancel of seat.pending.values()) cancel();
      },
    });
    this.#strangers.set(wire, arm(PATIENCE, undefined, () => wire.close()));
    if (this.#strangers.size > MAX_STRANGERS) this.#strangers.keys().next().value!.close();
  }

  #join(wire: Wire, { id, do: verb, version, name }: Message): void {
    if (verb !== "join") return wire.close();
    try {
      if (version !== VERSION) {
        throw new RangeError(cannot("join", `version must be ${VERSION}`, show(version)));
      }
      if (name !== undefined) checkName("join", name);
      const { seats } = this.#roll;
      const seat = seats.find((seat) => !seat.taken);
      if (seat === undefined) {
        throw new RangeError(
          cannot("join", "a seat must be free", `${seats.length} of ${seats.length} taken`),
        );
      }
      seat.taken = true;
      if (name !== undefined) seat.name = name;
      this.#strangers.get(wire)?.();
      this.#strangers.delete(wire);
      this.#members.set(wire, seat);
      wire.send({ id, ok: seat.name, state: this.#roll.state });
    } catch (error) {
      wire.send({ id, error: encodeError(error), state: this.#roll.state });
      wire.finish(FAREWELL);
    }
  }

  async #answer(wire: Wire, seat: Seat, { id }: Message, answer: Promise<unknown>): Promise<void> {
    if (++seat.asked > MAX_PENDING) wire.close();
    try {
      const ok = await answer ?? null;
      wire.send({ id, ok, state: this.#roll.state });
    } catch (error) {
      wire.send({ id, error: encodeError(error), state: this.#roll.state });
    }
    seat.asked--;
  }

  async #answerUsual(wire: Wire, seat: Seat): Promise<void> {
    const roll = this.#roll;
    try {
      roll.enter(seat);
      const ok = await roll.wait();
      wire.send([ok, roll.parties, roll.arrived, roll.phase]);
    } catch (error) {
      wire.send({ id: USUAL, error: encodeError(error), state: roll.state });
    }
  }

  /** Does what a party asks. It is async so that all that is wrong with a message becomes an answer. */
  async #serve(seat: Seat, message: Message): Promise<unknown> {
    const roll = this.#roll;
    switch (message.do) {
      case "wait":
        return await this.#wait(seat, message);
      case "arrive":
        roll.enter(seat);
        return roll.arrive();
      case "drop":
        roll.enter(seat);
        return roll.drop(seat);
      case "watch":
        return await this.#cancellable(
          seat,
          message,
          (options) => roll.waitFor(message.phase as number, options),
        );
      case "cancel":
        return seat.pending.get(message.wait)?.(textOf(message.reason));
      case "register":
        return roll.register(message.count as number);
      case "abort":
        return roll.abort(message.reason === undefined ? undefined : textOf(message.reason));
      case "reset":
        return roll.reset();
      case "leave":
        return roll.vacate(seat, "left");
      case "status":
        return statusOf(roll.state, roll.missing());
      default:
        throw new TypeError(cannot("answer", `"do" must be known`, show(message.do)));
    }
  }

  async #wait(seat: Seat, message: Message): Promise<number> {
    const { timeout, onCancel = "break" } = message;
    // Checked before it arrives, as what is noted here must be what the barrier counts.
    if (timeout !== undefined && timeout !== null) checkTimeout("wait", timeout);
    checkChoice("wait", "onCancel", onCancel, ["break", "withdraw"]);
    const arrival = this.#roll.enter(seat);
    return await this.#cancellable(
      seat,
      message,
      (options) => this.#roll.wait({ ...options, onCancel } as WaitOptions),
      () => onCancel === "withdraw" && this.#roll.takeBack(seat, arrival),
    );
  }

  /**
   * Starts a wait or a watch that its party may cancel, or that may time out. What then has to be undone is
   * undone at once: the next message may be an arrival.
   */
  async #cancellable<T>(
    seat: Seat,
    { id, timeout, cancellable }: Message,
    start: (options: WatchOptions) => Promise<T>,
    undo: () => void = () => {},
  ): Promise<T> {
    const options: WatchOptions = {};
    // JSON has no Infinity: null stands for it.
    if (timeout !== undefined) options.timeout = timeout === null ? Infinity : timeout as number;
    const controller = new AbortController();
    const { signal } = controller;
    if (cancellable === true) {
      options.signal = signal;
      seat.pending.set(id, (reason) => {
        controller.abort(reason);
        undo();
      });
    }
    try {
      return await start(options);
    } catch (error) {
      if (!signal.aborted || error !== signal.reason) {
        if (error instanceof DOMException) undo();
        throw error;
      }
      throw new Cancelled(String(error));
    } finally {
      if (cancellable === true) seat.pending.delete(id);
    }
  }
}

/**
 * A party of a barrier for processes: the side that connects.
 *
 * **How a wait ends** is as with {@linkcode AsyncBarrier}, and it also ends, with the reason `"lost"`, when
 * another party's process dies or the server does.
 *
 * **What a cancelled wait leaves behind.** No timer and no listener. The server decides between a
 * cancellation and the last arrival, so that all parties get one outcome.
 *
 * The connection keeps the event loop alive only while something is asked for. A process that ends without
 * {@linkcode ProcessBarrier.arriveAndDrop} or the end of its scope is a lost party.
 *
 * @example A process that meets others
 * ```ts
 * import { ProcessBarrier, ProcessBarrierServer } from "@rendezvous/barrier/process";
 *
 * await using server = await ProcessBarrierServer.listen({ parties: 1 });
 *
 * await using barrier = await ProcessBarrier.connect(server.path, { name: "resize-1" });
 * for (let phase = 0; phase < 3; phase++) {
 *   // … work …
 *   await barrier.wait({ timeout: 60_000 });
 * }
 * ```
 */
export class ProcessBarrier implements AsyncDisposable {
  readonly #wire: Wire;
  readonly #asked = new Map<unknown, Asked>();
  #ids = USUAL + 1;
  #name = "";
  #state: State = { parties: 0, arrived: 0, phase: 0 };
  /** What every request gets once the connection has ended. */
  #end: Error | undefined;
  #dropped = false;
  #disposal: Promise<void> | undefined;

  private constructor(conn: Deno.Conn) {
    this.#wire = new Wire(conn, MAX_ANSWER, {
      message: (_, message) => this.#take(message),
      integers: (_, [ok, parties, arrived, phase]) => {
        this.#state = { parties: parties!, arrived: arrived!, phase: phase! };
        this.#settle(USUAL)?.resolve(ok);
      },
      end: () => this.#finish(this.#lost()),
    });
  }

  /**
   * Connects to a server and takes a seat.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrier, ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assertEquals } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 2 });
   * await using barrier = await ProcessBarrier.connect(server.path, { name: "resize-1" });
   * assertEquals([barrier.name, barrier.parties], ["resize-1", 2]);
   * ```
   *
   * @param path Where the server listens: its `path`.
   * @param options The name of this party; a timeout in ms and a signal for connecting.
   * @returns The party, connected.
   * @throws {TypeError} If `path` or an option is of the wrong type.
   * @throws {RangeError} If the name is empty or too long, the timeout negative or NaN, or no seat is free.
   * @throws {Deno.errors.NotFound} If there is no socket at that path.
   * @throws {Deno.errors.ConnectionRefused} If nobody listens at that socket.
   * @throws {Deno.errors.NotCapable} If a permission is missing.
   * @throws {BrokenBarrierError} If the server goes away meanwhile.
   * @throws {DOMException} A `TimeoutError` if the server does not answer in time.
   * @throws The signal's reason if it aborts.
   */
  static async connect(path: string, options: ProcessBarrierOptions = {}): Promise<ProcessBarrier> {
    checkOptions("connect", options);
    const { name, timeout = PATIENCE, signal } = options;
    checkPath("connect", path);
    if (name !== undefined) checkName("join", name);
    checkTimeout("connect", timeout);
    checkSignal("connect", signal);
    signal?.throwIfAborted();
    const conn = await dial(path);
    if (signal?.aborted) {
      conn.close();
      throw signal.reason;
    }
    const barrier = new ProcessBarrier(conn);
    const disarm = arm(timeout, signal, (why) => {
      barrier.#finish(
        why === "aborted" ? signal!.reason : new DOMException(
          cannot("connect", `the server must answer within ${timeout} ms`, "no answer"),
          "TimeoutError",
        ),
      );
      barrier.#wire.close();
    });
    try {
      const request = { do: "join", version: VERSION };
      const given = await barrier.#ask(name === undefined ? request : { ...request, name });
      barrier.#name = String(given);
      return barrier;
    } catch (error) {
      barrier.#wire.close();
      throw error;
    } finally {
      disarm();
    }
  }

  /**
   * Arrives, and waits until all parties have.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrier, ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assertEquals } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 1 });
   * await using barrier = await ProcessBarrier.connect(server.path);
   * assertEquals(await barrier.wait(), 0);
   * ```
   *
   * @param options Timeout in ms, signal, and what a cancellation does to the others.
   * @returns How many parties were still to come when this one arrived: `parties - 1` for the first, `0` for
   *   the last. The numbers of one phase are a permutation.
   * @throws {TypeError} If an option is of the wrong type. Nothing has arrived then.
   * @throws {RangeError} If the timeout is negative or NaN. Nothing has arrived then.
   * @throws {BrokenBarrierError} If the barrier is broken, or breaks while this party waits.
   * @throws {DOMException} A `TimeoutError` if the timeout passes before the last party arrives, an
   *   `InvalidStateError` if this party has arrived in this phase already, or has dropped.
   * @throws The signal's reason if it aborts; the message of what the action threw if this is the last
   *   arrival.
   */
  wait(options?: WaitOptions): Promise<number> {
    // One at a time: an arrival in a later phase may come while the answer to the usual wait is on its way.
    if (options !== undefined || this.#asked.has(USUAL) || this.#end !== undefined) {
      return this.#waitUnless(options ?? {});
    }
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#expect(USUAL, { resolve, reject });
    this.#wire.sendLine(USUAL_WAIT);
    return promise as Promise<number>;
  }

  async #waitUnless(options: WaitOptions): Promise<number> {
    checkOptions("wait", options);
    const { timeout, signal, onCancel = "break" } = options;
    const request: Message = { do: "wait" };
    if (timeout !== undefined) {
      checkTimeout("wait", timeout);
      request.timeout = timeout;
    }
    checkSignal("wait", signal);
    checkChoice("wait", "onCancel", onCancel, ["break", "withdraw"]);
    if (onCancel !== "break") request.onCancel = onCancel;
    if (signal?.aborted && !this.#dropped) {
      // Where the server is gone, nothing is left to break.
      if (onCancel === "break") await this.abort(signal.reason).catch(() => {});
      throw signal.reason;
    }
    return await this.#ask(request, signal) as number;
  }

  /**
   * Arrives without waiting, for a party that the others need but which needs not wait for them. Together
   * with {@linkcode ProcessBarrier.waitFor} it makes a wait of two halves, with work in between.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrier, ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assertEquals } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 1 });
   * await using barrier = await ProcessBarrier.connect(server.path);
   * assertEquals(await barrier.arrive(), 0);
   * ```
   *
   * @returns The phase that it arrived in.
   * @throws {BrokenBarrierError} If the barrier is broken.
   * @throws {DOMException} An `InvalidStateError` if this party has arrived in this phase already, or dropped.
   */
  async arrive(): Promise<number> {
    return await this.#ask({ do: "arrive" }) as number;
  }

  /**
   * Arrives for the last time: the phase need not wait for this party, and later phases do without it.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrier, ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assertEquals } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 2 });
   * await using barrier = await ProcessBarrier.connect(server.path);
   * await barrier.arriveAndDrop();
   * assertEquals(server.parties, 1);
   * ```
   *
   * @returns The phase that it arrived in.
   * @throws {BrokenBarrierError} If the barrier is broken; the party has not dropped then.
   * @throws {DOMException} An `InvalidStateError` if this party has arrived in this phase already, or dropped.
   */
  async arriveAndDrop(): Promise<number> {
    const phase = await this.#ask({ do: "drop" }) as number;
    this.#dropped = true;
    return phase;
  }

  /**
   * Waits until a phase has completed. It never counts as an arrival, and its own timeout or cancellation
   * breaks nothing.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrier, ProcessBarrierServer } from "@rendezvous/barrier/process";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 1 });
   * await using barrier = await ProcessBarrier.connect(server.path);
   * const phase = await barrier.arrive();
   * // … work that needs nothing of the other parties …
   * await barrier.waitFor(phase);
   * ```
   *
   * @param phase The phase to wait for, from 0.
   * @param options Timeout in ms, and signal.
   * @throws {TypeError} If `phase` or an option is of the wrong type.
   * @throws {RangeError} If `phase` is not an integer of at least 0 or the timeout is negative or NaN.
   * @throws {BrokenBarrierError} If the barrier is broken or breaks before that phase completes.
   * @throws {DOMException} A `TimeoutError` if the timeout passes first.
   * @throws The signal's reason if it aborts first.
   */
  async waitFor(phase: number, options: WatchOptions = {}): Promise<void> {
    checkOptions("wait for a phase", options);
    const { timeout = Infinity, signal } = options;
    checkInteger("wait for a phase", "phase", phase, 0);
    checkTimeout("wait for a phase", timeout);
    checkSignal("wait for a phase", signal);
    if (signal?.aborted) {
      if (phase < (await this.status()).phase) return;
      throw signal.reason;
    }
    await this.#ask({ do: "watch", phase, timeout }, signal);
  }

  /**
   * Adds parties, who join the phase that is open, and a seat for each.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrier, ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assertEquals } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 1 });
   * await using barrier = await ProcessBarrier.connect(server.path);
   * assertEquals(await barrier.register(2), 0);
   * assertEquals(server.parties, 3);
   * ```
   *
   * @param count How many, an integer of at least 1.
   * @returns The phase that they join.
   * @throws {TypeError} If `count` is not a number.
   * @throws {RangeError} If `count` is not an integer of at least 1.
   */
  async register(count: number = 1): Promise<number> {
    checkInteger("register parties", "count", count, 1);
    return await this.#ask({ do: "register", count }) as number;
  }

  /**
   * Breaks the barrier for all, as {@linkcode AsyncBarrier.abort} does.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrier, ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assert } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 1 });
   * await using barrier = await ProcessBarrier.connect(server.path);
   * await barrier.abort("the disk is full");
   * assert(barrier.broken);
   * ```
   *
   * @param reason Its text, of which 1,000 characters cross, becomes the `cause` of the errors.
   */
  async abort(reason?: unknown): Promise<void> {
    const request: Message = { do: "abort" };
    await this.#ask(reason === undefined ? request : { ...request, reason: textOf(reason) });
  }

  /**
   * Makes the barrier empty and usable again for all, as {@linkcode AsyncBarrier.reset} does, and frees the
   * seats of those who are gone.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrier, ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assertFalse } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 1 });
   * await using barrier = await ProcessBarrier.connect(server.path);
   * await barrier.abort();
   * await barrier.reset();
   * assertFalse(barrier.broken);
   * ```
   */
  async reset(): Promise<void> {
    await this.#ask({ do: "reset" });
  }

  /**
   * Asks the server how the barrier stands.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrier, ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assertEquals } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 2 });
   * await using barrier = await ProcessBarrier.connect(server.path, { name: "resize-1" });
   * await barrier.arrive();
   * const { arrived, missing } = await barrier.status();
   * assertEquals([arrived, missing], [1, ["party 1"]]);
   * ```
   *
   * @returns A snapshot.
   */
  async status(): Promise<ProcessBarrierStatus> {
    return await this.#ask({ do: "status" }) as ProcessBarrierStatus;
  }

  /**
   * What this party is called where it is missing or lost.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrier, ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assertEquals } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 1 });
   * await using barrier = await ProcessBarrier.connect(server.path);
   * assertEquals(barrier.name, "party 0");
   * ```
   *
   * @returns Its name.
   */
  get name(): string {
    return this.#name;
  }

  /**
   * How many parties must arrive to complete a phase, as the server last told.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrier, ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assertEquals } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 2 });
   * await using barrier = await ProcessBarrier.connect(server.path);
   * assertEquals(barrier.parties, 2);
   * ```
   *
   * @returns The number of parties.
   */
  get parties(): number {
    return this.#state.parties;
  }

  /**
   * How many parties have arrived in the current phase, as the server last told.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrier, ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assertEquals } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 2 });
   * await using barrier = await ProcessBarrier.connect(server.path);
   * await barrier.arrive();
   * assertEquals(barrier.arrived, 1);
   * ```
   *
   * @returns The number of parties that have arrived.
   */
  get arrived(): number {
    return this.#state.arrived;
  }

  /**
   * How many phases have completed, as the server last told.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrier, ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assertEquals } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 1 });
   * await using barrier = await ProcessBarrier.connect(server.path);
   * await barrier.wait();
   * assertEquals(barrier.phase, 1);
   * ```
   *
   * @returns The number of completed phases.
   */
  get phase(): number {
    return this.#state.phase;
  }

  /**
   * Whether the barrier is broken, as the server last told; it is, too, once the server is gone.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrier, ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assertFalse } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 1 });
   * await using barrier = await ProcessBarrier.connect(server.path);
   * assertFalse(barrier.broken);
   * ```
   *
   * @returns `true` if it is broken.
   */
  get broken(): boolean {
    return this.#state.reason !== undefined;
  }

  /**
   * Leaves for good: breaks the barrier as {@linkcode ProcessBarrier.abort} does, unless this party has
   * dropped, so that nobody waits for it, and ends the connection. Doing it twice does no more.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrier, ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assert } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 2 });
   * const barrier = await ProcessBarrier.connect(server.path);
   * await barrier[Symbol.asyncDispose]();
   * assert(server.broken);
   * ```
   *
   * @returns A promise that resolves when the connection has ended.
   */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#disposal ??= this.#dispose();
  }

  /**
   * How `console.log` shows it.
   *
   * @returns Its class, arrivals and phase, or why it is broken.
   */
  [Symbol.for("Deno.customInspect")](): string {
    return inspect("ProcessBarrier", this, this.#state.reason);
  }

  async #dispose(): Promise<void> {
    const disarm = arm(FAREWELL, undefined, () => this.#wire.close());
    try {
      if (!this.#dropped) await this.#ask({ do: "leave" });
    } catch {
      // The server is gone, and with it all that had to be told.
    }
    disarm();
    this.#finish(brokenError("aborted", this.#state, { note: `"${this.#name}" has left` }));
    this.#wire.close();
  }

  #ask(request: Message, signal?: AbortSignal): Promise<unknown> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    const id = this.#ids++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    if (signal === undefined) {
      this.#expect(id, { resolve, reject });
      this.#wire.send({ id, ...request });
      return promise;
    }
    // The server decides between the cancellation and the last arrival, and its answer says which it was.
    const disarm = arm(Infinity, signal, () => {
      const reason = textOf(signal.reason);
      this.#wire.send({ id: this.#ids++, do: "cancel", wait: id, reason });
    });
    this.#expect(id, {
      resolve: (ok) => {
        disarm();
        resolve(ok);
      },
      reject: (error) => {
        disarm();
        const own = error instanceof Cancelled || request.do === "wait" && isBy(signal, error);
        reject(own ? signal.reason : error);
      },
    });
    this.#wire.send({ id, ...request, cancellable: true });
    return promise;
  }

  #expect(id: number, asked: Asked): void {
    this.#asked.set(id, asked);
    if (this.#asked.size === 1) this.#wire.held = true;
  }

  /** Whom an answer is for; nobody where it is the answer to a cancellation. */
  #settle(id: unknown): Asked | undefined {
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    if (this.#asked.size === 0) this.#wire.held = false;
    return asked;
  }

  #take({ id, ok, error, state }: Message): void {
    if (state !== undefined) this.#state = state as State;
    if (id === undefined && error !== undefined) this.#finish(decodeError(error as WireError));
    else if (error === undefined) this.#settle(id)?.resolve(ok);
    else this.#settle(id)?.reject(decodeError(error as WireError));
  }

  /** The last word on this connection: the answer to all that was asked, and will be. */
  #finish(error: Error): void {
    if (this.#end !== undefined) return;
    this.#end = error;
    this.#state = { ...this.#state, arrived: 0, reason: "lost" };
    if (error instanceof BrokenBarrierError) this.#state.reason = error.reason;
    for (const asked of this.#asked.values()) asked.reject(error);
    this.#asked.clear();
  }

  #lost(): BrokenBarrierError {
    return brokenError("lost", this.#state, { note: "the server is gone" });
  }
}

const CANCELLED = "Cancelled";

/** Who waits for an answer. */
interface Asked {
  resolve: (ok: unknown) => void;
  reject: (error: unknown) => void;
}

/** What a party's own signal did to its wait, as the server tells it. */
class Cancelled extends Error {
  override name = CANCELLED;
}

/** Where a server listens, and how to stop that and leave nothing there. */
interface Socket {
  path: string;
  listener: Deno.Listener;
  vacate: () => Promise<void>;
}

/** Listens at `path`, or in a new directory that only this user may enter. */
async function occupy(path: string | undefined): Promise<Socket> {
  if (path !== undefined) {
    checkPath("listen", path);
    return await exclusively(path, async () => {
      await clear(path);
      const listener = bind(path);
      const inode = await inodeOf(path);
      return { path, listener, vacate: () => vacate(path, listener, inode) };
    });
  }
  const directory = await Deno.makeTempDir({ prefix: "barrier-" });
  try {
    const path = `${directory}/socket`;
    checkPath("listen", path);
    const listener = bind(path);
    const vacate = () => {
      listener.close();
      return remove(directory);
    };
    return { path, listener, vacate };
  } catch (error) {
    await remove(directory);
    throw error;
  }
}

function bind(path: string): Deno.Listener {
  return Deno.listen({ transport: "unix", path });
}

/** Removes a socket that nobody listens at, and nothing else. */
async function clear(path: string): Promise<void> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  if (!info.isSocket) {
    throw new Deno.errors.AlreadyExists(
      cannot("listen", "path must be free or a socket", show(path)),
    );
  }
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return await remove(path);
    throw error;
  }
  throw new Deno.errors.AddrInUse(
    cannot("listen", "no other server must listen at path", show(path)),
  );
}

/**
 * Does something while no other server comes or goes at that path: between finding a stale socket and
 * replacing it, another server could take the place, and lose it. A lock of the file system ends with its
 * process, so none is left behind; of one whose process stands still, nobody waits for ever.
 */
async function exclusively<T>(path: string, act: () => Promise<T>): Promise<T> {
  const lockPath = `${path}.lock`;
  for (let left = FAREWELL; left > 0; left -= LOCK_PAUSE) {
    using file = await Deno.open(lockPath, { create: true, write: true });
    // Whoever had the lock before has removed the file: another may hold the lock of a new one.
    if (!await file.tryLock(true) || (await file.stat()).ino !== await inodeOf(lockPath)) {
      await pause(LOCK_PAUSE);
      continue;
    }
    try {
      return await act();
    } finally {
      await remove(lockPath);
    }
  }
  throw new Deno.errors.AddrInUse(
    cannot("listen", "no other server must come or go at path", show(path)),
  );
}

/** Stops listening, and leaves nothing at that path but what is not ours. */
async function vacate(
  path: string,
  listener: Deno.Listener,
  inode: number | null,
): Promise<void> {
  let closed = false;
  const close = async () => {
    const found = await inodeOf(path);
    const foreign = found !== null && found !== inode;
    // A listener that is closed removes what is at its path, in its own time and whosever it is.
    const kept = `${path}.${crypto.randomUUID()}`;
    if (foreign) await Deno.link(path, kept);
    listener.close();
    closed = true;
    for (let i = 0; i < 100 && await inodeOf(path) !== null; i++) await pause(10);
    if (foreign) await Deno.rename(kept, path);
    else await remove(path);
  };
  try {
    await exclusively(path, close);
  } catch {
    // The whole directory is gone, or somebody keeps its lock: this server ends all the same.
    if (!closed) listener.close();
  }
}

/** Removes what may be gone already. */
async function remove(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function inodeOf(path: string): Promise<number | null> {
  try {
    return (await Deno.lstat(path)).ino;
  } catch {
    return null;
  }
}

async function dial(path: string): Promise<Deno.Conn> {
  try {
    return await Deno.connect({ transport: "unix", path });
  } catch (error) {
    const { NotFound, ConnectionRefused } = Deno.errors;
    for (const Refusal of [NotFound, ConnectionRefused]) {
      if (error instanceof Refusal) {
        throw new Refusal(cannot("connect", "a server must listen at path", show(path)), {
          cause: error,
        });
      }
    }
    throw error;
  }
}

function checkPath(doing: string, path: unknown): asserts path is string {
  if (typeof path !== "string") {
    throw new TypeError(`Cannot ${doing} as path must be a string`);
  }
  const bytes = new TextEncoder().encode(path).length;
  if (bytes === 0 || bytes > MAX_PATH) {
    throw new RangeError(
      cannot(doing, `path must be 1 to ${MAX_PATH} bytes long`, `${bytes} bytes`),
    );
  }
}

function statusOf({ reason, ...state }: State, missing: string[]): ProcessBarrierStatus {
  return reason === undefined
    ? { ...state, broken: false, missing }
    : { ...state, broken: true, reason, missing };
}

/** The text of a value that crosses between processes. */
function textOf(value: unknown): string {
  try {
    return String(value instanceof Error ? value.message : value).slice(0, MAX_TEXT);
  } catch {
    return typeof value;
  }
}

/** Whether a wait failed by its signal, which another party shares, whose reason comes back as text. */
function isBy(signal: AbortSignal, error: unknown): boolean {
  return signal.aborted && error instanceof BrokenBarrierError && error.reason === "aborted" &&
    error.cause === textOf(signal.reason);
}

function encodeError(error: unknown): WireError {
  if (error instanceof BrokenBarrierError) {
    const { name, message, reason, phase, arrived, parties, cause } = error;
    const told = { name, message, reason, phase, arrived, parties };
    return cause === undefined ? told : { ...told, cause: textOf(cause) };
  }
  if (error instanceof DOMException) return { name: error.name, message: error.message };
  const name = error instanceof Error ? textOf(error.name) : "Error";
  // What an action throws may have any name; that one is ours.
  const ours = error instanceof Cancelled || name !== CANCELLED;
  return { name: ours ? name : "Error", message: textOf(error) };
}

function decodeError({ name, message, cause, ...rest }: WireError): Error {
  switch (name) {
    case "BrokenBarrierError": {
      const options = rest as Required<typeof rest>;
      return new BrokenBarrierError(message, cause === undefined ? options : { ...options, cause });
    }
    case "TimeoutError":
    case "InvalidStateError":
      return new DOMException(message, name);
    case "RangeError":
      return new RangeError(message);
    case "TypeError":
      return new TypeError(message);
    case CANCELLED:
      return new Cancelled(message);
    default:
      return Object.assign(new Error(message), { name });
  }
}
