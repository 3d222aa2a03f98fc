// Copyright 2026 the Rendezvous authors. MIT license.

import { assertEquals } from "@std/assert";
import { test, turn, within } from "./harness.ts";
import { Proxy } from "./proxy.ts";

const decoder = new TextDecoder();

/** A server that sends back what it gets, and a client that reaches it through a proxy. */
async function setUp(scope: AsyncDisposableStack) {
  const listener = scope.use(Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  const echo = async () => {
    for await (const connection of listener) {
      connection.readable.pipeTo(connection.writable).catch(() => {});
    }
  };
  echo();
  const proxy = await Proxy.start(scope, (listener.addr as Deno.NetAddr).port);
  const connect = async () =>
    scope.use(await Deno.connect({ hostname: "127.0.0.1", port: proxy.port }));
  return { proxy, connect };
}

async function read(connection: Deno.Conn): Promise<string | null> {
  const buffer = new Uint8Array(100);
  const size = await within(connection.read(buffer), "an echo");
  return size === null ? null : decoder.decode(buffer.subarray(0, size));
}

function write(connection: Deno.Conn, text: string): Promise<number> {
  return connection.write(new TextEncoder().encode(text));
}

test("Proxy.cut() closes all connections, and takes new ones", async (scope) => {
  const { proxy, connect } = await setUp(scope);
  const first = await connect();
  await write(first, "one");
  assertEquals(await read(first), "one");
  proxy.cut();
  assertEquals(await read(first).catch(() => null), null);
  const second = await connect();
  await write(second, "two");
  assertEquals(await read(second), "two");
});

test("Proxy.hole() forwards nothing and closes nothing, until it heals", async (scope) => {
  const { proxy, connect } = await setUp(scope);
  const first = await connect();
  await write(first, "one");
  assertEquals(await read(first), "one");
  proxy.hole();
  await write(first, "two");
  const second = await connect();
  await write(second, "three");
  let heard = false;
  const answers = [first, second].map((connection) => read(connection).finally(() => heard = true));
  for (let i = 0; i < 50; i++) await turn();
  assertEquals(heard, false);
  proxy.heal();
  assertEquals(await Promise.all(answers), ["two", "three"]);
});
