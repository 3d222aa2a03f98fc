// Copyright 2026 the Rendezvous authors. MIT license.

import { arm } from "./_cancel.ts";

/** What may wait to be sent, in bytes, before a peer that does not read is given up. */
const MAX_UNSENT = 1024 * 1024;

const BUFFER_SIZE = 4 * 1024;
const NEWLINE = 10;
const BRACKET = 91;
const ZERO = 48;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

type Bytes = Uint8Array<ArrayBuffer>;

/** What a {@linkcode Wire} tells its owner. */
export interface WireEvents {
  /** A line came, and this is its JSON. To throw is to end the connection. */
  message(wire: Wire, message: Record<string, unknown>): void;
  /** A line came that is a list of integers from 0 on. */
  integers(wire: Wire, integers: number[]): void;
  /** The connection has ended, for whatever reason; called once. */
  end(wire: Wire): void;
}

/** Lines of JSON over a connection. Whatever is wrong with a line ends the connection. */
export class Wire {
  readonly #conn: Deno.Conn;
  readonly #maxLine: number;
  readonly #events: WireEvents;
  #unsent: Bytes[] = [];
  #unsentLength = 0;
  #sending: Promise<void> | undefined;
  #held = true;
  #holds = true;
  #closed = false;
  /** What the peer still says no longer counts. */
  #deaf = false;

  /** Takes lines of at most `maxLine` bytes: what is longer comes from a stranger. */
  constructor(conn: Deno.Conn, maxLine: number, events: WireEvents) {
    this.#conn = conn;
    this.#maxLine = maxLine;
    this.#events = events;
    this.#receive();
  }

  /** Sends a message, after those before it. Does nothing once the connection has ended. */
  send(message: unknown): void {
    this.sendLine(encodeLine(message));
  }

  /** Sends what {@linkcode encodeLine} made of a message. */
  sendLine(line: Bytes): void {
    if (this.#closed) return;
    this.#unsent.push(line);
    this.#unsentLength += line.length;
    if (this.#unsentLength > MAX_UNSENT) this.close();
    else this.#sending ??= this.#send();
  }

  /** Ends the connection when all has been sent, or after `patience` ms if the peer does not read. */
  async finish(patience: number): Promise<void> {
    this.#deaf = true;
    const disarm = arm(patience, undefined, () => this.close());
    await this.#sending;
    disarm();
    this.close();
  }

  /**
   * Whether the connection keeps the event loop alive, as it does at first. It is let go only when the next
   * line is awaited: who asks again at once, as a party does phase after phase, pays nothing.
   */
  set held(held: boolean) {
    this.#held = held;
    if (held) this.#hold();
  }

  #hold(): void {
    if (this.#closed || this.#held === this.#holds) return;
    this.#holds = this.#held;
    if (this.#holds) this.#conn.ref();
    else this.#conn.unref();
  }

  /** Ends the connection at once. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#conn.close();
    this.#events.end(this);
  }

  async #send(): Promise<void> {
    try {
      while (this.#unsent.length > 0 && !this.#closed) {
        const lines = this.#unsent;
        this.#unsent = [];
        this.#unsentLength = 0;
        let bytes = lines.length === 1 ? lines[0]! : concat(lines);
        while (bytes.length > 0) bytes = bytes.subarray(await this.#conn.write(bytes));
      }
    } catch {
      // The peer takes no more, but what it said before may still have to be read: that side ends the connection.
      this.#unsent = [];
      this.#unsentLength = 0;
    }
    this.#sending = undefined;
  }

  async #receive(): Promise<void> {
    const buffer = new Uint8Array(BUFFER_SIZE);
    let rest: Bytes[] = [];
    let restLength = 0;
    try {
      for (let count; (count = await this.#conn.read(buffer)) !== null;) {
        let start = 0;
        for (let end; (end = buffer.indexOf(NEWLINE, start)) >= 0 && end < count; start = end + 1) {
          let line = buffer.subarray(start, end);
          if (restLength > 0) {
            line = concat([...rest, line]);
            rest = [];
            restLength = 0;
          }
          if (line.length > this.#maxLine) return this.close();
          if (this.#deaf) continue;
          if (line[0] === BRACKET) this.#events.integers(this, decodeIntegers(line));
          else this.#events.message(this, decodeLine(line));
          if (this.#closed) return;
        }
        if (start < count) {
          rest.push(buffer.slice(start, count));
          restLength += count - start;
          if (restLength > this.#maxLine) break;
        }
        // Whoever waited for that line goes on first, and may ask again.
        await null;
        this.#hold();
      }
    } catch {
      // What cannot be read, or be understood, ends the connection like its end does.
    }
    this.close();
  }
}

/** The line of a message. */
export function encodeLine(message: unknown): Bytes {
  return encoder.encode(JSON.stringify(message) + "\n");
}

function decodeLine(line: Bytes): Record<string, unknown> {
  const message = JSON.parse(decoder.decode(line));
  if (typeof message !== "object" || message === null) throw new SyntaxError("Cannot read a line");
  return message;
}

/**
 * Reads `[1,23]`. With dozens of processes on a few threads all code runs with cold caches, and `TextDecoder`
 * and `JSON.parse` would be a third of what a wait costs.
 */
function decodeIntegers(line: Bytes): number[] {
  const integers = [];
  let integer = 0;
  for (let i = 1; i < line.length; i++) {
    const digit = line[i]! - ZERO;
    if (digit >= 0 && digit <= 9) {
      integer = integer * 10 + digit;
    } else {
      integers.push(integer);
      integer = 0;
    }
  }
  return integers;
}

function concat(parts: Bytes[]): Bytes {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
