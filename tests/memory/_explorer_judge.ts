// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * What must hold of a barrier, whatever the interleaving. The judge keeps its own book of arrivals and outcomes, from
 * the exchanges of the state that it sees; each of these must be one that the model knows. What threads are told must
 * agree with the book.
 *
 * @module
 */

import type { Call, Entry, Place, Standing } from "./_explorer_party.ts";
import type { Scenario } from "./_explorer_scenarios.ts";
import { arrivalPhase, decode, encode, type Transition, transitions, type Word } from "./_model.ts";

/** The book: of each phase how many arrivals it needs and has, and how it ended. Never changed, only replaced. */
export interface Ghost {
  readonly word: Word;
  readonly need: ReadonlyMap<number, number>;
  /** The threads that arrived; -1 for somebody else. */
  readonly arrived: ReadonlyMap<number, readonly number[]>;
  readonly outcomes: ReadonlyMap<number, Outcome>;
  readonly wrong: string | undefined;
  /** The same for books that say the same. */
  readonly key: string;
}

/** How a phase ended. */
interface Outcome {
  reason: string;
  /** Who broke it, where one of the threads did; its name, and how it stood. */
  breaker?: number | undefined;
  party?: string | undefined;
  arrived?: number;
  parties?: number;
  /** Who certainly is missing, and who may be. */
  missing?: readonly string[];
  maybe?: readonly string[];
  /** Who has arrived or dropped. */
  others?: readonly string[];
}

/** Who exchanges the state, and where all threads stand. */
export interface Actor {
  thread: number;
  standing: Standing;
  standings: readonly Standing[];
}

/** What each call may do to the state. */
const MAY: Partial<Record<Call["kind"], readonly Transition[]>> = {
  wait: ["arrive", "withdraw", "breakTimeout"],
  arrive: ["arrive"],
  drop: ["drop"],
  abort: ["breakAborted"],
  reset: ["breakReset", "reset", "resetDropping"],
  register: ["register"],
  close: ["breakAborted", "loseAborted", "loseMore"],
  lose: ["loseLost", "loseMore"],
  pass: ["endAction"],
  fail: ["breakAction"],
  end: ["endAborted", "endLost"],
};

export function ghostAtStart(parties: number, phase: number): Ghost {
  return withKey({
    word: {
      remaining: parties,
      gone: 0,
      parties,
      reason: undefined,
      over: false,
      running: false,
      phase: BigInt(phase),
    },
    need: new Map([[phase, parties]]),
    arrived: new Map(),
    outcomes: new Map(),
    wrong: undefined,
  });
}

function withKey(ghost: Omit<Ghost, "key">): Ghost {
  // The rest of an outcome follows from who broke it.
  const outcomes = [...ghost.outcomes].map(([p, { reason, breaker, missing }]) =>
    `${p}${reason}${breaker ?? ""}${missing ?? ""}`
  );
  const arrived = [...ghost.arrived].map(([p, who]) => `${p}:${[...who].sort()}`);
  return { ...ghost, key: `${outcomes};${arrived};${[...ghost.need].flat()}` };
}

/** The book after an exchange. */
export function ghostAfter(
  ghost: Ghost,
  scenario: Scenario,
  actor: Actor | undefined,
  expected: bigint,
  value: bigint,
): Ghost {
  if (ghost.wrong !== undefined) return ghost;
  const before = decode(expected);
  const after = decode(value);
  const may = actor && MAY[actor.standing.call.kind] || Object.keys(transitions) as Transition[];
  const name = may.find((name) => {
    const next = transitions[name](before, scenario.action ?? false);
    return next !== undefined && encode(next) === encode(after);
  });
  if (name === undefined) {
    const shown = JSON.stringify([before, after], (_, v) => typeof v === "bigint" ? Number(v) : v);
    return { ...ghost, wrong: `its ${actor?.standing.call.kind} may not do this: ${shown}` };
  }
  const need = new Map(ghost.need);
  const arrived = new Map(ghost.arrived);
  const outcomes = new Map(ghost.outcomes);
  let wrong: string | undefined;
  const phase = Number(before.phase);
  const open = Number(arrivalPhase(before));
  const thread = actor?.thread ?? -1;
  const pass = (phase: number) => {
    const count = arrived.get(phase)?.length ?? 0;
    if (count !== need.get(phase)) {
      wrong ??= `phase ${phase} passes with ${count} arrivals and needs ${need.get(phase)}`;
    }
    if (outcomes.has(phase)) wrong ??= `phase ${phase} passes and ${outcomes.get(phase)!.reason}`;
    outcomes.set(phase, { reason: "passed" });
  };
  const call = actor?.standing.call;
  switch (name) {
    case "arrive":
    case "drop":
      if (actor?.standing.seat !== undefined && arrived.get(open)?.includes(thread)) {
        wrong = `it arrives twice in phase ${open}`;
      }
      arrived.set(open, [...arrived.get(open) ?? [], thread]);
      if (after.phase > before.phase) pass(open);
      if (arrivalPhase(after) > open) need.set(open + 1, after.parties);
      break;
    case "withdraw":
      arrived.set(open, arrived.get(open)!.toSpliced(arrived.get(open)!.lastIndexOf(thread), 1));
      break;
    case "endAction":
      pass(phase);
      if (arrivalPhase(after) > open) need.set(open + 1, after.parties);
      break;
    case "register":
      if (before.reason === undefined) need.set(open, need.get(open)! + 1);
      break;
    case "reset":
    case "resetDropping":
      if (call?.phase !== undefined && call.phase !== phase && call.phase !== open) {
        wrong = `it mends phase ${phase}`;
      }
      need.set(Number(after.phase), after.parties);
      break;
    case "loseMore":
      break;
    default: {
      if (name === "breakReset" && call !== undefined && call.exchangedAt >= 0) {
        wrong = "one reset breaks two phases";
      }
      // It breaks; at the end of a broken barrier, the next phase does.
      const broken = Number(after.phase);
      const outcome = outcomeOf(ghost, actor, after.reason!, before, name);
      for (let p = broken; p <= broken + (after.running ? 1 : 0); p++) {
        if (outcomes.has(p)) wrong ??= `phase ${p} breaks and ${outcomes.get(p)!.reason}`;
        outcomes.set(p, outcome);
      }
    }
  }
  return withKey({ word: after, need, arrived, outcomes, wrong });
}

function outcomeOf(
  ghost: Ghost,
  actor: Actor | undefined,
  reason: string,
  before: Word,
  name: Transition,
): Outcome {
  const outcome: Outcome = { reason, breaker: actor?.thread };
  if (actor === undefined || before.reason !== undefined) return outcome;
  const { call, seat } = actor.standing;
  const phase = Number(before.phase);
  outcome.arrived = before.running ? before.parties : before.parties - before.remaining;
  outcome.parties = before.parties;
  if (["wait", "abort", "close"].includes(call.kind)) outcome.party = seat?.name;
  if (name === "loseLost") outcome.party = "?";
  const named = actor.standings.filter(({ seat, log }) =>
    seat !== undefined &&
    !log.some(({ call, outcome }) => call === "drop" && outcome.startsWith("arrived"))
  );
  const arrived = ghost.arrived.get(phase) ?? [];
  const hasArrived = (standing: Standing) => arrived.includes(actor.standings.indexOf(standing));
  const isMissing = (standing: Standing) => !before.running && !hasArrived(standing);
  // Who is between its mark and its exchange need not be listed. Who has withdrawn and come again may be: the marks
  // are read one by one.
  const isBetween = ({ call }: Standing) => ["wait", "arrive", "drop"].includes(call.kind);
  const others = actor.standings.flatMap(({ log, call }) => [...log, call]).filter((it) =>
    it !== call
  )
    .map((it) => "kind" in it ? it.kind : it.call);
  const maybe = named.filter((it) => isMissing(it));
  // Whose seats come and go, the book does not know, nor who sits where no thread does.
  if (others.some((kind) => ["expect", "join"].includes(kind))) return outcome;
  const isAnyGone = others.some((kind) => ["lose", "close"].includes(kind));
  outcome.missing = isAnyGone ? [] : maybe.filter((it) => !isBetween(it)).map(nameOfSeat);
  outcome.maybe = maybe.map(nameOfSeat);
  outcome.others = named.filter((it) => !maybe.includes(it) && !hasWithdrawn(it)).map(nameOfSeat);
  return outcome;
}

function hasWithdrawn({ log, call }: Standing): boolean {
  return call.withdrawn || log.some(({ outcome }) => outcome === "withdrawn");
}

function nameOfSeat({ seat }: Standing): string {
  return seat!.name;
}

/** What is wrong with what a thread was told. */
export function judgeEntries(
  scenario: Scenario,
  ghost: Ghost,
  thread: number,
  entries: readonly Entry[],
): string | undefined {
  for (const entry of entries) {
    const wrong = judgeEntry(scenario, ghost, thread, entry);
    if (wrong !== undefined) return `${wrong}: ${JSON.stringify(entry)}`;
  }
}

function judgeEntry(
  scenario: Scenario,
  ghost: Ghost,
  thread: number,
  { call, phase, from, outcome, index, error }: Entry,
): string | undefined {
  if (outcome.startsWith("threw")) return "throws";
  if (outcome.startsWith("state") && !scenario.may?.some((text) => outcome.includes(text))) {
    return "is refused";
  }
  const outcomeIn = (phase: number) => ghost.outcomes.get(phase)?.reason;
  if (call === "wait" && (outcome === "passed" || outcome === "forgotten")) {
    if (outcome === "forgotten") {
      return isForgettable(ghost, phase!) ? undefined : "need not forget";
    }
    if (outcomeIn(phase!) !== "passed") return "passes early";
    if (index! < 0 || index! >= ghost.need.get(phase!)!) return "has an impossible number";
  }
  if (call === "wait" && outcome === "timeout") {
    const { reason, breaker } = ghost.outcomes.get(phase!) ?? {};
    if (reason !== "timeout" || breaker !== thread) return "did not break it";
  }
  if (call === "waitFor" && outcome === "passed") {
    for (let p = from!; p <= phase!; p++) {
      if (outcomeIn(p) !== "passed") return `is told that phase ${p} passed`;
    }
    if (phase! < from! && outcomeIn(phase!) !== "passed") return "is told that it passed";
  }
  if (call === "waitFor" && outcome === "forgotten") {
    if (!isForgettable(ghost, Math.min(from!, phase!))) return "need not forget";
  }
  if (call === "waitFor" && outcome === "broken") {
    for (let p = Math.min(from!, phase!); p < error!.phase; p++) {
      if (outcomeIn(p) !== "passed" && !isForgettable(ghost, p)) return "is told of a later break";
    }
    if (error!.phase > phase!) return "is told of a break that does not concern it";
  }
  if ((call === "arrive" || call === "drop") && outcome.startsWith("arrived")) {
    if (outcome !== `arrived ${phase}`) return `arrived in phase ${phase}`;
  }
  if (error === undefined) return undefined;
  const told = ghost.outcomes.get(error.phase);
  if (told?.reason !== error.reason) return `is told a wrong reason, ${told?.reason}`;
  if (call === "wait" && phase !== undefined && error.phase !== phase) return "gets another phase";
  return judgeDetails(error, told);
}

/** Details may be lacking; where there are any, they are right. */
function judgeDetails(error: NonNullable<Entry["error"]>, told: Outcome): string | undefined {
  if (error.parties === 0 && error.arrived === 0 || told.parties === undefined) return undefined;
  const { arrived, parties, party, missing } = error;
  if (arrived !== told.arrived || parties !== told.parties) {
    return `is told wrong counts, ${told.arrived}/${told.parties}`;
  }
  if (told.party !== "?" && party !== told.party) return `is told a wrong party, ${told.party}`;
  if (told.party === "?" && party === undefined) return "is not told who is gone";
  if (told.missing === undefined) return undefined;
  for (const name of told.missing) {
    if (!missing.includes(name)) return `is not told that ${name} is missing`;
  }
  for (const name of missing) {
    if (told.others!.includes(name)) return `is told that ${name} is missing`;
  }
}

/** Whether 16 phases or more have ended since. */
function isForgettable({ word }: Ghost, phase: number): boolean {
  return Number(word.phase) > phase + 16;
}

/** What is wrong with a state in which nobody can go on, unless time runs out. */
export function judgeRest(
  ghost: Ghost,
  standings: readonly Standing[],
  { sleepers, stuck }: { sleepers: number[]; stuck: number[] },
): string | undefined {
  for (const i of sleepers) {
    const { call } = standings[i]!;
    const over = call.kind === "action"
      ? ghost.word.running && ghost.word.reason === undefined
      : ghost.outcomes.has(call.phase!);
    if (over) return `${String.fromCharCode(65 + i)} sleeps though its ${call.kind} is over`;
  }
  const hanging = stuck.filter((i) => standings[i]!.call.kind !== "action");
  if (hanging.length > 0) {
    return `${hanging.map((i) => String.fromCharCode(65 + i)).join(" and ")} will never be woken`;
  }
}

/** How it all ended. */
export interface End {
  /** Who has joined, and who is expected. */
  joined: string[];
  expected: string[];
  memory: Place["memory"];
  ghost: Ghost;
  standings: readonly Standing[];
  anyDead: boolean;
}

/** What is wrong when all threads are done. */
export function judgeEnd(
  place: Place,
  scenario: Scenario,
  how: Omit<End, "joined" | "expected">,
): string | undefined {
  finishTaking(place, how.memory);
  const seats = seatsIn(place, how.memory);
  const namesOf = (status: number) =>
    seats.filter((seat) => seat.status === status).map(({ name }) => name);
  const end: End = { ...how, expected: namesOf(EXPECTED), joined: namesOf(JOINED) };
  const wrong = judgeNumbers(scenario, end);
  if (wrong !== undefined || scenario.miscounts?.(end)) return wrong;
  return scenario.after?.(end) ?? judgeSeats(place, end) ?? judgeUse(place, end);
}

/** As whoever takes the next seat: finishes what the dead have left. */
function finishTaking({ library: { shared } }: Place, memory: Place["memory"]): void {
  const barrier = new shared.SharedBarrier(memory, undefined);
  try {
    barrier.seats.release(barrier.seats.join("somebody new"));
  } catch (error) {
    if ((error as Error).name !== "InvalidStateError") throw error;
  }
}

/** The statuses of seats. */
const EXPECTED = 3;
const JOINED = 4;
const GONE = 5;

function seatsIn({ library: { layout, shared } }: Place, memory: Place["memory"]) {
  const { seats } = new shared.SharedBarrier(memory, undefined);
  return Array.from({ length: layout.seatRecords(memory.room) }, (_, index) => {
    const at = layout.seatsStart(memory.room) + index * layout.SEAT_WORDS;
    return {
      name: seats.nameOf(index),
      status: memory.words[at + layout.SEAT_STATUS]! & 7,
      goneIn: memory.words[at + layout.SEAT_GONE_IN]!,
    };
  });
}

/** At most one wait of a phase gets 0, and no two the same where nobody withdraws or registers. */
function judgeNumbers(scenario: Scenario, { standings }: End): string | undefined {
  const passes = standings.flatMap(({ log }) => log).filter(({ index }) => index !== undefined);
  for (const [phase, ofPhase] of Map.groupBy(passes, (entry) => entry.phase)) {
    const numbers = ofPhase.map(({ index }) => index!).sort();
    const twice = numbers.some((number, i) =>
      number === numbers[i + 1] && (number === 0 || !scenario.gaps)
    );
    if (twice) return `the numbers of phase ${phase} are ${numbers}`;
  }
}

/** No more seats than parties, and no name twice. */
function judgeSeats(place: Place, { memory, ghost }: End): string | undefined {
  const phase = Number(ghost.word.phase % 2n ** 31n);
  const names = seatsIn(place, memory)
    .filter(({ status, goneIn }) =>
      status === EXPECTED || status === JOINED || status === GONE && goneIn === phase
    )
    .map(({ name }) => name);
  const most = ghost.word.parties;
  if (names.length > most) return `${names.length} seats of ${most} are taken: ${names}`;
  if (new Set(names).size < names.length) return `a name is taken twice: ${names}`;
}

/** Afterwards a broken barrier says so and can be mended, and the next phase passes. */
function judgeUse({ library }: Place, { memory, ghost }: End): string | undefined {
  if (ghost.word.over) return undefined;
  const barrier = new library.shared.SharedBarrier(memory, undefined);
  const party = new library.party.SharedParty(barrier, undefined);
  try {
    const phase = barrier.outcomes.snapshot.phase;
    if (phase !== Number(ghost.word.phase)) {
      return `phase ${phase} is open, not ${ghost.word.phase}`;
    }
    if (barrier.outcomes.snapshot.broken) barrier.reset(phase, false);
    const running = barrier.actionPhase;
    if (running !== undefined) barrier.passAction(running);
    const { parties, arrived, phase: open } = barrier.outcomes.snapshot;
    for (let i = arrived; i < parties; i++) party.arrive();
    if (barrier.actionPhase !== undefined) barrier.passAction(barrier.actionPhase);
    if (parties > 0 && arrived < parties && barrier.outcomes.snapshot.phase !== open + 1) {
      return "the next phase does not pass";
    }
  } catch (error) {
    return `the next use fails: ${error}`;
  }
}
