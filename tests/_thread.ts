// Copyright 2026 the Rendezvous authors. MIT license.

import type { Barrier } from "../mod.ts";
import { type Command, DONE, type Reply, THREW, unpack } from "./_wire.ts";
import { quiet, within } from "./_harness.ts";

/** A thread's share of a barrier. */
export interface ThreadOptions {
  /** Runs here, while the worker whose handle calls it waits for its end. */
  action?: () => unknown;
  timeout?: number;
}

/**
 * A worker with a handle of a barrier. It does what it is told, one thing after the other, and is used
 * again by later tests.
 */
export class Thread {
  static #free: Thread[] = [];
  readonly #worker = new Worker(import.meta.resolve("./_worker.ts"), { type: "module" });
  readonly #calls = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #gate = new Int32Array(new SharedArrayBuffer(4));
  #action: (() => unknown) | undefined;
  #lastId = 0;

  private constructor() {
    this.#worker.onmessage = ({ data }: { data: Reply }) => this.#onReply(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      for (const { reject } of this.#calls.values()) reject(new Error(event.message));
    };
  }

  static async take(barrier: Barrier, { action, ...options }: ThreadOptions): Promise<Thread> {
    const thread = Thread.#free.pop() ?? new Thread();
    thread.#action = action;
    await thread.call("attach", barrier, options, action && thread.#gate);
    return thread;
  }

  /** Has the worker call a method of its handle. */
  call<T>(operation: string, ...args: readonly unknown[]): Promise<T> {
    const call = Promise.withResolvers<unknown>();
    this.#calls.set(++this.#lastId, call);
    const command: Command = { id: this.#lastId, operation, args };
    this.#worker.postMessage(command);
    return quiet(call.promise as Promise<T>);
  }

  /** The end of its use. Whatever it waits for must have been ended: a worker that sleeps cannot be. */
  async giveBack(): Promise<void> {
    const calls = [...this.#calls.values()].map(({ promise }) => promise);
    try {
      await within(Promise.allSettled(calls), "a worker's last call", 5_000);
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
    if (id === undefined) return this.#act();
    const { resolve, reject } = this.#calls.get(id)!;
    this.#calls.delete(id);
    if (error === undefined) resolve(value);
    else reject(unpack(error));
  }

  #act(): void {
    let verdict = DONE;
    try {
      this.#action!();
    } catch {
      verdict = THREW;
    }
    Atomics.store(this.#gate, 0, verdict);
    Atomics.notify(this.#gate, 0);
  }
}

Deno.test.afterAll(() => Thread.terminateAll());
