// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * A barrier for the processes of one machine: {@linkcode ProcessBarrierServer} owns it, usually in the parent,
 * and each {@linkcode ProcessBarrier} is a party in a process of its own. A process that dies frees the others at
 * once, and they are told its name.
 *
 * The parties join over a Unix socket. Where both sides run on Linux and hold `--allow-ffi`, they then meet in
 * shared memory, which is a hundred times faster; elsewhere the socket carries all, with the same outcomes.
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
 * For shared memory both also need `--allow-ffi`, which lets a program do whatever its user may. Nobody is ever
 * asked for it: without it, the socket serves.
 *
 * ### Shared memory
 *
 * The memory is a file without a name that the server holds: it is gone with the server, however that ends, and
 * nobody can truncate it. The others open it under `/proc`, where the system lets in nobody but the same user; a
 * party in another container, say, stays on the socket.
 *
 * Its parties trust each other as processes of one user do, who could as well end each other. What they read
 * there they check: whoever writes over it can break the barrier, confuse its counts or delay the others, but
 * make nobody crash or read elsewhere. Of `timeout`s each party has its own clock.
 *
 * A process may hold sixteen barriers and parties in shared memory: each that sleeps off the event loop takes one
 * of the threads by which the runtime reads files, too. The next is on the socket.
 *
 * ### The wire
 *
 * For clients in other languages. Each side sends lines of JSON in UTF-8, of at most 16,384 bytes. A line
 * that cannot be understood ends the connection.
 *
 * The client asks, with an `id` of its choice, and `do` for what is asked. The first line must be `join`, unless
 * it is `memory`.
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
 * | `"status"` | | `{ parties, arrived, phase, broken, reason?, missing, transport }`, where `missing` are names |
 * | `"memory"` | `version` | before `join`: where the memory is, or null; the layout is private to this library |
 * | `"opened"` | | after `join`, by who has opened the memory: which seat is its own there, and more |
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
  checkName,
  checkOptions,
  checkSignal,
  checkTimeout,
  show,
} from "./_check.ts";
import { brokenError } from "./_errors.ts";
import { inspect } from "./_inspect.ts";
import { Memory, whyNot } from "./_memory.ts";
import { Cancelled, decodeError, encodeError, isBy, textOf, type WireError } from "./_protocol.ts";
import { checkRoll, Roll, type Seat } from "./_roll.ts";
import { SEATED_WORDS, SeatedBarrier, type State, whyOf } from "./_seated_barrier.ts";
import type { View } from "./_shared_barrier.ts";
import { checkPath, dial, occupy, pause, type Socket } from "./_socket.ts";
import { encodeLine, Wire } from "./_wire.ts";
import {
  type AsyncBarrierOptions,
  type BlockingWaitOptions,
  type BreakReason,
  BrokenBarrierError,
  type WaitOptions,
  type WatchOptions,
} from "./barrier.ts";

const VERSION = 1;

/** The version of what is in the memory, too, which changes with every change of that. */
const MEMORY_VERSION = 1;

const TRANSPORTS = ["auto", "shared-memory", "socket"] as const;

/** What is asked for and changes the barrier. */
const CHANGES: ReadonlySet<unknown> = new Set(["arrive", "drop", "register", "reset"]);

/** After how many waits that ended at once, in the memory, the event loop has a turn before the next ends. */
const MAX_STREAK = 1_000;

/** The last phase: the memory counts them in 32 bits. */
const MAX_PHASE = 2 ** 32 - 1;

/** How long a connection may take to join, and connecting by default, in ms. */
const PATIENCE = 10_000;

/** How long a peer may take to read its last lines before the connection is closed, in ms. */
const FAREWELL = 1_000;

/** How long the server waits for a file descriptor before it tries to accept again, in ms. */
const ACCEPT_PAUSE = 50;

/** How many answers a party may have coming. One that asks for more does not want to know. */
const MAX_PENDING = 1_000;

/** The longest line that a server takes, and that a client takes of its server, in bytes. */
const MAX_REQUEST = 16 * 1024;
const MAX_ANSWER = 1024 * 1024;

/** How many connections may be about to join. One more, and the oldest of them is closed. */
const MAX_STRANGERS = 128;

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

/** What the arrivals of a party go through: `"auto"` is shared memory where it can be had, else the socket. */
export type ProcessBarrierTransport = "auto" | "shared-memory" | "socket";

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
  /**
   * What its arrivals go through. Shared memory needs Linux on x86-64 or arm64, and `--allow-ffi` on both
   * sides. With `"auto"` the socket carries all where that is not so; with `"shared-memory"` it is an error.
   *
   * @default {"auto"}
   */
  transport?: ProcessBarrierTransport;
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
  /**
   * What the arrivals of this party go through; on the server, whether there are parties whose arrivals go
   * through shared memory.
   */
  transport: "shared-memory" | "socket";
}

type Message = Record<string, unknown>;

/**
 * The side that owns a barrier for processes: it listens at a Unix socket, where each party connects.
 *
 * **Seats.** There are as many seats as parties. A process that connects takes one; when all are taken it is
 * turned away. A party that drops takes its seat along. A party whose connection ends without that is lost:
 * the barrier breaks with the reason `"lost"` and its name, and its seat is kept until
 * {@linkcode ProcessBarrierServer.reset}, which frees it for a replacement.
 *
 * **How a wait ends** is as with {@linkcode AsyncBarrier}. The server arrives for the parties on the socket, and
 * measures their timeouts; those in shared memory do so themselves.
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
    checkRoll(parties, rest);
    const socket = await occupy(path);
    return new ProcessBarrierServer(new Roll(parties, rest), socket);
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
    return Promise.resolve(statusOf(this.#roll));
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
    return this.#roll.missing;
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
    return this.#roll.completed;
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
    return this.#roll.reason !== undefined;
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
    return inspect("ProcessBarrierServer", this, this.#roll.reason);
  }

  async #dispose(): Promise<void> {
    clearTimeout(this.#pause);
    this.#roll.close();
    // What is settled already is being answered in microtasks: let those answers go first.
    await pause(0);
    const last = brokenError("aborted", this.#roll.standing, { note: "the server was disposed" });
    const wires = [...this.#members.keys(), ...this.#strangers.keys()];
    await Promise.all(wires.map((wire) => {
      wire.send({ error: encodeError(last) });
      return wire.finish(FAREWELL);
    }));
    await Promise.all([this.#socket.vacate(), this.#roll.end()]);
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
    if (verb === "memory") {
      const { memory, standing } = this.#roll;
      const place = memory === undefined || version !== MEMORY_VERSION
        ? null
        : { path: memory.path, id: memory.id };
      return wire.send({ id, ok: place, state: standing });
    }
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
      this.#roll.seat(seat, name);
      this.#strangers.get(wire)?.();
      this.#strangers.delete(wire);
      this.#members.set(wire, seat);
      wire.send({ id, ok: seat.name, state: this.#roll.standing });
    } catch (error) {
      wire.send({ id, error: encodeError(error), state: this.#roll.standing });
      wire.finish(FAREWELL);
    }
  }

  async #answer(wire: Wire, seat: Seat, { id }: Message, answer: Promise<unknown>): Promise<void> {
    if (++seat.asked > MAX_PENDING) wire.close();
    try {
      const ok = await answer ?? null;
      wire.send({ id, ok, state: this.#roll.standing });
    } catch (error) {
      wire.send({ id, error: encodeError(error), state: this.#roll.standing });
    }
    seat.asked--;
  }

  async #answerUsual(wire: Wire, seat: Seat): Promise<void> {
    const roll = this.#roll;
    try {
      const ok = await roll.meet(seat);
      const { parties, arrived, phase } = roll.standing;
      wire.send([ok, parties, arrived, phase]);
    } catch (error) {
      wire.send({ id: USUAL, error: encodeError(error), state: roll.standing });
    }
  }

  /** Does what a party asks. It is async so that all that is wrong with a message becomes an answer. */
  async #serve(seat: Seat, message: Message): Promise<unknown> {
    const roll = this.#roll;
    switch (message.do) {
      case "wait":
        return await this.#wait(seat, message);
      case "arrive":
        return await roll.arriveFor(seat);
      case "drop":
        return await roll.arriveFor(seat, 1);
      case "watch":
        return await this.#cancellable(
          seat,
          message,
          (options) => roll.waitFor(message.phase as number, options),
        );
      case "opened":
        return this.#share(seat);
      case "cancel":
        return seat.pending.get(message.wait)?.(textOf(message.reason));
      case "register":
        return roll.register(message.count as number);
      case "abort":
        return roll.abort(
          message.reason === undefined ? undefined : textOf(message.reason),
          seat.index,
        );
      case "reset":
        return roll.reset();
      case "leave":
        return roll.vacate(seat, "left");
      case "status":
        return statusOf(roll, seat);
      default:
        throw new TypeError(cannot("answer", `"do" must be known`, show(message.do)));
    }
  }

  async #wait(seat: Seat, message: Message): Promise<number> {
    const { timeout, onCancel = "break" } = message;
    // Checked before it arrives. JSON has no Infinity: null stands for it.
    if (timeout !== undefined && timeout !== null) checkTimeout("wait", timeout);
    checkChoice("wait", "onCancel", onCancel, ["break", "withdraw"]);
    return await this.#cancellable(
      seat,
      message,
      (options) => this.#roll.meet(seat, { ...options, onCancel } as WaitOptions),
    );
  }

  /** Starts a wait or a watch that its party may cancel, or that may time out. */
  async #cancellable<T>(
    seat: Seat,
    { id, timeout, cancellable }: Message,
    start: (options: WatchOptions) => Promise<T>,
  ): Promise<T> {
    const options: WatchOptions = {};
    if (timeout !== undefined) options.timeout = timeout === null ? Infinity : timeout as number;
    const controller = new AbortController();
    const { signal } = controller;
    if (cancellable === true) {
      options.signal = signal;
      seat.pending.set(id, (reason) => controller.abort(reason));
    }
    try {
      return await start(options);
    } catch (error) {
      if (signal.aborted && error === signal.reason) throw new Cancelled(String(error));
      throw error;
    } finally {
      if (cancellable === true) seat.pending.delete(id);
    }
  }

  /** Has the arrivals of a party that has opened the memory go there. */
  #share(seat: Seat): unknown {
    const { memory, timeout, acts } = this.#roll;
    if (memory === undefined) {
      const rule = "the server must share its memory";
      throw new Deno.errors.NotSupported(cannot("open the memory", rule, "a server that does not"));
    }
    this.#roll.share(seat);
    return { seat: seat.index, timeout: timeout === Infinity ? null : timeout, acts };
  }
}

/**
 * A party of a barrier for processes: the side that connects.
 *
 * **How a wait ends** is as with {@linkcode AsyncBarrier}, and it also ends, with the reason `"lost"`, when
 * another party's process dies or the server does.
 *
 * **What a cancelled wait leaves behind.** No timer and no listener. What comes first, the cancellation or the
 * last arrival, is decided in one place, so that all parties get one outcome.
 *
 * **Shared memory.** {@linkcode ProcessBarrier.wait} spins for some 0.15 ms at most, and never stops the event
 * loop for longer on its own account; then it sleeps in another thread. Spinning is given up where it does not
 * pay. {@linkcode ProcessBarrier.waitSync} blocks.
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
  /** The barrier itself, where this party has the memory. */
  #shared: Shared | undefined;
  /** What was asked for and changes the barrier: who arrives in the memory must not overtake it. */
  #turn: Promise<unknown> | undefined;
  /** How many waits in the memory ended at once, one after the other. */
  #streak = 0;
  /** What ends the waits in the memory that the end of this party may leave unsettled. */
  readonly #held = new Set<(error: Error) => void>();

  private constructor(conn: Deno.Conn) {
    this.#wire = new Wire(conn, MAX_ANSWER, {
      message: (_, message) => this.#take(message),
      integers: (_, [ok, parties, arrived, phase]) => {
        this.#state = { parties: parties!, arrived: arrived!, phase: phase! };
        this.#settle(USUAL)?.resolve(ok);
      },
      end: () => this.#finish(this.#lost(), true),
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
   * @throws {Deno.errors.NotSupported} If the transport is `"shared-memory"`, and the platform or the server
   *   cannot share memory, or this process holds too many barriers that do.
   * @throws {Deno.errors.InvalidData} If the transport is `"shared-memory"`, and the memory is not the server's.
   * @throws The signal's reason if it aborts.
   */
  static async connect(path: string, options: ProcessBarrierOptions = {}): Promise<ProcessBarrier> {
    checkOptions("connect", options);
    const { name, timeout = PATIENCE, signal, transport = "auto" } = options;
    checkPath("connect", path);
    if (name !== undefined) checkName("join", name);
    checkTimeout("connect", timeout);
    checkSignal("connect", signal);
    checkChoice("connect", "transport", transport, TRANSPORTS);
    signal?.throwIfAborted();
    const refusal = transport === "shared-memory" ? whyNot() : undefined;
    if (refusal !== undefined) throw refusal;
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
    let memory: Memory | undefined;
    try {
      const request = { do: "join", version: VERSION };
      // Before it takes a seat: to leave that again would break the barrier.
      memory = transport === "socket" ? undefined : await barrier.#open(transport);
      const given = await barrier.#ask(name === undefined ? request : { ...request, name });
      barrier.#name = String(given);
      if (memory !== undefined) await barrier.#share(memory, transport);
      return barrier;
    } catch (error) {
      barrier.#wire.close();
      memory?.close();
      throw error;
    } finally {
      disarm();
    }
  }

  /** Opens the memory of the server, if that can be had. */
  async #open(transport: ProcessBarrierTransport): Promise<Memory | undefined> {
    try {
      const refusal = whyNot();
      if (refusal !== undefined) throw refusal;
      const place = await this.#ask({ do: "memory", version: MEMORY_VERSION });
      if (place === null) {
        const rule = "the server must share its memory";
        throw new Deno.errors.NotSupported(cannot("connect", rule, "a server that does not"));
      }
      const { path, id } = Object(place) as { path?: unknown; id?: unknown };
      return Memory.open(String(path), String(id), SEATED_WORDS);
    } catch (error) {
      if (transport === "shared-memory" || this.#end !== undefined) throw error;
    }
  }

  /** Has the arrivals of this party go through the memory. */
  async #share(memory: Memory, transport: ProcessBarrierTransport): Promise<void> {
    try {
      const { seat, timeout, acts } = await this.#ask({ do: "opened" }) as Opened;
      const barrier = new SeatedBarrier(memory.words, memory.sleeper);
      barrier.acts = acts;
      barrier.alike = true;
      memory.orphaned = () => barrier.loseTrip();
      this.#shared = { memory, barrier, seat, timeout: timeout ?? Infinity };
    } catch (error) {
      if (transport === "shared-memory" || this.#end !== undefined) throw error;
      memory.close();
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
    if (this.#shared !== undefined) return this.#meet(this.#shared, options);
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
    const { timeout, signal, onCancel } = checkWait(options);
    const request: Message = { do: "wait" };
    if (timeout !== undefined) request.timeout = timeout;
    if (onCancel !== "break") request.onCancel = onCancel;
    if (signal?.aborted && !this.#dropped) return await this.#refuse(signal, onCancel);
    return await this.#ask(request, signal) as number;
  }

  /** A wait whose signal has aborted before. */
  async #refuse({ reason }: AbortSignal, onCancel: "break" | "withdraw"): Promise<never> {
    // Where the server is gone, nothing is left to break.
    if (onCancel === "break") await this.abort(reason).catch(() => {});
    throw reason;
  }

  /** As {@linkcode ProcessBarrier.wait}, through the memory. */
  #meet(shared: Shared, options: WaitOptions | undefined, late = false): Promise<number> {
    try {
      const { timeout = shared.timeout, signal, onCancel } = checkWait(options);
      if (this.#turn !== undefined) return this.#turn.then(() => this.#meet(shared, options));
      if (signal?.aborted && !this.#dropped && !late) return this.#refuse(signal, onCancel);
      const ticket = this.#enter(shared);
      const { barrier } = shared;
      if (ticket === undefined) {
        return this.#hold(barrier.parkTrip()).then(() => this.#meet(shared, options, true));
      }
      // Time and again the event loop has its turn, however fast the phases pass.
      if (++this.#streak < MAX_STREAK && barrier.spin(ticket)) {
        return Promise.resolve(barrier.numberOf(ticket, shared.seat));
      }
      const staying = { timeout, onCancel, ...(signal && { signal }) };
      if (this.#streak < MAX_STREAK) return this.#hold(barrier.stay(ticket, shared.seat, staying));
      this.#streak = 0;
      return new Promise(setImmediate).then(() =>
        this.#hold(barrier.stay(ticket, shared.seat, staying))
      );
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Arrives in the memory. */
  #enter({ barrier, seat }: Shared): View | undefined {
    if (this.#end !== undefined) throw this.#end;
    if (this.#dropped) {
      throw new DOMException(
        `Cannot arrive as "${this.#name}" must be a party: current value is dropped`,
        "InvalidStateError",
      );
    }
    const ticket = barrier.arriveAs(seat);
    // The server runs the action, and has to be told.
    if (ticket?.trips) barrier.alarm();
    return ticket;
  }

  /** What happens in the memory, unless this party ends first. */
  async #hold<T>(waiting: Promise<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    this.#held.add(reject);
    try {
      return await Promise.race([waiting, promise]);
    } finally {
      this.#held.delete(reject);
    }
  }

  /**
   * Arrives, and blocks the thread until all parties have: for programs that want no event loop in between.
   * It needs shared memory, and the server in another process or thread.
   *
   * A server that is gone is noticed within a quarter of a second, and a party that is gone at once.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrier, ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assertEquals } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 1 });
   * await using barrier = await ProcessBarrier.connect(server.path);
   * const { transport } = await barrier.status();
   * if (transport === "shared-memory") assertEquals(barrier.waitSync(), 0);
   * ```
   *
   * @param options Timeout in ms, and what it does to the others.
   * @returns How many parties were still to come when this one arrived, as {@linkcode ProcessBarrier.wait}.
   * @throws {TypeError} If an option is of the wrong type. Nothing has arrived then.
   * @throws {RangeError} If the timeout is negative or NaN. Nothing has arrived then.
   * @throws {BrokenBarrierError} If the barrier is broken, or breaks while this party waits.
   * @throws {DOMException} A `TimeoutError` if the timeout passes before the last party arrives, an
   *   `InvalidStateError` if this party has arrived in this phase already, or has dropped, or what it asked for
   *   before has not been awaited.
   * @throws {Deno.errors.NotSupported} If its arrivals go through the socket.
   * @throws What the action threw if this is the last arrival: its name and message.
   */
  waitSync(options?: BlockingWaitOptions): number {
    const { timeout: wish, onCancel } = checkWait(options);
    if (this.#end !== undefined) throw this.#end;
    const shared = this.#shared;
    if (shared === undefined) {
      throw new Deno.errors.NotSupported(
        cannot("block", 'transport must be "shared-memory"', '"socket"'),
      );
    }
    if (this.#turn !== undefined) {
      throw new DOMException(
        cannot("block", "what was asked for before must have been awaited", "pending"),
        "InvalidStateError",
      );
    }
    const { barrier, seat } = shared;
    const timeout = wish ?? shared.timeout;
    const deadline = timeout === Infinity ? Infinity : performance.now() + timeout;
    let ticket;
    while ((ticket = this.#enter(shared)) === undefined) barrier.blockTrip();
    let outcome = barrier.block(ticket, deadline);
    if (outcome === undefined) {
      const error = barrier.timeOut(ticket, timeout, onCancel, seat);
      if (error !== undefined) throw error;
      // The phase was settled in the meantime, and only its action keeps this party: success wins.
      outcome = barrier.block(ticket, Infinity);
    }
    return barrier.conclude(ticket, outcome, seat);
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
    const shared = this.#shared;
    // Where there is an action, the server has to tell whether it threw.
    if (shared === undefined || shared.barrier.acts) {
      return await this.#ask({ do: "arrive" }) as number;
    }
    while (this.#turn !== undefined) await this.#turn;
    return this.#enter(shared)!.phase;
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
    checkInteger("wait for a phase", "phase", phase, 0, MAX_PHASE);
    checkTimeout("wait for a phase", timeout);
    checkSignal("wait for a phase", signal);
    const shared = this.#shared;
    if (shared !== undefined) {
      while (this.#turn !== undefined) await this.#turn;
      if (this.#end !== undefined) {
        // What has passed in the memory has passed.
        if ((phase - shared.barrier.completed | 0) < 0) return;
        throw this.#end;
      }
      return await this.#hold(shared.barrier.waitFor(phase, options));
    }
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
    const shared = this.#shared;
    if (shared !== undefined && !this.#dropped) {
      while (this.#turn !== undefined) await this.#turn;
      if (this.#end !== undefined) throw this.#end;
      return shared.barrier.breakBy(shared.seat, whyOf(reason));
    }
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
   * How many parties must arrive to complete a phase, live in shared memory, else as the server
   * last told.
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
    return this.#now.parties;
  }

  /**
   * How many parties have arrived in the current phase, live in shared memory, else as the server
   * last told.
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
    return this.#now.arrived;
  }

  /**
   * How many phases have completed, live in shared memory, else as the server
   * last told.
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
    return this.#now.phase;
  }

  /**
   * Whether the barrier is broken, live in shared memory, else as the server last told; it is, too,
   * once the server is gone.
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
    return this.#now.reason !== undefined;
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
    return inspect("ProcessBarrier", this, this.#now.reason);
  }

  async #dispose(): Promise<void> {
    const shared = this.#shared;
    const note = `"${this.#name}" has left`;
    const disarm = arm(FAREWELL, undefined, () => {
      // The server stands still, but it may run again, and end the action of a phase that is settled.
      if (!this.#dropped) shared?.barrier.breakBy(shared.seat, { reason: "aborted", note });
      this.#finish(brokenError("aborted", this.#now, { note }));
      this.#wire.close();
    });
    try {
      if (!this.#dropped) await this.#ask({ do: "leave" });
    } catch {
      // The server is gone, and with it all that had to be told.
    }
    disarm();
    this.#finish(brokenError("aborted", this.#now, { note }));
    this.#wire.close();
    await this.#release();
  }

  /** Gives the memory back. */
  async #release(): Promise<void> {
    if (this.#shared === undefined) return;
    const { barrier, memory } = this.#shared;
    await barrier.detach();
    barrier.forsake();
    memory.close();
  }

  /** How the barrier stands, as far as is known here. */
  get #now(): State {
    return this.#shared === undefined || this.#end !== undefined
      ? this.#state
      : this.#shared.barrier.standing;
  }

  #ask(request: Message, signal?: AbortSignal): Promise<unknown> {
    const answer = this.#request(request, signal);
    if (this.#shared === undefined || !CHANGES.has(request.do)) return answer;
    const turn: Promise<unknown> = Promise.allSettled([this.#turn, answer]).then(() => {
      if (this.#turn === turn) this.#turn = undefined;
    });
    this.#turn = turn;
    return answer;
  }

  #request(request: Message, signal?: AbortSignal): Promise<unknown> {
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
    if (id === undefined && error !== undefined) {
      this.#finish(decodeError(error as WireError), true);
    } else if (error === undefined) this.#settle(id)?.resolve(ok);
    else this.#settle(id)?.reject(decodeError(error as WireError));
  }

  /** The last word on this connection: the answer to all that was asked, and will be. */
  #finish(error: Error, orphaned: boolean = false): void {
    if (this.#end !== undefined) return;
    this.#state = { ...this.#now, arrived: 0, reason: "lost" };
    this.#end = error;
    if (error instanceof BrokenBarrierError) this.#state.reason = error.reason;
    for (const asked of this.#asked.values()) asked.reject(error);
    this.#asked.clear();
    // Nobody runs an action or tells who is lost any more. In the memory, too, all get one outcome.
    if (orphaned && !this.#dropped) this.#shared?.barrier.loseTrip();
    // Whoever waits there is told first how its phase ended: it may have passed while this process stood still.
    this.#shared?.barrier.alarm();
    if (orphaned) this.#release();
    for (const reject of this.#held) setImmediate(reject, error);
  }

  #lost(): BrokenBarrierError {
    return brokenError("lost", this.#state, { note: "the server is gone" });
  }
}

/** What a server tells a party that has opened its memory. */
interface Opened {
  seat: number;
  timeout: number | null;
  acts: boolean;
}

/** The memory of the server, as a party has it. */
interface Shared {
  memory: Memory;
  barrier: SeatedBarrier;
  seat: number;
  timeout: number;
}

/** Who waits for an answer. */
interface Asked {
  resolve: (ok: unknown) => void;
  reject: (error: unknown) => void;
}

function checkWait(
  options: WaitOptions = {},
): WaitOptions & Required<Pick<WaitOptions, "onCancel">> {
  checkOptions("wait", options);
  const { timeout, signal, onCancel = "break" } = options;
  if (timeout !== undefined) checkTimeout("wait", timeout);
  checkSignal("wait", signal);
  checkChoice("wait", "onCancel", onCancel, ["break", "withdraw"]);
  return { ...options, onCancel };
}

function statusOf(roll: Roll, seat?: Seat): ProcessBarrierStatus {
  const { standing: { reason, ...state }, missing } = roll;
  const shared = seat === undefined ? roll.shared : seat.shared;
  const transport = shared ? "shared-memory" : "socket";
  return reason === undefined
    ? { ...state, broken: false, missing, transport }
    : { ...state, broken: true, reason, missing, transport };
}
