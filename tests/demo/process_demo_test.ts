// Copyright 2026 the Rendezvous authors. MIT license.

// The command as a user runs it.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { test, until } from "../_helpers/harness.ts";
import { type Command, process } from "../_helpers/command.ts";
import {
  checkRun,
  checkTimeline,
  demo,
  demoOn,
  each,
  finish,
  parse,
  read,
  ROW,
  type Run,
  start,
  type What,
} from "./_demo.ts";

each("has its processes meet, and draws their timeline", async (scope, runtime) => {
  const { code, stdout, stderr } = await demoOn(runtime, scope);
  assertEquals([code, stderr], [0, []]);
  const { said, rest } = read(stdout);
  checkRun(said, 4, 1);
  checkTimeline(rest, 4);
  for (const row of rest.filter((line) => ROW.test(line))) assertMatch(row, /│$/);
  assertEquals(rest.at(-1), "█ works  ░ waits  │ passes the barrier");
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

each("draws a timeline of many processes", async (scope, runtime) => {
  const { code, stdout } = await demoOn(runtime, scope, "--processes", "12", "--phases", "2");
  assertEquals(code, 0);
  const { said, rest } = read(stdout);
  checkRun(said, 12, 2);
  checkTimeline(rest, 12);
});

each("wraps its legend where the terminal is narrow", async (scope, runtime) => {
  const args = ["--processes", "3", "--kill", "1"];
  const { stdout } = await finish(await start(scope, args, { env: { COLUMNS: "32" }, runtime }));
  const { rest } = read(stdout);
  checkTimeline(rest, 3, 32);
  assertEquals(rest.slice(-3), ["█ works  ░ waits", "× is told that it broke", "✗ is killed"]);
});

test("process_demo.ts downloads nothing", async (scope) => {
  const cache = await Deno.makeTempDir({ prefix: "demo-test-" });
  scope.defer(() => Deno.remove(cache, { recursive: true }));
  const env = { DENO_DIR: cache };
  const { code } = await finish(await start(scope, ["-n", "2", "--no-timeline"], { env }));
  assertEquals(code, 0);
  const packages = Array.fromAsync(Deno.readDir(`${cache}/npm`)).catch(() => []);
  assertEquals(await packages, []);
});

for (const [processes, victim, phases] of [[4, 1, 1], [2, 0, 3]] as const) {
  each(
    `--kill ${victim} of ${processes} fails the others, and names it`,
    async (scope, runtime) => {
      const { code, stdout, stderr } = await demoOn(
        runtime,
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
      const gone = `"Process ${victim}" is gone`;
      const counts = `${others.length} of ${processes} arrived, missing "Process ${victim}"`;
      assertEquals(
        stderr.slice(0, -1).toSorted(),
        others.map((other) => `Process ${other} stopped: Phase 0 broke: ${gone} (${counts})`),
      );
      const told = `Told: ${others.length} of ${others.length} others.`;
      assertEquals(stderr.at(-1), `Lost: Process ${victim}. ${told}`);
      checkTimeline(rest, processes);
      for (const row of rest.filter((line) => ROW.test(line))) {
        assertEquals(row.endsWith("✗"), row.startsWith(`Process ${victim} `), row);
      }
    },
  );
}

each("--kill of the only process fails, and says so", async (scope, runtime) => {
  const args = ["-n", "1", "--kill", "0", "--no-timeline"];
  const { code, stdout, stderr } = await demoOn(runtime, scope, ...args);
  assertEquals(code, 1);
  assertEquals(read(stdout).said.map(({ what }) => what), ["works"]);
  assertEquals(stderr, ["Lost: Process 0. There is nobody to tell."]);
});

each("has a process that dies at its start free the others", async (scope, runtime) => {
  // So many phases that it cannot get done before.
  const args = ["--processes", "3", "--phases", "1000", "--no-timeline"];
  const run = await start(scope, args, { runtime });
  Deno.kill(await process(run.directory, '"party":1,'), "SIGKILL");
  const { code, stderr } = await finish(run);
  assertEquals(code, 1);
  assertEquals(stderr.at(-1), "Lost: Process 1. Told: 2 of 2 others.");
  for (const line of stderr.slice(0, -1)) assertStringIncludes(line, '"Process 1"');
});

const mistakes: [args: string[], word: string][] = [
  [["--processes", "0"], "processes"],
  [["--processes", "-1"], "processes"],
  [["--processes", "1.5"], "processes"],
  [["--processes", "9999"], "processes"],
  [["--processes", ""], "processes"],
  [["--processes", "0x4"], "processes"],
  [["--processes"], "processes"],
  [["--kill", "4"], "kill"],
  [["--kill", "x"], "kill"],
  [["--processes", "2", "--kill", "2"], "kill"],
  [["--phases", "1e1"], "phases"],
  [["--seed", "4294967296"], "seed"],
  [["--unknown"], "unknown"],
  [["--", "excess"], "argument"],
  [["party"], "party"],
];
test("process_demo.ts refuses bad options, and starts nothing", async (scope) => {
  // Four at a time: each is a process.
  for (let i = 0; i < mistakes.length; i += 4) {
    await Promise.all(
      mistakes.slice(i, i + 4).map(async ([args, word]) => {
        const { code, stdout, stderr } = await demo(scope, ...args);
        assertEquals([code, stdout], [2, []], args.join(" "));
        assertMatch(stderr[0] ?? "", /^error: /, args.join(" "));
        assertStringIncludes(stderr[0]!, word);
        assertEquals(stderr.some((line) => /^ +at /.test(line)), false, stderr.join("\n"));
      }),
    );
  }
});

each("refuses a bad option with status 2", async (scope, runtime) => {
  const { code, stdout, stderr } = await demoOn(runtime, scope, "--unknown");
  assertEquals([code, stdout], [2, []]);
  assertMatch(stderr[0] ?? "", /^error: .*unknown/);
});

each("--help shows all options", async (scope, runtime) => {
  const { code, stdout, stderr } = await demoOn(runtime, scope, "--help");
  assertEquals([code, stderr], [0, []]);
  const text = stdout.join("\n");
  for (const option of ["processes", "phases", "seed", "kill", "no-timeline", "help"]) {
    assertStringIncludes(text, `--${option}`);
  }
});

const MANY = ["--processes", "3", "--phases", "1000", "--seed", "1"];

/** The moments at which a signal comes. */
const moments: [
  moment: string,
  signal: Deno.Signal,
  status: number,
  (run: Run) => Promise<void>,
][] = [
  ["before it has started a process", "SIGINT", 130, async ({ directory }) => {
    await until(
      async () => (await Array.fromAsync(Deno.readDir(directory))).length > 0,
      "it listens",
    );
  }],
  ["before its processes have connected", "SIGTERM", 143, async ({ directory }) => {
    await process(directory);
  }],
  ["while its processes work", "SIGHUP", 129, async ({ command }) => {
    await until(() => count(command, "passed") >= 3, "all have passed once");
  }],
  ["while its processes wait", "SIGINT", 130, async ({ command }) => {
    await until(() => count(command, "passed") >= 3, "all have passed once");
    const before = count(command, "reached");
    await until(() => count(command, "reached") > before, "somebody waits");
  }],
];

function count({ stdout }: Command, what: What): number {
  return stdout.filter((line) => parse(line)?.what === what).length;
}

for (const [moment, signal, status, come] of moments) {
  each(`ends at ${signal} ${moment}, and leaves nothing`, async (scope, runtime) => {
    const run = await start(scope, MANY, { runtime });
    await come(run);
    run.command.kill(signal);
    const { code, stdout, stderr } = await finish(run);
    assertEquals([code, stderr], [status, []]);
    read(stdout);
    assertEquals(stdout.filter((line) => parse(line) === undefined), [], "a timeline");
  });
}
