// Copyright 2026 the Rendezvous authors. MIT license.

import type { BarrierHandle, JoinOptions } from "../../barrier.ts";
import { quiet, within } from "./harness.ts";
import { type Command, type Reply, unpack } from "./wire.ts";
import { type StartedWorker, startWorker, type WorkerKind } from "./worker.ts";

/**
 * A worker with a handle of a barrier. It does what it is told, one thing after the other, and is used
 * again by later tests.
 */
export class Thread {
  static readonly #idle: Thread[] = [];
  readonly #kind: WorkerKind | undefined;
  readonly #worker: StartedWorker;
  readonly #calls = new Map<number, PromiseWithResolvers<unknown>>();
  #lastId = 0;
  #ended = false;

  private constructor(kind?: WorkerKind, first?: Command) {
    this.#worker = startWorker<Reply>(
      import.meta.resolve("./thread_worker.ts"),
      (reply) => this.#onReply(reply),
      (error) => {
        for (const { reject } of this.#calls.values()) reject(error);
      },
      kind,
      first,
    );
    this.#kind = kind;
  }

  /** A worker that has no barrier yet. */
  static take(kind?: WorkerKind): Thread {
    const index = Thread.#idle.findIndex((thread) => thread.#kind === kind);
    return index < 0 ? new Thread(kind) : Thread.#idle.splice(index, 1)[0]!;
  }

  /** A worker with a handle of `barrier` that has no name. */
  static from(
    barrier: BarrierHandle,
    options: { timeout?: number } = {},
    kind?: WorkerKind,
  ): Promise<Thread> {
    return Thread.#begin(kind, "from", barrier, options);
  }

  /** A worker that has joined `barrier`. */
  static join(
    barrier: BarrierHandle,
    options: JoinOptions = {},
    kind?: WorkerKind,
  ): Promise<Thread> {
    return Thread.#begin(kind, "join", barrier, options);
  }

  static async #begin(
    kind: WorkerKind | undefined,
    operation: string,
    ...args: readonly unknown[]
  ): Promise<Thread> {
    // The first message and `workerData` are cloned in the same way.
    const atOnce = kind === "workerData";
    const thread = atOnce ? new Thread(kind, { id: 1, operation, args }) : Thread.take(kind);
    try {
      await (atOnce ? thread.#expectReply() : thread.call(operation, ...args));
      return thread;
    } catch (error) {
      thread.#free();
      throw error;
    }
  }

  /** Has the worker call a method of its handle. */
  call<T>(operation: string, ...args: readonly unknown[]): Promise<T> {
    this.#worker.post({ id: this.#lastId + 1, operation, args } satisfies Command);
    return this.#expectReply();
  }

  #expectReply<T>(): Promise<T> {
    const call = Promise.withResolvers<unknown>();
    this.#calls.set(++this.#lastId, call);
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
    this.#worker.post({ id: 0, operation: how, args: [] } satisfies Command);
  }

  /** The end of its use. Whatever it waits for must have been ended. */
  async giveBack(): Promise<void> {
    if (this.#ended) return this.#worker.terminate();
    const calls = [...this.#calls.values()].map(({ promise }) => promise);
    calls.push(this.call("leave"));
    try {
      await within(Promise.allSettled(calls), "a worker's last call", 10_000);
      this.#free();
    } catch (error) {
      this.#worker.terminate();
      throw error;
    }
  }

  /** Keeps the worker for later, unless it can be given a barrier only when it starts. */
  #free(): void {
    if (this.#kind === "workerData") this.terminate();
    else Thread.#idle.push(this);
  }

  static terminateAll(): void {
    for (const thread of Thread.#idle.splice(0)) thread.#worker.terminate();
  }

  #onReply({ id, value, error }: Reply): void {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    if (error === undefined) call?.resolve(value);
    else call?.reject(unpack(error));
  }
}

Deno.test.afterAll(() => Thread.terminateAll());
