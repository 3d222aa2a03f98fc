// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * What a phase costs, beside the floor under it and peers. `deno bench -A`. One iteration is as many phases
 * as the name of the group says; within a group the contenders' ratios count, not their times.
 */

import { groups } from "./_contenders.ts";

for (const { title, parties, phases, contenders } of groups) {
  for (const [i, [name, contender]] of Object.entries(contenders).entries()) {
    Deno.bench({
      name,
      group: `${title}, ${phases} phases`,
      baseline: i === 0,
      n: 7,
      warmup: 1,
      async fn(bench) {
        await using meeting = await contender(parties);
        await meeting.run(phases);
        bench.start();
        await meeting.run(phases);
        bench.end();
      },
    });
  }
}
