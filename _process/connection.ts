// Copyright 2026 the Rendezvous authors. MIT license.

import { arm } from "../_common/cancellation.ts";
import { textOf } from "../_common/errors.ts";
import type { Message } from "./protocol.ts";
import type { Stream } from "./platform.ts";

/** What may wait to be sent, in bytes, before a peer that does not read is given up. */
const MAX_UNSENT = 1024 * 1024;

/** How long a peer may take to read its last lines, in ms. */
export const CLOSE_TIMEOUT = 1_000;

/**
 * How many microtasks whoever waited for a line has to ask again. An answer passes some five async functions on its way
 * to the caller of a party.
 */
const GRACE_TICKS = 20;

const BUFFER_SIZE = 4 * 1024;
const NEWLINE = 10;
const COMMA = 44;
const ZERO = 48;
const NINE = 57;
const BRACKET = 91;
const CLOSING_BRACKET = 93;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

type Bytes = Uint8Array<ArrayBuffer>;

/** What a {@linkcode Connection} tells its owner. */
export interface ConnectionEvents {
  /** A line came. */
  message(message: Message): void;
  /** A line came that is a list of natural numbers. */
  numbers(numbers: number[]): void;
  /** A line came that is too long, or neither. The connection reads no more. */
  invalid(why: string): void;
  /** The connection has ended, for whatever reason. Called once. */
  end(): void;
}

/**
 * Lines of JSON over a socket, each an object, or a list of natural numbers. The usual wait is such a list: with dozens
 * of processes on a few threads all code runs with cold caches, and `TextDecoder` and `JSON.parse` would be a quarter of
 * what it costs.
 */
export class Connection {
  readonly #conn: Stream;
  readonly #maxLine: number;
  readonly #events: ConnectionEvents;
  #unsent: Bytes[] = [];
  #unsentLength = 0;
  #sending: Promise<void> | undefined;
  readonly #receiving: Promise<void>;
  #keepsAlive = true;
  #isReferenced = true;
  #ignoringInput = false;
  #closed = false;

  /** Takes lines of at most `maxLine` bytes. */
  constructor(conn: Stream, maxLine: number, events: ConnectionEvents) {
    this.#conn = conn;
    this.#maxLine = maxLine;
    this.#events = events;
    this.#receiving = this.#receive();
  }

  /** Sends a message, after those before it. Does nothing once the connection has ended. */
  send(message: Message): void {
    this.sendLine(encoder.encode(JSON.stringify(message) + "\n"));
  }

  /** As `send`, for what {@linkcode encodeNumbers} has made. */
  sendLine(line: Bytes): void {
    if (this.#closed) return;
    this.#unsent.push(line);
    this.#unsentLength += line.length;
    if (this.#unsentLength > MAX_UNSENT) this.close();
    else this.#sending ??= this.#send();
  }

  /** Ends the connection when all has been sent, or when the peer has not read it in time. */
  async finish(): Promise<void> {
    await this.#finish(false);
  }

  /**
   * As `finish`, but has the peer end the connection when it has read all. Had this side ended it, a peer that says
   * something just then could lose what it has not read: see `Stream.write`.
   */
  async hangUp(): Promise<void> {
    await this.#finish(true);
  }

  async #finish(lingers: boolean): Promise<void> {
    this.#ignoringInput = true;
    const disarm = arm(CLOSE_TIMEOUT, undefined, () => this.close());
    await this.#sending;
    if (lingers && !this.#closed) {
      await this.#conn.closeWrite().catch(() => {});
      await this.#receiving;
    }
    disarm();
    this.close();
  }

  /**
   * Whether the connection keeps the event loop alive, as it does at first. It is let go only when the next line is
   * awaited: who asks again at once, as a party does phase after phase, pays nothing.
   */
  set keepsAlive(keepsAlive: boolean) {
    this.#keepsAlive = keepsAlive;
    if (keepsAlive) this.#reference();
  }

  #reference(): void {
    if (this.#closed || this.#keepsAlive === this.#isReferenced) return;
    this.#isReferenced = this.#keepsAlive;
    if (this.#isReferenced) this.#conn.ref();
    else this.#conn.unref();
  }

  /** Ends the connection at once. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#conn.close();
    this.#events.end();
  }

  async #send(): Promise<void> {
    try {
      while (this.#unsent.length > 0 && !this.#closed) {
        let bytes = concat(this.#unsent);
        this.#unsent = [];
        this.#unsentLength = 0;
        while (bytes.length > 0) bytes = bytes.subarray(await this.#conn.write(bytes));
      }
    } catch {
      // The peer takes no more. What it said before has yet to be read: reading ends the connection.
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
          const line = concat([...rest, buffer.subarray(start, end)]);
          rest = [];
          restLength = 0;
          this.#take(line);
          if (this.#closed) return;
        }
        if (start < count) {
          rest.push(buffer.slice(start, count));
          restLength += count - start;
        }
        if (restLength > this.#maxLine) {
          this.#take(concat(rest));
          rest = [];
          restLength = 0;
        }
        // Whoever waited for that line goes on first, and may ask again.
        for (let tick = 0; tick < GRACE_TICKS && !this.#keepsAlive; tick++) await null;
        this.#reference();
      }
      if (restLength > 0) this.#take(concat(rest));
    } catch {
      // A connection that cannot be read has ended.
    }
    this.close();
  }

  #take(line: Bytes): void {
    if (this.#ignoringInput) return;
    let message;
    try {
      if (line.length > this.#maxLine) {
        throw new RangeError(`A line is longer than ${this.#maxLine} bytes`);
      }
      message = line[0] === BRACKET ? decodeNumbers(line) : decodeObject(line);
    } catch (error) {
      this.#ignoringInput = true;
      return this.#events.invalid(textOf(error));
    }
    if (Array.isArray(message)) this.#events.numbers(message);
    else this.#events.message(message);
  }
}

/** The line of a list of natural numbers. */
export function encodeNumbers(numbers: readonly number[]): Bytes {
  return encoder.encode(`[${numbers}]\n`);
}

function decodeObject(line: Bytes): Message {
  const message = JSON.parse(decoder.decode(line));
  if (typeof message === "object" && message !== null) return message;
  throw new TypeError("A line is no JSON object");
}

function decodeNumbers(line: Bytes): number[] {
  const last = line.length - 1;
  const numbers = [];
  let number = 0;
  for (let i = 1; i <= last; i++) {
    const byte = line[i]!;
    if (byte >= ZERO && byte <= NINE) {
      number = number * 10 + byte - ZERO;
    } else if (byte === (i === last ? CLOSING_BRACKET : COMMA)) {
      numbers.push(number);
      number = 0;
    } else {
      throw new TypeError("A line is no list of natural numbers");
    }
  }
  if (line[last] !== CLOSING_BRACKET) throw new TypeError("A line is not complete");
  return numbers;
}

function concat(parts: Bytes[]): Bytes {
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
