// Copyright 2026 the Rendezvous authors. MIT license.

// Rounds of a random fault at a random moment, for any kind of barrier, and the judgement of what its
// parties then got.

import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { BrokenBarrierError, type WaitOptions } from "../mod.ts";
import type { Adapter, Fixture, Party } from "./_contract.ts";
import { quiet, turn, until, within } from "./_harness.ts";
import { ProcessParty } from "./_process_adapters.ts";

/** What can happen to a round. */
export type Fault =
  | "none"
  | "abort"
  | "reset"
  | "timeout"
  | "withdraw"
  | "signal"
  | "drop"
  | "leave"
  | "stop"
  | "kill";

/** What came of all rounds. */
export class Figures {
  rounds = 0;
  readonly faults: Partial<Record<Fault, number>> = {};
  lost = 0;
  phases = 0;
  outcomes = 0;
  disagreed = 0;
  hung = 0;
  readonly problems: string[] = [];

  get injected(): number {
    return Object.values(this.faults).reduce((sum, count) => sum + count, 0);
  }

  add(other: Figures): void {
    this.rounds += other.rounds;
    for (const [fault, count] of Object.entries(other.faults) as [Fault, number][]) {
      this.faults[fault] = (this.faults[fault] ?? 0) + count;
    }
    this.lost += other.lost;
    this.phases += other.phases;
    this.outcomes += other.outcomes;
    this.disagreed += other.disagreed;
    this.hung += other.hung;
    this.problems.push(...other.problems);
  }

  toString(): string {
    const faults = Object.entries(this.faults).sort().map(([fault, count]) => `${fault} ${count}`);
    return `${this.rounds} rounds, ${this.injected} faults injected (${faults.join(", ")}), ` +
      `${this.lost} parties lost, ${this.phases} phases completed, ${this.outcomes} outcomes, ` +
      `${this.disagreed} disagreed, ${this.hung} hung`;
  }
}

/** Numbers that a seed repeats. */
export class Random {
  readonly #generator;

  constructor(seed: number) {
    this.#generator = xoroshiro128plus(seed);
  }

  /** An integer from 0 to `most`. */
  upTo(most: number): number {
    return uniformInt(this.#generator, 0, most);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.upTo(items.length - 1)]!;
  }

  shuffle<T>(items: readonly T[]): T[] {
    const shuffled = [...items];
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = this.upTo(i);
      [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
    }
    return shuffled;
  }
}

/** What a party got: its number, an error, or nothing, as it was killed. */
type Outcome = number | { error: unknown } | undefined;

const WHY = "the round says so";
const HUNG = 20_000;
const TIMEOUT = 15;

/** Whose own error it is, by fault: the others get a `BrokenBarrierError`. */
const REASONS: Record<Fault, readonly string[]> = {
  none: [],
  abort: ["aborted"],
  // Who arrives after it waits in vain, until the round sweeps it out.
  reset: ["reset", "aborted"],
  timeout: ["timeout"],
  withdraw: [],
  signal: ["aborted"],
  drop: [],
  leave: ["aborted"],
  stop: ["timeout"],
  kill: ["lost"],
};

/** A barrier and its parties, which go through one round after the other. */
export class FaultRounds implements AsyncDisposable {
  readonly #fixture: Fixture;
  readonly #random: Random;
  /** Where the round that runs is counted. */
  #figures = new Figures();
  #rounds = 0;
  readonly #faults: readonly Fault[];
  readonly #numbered: boolean;
  #parties: Party[];

  private constructor(fixture: Fixture, adapter: Adapter, random: Random) {
    this.#fixture = fixture;
    this.#random = random;
    this.#parties = fixture.parties.map(distinct);
    this.#numbered = adapter.can.renumber;
    const faults: Fault[] = ["none", "abort", "reset", "timeout", "withdraw", "drop"];
    if (adapter.can.signal) faults.push("signal");
    if (adapter.can.lose) faults.push("leave", "stop", "kill", "kill");
    this.#faults = faults;
  }

  static async start(adapter: Adapter, parties: number, random: Random): Promise<FaultRounds> {
    return new FaultRounds(await adapter.make(parties), adapter, random);
  }

  /** One phase with a fault, and one without. What is wrong is noted in the figures. */
  async round(figures: Figures): Promise<void> {
    this.#figures = figures;
    figures.rounds++;
    const fault = this.#random.pick(this.#faults);
    if (fault !== "none") figures.faults[fault] = (figures.faults[fault] ?? 0) + 1;
    const what = `round ${this.#rounds++}, ${fault}`;
    try {
      await within(this.#disturb(fault, what), what, HUNG);
      await within(this.#meet(what), `the phase after ${what}`, HUNG);
    } catch (error) {
      if (!`${error}`.includes("Hung: ")) throw error;
      this.#figures.hung++;
      this.#figures.problems.push(`${error}`);
      throw error;
    }
  }

  async #disturb(fault: Fault, what: string): Promise<void> {
    const random = this.#random;
    const { host } = this.#fixture;
    const order = random.shuffle(this.#parties);
    const most = order.length;
    const moment = random.upTo(most);
    // By a handshake, or in a race.
    const observed = random.upTo(1) === 0;
    // Only the first party of a fixture is sure to heed a signal.
    const victim = fault === "signal" ? this.#parties[0]! : random.pick(order);
    const impatient = new Set<Party>();
    if (["timeout", "withdraw", "stop"].includes(fault)) impatient.add(victim);
    if (fault === "stop") impatient.add(order.find((party) => party !== victim)!);
    const controller = new AbortController();
    const { phase } = await host.state();

    const outcomes = new Map<Party, Promise<Outcome>>();
    let settled = 0;
    const start = (party: Party) => {
      const options: WaitOptions = {};
      if (impatient.has(party)) options.timeout = random.upTo(TIMEOUT);
      if (fault === "withdraw" && party === victim) options.onCancel = "withdraw";
      if (fault === "signal" && party === victim) options.signal = controller.signal;
      const arrival = fault === "drop" && party === victim
        ? party.arriveAndDrop()
        : impatient.has(party) || options.signal
        ? party.wait(options)
        : party.wait();
      const outcome = outcomeOf(arrival).finally(() => settled++);
      outcomes.set(party, quiet(outcome));
    };

    const early = order.slice(0, moment);
    const late = order.slice(moment);
    early.forEach(start);
    if (observed && impatient.size === 0) {
      await until(async () => {
        const state = await host.state();
        return moment === most ? state.phase > phase : arrivedIn(state, fault, most) >= moment;
      }, `${moment} have arrived in ${what}`);
    } else {
      for (let turns = random.upTo(3); turns > 0; turns--) await turn();
    }

    switch (fault) {
      case "abort":
        await host.abort(WHY);
        break;
      case "reset":
        await host.reset();
        break;
      case "signal":
        controller.abort(WHY);
        break;
      case "leave":
        await victim.dispose();
        break;
      case "stop":
        (victim as ProcessParty).child.kill("SIGSTOP");
        break;
      case "kill":
        (victim as ProcessParty).child.kill("SIGKILL");
        break;
    }
    const gone = fault === "kill" || fault === "leave" ? victim : undefined;
    for (const party of late) if (party !== gone) start(party);

    if (fault === "stop") {
      for (const [party, outcome] of outcomes) if (party !== victim) await outcome;
      (victim as ProcessParty).child.kill("SIGCONT");
    }
    if (fault === "reset") {
      await until(
        async () => settled + (await host.state()).arrived === most,
        `all are accounted for after ${what}`,
      );
      if (settled < most) await host.abort(WHY);
    }
    if (fault === "withdraw") await this.#again(victim, outcomes);
    const got = new Map<Party, Outcome>();
    for (const [party, outcome] of outcomes) got.set(party, await outcome);
    await this.#judge(fault, what, phase, victim, impatient, got);
    await this.#mend(fault, victim);
  }

  /** Has a party that has withdrawn arrive once more. */
  async #again(victim: Party, outcomes: Map<Party, Promise<Outcome>>): Promise<void> {
    const first = await outcomes.get(victim)!;
    if (typeof first === "number") return;
    const name = (first?.error as Error | undefined)?.name;
    if (name === "TimeoutError") outcomes.set(victim, outcomeOf(victim.wait()));
  }

  /** Checks that the phase has one outcome, and that it is one of those that the fault may have. */
  async #judge(
    fault: Fault,
    what: string,
    phase: number,
    victim: Party,
    impatient: Set<Party>,
    got: Map<Party, Outcome>,
  ): Promise<void> {
    const figures = this.#figures;
    const after = (await this.#fixture.host.state()).phase;
    const problem = (text: string) => {
      figures.disagreed++;
      const outcomes = [...got.values()].map((outcome) =>
        typeof outcome === "object" ? `${outcome.error}` : `${outcome}`
      );
      figures.problems.push(
        `${what}: ${text}; phase ${phase} then ${after}:\n  ${outcomes.join("\n  ")}`,
      );
    };
    const numbers: number[] = [];
    const errors: [Party, unknown][] = [];
    for (const [party, outcome] of got) {
      if (outcome === undefined) {
        if (fault !== "kill" || party !== victim) problem("a party ended");
        continue;
      }
      figures.outcomes++;
      if (typeof outcome === "object") errors.push([party, outcome.error]);
      else if (fault !== "drop" || party !== victim) numbers.push(outcome);
      else if (outcome !== phase) problem("a party dropped in another phase");
    }
    if (numbers.length > 0) {
      figures.phases++;
      if (errors.length > 0) problem("some passed, and some did not");
      if (after !== phase + 1) problem("they passed, and the phase did not");
      if (this.#numbered && new Set(numbers).size < numbers.length) problem("numbers twice");
      if (numbers.filter((number) => number === 0).length > 1) problem("more than one was last");
      return;
    }
    if (after !== phase) problem("the phase passed, and nobody did");
    const expected = REASONS[fault];
    const own = errors.filter(([, error]) => !(error instanceof BrokenBarrierError));
    const reasons = new Set(
      errors.map(([, error]) => error instanceof BrokenBarrierError ? error.reason : undefined),
    );
    reasons.delete(undefined);
    if ([...reasons].some((reason) => !expected.includes(reason!))) problem("another reason");
    if (reasons.size > 1 && fault !== "reset") problem("two reasons");
    if (fault === "timeout" || fault === "stop") {
      if (own.length !== 1) problem("not one TimeoutError");
      const [[party, error] = []] = own;
      if (!impatient.has(party!)) problem("another's TimeoutError");
      if ((error as Error)?.name !== "TimeoutError") problem("no TimeoutError");
    } else if (fault === "signal") {
      if (own.length !== 1 || own[0]![0] !== victim || own[0]![1] !== WHY) {
        problem("not the reason of the signal");
      }
    } else if (own.length > 0) {
      problem("an error of another kind");
    }
    if (fault === "kill") {
      for (const [, error] of errors) {
        if (!`${error}`.includes(`"${victim.name}" is gone`)) problem("it is not named");
      }
    }
  }

  /** Makes the barrier usable, with a replacement for whoever is gone. */
  async #mend(fault: Fault, victim: Party): Promise<void> {
    const { host } = this.#fixture;
    if (fault === "kill") {
      this.#figures.lost++;
      await (victim as ProcessParty).child.ended();
      await until(async () => (await host.state()).broken, "the loss is noticed");
    }
    if (fault === "drop") await host.register();
    if ((await host.state()).broken) await host.reset();
    if (fault === "drop" || fault === "leave" || fault === "kill") {
      const place = this.#parties.indexOf(victim);
      this.#parties[place] = distinct(await this.#fixture.join());
      if (victim instanceof ProcessParty) await victim[Symbol.asyncDispose]();
    }
    for (const party of this.#parties) {
      if (party instanceof ProcessParty) party.child.stdout.length = 0;
    }
  }

  /** The next use: all pass. */
  async #meet(what: string): Promise<void> {
    const parties = this.#random.shuffle(this.#parties);
    const outcomes = await Promise.all(parties.map((party) => outcomeOf(party.wait())));
    this.#figures.outcomes += outcomes.length;
    const numbers = outcomes.filter((outcome) => typeof outcome === "number").sort((a, b) => a - b);
    if (numbers.length === outcomes.length && numbers.every((number, i) => number === i)) {
      this.#figures.phases++;
      return;
    }
    this.#figures.disagreed++;
    this.#figures.problems.push(`the phase after ${what}: ${Deno.inspect(outcomes)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#fixture[Symbol.asyncDispose]();
  }
}

/** A party that is no other: tasks may share one object. */
function distinct(party: Party): Party {
  return party instanceof ProcessParty ? party : { ...party };
}

/** How many have arrived; who has dropped is none of the parties any longer. */
function arrivedIn(
  { arrived, parties }: { arrived: number; parties: number },
  fault: Fault,
  most: number,
): number {
  return fault === "drop" ? arrived + most - parties : arrived;
}

async function outcomeOf(arrival: Promise<number>): Promise<Outcome> {
  try {
    return await arrival;
  } catch (error) {
    const killed = error instanceof Error && error.message.startsWith("It ended without");
    return killed ? undefined : { error };
  }
}
