// Copyright 2026 the Rendezvous authors. MIT license.
// deno-lint-ignore-file no-console

/**
 * Explores the interleavings of the operations of a few threads on one barrier, in the spirit of loom and CHESS.
 *
 * What a thread does next follows from its program and from the results that its operations gave. So a thread need not
 * be one: to know its next operation it is performed anew, from its start, with the results that it got, until it asks
 * for one more. That is done once for each history. Then a state of all threads is the memory and the history of each,
 * a step is a look-up, and equal states are explored once. A bound on preemptions keeps their number small: most bugs
 * need one or two.
 *
 * A schedule that fails can be replayed:
 *
 *   A12 B A! C3 B~   A does 12 operations, B one, then the time of A runs out, C does three, B dies
 *
 * Operations that no other thread can notice are done at once.
 *
 * @module
 */

import {
  type Ghost,
  ghostAfter,
  ghostAtStart,
  judgeEnd,
  judgeEntries,
  judgeRest,
} from "./_explorer_judge.ts";
import {
  act,
  type Ask,
  BYTES,
  bytesOf,
  type Library,
  load,
  LONGS,
  type Place,
  type Program,
  rehearse,
  type Result,
  type Standing,
  STATE,
  textOf,
  type Value,
} from "./_explorer_party.ts";
import { type Scenario, scenarios } from "./_explorer_scenarios.ts";

export { load };

/** A thread by its history. There is one of these for each history. */
class History {
  static #count = 0;
  readonly id: number = History.#count++;
  readonly ask: Ask;
  readonly #perform: (results: readonly Result[]) => Ask;
  readonly #results: readonly Result[];
  readonly #next = new Map<Result, History>();
  /** Those that are between two calls: there, only the log matters. */
  readonly #between: Map<string, History>;

  constructor(
    perform: (results: readonly Result[]) => Ask,
    results: readonly Result[] = [],
    between = new Map<string, History>(),
  ) {
    this.ask = perform(results);
    this.#perform = perform;
    this.#results = results;
    this.#between = between;
  }

  answer(result: Result): History {
    let next = this.#next.get(result);
    if (next === undefined) {
      next = new History(this.#perform, [...this.#results, result], this.#between);
      if (next.ask.standing.call.ops === 0) {
        const { log, seat } = next.ask.standing;
        const key = JSON.stringify([log, seat, next.ask.op?.kind]);
        const same = this.#between.get(key);
        if (same === undefined) this.#between.set(key, next);
        else next = same;
      }
      this.#next.set(result, next);
    }
    return next;
  }
}

/** What of memory was written, by slots; the threads; who sleeps, and who is dead. */
interface State {
  memory: readonly Value[];
  threads: readonly History[];
  asleep: number;
  dead: number;
  ghost: Ghost;
}

/** A thread does its next operation, or its time runs out, or it dies. */
interface Move {
  thread: number;
  how: "" | "!" | "~";
}

/** What an exploration found. */
export interface Report {
  /** How many schedules were explored. */
  schedules: number;
  /** In how many states. */
  states: number;
  failure: Failure | undefined;
}

/** What went wrong, and how to see it again. */
export interface Failure {
  message: string;
  schedule: string;
}

/** More operations than a call needs: it runs in circles. */
const MOST_OPS = 400;

type Memory = Place["memory"];

/** The memory of a scenario: it gives each place that anybody touches a slot. */
class Slots {
  readonly #base: Memory;
  readonly #place: Place;
  readonly #slots = new Map<number, number>();
  readonly places: number[] = [];
  readonly first: Value[] = [];
  /** Who writes there, and who uses it at all: bits of threads. */
  readonly writers: number[] = [];
  readonly users: number[] = [];
  /** Whether a place became one that others notice. */
  changed = false;

  constructor(place: Place, base: Memory) {
    this.#place = place;
    this.#base = base;
    this.of(STATE);
  }

  of(place: number): number {
    let slot = this.#slots.get(place);
    if (slot === undefined) {
      slot = this.places.push(place) - 1;
      this.#slots.set(place, slot);
      this.first.push(this.#read(this.#base, place));
      this.writers.push(0);
      this.users.push(0);
    }
    return slot;
  }

  use(slot: number, thread: number, writes: boolean): void {
    const before = this.isNoticed(slot);
    this.users[slot]! |= 1 << thread;
    if (writes) this.writers[slot]! |= 1 << thread;
    if (this.isNoticed(slot) !== before) this.changed = true;
  }

  isNoticed(slot: number): boolean {
    const users = this.users[slot]!;
    return slot === 0 || this.writers[slot] !== 0 && (users & users - 1) !== 0;
  }

  valueIn(memory: readonly Value[], slot: number): Value {
    return memory[slot] ?? this.first[slot]!;
  }

  #read({ words, longs, bytes }: Memory, place: number): Value {
    if (place < LONGS) return words[place]!;
    if (place < BYTES) return longs[place - LONGS]!;
    // As long as any text that is written there.
    return textOf(bytes.subarray(place - BYTES, place - BYTES + 64)).replace(/\0+$/, "");
  }

  /** Real memory with these contents. */
  real(memory: readonly Value[]): Memory {
    const { layout } = this.#place.library;
    const buffer = new SharedArrayBuffer(this.#base.bytes.byteLength);
    new Uint8Array(buffer).set(this.#base.bytes);
    const copy = layout.BarrierMemory.find(buffer, 0)!;
    for (const [slot, place] of this.places.entries()) {
      const value = this.valueIn(memory, slot);
      if (place < LONGS) copy.words[place] = value as number;
      else if (place < BYTES) copy.longs[place - LONGS] = value as bigint;
      else copy.bytes.set(bytesOf(value as string, (value as string).length), place - BYTES);
    }
    return copy;
  }

  /** The contents of real memory, of which `real` made the first. */
  contents(memory: Memory, before: Memory): Value[] {
    for (const [i, word] of memory.words.entries()) {
      const isNew = word !== before.words[i] && !this.#isText(i);
      if (isNew) this.use(this.of(this.#placeOf(i)), 31, true);
    }
    return this.places.map((place) => this.#read(memory, place));
  }

  #placeOf(word: number): number {
    const { STATE, HISTORY, HISTORY_SLOTS } = this.#place.library.layout;
    const isLong = word < STATE + 2 || word >= HISTORY && word < HISTORY + 2 * HISTORY_SLOTS;
    return isLong ? LONGS + (word >> 1) : word;
  }

  /** What is written in one step has no notes and no names: nobody asks for them later. */
  #isText(word: number): boolean {
    const { layout } = this.#place.library;
    if (word >= layout.NOTE && word < layout.seatsStart(this.#base.room)) return true;
    const inSeat = (word - layout.seatsStart(this.#base.room)) % layout.SEAT_WORDS;
    return inSeat >= layout.SEAT_NAME && inSeat < layout.SEAT_LIFE;
  }
}

/** A scenario that is about to begin. */
class Run {
  readonly scenario: Scenario;
  readonly slots: Slots;
  readonly start: State;
  readonly place: Place;

  constructor(library: Library, scenario: Scenario) {
    this.scenario = scenario;
    const { layout } = library;
    const room = layout.roomFor(scenario.parties);
    const memory = layout.BarrierMemory.initialize(
      new SharedArrayBuffer(layout.byteLengthFor(room)),
      0,
      room,
      { hasAction: scenario.action ?? false, timeout: Infinity },
    );
    this.place = { library, memory };
    let ghost = ghostAtStart(scenario.parties, scenario.phase ?? 0);
    act(this.place, memory, (barrier) => {
      barrier.initialize(scenario.parties);
      if (scenario.phase !== undefined) {
        memory.longs[0] = memory.longs[0]! | BigInt(scenario.phase) << 24n;
      }
      scenario.before?.(barrier);
    }, {
      exchanged: (before, after) => {
        ghost = ghostAfter(ghost, scenario, undefined, before, after);
      },
      notified: () => {},
    });
    this.slots = new Slots(this.place, memory);
    const histories = new Map<Program, History>();
    const threads = scenario.programs.map((program) => {
      let history = histories.get(program);
      if (history === undefined) {
        history = new History((results) => rehearse(this.place, program, results));
        histories.set(program, history);
      }
      return history;
    });
    this.start = { memory: [], threads, asleep: 0, dead: 0, ghost };
  }

  /** What can happen next. */
  movesOf({ threads, asleep, dead }: State): Move[] {
    const moves: Move[] = [];
    for (const [thread, { ask: { op } }] of threads.entries()) {
      const bit = 1 << thread;
      if (op === undefined || dead & bit) continue;
      if (asleep & bit) {
        if (op.timed) moves.push({ thread, how: "!" });
      } else if (op.kind !== "after" || this.#isOver(threads, dead, op.place, op.value as number)) {
        moves.push({ thread, how: "" });
      }
      if (dead === 0 && this.scenario.mortal?.includes(thread)) moves.push({ thread, how: "~" });
    }
    return moves;
  }

  #isOver(threads: readonly History[], dead: number, thread: number, calls: number): boolean {
    const { op, standing } = threads[thread]!.ask;
    return op === undefined || (dead & 1 << thread) !== 0 || standing.log.length >= calls;
  }

  /** Whether no other thread can notice the next operation of one. */
  isUnnoticed({ threads, asleep, dead }: State, thread: number): boolean {
    const { op } = threads[thread]!.ask;
    if (op === undefined || (asleep | dead) & 1 << thread) return false;
    if (op.kind !== "load" && op.kind !== "store" && op.kind !== "add" && op.kind !== "exchange") {
      return false;
    }
    return !this.slots.isNoticed(this.slots.of(op.place));
  }

  /** One move: the state after it, and what is wrong with it. */
  step(state: State, { thread, how }: Move): [State, string | undefined] {
    const { slots } = this;
    const bit = 1 << thread;
    if (how === "~") {
      return [{ ...state, dead: state.dead | bit, asleep: state.asleep & ~bit }, undefined];
    }
    const { kind, place, value, expected, act: what } = state.threads[thread]!.ask.op!;
    let { memory, asleep, ghost } = state;
    const threads = state.threads.slice();
    const slot = kind === "after" ? 0 : slots.of(place);
    const current = slots.valueIn(memory, slot);
    const write = (value: Value) => {
      const copy = memory.slice();
      while (copy.length < slot) copy.push(slots.first[copy.length]!);
      copy[slot] = value;
      memory = copy;
    };
    const wakeSleepers = (word: number) => {
      for (const [i, sleeper] of threads.entries()) {
        if (!(asleep & 1 << i) || sleeper.ask.op!.place !== word) continue;
        threads[i] = sleeper.answer("ok");
        asleep &= ~(1 << i);
      }
    };
    let result: Result = "done";
    let message: string | undefined;
    switch (kind) {
      case "load":
        slots.use(slot, thread, false);
        result = current;
        break;
      case "store":
        slots.use(slot, thread, true);
        write(typeof value === "number" ? value | 0 : value);
        break;
      case "add":
        slots.use(slot, thread, true);
        write((current as number) + (value as number) | 0);
        result = current;
        break;
      case "exchange":
        slots.use(slot, thread, true);
        result = current;
        if (current !== expected) break;
        write(value);
        if (place === STATE) {
          const { standing } = state.threads[thread]!.ask;
          ghost = ghostAfter(
            ghost,
            this.scenario,
            { thread, standing, standings: state.threads.map(standingOf) },
            expected as bigint,
            value as bigint,
          );
        }
        break;
      case "wait":
        slots.use(slot, thread, false);
        if (how === "" && current === value) {
          return [{ ...state, asleep: asleep | bit }, undefined];
        }
        asleep &= ~bit;
        result = how === "!" ? "timed-out" : "not-equal";
        break;
      case "notify":
        wakeSleepers(place);
        break;
      case "atomically": {
        const copy = slots.real(memory);
        const notified: number[] = [];
        act(this.place, copy, what!, {
          exchanged: (before, after) => {
            ghost = ghostAfter(ghost, this.scenario, undefined, before, after);
          },
          notified: (word) => void notified.push(word),
        });
        memory = slots.contents(copy, slots.real(memory));
        for (const word of notified) wakeSleepers(word);
      }
    }
    message ??= ghost.wrong;
    threads[thread] = threads[thread]!.answer(result);
    const next: State = { memory, threads, asleep, dead: state.dead, ghost };
    if (message === undefined) {
      for (const [i, { ask: { standing } }] of threads.entries()) {
        const before = state.threads[i]!.ask.standing;
        if (standing === before) continue;
        if (standing.call.ops > MOST_OPS) message ??= `${nameOf(i)} runs in circles`;
        const entries = standing.log.slice(before.log.length);
        message ??= judgeEntries(this.scenario, ghost, i, entries);
      }
    }
    return [next, message && `${nameOf(thread)}: ${message}`];
  }

  /** What is wrong with a state in which nobody can go on, unless time runs out or somebody dies. */
  judge(state: State, moves: readonly Move[]): string | undefined {
    if (moves.some(({ how }) => how === "")) return undefined;
    const { threads, asleep, dead, ghost } = state;
    const standings = threads.map(standingOf);
    const waiting = [...threads.keys()].filter((i) =>
      threads[i]!.ask.op !== undefined && !(dead & 1 << i)
    );
    const mayGoOn = moves.some(({ how }) => how === "!");
    const sleepers = waiting.filter((i) => asleep & 1 << i);
    const wrong = judgeRest(ghost, standings, {
      sleepers,
      stuck: mayGoOn || this.scenario.hangs ? [] : waiting,
    });
    if (wrong !== undefined || mayGoOn) return wrong;
    const memory = this.slots.real(state.memory);
    return judgeEnd(this.place, this.scenario, { memory, ghost, standings, anyDead: dead !== 0 });
  }
}

function standingOf({ ask }: History): Standing {
  return ask.standing;
}

export function nameOf(thread: number): string {
  return String.fromCharCode(65 + thread);
}

/**
 * Explores the schedules of a scenario, depth first, until one fails: those in which no more than `preemptions` times
 * another thread goes on although the last one could.
 */
export function explore(library: Library, scenario: Scenario, preemptions: number): Report {
  const run = new Run(library, scenario);
  // Which places are noticed is found by trial: none at first, and anew whenever there is one more. Few preemptions
  // find most of them.
  for (let bound = 0;; bound = Math.min(bound + 1, preemptions)) {
    run.slots.changed = false;
    const report = new Exploration(run, bound).explore();
    if (report.failure !== undefined) return report;
    if (bound === preemptions && !run.slots.changed) return report;
  }
}

class Exploration {
  readonly #run: Run;
  readonly #preemptions: number;
  /** How many schedules lead on from a state, by its key. No state comes again, as histories only grow. */
  readonly #known = new Map<string, number>();
  readonly #numbers = new Map<string, number>();
  readonly #memories = new WeakMap<readonly Value[], number>();
  readonly #path: Move[] = [];
  #failure: Failure | undefined;

  constructor(run: Run, preemptions: number) {
    this.#run = run;
    this.#preemptions = preemptions;
  }

  explore(): Report {
    const schedules = this.#explore(this.#run.start, undefined, this.#preemptions);
    return { schedules, states: this.#known.size, failure: this.#failure };
  }

  #explore(state: State, last: number | undefined, preemptions: number): number {
    const { length } = this.#path;
    const settled = this.#settle(state);
    if (settled === undefined) return 0;
    const key = this.#keyOf(settled, last, preemptions);
    let schedules = this.#known.get(key);
    if (schedules === undefined) {
      schedules = this.#goOn(settled, last, preemptions);
      this.#known.set(key, schedules);
    }
    this.#path.length = length;
    return schedules;
  }

  #goOn(state: State, last: number | undefined, preemptions: number): number {
    const moves = this.#run.movesOf(state);
    const message = this.#run.judge(state, moves);
    if (message !== undefined) this.#fail(message);
    if (moves.length === 0) return 1;
    const mayGoOn = moves.some(({ thread, how }) => thread === last && how === "");
    let schedules = 0;
    for (const move of moves) {
      if (this.#failure !== undefined) break;
      const left = preemptions - (mayGoOn && move.thread !== last ? 1 : 0);
      if (left < 0) continue;
      this.#path.push(move);
      const [next, message] = this.#run.step(state, move);
      if (message !== undefined) this.#fail(message);
      else schedules += this.#explore(next, move.how === "~" ? undefined : move.thread, left);
      this.#path.pop();
    }
    return schedules;
  }

  /** Does at once what nobody notices. */
  #settle(state: State): State | undefined {
    let settled = state;
    for (const thread of state.threads.keys()) {
      while (this.#run.isUnnoticed(settled, thread)) {
        const move: Move = { thread, how: "" };
        this.#path.push(move);
        const [next, message] = this.#run.step(settled, move);
        if (message !== undefined) return this.#fail(message);
        settled = next;
      }
    }
    return settled;
  }

  #fail(message: string): undefined {
    this.#failure ??= { message, schedule: print(this.#path) };
  }

  #keyOf(state: State, last: number | undefined, preemptions: number): string {
    const { memory, threads, asleep, dead, ghost } = state;
    let key = `${last} ${preemptions} ${asleep} ${dead} ${this.#numberOf(ghost.key)}`;
    for (const { id } of threads) key += ` ${id}`;
    return `${key} ${this.#numberOfMemory(memory)}`;
  }

  /** A number for a memory: the same for those that hold the same. */
  #numberOfMemory(memory: readonly Value[]): number {
    let number = this.#memories.get(memory);
    if (number === undefined) {
      let key = "";
      for (let slot = 0; slot < memory.length; slot++) key += `${memory[slot]} `;
      number = this.#numberOf(key);
      this.#memories.set(memory, number);
    }
    return number;
  }

  #numberOf(text: string): number {
    let number = this.#numbers.get(text);
    if (number === undefined) this.#numbers.set(text, number = this.#numbers.size);
    return number;
  }
}

/** Follows a schedule of a scenario: what goes wrong, and what each thread was told. */
export function replay(
  library: Library,
  scenario: Scenario,
  schedule: string,
  trace: (line: string) => void = () => {},
): { message: string | undefined; standings: Standing[] } {
  const run = new Run(library, scenario);
  let state = run.start;
  let message: string | undefined;
  for (const move of parse(schedule)) {
    if (!run.movesOf(state).some((may) => may.thread === move.thread && may.how === move.how)) {
      throw new Error(`Cannot replay a schedule as ${nameOf(move.thread)} must be able to go on`);
    }
    const { op, standing } = state.threads[move.thread]!.ask;
    trace(
      `${nameOf(move.thread)}${move.how} ${standing.call.kind}: ${op!.kind} ${op!.place} ${
        op!.value
      }`,
    );
    [state, message] = run.step(state, move);
    if (message !== undefined) break;
  }
  message ??= run.judge(state, run.movesOf(state));
  return { message, standings: state.threads.map(standingOf) };
}

function print(moves: readonly Move[]): string {
  const runs: [string, number][] = [];
  for (const { thread, how } of moves) {
    const word = nameOf(thread) + how;
    const run = runs.at(-1);
    if (run?.[0] === word) run[1]++;
    else runs.push([word, 1]);
  }
  return runs.map(([word, count]) => count > 1 ? word + count : word).join(" ");
}

function parse(schedule: string): Move[] {
  return [...schedule.matchAll(/([A-Z])([!~]?)(\d*)/g)].flatMap(([, name, how, count]) =>
    Array<Move>(Number(count || 1)).fill({
      thread: name!.charCodeAt(0) - 65,
      how: how as Move["how"],
    })
  );
}

if (import.meta.main) {
  const [name, schedule] = Deno.args;
  const scenario = scenarios.find((scenario) => scenario.name === name);
  if (scenario === undefined || schedule === undefined) {
    console.log("Usage: deno run -A tests/memory/_explorer.ts SCENARIO SCHEDULE");
    for (const { name } of scenarios) console.log(`  "${name}"`);
    Deno.exit(1);
  }
  const library = await load(import.meta.resolve("../../"));
  const { message, standings } = replay(library, scenario, schedule, console.log);
  for (const [i, { log }] of standings.entries()) console.log(nameOf(i), log);
  console.log(message ?? "nothing is wrong");
}
