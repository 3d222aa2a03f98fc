// Copyright 2026 the Rendezvous authors. MIT license.
// deno-lint-ignore-file no-console

import { explore, load, replay } from "./_explorer.ts";
import { scenarios } from "./_explorer_scenarios.ts";

const library = await load(Deno.env.get("EXPLORE_ROOT") ?? import.meta.resolve("../../"));
const more = Number(Deno.env.get("EXPLORE") ?? 0);

let states = 0;
let schedules = 0;

for (const scenario of scenarios) {
  const preemptions = (scenario.preemptions ?? 2) + more;
  Deno.test(`SharedBarrier keeps its contract in every interleaving: ${scenario.name}`, () => {
    const before = performance.now();
    const report = explore(library, scenario, preemptions);
    if (Deno.env.has("EXPLORE_TIMES")) {
      console.log(
        report.states,
        report.schedules,
        Math.round(performance.now() - before),
        scenario.name,
      );
    }
    states += report.states;
    schedules += report.schedules;
    if (report.failure === undefined) return;
    const { message, schedule } = report.failure;
    const { standings } = replay(library, scenario, schedule);
    for (const { log } of standings) console.log(log);
    throw new Error(
      `${message}\ndeno run -A tests/memory/_explorer.ts "${scenario.name}" "${schedule}"`,
    );
  });
}

addEventListener("unload", () => {
  console.log(`explored ${schedules} schedules in ${states} states`);
});
