// Copyright 2026 the Rendezvous authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import { Connection, encodeNumbers } from "../../_process/connection.ts";
import type { Message } from "../../_process/protocol.ts";
import { FakeTime } from "../_helpers/fake_time.ts";
import { temporary, test, turn, until } from "./_helpers.ts";

/** A connection that notes what happens, and its peer. */
async function connect(scope: AsyncDisposableStack, maxLine = 1_000) {
  const path = `${await temporary(scope)}/socket`;
  using listener = Deno.listen({ transport: "unix", path });
  const [conn, peer] = await Promise.all([
    listener.accept(),
    Deno.connect({ transport: "unix", path }),
  ]);
  const got = {
    messages: [] as Message[],
    lists: [] as number[][],
    invalid: [] as string[],
    ends: 0,
  };
  const connection = new Connection(conn, maxLine, {
    message: (message) => got.messages.push(message),
    numbers: (numbers) => got.lists.push(numbers),
    invalid: (why) => got.invalid.push(why),
    end: () => got.ends++,
  });
  scope.defer(() => {
    connection.close();
    try {
      peer.close();
    } catch {
      // It has ended.
    }
  });
  const say = async (text: string | Uint8Array) => {
    let rest = typeof text === "string" ? new TextEncoder().encode(text) : text;
    while (rest.length > 0) rest = rest.subarray(await peer.write(rest));
  };
  return { connection, peer, got, say };
}

test("Connection takes lines in whatever pieces they come", async (scope) => {
  const { got, say } = await connect(scope);
  for (const byte of new TextEncoder().encode('{"a":"é"}\n[12,3]\n')) {
    await say(Uint8Array.of(byte));
    await turn();
  }
  await say('{"b":2}\n{"c":3}\n[4]\n{"d"');
  await say(":4}\n");
  await until(() => got.messages.length === 4, "four messages");
  assertEquals(got.messages, [{ a: "é" }, { b: 2 }, { c: 3 }, { d: 4 }]);
  assertEquals(got.lists, [[12, 3], [4]]);
});

test("Connection tells of what is no line, and reads no more", async () => {
  const lines = [
    "nonsense\n",
    "7\n",
    "null\n",
    '"text"\n',
    '["a"]\n',
    "[-1]\n",
    "[1.5]\n",
    "[1\n",
    "[1]]\n",
    "[[1]]\n",
    "\n",
    "x".repeat(2_000),
    JSON.stringify({ long: "x".repeat(2_000) }) + "\n",
  ];
  for (const line of [...lines, Uint8Array.of(0x7b, 0xff, 0x7d, 0x0a)]) {
    await using scope = new AsyncDisposableStack();
    const { got, say } = await connect(scope);
    await say(line);
    await until(() => got.invalid.length === 1, `the end of ${line}`);
    await say('\n{"a":1}\n[1]\n');
    await turn();
    assertEquals([got.messages, got.lists, got.invalid.length], [[], [], 1], String(line));
  }
});

test("Connection takes a line just as long as it may be", async (scope) => {
  const { got, say } = await connect(scope, 10);
  await say('{"a":1234}\n[12345678]\n');
  await until(() => got.lists.length === 1, "two lines");
  assertEquals([got.messages, got.lists, got.invalid], [[{ a: 1234 }], [[12345678]], []]);
});

test("Connection.send() sends lines in order, however many at once", async (scope) => {
  const { connection, peer } = await connect(scope);
  const count = 1_000;
  for (let i = 0; i < count; i += 2) {
    connection.send({ i });
    connection.sendLine(encodeNumbers([i + 1, i]));
  }
  const finished = connection.finish();
  const text = await new Response(peer.readable).text();
  await finished;
  const lines = text.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(lines.length, count);
  for (let i = 0; i < count; i += 2) assertEquals([lines[i], lines[i + 1]], [{ i }, [i + 1, i]]);
});

test("Connection.send() gives up a peer that does not read", async (scope) => {
  const { connection, got } = await connect(scope);
  const text = "x".repeat(100_000);
  for (let i = 0; i < 100 && got.ends === 0; i++) {
    connection.send({ text });
    await turn();
  }
  assertEquals(got.ends, 1);
  connection.send({ text });
});

test("Connection.finish() ends the connection when all is sent, and tells it once", async (scope) => {
  const { connection, got } = await connect(scope);
  connection.send({ last: true });
  await connection.finish();
  await connection.finish();
  connection.close();
  assertEquals(got.ends, 1);
});

test("Connection tells once that its peer has ended", async (scope) => {
  const { connection, peer, got } = await connect(scope);
  peer.close();
  await until(() => got.ends === 1, "the end");
  connection.close();
  assert(got.ends === 1);
});

test("Connection.hangUp() has the peer end the connection, which can still write", async (scope) => {
  const { connection, peer, got } = await connect(scope);
  // However long the peer takes, here it is not given up.
  using time = new FakeTime();
  connection.send({ last: true });
  let ended = false;
  const ending = connection.hangUp().then(() => ended = true);
  const buffer = new Uint8Array(64);
  let text = "";
  for (let count; (count = await peer.read(buffer)) !== null;) {
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
  assertEquals([text, ended, got.ends], ['{"last":true}\n', false, 0]);
  await peer.write(new TextEncoder().encode('{"late":true}\n'));
  peer.close();
  await ending;
  assertEquals([got.messages, got.ends, time.pending], [[], 1, 0]);
});

test("Connection.hangUp() gives up a peer that does not end the connection in time", async (scope) => {
  const { connection, got } = await connect(scope);
  using time = new FakeTime();
  const ending = connection.hangUp();
  time.tick(1_000);
  await ending;
  assertEquals(got.ends, 1);
});
