// Copyright 2026 the Rendezvous authors. MIT license.

// One of the threads of a race. See barrier_race_test.ts for what each scenario is to show.

import { Barrier, BrokenBarrierError } from "../mod.ts";
import {
  BROKEN_BY_ABORT,
  BROKEN_BY_TIMEOUT,
  Gate,
  OTHER,
  type Race,
  TIMED_OUT,
  WRONG,
} from "./_race.ts";

// deno-lint-ignore no-explicit-any -- the compiler takes this for a window
const worker = globalThis as any;

worker.onmessage = ({ data }: { data: Race }) => {
  try {
    run(data);
    worker.postMessage("done");
  } catch (error) {
    worker.postMessage(`${(error as Error).stack}`);
  }
};

function run(race: Race) {
  const { scenario, place, parties, rounds } = race;
  const barrier = Barrier.from(race.barrier);
  const gate = new Gate(race.gate, parties + 1);
  const outcomes = new Int32Array(race.outcomes);
  const phases = new Int32Array(race.phases);
  const scratch = new Int32Array(race.scratch);
  for (let round = 0; round < rounds; round++) {
    gate.pass();
    // The threads come in every order, now and then at once.
    // Who disturbs is as often later than all the others as not.
    const turns = place < parties ? 300 : 600;
    linger(Math.random() < 0.3 ? 0 : Math.random() * turns);
    if (place < parties) {
      outcomes[round * parties + place] = play(scenario, barrier, round, place, scratch);
    } else {
      disturb(scenario, barrier);
    }
    gate.pass();
    if (place === parties) {
      phases[round] = barrier.phase;
      barrier.reset();
      // A disturber that came first has left the barrier broken, or an arrival.
      if (barrier.arrived !== 0 || barrier.broken) throw new Error(Deno.inspect(barrier));
    }
  }
}

function play(
  scenario: string,
  barrier: Barrier,
  round: number,
  place: number,
  scratch: Int32Array,
): number {
  switch (scenario) {
    case "timeout":
      return outcomeOf(() => barrier.wait({ timeout: Math.random() * 0.05 }));
    case "withdraw":
      // Until the others are there.
      for (;;) {
        const timeout = Math.random() < 0.8 ? Math.random() * 0.02 : 5;
        const outcome = outcomeOf(() => barrier.wait({ timeout, onCancel: "withdraw" }));
        if (outcome !== TIMED_OUT) return outcome;
      }
    case "reset":
      // Once more if it is freed.
      for (;;) {
        const outcome = resetOr(() => barrier.wait());
        if (outcome !== "reset") return outcome;
      }
    case "drop": {
      const phase = barrier.phase;
      if (place === 0) {
        if (barrier.arriveAndDrop() !== phase) return WRONG;
        barrier.waitFor(phase);
        barrier.register();
        return 0;
      }
      return Math.sign(barrier.wait());
    }
    case "memory": {
      // Plain writes: only the barrier orders them.
      for (let i = 1; i <= 20; i++) {
        const value = round * 100 + i;
        scratch[place * 16] = value;
        barrier.wait();
        for (let other = 0; other < barrier.parties; other++) {
          if (scratch[other * 16] !== value) return WRONG;
        }
        if (barrier.wait() >= barrier.parties) return WRONG;
      }
      return place;
    }
    default:
      return outcomeOf(() => barrier.wait());
  }
}

function disturb(scenario: string, barrier: Barrier) {
  if (scenario === "abort") barrier.abort();
  if (scenario === "reset") {
    for (let i = 0; i < 3; i++) {
      barrier.reset();
      linger(Math.random() * 100);
    }
  }
}

function outcomeOf(wait: () => number): number {
  try {
    return wait();
  } catch (error) {
    if (error instanceof BrokenBarrierError) {
      if (error.reason === "timeout") return BROKEN_BY_TIMEOUT;
      return error.reason === "aborted" ? BROKEN_BY_ABORT : OTHER;
    }
    return error instanceof DOMException && error.name === "TimeoutError" ? TIMED_OUT : OTHER;
  }
}

function resetOr(wait: () => number): number | "reset" {
  try {
    return wait();
  } catch (error) {
    return error instanceof BrokenBarrierError && error.reason === "reset" ? "reset" : OTHER;
  }
}

function linger(turns: number) {
  for (let i = 0; i < turns; i++) Atomics.pause();
}
