// Copyright 2026 the Rendezvous authors. MIT license.

import { unsupportedReason } from "../../_process/mapped_memory.ts";
import {
  ProcessBarrier,
  type ProcessBarrierOptions,
  ProcessBarrierServer,
  type ProcessBarrierServerOptions,
} from "../../process_barrier.ts";
import { within } from "../_helpers/harness.ts";
import { suspend } from "../_helpers/suspend.ts";

export { failure, quiet, test, turn, until, within } from "../_helpers/harness.ts";

/** Why memory cannot be shared here, if it cannot: for the names of tests that are ignored then. */
export const unshared: string | undefined = unsupportedReason();

/** The transports that can be tested here. */
export const transports: ("socket" | "shared-memory")[] = unshared === undefined
  ? ["socket", "shared-memory"]
  : ["socket"];

/** The name of a test that needs shared memory. */
export function inMemory(name: string): string {
  return unshared === undefined ? name : `${name} (ignored: ${unshared})`;
}

/** A server for the scope. */
export async function listen(
  scope: AsyncDisposableStack,
  options: ProcessBarrierServerOptions,
): Promise<ProcessBarrierServer> {
  return scope.use(await ProcessBarrierServer.listen(options));
}

/** A party for the scope. */
export async function join(
  scope: AsyncDisposableStack,
  path: string,
  options: ProcessBarrierOptions = {},
): Promise<ProcessBarrier> {
  return scope.use(await ProcessBarrier.connect(path, options));
}

/** A new directory, for the scope. */
export async function temporary(scope: AsyncDisposableStack): Promise<string> {
  const directory = await Deno.makeTempDir({ prefix: "rendezvous-test-" });
  scope.defer(() => Deno.remove(directory, { recursive: true }));
  return directory;
}

/** Whether there is something at a path. */
export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The names in a directory. */
export async function namesIn(directory: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name);
}

/** What an actor says of an error. */
export interface ToldError {
  name: string;
  message: string;
  code?: string;
  reason?: string;
  phase?: number;
  party?: string;
}

/** Thrown where an actor answers with an error. */
export class ActorError extends Error {
  readonly told: ToldError;

  constructor(told: ToldError) {
    super(`${told.name}: ${told.message}`);
    this.told = told;
  }
}

interface Reply {
  id: number;
  value?: unknown;
  error?: ToldError;
}

/** The command of an actor on Deno. Those of other runtimes are in _runtimes.ts. */
function actorCommand(): string[] {
  const path = new URL("_actor.ts", import.meta.url).pathname;
  return [Deno.execPath(), "run", "-A", "--quiet", "--no-check", path];
}

/** Another process, which does what it is told: see _actor.ts. At the end of its scope it is killed. */
export class Actor implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #replies = new Map<number, (reply: Reply) => void>();
  readonly #reading: Promise<void>;
  #lastId = 0;
  stderr = "";

  constructor(
    scope: AsyncDisposableStack,
    env: Record<string, string> = {},
    [command, ...args]: string[] = actorCommand(),
  ) {
    this.#process = new Deno.Command(command!, {
      args,
      env: { NO_COLOR: "1", ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#input = this.#process.stdin.getWriter();
    this.#input.closed.catch(() => {});
    this.#reading = Promise.all([this.#readReplies(), this.#readErrors()]).then(() => {});
    scope.use(this);
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Settles when the process has ended. */
  get status(): Promise<Deno.CommandStatus> {
    return this.#process.status;
  }

  async #readReplies(): Promise<void> {
    let rest = "";
    for await (const text of this.#process.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        const reply: Reply = JSON.parse(line);
        this.#replies.get(reply.id)?.(reply);
        this.#replies.delete(reply.id);
      }
    }
    const error = { name: "Ended", message: `The process ended: ${this.stderr}` };
    for (const [id, answer] of this.#replies) answer({ id, error });
  }

  async #readErrors(): Promise<void> {
    for await (const text of this.#process.stderr.pipeThrough(new TextDecoderStream())) {
      this.stderr += text;
    }
  }

  async #call(verb: string, args: unknown[]): Promise<unknown> {
    const id = ++this.#lastId;
    const { promise, resolve } = Promise.withResolvers<Reply>();
    this.#replies.set(id, resolve);
    this.#input.write(new TextEncoder().encode(JSON.stringify({ id, verb, args }) + "\n"))
      .catch(() => {});
    const { value, error } = await within(promise, `${verb} ${JSON.stringify(args)}`);
    if (error !== undefined) throw new ActorError(error);
    return value;
  }

  /** Does one of its verbs. Its failure may be looked at later. */
  do<T>(verb: string, ...args: unknown[]): Promise<T> {
    const answer = this.#call(verb, args) as Promise<T>;
    answer.catch(() => {});
    return answer;
  }

  kill(signal: Deno.Signal = "SIGKILL"): void {
    this.#process.kill(signal);
  }

  /** Stops it, and waits until all its threads stand still. */
  stop(): Promise<void> {
    return suspend(this.pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.kill();
    } catch {
      // It has ended.
    }
    await within(this.#process.status, `the end of process ${this.pid}`);
    await within(this.#reading, `the output of process ${this.pid}`);
    await this.#input.close().catch(() => {});
  }
}

/** A line of the wire. */
export type Line = Record<string, unknown>;

/**
 * A client written from the module doc of process_barrier.ts, with no code in common with the library. It can say wrong
 * things, too.
 */
export class RawClient implements AsyncDisposable {
  /** The lines that came and were no answer to {@linkcode ask}. */
  readonly others: unknown[] = [];
  /** Whether the server has ended the connection. */
  closed = false;
  readonly #conn: Deno.UnixConn;
  readonly #answers = new Map<unknown, (line: Line) => void>();
  readonly #reading: Promise<void>;
  #lastId = 0;

  private constructor(conn: Deno.UnixConn, reads: boolean) {
    this.#conn = conn;
    this.#reading = reads ? this.#read() : Promise.resolve();
  }

  static async connect(path: string, { reads = true } = {}): Promise<RawClient> {
    return new RawClient(await Deno.connect({ transport: "unix", path }), reads);
  }

  /** Connects and joins. */
  static async join(path: string, name?: string): Promise<RawClient> {
    const client = await RawClient.connect(path);
    const answer = await client.ask({ do: "join", version: 2, name });
    if (answer.error !== undefined) throw new Error(JSON.stringify(answer.error));
    return client;
  }

  async #read(): Promise<void> {
    let rest = "";
    try {
      for await (const text of this.#conn.readable.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + text).split("\n");
        rest = lines.pop()!;
        for (const line of lines) this.#take(JSON.parse(line));
      }
    } catch {
      // The end of the connection may come as an error.
    }
    this.closed = true;
    for (const answer of this.#answers.values()) answer({ closed: true });
  }

  #take(line: Line): void {
    const id = Array.isArray(line) ? line[0] : line.id;
    const answer = this.#answers.get(id);
    this.#answers.delete(id);
    if (answer === undefined) this.others.push(line);
    else answer(line);
  }

  /** Sends bytes as they are. Whether they arrive depends on the server, which may have had enough. */
  async send(bytes: Uint8Array | string): Promise<void> {
    let rest = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
    try {
      while (rest.length > 0) rest = rest.subarray(await this.#conn.write(rest));
    } catch {
      // The server has ended the connection.
    }
  }

  /** Sends a request, and waits for its answer: `{ closed: true }` if the connection ends before. */
  async ask(request: Line | "wait"): Promise<Line> {
    const id = ++this.#lastId;
    const { promise, resolve } = Promise.withResolvers<Line>();
    if (this.closed) return { closed: true };
    this.#answers.set(id, resolve);
    const line = request === "wait" ? [id] : { id, ...request };
    await this.send(JSON.stringify(line) + "\n");
    return await within(promise, `the answer to ${JSON.stringify(request).slice(0, 100)}`);
  }

  /** Waits until the server has ended the connection. */
  async ended(): Promise<void> {
    await within(this.#reading, "the end of a connection");
  }

  close(): void {
    try {
      this.#conn.close();
    } catch {
      // It has ended already.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.ended();
  }
}
