// Copyright 2026 the Rendezvous authors. MIT license.
// deno-lint-ignore-file no-console -- printing is what it is for

/**
 * How long after the last party has called the last one is released, through Redis and beside it: `deno task bench:redis
 * [PARTIES …]`. All are measured in turn, by the same processes, on a `redis-server` that is started for it.
 *
 * A run of all writes `redis.json`, `redis.svg` and the figures of `README.md`.
 */

import { Engine } from "../tests/_helpers/engine.ts";
import { ProcessBarrierServer } from "../process_barrier.ts";
import { machine } from "./_machine.ts";
import { type Figures, spreadOf } from "./_measure.ts";
import { drawLatency, type Result } from "./_plot.ts";
import type { Task, Times, Way } from "./_redis_party.ts";
import { replaceLatencies } from "./_report.ts";

const RUNS = 9;
/** How many phases a run has, one by one or in a row. */
const PHASES = 7;
const ROW = 50;

const WAYS: [way: Way, name: string, kind: Figures["kind"], inARow?: boolean][] = [
  ["redis", "RedisBarrier", "ours"],
  ["socket", "ProcessBarrier by socket", "ours"],
  ["polling 10", "INCR, and GET every 10 ms", "peer"],
  ["polling 100", "INCR, and GET every 100 ms", "peer"],
  ["ping", "a round trip: PING", "floor"],
  ["redis", "RedisBarrier, in a row", "ours", true],
  ["ping", "round trips in a row", "floor", true],
];

/** A process that takes part in all of them. */
class Party implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: ReadableStreamDefaultReader<string>;
  #rest = "";

  constructor(...args: string[]) {
    const path = new URL("./_redis_party.ts", import.meta.url).pathname;
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", "--no-check", path, ...args],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#output = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  async run(task: Task): Promise<Times> {
    await this.#input.write(new TextEncoder().encode(JSON.stringify(task) + "\n"));
    while (!this.#rest.includes("\n")) {
      const { value } = await this.#output.read();
      if (value === undefined) throw new Error("A party has ended");
      this.#rest += value;
    }
    const end = this.#rest.indexOf("\n");
    const line = this.#rest.slice(0, end);
    this.#rest = this.#rest.slice(end + 1);
    return JSON.parse(line);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {});
    while (!(await this.#output.read()).done);
    await this.#child.status;
  }
}

/** The latencies of phases: from the last call to the last release, in ns. */
function latencies(all: Times[]): number[] {
  const here = all.filter((times) => times.length > 0);
  return here[0]!.map((_, phase) => {
    const called = Math.max(...here.map((times) => times[phase]![0]));
    return (Math.max(...here.map((times) => times[phase]![1])) - called) * 1e6;
  });
}

/** What a phase of a row takes, in ns. */
function mean(all: Times[]): number {
  const here = all.filter((times) => times.length > 0);
  const called = Math.min(...here.map((times) => times[0]![0]));
  return (Math.max(...here.map((times) => times.at(-1)![1])) - called) * 1e6 / here[0]!.length;
}

async function measure(parties: number): Promise<Figures[]> {
  await using scope = new AsyncDisposableStack();
  const engine = await Engine.start(scope);
  const server = scope.use(await ProcessBarrierServer.listen({ parties }));
  const team = Array.from(
    { length: parties },
    (_, index) => scope.use(new Party(engine.url, server.path, `${parties}`, `${index}`)),
  );
  const run = (way: Way, phases: number, inARow: boolean) =>
    Promise.all(team.map((party) => party.run({ way, phases, inARow })));
  const entrants = WAYS.map(([way, name, kind, inARow = false]) => {
    return { way, name, kind, inARow, times: [] as number[] };
  });
  for (const { way, inARow } of entrants) await run(way, 3, inARow);
  for (let i = 0; i < RUNS; i++) {
    for (const { way, inARow, times } of entrants) {
      const all = await run(way, inARow ? ROW : PHASES, inARow);
      times.push(...inARow ? [mean(all)] : latencies(all));
    }
  }
  return entrants.map(({ name, kind, times }) => {
    const { median, min, max } = spreadOf(times);
    return { name, kind, median: Math.round(median), min: Math.round(min), max: Math.round(max) };
  });
}

const counts = Deno.args.length > 0 ? Deno.args.map(Number) : [4, 16, 64];
const results: Result[] = [];
console.log(`| Parties | How | median µs | min | max |\n| --- | --- | ---: | ---: | ---: |`);
for (const parties of counts) {
  const contenders = await measure(parties);
  for (const { name, median, min, max } of contenders) {
    const cells = [median, min, max].map((ns) => Math.round(ns / 1e3).toLocaleString("en"));
    console.log(`| ${parties} | ${name} | ${cells.join(" | ")} |`);
  }
  const title = `${parties} processes through Redis`;
  results.push({ title, reach: "processes", parties, hogs: 0, contenders });
}
if (Deno.args.length === 0) {
  const url = (file: string) => new URL(file, import.meta.url);
  const header = await machine();
  const text = JSON.stringify({ machine: header, groups: results }, null, 2);
  await Deno.writeTextFile(url("./redis.json"), text + "\n");
  await Deno.writeTextFile(url("./redis.svg"), await drawLatency(results));
  const readme = await Deno.readTextFile(url("./README.md"));
  await Deno.writeTextFile(url("./README.md"), replaceLatencies(readme, header, results));
}
