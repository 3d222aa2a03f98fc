// Copyright 2026 the Rendezvous authors. MIT license.

// Judges the log of a round, by the order of its lines and by nothing else.

import type { Call, Entry, Told } from "./log.ts";

/** The outcomes of so many phases are always known. */
const REMEMBERED = 16;

/** What is known of the barrier of a round. */
export interface Rules {
  /** Where its parties have no names: how many there are. Then they arrive by `arrive()` only. */
  unnamed?: number;
  /** Whether it has an action: then what breaks one phase may break two, and one reset mends both. */
  hasAction?: boolean;
  /** Whether data was lost that only the engine knew: a break that only some were told, or the order of arrivals. */
  dataLost?: boolean;
  /** Whoever is cancelled waits so long for an engine that may be away, in ms, and then cannot know how the phase ends. */
  answerTimeout?: number;
}

/** What a round was like. */
export interface Verdict {
  problems: string[];
  /** What else is wrong, as data was lost. */
  disagreements: string[];
  told: Record<string, number>;
  /** How long it took after somebody was told of a phase until all were who waited then, in ms. */
  slowest: number;
}

/** A call, and what was told of it, with the places of both in the log. */
interface Done extends Call {
  who: string;
  start: number;
  end: number;
  told: Told | undefined;
}

interface Party {
  joined: { at: number; phase: number } | undefined;
  transport: string | undefined;
  /** The places in the log where its end and its disposal were about to be. */
  ended: number;
  disposed: number;
  stopped: boolean;
  /** It may be taken for lost at any time; or an engine that had lost its data took it in the place of another. */
  starved: boolean;
  left: boolean;
  calls: Done[];
}

/** A range of phases. */
type Phases = [from: number, to: number];

export function judge(log: readonly Entry[], rules: Rules = {}): Verdict {
  const { parties, over } = gather(log, rules);
  const calls = [...parties.values()].flatMap((party) => party.calls);
  const problems: string[] = [];
  const disagreements = rules.dataLost ? [] : problems;
  const verdict: Verdict = { problems, disagreements, told: {}, slowest: 0 };
  const partyOf = (name: string) => parties.get(name)!;

  /** Those told that a phase ended, and how: one word for each. */
  const endings = new Map<number, Map<string, Done>>();
  const note = (phase: number, how: string, call: Done) => {
    const known = endings.get(phase) ?? new Map<string, Done>();
    endings.set(phase, known);
    if (!known.has(how)) known.set(how, call);
  };

  /** Those that were told what may not be so: an answer was on its way from a server that died, or never came. */
  const doubtful = new Set<Done>();
  for (const call of calls) {
    const { who, does, told, start, end } = call;
    const { ended, disposed, transport, starved } = partyOf(who);
    const what = `${who} in line ${start}, ${does}`;
    if (told === undefined) {
      if (ended === Infinity) problems.push(`${what}: was never told`);
      continue;
    }
    const kind = told.kind === "broken" ? `broken (${told.reason})` : told.kind;
    verdict.told[kind] = (verdict.told[kind] ?? 0) + 1;
    const serverDied = over?.how === "killed" && over.at < end;
    const onSocket = transport === "socket";
    // Whose server died cannot know what it had not been told on the socket.
    if (told.kind === "forgotten" && told.phases <= REMEMBERED && !(serverDied && onSocket)) {
      problems.push(`${what}: was forgotten after ${told.phases} phases`);
    }
    // A server may end while somebody is about to join.
    const joinsNoMore = does === "join" && over !== undefined && over.at < end;
    const mayFail = joinsNoMore || call.may?.includes("fail");
    if (told.kind === "failed" && !mayFail) problems.push(`${what}: failed: ${told.text}`);
    if (told.kind === "refused" && !call.may?.includes("be refused")) {
      const isGone = disposed < end || ended < end || starved;
      const isOver = over !== undefined && over.at < end || isGone;
      if (!isOver) problems.push(`${what}: was refused: ${told.text}`);
    }
    if (told.kind === "cancelled" && does === "wait" && isInDoubt(call)) {
      doubtful.add(call);
      verdict.told["cancelled, in doubt"] = (verdict.told["cancelled, in doubt"] ?? 0) + 1;
    } else if (
      told.kind === "cancelled" && does === "wait" && !call.may?.includes("withdraw")
    ) {
      if (told.phase !== undefined) note(told.phase, `broken (${told.why})`, call);
    }
    if (told.kind === "broken") {
      const blamed = wrongName(told, end);
      if (blamed !== undefined) problems.push(`${what}: ${blamed}`);
      const cannotKnow = serverDied && onSocket && told.reason === "lost" &&
        told.party === undefined;
      if (cannotKnow) doubtful.add(call);
      else note(told.phase, `broken (${told.reason})`, call);
    }
  }

  function isInDoubt({ start, end }: Done): boolean {
    return log[end]!.at - log[start]!.at > (rules.answerTimeout ?? Infinity);
  }

  /** What is wrong with the party that an error names. */
  function wrongName(told: Told & { kind: "broken" }, end: number): string | undefined {
    const { reason, party: name, detailed } = told;
    if (name === undefined) {
      const isServer = over?.how === "killed" && over.at < end;
      return reason === "lost" && detailed && !isServer ? "somebody lost has no name" : undefined;
    }
    const party = parties.get(name);
    if (party === undefined) return `${name} is named, whom nobody knows`;
    const did = party.calls.filter(({ start }) => start < end);
    const may = (thing: string) => did.some((call) => (call.may as string[])?.includes(thing));
    const isSo = {
      lost: party.ended < end || party.starved,
      aborted: party.disposed < end || may("abort"),
      timeout: may("time out"),
      action: false,
      reset: false,
    }[reason];
    return isSo ? undefined : `${name} is named with "${reason}", which it did not do`;
  }

  /** The phases that a call is about. */
  function phasesOf(call: Done): Phases {
    const { told, from } = call;
    if (doubtful.has(call)) return [from, Infinity];
    if (told?.kind === "arrived" || told?.kind === "broken") return [told.phase, told.phase];
    if (told?.kind === "cancelled" && told.phase !== undefined) return [told.phase, told.phase];
    if (told?.kind !== "passed") return [from, Infinity];
    let [low, high] = [told.from, told.to];
    const broke = (phase: number) =>
      [...endings.get(phase)?.keys() ?? []].some((how) => how !== "passed");
    while (low < high && broke(low)) low++;
    while (low < high && broke(high)) high--;
    return [low, high];
  }

  const passes = calls.filter(({ told }) => told?.kind === "passed");
  const ranges = new Map(calls.map((call) => [call, phasesOf(call)]));
  for (const call of passes) {
    const [low, high] = ranges.get(call)!;
    if (low > high) problems.push(`${call.who} in line ${call.start}: passed no phase`);
    else if (low < high) {
      verdict.told["passed, in doubt"] = (verdict.told["passed, in doubt"] ?? 0) + 1;
    } else note(low, "passed", call);
  }

  for (const [phase, ways] of endings) {
    if (ways.size < 2) continue;
    const all = [...ways].map(([how, { who, end }]) => `${how} (${who} in line ${end})`);
    disagreements.push(`phase ${phase} ended in two ways: ${all.join(", ")}`);
  }

  const covers = (call: Done, phase: number) => {
    const [low, high] = ranges.get(call)!;
    return low <= phase && phase <= high;
  };
  /** Whether a call may have been an arrival in a phase that passed. */
  const isArrival = (call: Done) =>
    ["wait", "arrive", "drop"].includes(call.does) && (doubtful.has(call) ||
      !["broken", "cancelled", "refused"].includes(call.told?.kind ?? ""));
  const arrivals = calls.filter(isArrival);

  for (const call of passes) {
    const [phase, high] = ranges.get(call)!;
    if (phase !== high) continue;
    const begun = arrivals.filter((other) => other.start < call.end && covers(other, phase));
    const early = (why: string) =>
      problems.push(`${call.who} in line ${call.end}: passed phase ${phase} early: ${why}`);
    if (rules.unnamed !== undefined && begun.length < rules.unnamed) {
      early(`${begun.length} of ${rules.unnamed} had begun to arrive`);
    }
    for (const [name, { joined, ended, disposed, starved, calls }] of parties) {
      if (joined === undefined || rules.unnamed !== undefined) continue;
      const isGone = starved || Math.min(ended, disposed) < call.end;
      const hasDropped = calls.some(({ does, told, start }) =>
        does === "drop" && start < call.end &&
        (told === undefined || told.kind === "arrived" && told.phase < phase)
      );
      if (joined.at > call.end || joined.phase > phase || isGone || hasDropped) continue;
      if (!begun.some(({ who }) => who === name)) early(`${name} had not begun to arrive`);
    }
  }

  const acts = new Map<number, number>();
  for (const [at, entry] of log.entries()) {
    if (entry.what !== "acts") continue;
    if (acts.has(entry.phase)) problems.push(`phase ${entry.phase}: its action ran twice`);
    else acts.set(entry.phase, at);
  }
  for (const call of acts.size > 0 ? passes : []) {
    const [phase, high] = ranges.get(call)!;
    if (phase === high && !((acts.get(phase) ?? Infinity) < call.end)) {
      problems.push(`${call.who} in line ${call.end}: passed phase ${phase} before its action`);
    }
  }

  const resets = calls.filter(({ does }) => does === "reset");
  const lastPass = Math.max(...passes.map((call) => ranges.get(call)![0]));
  for (const [phase, ways] of endings) {
    if (ways.has("passed") || phase >= lastPass) continue;
    const later = passes.filter((call) => ranges.get(call)![0] > phase);
    const left = Math.min(...later.map(({ end }) => end));
    const told = calls.filter((call) => covers(call, phase) && ranges.get(call)![1] === phase);
    const begun = Math.min(...told.map(({ start }) => start));
    const isMended = resets.some(({ may, from, start, end }) =>
      start < left &&
      (may ? end > begun : Math.abs(from - phase) <= (rules.hasAction ? 1 : 0))
    );
    if (!isMended) disagreements.push(`phase ${phase} was left though nobody had mended it`);
  }

  for (const [phase, ways] of endings) {
    if (!ways.has("passed")) continue;
    const here = arrivals.filter((call) => covers(call, phase));
    const sure = here.filter((call) => ranges.get(call)![0] === ranges.get(call)![1]);
    if (rules.unnamed !== undefined && sure.length > rules.unnamed) {
      problems.push(`phase ${phase}: ${sure.length} of ${rules.unnamed} arrived in it`);
    }
    const [first, last] = [
      Math.min(...here.map((c) => c.start)),
      Math.max(...here.map((c) => c.end)),
    ];
    const isUneven = calls.some(({ does, may, start, end }) =>
      (does === "register" || may?.includes("withdraw")) && start < last && end > first
    );
    const numbers = sure.flatMap(({ told }) => told?.kind === "passed" ? told.index ?? [] : []);
    numbers.sort((a, b) => a - b);
    if (isUneven || numbers.length === 0) continue;
    const isWhole = here.every(({ does }) => does === "wait") && sure.length === here.length;
    const isRight = isWhole
      ? numbers.every((number, i) => number === i)
      : new Set(numbers).size === numbers.length;
    if (!isRight) disagreements.push(`phase ${phase}: the numbers are ${numbers.join(", ")}`);
  }

  for (const [name, { joined, ended, disposed, starved, left, calls }] of parties) {
    const isGone = starved || Math.min(ended, disposed) < Infinity;
    if (joined === undefined || isGone || over !== undefined) continue;
    if (!left) problems.push(`${name}: has not left`);
    else if (!calls.some(({ does, told }) => does === "drop" && told?.kind === "arrived")) {
      problems.push(`${name}: has left before all met again`);
    }
  }

  for (const phase of endings.keys()) {
    const waited = calls.filter((call) =>
      call.told !== undefined && call.told.kind !== "cancelled" && call.does.startsWith("wait") &&
      covers(call, phase) &&
      ranges.get(call)![1] === phase && !partyOf(call.who).stopped
    );
    const ends = waited.map(({ end }) => end).sort((a, b) => a - b);
    const first = ends[0];
    if (first === undefined) continue;
    const late = waited.filter(({ start }) => start < first).map(({ end }) => log[end]!.at);
    verdict.slowest = Math.max(verdict.slowest, Math.max(...late) - log[first]!.at);
  }
  return verdict;
}

/** Whether a party is told that it took a seat of somebody whom the engine had forgotten. */
export function isReplaced(entry: Entry): boolean {
  return entry.what === "told" && entry.kind === "refused" &&
    entry.text.includes("its seat was given to another");
}

/** Puts together what belongs to each party. */
function gather(log: readonly Entry[], { dataLost = false }: Rules) {
  const parties = new Map<string, Party>();
  let over: { at: number; how: "killed" | "disposed" } | undefined;
  for (const [at, entry] of log.entries()) {
    const party: Party = parties.get(entry.who) ?? {
      joined: undefined,
      transport: undefined,
      ended: Infinity,
      disposed: Infinity,
      stopped: false,
      starved: false,
      left: false,
      calls: [],
    };
    parties.set(entry.who, party);
    switch (entry.what) {
      case "joined":
        party.joined = { at, phase: entry.phase };
        party.transport = entry.transport;
        break;
      case "gone":
        // One who is killed may yet write that it is about to end.
        if (entry.how === "disposed") party.disposed = Math.min(party.disposed, at);
        else party.ended = Math.min(party.ended, at);
        break;
      case "over":
        over ??= { at, how: entry.how };
        break;
      case "stopped":
      case "starved":
      case "left":
        party[entry.what] = true;
        break;
      case "call":
        party.calls.push({ ...entry, start: at, end: Infinity, told: undefined });
        break;
      case "told":
        Object.assign(party.calls.find(({ id }) => id === entry.id)!, { end: at, told: entry });
        if (dataLost && isReplaced(entry)) party.starved = true;
    }
  }
  return { parties, over };
}
