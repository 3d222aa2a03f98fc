// Copyright 2026 the Rendezvous authors. MIT license.

import { arm } from "../_common/cancellation.ts";
import { textOf } from "../_common/errors.ts";
import { withResolvers } from "../_common/platform.ts";
import { Connection, encodeNumbers } from "./connection.ts";
import { decodeError, MAX_ANSWER, type Message } from "./protocol.ts";
import type { Stream } from "./platform.ts";

/** The id of the usual wait, and its line: to encode it anew each time would cost a party a fifth of its time. */
const USUAL = 0;
const USUAL_WAIT = encodeNumbers([USUAL]);

/** What is told to a party when its server ends; nothing where the connection just ended. */
export type LastLine = Message | undefined;

/** The answer to a request, or that none will come. */
export type Answer = { ok: unknown } | { error: unknown } | "ended";

/** What a {@linkcode Client} tells its owner. */
export interface ClientEvents {
  /** An answer tells how the barrier stands. */
  state(state: unknown): void;
  /** The server has ended, or what it says is no answer. Called once, unless this side ends the connection. */
  end(last: LastLine, invalid: string | undefined): void;
}

/** The side of a connection that asks. */
export class Client {
  readonly #connection: Connection;
  readonly #events: ClientEvents;
  readonly #pending = new Map<unknown, (answer: Answer) => void>();
  #lastId = USUAL;
  #ended = false;

  constructor(conn: Stream, events: ClientEvents) {
    this.#events = events;
    this.#connection = new Connection(conn, MAX_ANSWER, {
      message: (message) => this.#take(message),
      numbers: ([id, ok, parties, arrived, phase]) => {
        this.#events.state({ parties, arrived, phase });
        this.#answer(id, { ok });
      },
      invalid: (why) => this.#end(undefined, why),
      end: () => this.#end(undefined, undefined),
    });
  }

  /** Asks for the usual wait, which has no options. */
  askWait(): Promise<Answer> {
    // While one is pending, the next one needs an id of its own.
    if (this.#ended || this.#pending.has(USUAL)) return this.ask({ do: "wait" });
    const { promise, resolve } = withResolvers<Answer>();
    this.#expect(USUAL, resolve);
    this.#connection.sendLine(USUAL_WAIT);
    return promise;
  }

  /** Asks, and resolves to the answer. `signal` tells the server when it aborts, which then decides. */
  ask(request: Message, signal?: AbortSignal): Promise<Answer> {
    if (this.#ended) return Promise.resolve("ended");
    const id = ++this.#lastId;
    const { promise, resolve } = withResolvers<Answer>();
    if (signal === undefined) {
      this.#expect(id, resolve);
      this.#connection.send({ id, ...request });
      return promise;
    }
    const cancel = () => {
      const reason = textOf(signal.reason);
      this.#connection.send({ id: ++this.#lastId, do: "cancel", wait: id, reason });
    };
    const disarm = signal.aborted ? () => {} : arm(Infinity, signal, cancel);
    this.#expect(id, (answer) => {
      disarm();
      resolve(answer);
    });
    const how = signal.aborted ? { cancelled: textOf(signal.reason) } : { cancellable: true };
    this.#connection.send({ id, ...request, ...how });
    return promise;
  }

  /** Ends the connection when all has been sent. What is pending ends without an answer. */
  close(): Promise<void> {
    this.#settleAll();
    return this.#connection.finish();
  }

  #expect(id: number, resolve: (answer: Answer) => void): void {
    this.#pending.set(id, resolve);
    if (this.#pending.size === 1) this.#connection.keepsAlive = true;
  }

  #take(message: Message): void {
    if (message.state !== undefined) this.#events.state(message.state);
    if (message.end !== undefined) return this.#end(message, undefined);
    const { id, ok, error } = message;
    this.#answer(id, error === undefined ? { ok } : { error });
  }

  #answer(id: unknown, answer: Answer): void {
    if (typeof id !== "number" || id < USUAL || id > this.#lastId) {
      return this.#end(undefined, "A line answers nothing");
    }
    // Nobody waits for the answer to a cancellation.
    const resolve = this.#pending.get(id);
    this.#pending.delete(id);
    if (this.#pending.size === 0) this.#connection.keepsAlive = false;
    resolve?.(answer);
  }

  #end(last: LastLine, invalid: string | undefined): void {
    if (this.#ended) return;
    this.#events.end(last, invalid);
    this.#settleAll();
    this.#connection.close();
  }

  #settleAll(): void {
    this.#ended = true;
    for (const resolve of this.#pending.values()) resolve("ended");
    this.#pending.clear();
    this.#connection.keepsAlive = false;
  }
}

/** What an answer gives; if it is an error, that. To be called where the stack names the caller. */
export function resultOf(answer: Exclude<Answer, "ended">): unknown {
  if ("error" in answer) throw decodeError(answer.error);
  return answer.ok;
}
