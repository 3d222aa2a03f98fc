// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * A barrier for the processes of one machine. {@linkcode ProcessBarrierServer} owns it, usually in the parent. Each
 * {@linkcode ProcessBarrier} is a party in a process of its own, with a name. A process that dies frees the others,
 * and they are told its name.
 *
 * It runs on Deno, Node (20 or later) and Bun, and processes of all three meet at one barrier. The parties connect to a
 * Unix socket. Where both sides run in Deno on Linux and hold `--allow-ffi`, they meet in shared memory, which is a
 * hundred times faster. Elsewhere the socket carries all, with the same outcomes.
 *
 * @example A parent and its parties
 * ```ts
 * import { ProcessBarrier, ProcessBarrierServer } from "@rendezvous/barrier/process";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = await ProcessBarrierServer.listen({ parties: 2 });
 *
 * // Each of these would be another process, which got server.path as an argument.
 * async function party(name: string) {
 *   await using barrier = await ProcessBarrier.connect(server.path, { name });
 *   const index = await barrier.wait();
 *   await barrier.arriveAndDrop();
 *   return index;
 * }
 * const numbers = await Promise.all([party("resize-1"), party("resize-2")]);
 * assertEquals(numbers.sort(), [0, 1]);
 * ```
 *
 * @example Recovery: the survivors go on with a replacement
 * ```ts
 * import {
 *   BrokenBarrierError,
 *   ProcessBarrier,
 *   ProcessBarrierServer,
 * } from "@rendezvous/barrier/process";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * await using server = await ProcessBarrierServer.listen({ parties: 2 });
 * await using survivor = await ProcessBarrier.connect(server.path, { name: "a" });
 * const victim = await ProcessBarrier.connect(server.path, { name: "b" });
 *
 * const failure = assertRejects(() => survivor.wait(), BrokenBarrierError);
 * await victim[Symbol.asyncDispose]();
 * const error = await failure;
 * assertEquals(error.party, "b");
 *
 * await server.reset(error.phase);
 * await using replacement = await ProcessBarrier.connect(server.path, { name: "b" });
 * await Promise.all([survivor.wait(), replacement.wait()]);
 * ```
 *
 * ### Permissions
 *
 * These are Deno's; Node and Bun have none to grant. A party needs `--allow-read` and `--allow-write` for the directory
 * of the socket, and `--allow-net=unix:PATH`. A server with a `path` needs the same, and `--allow-net=unix:PATH.new`:
 * it binds there, and gives the socket its own name when it is ready. A server without a `path` needs `--allow-net`,
 * and read and write access to the directory for temporary files. The least for a path that you choose:
 *
 * ```sh
 * deno run --allow-read=/run/app --allow-write=/run/app \
 *   --allow-net=unix:/run/app/meet,unix:/run/app/meet.new parent.ts
 * deno run --allow-read=/run/app --allow-write=/run/app --allow-net=unix:/run/app/meet child.ts
 * ```
 *
 * `--allow-ffi` is optional and never prompted for. It lets a program do whatever its user may.
 *
 * ### The socket
 *
 * Only the user of the server can connect: a socket has mode 0600 before it has its name, whatever the umask. (Where
 * the server may not set the umask, `--allow-sys=umask`, a umask that lets others in lets them reach `PATH.new` for a
 * few microseconds.) Without a `path` the socket is in a new directory that only the user may enter.
 *
 * The end of the server's scope, `Deno.exit()` and `process.exit()` remove the socket. Ctrl-C, another signal and, in
 * Deno, an uncaught error do not. The next server without a `path` sweeps the directories that such servers left: those
 * of its own user, of exactly this shape, at whose sockets nobody listens. A stale socket at a `path` is replaced, a
 * live one never. (Bun cannot tell a server that is too busy to let anybody in from one that has ended. On Linux the
 * server asks the system; on macOS do not share a `path` between servers in Bun.) To leave nothing behind on Ctrl-C,
 * dispose the server: `process.on("SIGINT", stop)`.
 *
 * On the socket the server decides: it arrives for its parties and measures their timeouts. While its thread stands
 * still, waits and their timeouts do, too. A lost party is noticed when its event loop turns. If the server dies,
 * a party whose answer was on its way cannot know whether its phase passed: it is told that the server is gone.
 *
 * While a server has no file descriptor free, who connects waits; a server in Node hangs up on it.
 *
 * ### Errors
 *
 * What listening and connecting fail with has a `code`, the same on every runtime:
 *
 * | `code` | `listen()` | `connect()` |
 * |---|---|---|
 * | `"EADDRINUSE"` | another server listens at that path | |
 * | `"EEXIST"` | there is something else than a socket | |
 * | `"ENOENT"` | there is no such directory | there is no socket: no server listens yet, or it was disposed |
 * | `"EACCES"` | this user may not make a socket there | this user may not connect: the server is another user's |
 * | `"ECONNREFUSED"` | | nobody listens: the server was ended by a signal |
 * | `"ECONNRESET"` | | who listens hung up before it answered |
 * | `"EPROTO"` | | who listens is not a barrier server |
 *
 * Anything else that the system says is passed on as it is. A permission that is missing is a
 * `Deno.errors.NotCapable`. Later, the end of the server is told by the barrier's own errors.
 *
 * ### Shared memory
 *
 * It needs Deno on both sides. The memory is a file without a name that the server holds: it is gone with the server,
 * however that ends, and nobody can truncate it. Parties open it under `/proc`, where the system lets in nobody but the
 * same user. A party in another container, say, stays on the socket. Each party measures its own timeouts. If the
 * server dies, each party first looks how its phase ended, so that all agree.
 *
 * Its parties trust each other as processes of one user do, who could as well end each other. What they read there they
 * check: whoever writes over it can break the barrier, confuse its counts or delay the others.
 *
 * A process may hold sixteen barriers and parties in shared memory: each that sleeps takes one of the threads by which
 * the runtime reads files, too. The next is on the socket.
 *
 * ### The wire
 *
 * For clients in other languages. Each side sends lines of JSON in UTF-8, each an object, except for the usual wait.
 * The server takes lines of at most 16,384 bytes, and ends the connection after any other. A field with a question mark
 * may be left out.
 *
 * The client asks, with a number `id` of its choice, and `do` for what is asked. It must join first.
 *
 * | `do` | with | answer `ok` |
 * |---|---|---|
 * | `"join"` | `version`: 2, `name`? | `{ name, timeout, missing }`: the name of the party, and the timeout of its waits in ms, `null` for none |
 * | `"wait"` | `timeout`? in ms or `null`, `onCancel`?, `cancellable`?: true, `cancelled`?: text | how many parties were still to come |
 * | `"cancel"` | `wait`: the id of a cancellable request, `reason`?: text | `null` |
 * | `"arrive"`, `"drop"` | | the phase arrived in; `"drop"` is `arriveAndDrop()` |
 * | `"waitFor"` | `phase`, `timeout`?, `cancellable`?, `cancelled`? | `null`, when that phase has passed |
 * | `"ready"` | `timeout`?, `cancellable`?, `cancelled`? | `null`, when the barrier is usable |
 * | `"register"` | `count` | the phase they join |
 * | `"abort"` | `reason`?: text | `null` |
 * | `"reset"` | `phase`?, `dropLost`? | the names of the parties that were gone |
 * | `"status"` | | `{ parties, arrived, phase, broken, reason?, missing }` |
 * | `"leave"` | | the errors of the phases that broke, of the last 16 that have ended |
 * | `"vacate"` | | `null`, and the connection ends; only straight after `"join"`: the party had given up, and never was |
 * | `"memory"` | `version` | before `"join"`: where the memory is, or `null`; its layout is private to this library |
 *
 * The server answers `{ id, ok, state }` or `{ id, error, state }`, in any order. `state` is
 * `{ parties, arrived, phase, broken, reason? }`. `error` is `{ name, message }`, and for a `BrokenBarrierError` also
 * `reason`, `phase`, `arrived`, `parties`, `missing`, `party`? and `cause`?, a text. A request that is cancelled by
 * `"cancel"`, or was before it was sent (`cancelled`, the text of the reason), has an error named `"Cancelled"`, unless
 * something else came first. Before the server ends a connection it sends `{ end: error }`, and where the barrier is
 * over also `state` and `broken`, which is what `"leave"` answers; then it waits for up to a second for the client to
 * end the connection. A connection that ends without `"drop"`, `"leave"` or `"vacate"` is a lost party. A client reads
 * their answer before it ends the connection: a server in Node or Bun that cannot answer may lose what it has not read.
 *
 * The line `[id]`, without blanks, is short for `{"id":id,"do":"wait"}`. It is answered
 * `[id,ok,parties,arrived,phase]` when it passes, else as any other.
 *
 * @module
 */

import {
  checkChoice,
  checkInteger,
  checkOptions,
  checkSignal,
  checkTimeout,
} from "./_common/checks.ts";
import {
  type AsyncBarrierOptions,
  type BarrierAction,
  type BlockingWaitForOptions,
  type BlockingWaitOptions,
  checkExpect,
  checkPhase,
  type JoinOptions,
  readBarrier,
  readBlockingWait,
  readHandle,
  readReset,
  readWait,
  readWatch,
  type ResetOptions,
  type WaitForOptions,
  type WaitOptions,
} from "./_common/options.ts";
import {
  type BreakReason,
  BrokenBarrierError,
  type BrokenBarrierErrorOptions,
} from "./_common/errors.ts";
import { inspect, type Snapshot } from "./_common/snapshot.ts";
import { MAX_PARTIES } from "./_memory/layout.ts";
import { MAX_PHASE } from "./_memory/state.ts";
import { connect } from "./_process/connect.ts";
import type { ProcessParty } from "./_process/process_party.ts";
import { Server } from "./_process/server.ts";
import { checkPath, listenAt } from "./_process/unix_socket.ts";

export {
  type AsyncBarrierOptions,
  type BarrierAction,
  type BlockingWaitForOptions,
  type BlockingWaitOptions,
  type BreakReason,
  BrokenBarrierError,
  type BrokenBarrierErrorOptions,
  type JoinOptions,
  type ResetOptions,
  type Snapshot,
  type WaitForOptions,
  type WaitOptions,
};

const TRANSPORTS = ["auto", "shared-memory", "socket"] as const;

/** How long connecting may take by default, in ms. */
const CONNECT_TIMEOUT = 10_000;

/** Options for {@linkcode ProcessBarrierServer.listen}. */
export interface ProcessBarrierServerOptions extends AsyncBarrierOptions {
  /** How many processes meet, an integer from 1 to 1023. */
  parties: number;
  /**
   * Where to listen. A relative path is made absolute at once. A stale socket there is replaced. A live one, or any
   * other file, is an error.
   *
   * @default {"a new directory that only this user may enter"}
   */
  path?: string | undefined;
}

/** What the arrivals of a party go through: `"auto"` is shared memory where it can be had, else the socket. */
export type ProcessBarrierTransport = "auto" | "shared-memory" | "socket";

/** Options for {@linkcode ProcessBarrier.connect}. */
export interface ProcessBarrierOptions extends JoinOptions {
  /**
   * How long connecting may take, in ms.
   *
   * @default {10000}
   */
  connectTimeout?: number | undefined;
  /**
   * Cancels connecting when it aborts.
   *
   * @default {undefined}
   */
  signal?: AbortSignal | undefined;
  /**
   * What its arrivals go through. Shared memory needs Deno on Linux on x86-64 or arm64, with `--allow-ffi`, on both
   * sides. With `"auto"` the socket carries all where that is not so. With `"shared-memory"` it is an error that says
   * why.
   *
   * @default {"auto"}
   */
  transport?: ProcessBarrierTransport | undefined;
}

/** What `status()` tells: how the barrier stood when it was asked. */
export interface ProcessBarrierStatus extends Snapshot {
  /**
   * What the arrivals of this party go through. On the server, whether there are parties whose arrivals go through
   * shared memory.
   */
  readonly transport: "shared-memory" | "socket";
}

/**
 * The side that owns a barrier for processes: it listens at a Unix socket, where each party connects.
 *
 * **Seats.** There are as many seats as parties. A party that connects takes one. It is turned away where none is free,
 * or its name is in use. A party that drops takes its seat along. A party whose connection ends without that is lost:
 * the barrier breaks with the reason `"lost"` and its name. {@linkcode ProcessBarrierServer.reset} frees its seat for
 * a replacement, or with `dropLost` removes it.
 *
 * **How a wait ends** is as with `AsyncBarrier`: a phase passes for all its parties or breaks for all of them.
 *
 * The server keeps the event loop alive until it is disposed. Then the barrier is over: all who wait get a
 * {@linkcode BrokenBarrierError} with reason `"aborted"`, and no phase passes any more.
 *
 * @example Who is missing
 * ```ts
 * import { ProcessBarrier, ProcessBarrierServer } from "@rendezvous/barrier/process";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = await ProcessBarrierServer.listen({ parties: 2 });
 * await using a = await ProcessBarrier.connect(server.path, { name: "resize-1" });
 * await using b = await ProcessBarrier.connect(server.path, { name: "resize-2" });
 * await a.arrive();
 * assertEquals(server.missing, ["resize-2"]);
 * ```
 */
export class ProcessBarrierServer implements AsyncDisposable {
  readonly #server: Server;
  #disposal: Promise<void> | undefined;

  private constructor(server: Server) {
    this.#server = server;
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
   * @param options How many parties; where to listen; the action, which runs here; and a timeout in ms for every wait.
   * @returns The server, which listens.
   * @throws {TypeError} If an option is of the wrong type.
   * @throws {RangeError} If `parties` is not an integer from 1 to 1023, the timeout is negative or NaN, or the path is
   *   too long for a socket.
   * @throws {Error} With `code` `"EADDRINUSE"` if another server listens at that path, `"EEXIST"` if there is something
   *   else than a socket, `"ENOENT"` if there is no such directory, `"EACCES"` if this user may not write there; another
   *   error if the system or the runtime refuses for another reason.
   */
  static async listen(options: ProcessBarrierServerOptions): Promise<ProcessBarrierServer> {
    // They are no option here: without them there are no parties.
    checkOptions("listen", options ?? null);
    const { parties, path } = options;
    checkInteger("listen", "parties", parties, 1, MAX_PARTIES);
    const settings = { parties, ...readBarrier("listen", options) };
    return new ProcessBarrierServer(new Server(await listenAt(path), settings));
  }

  /**
   * Where the server listens: the absolute path that the parties connect to.
   *
   * @returns The path.
   */
  get path(): string {
    return this.#server.path;
  }

  /**
   * Keeps a seat for a party of that name. When `ended` settles before it has joined, the barrier breaks with the
   * reason `"lost"` and that name. So a process that dies before it connects frees the others.
   *
   * Once the party has joined, its own connection decides, and `ended` is ignored. Before the server judges, it lets in
   * who queued up before: it never takes a living party for lost. This keeps no event loop alive.
   *
   * @example A child that may fail to start
   * ```ts
   * import { ProcessBarrier, ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assertRejects } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 2 });
   * const child = new Deno.Command(Deno.execPath(), { args: ["eval", "syntax error"], stderr: "null" })
   *   .spawn();
   * server.expect("resize-1", child.status);
   *
   * await using barrier = await ProcessBarrier.connect(server.path, { name: "resize-2" });
   * await assertRejects(() => barrier.wait(), Error, `"resize-1" ended before it joined`);
   * ```
   *
   * @param name The name that the party will join with.
   * @param ended Settles when the party has ended, as `child.status` does. A rejection becomes the `cause`.
   * @throws {TypeError} If `name` is not a string or `ended` is not a promise.
   * @throws {RangeError} If the name is not 1 to 64 bytes long.
   * @throws {DOMException} An `InvalidStateError` if no seat is free, the name is in use, or the barrier is over.
   */
  expect(name: string, ended: PromiseLike<unknown>): void {
    checkExpect(name, ended);
    this.#server.expect(name, ended);
  }

  /**
   * Waits until a phase has passed. It never counts as an arrival, and its own timeout or signal breaks nothing.
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
   * @throws {TypeError} If `phase` or an option is of the wrong type.
   * @throws {RangeError} If `phase` is not an integer of at least 0, the timeout is negative or NaN, or the phase ended
   *   so long ago that its outcome is no longer known.
   * @throws {BrokenBarrierError} If that phase broke, or one before it breaks.
   * @throws {DOMException} A `TimeoutError` if the timeout passes first.
   * @throws The signal's reason if it aborts first.
   */
  async waitFor(phase: number, options?: WaitForOptions): Promise<void> {
    checkPhase("wait for a phase", phase, MAX_PHASE);
    await this.#server.coordinator.party.waitFor(phase, readWatch("wait for a phase", options));
  }

  /**
   * Waits until the barrier is not broken.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrierServer } from "@rendezvous/barrier/process";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 2 });
   * await server.abort();
   * const mended = server.ready();
   * await server.reset();
   * await mended;
   * ```
   *
   * @param options Timeout in ms, and signal.
   * @throws {TypeError} If an option is of the wrong type.
   * @throws {RangeError} If the timeout is negative or NaN.
   * @throws {DOMException} A `TimeoutError` if the timeout passes first, an `InvalidStateError` if the barrier is over.
   * @throws The signal's reason if it aborts first.
   */
  async ready(options?: WaitForOptions): Promise<void> {
    await this.#server.coordinator.party.ready(readWatch("wait for a barrier", options));
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
   * @returns The first phase in which they can arrive.
   * @throws {TypeError} If `count` is not a number.
   * @throws {RangeError} If `count` is not an integer of at least 1, or there would be more than 1023 parties.
   * @throws {DOMException} An `InvalidStateError` if the barrier is over.
   */
  // deno-lint-ignore require-await -- a refusal rejects
  async register(count: number = 1): Promise<number> {
    checkInteger("register parties", "count", count, 1);
    return this.#server.coordinator.party.register(count);
  }

  /**
   * Breaks the barrier: all who wait get a {@linkcode BrokenBarrierError} with reason `"aborted"`. Nothing happens where
   * it is broken already.
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
   * @param reason Becomes the error's `cause`. Its text crosses to the parties.
   */
  // deno-lint-ignore require-await -- as on the other side
  async abort(reason?: unknown): Promise<void> {
    this.#server.coordinator.party.abort(reason);
  }

  /**
   * Makes the barrier usable again, and frees the seats of those who are gone for replacements.
   *
   * First the event loop turns a few times: who has ended before, as after `await child.status`, is known to be gone.
   *
   * @example Going on without those who are gone
   * ```ts
   * import { ProcessBarrier, ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assertEquals } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 2 });
   * const barrier = await ProcessBarrier.connect(server.path);
   * await barrier[Symbol.asyncDispose]();
   * await server.reset(server.phase, { dropLost: true });
   * assertEquals([server.parties, server.broken], [1, false]);
   * ```
   *
   * @param phase The phase whose break is to be mended, the `phase` of the error: where that was mended already,
   *   nothing happens. Without it, whatever breaks the barrier is mended, and parties that wait are freed.
   * @param options Whether to go on without the parties that are gone.
   * @returns The names of the parties that were gone, whose seats are free now, or dropped: of several that ended in one
   *   attempt an error names only the first. None if there was nothing to mend.
   * @throws {TypeError} If `phase` or an option is of the wrong type.
   * @throws {RangeError} If `phase` is not an integer of at least 0.
   * @throws {DOMException} An `InvalidStateError` if the barrier is over.
   */
  async reset(phase?: number, options?: ResetOptions): Promise<string[]> {
    const dropLost = readReset(phase, options);
    await this.#server.catchUp();
    return this.#server.coordinator.party.reset(phase, dropLost);
  }

  /**
   * Tells how the barrier stands.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assertEquals } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 1 });
   * const { arrived, missing } = await server.status();
   * assertEquals([arrived, missing], [0, []]);
   * ```
   *
   * @returns A snapshot.
   */
  // deno-lint-ignore require-await -- as on the other side
  async status(): Promise<ProcessBarrierStatus> {
    const transport = this.#server.sharesMemory ? "shared-memory" : "socket";
    return { ...this.#server.coordinator.party.snapshot, transport };
  }

  /**
   * How many parties must arrive to complete a phase. A snapshot.
   *
   * @returns The number of parties.
   */
  get parties(): number {
    return this.#server.coordinator.barrier.outcomes.counts.parties;
  }

  /**
   * How many parties have arrived in the open phase; if it is broken, had when it broke. A snapshot.
   *
   * @returns The number of parties that have arrived.
   */
  get arrived(): number {
    return this.#server.coordinator.barrier.outcomes.counts.arrived;
  }

  /**
   * The lowest phase that has not ended, from 0. A snapshot.
   *
   * @returns The phase.
   */
  get phase(): number {
    return this.#server.coordinator.barrier.outcomes.counts.phase;
  }

  /**
   * Whether the barrier is broken, and so refuses arrivals. A snapshot.
   *
   * @returns `true` if it is broken.
   */
  get broken(): boolean {
    return this.#server.coordinator.barrier.outcomes.counts.broken;
  }

  /**
   * The names of the parties that have joined, or are expected, and have not arrived; if it is broken, had not when it
   * broke. A snapshot.
   *
   * @returns Their names.
   */
  get missing(): string[] {
    return [...this.#server.coordinator.party.snapshot.missing];
  }

  /**
   * Ends the barrier, tells all who wait, ends all connections and removes the socket. A party that does not take notice
   * within a second is not waited for. Doing it twice does no more.
   *
   * @example Usage
   * ```ts
   * import { ProcessBarrierServer } from "@rendezvous/barrier/process";
   * import { assert, assertFalse } from "@std/assert";
   * import { existsSync } from "node:fs";
   *
   * const server = await ProcessBarrierServer.listen({ parties: 2 });
   * await server[Symbol.asyncDispose]();
   * assertFalse(existsSync(server.path));
   * assert(server.broken);
   * ```
   *
   * @returns A promise that resolves when nothing is left behind.
   */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#disposal ??= this.#server.close();
  }

  /**
   * How `console.log` shows it on Node and Bun.
   *
   * @returns Its class, arrivals and phase, or why it is broken.
   */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return inspect("ProcessBarrierServer", this.#server.coordinator.barrier.outcomes.counts);
  }
}

/**
 * A party of a barrier for processes: the side that connects.
 *
 * **How a wait ends** is as with `AsyncBarrier`: a phase passes for all its parties or breaks for all of them. It also
 * breaks, with the reason `"lost"`, when another party's process ends without
 * {@linkcode ProcessBarrier.arriveAndDrop}, or the server's does. Success wins a tie: a phase that has passed stays
 * passed, however late a party learns of it.
 *
 * **What a cancelled wait leaves behind.** No timer and no listener. With `onCancel: "break"` the barrier is broken for
 * all. With `"withdraw"` the arrival is taken back.
 *
 * **Shared memory.** {@linkcode ProcessBarrier.wait} spins for a bounded time, then sleeps in another thread: it never
 * stops the event loop for longer. {@linkcode ProcessBarrier.waitSync} blocks.
 *
 * **The event loop** is kept alive only by what somebody awaits. A process that ends without
 * {@linkcode ProcessBarrier.arriveAndDrop} or the end of its scope is a lost party.
 *
 * **The end of the server** makes the barrier over: it is broken, and arrivals, `register()`, `reset()` and `ready()`
 * are an `InvalidStateError`. How an ended phase ended can still be asked: in shared memory, and on the socket where
 * the server was disposed. Where it died, a party on the socket knows of no phase any more: that is a `RangeError`.
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
 * await barrier.arriveAndDrop();
 * ```
 */
export class ProcessBarrier implements AsyncDisposable {
  readonly #party: ProcessParty;

  private constructor(party: ProcessParty) {
    this.#party = party;
  }

  /**
   * Connects to a server and takes a seat. While the queue of the server is full, it tries again.
   *
   * **What a cancelled connection leaves behind.** Nothing: a seat that it was given meanwhile is free again when the
   * promise rejects. Only where the server stands still, that is a second later, and the seat is free when it goes on.
   * A server in Node or Bun that stands still between reading the request and answering it may lose that it was given
   * up: then a party of that name is lost, and the barrier breaks.
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
   * @param options The name of this party, a timeout in ms for its waits, what to connect with.
   * @returns The party, connected.
   * @throws {TypeError} If `path` or an option is of the wrong type.
   * @throws {RangeError} If the name is not 1 to 64 bytes long, or a timeout is negative or NaN.
   * @throws {DOMException} An `InvalidStateError` if no seat is free or the name is in use, a `TimeoutError` if the
   *   server does not answer in time, a `NotSupportedError` if the transport is `"shared-memory"` and the platform or
   *   the server cannot share memory.
   * @throws {Error} With `code` `"ENOENT"` if there is no socket at that path, `"ECONNREFUSED"` if nobody listens there,
   *   `"EACCES"` if it is another user's, `"EPROTO"` if who listens is not a barrier server, `"ECONNRESET"` if it hangs
   *   up; another error if the system or the runtime refuses for another reason.
   * @throws The signal's reason if it aborts.
   */
  static async connect(path: string, options?: ProcessBarrierOptions): Promise<ProcessBarrier> {
    checkPath("connect", path);
    const handle = readHandle("connect", options);
    const { connectTimeout = CONNECT_TIMEOUT, signal, transport = "auto" } = options ?? {};
    checkTimeout("connect", connectTimeout, "connectTimeout");
    checkSignal("connect", signal);
    checkChoice("connect", "transport", transport, TRANSPORTS);
    const settings = { ...handle, connectTimeout, signal, transport };
    return new ProcessBarrier(await connect(path, settings));
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
   * @returns How many parties were still to come when this one arrived: `parties - 1` for the first, `0` for the last.
   * @throws {TypeError} If an option is of the wrong type. Nothing has arrived then.
   * @throws {RangeError} If the timeout is negative or NaN. Nothing has arrived then.
   * @throws {BrokenBarrierError} If the barrier is broken, or breaks while this party waits.
   * @throws {DOMException} A `TimeoutError` if the timeout passes first, an `InvalidStateError` if this party has arrived
   *   in this phase already, has dropped or was disposed, or the barrier is over.
   * @throws The signal's reason if it aborts.
   */
  async wait(options?: WaitOptions): Promise<number> {
    return await this.#party.wait(readWait(options, this.#party.timeout));
  }

  /**
   * Arrives, and blocks the thread until all parties have: for programs that want no event loop in between. It needs
   * shared memory, and the server in another process or thread.
   *
   * A party that is gone is noticed as soon as the server notices it, a server that is gone within a quarter of a second.
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
   * @throws {TypeError} If an option is of the wrong type, or is `signal`. Nothing has arrived then.
   * @throws {RangeError} If the timeout is negative or NaN. Nothing has arrived then.
   * @throws {BrokenBarrierError} If the barrier is broken, or breaks while this party waits.
   * @throws {DOMException} A `TimeoutError` if the timeout passes first, an `InvalidStateError` if this party has arrived
   *   in this phase already, has dropped or was disposed, or the barrier is over, a `NotSupportedError` if its arrivals
   *   go through the socket.
   */
  waitSync(options?: BlockingWaitOptions): number {
    const waiting = readBlockingWait(options, this.#party.timeout);
    if (this.#party.waitSync === undefined) {
      throw new DOMException("waitSync() needs shared memory", "NotSupportedError");
    }
    return this.#party.waitSync(waiting);
  }

  /**
   * Arrives without waiting, for a party that the others need but which need not wait for them. Together with
   * {@linkcode ProcessBarrier.waitFor} it makes a wait of two halves, with work in between.
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
   * @throws {DOMException} An `InvalidStateError` if this party has arrived in this phase already, has dropped or was
   *   disposed, or the barrier is over.
   */
  async arrive(): Promise<number> {
    return await this.#party.arrive();
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
   * @throws {BrokenBarrierError} If the barrier is broken. The party has not dropped then.
   * @throws {DOMException} An `InvalidStateError` if this party has arrived in this phase already, has dropped or was
   *   disposed, or the barrier is over.
   */
  async arriveAndDrop(): Promise<number> {
    return await this.#party.arriveAndDrop();
  }

  /**
   * Waits until a phase has passed. It never counts as an arrival, and its own timeout or signal breaks nothing.
   *
   * @example A wait of two halves
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
   * @throws {RangeError} If `phase` is not an integer of at least 0, the timeout is negative or NaN, or how that phase
   *   ended is not known here any more.
   * @throws {BrokenBarrierError} If that phase broke, or one before it breaks.
   * @throws {DOMException} A `TimeoutError` if the timeout passes first, an `InvalidStateError` if this party was
   *   disposed before the phase ended.
   * @throws The signal's reason if it aborts first.
   */
  async waitFor(phase: number, options?: WaitForOptions): Promise<void> {
    checkPhase("wait for a phase", phase, MAX_PHASE);
    await this.#party.waitFor(phase, readWatch("wait for a phase", options));
  }

  /**
   * Waits until the barrier is not broken: until somebody has reset it.
   *
   * @example A survivor waits for somebody to mend the barrier
   * ```ts
   * import { ProcessBarrier, ProcessBarrierServer } from "@rendezvous/barrier/process";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 1 });
   * await using barrier = await ProcessBarrier.connect(server.path);
   * await barrier.abort();
   * const mended = barrier.ready({ timeout: 60_000 });
   * await server.reset();
   * await mended;
   * ```
   *
   * @param options Timeout in ms, and signal.
   * @throws {TypeError} If an option is of the wrong type.
   * @throws {RangeError} If the timeout is negative or NaN.
   * @throws {DOMException} A `TimeoutError` if the timeout passes first, an `InvalidStateError` if this party was disposed
   *   or the barrier is over.
   * @throws The signal's reason if it aborts first.
   */
  async ready(options?: WaitForOptions): Promise<void> {
    await this.#party.ready(readWatch("wait for a barrier", options));
  }

  /**
   * Adds parties, and a seat for each.
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
   * @returns The first phase in which they can arrive.
   * @throws {TypeError} If `count` is not a number.
   * @throws {RangeError} If `count` is not an integer of at least 1, or there would be more than 1023 parties.
   * @throws {DOMException} An `InvalidStateError` if this party was disposed or the barrier is over.
   */
  async register(count: number = 1): Promise<number> {
    checkInteger("register parties", "count", count, 1);
    return await this.#party.register(count);
  }

  /**
   * Breaks the barrier for all: who waits gets a {@linkcode BrokenBarrierError} with reason `"aborted"`. Nothing happens
   * where it is broken already, nor by a party that was disposed.
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
    await this.#party.abort(reason);
  }

  /**
   * Makes the barrier usable again for all, and frees the seats of those who are gone for replacements.
   *
   * @example Survivors that mend the same break
   * ```ts
   * import {
   *   BrokenBarrierError,
   *   ProcessBarrier,
   *   ProcessBarrierServer,
   * } from "@rendezvous/barrier/process";
   * import { assertFalse } from "@std/assert";
   *
   * await using server = await ProcessBarrierServer.listen({ parties: 1 });
   * await using barrier = await ProcessBarrier.connect(server.path);
   * await barrier.abort();
   * try {
   *   await barrier.wait();
   * } catch (error) {
   *   // If another survivor was faster, this does nothing.
   *   if (error instanceof BrokenBarrierError) await barrier.reset(error.phase);
   * }
   * assertFalse(barrier.broken);
   * ```
   *
   * @param phase The phase whose break is to be mended, the `phase` of the error: where that was mended already,
   *   nothing happens. Without it, whatever breaks the barrier is mended, and parties that wait are freed.
   * @param options Whether to go on without the parties that are gone.
   * @returns The names of the parties that were gone, whose seats are free now, or dropped: of several that ended in one
   *   attempt an error names only the first. None if there was nothing to mend.
   * @throws {TypeError} If `phase` or an option is of the wrong type.
   * @throws {RangeError} If `phase` is not an integer of at least 0.
   * @throws {DOMException} An `InvalidStateError` if this party was disposed or the barrier is over.
   */
  async reset(phase?: number, options?: ResetOptions): Promise<string[]> {
    return await this.#party.reset(phase, readReset(phase, options));
  }

  /**
   * Asks how the barrier stands. Where nobody can be asked any more, it tells how the barrier stood last.
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
   * assertEquals([arrived, missing], [1, []]);
   * ```
   *
   * @returns A snapshot.
   */
  async status(): Promise<ProcessBarrierStatus> {
    return { ...await this.#party.status(), transport: this.#party.transport };
  }

  /**
   * What this party is called where it is missing or lost.
   *
   * @returns Its name.
   */
  get name(): string {
    return this.#party.name;
  }

  /**
   * How many parties must arrive to complete a phase. A snapshot: live in shared memory, else as the server last told.
   *
   * @returns The number of parties.
   */
  get parties(): number {
    return this.#party.counts.parties;
  }

  /**
   * How many parties have arrived in the open phase; if it is broken, had when it broke. A snapshot: live in shared
   * memory, else as the server last told.
   *
   * @returns The number of parties that have arrived.
   */
  get arrived(): number {
    return this.#party.counts.arrived;
  }

  /**
   * The lowest phase that has not ended, from 0. A snapshot: live in shared memory, else as the server last told.
   *
   * @returns The phase.
   */
  get phase(): number {
    return this.#party.counts.phase;
  }

  /**
   * Whether the barrier is broken, and so refuses arrivals. A snapshot: live in shared memory, else as the server last
   * told. Once the server is gone it is broken.
   *
   * @returns `true` if it is broken.
   */
  get broken(): boolean {
    return this.#party.counts.broken;
  }

  /**
   * The names of the parties that have not arrived. A snapshot: live in shared memory; on the socket what joining,
   * {@linkcode ProcessBarrier.status} or an error last told of this phase, and empty where they told nothing.
   *
   * @returns Their names.
   */
  get missing(): string[] {
    return [...this.#party.snapshot.missing];
  }

  /**
   * Leaves for good, and ends the connection. A party that has not dropped breaks the barrier with the reason
   * `"aborted"` and its name, so that nobody waits for it. Doing it twice does no more.
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
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#party.close();
  }

  /**
   * How `console.log` shows it on Node and Bun.
   *
   * @returns Its class, arrivals and phase, or why it is broken.
   */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return inspect("ProcessBarrier", this.#party.counts);
  }
}
