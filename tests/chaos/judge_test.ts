// Copyright 2026 the Rendezvous authors. MIT license.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { judge, type Rules } from "./judge.ts";
import type { Call, Doing, Entry, Fact, Told } from "./log.ts";

/** A log of "a" and "b", who have joined, and are about to wait. */
class Script {
  readonly log: Entry[] = [];

  constructor(...names: string[]) {
    for (const name of names) this.is(name, { what: "joined", phase: 0 });
  }

  is(who: string, fact: Fact): this {
    this.log.push({ who, at: this.log.length, ...fact });
    return this;
  }

  call(who: string, id: number, does: Doing = "wait", may?: Call["may"], from = 0): this {
    return this.is(who, { what: "call", id, does, from, may });
  }

  told(who: string, id: number, told: Told): this {
    return this.is(who, { what: "told", id, ...told });
  }

  /** They drop, one after the other, and leave. */
  end(phase: number, ...names: string[]): this {
    for (const name of names) this.call(name, 99, "drop", undefined, phase);
    for (const name of names) {
      this.told(name, 99, { kind: "arrived", phase }).is(name, { what: "left" });
    }
    return this;
  }
}

function passed(phase: number, index?: number): Told {
  return { kind: "passed", from: phase, to: phase, ...index !== undefined && { index } };
}

function broken(reason: "lost" | "timeout" | "aborted", party?: string): Told {
  return { kind: "broken", phase: 0, reason, detailed: true, ...party && { party } };
}

const LOST = broken("lost", "b");

/** What is told of phase 0, and one millisecond goes by with each line. */
const TIMED_OUT: Told = { kind: "cancelled", why: "timeout", phase: 0 };

/** Scripts, and what is wrong with each: nothing, if it is nothing. */
const cases: [name: string, problem: string | undefined, script: Script, rules?: Rules][] = [
  [
    "two that meet",
    undefined,
    new Script("a", "b").call("a", 1).call("b", 1).told("b", 1, passed(0, 0))
      .told("a", 1, passed(0, 1)).end(1, "a", "b"),
  ],
  [
    "an early pass",
    "a in line 3: passed phase 0 early: b had not begun to arrive",
    new Script("a", "b").call("a", 1).told("a", 1, passed(0, 1)).call("b", 1)
      .told("b", 1, passed(0, 0)).end(1, "a", "b"),
  ],
  [
    "a pass by an arrival that was taken back",
    "b had not begun to arrive",
    new Script("a", "b").call("b", 1, "wait", ["withdraw", "time out"])
      .told("b", 1, { kind: "cancelled", why: "timeout", phase: 0 })
      .call("a", 1).told("a", 1, passed(0, 0)).end(1, "a", "b"),
  ],
  [
    "a pass before the action",
    "a in line 5: passed phase 0 before its action",
    new Script("a", "b").call("a", 1).call("b", 1).is("b", { what: "acts", phase: 1 })
      .told("a", 1, passed(0, 1)),
  ],
  [
    "an action that runs twice",
    "phase 0: its action ran twice",
    new Script("a", "b").call("a", 1).call("b", 1).is("b", { what: "acts", phase: 0 })
      .is("a", { what: "acts", phase: 0 }).told("a", 1, passed(0, 1)),
  ],
  [
    "an early pass of one who joined later",
    "a in line 7: passed phase 1 early: c had not begun to arrive",
    new Script("a", "b").call("a", 1).call("b", 1).told("b", 1, passed(0, 0))
      .is("c", { what: "joined", phase: 1 }).call("a", 2, "waitFor").told("a", 2, passed(1)),
  ],
  [
    "an early pass of those without names",
    "passed phase 0 early: 2 of 3 had begun to arrive",
    new Script().is("h", { what: "over", how: "disposed" }).call("a", 1, "arrive")
      .call("b", 1, "arrive").told("a", 1, { kind: "arrived", phase: 0 })
      .told("b", 1, { kind: "arrived", phase: 0 }).call("a", 2, "waitFor").told("a", 2, passed(0)),
    { unnamed: 3 },
  ],
  [
    "one too many in a phase",
    "phase 0: 2 of 1 arrived in it",
    new Script().is("h", { what: "over", how: "disposed" }).call("a", 1, "arrive")
      .call("b", 1, "arrive").told("a", 1, { kind: "arrived", phase: 0 })
      .told("b", 1, { kind: "arrived", phase: 0 }).call("a", 2, "waitFor").told("a", 2, passed(0)),
    { unnamed: 1 },
  ],
  [
    "two outcomes",
    "phase 0 ended in two ways: broken (timeout) (b in line 4), passed (a in line 5)",
    new Script("a", "b").call("a", 1).call("b", 1, "wait", ["time out"])
      .told("b", 1, { kind: "cancelled", why: "timeout", phase: 0 }).told("a", 1, passed(0, 1)),
  ],
  [
    "two reasons",
    "phase 0 ended in two ways: broken (lost) (a in line 5), broken (aborted) (c in line 6)",
    new Script("a", "c").call("a", 1).call("c", 1).is("b", { what: "gone", how: "killed" })
      .told("a", 1, LOST).told("c", 1, broken("aborted")),
  ],
  [
    "two outcomes, where one was told of before an engine had answered",
    undefined,
    new Script("a", "b").call("b", 1, "wait", ["time out"]).call("a", 1).told("b", 1, TIMED_OUT)
      .told("a", 1, passed(0, 1)).end(1, "a", "b"),
    { answerTimeout: 1 },
  ],
  [
    "two outcomes where the engine had time to answer",
    "phase 0 ended in two ways",
    new Script("a", "b").call("b", 1, "wait", ["time out"]).call("a", 1).told("b", 1, TIMED_OUT)
      .told("a", 1, passed(0, 1)).end(1, "a", "b"),
    { answerTimeout: 2 },
  ],
  [
    "a loss",
    undefined,
    new Script("a", "b").call("a", 1).is("b", { what: "gone", how: "killed" }).told("a", 1, LOST)
      .end(1, "a"),
  ],
  [
    "a loss of one that was killed when it was about to end",
    undefined,
    new Script("a", "b").call("a", 1).is("b", { what: "gone", how: "killed" }).told("a", 1, LOST)
      .is("b", { what: "gone", how: "ended" }).end(1, "a"),
  ],
  [
    "a living party that is lost",
    'b is named with "lost", which it did not do',
    new Script("a", "b").call("a", 1).told("a", 1, LOST),
  ],
  [
    "a party that is lost before it ended",
    'b is named with "lost", which it did not do',
    new Script("a", "b").call("a", 1).told("a", 1, LOST).is("b", { what: "gone", how: "killed" }),
  ],
  [
    "a party that was disposed, told as lost",
    'b is named with "lost", which it did not do',
    new Script("a", "b").call("a", 1).is("b", { what: "gone", how: "disposed" }).told("a", 1, LOST),
  ],
  [
    "a wrong name",
    'c is named with "timeout", which it did not do',
    new Script("a", "c").call("a", 1).call("c", 1).told("a", 1, broken("timeout", "c")),
  ],
  [
    "a name that nobody knows",
    "z is named, whom nobody knows",
    new Script("a").call("a", 1).told("a", 1, broken("aborted", "z")),
  ],
  [
    "a loss without a name",
    "somebody lost has no name",
    new Script("a").call("a", 1).told("a", 1, broken("lost")),
  ],
  [
    "somebody who is never told",
    "b in line 3, wait: was never told",
    new Script("a", "b").call("a", 1).call("b", 1).told("a", 1, passed(0, 1)),
  ],
  [
    "a killed party that is never told",
    undefined,
    new Script("a", "b").call("b", 1).is("b", { what: "gone", how: "killed" }).end(0, "a"),
  ],
  [
    "somebody who has not met the others again",
    "b: has left before all met again",
    new Script("b").call("b", 1).told("b", 1, passed(0, 0)).is("b", { what: "left" }),
  ],
  [
    "somebody who has not left",
    "b: has not left",
    new Script("b").call("b", 1).told("b", 1, passed(0, 0)),
  ],
  [
    "a number that comes twice",
    "phase 0: the numbers are 0, 0",
    new Script("a", "b").call("a", 1).call("b", 1).told("b", 1, passed(0, 0))
      .told("a", 1, passed(0, 0)).end(1, "a", "b"),
  ],
  [
    "numbers after a withdrawal",
    undefined,
    new Script("a", "b").call("a", 1, "wait", ["withdraw"]).call("b", 1).told("b", 1, passed(0, 0))
      .told("a", 1, passed(0, 0)).end(1, "a", "b"),
  ],
  [
    "a break that is mended by the reset of another phase",
    "phase 0 was left though nobody had mended it",
    new Script("a").call("a", 1, "wait", ["time out"])
      .told("a", 1, { kind: "cancelled", why: "timeout", phase: 0 })
      .call("a", 2, "reset", undefined, 1).call("a", 3, "wait", [], 1).told("a", 3, passed(1, 0)),
  ],
  [
    "a break that is mended by whoever mends any",
    undefined,
    new Script("a").call("a", 1, "wait", ["time out"])
      .told("a", 1, { kind: "cancelled", why: "timeout", phase: 0 })
      .call("a", 2, "reset", ["mend any"]).told("a", 2, { kind: "done" })
      .call("a", 3, "wait", [], 1).told("a", 3, passed(1, 0)).end(2, "a"),
  ],
  [
    "an outcome that was forgotten too soon",
    "a in line 1, waitFor: was forgotten after 16 phases",
    new Script("a").call("a", 1, "waitFor").told("a", 1, { kind: "forgotten", phases: 16 }),
  ],
  [
    "a refusal without a cause",
    "a in line 1, wait: was refused: no",
    new Script("a").call("a", 1).told("a", 1, { kind: "refused", text: "no" }),
  ],
  [
    "a party in memory that tells of another end than the rest after its server was killed",
    "phase 0 ended in two ways",
    new Script().is("a", { what: "joined", phase: 0, transport: "shared-memory" }).call("a", 1)
      .call("b", 1).is("s", { what: "over", how: "killed" }).told("b", 1, passed(0, 0))
      .told("a", 1, broken("lost")),
  ],
  [
    "a party on the socket that cannot know after its server was killed",
    undefined,
    new Script().is("a", { what: "joined", phase: 0, transport: "socket" }).call("a", 1)
      .call("b", 1).is("s", { what: "over", how: "killed" }).told("b", 1, passed(0, 0))
      .told("a", 1, broken("lost")),
  ],
];

for (const [name, problem, { log }, rules] of cases) {
  Deno.test(`judge() ${problem === undefined ? "accepts" : "reports"} ${name}`, () => {
    const { problems } = judge(log, rules);
    if (problem === undefined) assertEquals(problems, []);
    else assertStringIncludes(problems.join("\n"), problem);
  });
}
