// Copyright 2026 the Rendezvous authors. MIT license.

import { fail } from "@std/assert";
import { nodeProcess } from "../../_common/platform.ts";

// Taken before a test can replace them.
const { setTimeout, clearTimeout } = globalThis;

/** What no test comes near, on however slow a machine. */
const DEADLINE = 30_000;

export function ignore(): void {}

/**
 * A test that cannot hang. `ignore` tells why it is not possible here. What it adds to its scope is disposed of on every way out, at the deadline too:
 * that must free whoever still waits. `sanitize` is false where the body uses what was started before it.
 */
export function test(
  name: string,
  body: (scope: AsyncDisposableStack) => Promise<void> | void,
  options: { ignore?: string | boolean | undefined; deadline?: number; sanitize?: boolean } = {},
): void {
  const { ignore, deadline, sanitize = true } = options;
  const title = typeof ignore === "string" ? `${name} (${ignore})` : name;
  Deno.test({
    name: title,
    ignore: Boolean(ignore),
    sanitizeOps: sanitize,
    sanitizeResources: sanitize,
    fn: () => run(body, deadline),
  });
}

/** The body of a {@linkcode test}. */
export async function run(
  body: (scope: AsyncDisposableStack) => Promise<void> | void,
  deadline: number = DEADLINE,
): Promise<void> {
  const scope = new AsyncDisposableStack();
  const running = Promise.try(() => body(scope));
  // What went wrong first is what the test says.
  const errors: unknown[] = [];
  const note = (error: unknown) => void errors.push(error);
  await within(running, "the test", deadline).catch(note);
  await within(scope.disposeAsync(), "the end of the test's scope", deadline).catch(note);
  await within(running.catch(ignore), "the test, though its scope has ended,", deadline).catch(
    note,
  );
  if (errors.length > 0) throw errors[0];
}

/** Rejects if `promise` has not settled when `ms` have passed. */
export async function within<T>(promise: Promise<T>, what: string, ms = DEADLINE): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`Hung: ${what} did not end in ${ms} ms`)), ms);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Lets everything run that is ready to, timers of 0 ms and messages included. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Waits until `condition` holds. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  ms = DEADLINE / 2,
): Promise<void> {
  const deadline = performance.now() + ms;
  while (!await condition()) {
    if (performance.now() > deadline) throw new Error(`Hung: not in ${ms} ms: ${what}`);
    await turn();
  }
}

/** What `promise` was rejected with. It may be rejected before anybody asks. */
export function failure(promise: Promise<unknown>): Promise<unknown> {
  const error = promise.then(
    (value) => fail(`It should have failed, and gave ${Deno.inspect(value)}`),
    (error) => error,
  );
  error.catch(ignore);
  return error;
}

/** A pattern for the stack of an error that names a function, and the module with this URL. */
export function lineOf(caller: string, url: string): RegExp {
  const module = url.slice(url.lastIndexOf("/") + 1).replace(".", "\\.");
  return new RegExp(`${caller}.*${module}`);
}

/** Of which errors this platform names the caller that awaits them. */
export async function namedCallers(): Promise<
  Record<"afterAwait" | "ofThenable" | "ofDOMException", boolean>
> {
  const fails = async () => {
    await null;
    throw new Error();
  };
  const thenable = {
    then: (_: unknown, reject: (error: Error) => void) => reject(new Error()),
  } as PromiseLike<never>;
  const names = async (fail: () => PromiseLike<never>) => {
    const thisVeryCaller = async () => {
      await fail();
    };
    const { stack = "" } = await thisVeryCaller().catch((error) => error);
    return stack.includes("thisVeryCaller");
  };
  return {
    afterAwait: await names(fails),
    ofThenable: await names(() => thenable),
    ofDOMException: new DOMException().stack !== undefined,
  };
}

/** Marks `promise` as handled: it may be rejected before anybody awaits it. */
export function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore);
  return promise;
}

/** Gathers the rejections that nobody has handled, in place of the test runner. */
export class UnhandledRejections implements Disposable {
  readonly reasons: unknown[] = [];
  readonly #onEvent = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    this.#onReason(event.reason);
  };
  readonly #onReason = (reason: unknown) => void this.reasons.push(reason);
  /** Node and Bun have no such event. */
  readonly #process = nodeProcess();

  constructor() {
    if (this.#process !== undefined) this.#process.on("unhandledRejection", this.#onReason);
    else globalThis.addEventListener("unhandledrejection", this.#onEvent);
  }

  [Symbol.dispose](): void {
    if (this.#process !== undefined) this.#process.off("unhandledRejection", this.#onReason);
    else globalThis.removeEventListener("unhandledrejection", this.#onEvent);
  }
}

/** A controller whose signal counts its listeners. */
export class CountingController extends AbortController {
  readonly #listeners = new Set<unknown>();
  /** How many listeners have ever been added. */
  added = 0;

  constructor() {
    super();
    const { signal } = this;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (type: string, listener: EventListenerOrEventListenerObject) => {
      this.#listeners.add(listener);
      this.added++;
      add(type, listener);
    };
    signal.removeEventListener = (type: string, listener: EventListenerOrEventListenerObject) => {
      this.#listeners.delete(listener);
      remove(type, listener);
    };
  }

  get listeners(): number {
    return this.#listeners.size;
  }
}
