// Copyright 2026 the Rendezvous authors. MIT license.

import type { Party } from "./_explorer_party.ts";

/** What one party does. */
export type Program = (party: Party) => void;

/** Parties that meet at one barrier, and what may come of it. */
export interface Scenario {
  title: string;
  name: string;
  /** How many of the programs are parties of the barrier from the start; the rest look on or interfere. */
  parties: number;
  programs: Program[];
  /** How a call may end but by passing. */
  may: string[];
  /** Whether the numbers of a phase are no permutation, because parties withdraw, join or only arrive. */
  gaps?: boolean;
  /** What the handles bring: an action, or one that throws when the first party is the last to arrive. */
  action?: "runs" | "throws";
  /** Whether parties arrive in a phase before they know that the one before has passed. */
  ahead?: boolean;
  /** Whether somebody else may arrive in place of a party whose arrival was revoked by a reset. */
  standIn?: boolean;
  /** Whether it makes no sense with an action that throws. */
  unthrowing?: boolean;
  /** Whether it has so many states that three parties are explored with one preemption less. */
  large?: boolean;
  /** How many phases and resets are over when it begins: the counts are about to wrap. */
  phases?: number;
  resets?: number;
}

type Outline = Omit<Scenario, "title" | "name" | "parties">;

const once: Program = (party) => {
  party.wait();
};

const twice: Program = (party) => {
  party.wait();
  party.wait();
};

const timed: Program = (party) => {
  party.wait({ timeout: 1 });
  party.wait();
};

const withdrawing: Program = (party) => {
  if (party.wait({ timeout: 1, onCancel: "withdraw" }) === "withdrawn") party.wait();
};

/** Waits again after the reset, which is what the program after those of the parties does. */
function persistent(parties: number): Program {
  return (party) => {
    while (party.wait() === "reset") party.after(parties);
  };
}

function all(parties: number, program: Program): Program[] {
  return Array<Program>(parties).fill(program);
}

const outlines: Record<string, (parties: number) => Outline> = {
  "plain": (n) => ({ programs: all(n, twice), may: [] }),
  "timeout": (n) => ({ programs: [timed, ...all(n - 1, twice)], may: ["TimeoutError", "timeout"] }),
  "two timeouts": (n) => ({
    programs: [timed, timed, ...all(n - 2, twice)],
    may: ["TimeoutError", "timeout"],
  }),
  "abort": (n) => ({
    programs: [...all(n, twice), (party) => party.abort()],
    may: ["aborted"],
  }),
  "dispose": (n) => ({
    programs: [(party) => party.dispose(), ...all(n - 1, twice)],
    may: ["aborted"],
  }),
  "timeout and abort": (n) => ({
    programs: [timed, ...all(n - 1, twice), (party) => party.abort()],
    large: true,
    may: ["TimeoutError", "timeout", "aborted"],
  }),
  "reset": (n) => ({
    programs: [...all(n, persistent(n)), (party) => party.reset()],
    may: ["reset"],
    unthrowing: true,
  }),
  "reset, counts wrap": (n) => ({
    programs: [...all(n, persistent(n)), (party) => party.reset()],
    may: ["reset"],
    unthrowing: true,
    phases: 15,
    resets: 31,
  }),
  // Who slept through the reset must not take the pass of others for its own.
  "stand-in": (n) => ({
    programs: [...all(n, once), (party) => {
      party.reset();
      party.abort();
    }, (party) => party.wait()],
    may: ["reset", "aborted", "reset in phase 1", "aborted in phase 1"],
    gaps: true,
    standIn: true,
    large: true,
    unthrowing: true,
  }),
  // The last abort ends every wait.
  "abort and reset": (n) => ({
    programs: [...all(n, twice), (party) => {
      party.abort();
      party.reset();
      party.abort();
    }],
    large: true,
    may: ["aborted"],
  }),
  "timeout and reset": (n) => ({
    programs: [timed, ...all(n - 1, twice), (party) => {
      party.reset();
      party.abort();
    }],
    large: true,
    may: ["TimeoutError", "timeout", "reset", "aborted"],
  }),
  "two resets": (n) => ({
    programs: [...all(n, once), (party) => {
      party.reset();
      party.abort();
    }, (party) => {
      party.abort();
      party.reset();
      party.abort();
    }],
    large: true,
    may: ["reset", "aborted"],
    resets: 31,
  }),
  "withdraw": (n) => ({
    programs: [withdrawing, ...all(n - 1, once)],
    may: ["withdrawn"],
    gaps: true,
  }),
  "two withdraw": (n) => ({
    programs: [withdrawing, withdrawing, ...all(n - 2, once)],
    large: true,
    may: ["withdrawn"],
    gaps: true,
  }),
  "drop": (n) => ({
    programs: [(party) => party.drop(), ...all(n - 1, twice)],
    may: ["dropped"],
    gaps: true,
  }),
  "drop and timeout": (n) => ({
    programs: [(party) => party.drop(), timed, ...all(n - 2, twice)],
    may: ["dropped", "TimeoutError", "timeout"],
    gaps: true,
  }),
  "register": (n) => ({
    programs: [...all(n, twice), (party) => {
      for (let phase = party.register(); phase < 2; phase++) party.wait();
    }],
    // It may have joined phase 1 while the action of phase 0 ran, and threw.
    large: true,
    may: ["action in phase 0"],
    gaps: true,
  }),
  "split": (n) => ({
    programs: [(party) => {
      if (party.arrive() === "arrived") party.watch();
    }, ...all(n - 1, once)],
    may: ["arrived"],
    gaps: true,
  }),
  // The phase after the one whose last party drops can be full while its action runs.
  "drop and run ahead": (n) => ({
    programs: [
      (party) => party.drop(),
      ...all(n - 1, (party) => {
        party.arrive();
        for (let other = 0; other < n; other++) party.after(other, 1);
        if (party.arrive() !== "arrived") return;
        party.watch();
        party.watch();
      }),
    ],
    may: ["arrived", "dropped"],
    gaps: true,
    ahead: true,
  }),
  "watch": (n) => ({
    programs: [...all(n, once), (party) => party.watch(), (party) => party.watch({ timeout: 1 })],
    large: true,
    may: ["late"],
  }),
  "counts": (n) => ({
    programs: [...all(n, twice), (party) => {
      party.look();
      party.look();
    }],
    large: true,
    may: [],
    phases: 15,
  }),
};

function* variants(): Generator<Scenario> {
  for (const [title, outline] of Object.entries(outlines)) {
    for (const parties of [2, 3]) {
      for (const action of [undefined, "runs", "throws"] as const) {
        const name = `${title}, ${parties} parties${action ? `, action ${action}` : ""}`;
        if (action === "throws" && outline(parties).unthrowing) continue;
        const scenario: Scenario = { title, name, parties, ...outline(parties) };
        if (action !== undefined) scenario.action = action;
        if (action === "throws") {
          scenario.may.push("thrown", "action");
          // As its action differs, so must its program: parties of one program are interchangeable.
          const [first, ...rest] = scenario.programs;
          scenario.programs = [(party) => first!(party), ...rest];
        }
        yield scenario;
      }
    }
  }
}

export const scenarios: Scenario[] = [...variants()];
