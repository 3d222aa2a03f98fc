// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * What a phase costs, beside the floor under it. `deno bench -A`. One iteration is as many phases as the
 * name of the group says; within a group the contenders' ratios count, not their times.
 */

import { allGroups } from "./_contenders.ts";
import { Builder } from "./_program.ts";

const PHASES = { tasks: 100_000, workers: 4_000, processes: 1_000 };

for (const { title, reach, parties, hogs, contenders } of allGroups(new Builder())) {
  if (hogs > 0) continue;
  const phases = PHASES[reach] / (reach === "tasks" ? parties : 1);
  for (const { name, kind, needs, start } of contenders) {
    if (kind === "peer" || needs.length > 0) continue;
    Deno.bench({
      name,
      group: `${title}, ${phases} phases`,
      baseline: name === contenders[0]!.name,
      n: 5,
      warmup: 1,
      async fn(bench) {
        await using meeting = await start(parties);
        await meeting.run(phases);
        bench.start();
        await meeting.run(phases);
        bench.end();
      },
    });
  }
}
