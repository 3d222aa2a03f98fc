// Copyright 2026 the Rendezvous authors. MIT license.

import { setTimeout } from "node:timers";
import type { Connection } from "./clients.ts";
import { encode, type Facts, readReply, type Reply, type Request } from "./messages.ts";
import { isForgottenScript, mayPass } from "./redis_error.ts";

/** How long to wait before a statement is made again, in ms. */
const RETRY_PAUSE = 100;

/** The keys of a barrier. The braces keep them in one slot of a cluster. */
export class Keys {
  readonly all: string[];
  readonly channel: string;

  constructor(key: string) {
    const barrier = `barrier:{${key}}`;
    const parts = ["arrivals", "leases", "seats", "history", "notes"];
    this.all = [barrier, ...parts.map((part) => `${barrier}:${part}`)];
    this.channel = `${barrier}:news`;
  }
}

/** States facts, and learns the state. In order: what cannot be said yet is said before what comes after. */
export class Engine {
  readonly #connection: Connection;
  readonly #keys: Keys;
  readonly #script: string;
  readonly #digest: string;
  /** The statements that wait for the engine to come back. */
  #waiting: Promise<unknown> | undefined;
  #closed = false;

  private constructor(connection: Connection, keys: Keys, script: string, digest: string) {
    this.#connection = connection;
    this.#keys = keys;
    this.#script = script;
    this.#digest = digest;
  }

  static async create(connection: Connection, keys: Keys, script: string): Promise<Engine> {
    const digest = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(script));
    const hex = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0"));
    return new Engine(connection, keys, script, hex.join(""));
  }

  /** Whether nothing can be said any more, as the caller has closed its client. */
  get isCutOff(): boolean {
    return this.#connection.isClosed;
  }

  /** Asks which version this is, and has it publish `session`. */
  async hello(session: string): Promise<string> {
    return await this.#run({ verb: "hello", session });
  }

  /** Makes a statement until it is heard; `facts` are those of then, and `all` is for an engine that knows less. */
  async state(request: Request, facts: () => Facts, all: () => object): Promise<Reply> {
    const say = async () => {
      let reply = readReply(await this.#run({ ...facts(), ...request }));
      // Nobody else can have taken from the engine what this has taught it.
      while (reply === "behind") {
        reply = readReply(await this.#run({ ...facts(), ...request, facts: all() }));
      }
      return reply;
    };
    if (this.#waiting === undefined) {
      try {
        return await say();
      } catch (error) {
        if (!this.#mayRetry(error)) throw error;
      }
    }
    return await this.#sayLater(say);
  }

  /** Tries again and again, after all that wait already. */
  #sayLater(say: () => Promise<Reply>): Promise<Reply> {
    const retry = async () => {
      for (;;) {
        try {
          return await say();
        } catch (error) {
          if (!this.#mayRetry(error)) throw error;
        }
        // Who awaits an answer keeps the event loop alive: this does not.
        await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE).unref());
      }
    };
    const said = (this.#waiting ?? Promise.resolve()).then(retry, retry);
    this.#waiting = said;
    const done = () => {
      if (this.#waiting === said) this.#waiting = undefined;
    };
    said.then(done, done);
    return said;
  }

  #mayRetry(error: unknown): boolean {
    return mayPass(error) && !this.#closed && !this.#connection.isClosed;
  }

  async #run(statement: object): Promise<string> {
    const args = [encode(statement), this.#keys.channel];
    try {
      return await this.#connection.evalsha(this.#digest, this.#keys.all, args) as string;
    } catch (error) {
      if (!isForgottenScript(error)) throw error;
      return await this.#connection.eval(this.#script, this.#keys.all, args) as string;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#connection.close();
  }
}
