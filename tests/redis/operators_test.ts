// Copyright 2026 the Rendezvous authors. MIT license.

// What the documentation tells those who run Redis, and who grant permissions.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Command } from "../_helpers/command.ts";
import { Engine } from "../_helpers/engine.ts";
import { until } from "../_helpers/harness.ts";
import { joinAll, test } from "./_helpers.ts";

const OPTIONS = { key: "KEY", parties: 3, lease: 60_000 };

/** The commands that a document shows: their words, by what they ask for. */
async function commandsOf(document: string): Promise<Map<string, string[]>> {
  const text = await Deno.readTextFile(new URL(`../../${document}`, import.meta.url));
  const lines = text.matchAll(/^[ *]*redis-cli ([A-Z].*?) *(?:#.*)?$/gm);
  const commands = [...lines].map(([, line]) => {
    return [...line!.matchAll(/'([^']*)'|\S+/g)].map(([word, quoted]) => quoted ?? word);
  });
  return new Map(commands.map((words) => [words[1]!.replace("barrier:{KEY}", ""), words]));
}

test("redis_barrier.ts shows commands that tell of a barrier that hangs", async (scope) => {
  const server = await Engine.start(scope);
  const commands = await commandsOf("redis_barrier.ts");
  const ask = async (part: string) => (await server.cli(...commands.get(part)!)).split("\n");
  const [a, b] = await joinAll(scope, server.url, OPTIONS, 2);
  // One message, and it ends.
  const listener = new Deno.Command("redis-cli", {
    args: ["-h", "127.0.0.1", "-p", `${server.port}`, ...commands.get(":news")!],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let news = "";
  const listening = (async () => {
    for await (const text of listener.stdout.pipeThrough(new TextDecoderStream())) news += text;
  })();
  scope.defer(async () => {
    listener.kill("SIGKILL");
    await listening;
    await listener.status;
  });
  await until(() => news.includes("subscribe"), "it listens");
  await a!.arrive();
  // Who has come, who has arrived, and that nobody has spoken too long ago.
  assertStringIncludes((await ask("")).join("\n"), "parties\n3");
  const seats = await ask(":seats");
  assertEquals([seats[0], seats[2], seats.length], ["a", "b", 4]);
  assertEquals(await ask(":arrivals"), ["a", "0"]);
  const leases = await ask(":leases");
  assertEquals([leases[0], leases[2]].sort(), ["a", "b"]);
  assert(Number(leases[1]) > Date.now(), leases[1]);
  await b!.abort(new Error("no disk"));
  assertStringIncludes((await ask("")).join("\n"), '"reason":"aborted"');
  assertStringIncludes((await ask(":history")).join("\n"), "no disk");
  await until(() => news.includes('"reason":"aborted"'), "the news");
  assertEquals(commands.size, 6);
});

test("README.md shows commands that tell of a barrier that hangs", async (scope) => {
  const server = await Engine.start(scope);
  const commands = await commandsOf("README.md");
  const ask = async (part: string) => (await server.cli(...commands.get(part)!)).split("\n");
  const [a] = await joinAll(scope, server.url, OPTIONS, 2);
  await a!.arrive();
  assertStringIncludes((await ask("")).join("\n"), "phase\n0");
  assertStringIncludes((await ask(":seats")).join("\n"), "b");
  assertEquals(await ask(":arrivals"), ["a", "0"]);
  assertEquals(commands.size, 3);
});

test("RedisBarrier needs no more permissions than README.md says, and then ends", async (scope) => {
  const server = await Engine.start(scope);
  const readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
  assertStringIncludes(readme.replaceAll(/\s+/g, " "), "ioredis `--allow-env`, node-redis");
  assertStringIncludes(readme, "`--allow-env=REDIS_DEBUG_MAINTENANCE`");
  const start = (client: string, env: string) => {
    const program = new URL("_permitted.ts", import.meta.url).pathname;
    const net = `--allow-net=127.0.0.1:${server.port}`;
    const flags = ["run", "--no-prompt", "--quiet", "--no-check", net, env];
    const args = [Deno.execPath(), ...flags, program, client, server.url, client];
    return new Command(scope, args).ended();
  };
  const endings = await Promise.all([
    start("ioredis", "--allow-env"),
    start("node-redis", "--allow-env=REDIS_DEBUG_MAINTENANCE"),
  ]);
  for (const { code, stdout, stderr } of endings) {
    assertEquals([code, stdout, stderr], [0, ["met"], []]);
  }
  const clients = await server.cli("CLIENT", "LIST");
  assertEquals(clients.split("\n").length, 1, "connections are left");
});
