// Copyright 2026 the Rendezvous authors. MIT license.
// deno-lint-ignore-file no-console

import { assert, assertEquals } from "@std/assert";
import { explore, type Failure, replay } from "./_explorer.ts";
import { type Library, load } from "./_explorer_party.ts";
import { type Scenario, scenarios } from "./_explorer_scenarios.ts";
import { Threads } from "./_explorer_threads.ts";

/** How many preemptions more than in the normal run: `EXPLORE=1 deno test -A tests/explorer_test.ts`. */
const more = Number(Deno.env.get("EXPLORE") ?? 0);

const url = import.meta.resolve("../barrier.ts");

/** Where resets multiply the states. */
const HUGE = new Set([
  "reset",
  "two resets",
  "stand-in",
  "timeout and reset",
  "reset, counts wrap",
]);

/** Two, or less where there are many states, so that the normal run takes seconds. */
function preemptionsOf({ title, action, large = false, parties }: Scenario): number {
  const many = parties > 2;
  const huge = HUGE.has(title) && !(many && large);
  const less = Number(many && large || huge) + Number(action !== undefined && (many || large));
  return 2 - less + more;
}

for (const [title, variants] of Map.groupBy(scenarios, ({ title }) => title)) {
  Deno.test(`Barrier keeps its contract in every interleaving of "${title}"`, async () => {
    const library = await load(url);
    for (const scenario of variants) {
      const preemptions = preemptionsOf(scenario);
      const { schedules, states, failure } = explore(library, scenario, preemptions);
      assertEquals(failure, undefined, failure && told(scenario, failure));
      console.log(
        `${scenario.name}: ${schedules} schedules with up to ${preemptions} preemptions, ` +
          `${states} states`,
      );
    }
  });
}

Deno.test("Explorer gives on threads what it gives without", async () => {
  const library = await load(url);
  using threads = await Threads.start(url, 4);
  for (const scenario of scenarios.filter(({ parties }) => parties === 2)) {
    const { sample: schedule } = explore(library, scenario, 1);
    const expected = replay(library, scenario, { schedule });
    try {
      const actual = replay(library, scenario, { schedule, actors: threads.perform });
      assertEquals(actual, expected, scenario.name);
    } finally {
      threads.leave();
    }
  }
});

/** A bug of one line, and a scenario that it cannot survive. */
interface Mutation {
  name: string;
  from: string;
  to: string;
  scenario: string;
}

const mutations: Mutation[] = [
  {
    name: "forgets in which epoch a phase was settled",
    from: "(endedIn - ticket.phase | 0) > 0",
    to: "true",
    scenario: "stand-in, 2 parties",
  },
  {
    name: "remembers only how the last epoch ended",
    from: "const EPOCHS = 8;",
    to: "const EPOCHS = 1;",
    scenario: "two resets, 2 parties",
  },
  {
    name: "notifies nobody",
    from: "this.#sleeper.notify(BELL);",
    to: ";",
    scenario: "plain, 2 parties",
  },
  {
    name: "notifies only one",
    from: "Atomics.notify(words, word)",
    to: "Atomics.notify(words, word, 1)",
    scenario: "plain, 3 parties",
  },
  {
    name: "does not ring the bell",
    from: "Atomics.add(this.words, BELL, 1);",
    to: "",
    scenario: "plain, 2 parties",
  },
  {
    name: "looks before it reads the bell",
    from: "this.#sleeper.wait(BELL, bell, left);",
    to: "this.#sleeper.wait(BELL, Atomics.load(this.words, BELL), left);",
    scenario: "plain, 2 parties",
  },
  {
    name: "takes being woken for having passed",
    from: "this.#sleeper.wait(BELL, bell, left);",
    to: 'this.#sleeper.wait(BELL, bell, left); return "passed";',
    scenario: "two resets, 2 parties",
  },
  {
    name: "does not count itself as asleep",
    from: "Atomics.store(this.words, SLEEPERS, 1);",
    to: "",
    scenario: "plain, 2 parties",
  },
  {
    name: "tests broken before passed",
    from: "    if (ahead > 0 && (same",
    to: "    if (reasonOf(view.state)) return reasonOf(view.state);\n    if (ahead > 0 && (same",
    scenario: "abort, 2 parties",
  },
  {
    name: "lets a timeout revise a release",
    from: "if (view.phase !== ticket.phase || this.outcome(ticket, view) !== undefined) {",
    to: "if (false) {",
    scenario: "timeout, 2 parties",
  },
  {
    name: "lets a timeout end a phase whose action runs",
    from: "if (view.phase !== ticket.phase || ",
    to: "if (",
    scenario: "timeout, 2 parties, action runs",
  },
  {
    name: "does not count a reset",
    from: "const resets = (state >>> RESETS_SHIFT) + 1 & COUNT_MASK;",
    to: "const resets = state >>> RESETS_SHIFT & COUNT_MASK;",
    scenario: "reset, 2 parties",
  },
  {
    name: "does not refill after a phase",
    from: "this.#trip(ticket, refilled(next))",
    to: "this.#trip(ticket, next)",
    scenario: "plain, 2 parties",
  },
  {
    name: "does not refill after a reset",
    from: "return refilled(state) & ~(REASON_MASK",
    to: "return state & ~(REASON_MASK",
    scenario: "reset, 2 parties",
  },
  {
    name: "resets without breaking first",
    from: 'this.break("reset");\n        continue;',
    to: "",
    scenario: "reset, 2 parties",
  },
  {
    name: "overwrites the reason",
    from: "if (state & REASON_MASK) return;\n      if (this.#swap(state, brokenBy(state, reason)))",
    to: "if (this.#swap(state, brokenBy(state & ~REASON_MASK, reason)))",
    scenario: "timeout and abort, 2 parties",
  },
  {
    name: "passes while the action runs",
    from: "if (view.state & TRIPPING && ahead === 0) return undefined;",
    to: 'if (view.state & TRIPPING && ahead === 0) return "passed";',
    scenario: "plain, 2 parties, action runs",
  },
  {
    name: "rings before it takes the word of who sleeps",
    from: "Atomics.store(this.words, SLEEPERS, 0);\n    Atomics.add(this.words, BELL, 1);",
    to: "Atomics.add(this.words, BELL, 1);\n    Atomics.store(this.words, SLEEPERS, 0);",
    scenario: "drop, 3 parties",
  },
  {
    name: "drops a party without its arrival",
    from: "const next = state - (dropping << PARTIES_SHIFT) - 1;",
    to: "const next = state - (dropping << PARTIES_SHIFT) - 1 + dropping;",
    scenario: "drop, 3 parties",
  },
  {
    name: "completes a phase while the action of the phase before runs",
    from: "refused || remaining === 1 && state & TRIPPING",
    to: "refused",
    scenario: "drop and run ahead, 3 parties, action runs",
  },
  {
    name: "withdraws from a phase that has passed",
    from: "if (!this.#swap(state, withdraws ? state + 1 : brokenBy(state, why))) continue;",
    to:
      "if (withdraws) Atomics.add(this.words, STATE, 1); else if (!this.#swap(state, brokenBy(state, why))) continue;",
    scenario: "withdraw, 2 parties",
  },
  {
    name: "registers without a place in the open phase",
    from: "state + (count << PARTIES_SHIFT | count)",
    to: "state + (count << PARTIES_SHIFT)",
    scenario: "register, 2 parties",
  },
];

for (const { name, from, to, scenario: title } of mutations) {
  Deno.test(`Explorer catches a barrier that ${name}`, async () => {
    using mutant = await mutate(from, to);
    const scenario = scenarios.find((scenario) => scenario.name === title)!;
    const library = await load(mutant.url);
    const failure = find(library, scenario);
    assert(failure !== undefined, `It survives ${title}`);
    console.log(told(scenario, failure));
    const { message, schedule } = failure;
    assertEquals(replay(library, scenario, { schedule }).message, message);
    using threads = await Threads.start(mutant.url, scenario.programs.length);
    assertEquals(
      replay(library, scenario, { schedule, actors: threads.perform }).message,
      message,
    );
  });
}

/** The first failure, with as few preemptions as possible. */
function find(library: Library, scenario: Scenario): Failure | undefined {
  for (const preemptions of [0, 1, 2, 3]) {
    const { failure } = explore(library, scenario, preemptions);
    if (failure !== undefined) return failure;
  }
}

/** A copy of the library in which one line differs. */
async function mutate(from: string, to: string): Promise<Disposable & { url: string }> {
  const directory = await Deno.makeTempDir();
  const root = new URL(".", url);
  let found = 0;
  for await (const { name } of Deno.readDir(root)) {
    if (!/^(_.*|barrier)\.ts$/.test(name)) continue;
    const source = await Deno.readTextFile(new URL(name, root));
    found += source.split(from).length - 1;
    await Deno.writeTextFile(`${directory}/${name}`, source.replace(from, () => to));
  }
  assertEquals(found, 1, `Not once in the library: ${from}`);
  return {
    url: `file://${directory}/barrier.ts`,
    [Symbol.dispose]: () => Deno.removeSync(directory, { recursive: true }),
  };
}

function told(scenario: Scenario, { message, schedule }: Failure): string {
  return `${message}: "${scenario.name}" "${schedule}"`;
}
