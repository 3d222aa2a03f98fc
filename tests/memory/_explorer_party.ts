// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * A thread of the explorer: it runs a program with the real code of `_memory/`, and every operation on shared memory
 * asks for leave. `SharedBarrier` gets views of its memory that hand each operation to the thread that performs, and
 * the global `Atomics` knows these views.
 *
 * @module
 */

import type { Seat } from "../../_memory/seats.ts";
import { arrivalPhase, decode } from "./_model.ts";

/** The code under test, or a mutant of it. */
export interface Library {
  layout: typeof import("../../_memory/layout.ts");
  shared: typeof import("../../_memory/shared_barrier.ts");
  party: typeof import("../../_memory/shared_party.ts");
}

type Shared = InstanceType<Library["shared"]["SharedBarrier"]>;
type Memory = ReturnType<Library["layout"]["BarrierMemory"]["initialize"]>;

/** A value in memory: a word, a long, or a text of bytes. */
export type Value = number | bigint | string;

/** An operation that a thread is about to do. */
export interface Op {
  kind: "load" | "store" | "add" | "exchange" | "wait" | "notify" | "after" | "atomically";
  /** Where: words from 0, longs from LONGS, texts from BYTES. */
  place: number;
  value: Value;
  expected?: Value;
  /** For `wait`: whether it may time out. */
  timed?: boolean;
  /** For `atomically`: what is done in one step. */
  act?: (barrier: Shared) => void;
}

export const LONGS = 1_000_000;
export const BYTES = 2_000_000;
/** The place of the state, for all who look at it in whichever way. */
export const STATE = LONGS;

/** What an operation gives. */
export type Result = Value | "ok" | "not-equal" | "timed-out" | "done";

/** How a call of a thread ended. All that the thread knows later is in its entries. */
export interface Entry {
  call: Call["kind"];
  /** The phase of its arrival, or the one that it asked for. */
  phase: number | undefined;
  /** The open phase when it looked first: from there on it waits. */
  from: number | undefined;
  /** What it returned, or "timeout", "withdrawn", "broken", "forgotten", "state", or a message. */
  outcome: string;
  /** Its number, of a wait that passed. */
  index?: number;
  seat?: Seat;
  /** Of a broken barrier. */
  error?: {
    reason: string;
    phase: number;
    party: string | undefined;
    arrived: number;
    parties: number;
    missing: readonly string[];
  };
}

/** A call that runs. */
export interface Call {
  kind:
    | "wait"
    | "arrive"
    | "drop"
    | "waitFor"
    | "abort"
    | "reset"
    | "register"
    | "close"
    | "lose"
    | "join"
    | "expect"
    | "action"
    | "pass"
    | "fail"
    | "end"
    | "look"
    | "after"
    | "atomically";
  phase: number | undefined;
  from: number | undefined;
  /** Whether it has arrived, and whether it has taken that back. */
  arrived: boolean;
  withdrawn: boolean;
  ops: number;
  /** Of a registration: the first phase in which the new parties can arrive. */
  joins: number | undefined;
  /** After how many operations it changed the state last. */
  exchangedAt: number;
}

/** Where a thread stands: all of it follows from its program and the results it got. */
export interface Standing {
  log: readonly Entry[];
  call: Call;
  /** The seat that it joined with. */
  seat: Seat | undefined;
  /** Whether it is a thread that runs actions for ever, and so may sleep at the end. */
  serving: boolean;
}

export interface Ask {
  op: Op | undefined;
  standing: Standing;
}

/** How much later it is when the time of a thread has run out. */
const LATE = 1e6;

/** Thrown by an operation that gets no leave. Every later one throws it too, so the program unwinds. */
export const SUSPENDED: unique symbol = Symbol("suspended");

const real = globalThis.Atomics;
let performing: Thread | undefined;
let hooked: { words: Int32Array; longs: BigInt64Array } | undefined;
/** Is told of every exchange of the state in real memory. */
let onExchange: ((before: bigint, after: bigint) => void) | undefined;

/** Imports the code so that it does not spin, and replaces the globals. */
export async function load(root: string): Promise<Library> {
  if (globalThis.Atomics === real) install();
  const hardware = Object.getOwnPropertyDescriptor(navigator, "hardwareConcurrency");
  Object.defineProperty(navigator, "hardwareConcurrency", { value: 0, configurable: true });
  try {
    const [layout, shared, party] = await Promise.all([
      import(`${root}_memory/layout.ts`),
      import(`${root}_memory/shared_barrier.ts`),
      import(`${root}_memory/shared_party.ts`),
    ]);
    return { layout, shared, party };
  } finally {
    if (hardware) Object.defineProperty(navigator, "hardwareConcurrency", hardware);
    else Reflect.deleteProperty(navigator, "hardwareConcurrency");
  }
}

function install(): void {
  const placeOf = (array: unknown, index: number) =>
    array === hooked?.words ? index : array === hooked?.longs ? LONGS + index : undefined;
  // deno-lint-ignore no-explicit-any
  type Any = any;
  function gated(kind: Op["kind"], name: keyof Atomics = kind as keyof Atomics) {
    return (array: unknown, index: number, ...rest: Value[]): Any => {
      const place = placeOf(array, index);
      if (place !== undefined) {
        const value = rest.at(-1) ?? 0;
        return performing!.perform(
          kind === "exchange" ? { kind, place, value, expected: rest[0]! } : { kind, place, value },
        );
      }
      const result = (real as Any)[name](array, index, ...rest);
      const exchanged = kind === "exchange" && array instanceof BigInt64Array && index === 0 &&
        result === rest[0];
      if (exchanged) onExchange?.(rest[0] as bigint, rest[1] as bigint);
      return result;
    };
  }
  globalThis.Atomics = Object.assign(Object.create(real), {
    load: gated("load"),
    store: gated("store"),
    add: gated("add"),
    compareExchange: gated("exchange", "compareExchange"),
  });
  // Time goes on by itself only in so far as nobody waits for a note for ever. Timeouts are far longer.
  const now = performance.now.bind(performance);
  performance.now = () => performing === undefined ? now() : performing.clock += 2;
}

/** A memory whose views hand every operation to the thread that performs. */
function hook(memory: Memory): Memory {
  const views = {
    words: view(memory.words, 0),
    longs: view(memory.longs, LONGS),
  };
  const seen = memory.withViews(views.words, views.longs);
  Object.defineProperty(seen, "bytes", {
    value: {
      set(bytes: Uint8Array, start: number) {
        performing!.perform({ kind: "store", place: BYTES + start, value: textOf(bytes) });
      },
      slice(start: number, end: number): Uint8Array {
        const text = performing!.perform({
          kind: "load",
          place: BYTES + start,
          value: 0,
        }) as string;
        return bytesOf(text, end - start);
      },
    },
  });
  hooked = views;
  return seen;
}

function view<T extends Int32Array | BigInt64Array>(array: T, first: number): T {
  return new Proxy(array, {
    get(target, key) {
      if (performing !== undefined && typeof key === "string" && isIndex(key)) {
        return performing.perform({ kind: "load", place: first + Number(key), value: 0 });
      }
      return Reflect.get(target, key, target);
    },
    set(target, key, value) {
      if (performing === undefined) return Reflect.set(target, key, value, target);
      performing.perform({ kind: "store", place: first + Number(key), value });
      return true;
    },
  });
}

function isIndex(key: string): boolean {
  const code = key.charCodeAt(0);
  return code >= 48 && code <= 57;
}

/** Bytes as a text of as many characters. */
export function textOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

export function bytesOf(text: string, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < Math.min(length, text.length); i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** A program, and what it runs on. */
export interface Place {
  library: Library;
  memory: Memory;
}

/** What one thread does. */
export type Program = (thread: Thread) => void;

/** What becomes of a call that ends as it should. */
type Ending = Partial<Pick<Entry, "outcome" | "index" | "seat" | "phase">>;

let hookedFor: Memory | undefined;
let hookedMemory: Memory | undefined;

/** Performs a program until it asks for one operation more than it has results for. */
export function rehearse(place: Place, program: Program, results: readonly Result[]): Ask {
  let done = 0;
  let op: Op | undefined;
  const thread = new Thread(place, (next) => {
    if (done < results.length) return results[done++]!;
    op ??= next;
    throw SUSPENDED;
  });
  thread.play(program);
  return { op, standing: thread.standing };
}

/** Does something with a barrier in real memory, and is told of every exchange of its state. */
export function act(
  { library }: Place,
  memory: Memory,
  what: (barrier: Shared) => void,
  { exchanged, notified }: {
    exchanged: (before: bigint, after: bigint) => void;
    notified: (word: number) => void;
  },
): void {
  const before = performing;
  performing = undefined;
  onExchange = exchanged;
  try {
    what(
      new library.shared.SharedBarrier(memory, {
        wait: () => {
          throw new Error("Cannot wait in one step");
        },
        waitAsync: () => Promise.resolve(),
        notify: notified,
      }),
    );
  } finally {
    onExchange = undefined;
    performing = before;
  }
}

/** A thread, for the program that it performs. A call says how it ended instead of throwing. */
export class Thread {
  standing: Standing;
  clock = 0;
  readonly #library: Library;
  readonly #ask: (op: Op) => Result;
  readonly #barrier: Shared;
  #party: InstanceType<Library["party"]["SharedParty"]>;

  constructor({ library, memory }: Place, ask: (op: Op) => Result) {
    this.#library = library;
    this.#ask = ask;
    this.standing = { log: [], call: callOf("look"), seat: undefined, serving: false };
    if (hookedFor !== memory) {
      hookedFor = memory;
      hookedMemory = hook(memory);
    }
    this.#barrier = new library.shared.SharedBarrier(hookedMemory!, {
      wait: (place, value, timeout) => {
        this.perform({ kind: "wait", place, value, timed: timeout < Infinity });
      },
      waitAsync: () => {
        throw new Error("Cannot explore what does not block");
      },
      notify: (place) => void this.perform({ kind: "notify", place, value: 0 }),
    });
    this.#party = new library.party.SharedParty(this.#barrier, undefined);
  }

  play(program: Program): void {
    performing = this;
    try {
      program(this);
      // Between two calls the histories of threads do not matter. The end is such a place.
      this.standing.call = callOf("look");
    } catch (error) {
      if (error !== SUSPENDED) throw error;
    } finally {
      performing = undefined;
    }
  }

  perform(op: Op): Result {
    const isState = op.kind === "load" && op.place < 2;
    const result = this.#ask(isState ? { ...op, place: STATE } : op);
    const { call } = this.standing;
    call.ops++;
    if (op.place === STATE) {
      if (op.kind === "load" && call.from === undefined) {
        call.from = Number(decode(result as bigint).phase);
      } else if (op.kind === "exchange" && result === op.expected) this.#exchanged(op);
    } else if (result === "timed-out") this.clock += LATE;
    if (!isState) return result;
    // A half of the state, as it is read for a first guess.
    return Number(BigInt.asIntN(32, (result as bigint) >> BigInt(32 * op.place)));
  }

  #exchanged({ expected, value }: Op): void {
    const { call } = this.standing;
    call.exchangedAt = call.ops;
    const [before, after] = [decode(expected as bigint), decode(value as bigint)];
    if (call.kind === "register") {
      const open = arrivalPhase(before);
      call.joins = Number(before.reason === undefined ? open : open + 1n);
    }
    if (!call.arrived && ["wait", "arrive", "drop"].includes(call.kind)) {
      call.arrived = true;
      call.phase = Number(arrivalPhase(before));
    } else if (call.arrived && before.reason === undefined && after.reason === undefined) {
      call.withdrawn = true;
    }
  }

  #call(kind: Call["kind"], phase: number | undefined, what: () => Ending | void): Entry {
    const call = this.standing.call = callOf(kind);
    call.phase = phase;
    let ending: Ending;
    let error: Entry["error"];
    try {
      ending = what() ?? {};
    } catch (thrown) {
      if (thrown === SUSPENDED) throw thrown;
      ending = { outcome: outcomeOf(thrown, call) };
      if (ending.outcome === "broken") {
        const { reason, phase, party, arrived, parties, missing } = thrown as NonNullable<
          Entry["error"]
        >;
        error = { reason, phase, party, arrived, parties, missing };
      }
    }
    const entry: Entry = {
      call: kind,
      phase: call.phase,
      from: call.from,
      outcome: "done",
      ...ending,
      ...(error && { error }),
    };
    this.standing.log = [...this.standing.log, entry];
    return entry;
  }

  /** Arrives and waits. "passed", "timeout", "withdrawn", "broken", or another refusal. */
  wait(timeout: number = Infinity, onCancel: "break" | "withdraw" = "break"): Entry {
    return this.#call("wait", undefined, () => ({
      index: this.#party.waitSync({ timeout, onCancel }),
      outcome: "passed",
    }));
  }

  arrive(): Entry {
    return this.#call("arrive", undefined, () => ({ outcome: `arrived ${this.#party.arrive()}` }));
  }

  drop(): Entry {
    return this.#call(
      "drop",
      undefined,
      () => ({ outcome: `arrived ${this.#party.arriveAndDrop()}` }),
    );
  }

  waitFor(phase: number, timeout: number = Infinity): Entry {
    return this.#call("waitFor", phase, () => {
      this.#party.waitForSync(phase, timeout);
      return { outcome: "passed" };
    });
  }

  abort(): Entry {
    return this.#call("abort", undefined, () => this.#party.abort("why"));
  }

  reset(phase?: number, dropLost: boolean = false): Entry {
    return this.#call("reset", phase, () => void this.#party.reset(phase, dropLost));
  }

  register(count: number = 1): Entry {
    return this.#call("register", undefined, () => {
      const phase = this.#party.register(count);
      const { joins } = this.standing.call;
      return { phase, outcome: phase === joins ? "done" : `threw ${phase}, not ${joins}` };
    });
  }

  close(): Entry {
    return this.#call("close", undefined, () => this.#party.close());
  }

  end(reason: "aborted" | "lost" = "aborted"): Entry {
    return this.#call("end", undefined, () => this.#barrier.end(reason, "the end"));
  }

  /** Joins as a party: from then on the calls are its own. */
  join(name?: string): Entry {
    return this.#call("join", undefined, () => {
      const seat = this.#barrier.seats.join(name);
      this.#party = new this.#library.party.SharedParty(this.#barrier, seat);
      this.standing.seat = seat;
      return { seat, outcome: "joined" };
    });
  }

  expect(name: string): Entry {
    return this.#call("expect", undefined, () => ({
      seat: this.#barrier.seats.expect(name),
      outcome: "expected",
    }));
  }

  /** A seat that somebody took before the exploration began. */
  sit(seat: Seat): void {
    this.#party = new this.#library.party.SharedParty(this.#barrier, seat);
    this.standing.seat = seat;
  }

  /** As whoever watches parties: the party of a seat is gone. */
  lose(seat: Seat, expected: boolean = false): Entry {
    return this.#call("lose", undefined, () => this.#barrier.lose(seat, "lost", {}, expected));
  }

  /** As `lose`, of all who have joined with one of these names. */
  loseJoined(...names: string[]): Entry {
    return this.#call("lose", undefined, () => {
      const seats = this.#barrier.seats.joined().filter(({ name }) => names.includes(name));
      for (const seat of seats) this.#barrier.lose(seat, "lost", {});
      return { outcome: seats.map(({ name }) => name).join() };
    });
  }

  /** Sleeps until an action is to be run, and returns its phase. */
  awaitAction(): number {
    this.standing.serving = true;
    const entry = this.#call("action", undefined, () => {
      const { waiters } = this.#barrier;
      const phase = waiters.blockUntil(() => this.#barrier.actionPhase, Infinity)!;
      return { phase, outcome: "to run" };
    });
    return entry.phase!;
  }

  passAction(phase: number): Entry {
    return this.#call("pass", phase, () => this.#barrier.passAction(phase));
  }

  failAction(phase: number): Entry {
    return this.#call("fail", phase, () => this.#barrier.failAction(phase, "thrown"));
  }

  /** How the barrier stands. */
  look(): Entry {
    return this.#call("look", undefined, () => {
      const { phase, broken } = this.#barrier.outcomes.snapshot;
      return { phase, outcome: broken ? "broken" : "open" };
    });
  }

  /** Stands still until another thread is done or dead, or has ended so many calls. */
  after(thread: number, calls: number = Infinity): Entry {
    return this.#call("after", undefined, () => {
      this.perform({ kind: "after", place: thread, value: calls });
    });
  }

  /** Does something in one step: for what would take too many. */
  atomically(act: (barrier: Shared) => void): Entry {
    return this.#call("atomically", undefined, () => {
      this.perform({ kind: "atomically", place: STATE, value: 0, act });
    });
  }
}

function callOf(kind: Call["kind"]): Call {
  return {
    kind,
    phase: undefined,
    from: undefined,
    arrived: false,
    withdrawn: false,
    ops: 0,
    exchangedAt: -1,
    joins: undefined,
  };
}

function outcomeOf(error: unknown, call: Call): string {
  if (!(error instanceof Error)) return `threw ${String(error)}`;
  switch (error.name) {
    case "TimeoutError":
      return call.withdrawn ? "withdrawn" : "timeout";
    case "BrokenBarrierError":
      return "broken";
    case "InvalidStateError":
      return `state: ${error.message}`;
    case "RangeError":
      if (error.message.includes("no longer known")) return "forgotten";
  }
  return `threw ${error.stack}`;
}
