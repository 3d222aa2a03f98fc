// Copyright 2026 the Rendezvous authors. MIT license.

import type { Seat } from "../../_memory/seats.ts";
import type { SharedBarrier } from "../../_memory/shared_barrier.ts";
import type { End } from "./_explorer_judge.ts";
import type { Entry, Program, Thread } from "./_explorer_party.ts";

/** Threads that meet at one barrier. */
export interface Scenario {
  name: string;
  parties: number;
  programs: Program[];
  /** Whether the barrier has an action: one of the programs runs it. */
  action?: boolean;
  /** What of a call at the wrong moment may be told. */
  may?: string[];
  /** Whether threads may wait for ever, as nobody else comes. */
  hangs?: boolean;
  /** Whether the numbers of a phase are no permutation: parties withdraw, or are registered. */
  gaps?: boolean;
  /** Which of the threads may die, anywhere. One of them does at most. */
  mortal?: number[];
  /** The phase that is open at first. */
  phase?: number;
  /** Whether the death of a thread makes the number of parties wrong, which this once cannot be prevented. */
  miscounts?: (end: End) => boolean;
  /** What is done before the exploration. */
  before?: (barrier: SharedBarrier) => void;
  /** What is wrong at the end. */
  after?: (end: End) => string | undefined;
  /** How many preemptions are explored in the usual run, if not 2. */
  preemptions?: number;
}

const TIMEOUT = 1_000;

const once: Program = (thread) => void thread.wait();

const twice: Program = (thread) => {
  thread.wait();
  thread.wait();
};

const timed: Program = (thread) => {
  thread.wait(TIMEOUT);
  thread.wait();
};

const withdrawing: Program = (thread) => {
  if (thread.wait(TIMEOUT, "withdraw").outcome === "withdrawn") thread.wait();
};

/** Mends what broke, and waits again until it passes. */
const mending: Program = (thread) => mend(thread, () => thread.wait());

function mend(thread: Thread, wait: () => Entry, dropLost: boolean = false): void {
  for (let entry = wait(); entry.outcome === "broken"; entry = wait()) {
    thread.reset(entry.error!.phase, dropLost);
  }
}

const split: Program = (thread) => {
  const { outcome, phase } = thread.arrive();
  if (outcome.startsWith("arrived")) thread.waitFor(phase!);
};

/** Runs every action. */
const runner: Program = (thread) => {
  for (;;) thread.passAction(thread.awaitAction());
};

const failing: Program = (thread) => {
  thread.failAction(thread.awaitAction());
  for (;;) thread.passAction(thread.awaitAction());
};

function all(count: number, program: Program): Program[] {
  return Array<Program>(count).fill(program);
}

/** How many parties there must be at the end. */
function endsWith(parties: number | ((end: End) => number)): (end: End) => string | undefined {
  return (end) => {
    const expected = typeof parties === "number" ? parties : parties(end);
    const actual = end.ghost.word.parties;
    return actual === expected ? undefined : `there are ${actual} parties, not ${expected}`;
  };
}

/** What the threads were told of a call. */
function outcomesOf({ standings }: End, call: Entry["call"]): string[] {
  return standings.flatMap(({ log }) => log).filter((entry) => entry.call === call)
    .map(({ outcome }) => outcome);
}

/** All of these calls must have ended so, in some order. */
function expectOutcomes(
  call: Entry["call"],
  ...expected: string[]
): (end: End) => string | undefined {
  return (end) => {
    const actual = outcomesOf(end, call).map((outcome) => outcome.split(":")[0]!).sort();
    return `${actual}` === `${expected.toSorted()}` ? undefined : `the ${call}s end with ${actual}`;
  };
}

/** Whether the first thread was counted as gone and died before its seat told so. */
function diedBeforeItWasNoted({ standings: [first], ghost }: End): boolean {
  const broke = [...ghost.outcomes.values()].some(({ breaker }) => breaker === 0);
  return first!.log.length === 0 && broke && first!.call.ops === first!.call.exchangedAt;
}

/** Seats that are taken before the exploration. */
let seats: Seat[] = [];

function seated(...names: string[]): (barrier: SharedBarrier) => void {
  return (barrier) => {
    seats = names.map((name) => barrier.seats.join(name));
  };
}

/** A program of the party that has one of these seats. */
function as(index: number, program: Program): Program {
  return (thread) => {
    thread.sit(seats[index]!);
    program(thread);
  };
}

function passes(barrier: SharedBarrier, count: number): void {
  for (let i = 0; i < count; i++) {
    for (
      let left = barrier.outcomes.snapshot.parties - barrier.outcomes.snapshot.arrived;
      left > 0;
      left--
    ) {
      barrier.arrive(0, undefined, -1);
    }
  }
}

function breaks(barrier: SharedBarrier, count: number): void {
  for (let i = 0; i < count; i++) {
    barrier.break("aborted");
    barrier.reset(undefined, false);
  }
}

const basics: Scenario[] = [
  { name: "two phases", parties: 2, programs: all(2, twice) },
  { name: "two phases, 3 parties", parties: 3, programs: all(3, twice), preemptions: 1 },
  { name: "two phases, around a carry", parties: 2, programs: all(2, twice), phase: 2 ** 32 - 1 },
  { name: "two phases, around a half", parties: 2, programs: all(2, twice), phase: 255 },
  { name: "timeout", parties: 2, programs: [timed, twice] },
  { name: "two timeouts", parties: 2, programs: [timed, timed] },
  {
    name: "timeouts of no time",
    hangs: true,
    parties: 2,
    programs: [(thread) => void thread.wait(0), (thread) => void thread.wait(0, "withdraw"), once],
    gaps: true,
  },
  {
    name: "timeout, 3 parties",
    hangs: true,
    parties: 3,
    programs: [timed, once, once],
    preemptions: 1,
  },
  { name: "withdraw", parties: 2, programs: [withdrawing, once], gaps: true },
  { name: "two withdraw", parties: 2, programs: [withdrawing, withdrawing], gaps: true },
  {
    name: "withdraw and timeout",
    parties: 3,
    programs: [withdrawing, (thread) => void thread.wait(TIMEOUT), once],
    gaps: true,
    preemptions: 1,
  },
  { name: "abort", parties: 2, programs: [twice, twice, (thread) => void thread.abort()] },
  {
    name: "abort and timeout",
    parties: 2,
    programs: [timed, once, (thread) => void thread.abort()],
  },
  {
    name: "close",
    parties: 2,
    programs: [once, (thread) => void thread.close(), (thread) => void thread.look()],
  },
  {
    name: "arrive, then wait for the phase",
    parties: 2,
    programs: [split, split, (thread) => void thread.waitFor(0)],
  },
  {
    name: "wait for a later phase",
    parties: 2,
    programs: [once, (thread) => {
      thread.wait();
      thread.abort();
    }, (thread) => void thread.waitFor(5)],
  },
  {
    name: "waiting for a phase may time out",
    parties: 2,
    programs: [once, once, (thread) => void thread.waitFor(0, TIMEOUT)],
  },
  {
    name: "drop",
    parties: 3,
    programs: [(thread) => void thread.drop(), twice, twice],
    preemptions: 1,
    after: endsWith(2),
  },
  {
    name: "register at a broken barrier",
    parties: 1,
    programs: [(thread) => {
      thread.register();
      thread.wait();
    }, (thread) => {
      thread.abort();
      thread.reset();
      thread.wait();
    }],
    gaps: true,
    hangs: true,
    after: endsWith(2),
  },
  {
    name: "register",
    hangs: true,
    parties: 1,
    programs: [once, (thread) => {
      thread.register();
      thread.wait();
    }, (thread) => {
      thread.waitFor(0);
      thread.wait();
    }],
    gaps: true,
    after: endsWith(2),
  },
];

const resets: Scenario[] = [
  {
    name: "reset",
    parties: 2,
    programs: [mending, mending, (thread) => void thread.reset()],
  },
  {
    name: "two resets of an open barrier",
    parties: 2,
    programs: [mending, mending, (thread) => void thread.reset(), (thread) => void thread.reset()],
    preemptions: 1,
  },
  {
    name: "two survivors mend what was aborted",
    parties: 2,
    programs: [mending, mending, (thread) => void thread.abort()],
    after: (end) =>
      end.ghost.outcomes.get(0)?.reason === "aborted" &&
        !["passed", undefined].includes(end.ghost.outcomes.get(1)?.reason)
        ? "they undo each other"
        : undefined,
  },
  {
    name: "two survivors mend what timed out",
    hangs: true,
    parties: 3,
    programs: [mending, mending, (thread) => {
      if (thread.wait(TIMEOUT).outcome !== "passed") thread.wait();
    }],
    preemptions: 1,
  },
  {
    // Its arrival is thrown away, and the arrival of another counts for the next phase.
    name: "arrive, a reset, and wait for the phase",
    hangs: true,
    parties: 2,
    programs: [split, (thread) => void thread.reset(), once, once],
    preemptions: 1,
  },
  {
    name: "abort and reset, twice",
    preemptions: 1,
    parties: 2,
    programs: [once, once, (thread) => {
      for (const _ of [1, 2]) {
        thread.abort();
        thread.reset();
      }
      thread.abort();
    }],
  },
  {
    name: "a stale reset of a phase that is mended",
    parties: 1,
    programs: [
      (thread) => {
        thread.abort();
        thread.reset(0);
        thread.abort();
        thread.wait();
      },
      (thread) => void thread.reset(0),
      (thread) => void thread.reset(0),
    ],
    phase: 0,
    after: (end) =>
      [...end.ghost.outcomes.values()].some(({ reason }) => reason === "reset")
        ? "a reset of phase 0 breaks another"
        : undefined,
  },
  {
    name: "end and reset",
    parties: 2,
    programs: [once, (thread) => {
      thread.abort();
      thread.reset();
    }, (thread) => void thread.end()],
    may: ["over"],
    after: ({ ghost }) => ghost.word.over ? undefined : "it came back to life",
  },
  {
    name: "end and waits",
    parties: 2,
    programs: [twice, twice, (thread) => void thread.end("lost")],
    may: ["over"],
  },
  {
    name: "two ends",
    parties: 2,
    programs: [split, (thread) => void thread.end("lost"), (thread) => void thread.end()],
    may: ["over"],
  },
];

const crowds: Scenario[] = [
  { name: "more threads than parties", parties: 2, programs: all(4, once), preemptions: 1 },
  {
    name: "more threads than parties, which arrive",
    hangs: true,
    parties: 2,
    programs: [split, split, twice],
  },
  { name: "more threads than one party", parties: 1, programs: [twice, split, split] },
  ...[16, 40].map((phases): Scenario => ({
    name: `a thread stands still for ${phases} phases that pass`,
    parties: 2,
    programs: [once, split, (thread) => {
      thread.atomically((barrier) => passes(barrier, 1));
      thread.atomically((barrier) => passes(barrier, phases));
    }],
    gaps: true,
    hangs: true,
    before: (barrier) => breaks(barrier, 2),
  })),
  ...[1, 15, 16, 17].map((phases): Scenario => ({
    name: `a thread stands still for ${phases} phases that break`,
    parties: 3,
    programs: [once, split, (thread) => {
      thread.atomically((barrier) => breaks(barrier, 1));
      thread.atomically((barrier) => passes(barrier, 1));
      thread.atomically((barrier) => breaks(barrier, phases));
    }],
    gaps: true,
    hangs: true,
    phase: 250,
  })),
  {
    name: "a thread stands still in a reset while many phases break",
    hangs: true,
    parties: 2,
    programs: [
      (thread) => {
        thread.abort();
        thread.reset();
      },
      split,
      (thread) =>
        thread.atomically((barrier) => {
          barrier.reset(undefined, false);
          breaks(barrier, 17);
          passes(barrier, 1);
        }),
    ],
    gaps: true,
  },
  {
    name: "a thread waits for a phase that is far off, and stands still",
    parties: 1,
    programs: [(thread) => void thread.waitFor(20), (thread) => {
      thread.atomically((barrier) => passes(barrier, 2));
      thread.atomically((barrier) => breaks(barrier, 1));
      thread.atomically((barrier) => passes(barrier, 17));
      thread.atomically((barrier) => breaks(barrier, 3));
    }],
  },
];

const actions: Scenario[] = [
  { name: "action", parties: 2, programs: [once, once, runner], action: true },
  {
    name: "action, two phases",
    parties: 2,
    programs: [twice, twice, runner],
    action: true,
    preemptions: 1,
  },
  {
    name: "action that throws",
    hangs: true,
    parties: 2,
    programs: [mending, once, failing],
    action: true,
  },
  {
    name: "action and timeout",
    hangs: true,
    parties: 2,
    programs: [timed, once, runner],
    action: true,
  },
  {
    name: "action that throws, and timeout",
    preemptions: 1,
    parties: 2,
    programs: [(thread) => void thread.wait(TIMEOUT), once, failing],
    action: true,
  },
  {
    name: "action and withdrawal",
    hangs: true,
    parties: 2,
    programs: [(thread) => void thread.wait(TIMEOUT, "withdraw"), once, runner],
    action: true,
    gaps: true,
    before: () => {},
  },
  {
    name: "action and abort",
    parties: 2,
    programs: [once, once, runner, (thread) => void thread.abort()],
    action: true,
    preemptions: 1,
  },
  {
    name: "action and reset",
    hangs: true,
    parties: 2,
    programs: [once, split, runner, (thread) => void thread.reset()],
    action: true,
    preemptions: 1,
  },
  {
    name: "action and end",
    parties: 2,
    programs: [once, split, runner, (thread) => void thread.end()],
    action: true,
    may: ["over"],
    preemptions: 1,
  },
  {
    name: "arriving behind an action",
    parties: 1,
    programs: [split, split, (thread) => void thread.arrive(), runner],
    action: true,
    may: ["is full"],
    preemptions: 1,
  },
  {
    name: "arriving behind an action that throws",
    parties: 1,
    programs: [split, (thread) => {
      const { outcome, error } = thread.wait();
      if (outcome === "broken") thread.reset(error!.phase);
    }, failing],
    action: true,
    may: ["is full"],
    after: (end) =>
      outcomesOf(end, "reset").length > 0 && end.ghost.word.reason !== undefined
        ? "nobody mended it"
        : undefined,
  },
  {
    name: "arriving behind an action, and withdrawing",
    preemptions: 1,
    parties: 1,
    programs: [split, (thread) => void thread.wait(TIMEOUT, "withdraw"), runner],
    action: true,
    may: ["is full"],
    gaps: true,
  },
  {
    name: "arriving behind an action, and a reset",
    parties: 1,
    programs: [split, split, runner, (thread) => void thread.reset()],
    action: true,
    may: ["is full"],
    preemptions: 1,
  },
  {
    name: "dropping and registering behind an action",
    hangs: true,
    parties: 2,
    programs: [
      once,
      (thread) => {
        thread.wait();
        thread.drop();
      },
      (thread) => void thread.register(),
      runner,
    ],
    action: true,
    gaps: true,
    preemptions: 1,
    after: endsWith((end) => outcomesOf(end, "drop").length > 0 ? 2 : 3),
  },
  {
    name: "the last two drop behind an action, and who registers meanwhile arrives with them",
    parties: 2,
    programs: [
      ...all(2, (thread) => {
        thread.arrive();
        thread.drop();
      }),
      (thread) => {
        thread.register();
        thread.wait();
        thread.waitFor(1);
      },
      runner,
    ],
    action: true,
    may: ["is full", "No party"],
    gaps: true,
    hangs: true,
    preemptions: 1,
  },
  {
    name: "the last two drop behind an action",
    parties: 2,
    programs: [
      ...[0, 1].map((seat) =>
        as(seat, (thread) => {
          thread.arrive();
          thread.drop();
        })
      ),
      (thread) => void thread.waitFor(1),
      runner,
    ],
    before: seated("a", "b"),
    action: true,
    may: ["has arrived"],
    hangs: true,
    // If phase 0 had not filled when they dropped, they had not dropped.
    after: ({ ghost }) =>
      ghost.word.parties > 0 || ghost.outcomes.has(1) ? undefined : "phase 1 has no end",
    preemptions: 1,
  },
  {
    name: "the last drops, and its action runs",
    preemptions: 1,
    parties: 1,
    programs: [(thread) => void thread.drop(), runner, (thread) => {
      thread.waitFor(0);
      thread.register();
      thread.wait();
    }, (thread) => void thread.abort()],
    action: true,
    after: ({ ghost }) => ghost.outcomes.has(0) ? undefined : "phase 0 has no end",
    hangs: true,
  },
];

const named: Scenario[] = [
  {
    name: "named parties",
    parties: 2,
    programs: [as(0, twice), as(1, twice)],
    before: seated("a", "b"),
  },
  {
    name: "named parties, who is missing when one times out",
    hangs: true,
    parties: 3,
    programs: [
      as(0, timed),
      as(1, once),
      as(2, (thread) => {
        thread.look();
        thread.wait();
      }),
    ],
    before: seated("a", "b", "c"),
    preemptions: 1,
  },
  {
    name: "named parties, who is missing when it is aborted",
    parties: 2,
    programs: [as(0, mending), as(1, mending), (thread) => void thread.abort()],
    before: seated("a", "b"),
  },
  {
    name: "a named party withdraws",
    parties: 2,
    programs: [
      as(0, withdrawing),
      as(1, (thread) => {
        thread.look();
        thread.abort();
        thread.wait();
      }),
    ],
    before: seated("a", "b"),
    gaps: true,
  },
  {
    name: "a named party withdraws, and is missing",
    parties: 2,
    programs: [
      as(0, (thread) => void thread.wait(TIMEOUT, "withdraw")),
      as(1, (thread) => {
        thread.after(0);
        thread.abort();
        thread.wait();
      }),
    ],
    before: seated("a", "b"),
  },
  {
    name: "a named party is refused behind an action, and is missing",
    preemptions: 1,
    parties: 1,
    programs: [
      as(0, (thread) => void thread.arrive()),
      (thread) => {
        thread.arrive();
        thread.wait(TIMEOUT, "withdraw");
      },
      runner,
      (thread) => {
        thread.after(0);
        thread.after(1);
        thread.abort();
        thread.wait();
      },
    ],
    action: true,
    before: seated("a"),
    gaps: true,
    may: ["is full"],
  },
  {
    name: "a named party arrives twice",
    parties: 2,
    programs: [
      as(0, (thread) => {
        thread.arrive();
        thread.arrive();
      }),
      as(1, (thread) => void thread.arrive()),
    ],
    before: seated("a", "b"),
    may: ["has arrived"],
  },
  {
    name: "a named party drops",
    parties: 2,
    programs: [as(0, (thread) => void thread.drop()), as(1, twice)],
    before: seated("a", "b"),
    after: endsWith(1),
  },
  {
    name: "a named party is closed",
    parties: 2,
    programs: [
      as(0, (thread) => {
        thread.arrive();
        thread.close();
      }),
      as(1, once),
    ],
    before: seated("a", "b"),
  },
  {
    name: "two named parties are closed, and dropped as lost",
    parties: 3,
    programs: [
      as(0, (thread) => void thread.close()),
      as(1, (thread) => void thread.close()),
      as(2, (thread) => {
        thread.after(0);
        thread.after(1);
        mend(thread, () => thread.wait(), true);
      }),
    ],
    before: seated("a", "b", "c"),
    after: endsWith(1),
  },
  {
    name: "named parties are lost while others drop the lost",
    parties: 3,
    programs: [
      (thread) => void thread.lose(seats[0]!),
      (thread) => void thread.lose(seats[1]!),
      as(2, (thread) => mend(thread, () => thread.wait(), true)),
    ],
    before: seated("a", "b", "c"),
    after: endsWith(1),
  },
  {
    name: "a party is closed, dies anywhere, and is lost",
    parties: 2,
    programs: [
      as(0, (thread) => void thread.close()),
      (thread) => {
        thread.after(0);
        thread.lose(seats[0]!);
      },
      as(1, (thread) => {
        mend(thread, () => thread.wait(), true);
        thread.after(1);
        thread.reset(thread.look().phase, true);
      }),
    ],
    mortal: [0],
    may: ["No party is left"],
    hangs: true,
    before: seated("a", "b"),
    miscounts: diedBeforeItWasNoted,
    after: endsWith(1),
  },
  {
    name: "a party that was closed is replaced",
    parties: 2,
    programs: [
      as(0, (thread) => void thread.close()),
      as(1, (thread) => {
        thread.after(0);
        mend(thread, () => thread.wait());
      }),
      (thread) => {
        thread.after(1, 3);
        thread.join("a");
        mend(thread, () => thread.wait());
      },
      (thread) => void thread.abort(),
    ],
    before: seated("a", "b"),
    may: ["in use"],
    hangs: true,
    after: endsWith(2),
    preemptions: 1,
  },
  {
    name: "a party dies anywhere, and is lost",
    parties: 2,
    programs: [
      as(0, split),
      (thread) => {
        thread.after(0);
        thread.lose(seats[0]!);
      },
      as(1, (thread) => {
        mend(thread, () => thread.wait(), true);
        thread.after(1);
        thread.reset(thread.look().phase, true);
      }),
    ],
    mortal: [0],
    before: seated("a", "b"),
    after: endsWith(1),
  },
];

/** Joins, and if a seat was free, waits as soon as the others have tried. */
function joining(name: string | undefined): Program {
  return (thread) => void thread.join(name);
}

const joins: Scenario[] = [
  {
    name: "two threads join, and one seat is free",
    parties: 2,
    programs: [joining("b"), joining("c")],
    before: seated("a"),
    may: ["No seat"],
    after: expectOutcomes("join", "joined", "state"),
  },
  {
    name: "three threads join, and one seat is free",
    parties: 1,
    programs: [joining("a"), joining("b"), joining("c")],
    may: ["No seat"],
    preemptions: 1,
    after: expectOutcomes("join", "joined", "state", "state"),
  },
  {
    name: "two threads join with the same name",
    parties: 3,
    programs: [joining("b"), joining("b")],
    before: seated("a"),
    may: ["in use"],
    after: expectOutcomes("join", "joined", "state"),
  },
  {
    name: "two threads join without a name",
    parties: 3,
    programs: [joining(undefined), joining(undefined)],
    before: seated("party 1"),
    after: (end) => {
      const names = end.standings.map(({ seat }) => seat!.name).sort();
      return `${names}` === "party 0,party 2" ? undefined : `they are called ${names}`;
    },
  },
  {
    name: "a thread joins while another party drops",
    parties: 2,
    programs: [as(0, (thread) => void thread.drop()), joining("c")],
    before: seated("a", "b"),
    may: ["No seat"],
    after: endsWith(1),
  },
  {
    name: "a thread joins while another party drops and its seat is taken",
    parties: 2,
    programs: [
      as(0, (thread) => {
        thread.drop();
        thread.register();
        thread.join("d");
      }),
      joining("c"),
    ],
    before: seated("a", "b"),
    may: ["No seat"],
    after: endsWith(2),
  },
  {
    name: "a thread joins while the lost are dropped",
    parties: 2,
    programs: [
      (thread) => {
        thread.lose(seats[0]!);
        thread.reset(thread.look().phase, true);
      },
      joining("c"),
    ],
    before: seated("a", "b"),
    may: ["No seat"],
    after: endsWith(1),
  },
  {
    name: "two threads join, of which one dies",
    parties: 2,
    programs: [joining("b"), joining("c"), (thread) => {
      thread.after(0);
      thread.after(1);
      thread.loseJoined("b");
      thread.reset(undefined, true);
    }],
    before: seated("a"),
    mortal: [0],
    may: ["No seat"],
    after: (end) => {
      if (end.anyDead && end.joined.includes("b")) return "nobody noticed that b is gone";
      if (!end.anyDead && outcomesOf(end, "join").filter((it) => it === "joined").length !== 1) {
        return "not one joined";
      }
    },
  },
  {
    name: "an expected party joins",
    preemptions: 1,
    parties: 2,
    programs: [
      (thread) => void thread.expect("b"),
      joining("b"),
      joining("c"),
    ],
    before: seated("a"),
    may: ["No seat", "in use"],
    after: (end) => {
      const taken = outcomesOf(end, "join").filter((it) => it === "joined").length;
      return taken > 1 ? "more than one joined" : undefined;
    },
  },
  {
    name: "a thread joins, dies anywhere, and is lost",
    parties: 2,
    programs: [joining("b"), (thread) => {
      thread.after(0);
      thread.loseJoined("b");
    }],
    before: seated("a"),
    mortal: [0],
    after: ({ joined }) => joined.includes("b") ? "nobody noticed that b is gone" : undefined,
  },
  {
    name: "an expected party joins, and is expected anew while another looks",
    parties: 2,
    programs: [
      (thread) => {
        thread.join("b");
        thread.drop();
        thread.register();
        thread.expect("b");
      },
      (thread) => void thread.loseJoined("nobody"),
    ],
    before: (barrier) => {
      barrier.seats.join("a");
      barrier.seats.expect("b");
    },
    after: ({ expected }) => expected.includes("b") ? undefined : "b is expected no more",
  },
  {
    name: "an expected party joins twice",
    parties: 3,
    programs: [joining("b"), joining("b")],
    before: (barrier) => {
      seats = [barrier.seats.expect("b")];
    },
    may: ["in use"],
    after: expectOutcomes("join", "joined", "state"),
  },
  {
    name: "an expected party dies anywhere while it joins",
    preemptions: 1,
    parties: 2,
    programs: [
      (thread) => {
        thread.join("b");
        thread.wait();
      },
      (thread) => {
        thread.after(0);
        // What is expected first, then what has joined: one of them knows it.
        thread.lose(seats[1]!, true);
        thread.loseJoined("b");
      },
      as(0, (thread) => {
        mend(thread, () => thread.wait(), true);
        thread.after(1);
        thread.reset(thread.look().phase, true);
      }),
    ],
    mortal: [0],
    before: (barrier) => {
      seats = [
        barrier.seats.join("a"),
        barrier.seats.expect("b"),
      ];
    },
    after: endsWith(1),
  },
  {
    name: "an expected party never comes",
    parties: 2,
    programs: [
      (thread) => void thread.lose(seats[1]!, true),
      as(0, (thread) => mend(thread, () => thread.wait(), true)),
      joining("c"),
    ],
    before: (barrier) => {
      seats = [
        barrier.seats.join("a"),
        barrier.seats.expect("b"),
      ];
    },
    may: ["No seat"],
    after: endsWith(1),
  },
];

export const scenarios: Scenario[] = [
  ...basics,
  ...resets,
  ...crowds,
  ...actions,
  ...named,
  ...joins,
];
