// Copyright 2026 the Rendezvous authors. MIT license.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { Child, processesOf, runs } from "./_child.ts";
import { test, turn } from "./_harness.ts";
import { decode, encode } from "./_process_wire.ts";
import { RawClient } from "./_raw_client.ts";

test("Child gives the lines and the status of a process", async (scope) => {
  const script = "console.log('one\\ntwo'); console.error('three'); Deno.exit(3)";
  const child = scope.use(new Child(["eval", script]));
  assertEquals(await child.line((line) => line.startsWith("t"), "a t"), "two");
  assertEquals(await child.ended(), {
    code: 3,
    signal: null,
    stdout: ["one", "two"],
    stderr: ["three"],
  });
});

test("Child.line() fails when the process ends without that line", async (scope) => {
  const child = scope.use(new Child(["eval", "console.error('why')"]));
  await assertRejects(
    () => child.line(() => true, "anything"),
    Error,
    "It ended without anything:\nwhy",
  );
});

test("Child.send() writes a line to the process", async (scope) => {
  const script = "for await (const bytes of Deno.stdin.readable) Deno.stdout.writeSync(bytes)";
  const child = scope.use(new Child(["eval", script]));
  child.send("hello");
  await child.line((line) => line === "hello", "its echo");
});

test("Child is killed at the end of its scope, and found while it runs", async (scope) => {
  const mark = crypto.randomUUID();
  const child = new Child(["eval", "setInterval(() => console.log('ticks'), 1)", mark]);
  scope.use(child);
  await child.line((line) => line === "ticks", "a tick");
  assert(await runs(child.pid));
  assertEquals(await processesOf(mark), [child.pid]);
  await child[Symbol.asyncDispose]();
  assertEquals(await runs(child.pid), false);
  assertEquals(await processesOf(mark), []);
  assertEquals((await child.ended()).signal, "SIGKILL");
});

test("encode() keeps what JSON has no word for", () => {
  const { signal } = new AbortController();
  const values = [NaN, Infinity, -Infinity, 5n, undefined, null, 0, "x", { a: [NaN] }, {}, true];
  assertEquals(decode(encode(values)), values);
  assertEquals(decode(encode({ timeout: Infinity, signal: { aborted: true } })), {
    timeout: Infinity,
    signal: { aborted: true },
  });
  const text = encode([signal], (value) => value instanceof AbortSignal ? 7 : undefined);
  assertEquals(decode(text, (key) => `signal ${key}`), ["signal 7"]);
});

test("RawClient asks, and sees the end of the connection", async (scope) => {
  const directory = await Deno.makeTempDir({ prefix: "barrier-test-" });
  scope.defer(() => Deno.remove(directory, { recursive: true }));
  const path = `${directory}/socket`;
  const listener = scope.use(Deno.listen({ transport: "unix", path }));
  const client = scope.use(await RawClient.connect(path));
  const conn = await listener.accept();
  const answer = client.ask({ do: "x" });
  const buffer = new Uint8Array(100);
  const request = new TextDecoder().decode(buffer.subarray(0, (await conn.read(buffer))!));
  assertEquals(request, '{"id":1,"do":"x"}\n');
  await conn.write(new TextEncoder().encode('{"id":5}\n{"id":1,'));
  await turn();
  await conn.write(new TextEncoder().encode('"ok":2}\n'));
  assertEquals(await answer, { id: 1, ok: 2 });
  assertEquals(client.others, [{ id: 5 }]);
  const last = client.ask({ do: "y" });
  conn.close();
  assertEquals(await last, { closed: true });
  await client.ended();
  assert(client.closed);
});
