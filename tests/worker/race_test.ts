// Copyright 2026 the Rendezvous authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import { Barrier } from "../../barrier.ts";
import { test, within } from "../_helpers/harness.ts";
import { Thread } from "../_helpers/thread.ts";
import { startWorker } from "../_helpers/worker.ts";
import {
  BROKEN_BY_ABORT,
  BROKEN_BY_TIMEOUT,
  Gate,
  OTHER,
  type Race,
  type Scenario,
  TIMED_OUT,
  WRONG,
} from "./_race.ts";

const PARTIES = 3;
const ALL = [0, 1, 2];

/** A round of a race: what each party got, and how its first phase ended. */
interface Round {
  outcomes: number[];
  verdict: number;
}

/** Has as many threads as there are parties, and one that disturbs, go through these rounds. */
async function race(
  scope: AsyncDisposableStack,
  scenario: Scenario,
  rounds: number,
): Promise<Round[]> {
  const barrier = new Barrier(PARTIES);
  const shared = {
    scenario,
    parties: PARTIES,
    rounds,
    barrier: barrier.buffer,
    gate: new SharedArrayBuffer(Gate.BYTE_LENGTH),
    outcomes: new SharedArrayBuffer(4 * PARTIES * rounds),
    verdicts: new SharedArrayBuffer(4 * rounds),
    scratch: new SharedArrayBuffer(4 * 16 * PARTIES),
  };
  const gate = new Gate(shared.gate, PARTIES + 1);
  const ended = Array.from({ length: PARTIES + 1 }, (_, place) => {
    const end = Promise.withResolvers<string>();
    const url = import.meta.resolve("./_race_worker.ts");
    const worker = startWorker<string>(url, end.resolve, ({ message }) => end.resolve(message));
    worker.post({ ...shared, place } satisfies Race);
    return end.promise.finally(() => worker.terminate());
  });
  scope.defer(async () => {
    // A worker that sleeps cannot be terminated: wake them all.
    gate.end();
    barrier[Symbol.dispose]();
    const words = new Int32Array(barrier.buffer);
    for (const word of words.keys()) Atomics.notify(words, word);
    await within(Promise.all(ended), "a racing worker", 10_000);
  });
  // One that fails leaves the others alone at the gate.
  await Promise.all(ended.map(async (end) => {
    const said = await end;
    if (said !== "done") throw new Error(said);
  }));
  const outcomes = new Int32Array(shared.outcomes);
  return Array.from(new Int32Array(shared.verdicts), (verdict, round) => ({
    outcomes: [...outcomes.subarray(round * PARTIES, (round + 1) * PARTIES)].sort((a, b) => a - b),
    verdict,
  }));
}

/** Checks that every round had one outcome for all, and that who asks later is told the same. */
function agree(rounds: Round[], broken: number[], reason: number): void {
  for (const [round, { outcomes, verdict }] of rounds.entries()) {
    assertEquals(outcomes, verdict === 0 ? ALL : broken, `round ${round}`);
    assert(verdict === 0 || verdict === reason, `verdict ${verdict} in round ${round}`);
  }
}

test("Barrier.wait() lets all pass or none when abort() races with the last arrival", async (scope) => {
  const all = Array(PARTIES).fill(BROKEN_BY_ABORT);
  agree(await race(scope, "abort", 4_000), all, BROKEN_BY_ABORT);
});

test("Barrier.wait() lets all pass or none when timeouts race with the last arrival", async (scope) => {
  // Just one breaks the barrier.
  const broken = [BROKEN_BY_TIMEOUT, BROKEN_BY_TIMEOUT, TIMED_OUT].sort((a, b) => a - b);
  agree(await race(scope, "timeout", 2_000), broken, BROKEN_BY_TIMEOUT);
});

test("Barrier.wait() passes once, with one last, when parties withdraw and come again", async (scope) => {
  for (const [round, { outcomes, verdict }] of (await race(scope, "withdraw", 500)).entries()) {
    assertEquals(verdict, 0, `round ${round}`);
    assertEquals(outcomes.filter((number) => number === 0), [0], `round ${round}`);
    assert(outcomes.every((number) => number >= 0 && number < PARTIES), `round ${round}`);
  }
});

test("Barrier.wait() passes when reset() races with the arrivals and all come again", async (scope) => {
  const rounds = await race(scope, "reset", 2_000);
  for (const [round, { outcomes }] of rounds.entries()) {
    assertEquals(outcomes, ALL, `round ${round}`);
  }
});

test("Barrier.reset(phase) by all who were freed mends once, and undoes nobody's mending", async (scope) => {
  const rounds = await race(scope, "mend", 2_000);
  for (const [round, { outcomes }] of rounds.entries()) {
    assertEquals(outcomes, ALL, `round ${round}`);
  }
});

test("Barrier.arriveAndDrop() and register() keep the phases whole", async (scope) => {
  for (const [round, { outcomes, verdict }] of (await race(scope, "drop", 1_000)).entries()) {
    assertEquals(verdict, 0);
    assert(!outcomes.includes(WRONG) && !outcomes.includes(OTHER), `round ${round}`);
  }
});

test("Barrier.wait() shows to all what each wrote before it arrived", async (scope) => {
  for (const { outcomes, verdict } of await race(scope, "memory", 200)) {
    assertEquals([outcomes, verdict], [ALL, 0]);
  }
});

for (const parties of [2, 3]) {
  test(`Barrier lets nobody pass early: 5 workers that arrive() and waitFor(), ${parties} parties`, async (scope) => {
    const total = 60_000;
    const barrier = new Barrier(parties);
    const threads = await Promise.all(Array.from({ length: 5 }, () => Thread.from(barrier)));
    scope.defer(async () => {
      barrier[Symbol.dispose]();
      await Promise.all(threads.map((thread) => thread.giveBack()));
    });
    const counts = new Int32Array(new SharedArrayBuffer(4 * (total + 1)));
    const taken = new Int32Array(new SharedArrayBuffer(4));
    await Promise.all(threads.map((thread) => thread.call("arriveTogether", counts, taken, total)));
    assertEquals([barrier.phase, barrier.arrived], [total / parties, 0]);
    const wrong = [...counts].flatMap((count, phase) => {
      return count === (phase < total / parties ? parties : 0) ? [] : [[phase, count]];
    });
    assertEquals(wrong, []);
  });
}

test("Gate.pass() fails for all who come once it has ended", () => {
  const buffer = new SharedArrayBuffer(Gate.BYTE_LENGTH);
  new Gate(buffer, 1).pass();
  const gate = new Gate(buffer, 2);
  gate.end();
  let error: unknown;
  try {
    gate.pass();
  } catch (thrown) {
    error = thrown;
  }
  assertEquals((error as Error).message, "The race is over");
});
