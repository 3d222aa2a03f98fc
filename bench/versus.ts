// Copyright 2026 the Rendezvous authors. MIT license.
// deno-lint-ignore-file no-console -- printing is what it is for

/**
 * What a phase costs beside another checkout of this library, of which only what both have in common is used. `deno
 * run -A bench/versus.ts OTHER_CHECKOUT`.
 *
 * The two run in turn, in fresh processes each time. A second argument selects what has it in its title. Nothing is
 * asserted, and no file written.
 */

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { machine } from "./_machine.ts";
import { calibrate, hog, type Spread, spreadOf, time } from "./_measure.ts";
import { deno, HERE } from "./_meetings.ts";

/** How often each contender runs. */
const RUNS = 7;

/** About how long each run takes at the least, in ms. */
const RUN = 200;

/** What is to be measured. */
interface Case {
  title: string;
  /** As `_side.ts` knows it. */
  kind: string;
  parties: number;
  /** How many other processes keep the machine busy. */
  hogs?: number;
  /** How many phases are measured from the start; where it is not said, parties and code are warm. */
  cold?: number;
  /** The kind of what else is measured beside both. */
  floor?: string;
}

const cases: Case[] = [
  ...[2, 8, 100, 10_000].map((parties) => ({ title: `${parties} tasks`, kind: "tasks", parties })),
  { title: "wait() of 1 party", kind: "alone", parties: 1, floor: "compare-exchange" },
  ...[2, 4, 8, 32].map((parties) => ({
    title: `${parties} workers`,
    kind: "workers",
    parties,
  })),
  { title: "2 workers, cold", kind: "workers", parties: 2, cold: 100_000 },
  ...[2, 4, 8].map((parties) => ({
    title: `${parties} workers, busy machine`,
    kind: "workers",
    parties,
    hogs: 2,
  })),
  ...[2, 4, 8].map((parties) => ({
    title: `${parties} processes by socket`,
    kind: "socket",
    parties,
  })),
  ...[2, 4, 8].map((parties) => ({
    title: `${parties} processes in shared memory, waitSync()`,
    kind: "shared-memory",
    parties,
  })),
];

const [other, selection = ""] = Deno.args;
if (other === undefined || !existsSync(resolve(other, "mod.ts"))) {
  console.error(
    `There is no checkout of this library at "${other ?? ""}". Make one, and measure beside it:

    git worktree add ../old d166935
    deno run -A bench/versus.ts ../old`,
  );
  Deno.exit(2);
}
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => stop.abort(new Error(`Cannot go on as of ${signal}`)));
}
await main(pathToFileURL(resolve(other) + "/").href);
Deno.exit();

async function main(there: string) {
  const { processor, hardwareThreads, kernel } = await machine();
  console.log(`${processor}, ${hardwareThreads} hardware threads, ${kernel}\n`);
  console.log("| µs a phase: median (min..max) | here | there | here / there |");
  console.log("| --- | ---: | ---: | ---: |");
  for (const measured of cases.filter(({ title }) => title.includes(selection))) {
    const [ours, theirs, floor] = await measure(measured, there) as [Spread, Spread, Spread?];
    const row = (title: string, ...cells: string[]) =>
      console.log(`| ${[title, ...cells].join(" | ")} |`);
    row(measured.title, show(ours), show(theirs), digits(ours.median / theirs.median));
    if (floor === undefined) continue;
    row(`${measured.floor}`, show(floor), "", "");
    const times = ({ median }: Spread) => digits(median / floor.median);
    row(`${measured.title}, in ${measured.floor}s`, times(ours), times(theirs), "");
  }
}

/** Measures here, there and the floor, in turn. */
async function measure(measured: Case, there: string): Promise<Spread[]> {
  const { kind, parties, hogs = 0, cold, floor } = measured;
  await using scope = new AsyncDisposableStack();
  for (let i = 0; i < hogs; i++) scope.use(hog());
  const contenders = [
    { checkout: HERE, kind, times: [] as number[] },
    { checkout: there, kind, times: [] as number[] },
  ];
  if (floor) contenders.push({ checkout: HERE, kind: floor, times: [] });
  const start = ({ checkout, kind }: { checkout: string; kind: string }) =>
    deno("./_side.ts", checkout, kind, `${parties}`);
  // All meet equally often: who meets less often is measured colder.
  let phases = cold ?? 0;
  for (const contender of cold === undefined ? contenders : []) {
    await using meeting = start(contender);
    await meeting.run(1);
    phases = Math.max(phases, await calibrate(meeting, stop.signal, RUN));
  }
  for (let run = 0; run < RUNS; run++) {
    // Nobody is always the first.
    for (const contender of run % 2 ? contenders.toReversed() : contenders) {
      stop.signal.throwIfAborted();
      await using meeting = start(contender);
      await meeting.run(1);
      // As long again: until then its code is not compiled.
      if (cold === undefined) await meeting.run(phases);
      contender.times.push(await time(meeting, phases) * 1e6 / phases);
    }
  }
  return contenders.map(({ times }) => spreadOf(times));
}

function show({ median, min, max }: Spread): string {
  return `${digits(median / 1e3)} (${digits(min / 1e3)}..${digits(max / 1e3)})`;
}

/** Three digits, or all of a larger number. */
function digits(number: number): string {
  return number >= 100 ? number.toFixed() : number.toPrecision(3);
}
