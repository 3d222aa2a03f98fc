// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * A party whose every atomic operation asks for leave. The library runs as it is shipped: what it takes
 * for the global `Atomics` and for `performance.now` is replaced, before it is imported, by a likeness
 * that hands each operation to the party that performs, and is the real thing when none does.
 *
 * @module
 */

import type { Barrier, BlockingWaitOptions, BlockingWatchOptions } from "../barrier.ts";
import type { Scenario } from "./_explorer_scenarios.ts";

/** The library, or a mutant of it. */
export type Library = typeof import("../barrier.ts");

/** An operation that a party is about to do. */
export interface Op {
  kind: "load" | "store" | "add" | "sub" | "compareExchange" | "wait" | "notify" | "now" | "after";
  word: number;
  value: number;
  expected?: number;
  /** Whether a wait may time out. */
  timed?: boolean;
}

/** What an operation gives. */
export type Result = number | "ok" | "not-equal" | "timed-out" | "done";

/** How a call of a party ended. */
export interface Entry {
  phase: number;
  /** Its number, or why it did not pass. */
  outcome: number | string;
  /** How many resets there had been when it arrived or was refused, as far as their bits hold it. */
  epoch: number | undefined;
  /** Whether it arrived. */
  arrived: boolean;
  /** Whether there had been two more, or more, when it looked last. */
  overslept: boolean;
}

/** Where a party stands: all of it follows from its program and the results it got. */
export interface Standing {
  /** In how many phases it has arrived; `ALWAYS` if the others need not wait for it. */
  entered: number;
  /** The same once it has arrived. */
  entering: number;
  /** How many phases it knows to have passed: the number of the phase it is in. */
  passed: number;
  /** How many actions it ran, and whether it runs one. */
  acted: number;
  acting: boolean;
  /** How many calls it began; what follows is of the current one. */
  calls: number;
  log: Entry[];
  /** How many operations it has done. */
  ops: number;
  /** When it is, in ms. Each party has its own clock, as no deadline is compared with another's. */
  clock: number;
  /** Whether it has fixed a deadline, so that it may be late. */
  timing: boolean;
  /** How many resets there had been when it arrived. */
  epoch: number | undefined;
  /** How many there had been when it looked first, and when it looked last. */
  first: number | undefined;
  last: number | undefined;
}

/** What a party wants to do next, nothing if it is done, and where it stands. */
export interface Ask {
  op: Op | undefined;
  standing: Standing;
}

/** More phases than there are: nobody has to wait for this party. */
export const ALWAYS = 1e9;

/** How much later it is when a party's time has run out: more than any timeout of a scenario. */
export const LATE = 1_000;

/** Thrown by an operation that gets no leave. It unwinds the party, for every later one throws it too. */
export const SUSPENDED: unique symbol = Symbol("suspended");

/** The atomics of the platform, for those who run the parties. */
export const real = globalThis.Atomics;

let performing: Party | undefined;

/** Replaces the globals, once, and imports the library from `url` so that it does not spin. */
export async function load(url: string): Promise<Library> {
  if (globalThis.Atomics === real) install();
  const hardware = Object.getOwnPropertyDescriptor(navigator, "hardwareConcurrency");
  Object.defineProperty(navigator, "hardwareConcurrency", { value: 1, configurable: true });
  try {
    return await import(url);
  } finally {
    if (hardware) Object.defineProperty(navigator, "hardwareConcurrency", hardware);
    else Reflect.deleteProperty(navigator, "hardwareConcurrency");
  }
}

/**
 * What the operations return whose results the library ignores: they need not be told apart then. Should
 * it come to use one, this throws.
 */
const UNUSED = {
  [Symbol.toPrimitive](): never {
    throw new Error("Cannot use this result as the explorer must know it");
  },
};

function install(): void {
  type Words = Int32Array<SharedArrayBuffer>;
  function gated<Rest extends unknown[]>(
    kind: Exclude<Op["kind"], "now" | "after">,
    opOf: (...rest: Rest) => Omit<Op, "kind" | "word">,
  ) {
    return (words: Words, word: number, ...rest: Rest): unknown => {
      // The probe whether this thread may block has memory of its own.
      if (!performing?.owns(words)) {
        return (real[kind] as (...args: unknown[]) => Result)(words, word, ...rest);
      }
      const result = performing.perform({ kind, word, ...opOf(...rest) });
      return result === "done" ? UNUSED : result;
    };
  }
  const now = performance.now.bind(performance);
  performance.now = () =>
    performing?.perform({ kind: "now", word: -1, value: 0 }) as number ?? now();
  const likeness = {
    load: gated("load", () => ({ value: 0 })),
    store: gated("store", (value: number) => ({ value })),
    add: gated("add", (value: number) => ({ value })),
    sub: gated("sub", (value: number) => ({ value })),
    compareExchange: gated(
      "compareExchange",
      (expected: number, value: number) => ({ value, expected }),
    ),
    wait: gated("wait", (value: number, timeout: number = Infinity) => ({
      value,
      timed: timeout < Infinity,
    })),
    notify: gated("notify", (count: number = ALWAYS) => ({ value: count })),
  };
  globalThis.Atomics = Object.assign(Object.create(real), likeness);
}

export interface PartyOptions {
  /** Which of the programs it performs. */
  index: number;
  /** The memory of the barrier. */
  buffer: SharedArrayBuffer;
  /** The bits of word 0 that count the resets. */
  resetBits: number;
  /** Gets leave for an operation, or throws `SUSPENDED`. */
  ask: (op: Op) => Result;
}

/**
 * A party, for the program that it performs. A call says how it ended instead of throwing.
 *
 * Each call has a handle of its own. So nothing outlives a call but where the party stands, and a party is
 * the same whatever results the calls before gave, if they ended alike.
 */
export class Party {
  readonly standing: Standing;
  readonly #library: Library;
  readonly #scenario: Scenario;
  readonly #index: number;
  readonly #buffer: SharedArrayBuffer;
  readonly #resetBits: number;
  readonly #ask: (op: Op) => Result;

  constructor(
    library: Library,
    scenario: Scenario,
    { index, buffer, resetBits, ask }: PartyOptions,
  ) {
    this.#library = library;
    this.#scenario = scenario;
    this.#index = index;
    this.#buffer = buffer;
    this.#resetBits = resetBits;
    this.#ask = ask;
    const passed = scenario.phases ?? 0;
    const entered = index < scenario.parties ? passed : ALWAYS;
    const call = {
      ops: 0,
      clock: 0,
      timing: false,
      epoch: undefined,
      first: undefined,
      last: undefined,
    };
    this.standing = {
      entered,
      entering: entered,
      passed,
      acted: 0,
      acting: false,
      calls: 0,
      log: [],
      ...call,
    };
  }

  /** Runs the program to its end, or until an operation gets no leave. */
  play(): void {
    performing = this;
    try {
      this.#scenario.programs[this.#index]!(this);
      this.#begin();
    } catch (error) {
      if (error !== SUSPENDED) throw error;
    } finally {
      performing = undefined;
    }
  }

  owns(words: Int32Array): boolean {
    return words.buffer === this.#buffer;
  }

  perform(op: Op): Result {
    const result = this.#ask(op);
    const { standing } = this;
    standing.ops++;
    if (op.kind === "now") {
      standing.clock = result as number;
      standing.timing = true;
    } else if (result === "timed-out") {
      standing.clock += LATE;
    } else if (op.kind === "load" && op.word === 0) {
      standing.last = this.#epochOf(result as number);
      standing.first ??= standing.last;
    } else if (op.word === 0 && result === op.expected && standing.epoch === undefined) {
      // Of the exchanges of a call, the first that succeeds is the arrival.
      standing.epoch = this.#epochOf(op.expected as number);
      standing.entered = standing.entering;
    }
    return result;
  }

  wait(options?: BlockingWaitOptions): number | string {
    return this.#call(this.standing.entered + 1, (barrier) => {
      const number = barrier.wait(options);
      this.standing.passed++;
      return number;
    }, options?.onCancel === "withdraw" ? "withdrawn" : "TimeoutError");
  }

  /** Waits for the phase that it is in without arriving in it. */
  watch(options?: BlockingWatchOptions): number | string {
    return this.#call(this.standing.entered, (barrier) => {
      barrier.waitFor(this.standing.passed, options);
      this.standing.passed++;
      return "passed";
    }, "late");
  }

  arrive(): number | string {
    return this.#call(this.standing.entered + 1, (barrier) => {
      const phase = barrier.arrive();
      return phase === this.standing.entered - 1 ? "arrived" : `arrived in phase ${phase}`;
    });
  }

  drop(): number | string {
    return this.#call(ALWAYS, (barrier) => {
      const phase = barrier.arriveAndDrop();
      return phase === this.standing.passed ? "dropped" : `dropped in phase ${phase}`;
    });
  }

  /** Becomes a party, and returns the phase that it is in. */
  register(): number {
    const phase = this.#begin().register();
    return this.standing.entered = this.standing.entering = this.standing.passed = phase;
  }

  abort(): void {
    this.#begin().abort();
  }

  reset(): void {
    this.#begin().reset();
  }

  dispose(): void {
    this.#begin()[Symbol.dispose]();
  }

  /** Reads the phase of the barrier: for one that is no party. */
  look(): void {
    const { standing } = this;
    this.#call(standing.entered, (barrier) => {
      const { phase } = barrier;
      if (phase < standing.passed) return `phase ${phase} after phase ${standing.passed}`;
      standing.passed = phase;
      return "looked";
    });
  }

  /** Stands still until another party is done, or has arrived in so many phases. */
  after(party: number, entered: number = Number.MAX_SAFE_INTEGER): void {
    this.#begin();
    this.perform({ kind: "after", word: party, value: entered });
  }

  #begin(): Barrier {
    const call = {
      ops: 0,
      clock: 0,
      timing: false,
      epoch: undefined,
      first: undefined,
      last: undefined,
    };
    Object.assign(this.standing, call);
    this.standing.calls++;
    const action = () => this.#act();
    const options = this.#scenario.action === undefined ? {} : { action };
    performing = undefined;
    try {
      return this.#library.Barrier.from(this.#buffer, options);
    } finally {
      performing = this;
    }
  }

  #call(
    entering: number,
    call: (barrier: Barrier) => number | string,
    timeout: string = "TimeoutError",
  ): number | string {
    const { standing } = this;
    const { entered, passed } = standing;
    const barrier = this.#begin();
    standing.entering = entering;
    let outcome;
    try {
      outcome = call(barrier);
    } catch (error) {
      if (error === SUSPENDED) throw error;
      standing.entered = standing.entering = entered;
      outcome = outcomeOf(error, passed, timeout);
    }
    const { first, last, epoch = first === last ? last : undefined } = standing;
    const overslept = epoch !== undefined && (last! - epoch & this.#epochOf(-1)) > 1;
    // What was looked at is the phase seen.
    const phase = outcome === "looked" ? standing.passed : passed;
    standing.log.push({ phase, outcome, epoch, arrived: standing.epoch !== undefined, overslept });
    return outcome;
  }

  /** How many resets there had been, as far as their bits hold it. */
  #epochOf(state: number): number {
    const lowest = 31 - Math.clz32(this.#resetBits & -this.#resetBits);
    return (state & this.#resetBits) >>> lowest;
  }

  #act(): void {
    if (this.#scenario.action === "throws" && this.#index === 0) throw new Error("thrown");
    this.standing.acting = true;
    // Others may do something before it has an effect.
    this.perform({ kind: "after", word: -1, value: 0 });
    this.standing.acting = false;
    this.standing.acted++;
  }
}

function outcomeOf(error: unknown, phase: number, timeout: string): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return timeout;
  if (error.name !== "BrokenBarrierError") return error.message;
  const broken = error as InstanceType<Library["BrokenBarrierError"]>;
  return broken.phase === phase ? broken.reason : `${broken.reason} in phase ${broken.phase}`;
}
