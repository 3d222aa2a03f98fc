// Copyright 2026 the Rendezvous authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import { Barrier } from "../mod.ts";
import { test, within } from "./_harness.ts";
import {
  BROKEN_BY_ABORT,
  BROKEN_BY_TIMEOUT,
  Gate,
  OTHER,
  type Race,
  TIMED_OUT,
  WRONG,
} from "./_race.ts";

const PARTIES = 3;
const ALL = [0, 1, 2];

/** A round of a race: what each party got, and the phases that have completed. */
interface Round {
  outcomes: number[];
  completed: number;
}

/** Has as many threads as there are parties, and one that disturbs, go through these rounds. */
async function race(
  scope: AsyncDisposableStack,
  scenario: string,
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
    phases: new SharedArrayBuffer(4 * rounds),
    scratch: new SharedArrayBuffer(4 * 16 * PARTIES),
  };
  const gate = new Gate(shared.gate, PARTIES + 1);
  const ended = Array.from({ length: PARTIES + 1 }, (_, place) => {
    const worker = new Worker(import.meta.resolve("./_race_worker.ts"), { type: "module" });
    const end = Promise.withResolvers<string>();
    worker.onmessage = ({ data }) => end.resolve(data);
    worker.onerror = (event) => {
      event.preventDefault();
      end.resolve(event.message);
    };
    worker.postMessage({ ...shared, place } satisfies Race);
    return end.promise.finally(() => worker.terminate());
  });
  scope.defer(async () => {
    // A worker that sleeps cannot be terminated: wake them all.
    gate.end();
    barrier.abort();
    const words = new Int32Array(barrier.buffer);
    for (const word of words.keys()) Atomics.notify(words, word);
    await within(Promise.all(ended), "a racing worker", 5_000);
  });
  // One that fails leaves the others alone at the gate.
  await Promise.all(ended.map(async (end) => {
    const said = await end;
    if (said !== "done") throw new Error(said);
  }));
  const outcomes = new Int32Array(shared.outcomes);
  return Array.from(new Int32Array(shared.phases), (phase, round) => ({
    outcomes: [...outcomes.subarray(round * PARTIES, (round + 1) * PARTIES)].sort((a, b) => a - b),
    completed: phase,
  }));
}

/** Checks that every round had one outcome for all, which the count of phases agrees with. */
function agree(rounds: Round[], broken: number[]): void {
  let phase = 0;
  for (const [round, { outcomes, completed }] of rounds.entries()) {
    const passed = completed - phase;
    assert(passed === 0 || passed === 1, `${passed} phases completed in round ${round}`);
    assertEquals(outcomes, passed === 1 ? ALL : broken, `round ${round}`);
    phase = completed;
  }
}

/** Checks that every round has passed. */
function allPass(rounds: Round[], outcomes: number[]): void {
  const expected = rounds.map((_, round) => ({ outcomes, completed: round + 1 }));
  assertEquals(rounds, expected);
}

test("Barrier.wait() lets all pass or none when abort() races with the last arrival", async (scope) => {
  agree(await race(scope, "abort", 4_000), [BROKEN_BY_ABORT, BROKEN_BY_ABORT, BROKEN_BY_ABORT]);
});

test("Barrier.wait() lets all pass or none when timeouts race with the last arrival", async (scope) => {
  // Just one breaks the barrier.
  agree(await race(scope, "timeout", 2_000), [BROKEN_BY_TIMEOUT, BROKEN_BY_TIMEOUT, TIMED_OUT]);
});

test("Barrier.wait() passes once, with one last, when parties withdraw and come again", async (scope) => {
  for (const [round, { outcomes, completed }] of (await race(scope, "withdraw", 500)).entries()) {
    assertEquals(completed, round + 1);
    assertEquals(outcomes.filter((number) => number === 0), [0], `round ${round}`);
    assert(outcomes.every((number) => number >= 0 && number < PARTIES), `round ${round}`);
  }
});

test("Barrier.wait() passes when reset() races with the arrivals and all come again", async (scope) => {
  allPass(await race(scope, "reset", 2_000), ALL);
});

test("Barrier.arriveAndDrop() and register() keep the phases whole", async (scope) => {
  const rounds = await race(scope, "drop", 1_000);
  for (const [round, { outcomes, completed }] of rounds.entries()) {
    assertEquals(completed, round + 1);
    assert(!outcomes.includes(WRONG) && !outcomes.includes(OTHER), `round ${round}`);
  }
});

test("Barrier.wait() shows to all what each wrote before it arrived", async (scope) => {
  const rounds = await race(scope, "memory", 200);
  const expected = rounds.map((_, round) => ({ outcomes: ALL, completed: 40 * (round + 1) }));
  assertEquals(rounds, expected);
});

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
