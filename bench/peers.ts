// Copyright 2026 the Rendezvous authors. MIT license.
// deno-lint-ignore-file no-console -- printing is what it is for

/**
 * What a phase costs, beside peers and the floor under it: every contender of a group runs in turn, and the
 * median of its runs is what counts. `deno task bench:peers`.
 *
 * An argument selects the groups whose title contains it; only a run of all writes `results.json`,
 * `results.svg` and the figures of `README.md`. Peers that cannot be run are skipped, or with `BENCH_ALL=1` are an error.
 */

import { allGroups, type Contender, type Group } from "./_contenders.ts";
import { machine } from "./_machine.ts";
import { type Figures, measure } from "./_measure.ts";
import { drawResults } from "./_plot.ts";
import { replaceFigures } from "./_report.ts";
import { Builder, version } from "./_program.ts";

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => stop.abort(new Error(`Cannot go on as of ${signal}`)));
}
await main();
Deno.exit();

async function main() {
  const selection = Deno.args[0] ?? "";
  using builder = new Builder();
  const groups = await runnable(
    allGroups(builder).filter(({ title }) => title.includes(selection)),
  );
  const header = await machine();
  console.log(
    `${header.processor}, ${header.hardwareThreads} hardware threads, ${header.kernel}\n`,
  );
  console.log("| Parties | Contender | ns a phase | ratio to ours |");
  console.log("| --- | --- | ---: | ---: |");
  const results = [];
  for (const group of groups) {
    const contenders = rate(await measure(group, stop.signal));
    for (const { name, median, ratio } of contenders) {
      const ns = median.toLocaleString("en");
      console.log(`| ${group.title} | ${name} | ${ns} | ${ratio} |`);
    }
    const { title, reach, parties, hogs } = group;
    results.push({ title, reach, parties, hogs, contenders });
  }
  if (selection) return;
  const url = (file: string) => new URL(file, import.meta.url);
  await Deno.writeTextFile(
    url("./results.json"),
    JSON.stringify({ machine: header, groups: results }, null, 2) + "\n",
  );
  await Deno.writeTextFile(url("./results.svg"), await drawResults(results));
  const readme = await Deno.readTextFile(url("./README.md"));
  await Deno.writeTextFile(url("./README.md"), replaceFigures(readme, header, results));
}

/** Rounds the figures, and compares them with those of the first. */
function rate(figures: Figures[]) {
  const ours = figures[0]!.median;
  return figures.map(({ name, kind, median, min, max }) => ({
    name,
    kind,
    median: Math.round(median),
    min: Math.round(min),
    max: Math.round(max),
    ratio: Number((median / ours).toPrecision(3)),
  }));
}

/** Leaves out the contenders that cannot be run here, and says so. */
async function runnable(groups: Group[]): Promise<Group[]> {
  const missing = new Map<string, string>();
  const found = new Map<string, boolean>();
  for (const { name, needs } of groups.flatMap(({ contenders }) => contenders)) {
    for (const need of needs) {
      if (!found.has(need)) found.set(need, await version(need) !== undefined);
      if (!found.get(need)) missing.set(name, need);
    }
  }
  for (const [name, need] of missing) console.log(`skipped: ${name} (no ${need})`);
  if (missing.size > 0 && Deno.env.get("BENCH_ALL") === "1") {
    throw new Error(`Cannot run all peers as of ${[...missing.keys()].join(", ")}`);
  }
  const has = ({ name }: Contender) => !missing.has(name);
  return groups.map((group) => ({ ...group, contenders: group.contenders.filter(has) }));
}
