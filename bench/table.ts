// Copyright 2026 the Rendezvous authors. MIT license.
// deno-lint-ignore-file no-console -- printing is what it is for

/**
 * The figures of the README: every contender of a scenario runs in turn, so that a busy moment hits them all,
 * and the median of its runs is what counts. `deno task bench:table`.
 */

import { type Contender, groups } from "./_contenders.ts";

/** How often each contender runs. */
const RUNS = 9;

const cores = navigator.hardwareConcurrency;
console.log(`Deno ${Deno.version.deno}, ${Deno.build.target}, ${cores} hardware threads\n`);
console.log("| Scenario | Contender | ns a phase | ratio |");
console.log("| --- | --- | ---: | ---: |");
for (const { title, parties, phases, contenders } of groups) {
  const medians = await measure(contenders, parties, phases);
  const [[, ours]] = medians as [[string, number]];
  for (const [name, median] of medians) {
    const ratio = (median / ours).toFixed(2);
    console.log(`| ${title} | ${name} | ${Math.round(median).toLocaleString("en")} | ${ratio} |`);
  }
}

async function measure(
  contenders: Record<string, Contender>,
  parties: number,
  phases: number,
): Promise<[string, number][]> {
  await using scope = new AsyncDisposableStack();
  const meetings = [];
  for (const [name, contender] of Object.entries(contenders)) {
    const meeting = scope.use(await contender(parties));
    await meeting.run(phases);
    meetings.push({ name, meeting, times: [] as number[] });
  }
  for (let run = 0; run < RUNS; run++) {
    for (const { meeting, times } of meetings) {
      const start = performance.now();
      await meeting.run(phases);
      times.push((performance.now() - start) * 1e6 / phases);
    }
  }
  return meetings.map(({ name, times }) => [name, times.sort((a, b) => a - b)[RUNS >> 1]!]);
}
