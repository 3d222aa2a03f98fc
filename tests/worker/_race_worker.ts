// Copyright 2026 the Rendezvous authors. MIT license.

// One of the threads of a race. See race_test.ts for what each scenario is to show.

import { Barrier, BrokenBarrierError } from "../../barrier.ts";
import { parentOfWorker } from "../_helpers/worker.ts";
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

const parent = parentOfWorker();

parent.listen((race: Race) => {
  try {
    run(race);
    parent.post("done");
  } catch (error) {
    parent.post(`${(error as Error).stack}`);
  }
});

function run(race: Race) {
  const { scenario, place, parties, rounds } = race;
  const barrier = Barrier.from(race.barrier);
  const gate = new Gate(race.gate, parties + 1);
  const outcomes = new Int32Array(race.outcomes);
  const verdicts = new Int32Array(race.verdicts);
  const scratch = new Int32Array(race.scratch);
  for (let round = 0; round < rounds; round++) {
    const { phase } = barrier;
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
      verdicts[round] = outcomeOf(() => {
        barrier.waitFor(phase, { timeout: 0 });
        return 0;
      });
      // A disturber that came first or last has left the barrier broken.
      barrier.reset();
      if (barrier.arrived !== 0 || barrier.broken) throw new Error(Deno.inspect(barrier));
    }
    gate.pass();
  }
}

function play(
  scenario: Scenario,
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
    case "mend":
      // Once more if it is freed.
      for (;;) {
        try {
          return barrier.wait();
        } catch (error) {
          if (!(error instanceof BrokenBarrierError)) return OTHER;
          if (error.reason !== (scenario === "reset" ? "reset" : "aborted")) return WRONG;
          if (scenario === "mend") barrier.reset(error.phase);
        }
      }
    case "drop": {
      const { phase } = barrier;
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

function disturb(scenario: Scenario, barrier: Barrier) {
  if (scenario === "abort" || scenario === "mend") barrier.abort();
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

function linger(turns: number) {
  for (let i = 0; i < turns; i++) Atomics.pause?.();
}
