// Copyright 2026 the Rendezvous authors. MIT license.

import { assertEquals, assertNotEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { certificates, Engine, engine, startCluster } from "./engine.ts";
import { test, turn } from "./harness.ts";

const ignore = engine.missing;

test("Engine keeps what is on its disk when it is killed, and loses the rest", async (scope) => {
  const engine = await Engine.start(scope, { durable: true });
  await engine.cli("SET", "a", "1");
  await engine.restart();
  assertEquals(await engine.cli("GET", "a"), "1");
  await engine.restart({ empty: true });
  assertEquals(await engine.cli("GET", "a"), "");
}, { ignore });

test("Engine answers nobody while it is paused", async (scope) => {
  const engine = await Engine.start(scope);
  await engine.pause();
  let answered = false;
  const answer = engine.cli("PING").then((text) => (answered = true, text));
  await turn();
  assertEquals(answered, false);
  engine.resume();
  assertEquals(await answer, "PONG");
}, { ignore });

test("Engine wants its password", async (scope) => {
  const engine = await Engine.start(scope, { password: "a b" });
  assertEquals(await engine.cli("PING"), "PONG");
  await assertRejects(
    () => engine.cli("--no-auth-warning", "-a", "no", "PING"),
    Error,
    "WRONGPASS",
  );
}, { ignore });

test("Engine speaks TLS", async (scope) => {
  const engine = await Engine.start(scope, { tls: await certificates(scope) });
  assertEquals(await engine.cli("PING"), "PONG");
}, { ignore });

test("Engine.promote() makes a primary of a replica with what it has", async (scope) => {
  const primary = await Engine.start(scope);
  const replica = await Engine.start(scope, { replicaOf: primary });
  await primary.cli("SET", "a", "1");
  await replica.synced();
  assertEquals(await replica.cli("GET", "a"), "1");
  await replica.promote();
  await primary.cli("SET", "a", "2");
  assertEquals(await replica.cli("GET", "a"), "1");
}, { ignore });

test("startCluster() shares the slots among three nodes", async (scope) => {
  const nodes = await startCluster(scope);
  const ports = new Set<string>();
  for (const key of ["a", "b", "c", "d", "e", "f"]) {
    const answers = await Promise.all(nodes.map((node) => node.cli("GET", key).catch(String)));
    for (const answer of answers) ports.add(answer);
  }
  assertNotEquals(ports.size, 1);
  assertStringIncludes([...ports].join(), "MOVED");
}, { ignore });
