// Copyright 2026 the Rendezvous authors. MIT license.

import { assertEquals } from "@std/assert";
import * as state from "../../_memory/state.ts";
import {
  arrivalPhase,
  decode,
  encode,
  type Reason,
  REASONS,
  type Transition,
  transitions,
  type Word,
} from "./_model.ts";

/** Phases around every place where a carry or a sign could go wrong. */
const PHASES = [
  0n,
  1n,
  2n,
  127n,
  128n,
  254n,
  255n,
  256n,
  257n,
  2n ** 31n,
  2n ** 32n - 2n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 39n - 1n,
  2n ** 39n,
  2n ** 40n - 258n,
  2n ** 40n - 257n,
  2n ** 40n - 256n,
  2n ** 40n - 3n,
];
const MAX_PARTIES = [0, 1, 2, 3, 1022];

function* words(): Generator<Word> {
  for (const phase of PHASES) {
    for (const parties of MAX_PARTIES) {
      for (const running of [false, true]) {
        const base = { parties, running, phase, over: false, reason: undefined };
        for (const remaining of upTo(parties)) yield { ...base, remaining, gone: 0 };
        if (running && parties === 0) yield { ...base, remaining: 0, deserted: true, gone: 0 };
        for (const gone of upTo(parties)) {
          for (const reason of REASONS) yield { ...base, reason, remaining: 0, gone };
        }
      }
      for (const reason of ["aborted", "lost"] as const) {
        yield { parties, running: false, phase, over: true, reason, remaining: 0, gone: 0 };
      }
    }
  }
}

function upTo(parties: number): number[] {
  return parties > 3 ? [0, 1, parties - 1, parties] : [...Array(parties + 1).keys()];
}

function stateOf(word: Word): state.State {
  const bits = encode(word);
  return {
    low: Number(BigInt.asIntN(32, bits)),
    high: Number(BigInt.asIntN(32, bits >> 32n)),
  };
}

function wordOf({ low, high }: state.State): Word {
  // The halves must be what an Int32Array holds.
  assertEquals([low, high], [low | 0, high | 0]);
  return decode(BigInt(high) << 32n | BigInt(low >>> 0));
}

/** What the library does for each transition of the model, where it may happen. */
const library: Record<Transition, (before: state.State, hasAction: boolean) => state.State> = {
  arrive: (before, hasAction) => arrive(before, 0, hasAction),
  drop: (before, hasAction) => arrive(before, 1, hasAction),
  withdraw: state.afterWithdrawal,
  endAction: state.afterAction,
  register: (before) => state.afterRegistration(before, 1),
  breakTimeout: (before) => state.afterBreak(before, "timeout", 0),
  breakAborted: (before) => state.afterBreak(before, "aborted", 0),
  breakAction: (before) => state.afterBreak(before, "action", 0),
  breakReset: (before) => state.afterBreak(before, "reset", 0),
  breakLost: (before) => state.afterBreak(before, "lost", 0),
  loseLost: (before) => state.afterBreak(before, "lost", 1),
  loseAborted: (before) => state.afterBreak(before, "aborted", 1),
  loseMore: state.afterLoss,
  reset: (before) => state.afterReset(before, false),
  resetDropping: (before) => state.afterReset(before, true),
  endAborted: (before) => end(before, "aborted"),
  endLost: (before) => end(before, "lost"),
};

function arrive(before: state.State, dropping: 0 | 1, hasAction: boolean): state.State {
  return state.afterArrival(before, dropping, hasAction);
}

function end(before: state.State, reason: "aborted" | "lost"): state.State {
  const open = state.isBroken(before) ? state.afterReset(before, false) : before;
  return state.afterEnd(open, reason);
}

for (const [name, transition] of Object.entries(library) as [Transition, typeof library.arrive][]) {
  Deno.test(`State after ${name} is that of the model, from every state`, () => {
    let count = 0;
    for (const word of words()) {
      // A phase after the last one is not modelled: nobody arrives in the last 256.
      for (const hasAction of [false, true]) {
        if (word.running && !hasAction) continue;
        const expected = transitions[name](word, hasAction);
        if (expected === undefined) continue;
        const actual = wordOf(transition(stateOf(word), hasAction));
        if (!same(actual, expected)) {
          assertEquals(actual, expected, `after ${name} of ${show(word)}`);
        }
        count++;
      }
    }
    assertEquals(count > 100, true);
  });
}

function same(a: Word, b: Word): boolean {
  return encode(a) === encode(b) && a.over === b.over;
}

function show(word: Word): string {
  return JSON.stringify(word, (_, value) => typeof value === "bigint" ? `${value}n` : value);
}

Deno.test("State reads as in the model, for every state", () => {
  for (const word of words()) {
    const at = stateOf(word);
    const broken = word.reason !== undefined;
    const actual = {
      parties: state.partiesOf(at),
      reason: state.reasonOf(at),
      broken: state.isBroken(at),
      over: state.isOver(at),
      running: state.isRunning(at),
      phase: BigInt(state.phaseOf(at)),
      arrivalPhase: BigInt(state.arrivalPhaseOf(at)),
      corrupt: state.isCorrupt(at),
      exhausted: state.isExhausted(at),
      open: state.isOpen(at),
      remaining: broken ? 0 : state.remainingOf(at),
      gone: broken ? state.goneOf(at) : 0,
      arrived: broken ? 0 : state.arrivedOf(at),
      last: broken ? false : state.isLast(at),
    };
    const { parties, running, phase, remaining, deserted } = word;
    assertEquals(actual, {
      parties,
      reason: word.reason,
      broken,
      over: word.over,
      running,
      phase,
      arrivalPhase: arrivalPhase(word),
      corrupt: false,
      exhausted: phase >= 2n ** 40n - 256n,
      open: !broken && remaining > 0 && phase < 2n ** 40n - 256n,
      remaining: deserted ? 1 : remaining,
      gone: word.gone,
      arrived: broken ? 0 : running ? parties : parties - remaining,
      last: !broken && !running && remaining === 1,
    }, show(word));
  }
});

Deno.test("State of a new barrier is open and empty", () => {
  for (const parties of [1, 2, 3, 1023]) {
    assertEquals(wordOf(state.initialState(parties)), {
      remaining: parties,
      gone: 0,
      parties,
      reason: undefined,
      over: false,
      running: false,
      phase: 0n,
    });
  }
});

Deno.test("State with more arrivals to come than parties is corrupt, and broken and empty after that", () => {
  for (const phase of PHASES) {
    for (const parties of [0, 1, 2, 1022]) {
      for (const remaining of [parties + 1, 1023]) {
        for (const running of [false, true]) {
          // That is how it is told that the last party has dropped behind a running action.
          if (running && parties === 0 && remaining === 1) continue;
          const word = {
            parties,
            remaining,
            gone: 0,
            running,
            phase,
            over: false,
            reason: undefined,
          };
          assertEquals(state.isCorrupt(stateOf(word)), true);
          const after = wordOf(state.afterCorruption(stateOf(word)));
          assertEquals(after, { ...word, reason: "lost" as Reason, remaining: 0 });
        }
      }
    }
  }
});

Deno.test("State drops no more lost parties than there are", () => {
  for (const parties of [0, 1, 2]) {
    for (const gone of [parties + 1, parties + 2]) {
      const word: Word = {
        parties,
        gone,
        remaining: 0,
        running: false,
        phase: 7n,
        over: false,
        reason: "lost",
      };
      const after = wordOf(state.afterReset(stateOf(word), true));
      assertEquals([after.parties, after.remaining, after.phase], [0, 0, 8n]);
    }
  }
});

Deno.test("State shows to who spins on its low half whatever ends a phase", () => {
  const endings: Transition[] = [
    "endAction",
    "breakTimeout",
    "breakAborted",
    "breakAction",
    "breakReset",
    "breakLost",
    "loseLost",
    "loseAborted",
    "reset",
    "resetDropping",
    "endAborted",
    "endLost",
  ];
  const others: Transition[] = ["withdraw", "register", "loseMore"];
  for (const word of words()) {
    for (const name of [...endings, ...others]) {
      const after = transitions[name](word, true);
      if (after === undefined) continue;
      const change = stateOf(word).low ^ stateOf(after).low;
      // An end of an action behind which the next phase is full leaves RUNNING and moves the phase on.
      assertEquals(
        (change & state.ENDING_MASK) !== 0,
        endings.includes(name),
        `${name} ${show(word)}`,
      );
    }
  }
});

Deno.test("MAX_PHASE is the last phase that the state can hold", () => {
  assertEquals(BigInt(state.MAX_PHASE), 2n ** 40n - 1n);
  assertEquals(state.phaseOf({ low: -1, high: -1 }), state.MAX_PHASE);
});
