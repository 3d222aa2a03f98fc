// Copyright 2026 the Rendezvous authors. MIT license.
// deno-lint-ignore-file no-console -- printing is what it is for

/**
 * Runs the tests of `AsyncBarrier` and `Barrier` in every runtime that is found, and prints what works where.
 *
 *     deno task everywhere [--bench] [part of a name …]
 *
 * `--bench` measures instead. With `EVERYWHERE_ALL=1` a runtime that is not found is a failure, and so is a table in the
 * README that says something else. `deno task tools` installs Node and Bun.
 *
 * @module
 */

import { bundle } from "./bundle.ts";
import { FIGURES } from "./bench.ts";
import { type RowResult, run, type RunResult } from "./run.ts";
import { runtimes } from "./runtimes.ts";

const benches = Deno.args.includes("--bench");
const all = Deno.env.get("EVERYWHERE_ALL") === "1";
const names = Deno.args.filter((arg) => !arg.startsWith("--"));

await using scope = new AsyncDisposableStack();
// Whatever was started is ended then, as at the end of a run.
const interrupt = new AbortController();
const onInterrupt = () => interrupt.abort();
Deno.addSignalListener("SIGINT", onInterrupt);
Deno.addSignalListener("SIGTERM", onInterrupt);

const directory = await Deno.makeTempDir({ prefix: "barrier-everywhere-" });
scope.defer(() => Deno.remove(directory, { recursive: true }));
await bundle(directory);

const results = new Map<string, RunResult | string>();
for (const runtime of runtimes) {
  if (interrupt.signal.aborted) break;
  const { name } = runtime;
  if (names.length > 0 && !names.some((part) => name.toLowerCase().includes(part.toLowerCase()))) {
    continue;
  }
  const start = performance.now();
  const result = await run(runtime, directory, benches ? ["bench"] : [], interrupt.signal);
  results.set(name, result);
  const seconds = ((performance.now() - start) / 1_000).toFixed();
  if (!benches) console.log(`${name}: ${summary(result)} (${seconds} s)`);
}
const lines = benches ? figures(results) : table(results);
console.log(`\n${lines}`);

let failed = [...results.values()].some((result) => {
  return typeof result === "string"
    ? all
    : [...result.rows.values()].some(({ failed }) => failed.length > 0);
});
if (all && names.length === 0 && !benches) {
  const plain = (text: string) => text.replaceAll(/[ -]+/g, " ");
  const readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
  if (!plain(readme).includes(plain(lines))) {
    console.log("The README has another table");
    failed = true;
  }
}
Deno.exitCode = interrupt.signal.aborted ? 130 : failed ? 1 : 0;
Deno.removeSignalListener("SIGINT", onInterrupt);
Deno.removeSignalListener("SIGTERM", onInterrupt);

/** What became of a runtime, with all that failed. */
function summary(result: RunResult | string): string {
  if (typeof result === "string") return `not tested, as ${result}`;
  const rows = [...result.rows.values()];
  const count = (of: (row: RowResult) => number) => rows.reduce((sum, row) => sum + of(row), 0);
  const failures = [...result.rows].flatMap(([row, { failed }]) =>
    failed.map((it) => `${row}: ${it}`)
  );
  const ignored = rows.flatMap(({ ignored }) => ignored);
  return [
    `${
      count(({ passed }) => passed)
    } passed, ${failures.length} failed, ${ignored.length} not possible`,
    ...failures,
    ...ignored.map((name) => `  not possible: ${name}`),
  ].join("\n");
}

type Results = ReadonlyMap<string, RunResult | string>;

/** The names of the runtimes that were found, and what became of them. */
function found(results: Results): [string, RunResult][] {
  return [...results].flatMap(([name, result]) =>
    typeof result === "string" ? [] : [[name, result]]
  );
}

/** What works where, as the README has it. */
function table(results: Results): string {
  const columns = found(results);
  const rows = new Set(columns.flatMap(([, { rows }]) => [...rows.keys()]));
  return markdown(
    ["", ...columns.map(([name]) => name)],
    [...rows].map((row) => [row, ...columns.map(([, { rows }]) => cell(rows.get(row)))]),
  );
}

/** What a phase costs, as bench/README.md has it. */
function figures(results: Results): string {
  return markdown(
    ["µs a phase", ...FIGURES],
    found(results).map(([name, { figures }]) => {
      return [name, ...FIGURES.map((figure) => figures?.[figure].toPrecision(2) ?? "–")];
    }),
  );
}

function markdown(head: string[], lines: string[][]): string {
  return [head, head.map(() => "---"), ...lines].map((line) => `| ${line.join(" | ")} |`).join(
    "\n",
  );
}

function cell(result: RowResult | undefined): string {
  if (result === undefined || result.impossible !== undefined) return "–";
  return result.failed.length > 0 ? `${result.failed.length} FAILED` : "yes";
}
