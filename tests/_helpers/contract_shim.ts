// Copyright 2026 the Rendezvous authors. MIT license.

/*
 * What the tests of the contract use and Node or Bun lack. esbuild puts it in the place of the globals of the same names.
 * The library must do without: `_actor.ts` has none of it.
 */

import process from "node:process";
import { inspect } from "node:util";

const tests: { name: string; fn: () => Promise<void> }[] = [];

/** Runs the tests one after the other, and writes a line of JSON for each. Nothing may keep the process alive after. */
async function runAll(): Promise<void> {
  for (const { name, fn } of tests) {
    let error: string | undefined;
    try {
      await fn();
    } catch (thrown) {
      error = inspect(thrown);
    }
    process.stdout.write(JSON.stringify({ name, error }) + "\n");
  }
}

/** The part of `Deno` that the tests use. */
export const Deno = {
  inspect,
  test(test: { name: string; ignore?: boolean; fn: () => Promise<void> }): void {
    if (test.ignore) return;
    tests.push(test);
    if (tests.length === 1) setTimeout(runAll, 0);
  },
};

/** As the standard has it, as far as the tests need it. */
class Stack {
  #last: (() => unknown)[] = [];

  use<T extends AsyncDisposable | Disposable>(value: T): T {
    this.defer(() =>
      Symbol.asyncDispose in value ? value[Symbol.asyncDispose]() : value[Symbol.dispose]()
    );
    return value;
  }

  defer(dispose: () => unknown): void {
    this.#last.push(dispose);
  }

  async disposeAsync(): Promise<void> {
    for (const dispose of this.#last.splice(0).reverse()) await dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.disposeAsync();
  }
}

export { Stack as AsyncDisposableStack };

/** Node and Bun tell of unhandled rejections in their own way. */
const listeners = new Map<unknown, (reason: unknown) => void>();
globalThis.addEventListener = ((type: string, listener: (event: unknown) => void) => {
  const tell = (reason: unknown) => listener({ reason, preventDefault() {} });
  listeners.set(listener, tell);
  process.on(type === "unhandledrejection" ? "unhandledRejection" : type, tell);
}) as typeof addEventListener;
globalThis.removeEventListener = ((type: string, listener: unknown) => {
  process.off(
    type === "unhandledrejection" ? "unhandledRejection" : type,
    listeners.get(listener)!,
  );
}) as typeof removeEventListener;

Promise.try ??=
  (async (body: (...args: unknown[]) => unknown, ...args: unknown[]) =>
    await body(...args)) as typeof Promise.try;

Promise.withResolvers ??= function <T>() {
  let resolve!: PromiseWithResolvers<T>["resolve"];
  let reject!: PromiseWithResolvers<T>["reject"];
  const promise = new Promise<T>((...both) => [resolve, reject] = both);
  return { promise, resolve, reject };
};
