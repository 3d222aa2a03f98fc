// Copyright 2026 the Rendezvous authors. MIT license.
// deno-lint-ignore-file no-console

/**
 * Explores the interleavings of the atomic operations of a few parties, in the spirit of loom and CHESS.
 *
 * What a party does next follows from its program and from the results that its operations gave. So a
 * party need not be a thread: to know its next operation it is performed anew, from its start, with the
 * results that it got, until it asks for one more. That is done once for each history; then a state of
 * all parties is the memory and the history of each, and a step is a look-up. Equal states are explored
 * once, whatever number of schedules leads to them. A bound on preemptions keeps their number small: most
 * bugs need one or two.
 *
 * A schedule that fails can be replayed: by the same means, or on workers whose every operation waits for
 * its turn (`_explorer_threads.ts`).
 *
 *   A12 B A! C3   A does 12 operations, B one, then the time of A runs out, C does three
 *
 * @module
 */

import { judgeEnd, judgeRest, judgeStep, nameOf } from "./_explorer_judge.ts";
import {
  type Ask,
  type Entry,
  LATE,
  type Library,
  load,
  type Op,
  Party,
  type PartyOptions,
  type Result,
  type Standing,
  SUSPENDED,
} from "./_explorer_party.ts";
import { type Program, type Scenario, scenarios } from "./_explorer_scenarios.ts";

/** A party as the explorer sees it: it wants one operation, and gets its result. */
export interface Actor {
  readonly ask: Ask;
  answer(result: Result): Actor;
}

/** The memory, the parties, and which of them are asleep until somebody notifies them. */
interface State {
  memory: readonly number[];
  actors: readonly Actor[];
  asleep: readonly boolean[];
}

/** A party does its next operation, or its time runs out. */
interface Move {
  party: number;
  late: boolean;
}

/** What an exploration found. */
export interface Report {
  /** How many schedules were explored, of the operations that others can notice. */
  schedules: number;
  /** In how many states. */
  states: number;
  /** The first failure, and the schedule that leads to it. */
  failure?: Failure;
  /** A schedule that leads to an end: one with many switches. */
  sample: string;
}

/** What went wrong, and how to see it again. */
export interface Failure {
  message: string;
  schedule: string;
}

const WRITES: ReadonlySet<Op["kind"]> = new Set(["store", "add", "sub", "compareExchange"]);

/** A party that is performed anew for each history. */
class Rehearsed implements Actor {
  static #count = 0;
  readonly id: number = Rehearsed.#count++;
  readonly ask: Ask;
  readonly #rehearse: (results: Result[]) => Ask;
  readonly #results: Result[];
  readonly #next = new Map<Result, Rehearsed>();
  /** Those that are between two calls: there, histories do not matter. */
  readonly #between: Map<string, Rehearsed>;

  constructor(
    rehearse: (results: Result[]) => Ask,
    results: Result[] = [],
    between = new Map<string, Rehearsed>(),
  ) {
    this.ask = rehearse(results);
    this.#rehearse = rehearse;
    this.#results = results;
    this.#between = between;
  }

  answer(result: Result): Rehearsed {
    let next = this.#next.get(result);
    if (next === undefined) {
      next = new Rehearsed(this.#rehearse, [...this.#results, result], this.#between);
      if (next.ask.standing.ops === 0) {
        const key = JSON.stringify(next.ask.standing);
        const same = this.#between.get(key);
        if (same === undefined) this.#between.set(key, next);
        else next = same;
      }
      this.#next.set(result, next);
    }
    return next;
  }
}

/** The parties of a scenario when they begin, and the barrier that they share. */
function begin(library: Library, scenario: Scenario, actorsOf: ActorsOf): State {
  const barrier = new library.Barrier(scenario.parties);
  for (let i = 0; i < (scenario.phases ?? 0) * scenario.parties; i++) barrier.arrive();
  for (let i = 0; i < (scenario.resets ?? 0); i++) {
    barrier.abort();
    barrier.reset();
  }
  const actors = actorsOf(library, scenario, {
    buffer: barrier.buffer,
    resetBits: resetBitsOf(library),
  });
  const memory = Array.from(new Int32Array(barrier.buffer));
  return { memory, actors, asleep: actors.map(() => false) };
}

/** All that has to be known of the layout is found by trial: the bits of word 0 that resets change. */
function resetBitsOf(library: Library): number {
  const barrier = new library.Barrier(1);
  const state = new Int32Array(barrier.buffer);
  const first = state[0]!;
  let bits = 0;
  for (let i = 0; i < 64; i++) {
    barrier.abort();
    barrier.reset();
    bits |= state[0]! ^ first;
  }
  return bits;
}

/** Makes the parties of a scenario. */
export type ActorsOf = (
  library: Library,
  scenario: Scenario,
  place: Pick<PartyOptions, "buffer" | "resetBits">,
) => Actor[];

/** Performs them in this thread. Those of the same program share its histories. */
const rehearsed: ActorsOf = (library, scenario, place) => {
  const actors = new Map<Program, Actor>();
  return scenario.programs.map((program, index) => {
    const actor = actors.get(program) ?? new Rehearsed((results) => {
      let done = 0;
      let op: Op | undefined;
      const party = new Party(library, scenario, {
        ...place,
        index,
        ask: (next) => {
          if (done < results.length) return results[done++]!;
          op ??= next;
          throw SUSPENDED;
        },
      });
      party.play();
      return { op, standing: party.standing };
    });
    actors.set(program, actor);
    return actor;
  });
};

/** One operation: the state after it, and what is wrong with it. */
function step(
  scenario: Scenario,
  state: State,
  { party, late }: Move,
): [State, string | undefined] {
  const { kind, word, value, expected } = state.actors[party]!.ask.op!;
  const before = state.actors.map(standingOf);
  const actors = state.actors.slice();
  // Copied only if it changes: this is where the time goes.
  let { memory, asleep } = state;
  const current = memory[word]!;
  let result: Result = "done";
  let woken = 0;
  switch (kind) {
    case "load":
      result = current;
      break;
    case "store":
      memory = memory.with(word, value | 0);
      break;
    case "add":
      memory = memory.with(word, current + value | 0);
      break;
    case "sub":
      memory = memory.with(word, current - value | 0);
      break;
    case "compareExchange":
      if (current === expected) memory = memory.with(word, value | 0);
      result = current;
      break;
    case "wait":
      if (!late && current === value) {
        return [{ memory, actors, asleep: asleep.with(party, true) }, undefined];
      }
      if (late) asleep = asleep.with(party, false);
      result = late ? "timed-out" : "not-equal";
      break;
    case "notify":
      // The first in the queue may be any; the library wakes all.
      for (const [i, actor] of actors.entries()) {
        const wakes = asleep[i] && actor.ask.op!.word === word && woken++ < value;
        if (wakes) actors[i] = actor.answer("ok");
      }
      asleep = asleep.map((is, i) => is && actors[i] === state.actors[i]);
      break;
    case "now":
      result = state.actors[party]!.ask.standing.clock + (late ? LATE : 0);
  }
  actors[party] = actors[party]!.answer(result);
  return [{ memory, actors, asleep }, judgeStep(scenario, before, actors.map(standingOf))];
}

function standingOf({ ask }: Actor): Standing {
  return ask.standing;
}

/** What can happen next. */
function movesOf({ actors, asleep }: State): Move[] {
  const moves: Move[] = [];
  for (const [party, { ask: { op, standing } }] of actors.entries()) {
    if (op === undefined) continue;
    const other = op.kind === "after" ? actors[op.word]?.ask : undefined;
    const ready = other?.op === undefined || other.standing.entered >= op.value;
    if (!asleep[party] && ready) moves.push({ party, late: false });
    if (asleep[party] ? op.timed : op.kind === "now" && standing.timing) {
      moves.push({ party, late: true });
    }
  }
  return moves;
}

/** What is wrong with a state in which nobody can go on, unless time runs out. */
function judge(library: Library, scenario: Scenario, state: State): string | undefined {
  const moves = movesOf(state);
  if (moves.some(({ late }) => !late)) return undefined;
  const { memory, actors } = state;
  const all = actors.map(standingOf);
  const asleep = [...actors.keys()].filter((i) => state.asleep[i]);
  const undone = [...actors.keys()].filter((i) => actors[i]!.ask.op !== undefined);
  const wrong = judgeRest(all, { asleep, stuck: moves.length > 0 ? [] : undone });
  if (wrong !== undefined || undone.length > 0) return wrong;
  return judgeEnd(library, scenario, { all, memory });
}

/**
 * Explores the schedules of a scenario, depth first, until one fails: all of them, or those in which no
 * more than `preemptions` times another party goes on although the last one could.
 */
export function explore(
  library: Library,
  scenario: Scenario,
  preemptions: number = Infinity,
): Report {
  const state = begin(library, scenario, rehearsed);
  // A load of a word that nobody ever writes is noticed by nobody, so it is done at once instead of at any
  // time. Which words are written is found by trial: none at first, and anew whenever there is one more.
  const written = new Set<number>();
  let size;
  let report;
  do {
    size = written.size;
    report = new Exploration(library, scenario, { written, preemptions }).run(state);
  } while (written.size > size);
  return report;
}

class Exploration {
  readonly #library: Library;
  readonly #scenario: Scenario;
  readonly #written: Set<number>;
  readonly #preemptions: number;
  /** How many schedules lead on from a state, by its key. No state comes again, as operations only add up. */
  readonly #known = new Map<string, number>();
  readonly #path: Move[] = [];
  #failure: Failure | undefined;
  #sample: Move[] = [];

  constructor(
    library: Library,
    scenario: Scenario,
    { written, preemptions }: { written: Set<number>; preemptions: number },
  ) {
    this.#library = library;
    this.#scenario = scenario;
    this.#written = written;
    this.#preemptions = preemptions;
  }

  run(start: State): Report {
    const schedules = this.#explore(start, undefined, this.#preemptions);
    const report = { schedules, states: this.#known.size, sample: print(this.#sample) };
    return this.#failure === undefined ? report : { ...report, failure: this.#failure };
  }

  #explore(state: State, last: number | undefined, preemptions: number): number {
    const length = this.#path.length;
    const settled = this.#settle(state);
    if (settled === undefined) return 0;
    const key = this.#keyOf(settled, last, preemptions);
    let schedules = this.#known.get(key);
    if (schedules === undefined) {
      schedules = this.#goOn(settled, last, preemptions);
      this.#known.set(key, schedules);
    }
    if (this.#failure === undefined) this.#path.length = length;
    return schedules;
  }

  #goOn(state: State, last: number | undefined, preemptions: number): number {
    const moves = movesOf(state);
    const message = judge(this.#library, this.#scenario, state);
    if (message !== undefined) this.#fail(message);
    if (moves.length === 0) {
      this.#sample = [...this.#path];
      return 1;
    }
    const mayGoOn = moves.some(({ party, late }) => party === last && !late);
    let schedules = 0;
    for (const move of moves) {
      if (this.#failure !== undefined) break;
      const left = preemptions - (mayGoOn && move.party !== last ? 1 : 0);
      if (left < 0) continue;
      const { kind, word } = state.actors[move.party]!.ask.op!;
      if (WRITES.has(kind)) this.#written.add(word);
      const next = this.#step(state, move);
      if (next === undefined) break;
      schedules += this.#explore(next, move.party, left);
      if (this.#failure === undefined) this.#path.pop();
    }
    return schedules;
  }

  /** Does what nobody notices. */
  #settle(state: State): State | undefined {
    let settled: State | undefined = state;
    for (const party of state.actors.keys()) {
      while (settled !== undefined && this.#isUnnoticed(settled, party)) {
        settled = this.#step(settled, { party, late: false });
      }
    }
    return settled;
  }

  #isUnnoticed({ actors, asleep }: State, party: number): boolean {
    const { op, standing } = actors[party]!.ask;
    if (op === undefined || asleep[party]) return false;
    if (op.kind === "load") return !this.#written.has(op.word);
    return op.kind === "now" && !standing.timing;
  }

  /** One operation, unless it fails. */
  #step(state: State, move: Move): State | undefined {
    this.#path.push(move);
    const [next, message] = step(this.#scenario, state, move);
    if (message === undefined) return next;
    this.#fail(message);
  }

  #fail(message: string): void {
    this.#failure ??= { message, schedule: print(this.#path) };
  }

  /** The same for states that differ in nothing but which of the parties of one program is which. */
  #keyOf({ memory, actors, asleep }: State, last: number | undefined, preemptions: number): string {
    const parties = actors.map((actor, i) => (actor as Rehearsed).id * 2 + (asleep[i] ? 1 : 0));
    const going = last === undefined ? 0 : parties[last]!;
    let key = preemptions === Infinity ? "" : `${going} ${preemptions} `;
    for (const party of parties.sort((a, b) => a - b)) key += `${party} `;
    for (const word of this.#written) key += `${memory[word]} `;
    return key;
  }
}

/** Follows a schedule of a scenario: what goes wrong at its end, and what each party was told. */
export function replay(
  library: Library,
  scenario: Scenario,
  { schedule, actors = rehearsed, trace }: {
    schedule: string;
    actors?: ActorsOf;
    /** Is told every operation. */
    trace?: (line: string) => void;
  },
): { message: string | undefined; logs: Entry[][] } {
  let state = begin(library, scenario, actors);
  let message: string | undefined;
  for (const move of parse(schedule)) {
    const { party } = move;
    if (!movesOf(state).some((may) => may.party === party && may.late === move.late)) {
      throw new Error(`Cannot replay a schedule as ${nameOf(party)} must be able to go on`);
    }
    const line = `${nameOf(party)} ${describe(state.actors[party]!.ask.op!)}`;
    [state, message] = step(scenario, state, move);
    trace?.(move.late ? `${line}: its time runs out` : line);
    if (message !== undefined) break;
  }
  message ??= judge(library, scenario, state);
  return { message, logs: state.actors.map((actor) => actor.ask.standing.log) };
}

function describe({ kind, word, value, expected }: Op): string {
  if (kind === "now") return kind;
  if (kind === "compareExchange") {
    return `compareExchange [${word}] ${hex(expected!)} to ${hex(value)}`;
  }
  return `${kind} [${word}] ${hex(value)}`;
}

function hex(value: number): string {
  return (value >>> 0).toString(16);
}

function print(moves: Move[]): string {
  const words = moves.map(({ party, late }) => nameOf(party) + (late ? "!" : ""));
  const runs: [string, number][] = [];
  for (const word of words) {
    const run = runs.at(-1);
    if (run?.[0] === word) run[1]++;
    else runs.push([word, 1]);
  }
  return runs.map(([word, count]) => count > 1 ? word + count : word).join(" ");
}

function parse(schedule: string): Move[] {
  return [...schedule.matchAll(/([A-Z])(!?)(\d*)/g)].flatMap(([, name, late, count]) =>
    Array<Move>(Number(count || 1)).fill({ party: name!.charCodeAt(0) - 65, late: late !== "" })
  );
}

if (import.meta.main) {
  const [name, schedule] = Deno.args;
  const scenario = scenarios.find((scenario) => scenario.name === name);
  if (scenario === undefined || schedule === undefined) {
    console.log("Usage: deno run -A tests/_explorer.ts SCENARIO SCHEDULE");
    for (const { name } of scenarios) console.log(`  "${name}"`);
    Deno.exit(1);
  }
  const library = await load(import.meta.resolve("../barrier.ts"));
  const { message, logs } = replay(library, scenario, { schedule, trace: console.log });
  for (const [party, log] of logs.entries()) {
    console.log(nameOf(party), log.map(({ outcome }) => outcome).join(", "));
  }
  console.log(message ?? "nothing is wrong");
}
