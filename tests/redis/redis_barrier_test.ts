// Copyright 2026 the Rendezvous authors. MIT license.

import { assert, assertEquals, assertInstanceOf, assertMatch, assertRejects } from "@std/assert";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { connect } from "../../_redis/connect.ts";
import { SCRIPT } from "../../_redis/script.ts";
import { readSettings } from "../../_redis/settings.ts";
import * as exported from "../../redis_barrier.ts";
import {
  type BrokenBarrierError,
  RedisBarrier,
  type RedisBarrierOptions,
  type RedisClient,
} from "../../redis_barrier.ts";
import { Engine, shareEngine } from "../_helpers/engine.ts";
import { clients, closeClient, openClient } from "./_adapter.ts";
import { FakeClient } from "./_fake.ts";
import { failure, join, joinAll, meet, type Scope, test, turn, until, within } from "./_helpers.ts";

const server = shareEngine();

/** A key that no other test has. */
function newKey(): string {
  return crypto.randomUUID();
}

/** A connection of the test's own, to look and to break things. */
function admin(scope: Scope, path = server.path): Redis {
  const client = new Redis(path);
  client.on("error", () => {});
  scope.defer(() => closeClient(client));
  return client;
}

// Options

test("redis_barrier.ts exports RedisBarrier and BrokenBarrierError", async () => {
  await Promise.resolve();
  assertEquals(Object.keys(exported).sort(), ["BrokenBarrierError", "RedisBarrier"]);
});

test("RedisBarrier.connect() refuses bad options, and says which", async () => {
  const good = { key: newKey(), parties: 2 };
  const bad: [unknown, typeof TypeError | typeof RangeError, string][] = [
    [undefined, TypeError, "options"],
    [null, TypeError, "options"],
    [7, TypeError, "options"],
    [{ parties: 2 }, TypeError, "key"],
    [{ ...good, key: 5 }, TypeError, "key"],
    [{ ...good, key: "" }, RangeError, "key"],
    [{ ...good, key: "x".repeat(257) }, RangeError, "key"],
    [{ ...good, key: "a{b" }, RangeError, "key"],
    [{ ...good, key: "}" }, RangeError, "key"],
    [{ key: newKey() }, TypeError, "parties"],
    [{ ...good, lease: "1" }, TypeError, "lease"],
    [{ ...good, lease: 99 }, RangeError, "lease"],
    [{ ...good, lease: Infinity }, RangeError, "lease"],
    [{ ...good, lease: NaN }, RangeError, "lease"],
    [{ ...good, connectTimeout: -1 }, RangeError, "connectTimeout"],
    [{ ...good, connectTimeout: "1" }, TypeError, "connectTimeout"],
    [{ ...good, key: "\ud800" }, RangeError, "key"],
    [{ ...good, name: "a\udfff" }, RangeError, "name"],
    [{ ...good, signal: {} }, TypeError, "signal"],
  ];
  for (const [options, Refused, name] of bad) {
    const call = () => RedisBarrier.connect(server.path, options as RedisBarrierOptions);
    const { message } = await assertRejects(call, Refused);
    assert(/^Cannot connect as .*: current value is /.test(message), message);
    assert(message.includes(name), message);
  }
});

test("RedisBarrier.connect() refuses what is neither a URL nor a client", async () => {
  const options = { key: newKey(), parties: 2 };
  for (const redis of [undefined, null, 5, {}, [], () => {}, { eval() {} }, new Map()]) {
    const call = () => RedisBarrier.connect(redis as never, options);
    const { message } = await assertRejects(call, TypeError);
    assertMatch(message, /^Cannot connect as redis must be a URL, or a client of ioredis or node-/);
  }
});

test("RedisBarrier.connect() guesses no address", async () => {
  const options = { key: newKey(), parties: 2 };
  const urls = ["", "localhost", "localhost:1", "http://secret@localhost:1", "unix:///x", "./x"];
  for (const url of [...urls, new URL("http://secret@localhost:1")]) {
    const call = () => RedisBarrier.connect(url, options);
    const { message } = await assertRejects(call, TypeError);
    assertMatch(message, /^Cannot connect as a URL must begin with "redis:/);
    assert(!message.includes("secret"));
  }
});

test("RedisBarrier.connect() gives a party without a name one of its own", async (scope) => {
  const options = { key: newKey(), parties: 2 };
  const [a, b] = [await join(scope, server.path, options), await join(scope, server.path, options)];
  for (const { name } of [a, b]) assertMatch(name, new RegExp(`^${Deno.pid}-[0-9a-z]+$`));
  assert(a.name !== b.name);
  await meet([a, b]);
});

// An engine, or a client, that cannot serve

test("RedisBarrier.connect() says at once that there is no Redis", async () => {
  const options = { key: newKey(), parties: 2 };
  const error = await failure(RedisBarrier.connect("redis://127.0.0.1:1", options)) as Error;
  assertMatch(error.message, /^Redis cannot be used: connect ECONNREFUSED/);
  assertEquals((error as Error & { code: string }).code, "ECONNREFUSED");
  const missing = await failure(RedisBarrier.connect(`${server.path}.none`, options)) as Error;
  assertEquals((missing as Error & { code: string }).code, "ENOENT");
});

test("RedisBarrier.connect() gives up on a client that waits for its engine", async (scope) => {
  const path = `${server.path}.mute`;
  const listener = scope.use(Deno.listen({ transport: "unix", path }));
  const client = admin(scope, path);
  scope.use(await listener.accept());
  const options = { key: newKey(), parties: 2, connectTimeout: 50 };
  const error = await failure(RedisBarrier.connect(client, options)) as Error;
  assertEquals([error.name, error.message], [
    "TimeoutError",
    "Redis did not answer within 50 ms",
  ]);
});

for (const kind of clients) {
  test(`RedisBarrier.connect() gives up on an engine that stands still [${kind}]`, async (scope) => {
    const own = await Engine.start(scope);
    const client = await openClient(scope, kind, own.path);
    if (typeof client !== "string") await (client as Redis).ping();
    await own.pause();
    scope.defer(() => own.resume());
    const options = { key: newKey(), parties: 2, connectTimeout: 50 };
    const error = await failure(RedisBarrier.connect(client, options)) as Error;
    assertEquals(error.name, "TimeoutError");
  });
}

test("RedisBarrier.connect() opens nothing more once it was cancelled, at whatever step", async (scope) => {
  const own = await Engine.start(scope);
  const client = await openClient(scope, "node-redis", own.path) as ReturnType<typeof createClient>;
  for (let steps = 0; steps < 12; steps++) {
    const controller = new AbortController();
    const options = { key: newKey(), parties: 2, signal: controller.signal };
    const connecting = failure(RedisBarrier.connect(client, options));
    for (let i = 0; i < steps; i++) await Promise.resolve();
    controller.abort(new Error("enough"));
    await connecting;
  }
  for (let i = 0; i < 20; i++) {
    await client.ping();
    await turn();
  }
  const list = await client.sendCommand(["CLIENT", "LIST"]) as string;
  assertEquals(list.trim().split("\n").length, 1);
});

test("RedisBarrier.connect() says that a client is closed", async () => {
  const client = createClient({ socket: { path: server.path, tls: false } });
  const options = { key: newKey(), parties: 2 };
  const error = await failure(RedisBarrier.connect(client, options)) as Error;
  assertMatch(error.message, /^Redis cannot be used: .*closed/);
  const own = new AsyncDisposableStack();
  const ended = await openClient(own, "ioredis", server.path);
  await (ended as Redis).ping();
  await own.disposeAsync();
  const other = await failure(RedisBarrier.connect(ended, options)) as Error;
  assertMatch(other.message, /^Redis cannot be used: .*closed/);
});

test("RedisBarrier.connect() heeds its signal, and leaves no seat", async (scope) => {
  const options = { key: newKey(), parties: 1 };
  const signal = AbortSignal.abort("mine");
  assertEquals(await failure(RedisBarrier.connect(server.path, { ...options, signal })), "mine");
  for (let turns = 0; turns < 50; turns++) {
    const key = newKey();
    const controller = new AbortController();
    const wanted = { ...options, key, signal: controller.signal };
    const connecting = RedisBarrier.connect(server.path, wanted).catch((error) => error);
    for (let i = 0; i < turns; i++) await turn();
    controller.abort("mine");
    const result = await connecting;
    if (result instanceof RedisBarrier) {
      await result[Symbol.asyncDispose]();
      break;
    }
    assertEquals(result, "mine");
    const party = await join(scope, server.path, { ...options, key });
    assertEquals(await party.wait(), 0);
  }
});

test("RedisBarrier.connect() refuses a Redis that is too old, and names its version", async () => {
  const options = { key: newKey(), parties: 2 };
  for (const version of ["6.0.16", "5.0.7", "2.8.0"]) {
    const error = await failure(
      RedisBarrier.connect(new FakeClient(() => version).client, options),
    ) as Error;
    assertEquals([error.name, error.message], [
      "NotSupportedError",
      `Redis 6.2 or later is needed: this is ${version}`,
    ]);
  }
});

test("RedisBarrier.connect() refuses a client by which nothing is heard", async () => {
  const options = { key: newKey(), parties: 2, connectTimeout: 20 };
  for (const version of ["6.2.0", "7.0.15", "8.2", ""]) {
    const fake = new FakeClient(() => version);
    fake.hears = false;
    const error = await failure(RedisBarrier.connect(fake.client, options)) as Error;
    assertEquals([error.name, error.message], [
      "NotSupportedError",
      "Redis answers, but nothing of what it publishes comes in by this client",
    ]);
  }
});

test("RedisBarrier.connect() takes a password, and says if it is wrong", async (scope) => {
  const { url: right, port } = await Engine.start(scope, { password: "secret" });
  const options = { key: newKey(), parties: 1 };
  const party = await join(scope, right, options);
  assertEquals(await party.wait(), 0);
  for (const [user, code] of [[":wrong@", "WRONGPASS"], ["", "NOAUTH"]]) {
    const url = `redis://${user}127.0.0.1:${port}`;
    const error = await failure(RedisBarrier.connect(url, options)) as Error & { code: string };
    assertEquals(error.code, code);
    assertMatch(error.message, new RegExp(`^Redis cannot be used: ${code} `));
  }
});

test("RedisBarrier needs no more rights than its documentation says", async (scope) => {
  const source = await Deno.readTextFile(new URL("../../redis_barrier.ts", import.meta.url));
  const [, rights] = /`(\+@[^`]*)`/.exec(source)!;
  const client = admin(scope);
  const user = newKey();
  const rules = ["on", ">pw", "~barrier:*", "&barrier:*", ...rights!.split(/[\s*]+/)];
  await client.acl("SETUSER", user, ...rules as [string]);
  scope.defer(async () => {
    await client.acl("DELUSER", user);
  });
  const own = new Redis({ path: server.path, username: user, password: "pw" });
  own.on("error", () => {});
  scope.defer(() => closeClient(own));
  const other = createClient({
    socket: { path: server.path, tls: false },
    username: user,
    password: "pw",
  });
  other.on("error", () => {});
  await other.connect();
  scope.defer(() => other.destroy());
  for (const redis of [own, other]) {
    const options = { key: newKey(), parties: 2, action: () => {} };
    const [a, b] = await joinAll(scope, redis, options) as [RedisBarrier, RedisBarrier];
    await meet([a, b]);
    await a.abort();
    await b.reset();
    await a.arriveAndDrop();
    await b.wait();
  }
});

test("RedisBarrier.connect() passes on what Redis refuses", async (scope) => {
  const client = admin(scope);
  const user = newKey();
  await client.acl("SETUSER", user, "on", ">pw", "~*", "&*", "+@all", "-publish");
  scope.defer(async () => {
    await client.acl("DELUSER", user);
  });
  const own = new Redis({ path: server.path, username: user, password: "pw" });
  scope.defer(() => closeClient(own));
  const error = await failure(RedisBarrier.connect(own, { key: newKey(), parties: 1 })) as Error;
  assertMatch(error.message, /^Redis cannot be used: .*(can't run this command|NOPERM)/);
});

// Parties that do not fit

test("RedisBarrier.connect() refuses who states other parties, or another action", async (scope) => {
  const options = { key: newKey(), parties: 2 };
  const a = await join(scope, server.path, { ...options, name: "a" });
  const refused: [Partial<RedisBarrierOptions>, string][] = [
    [{ parties: 3 }, "This barrier has 2 parties, and not 3"],
    [{ action: () => {} }, 'This barrier has no action, and "b" has one'],
    [{ name: "a" }, 'The name "a" is in use at this barrier'],
  ];
  for (const [more, message] of refused) {
    const wanted = { ...options, name: "b", ...more };
    const error = await failure(RedisBarrier.connect(server.path, wanted)) as Error;
    assertEquals([error.name, error.message], ["InvalidStateError", message]);
  }
  const b = await join(scope, server.path, { ...options, name: "b" });
  await meet([a, b]);
  const third = await failure(RedisBarrier.connect(server.path, options)) as Error;
  assertEquals(third.message, "No seat is free: 2 of 2 are taken");
  const acting = { key: newKey(), parties: 2, action: () => {} };
  await join(scope, server.path, { ...acting, name: "a" });
  const none = { ...acting, action: undefined, name: "b" };
  const error = await failure(RedisBarrier.connect(server.path, none)) as Error;
  assertEquals(error.message, 'This barrier has an action, and "b" has none');
});

test("RedisBarrier.missing counts who never came", async (scope) => {
  const options = { key: newKey(), parties: 4 };
  const a = await join(scope, server.path, { ...options, name: "a" });
  const b = await join(scope, server.path, { ...options, name: "b" });
  const late = await failure(a.wait({ timeout: 5 })) as Error;
  const told = '(1 of 4 arrived, missing "b" and 2 that never came)';
  assertEquals(late.message, `Phase 0 timed out after 5 ms ${told}`);
  const broken = await failure(b.wait()) as BrokenBarrierError;
  assertEquals(broken.message, `Phase 0 broke: "a" timed out ${told}`);
  assertEquals(broken.missing, ["b"]);
  await b.reset(broken.phase);
  await b.arrive();
  const alone = await failure(a.wait({ timeout: 5 })) as Error;
  assertEquals(
    alone.message,
    "Phase 1 timed out after 5 ms (2 of 4 arrived, missing 2 that never came)",
  );
});

test("RedisBarrier.register() is refused, and says why", async (scope) => {
  const party = await join(scope, server.path, { key: newKey(), parties: 1 });
  const error = await failure(party.register()) as Error;
  assertEquals([error.name, error.message], [
    "NotSupportedError",
    "register() is not possible on Redis: an engine that loses it would pass phases early",
  ]);
  assertEquals(await party.wait(), 0);
});

test("RedisBarrier keeps barriers of other keys apart", async (scope) => {
  const [x, y] = [newKey(), newKey()];
  const ofX = await joinAll(scope, server.path, { key: x, parties: 2 });
  const ofY = await joinAll(scope, server.path, { key: y, parties: 2 });
  await ofX[0]!.arrive();
  assertEquals((await ofY[0]!.status()).arrived, 0);
  await ofY[1]!.abort();
  await ofX[1]!.wait();
  assertEquals((await failure(ofY[0]!.wait()) as BrokenBarrierError).party, "b");
});

// What is left in Redis, and at the client of the caller

test("RedisBarrier leaves no key that does not expire, all in one slot", async (scope) => {
  const client = admin(scope);
  const key = newKey();
  const options = { key, parties: 2, action: () => {} };
  const [a, b] = await joinAll(scope, server.path, options) as [RedisBarrier, RedisBarrier];
  await meet([a, b]);
  await a.abort();
  await b.reset();
  await a[Symbol.asyncDispose]();
  await b.reset();
  const keys = await client.keys(`*${key}*`);
  const parts = ["", ":arrivals", ":history", ":leases", ":notes", ":seats"];
  assertEquals(keys.sort(), parts.map((part) => `barrier:{${key}}${part}`));
  for (const each of keys) {
    const left = await client.pttl(each);
    assert(left > 0 && left <= 86_400_000, `${each}: ${left}`);
  }
});

for (const kind of ["ioredis", "node-redis"] as const) {
  test(`RedisBarrier leaves the client of the caller as it was [${kind}]`, async (scope) => {
    const client = await openClient(scope, kind, server.path) as RedisClient & {
      ping(): Promise<string>;
    };
    const key = newKey();
    const parties = await joinAll(scope, client, { key, parties: 2 });
    await meet(parties);
    for (const party of parties) await party[Symbol.asyncDispose]();
    const refused = RedisBarrier.connect(client, { key, parties: 3 });
    assertInstanceOf(await failure(refused), DOMException);
    assertEquals(await client.ping(), "PONG");
    // It has no listener of ours, and is subscribed to nothing.
    const names = (client as unknown as { eventNames(): string[] }).eventNames();
    assertEquals(names.filter((name) => name !== "error" && !name.startsWith("_")), []);
  });

  test(`RedisBarrier ends its waits when the client is closed [${kind}]`, async (scope) => {
    const own = new AsyncDisposableStack();
    const client = await openClient(own, kind, server.path);
    const options = { key: newKey(), parties: 2, lease: 300 };
    const a = await RedisBarrier.connect(client, { ...options, name: "a" });
    const b = await join(scope, server.path, { ...options, name: "b" });
    const waiting = failure(a.wait());
    await until(async () => (await b.status()).arrived === 1, "an arrival");
    await own.disposeAsync();
    const error = await waiting as Error;
    assertEquals([error.name, error.message], [
      "InvalidStateError",
      '"a" is gone: its Redis client was closed',
    ]);
    await a[Symbol.asyncDispose]();
    const lost = await failure(b.waitFor(0)) as BrokenBarrierError;
    assertEquals([lost.reason, lost.party], ["lost", "a"]);
  });
}

// An engine that fails. More of this is in faults_test.ts.

test("RedisBarrier goes on when Redis forgets the script", async (scope) => {
  const client = admin(scope);
  const [a, b] = await joinAll(scope, server.path, { key: newKey(), parties: 2 });
  for (let phase = 0; phase < 3; phase++) {
    const waiting = a!.wait();
    await until(async () => (await b!.status()).arrived === 1, "an arrival");
    await client.script("FLUSH");
    assertEquals([await b!.wait(), await waiting], [0, 1]);
  }
});

test("RedisBarrier goes on when Redis forgets everything", async (scope) => {
  const own = await Engine.start(scope);
  const client = admin(scope, own.path);
  const parties = await joinAll(scope, own.path, { key: newKey(), parties: 3, lease: 1_000 });
  const [a, b, c] = parties as [RedisBarrier, RedisBarrier, RedisBarrier];
  for (let phase = 0; phase < 5; phase++) {
    const first = a.wait();
    await until(async () => (await c.status()).arrived === 1, "an arrival");
    if (phase % 2 === 0) await client.flushall();
    const second = b.wait();
    await until(async () => (await c.status()).arrived === 2, "two arrivals");
    if (phase % 2 === 1) await client.flushall();
    await c.wait();
    await Promise.all([first, second]);
    assertEquals([(await a.status()).phase, a.parties, a.missing], [phase + 1, 3, ["a", "b", "c"]]);
  }
  // What broke is known, too.
  await c.abort("why");
  await client.flushall();
  const error = await failure(a.wait()) as BrokenBarrierError;
  assertEquals([error.reason, error.phase, error.cause], ["aborted", 5, "why"]);
  await client.flushall();
  await b.reset(5);
  await meet(parties);
  for (const party of parties) {
    assertEquals((await failure(party.waitFor(5)) as BrokenBarrierError).cause, "why");
    await party.waitFor(4);
  }
});

test("RedisBarrier runs the action once a phase, though Redis forgets that it runs", async (scope) => {
  const own = await Engine.start(scope);
  const client = admin(scope, own.path);
  const runs: number[] = [];
  let go = Promise.withResolvers<void>();
  const action = () => {
    runs.push(runs.length);
    return go.promise;
  };
  const options = { key: newKey(), parties: 2, action, lease: 300 };
  const [a, b] = await joinAll(scope, own.path, options) as [RedisBarrier, RedisBarrier];
  for (let phase = 0; phase < 3; phase++) {
    go = Promise.withResolvers();
    const waiting = [a.wait(), b.wait()];
    await until(() => runs.length === phase + 1, "the action runs");
    await client.flushall();
    if (phase === 1) await until(async () => (await b.status()).arrived === 2, "it is healed");
    go.resolve();
    await Promise.all(waiting);
    assertEquals(runs.length, phase + 1);
  }
});

test("RedisBarrier names who died while Redis forgot everything", async (scope) => {
  const own = await Engine.start(scope);
  const client = admin(scope, own.path);
  const options = { key: newKey(), parties: 3, lease: 300 };
  const [a, b] = await joinAll(scope, own.path, { ...options, parties: 3 }) as [
    RedisBarrier,
    RedisBarrier,
  ];
  // "c" of another process would be silent from now on; here its client is.
  const key = newKey();
  const silent = new AsyncDisposableStack();
  const redis = await openClient(silent, "ioredis", own.path);
  const c = await RedisBarrier.connect(redis, { ...options, key, name: "c" });
  const x = await join(scope, own.path, { ...options, key, name: "x" });
  const y = await join(scope, own.path, { ...options, key, name: "y" });
  const waiting = [failure(x.wait()), failure(y.wait())];
  await until(async () => (await x.status()).arrived === 2, "two arrivals");
  await silent.disposeAsync();
  await client.flushall();
  for (const error of await Promise.all(waiting)) {
    const { reason, party, missing } = error as BrokenBarrierError;
    assertEquals([reason, party, missing], ["lost", "c", ["c"]]);
  }
  await c[Symbol.asyncDispose]();
  assertEquals(await x.reset(0), ["c"]);
  const again = await join(scope, own.path, { ...options, key, name: "c" });
  await meet([x, y, again]);
  assertEquals([a.broken, b.broken], [false, false]);
});

test("RedisBarrier lets no stranger in while Redis has forgotten everything", async (scope) => {
  const own = await Engine.start(scope);
  const client = admin(scope, own.path);
  const options = { key: newKey(), parties: 2, lease: 600 };
  const [a, b] = await joinAll(scope, own.path, options) as [RedisBarrier, RedisBarrier];
  await meet([a, b]);
  const waiting = a.wait();
  await until(async () => (await b.status()).arrived === 1, "an arrival");
  await client.flushall();
  // It is first at an engine that knows nobody: it may sit down, and meets nobody.
  const stranger = await join(scope, own.path, { ...options, name: "stranger" });
  const met = failure(stranger.wait());
  // Their numbers are those of two engines.
  await Promise.all([b.wait(), waiting]);
  const error = await met as Error;
  assertEquals([error.name, error.message], [
    "InvalidStateError",
    '"stranger" is gone: its seat was given to another',
  ]);
  await meet([a, b]);
});

test("RedisBarrier frees a caller by its timeout while Redis stands still", async (scope) => {
  const own = await Engine.start(scope);
  const options = { key: newKey(), parties: 2 };
  const [a, b] = await joinAll(scope, own.path, options) as [RedisBarrier, RedisBarrier];
  await own.pause();
  const late = await failure(a.wait({ timeout: 10 })) as Error;
  assertEquals(late.name, "TimeoutError");
  // It claims nothing of the others, who may well have come since Redis was heard last.
  assertEquals(late.message, "Phase 0 timed out after 10 ms, and Redis does not answer");
  const watching = await failure(b.waitFor(5, { timeout: 10 })) as Error;
  assertEquals(watching.name, "TimeoutError");
  assertEquals(watching.message, "Phase 5 timed out after 10 ms, and Redis does not answer");
  own.resume();
  // It is said as soon as that is possible.
  const error = await failure(b.waitFor(0)) as BrokenBarrierError;
  assertEquals([error.reason, error.party, error.phase], ["timeout", "a", 0]);
  await b.reset(0);
  await meet([a, b]);
});

test("RedisBarrier takes an outage longer than its leases for nobody's death", async (scope) => {
  const own = await Engine.start(scope);
  const options = { key: newKey(), parties: 2, lease: 300 };
  const [a, b] = await joinAll(scope, own.path, options) as [RedisBarrier, RedisBarrier];
  const waiting = a.wait();
  await until(async () => (await b.status()).arrived === 1, "an arrival");
  await own.pause();
  // Longer than the lease: that is the fault itself, and nothing is hoped to happen meanwhile.
  await new Promise((resolve) => setTimeout(resolve, 700));
  own.resume();
  assertEquals([await b.wait(), await waiting], [0, 1]);
});

// The tests themselves

test("A script that passes a phase with one party missing would be noticed", async (scope) => {
  const rule = "count(b.phase) >= b.parties do";
  assertEquals(SCRIPT.split(rule).length, 2);
  const mutant = SCRIPT.replace(rule, "count(b.phase) >= b.parties - 1 do");
  const settings = readSettings({ key: newKey(), parties: 2, name: "a" });
  const party = await connect(server.path, settings, mutant);
  scope.defer(() => party.close());
  const waiting = { timeout: Infinity, signal: undefined, onCancel: "break" } as const;
  // It passes, though nobody else has even come.
  assertEquals(await within(party.wait(waiting), "an early pass"), 1);
});
