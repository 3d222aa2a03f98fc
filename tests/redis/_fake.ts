// Copyright 2026 the Rendezvous authors. MIT license.

import type { RedisClient } from "../../redis_barrier.ts";

/** What a party states. */
export type Statement = Record<string, unknown> & { verb: string };

/** How a barrier of one phase and the party "a" stands: what the script answers. */
export function reply(more: object = {}): string {
  return JSON.stringify({
    ...{ phase: 0, parties: 2, arrived: 0, passed: -1, passedVersion: 0, version: 2, table: "2.x" },
    counted: -1,
    ...more,
  });
}

/** A client of ioredis in name, whose answers and messages are those of a test. */
export class FakeClient {
  readonly status = "ready";
  /** What was stated. */
  readonly said: Statement[] = [];
  readonly #answer: (statement: Statement) => string | Promise<string>;
  #hear = (_channel: string, _text: string): void => {};
  #channel = "";
  /** Whether what is published comes in. */
  hears = true;

  constructor(answer: (statement: Statement) => string | Promise<string>) {
    this.#answer = answer;
  }

  /** As `connect` takes it. */
  get client(): RedisClient {
    return this as unknown as RedisClient;
  }

  evalsha(_digest: string, _keys: number, ...args: string[]): Promise<string> {
    const statement: Statement = JSON.parse(args.at(-2)!);
    this.said.push(statement);
    if (statement.verb === "hello") this.publish({ hello: statement.session });
    return Promise.resolve(this.#answer(statement));
  }

  eval(_script: string, _keys: number, ...args: string[]): Promise<string> {
    return this.evalsha("", 0, ...args);
  }

  publish(news: object): void {
    if (this.hears) this.#hear(this.#channel, JSON.stringify(news));
  }

  duplicate(): object {
    return {
      status: "ready",
      on: (event: string, listener: (...args: string[]) => void) => {
        if (event === "message") this.#hear = listener;
        // It ends as soon as anybody waits for that.
        if (event === "end") queueMicrotask(listener);
      },
      subscribe: (channel: string) => {
        this.#channel = channel;
        return Promise.resolve(1);
      },
      disconnect: () => {},
    };
  }
}
