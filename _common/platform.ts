// Copyright 2026 the Rendezvous authors. MIT license.

/*
 * What differs between the runtimes that all reaches run on. Functions, so that a bundler leaves out what nobody calls.
 *
 * Of ECMAScript 2024 the library uses what Node 20 has. What some runtime lacks is asked for where it is used:
 * `Atomics.pause` in spin.ts, `Atomics.waitAsync` and Web Locks in locks.ts.
 */

/** What is used of `process`. */
interface NodeProcess {
  getBuiltinModule(name: string): unknown;
  on(event: string, listener: (value: unknown) => void): unknown;
  prependListener(event: string, listener: (value: unknown) => void): unknown;
  off(event: string, listener: (value: unknown) => void): unknown;
}

/** The process of Node and Bun. Deno has one too, but goes the way of browsers here. */
export function nodeProcess(): NodeProcess | undefined {
  const { process } = globalThis as { process?: Partial<NodeProcess> };
  const isNode = !("Deno" in globalThis) && typeof process?.getBuiltinModule === "function";
  return isNode ? process as NodeProcess : undefined;
}

/** A module of Node and Bun, by no import that a browser would have to resolve. */
export function nodeModule<Module>(name: string): Partial<Module> {
  return (nodeProcess()?.getBuiltinModule(name) ?? {}) as Partial<Module>;
}

/** `Symbol.dispose`. Where that is missing (WebKit), compilers that lower `using` look for this one. */
export const dispose: typeof Symbol.dispose = Symbol.dispose ?? Symbol.for("Symbol.dispose");

/** How many hardware threads there are. Node 20 has no `navigator`. */
export function hardwareThreads(): number {
  return globalThis.navigator?.hardwareConcurrency ??
    nodeModule<{ availableParallelism(): number }>("node:os").availableParallelism?.() ?? 1;
}

let mayBlockHere: boolean | undefined;

/** Whether this thread may sleep: the main thread of a page may not. */
export function mayBlock(): boolean {
  if (mayBlockHere === undefined) {
    try {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0);
      mayBlockHere = true;
    } catch {
      mayBlockHere = false;
    }
  }
  return mayBlockHere;
}

/** `Promise.withResolvers`, which Node 20 lacks. */
export function withResolvers<T>(): {
  promise: Promise<T>;
  resolve: (value: T | PromiseLike<T>) => void;
  reject: (error: unknown) => void;
} {
  let resolve!: (value: T | PromiseLike<T>) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((resolved, rejected) => {
    resolve = resolved;
    reject = rejected;
  });
  return { promise, resolve, reject };
}
