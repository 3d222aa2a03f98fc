// Copyright 2026 the Rendezvous authors. MIT license.

import type { BarrierHandle, JoinOptions } from "../../barrier.ts";
import { quiet, within } from "./harness.ts";
import { type Command, type Reply, unpack } from "./wire.ts";

/**
 * A worker with a handle of a barrier. It does what it is told, one thing after the other, and is used
 * again by later tests.
 */
export class Thread {
  static readonly #free: Thread[] = [];
  readonly #worker = new Worker(import.meta.resolve("./thread_worker.ts"), { type: "module" });
  readonly #calls = new Map<number, PromiseWithResolvers<unknown>>();
  #lastId = 0;
  #ended = false;

  private constructor() {
    this.#worker.onmessage = ({ data }: { data: Reply }) => this.#onReply(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      for (const { reject } of this.#calls.values()) reject(new Error(event.message));
    };
  }

  /** A worker that has no barrier yet. */
  static take(): Thread {
    return Thread.#free.pop() ?? new Thread();
  }

  /** A worker with a handle of `barrier` that has no name. */
  static async from(barrier: BarrierHandle, options: { timeout?: number } = {}): Promise<Thread> {
    return await Thread.take().#begin("from", barrier, options);
  }

  /** A worker that has joined `barrier`. */
  static async join(barrier: BarrierHandle, options: JoinOptions = {}): Promise<Thread> {
    return await Thread.take().#begin("join", barrier, options);
  }

  async #begin(operation: string, ...args: readonly unknown[]): Promise<this> {
    try {
      await this.call(operation, ...args);
      return this;
    } catch (error) {
      Thread.#free.push(this);
      throw error;
    }
  }

  /** Has the worker call a method of its handle. */
  call<T>(operation: string, ...args: readonly unknown[]): Promise<T> {
    const call = Promise.withResolvers<unknown>();
    const command: Command = { id: ++this.#lastId, operation, args };
    this.#worker.postMessage(command);
    this.#calls.set(command.id, call);
    return quiet(call.promise as Promise<T>);
  }

  /** Ends the worker from outside. One that sleeps cannot be ended. */
  terminate(): void {
    this.#ended = true;
    this.#worker.terminate();
  }

  /** Has the worker end itself. */
  end(how: "close" | "throw"): void {
    this.#ended = true;
    this.#worker.postMessage({ id: 0, operation: how, args: [] } satisfies Command);
  }

  /** The end of its use. Whatever it waits for must have been ended. */
  async giveBack(): Promise<void> {
    if (this.#ended) return this.#worker.terminate();
    const calls = [...this.#calls.values()].map(({ promise }) => promise);
    calls.push(this.call("leave"));
    try {
      await within(Promise.allSettled(calls), "a worker's last call", 10_000);
      Thread.#free.push(this);
    } catch (error) {
      this.#worker.terminate();
      throw error;
    }
  }

  static terminateAll(): void {
    for (const thread of Thread.#free.splice(0)) thread.#worker.terminate();
  }

  #onReply({ id, value, error }: Reply): void {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    if (error === undefined) call?.resolve(value);
    else call?.reject(unpack(error));
  }
}

Deno.test.afterAll(() => Thread.terminateAll());
