// Copyright 2026 the Rendezvous authors. MIT license.

// The command through Redis, as a user runs it.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Engine, engine } from "../_helpers/engine.ts";
import { test as testAnyhow, until } from "../_helpers/harness.ts";
import { type Ending, process, processesOf } from "../_helpers/command.ts";
import {
  checkRun,
  checkTimeline,
  demo,
  finish,
  read,
  type Run,
  type Scope,
  start,
} from "./_demo.ts";

function test(name: string, body: (scope: Scope) => Promise<void>): void {
  testAnyhow(`process_demo.ts --redis ${name}`, body, { ignore: engine.missing });
}

const OWN = /^A redis-server runs for this at redis:\/\/(127\.0\.0\.1:\d+)\.$/;

/** Waits for the end, which must leave no server and no party. Returns what the rest of the output is. */
async function finishOwn(run: Run): Promise<Ending> {
  const { code, stdout, stderr } = await finish(run);
  const address = OWN.exec(stdout[0] ?? "")?.[1];
  assert(address !== undefined, `no server is told of: ${stdout[0]}`);
  assertEquals(await processesOf(address), [], "processes that still run");
  return { code, stdout: stdout.slice(1), stderr };
}

test("without a URL starts a server, says so, and leaves nothing", async (scope) => {
  const { code, stdout, stderr } = await finishOwn(await start(scope, ["-n", "3", "--redis"]));
  assertEquals([code, stderr], [0, []]);
  const { said, rest } = read(stdout);
  checkRun(said, 3, 1);
  checkTimeline(rest, 3);
});

test("URL --kill fails the others, and names it", async (scope) => {
  const { url } = await Engine.start(scope);
  const args = ["--redis", url, "-n", "3", "--kill", "1", "--no-timeline"];
  const { code, stdout, stderr } = await demo(scope, ...args);
  assertEquals(code, 1);
  assertEquals(read(stdout).said.filter(({ what }) => what === "passed"), []);
  const why = 'Phase 0 broke: "Process 1" is gone (2 of 3 arrived, missing "Process 1")';
  assertEquals(stderr.slice(0, -1).toSorted(), [0, 2].map((i) => `Process ${i} stopped: ${why}`));
  assertEquals(stderr.at(-1), "Lost: Process 1. Told: 2 of 2 others.");
  assertEquals(await processesOf(url), []);
});

test("URL has a process that dies at its start free the others", async (scope) => {
  const { url } = await Engine.start(scope);
  const args = ["--redis", url, "--processes", "3", "--phases", "1000", "--no-timeline"];
  const run = await start(scope, args);
  Deno.kill(await process(url, '"party":1,'), "SIGKILL");
  const { code, stderr } = await finish(run);
  assertEquals(code, 1);
  assertEquals(stderr.at(-1), "Lost: Process 1. Told: 2 of 2 others.");
  for (const line of stderr.slice(0, -1)) assertStringIncludes(line, '"Process 1"');
  assertEquals(await processesOf(url), []);
});

test("ends at SIGINT while its processes work, and leaves nothing", async (scope) => {
  const run = await start(scope, ["-n", "2", "-p", "1000", "--redis"]);
  const { command } = run;
  await until(() => command.stdout.some((line) => line.includes("passed")), "all have passed once");
  command.kill("SIGINT");
  const { code, stderr } = await finishOwn(run);
  assertEquals([code, stderr], [130, []]);
});

test("URL of a server that is not there fails, and says so", async (scope) => {
  const engine = await Engine.start(scope);
  await engine.kill();
  const { code, stderr } = await demo(scope, "-n", "2", "--redis", engine.url, "--no-timeline");
  assertEquals(code, 1);
  for (const line of stderr) {
    assertMatch(line, /^Process \d stopped: Redis cannot be used: .*ECONNREFUSED/);
  }
  assertEquals(stderr.length, 2);
});

test("without a URL fails where no redis-server is found, and says so", async (scope) => {
  const run = await start(scope, ["--redis"], { env: { PATH: "/nowhere" } });
  const { code, stdout, stderr } = await finish(run);
  assertEquals([code, stdout], [1, []]);
  assertEquals(stderr, ["error: No redis-server can be started here: install one, or give a URL"]);
});
