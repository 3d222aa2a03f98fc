// Copyright 2026 the Rendezvous authors. MIT license.

// Each example is run by the command that its header shows, and nothing else.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Engine, engine } from "../_helpers/engine.ts";
import { test } from "../_helpers/harness.ts";
import { Command, process, processesOf } from "../_helpers/command.ts";

const ROOT = new URL("../../", import.meta.url);

/** Runs an example. It must end by itself, with status 0 and no word on stderr. Returns what it prints. */
async function run(scope: AsyncDisposableStack, name: string): Promise<string[]> {
  const source = await Deno.readTextFile(new URL(`examples/${name}`, ROOT));
  const command = /^ \* {5}deno (\w+) (.*)$/m.exec(source);
  assert(command !== null, "the header shows no command");
  const [, verb, rest] = command;
  // Where it wants a Redis server, it gets one of its own.
  const words = rest!.split(" ").map(async (word) => {
    return word.startsWith("redis://") ? (await Engine.start(scope)).url : word;
  });
  const flags = ["--quiet", "--no-check", "--no-prompt"];
  const args = [Deno.execPath(), verb!, ...flags, ...await Promise.all(words)];
  const { code, stdout, stderr } = await new Command(scope, args, { cwd: ROOT }).ended();
  assertEquals([code, stderr], [0, []], stdout.join("\n"));
  return stdout;
}

/** What each example must print. */
const checks: Record<string, (lines: string[]) => void> = {
  "tasks.ts": (lines) => checkMeeting(lines, "Task"),
  "workers.ts": (lines) => checkMeeting(lines, "Worker"),
  "processes.ts": (lines) => checkMeeting(lines, "Process"),
  "start_gate.ts"(lines) {
    const runners = ["Ann", "Bob", "Cyd"];
    assertEquals(lines.slice(0, 3).toSorted(), runners.map((runner) => `${runner} is ready.`));
    assertEquals(lines[3], "Go!");
    assertEquals(lines.slice(4).toSorted(), runners.map((runner) => `${runner} runs.`));
  },
  "merge_action.ts"(lines) {
    assertEquals(lines, [
      "Phase 0: centers 1.67, 9.17, 21.00",
      "Phase 1: centers 2.00, 10.40, 21.00",
      "Phase 2: centers 2.00, 10.40, 21.00",
      "The centers have settled.",
    ]);
  },
  "game_of_life.ts"(lines) {
    assertEquals(lines.slice(-2), [
      "Generation 300: 123 cells live.",
      "4 workers and one thread agree.",
    ]);
  },
  "race_test.ts"(lines) {
    assertStringIncludes(lines.join("\n"), "2 passed");
  },
  "stop_long_work.ts"(lines) {
    const gone =
      'Phase 0 broke: "download" is gone: no network (0 of 3 arrived, missing "left half", "right half", "download")';
    assertEquals(lines.toSorted(), [
      "A party is told: TimeoutError",
      "A party is told: timeout",
      "The action stops: Phase 0 broke: a party timed out (2 of 2 arrived)",
      `left half stops: ${gone}`,
      `right half stops: ${gone}`,
    ]);
  },
  "two_levels.ts"(lines) {
    const names = ["A", "B"].flatMap((machine) => {
      return [0, 1, 2].map((process) => `Machine ${machine}, process ${process}`);
    });
    for (const [phase, what] of [[0, "reached"], [0, "passed"], [1, "passed"]] as const) {
      assertEquals(
        lines.filter((line) => line.endsWith(`${what} phase ${phase}.`)).toSorted(),
        names.map((name) => `${name} ${what} phase ${phase}.`),
      );
    }
    // Nobody passes a phase before all of both machines have reached it.
    for (const phase of [0, 1]) {
      const reached = lines.findLastIndex((line) => line.endsWith(`reached phase ${phase}.`));
      assert(reached < lines.findIndex((line) => line.endsWith(`passed phase ${phase}.`)));
    }
    assertEquals(lines.length, 24);
  },
  "recovery.ts"(lines) {
    assertEquals(lines[0], "With a replacement:");
    const without = lines.indexOf("Without:");
    checkRounds(lines.slice(1, without), ["a", "b", "c"]);
    checkRounds(lines.slice(without + 1), ["a", "b"]);
  },
};

function checkMeeting(lines: string[], kind: string): void {
  const parties = [0, 1, 2, 3].map((index) => `${kind} ${index}`);
  const reached = parties.map((party) => `${party} reached the barrier.`);
  assertEquals(lines.slice(0, 4).toSorted(), reached);
  assertEquals(lines.slice(4).toSorted(), parties.map((party) => `${party} goes on.`));
}

/** Checks a part of what `recovery.ts` prints: "c" dies in round 1, and `after` do that round again. */
function checkRounds(lines: string[], after: string[]): void {
  const done = (parties: string[], round: number) =>
    parties.map((party) => `${party} has done round ${round}.`);
  const indexesOf = (wanted: string[]) => wanted.map((line) => lines.indexOf(line));
  const rounds = [done(["a", "b", "c"], 0), done(after, 1), done(after, 2)].map(indexesOf);
  for (const round of rounds) assert(Math.min(...round) >= 0, lines.join("\n"));
  // One that comes when the other has mended the barrier already is not told.
  const told = indexesOf(["a is told that c is gone.", "b is told that c is gone."])
    .filter((index) => index >= 0);
  assert(Math.max(...told) < Math.min(...rounds[1]!), lines.join("\n"));
  assertEquals(lines.at(-1), "1 process has died, and all rounds are done.");
  assertEquals(lines.length, rounds.flat().length + told.length + 1, lines.join("\n"));
}

/** Those that need a Redis server. */
const NEEDS_REDIS = ["two_levels.ts"];

for (const [name, check] of Object.entries(checks)) {
  const ignore = NEEDS_REDIS.includes(name) ? engine.missing : undefined;
  test(`examples/${name} runs by its command and prints what it shows`, async (scope) => {
    check(await run(scope, name));
  }, { ignore });
}

test(
  "examples/two_levels.ts has the death of a process reach all on both machines",
  async (scope) => {
    const { url } = await Engine.start(scope);
    const path = new URL("examples/two_levels.ts", ROOT).pathname;
    const args = [Deno.execPath(), "run", "-A", "--quiet", "--no-check", path, url];
    const command = new Command(scope, args);
    scope.defer(async () => {
      for (const pid of await processesOf(path, url)) Deno.kill(pid, "SIGKILL");
    });
    Deno.kill(await process(path, url, "Machine A", "\x001\x00"), "SIGKILL");
    const { code, stdout, stderr } = await command.ended();
    const [out, err] = [stdout, stderr].map((lines) => lines.join("\n"));
    assertEquals(code, 1);
    assertEquals(out!.includes("passed phase 1"), false, out);
    // Two survivors here, and three there.
    assertEquals(
      err!.match(/^error: Uncaught .*BrokenBarrierError: Phase \d broke/gm)?.length,
      5,
      err,
    );
    assertStringIncludes(err!, '"Machine A, process 1"');
    assertStringIncludes(err!, '"Machine A" was disposed');
  },
  { ignore: engine.missing },
);

test("examples: each has a test", async () => {
  const files = await Array.fromAsync(Deno.readDir(new URL("examples/", ROOT)));
  const names = files.filter(({ isFile, name }) => isFile && name.endsWith(".ts"))
    .map(({ name }) => name);
  assertEquals(Object.keys(checks).toSorted(), names.toSorted());
});
