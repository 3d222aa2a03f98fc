// Copyright 2026 the Rendezvous authors. MIT license.

import { within } from "./_harness.ts";

/** A line of the wire, as JSON. */
export type Line = Record<string, unknown>;

/**
 * A client written from the table in the module doc of `process_barrier.ts`, and with no code in common with
 * the library: lines of JSON over a socket. It can say wrong things too.
 */
export class RawClient implements AsyncDisposable {
  /** The lines that came and were not an answer to {@linkcode ask}. */
  readonly others: Line[] = [];
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
    const answer = this.#answers.get(line.id);
    this.#answers.delete(line.id);
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
  async ask(request: Line): Promise<Line> {
    const id = ++this.#lastId;
    const { promise, resolve } = Promise.withResolvers<Line>();
    if (this.closed) return { closed: true };
    this.#answers.set(id, resolve);
    await this.send(JSON.stringify({ id, ...request }) + "\n");
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
