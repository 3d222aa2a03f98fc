// Copyright 2026 the Rendezvous authors. MIT license.

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { BrokenBarrierError } from "../mod.ts";
import { CountingController } from "./_harness.ts";
import type { ModelOptions, Ticket, Wish } from "./_model.ts";

/**
 * `BARRIER_RUNS` random programs, and those of `BARRIER_SEED`: a failure prints its seed. The usual run is the same
 * each time; another seed is another search.
 */
export function parameters<T>(runs: number): fc.Parameters<T> {
  return {
    numRuns: Number(Deno.env.get("BARRIER_RUNS") ?? runs),
    seed: Number(Deno.env.get("BARRIER_SEED") ?? 1),
  };
}

export type SignalWish = "new" | "again" | "aborted";

export interface RandomWish {
  timeout?: number;
  /** A signal of its own, the one that was used last, or one that has aborted. */
  signal?: SignalWish;
  onCancel?: "break" | "withdraw";
}

/** What somebody does. */
export type Operation =
  | { do: "wait"; wish: RandomWish | undefined }
  | { do: "arrive" | "drop" | "reset" }
  | { do: "watch"; ahead: number; wish: RandomWish }
  | { do: "cancel"; which: number }
  | { do: "register"; count: number }
  | { do: "abort"; why: boolean };

/** What happens. */
export type Happening =
  | { do: "tick"; ms: number }
  /** The action that runs ends. */
  | { do: "end"; throws: boolean };

const optional = { requiredKeys: [] } as { requiredKeys: [] };
const timeouts = fc.constantFrom(0, 10, 20, 30, Infinity);
const signals = fc.constantFrom<SignalWish[]>("new", "new", "new", "again", "aborted");

const operations = {
  wait: fc.record({
    do: fc.constant("wait" as const),
    wish: fc.option(
      fc.record({
        timeout: timeouts,
        signal: signals,
        onCancel: fc.constantFrom("break" as const, "withdraw" as const),
      }, optional),
      { nil: undefined, freq: 2 },
    ),
  }),
  arrive: fc.constant({ do: "arrive" as const }),
  drop: fc.constant({ do: "drop" as const }),
  reset: fc.constant({ do: "reset" as const }),
  watch: fc.record({
    do: fc.constant("watch" as const),
    ahead: fc.integer({ min: -1, max: 2 }),
    wish: fc.record({ timeout: timeouts, signal: signals }, optional),
  }),
  cancel: fc.record({ do: fc.constant("cancel" as const), which: fc.nat(9) }),
  register: fc.record({
    do: fc.constant("register" as const),
    count: fc.integer({ min: 1, max: 2 }),
  }),
  abort: fc.record({ do: fc.constant("abort" as const), why: fc.boolean() }),
};

/** Most of what is done is waiting, so that phases complete. */
export const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 10, arbitrary: operations.wait },
  { weight: 4, arbitrary: operations.arrive },
  { weight: 1, arbitrary: operations.drop },
  { weight: 3, arbitrary: operations.reset },
  { weight: 3, arbitrary: operations.watch },
  { weight: 4, arbitrary: operations.cancel },
  { weight: 1, arbitrary: operations.register },
  { weight: 1, arbitrary: operations.abort },
);

export const happening: fc.Arbitrary<Happening> = fc.oneof(
  fc.record({ do: fc.constant("tick" as const), ms: fc.constantFrom(0, 5, 10, 20) }),
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("end" as const),
      throws: fc.constantFrom(false, false, true),
    }),
  },
);

type Does = "returns" | "runs" | "throws";

/** How to make a barrier. The action does the things in turn; without any there is no action. */
export interface Setting {
  parties: number;
  timeout?: number;
  action: readonly Does[];
}

const does = fc.constantFrom<Does[]>("runs", "returns", "throws");

export const setting: fc.Arbitrary<Setting> = fc.record({
  parties: fc.constantFrom(1, 2, 2, 3, 3, 4, 5),
  timeout: fc.constantFrom(10, 25),
  action: fc.oneof(
    fc.constant([]),
    fc.constant(["runs" as const]),
    fc.array(does, { minLength: 1, maxLength: 4 }),
  ),
}, { requiredKeys: ["parties", "action"] });

/** The action of a {@linkcode Setting}, for the barrier and for its model. */
export class Action {
  readonly #does: readonly Does[];
  readonly #know: (value: unknown, name: string) => void;
  /** Those that were started, and what ends the ones that run on. */
  readonly runs: PromiseWithResolvers<void>[] = [];
  #modelled = 0;

  constructor(does: readonly Does[], know: (value: unknown, name: string) => void) {
    this.#does = does;
    this.#know = know;
  }

  readonly real = (): Promise<void> | void => {
    const index = this.runs.push(Promise.withResolvers()) - 1;
    const does = this.#at(index);
    if (does === "throws") throw this.#error(index);
    if (does === "runs") return this.runs[index]!.promise;
  };

  readonly model: NonNullable<ModelOptions["action"]> = () => {
    const index = this.#modelled++;
    const does = this.#at(index);
    return does === "throws" ? `action ${index}` : does;
  };

  /** Ends the run that was started last, and names what it threw. */
  end(throws: boolean): string | undefined {
    const index = this.runs.length - 1;
    if (!throws) return void this.runs[index]!.resolve();
    this.runs[index]!.reject(this.#error(index));
    return `action ${index}`;
  }

  #at(index: number): Does {
    return this.#does[index % this.#does.length]!;
  }

  #error(index: number): Error {
    const error = new Error(`action ${index}`);
    this.#know(error, error.message);
    return error;
  }
}

/** The options of a barrier and of its model. */
export function optionsOf({ parties, timeout, action }: Setting, act: Action) {
  const common = timeout === undefined ? {} : { timeout };
  const acts = action.length > 0;
  return {
    real: { ...common, ...(acts && { action: act.real }) },
    model: { ...common, parties, ...(acts && { action: act.model }) },
  };
}

/** The values whose identity matters, by names that stand for them. */
export class Names {
  readonly #names = new Map<unknown, string>();
  /** Whether values cross a wire, and only their text arrives. */
  readonly #texts: boolean;
  #last = 0;

  constructor({ texts = false } = {}) {
    this.#texts = texts;
  }

  readonly know = (value: unknown, name: string): void => void this.#names.set(value, name);

  /** A new error and its name. */
  make(kind: string): [Error, string] {
    const error = new Error(`${kind} ${++this.#last}`);
    this.know(error, error.message);
    return [error, error.message];
  }

  of(value: unknown): string {
    const name = this.#names.get(value);
    if (name !== undefined) return name;
    const text = value instanceof Error ? value.message : value;
    const known = this.#texts && [...this.#names.values()].includes(String(text));
    return known ? String(text) : `strange ${Deno.inspect(value)}`;
  }

  /** What became of somebody, in the words of the model. */
  judge(error: unknown): string {
    if (error instanceof BrokenBarrierError) {
      const { reason, phase, cause, message } = error;
      let by = "";
      if (reason === "lost") by = ` by ${/"lost" \("(.*?)" is gone\)/.exec(message)?.[1]}`;
      else if (cause !== undefined) by = ` by ${this.of(cause)}`;
      // The contract promises a cause for an abort and for an action that throws, and no more.
      if (by.startsWith(" by signal ")) by = "";
      return `broken: ${reason}${by}, phase ${phase}`;
    }
    if (error instanceof DOMException) return error.name;
    if (error instanceof RangeError) return "RangeError";
    return `throws ${this.of(error)}`;
  }
}

/** All who were ever asked for something, each beside what the model says of it. */
export class Ledger {
  readonly #names: Names;
  #entries: { what: string; ticket: Ticket; real?: string }[] = [];

  constructor(names: Names) {
    this.#names = names;
  }

  enter(what: string, ticket: Ticket, real: Promise<unknown>): void {
    const entry: { what: string; ticket: Ticket; real?: string } = { what, ticket };
    this.#entries.push(entry);
    real.then(
      (value) => void (entry.real = `gives ${value}`),
      (error) => void (entry.real = this.#names.judge(error)),
    );
  }

  /** Compares all that has not been found equal and settled. */
  check(): void {
    for (const { what, ticket, real = "pending" } of this.#entries) {
      const expected = ticket.outcome ?? "pending";
      const agrees = expected === "broken" ? real.startsWith("broken: ") : real === expected;
      if (!agrees) assertEquals(`${what}: ${real}`, `${what}: ${expected}`);
    }
    this.#entries = this.#entries.filter(({ real }) => real === undefined);
  }
}

/** The signals of a program, by the names that their reasons have. */
export class Signals {
  readonly #names: Names;
  readonly #controllers: { controller: CountingController; reason: Error; name: string }[] = [];

  constructor(names: Names) {
    this.#names = names;
  }

  /** A wish as the barrier takes it, and as its model does. */
  grant(wish: RandomWish): { real: Omit<Wish, "signal"> & { signal?: AbortSignal }; model: Wish } {
    const { signal, ...rest } = wish;
    if (signal === undefined) return { real: rest, model: rest };
    const last = this.#controllers.at(-1);
    const { controller, reason, name } = signal === "again" && last ? last : this.#make();
    if (signal === "aborted") controller.abort(reason);
    return { real: { ...rest, signal: controller.signal }, model: { ...rest, signal: name } };
  }

  #make() {
    const [reason, name] = this.#names.make("signal");
    const made = { controller: new CountingController(), reason, name };
    this.#controllers.push(made);
    return made;
  }

  /** Aborts one, and gives its name. The latest come first: they are more likely to be in use. */
  abort(which: number): string | undefined {
    const chosen = this.#controllers.at(-1 - which % this.#controllers.length);
    chosen?.controller.abort(chosen.reason);
    return chosen?.name;
  }

  /** The names of those that have aborted. */
  get aborted(): string[] {
    return this.#controllers.filter(({ controller }) => controller.signal.aborted)
      .map(({ name }) => name);
  }

  /** How many listeners each has. */
  get listeners(): Record<string, number> {
    return Object.fromEntries(
      this.#controllers.map(({ controller, name }) => [name, controller.listeners]),
    );
  }
}

/** Lets all run that is ready to, but no timer and no event. */
export async function microtasks(): Promise<void> {
  for (let i = 0; i < 32; i++) await null;
}
