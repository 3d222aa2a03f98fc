// Copyright 2026 the Rendezvous authors. MIT license.

// What the tests use of Deno and of newer platforms, for all of them. The bundler imports these names into each module of
// the tests, in place of the global ones. The library gets none of it: it must do with what there is.

import { withResolvers } from "../../_common/platform.ts";

const platform = globalThis as unknown as Record<string, never> & {
  process?: { getBuiltinModule?(name: string): { inspect?(value: unknown): string } };
};

/** A test that waits to be run. */
export interface Test {
  name: string;
  ignore?: boolean;
  fn(): Promise<void> | void;
}

/** The tests of the modules that were loaded, and what is to be done after all of them. */
export const tests: Test[] = [];
export const afterAll: (() => unknown)[] = [];

/** How a value is shown. */
export function inspect(value: unknown): string {
  const node = platform.process?.getBuiltinModule?.("node:util");
  if (node?.inspect !== undefined) return node.inspect(value);
  if (Array.isArray(value)) return `[ ${value.map(inspect).join(", ")} ]`;
  const custom = Object(value)[globalThis.Symbol.for("nodejs.util.inspect.custom")];
  return custom === undefined ? `${value}` : custom.call(value);
}

/** `Deno`, as far as the tests use it. */
const DenoShim = {
  test: Object.assign((test: Test | string, fn?: Test["fn"]) => {
    tests.push(typeof test === "string" ? { name: test, fn: fn! } : test);
  }, { afterAll: (fn: () => unknown) => void afterAll.push(fn) }),
  inspect,
};

/** `Promise`, with what Node 20 and 22 lack. */
const PromiseShim = class<T> extends globalThis.Promise<T> {};
Object.assign(PromiseShim, {
  try: (fn: () => unknown) => new globalThis.Promise((resolve) => resolve(fn())),
  withResolvers,
});

/** `Symbol`, with what WebKit lacks. */
const SymbolShim = new Proxy(globalThis.Symbol, {
  get: (symbol, key) => Reflect.get(symbol, key) ?? symbol.for(`Symbol.${String(key)}`),
});

/** `AsyncDisposableStack`, which Node 20 and WebKit lack. */
const StackShim = platform.AsyncDisposableStack ?? class {
  readonly #disposals: (() => unknown)[] = [];
  use<T>(value: T & Record<symbol, () => unknown>): T {
    const dispose = value[SymbolShim.asyncDispose] ?? value[SymbolShim.dispose];
    this.defer(() => dispose!.call(value));
    return value;
  }
  defer(dispose: () => unknown): void {
    this.#disposals.push(dispose);
  }
  async disposeAsync(): Promise<void> {
    const errors: unknown[] = [];
    for (const dispose of this.#disposals.splice(0).reverse()) {
      try {
        await dispose();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
};

export {
  DenoShim as Deno,
  PromiseShim as Promise,
  StackShim as AsyncDisposableStack,
  SymbolShim as Symbol,
};
