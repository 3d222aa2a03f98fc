// Copyright 2026 the Rendezvous authors. MIT license.

// Runs of the demo, and what they print.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { test } from "../_helpers/harness.ts";
import { bun, findNode } from "../_helpers/programs.ts";
import { Command, type Ending, processesOf } from "../_helpers/command.ts";

export type Scope = AsyncDisposableStack;

export const DEMO = new URL("../../process_demo.ts", import.meta.url).pathname;

/** A run of the command, and the directory where all must be that it leaves. */
export interface Run {
  command: Command;
  directory: string;
}

/** What the command runs on. */
export interface Runtime {
  name: string;
  command: string[];
  missing?: string | undefined;
}

export const DENO: Runtime = { name: "Deno", command: [Deno.execPath(), "run", "-A", "--quiet"] };

export const runtimes: Runtime[] = [
  DENO,
  ...[findNode("22.18"), bun].map(
    ({ name, path, missing }) => ({ name, command: [path!], missing }),
  ),
];

/** A test for each runtime. */
export function each(
  behaviour: string,
  body: (scope: Scope, runtime: Runtime) => Promise<void>,
): void {
  for (const runtime of runtimes) {
    const { name, missing } = runtime;
    const why = missing === undefined ? "" : ` (ignored: ${missing})`;
    test(`process_demo.ts ${behaviour} [${name}]${why}`, (scope) => body(scope, runtime), {
      ignore: missing !== undefined,
    });
  }
}

export async function start(
  scope: Scope,
  args: string[],
  { env = {}, flags = [], runtime = DENO }: {
    env?: Record<string, string>;
    flags?: string[];
    runtime?: Runtime;
  } = {},
): Promise<Run> {
  const directory = await Deno.makeTempDir({ prefix: "demo-test-" });
  scope.defer(() => Deno.remove(directory, { recursive: true }));
  // Whatever the command has left running.
  scope.defer(async () => {
    for (const pid of await processesOf(directory)) Deno.kill(pid, "SIGKILL");
  });
  const command = [...runtime.command, ...flags, DEMO, ...args];
  return {
    command: new Command(scope, command, { env: { TMPDIR: directory, ...env } }),
    directory,
  };
}

/** Waits for the end of the command, which must leave nothing: no process and no file. */
export async function finish({ command, directory }: Run): Promise<Ending> {
  const ending = await command.ended();
  assertEquals(await processesOf(directory), [], "processes that still run");
  assertEquals(await Array.fromAsync(Deno.readDir(directory)), [], "files that are left");
  return ending;
}

export async function demo(scope: Scope, ...args: string[]): Promise<Ending> {
  return await finish(await start(scope, args));
}

export async function demoOn(runtime: Runtime, scope: Scope, ...args: string[]): Promise<Ending> {
  return await finish(await start(scope, args, { runtime }));
}

export type What = "works" | "reached" | "passed";

/** What a line of a process says. */
export interface Said {
  process: number;
  what: What;
  seconds: number;
}

export const LINES: [What, RegExp][] = [
  ["works", /^Process (\d+) is working for (\d\.\d\d) seconds\.$/],
  ["reached", /^Process (\d+) reached the barrier\.$/],
  ["passed", /^Process (\d+) passed the barrier and continues working\.$/],
];

export function parse(line: string): Said | undefined {
  for (const [what, pattern] of LINES) {
    const [, process, seconds] = pattern.exec(line) ?? [];
    if (process !== undefined) return { process: +process, what, seconds: Number(seconds) };
  }
  return undefined;
}

/** Splits the output into what the processes say, and the lines after that. */
export function read(stdout: string[]): { said: Said[]; rest: string[] } {
  const lines = stdout.map(parse);
  const end = lines.findLastIndex((line) => line !== undefined) + 1;
  const said = lines.slice(0, end);
  const wrong = said.findIndex((line) => line === undefined);
  assertEquals(wrong, -1, `not a line of the demo: ${stdout[wrong]}`);
  return { said: said as Said[], rest: stdout.slice(end) };
}

/** Checks that all processes went through all phases together. Returns their work times. */
export function checkRun(said: Said[], processes: number, phases: number): number[][] {
  assertEquals(said.length, processes * phases * 3);
  const times: number[][] = Array.from({ length: processes }, () => []);
  const stages = ["works", "reached", "passed"] as const;
  const steps: number[] = Array(processes).fill(0);
  for (const { process, what, seconds } of said) {
    const step = steps[process]!++;
    assertEquals(what, stages[step % 3], `process ${process}, step ${step}`);
    if (what === "works") {
      assert(seconds >= 0.1 && seconds <= 1, `it works for ${seconds} s`);
      times[process]!.push(seconds);
    }
    if (what === "passed") {
      // All have reached it: whoever is behind is in its first or second step of the phase's three.
      const phase = Math.floor(step / 3);
      for (const [other, count] of steps.entries()) {
        assert(
          count >= phase * 3 + 2,
          `process ${process} passed phase ${phase}, which process ${other} had not reached`,
        );
      }
    }
  }
  assertEquals(steps, Array(processes).fill(phases * 3));
  return times;
}

export const ROW = /^Process (\d+) +(?=\S)/;

export function checkTimeline(rest: string[], processes: number, width = 80): void {
  const rows = rest.filter((line) => ROW.test(line));
  assertEquals(rows.map((row) => Number(ROW.exec(row)![1])), [...Array(processes).keys()]);
  for (const row of rows) assertMatch(row, /█/);
  // A line as wide as the terminal makes some of them show an empty line.
  for (const line of rest) assert([...line].length < width, `not under ${width} columns: ${line}`);
  assert(rest.some((line) => /^ +0 .*\d+\.\d\d s$/.test(line)), "there is no axis");
}
