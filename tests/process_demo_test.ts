// Copyright 2026 the Rendezvous authors. MIT license.

// The command as a user runs it.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Child, type Ending, processesOf, runs, temporary } from "./_child.ts";
import { test, until } from "./_harness.ts";

type Scope = AsyncDisposableStack;

const DEMO = new URL("../process_demo.ts", import.meta.url).pathname;
const CONFIG = new URL("../deno.json", import.meta.url).pathname;

/** A run of the command, and the directory where all must be that it leaves. */
interface Run {
  child: Child;
  directory: string;
}

async function start(scope: Scope, ...args: string[]): Promise<Run> {
  const directory = await temporary(scope);
  const command = ["run", "-A", "--quiet", "--config", CONFIG, DEMO, ...args];
  const child = new Child(command, { TMPDIR: directory });
  scope.defer(async () => {
    await child[Symbol.asyncDispose]();
    // Whatever the command has left running.
    for (const pid of await processesOf(directory)) if (await runs(pid)) Deno.kill(pid, "SIGKILL");
  });
  return { child, directory };
}

/** Runs the command to its end, which must leave nothing: no process and no file. */
async function demo(scope: Scope, ...args: string[]): Promise<Ending> {
  return await finish(await start(scope, ...args));
}

async function finish({ child, directory }: Run): Promise<Ending> {
  const ending = await child.ended();
  await leavesNothing(directory);
  return ending;
}

async function leavesNothing(directory: string): Promise<void> {
  const left = [];
  for (const pid of await processesOf(directory)) if (await runs(pid)) left.push(pid);
  assertEquals(left, [], "processes that still run");
  assertEquals(await Array.fromAsync(Deno.readDir(directory)), [], "files that are left");
}

type What = "works" | "reached" | "passed";

/** What a line of a process says. */
interface Said {
  process: number;
  what: What;
  seconds?: number;
}

const LINES: [What, RegExp][] = [
  ["works", /^Process (\d+) is working for (\d\.\d\d) seconds\.$/],
  ["reached", /^Process (\d+) reached the barrier\.$/],
  ["passed", /^Process (\d+) passed the barrier and continues working\.$/],
];

function parse(line: string): Said | undefined {
  for (const [what, pattern] of LINES) {
    const [, process, seconds] = pattern.exec(line) ?? [];
    if (process === undefined) continue;
    return { process: +process, what, ...(seconds !== undefined && { seconds: +seconds }) };
  }
  return undefined;
}

/** Splits the output into what the processes say, and the lines after that. */
function read(stdout: string[]): { said: Said[]; rest: string[] } {
  const lines = stdout.map(parse);
  const end = lines.findLastIndex((line) => line !== undefined) + 1;
  const said = lines.slice(0, end);
  const wrong = said.findIndex((line) => line === undefined);
  assertEquals(wrong, -1, `not a line of the demo: ${stdout[wrong]}`);
  return { said: said as Said[], rest: stdout.slice(end) };
}

/** Checks that all processes went through all phases together. Gives their work times. */
function checkRun(said: Said[], processes: number, phases: number): number[][] {
  assertEquals(said.length, processes * phases * 3);
  const times: number[][] = Array.from({ length: processes }, () => []);
  const stages = ["works", "reached", "passed"] as const;
  const steps: number[] = Array(processes).fill(0);
  for (const { process, what, seconds } of said) {
    const step = steps[process]!++;
    assertEquals(what, stages[step % 3], `process ${process}, step ${step}`);
    if (what === "works") {
      assert(seconds! >= 0.1 && seconds! <= 1, `it works for ${seconds} s`);
      times[process]!.push(seconds!);
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

const ROW = /^Process (\d+) +(?=\S)/;

function checkTimeline(rest: string[], processes: number): void {
  const rows = rest.filter((line) => ROW.test(line));
  assertEquals(rows.map((row) => Number(ROW.exec(row)![1])), [...Array(processes).keys()]);
  for (const row of rows) assertMatch(row, /█/);
  for (const line of rest) assert([...line].length <= 80, `wider than 80 columns: ${line}`);
  assert(rest.some((line) => /^ +0 .*\d+\.\d\d s$/.test(line)), "there is no axis");
}

test("process_demo.ts has its processes meet, and draws their timeline", async (scope) => {
  const { code, stdout, stderr } = await demo(scope);
  assertEquals([code, stderr], [0, []]);
  const { said, rest } = read(stdout);
  checkRun(said, 4, 1);
  checkTimeline(rest, 4);
  for (const row of rest.filter((line) => ROW.test(line))) assertMatch(row, /│$/);
});

test("process_demo.ts --phases meets as often", async (scope) => {
  const { code, stdout, stderr } = await demo(scope, "--processes", "3", "--phases", "3");
  assertEquals([code, stderr], [0, []]);
  const { said, rest } = read(stdout);
  checkRun(said, 3, 3);
  checkTimeline(rest, 3);
});

test("process_demo.ts --seed gives the same work times again", async (scope) => {
  const run = async (seed: string) => {
    const { stdout } = await demo(scope, "-n", "2", "-p", "2", "--seed", seed, "--no-timeline");
    return checkRun(read(stdout).said, 2, 2);
  };
  const [once, again, other] = await Promise.all([run("7"), run("7"), run("8")]);
  assertEquals(once, again);
  assert(JSON.stringify(once) !== JSON.stringify(other), Deno.inspect(once));
});

test("process_demo.ts --no-timeline draws none", async (scope) => {
  const { code, stdout, stderr } = await demo(scope, "-n", "1", "--no-timeline");
  assertEquals([code, stderr], [0, []]);
  const { said, rest } = read(stdout);
  checkRun(said, 1, 1);
  assertEquals(rest, []);
});

test("process_demo.ts draws no line wider than 80 columns for many processes", async (scope) => {
  const { code, stdout } = await demo(scope, "--processes", "12", "--phases", "2");
  assertEquals(code, 0);
  const { said, rest } = read(stdout);
  checkRun(said, 12, 2);
  checkTimeline(rest, 12);
});

for (const [processes, victim, phases] of [[4, 1, 1], [2, 0, 3]] as const) {
  test(`process_demo.ts --kill ${victim} of ${processes} fails the others, and names it`, async (scope) => {
    const { code, stdout, stderr } = await demo(
      scope,
      ...["--processes", `${processes}`, "--kill", `${victim}`, "--phases", `${phases}`],
    );
    assertEquals(code, 1);
    const { said, rest } = read(stdout);
    const others = [...Array(processes).keys()].filter((process) => process !== victim);
    const whoDid = (what: What) =>
      said.filter((line) => line.what === what).map(({ process }) => process).sort();
    assertEquals(whoDid("works"), [...Array(processes).keys()]);
    assertEquals(whoDid("reached"), others);
    assertEquals(whoDid("passed"), []);
    const errors = stderr.toSorted();
    assertEquals(errors.length, others.length, stderr.join("\n"));
    for (const [i, process] of others.entries()) {
      assert(errors[i]!.startsWith(`Process ${process} stopped: Cannot pass phase 0 `), errors[i]);
      assertStringIncludes(errors[i]!, `"lost" ("Process ${victim}" is gone)`);
      assertStringIncludes(errors[i]!, `missing "Process ${victim}"`);
    }
    checkTimeline(rest, processes);
    for (const row of rest.filter((line) => ROW.test(line))) {
      assertEquals(row.endsWith("✗"), row.startsWith(`Process ${victim} `), row);
    }
  });
}

test("process_demo.ts --kill of the only process fails", async (scope) => {
  const { code, stdout } = await demo(scope, "--processes", "1", "--kill", "0", "--no-timeline");
  assertEquals(code, 1);
  assertEquals(read(stdout).said.map(({ what }) => what), ["works"]);
});

const mistakes: [string[], string][] = [
  [["--processes", "0"], "processes"],
  [["--processes", "-1"], "processes"],
  [["--processes", "x"], "processes"],
  [["--processes", "1.5"], "processes"],
  [["--processes", "9999"], "processes"],
  [["--processes", ""], "processes"],
  [["--processes", "0x4"], "processes"],
  [["--processes"], "processes"],
  [["--kill", "9"], "kill"],
  [["--kill", "4"], "kill"],
  [["--kill", "-1"], "kill"],
  [["--kill", "x"], "kill"],
  [["--processes", "2", "--kill", "2"], "kill"],
  [["--phases", "0"], "phases"],
  [["--phases", "1e1"], "phases"],
  [["--seed", "x"], "seed"],
  [["--seed", "-1"], "seed"],
  [["--seed", "4294967296"], "seed"],
  [["--unknown"], "unknown"],
  [["excess"], "argument"],
  [["--", "excess"], "argument"],
];
test("process_demo.ts refuses bad options, and starts nothing", async (scope) => {
  // Four at a time: each is a process.
  for (let i = 0; i < mistakes.length; i += 4) {
    await Promise.all(
      mistakes.slice(i, i + 4).map(async ([args, word]) => {
        const { code, stdout, stderr } = await demo(scope, ...args);
        assertEquals([code, stdout], [2, []], args.join(" "));
        assertStringIncludes(stderr[0] ?? "", "error: ", args.join(" "));
        assertStringIncludes(stderr[0]!, word);
        assertEquals(stderr.some((line) => /^ +at /.test(line)), false, stderr.join("\n"));
      }),
    );
  }
});

test("process_demo.ts --help shows all options", async (scope) => {
  const { code, stdout, stderr } = await demo(scope, "--help");
  assertEquals([code, stderr], [0, []]);
  const text = stdout.join("\n");
  for (const option of ["processes", "phases", "seed", "kill", "no-timeline", "help"]) {
    assertStringIncludes(text, `--${option}`);
  }
});

for (const [signal, status] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  for (const stage of ["work", "wait"] as const) {
    test(`process_demo.ts ends at ${signal} while its processes ${stage}, and leaves nothing`, async (scope) => {
      const run = await start(scope, "--processes", "3", "--phases", "1000", "--seed", "1");
      const { child, directory } = run;
      // In the second phase, so that all have connected.
      const counts = (what: What) =>
        child.stdout.filter((line) => parse(line)?.what === what).length;
      await until(() => counts("passed") >= 3, "all have passed once");
      if (stage === "wait") {
        const before = counts("reached");
        await until(() => counts("reached") > before, "somebody waits");
      }
      const pids = await processesOf(directory);
      assertEquals(pids.length, 3);
      child.kill(signal);
      const { code, stdout } = await finish(run);
      assertEquals(code, status);
      assertEquals(stdout.some((line) => ROW.test(line) && parse(line) === undefined), false);
      for (const pid of pids) assertEquals(await runs(pid), false);
    });
  }
}

test("process_demo.ts ends at SIGINT before its processes have connected", async (scope) => {
  const run = await start(scope, "--processes", "3");
  await until(async () => (await processesOf(run.directory)).length > 0, "one is started");
  run.child.kill("SIGINT");
  assertEquals((await finish(run)).code, 130);
});
