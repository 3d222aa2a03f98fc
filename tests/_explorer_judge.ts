// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * What must hold of a barrier, whatever the interleaving. It knows of the parties what they were told, and
 * nothing of how the barrier works.
 *
 * @module
 */

import type { Entry, Library, Standing } from "./_explorer_party.ts";
import type { Scenario } from "./_explorer_scenarios.ts";

/** More operations than a call needs, and more calls than a program makes: it runs in circles. */
const MOST_OPS = 200;
const MOST_CALLS = 20;

export function nameOf(party: number): string {
  return String.fromCharCode(65 + party);
}

/** What is wrong with what the parties were told by a step. */
export function judgeStep(
  scenario: Scenario,
  before: Standing[],
  all: Standing[],
): string | undefined {
  for (const [i, standing] of all.entries()) {
    const { acted, log } = before[i]!;
    if (standing === before[i]) continue;
    const wrong = standing.acted > acted ? judgeAction(scenario, all) : undefined;
    if (wrong !== undefined) return `${nameOf(i)} ${wrong}`;
    for (const entry of standing.log.slice(log.length)) {
      const wrong = judgeEntry(scenario, entry, all);
      if (wrong === undefined) continue;
      return `${nameOf(i)} gets ${JSON.stringify(entry.outcome)} in phase ${entry.phase}, ${wrong}`;
    }
    if (standing.ops > MOST_OPS || standing.calls > MOST_CALLS) {
      return `${nameOf(i)} runs in circles`;
    }
  }
}

function judgeAction(scenario: Scenario, all: Standing[]): string | undefined {
  if (all.some(({ acting }) => acting)) return "acts while another does";
  if (scenario.standIn) return undefined;
  const phase = actionsOf(scenario, all) - 1;
  if (all.some(({ entered }) => entered <= phase)) return "acts before all arrived";
  if (all.some((other) => passesOf(other) > phase)) return "acts after somebody passed";
}

function judgeEntry(
  scenario: Scenario,
  { phase, outcome }: Entry,
  all: Standing[],
): string | undefined {
  if (isPass(outcome)) {
    const missing = all.some(({ entered }) => entered <= phase);
    if (missing && !scenario.standIn) return "before all arrived";
    const actions = actionsOf(scenario, all);
    const right = scenario.ahead ? actions > phase : actions === phase + 1;
    if (scenario.action && !right) return `after ${actions} actions`;
  } else if (outcome === "looked") {
    if (all.some(({ entered }) => entered < phase)) return "which has not begun";
  } else if (!scenario.may.includes(outcome)) {
    return "which cannot be";
  } else if (isBreak(outcome) && !scenario.standIn) {
    if (all.some((other) => passesOf(other) > phase)) return "which somebody passed";
  }
}

/** What is wrong with a state in which nobody can go on, unless time runs out. */
export function judgeRest(
  all: Standing[],
  { asleep, stuck }: { asleep: number[]; stuck: number[] },
): string | undefined {
  for (const i of asleep) {
    const { passed, epoch } = all[i]!;
    const over = all.some((other) =>
      passesOf(other) > passed ||
      other.log.some((entry) =>
        entry.phase === passed && entry.epoch === epoch && isBreak(entry.outcome)
      )
    );
    if (over) return `${nameOf(i)} sleeps though its phase is over`;
  }
  if (stuck.length > 0) return `${stuck.map(nameOf).join(" and ")} will never be woken`;
}

/** What is wrong when all parties are done. */
export function judgeEnd(
  library: Library,
  scenario: Scenario,
  { all, memory }: { all: Standing[]; memory: readonly number[] },
): string | undefined {
  const entries = all.flatMap(({ log }) => log);
  const passed = Math.max(scenario.phases ?? 0, ...all.map(passesOf));
  return judgeNumbers(scenario, entries) ?? judgeReasons(entries) ??
    judgeUse(library, memory, passed);
}

/** The last to arrive gets 0, and nobody else; no reset lies between the arrivals. */
function judgeNumbers({ gaps, parties }: Scenario, entries: Entry[]): string | undefined {
  const passes = entries.filter(({ outcome }) => typeof outcome === "number");
  for (const [phase, ofPhase] of Map.groupBy(passes, (entry) => entry.phase)) {
    const numbers = ofPhase.map(({ outcome }) => outcome as number).sort();
    const right = gaps
      ? numbers.lastIndexOf(0) < 1
      : numbers.length === parties && numbers.every((number, i) => number === i);
    if (!right) return `the numbers of phase ${phase} are ${numbers}`;
    const epochs = new Set(ofPhase.map(({ epoch }) => epoch));
    if (epochs.size > 1) return `phase ${phase} passes after ${[...epochs].join(" and ")} resets`;
  }
}

/** All whom one break concerns get the same reason, but for its victim, which gets its own error. */
function judgeReasons(entries: Entry[]): string | undefined {
  const broken = entries.filter(({ outcome, epoch, overslept }) =>
    isBreak(outcome) && epoch !== undefined && outcome !== "thrown" &&
    // Who slept through several resets knows only that there was one.
    !(outcome === "reset" && overslept)
  );
  for (const [epoch, ofEpoch] of Map.groupBy(broken, (entry) => entry.epoch)) {
    const victims = ofEpoch.filter(({ outcome }) => outcome === "TimeoutError");
    if (victims.length > 1) return `after ${epoch} resets ${victims.length} timeouts broke it`;
    // The action ends its own phase only: an abort made while it ran is the reason from then on.
    const waited = Map.groupBy(ofEpoch.filter(({ arrived }) => arrived), ({ phase }) => phase);
    const others = ofEpoch.filter(({ outcome }) => outcome !== "action");
    for (const group of [...waited.values(), others]) {
      const reasons = new Set(
        group.map(({ outcome }) => outcome === "TimeoutError" ? "timeout" : outcome),
      );
      if (reasons.size > 1) {
        return `after ${epoch} resets it broke for ${[...reasons].join(" and ")}`;
      }
    }
  }
}

/** Afterwards a broken barrier says so and can be mended, and the next phase passes. */
function judgeUse(library: Library, memory: readonly number[], passed: number): string | undefined {
  const buffer = new SharedArrayBuffer(library.Barrier.BYTE_LENGTH);
  new Int32Array(buffer).set(memory);
  try {
    const barrier = library.Barrier.from(buffer);
    if (barrier.phase !== passed) {
      return `${passed} phases passed, and ${barrier.phase} are counted`;
    }
    if (barrier.broken) {
      try {
        barrier.arrive();
        return "a broken barrier takes an arrival";
      } catch (error) {
        if (!(error instanceof library.BrokenBarrierError)) throw error;
      }
      barrier.reset();
    }
    if (barrier.arrived !== 0) return `${barrier.arrived} arrived of those who are gone`;
    for (let i = barrier.parties; i > 0; i--) barrier.arrive();
    if (barrier.phase !== passed + 1) return "the next phase does not pass";
  } catch (error) {
    return `the next use fails: ${error}`;
  }
}

function actionsOf(scenario: Scenario, all: Standing[]): number {
  return all.reduce((sum, { acted }) => sum + acted, scenario.phases ?? 0);
}

/** How many phases a party was told to have passed. */
function passesOf({ log }: Standing): number {
  const last = log.findLast(({ outcome }) => isPass(outcome));
  return last === undefined ? 0 : last.phase + 1;
}

function isPass(outcome: Entry["outcome"]): outcome is number | "passed" {
  return typeof outcome === "number" || outcome === "passed";
}

const BREAKS = ["TimeoutError", "timeout", "aborted", "reset", "thrown", "action"];

function isBreak(outcome: Entry["outcome"]): boolean {
  return BREAKS.includes(outcome as string);
}
