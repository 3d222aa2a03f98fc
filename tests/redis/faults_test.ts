// Copyright 2026 the Rendezvous authors. MIT license.

// What fails beside a barrier, one thing a test. Each tells what the victim gets, what every other party gets, and what the
// next use does. Random ones are in strikes_test.ts.

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { delay } from "@std/async";
import { Redis } from "ioredis";
import { type BrokenBarrierError, RedisBarrier, type RedisClient } from "../../redis_barrier.ts";
import { Engine, engine, type EngineOptions } from "../_helpers/engine.ts";
import type { ToldError } from "../process/_helpers.ts";
import { failure, test as testAnyhow, until } from "../_helpers/harness.ts";
import { Proxy } from "../_helpers/proxy.ts";
import { join, joinAll, meet, type Scope, startParty } from "./_helpers.ts";

/** In ms. A fault that lasts longer is a death. */
const LEASE = 1_000;
const LONGER = 1.3 * LEASE;

const options = (parties: number) => ({ key: "job", parties, lease: LEASE });

function test(name: string, body: (scope: Scope) => Promise<void>): void {
  testAnyhow(`RedisBarrier ${name}`, body, { ignore: engine.missing });
}

/** What a test asks of an error. */
type Told = Partial<Pick<ToldError, "name" | "reason" | "phase" | "party">>;

function assertTold(error: unknown, expected: Told): void {
  const { name, reason, phase, party } = error as BrokenBarrierError;
  const told = { name, ...reason && { reason, phase }, ...party && { party } };
  assertEquals(told, expected as typeof told);
}

const lost = (party: string, phase: number) => ({
  name: "BrokenBarrierError",
  reason: "lost",
  phase,
  party,
});

/** Waits until so many have arrived. */
async function arrived(count: number, party: RedisBarrier): Promise<void> {
  await until(async () => (await party.status()).arrived === count, `${count} have arrived`);
}

/** An engine; and "a", "b" and "c", who reach it by a proxy. */
async function setUp(scope: Scope, engineOptions?: EngineOptions) {
  const engine = await Engine.start(scope, engineOptions);
  const proxy = await Proxy.start(scope, engine.port);
  const url = `redis://127.0.0.1:${proxy.port}`;
  const parties = await joinAll(scope, url, options(3)) as [
    RedisBarrier,
    RedisBarrier,
    RedisBarrier,
  ];
  return { engine, proxy, url, parties };
}

/** Two have arrived, then something happens; nobody passes before the third arrives, and then all do. */
async function surviveTogether(
  [a, b, c]: RedisBarrier[],
  happen: () => Promise<void>,
): Promise<void> {
  await meet([a!, b!, c!]);
  let passed = 0;
  const { phase } = c!;
  const waits = [a!, b!].map((party) => party.wait().then(() => passed++));
  await arrived(2, c!);
  await happen();
  // Whatever they restate, they are two.
  for (const party of [a!, b!, c!]) assertEquals((await party.status()).broken, false);
  assertEquals(passed, 0, "somebody passed early");
  await c!.wait();
  await Promise.all(waits);
  await meet([a!, b!, c!]);
  assertEquals([a, b, c].map((party) => party!.phase), [phase + 2, phase + 2, phase + 2]);
}

test("frees the others when a process is killed, and lets a replacement in", async (scope) => {
  const engine = await Engine.start(scope);
  const victim = await startParty(scope, engine.url, { ...options(3), name: "v" });
  const [a, b] = await joinAll(scope, engine.url, { ...options(3) }, 2) as [
    RedisBarrier,
    RedisBarrier,
  ];
  const waits = [a, b].map((party) => failure(party.wait()));
  await arrived(2, a);
  victim.kill();
  assertEquals((await victim.status).signal, "SIGKILL");
  for (const wait of waits) assertTold(await wait, lost("v", 0));
  assertEquals(await a.reset(0), ["v"]);
  assertEquals(await b.reset(0), []);
  const replacement = await join(scope, engine.url, { ...options(3), name: "v" });
  await meet([a, b, replacement]);
  assertEquals(a.phase, 2);
});

test("tells a process that wakes after its lease, and never lets it arrive", async (scope) => {
  const engine = await Engine.start(scope);
  const victim = await startParty(scope, engine.url, { ...options(3), name: "v" });
  const [a, b] = await joinAll(scope, engine.url, { ...options(3) }, 2) as [
    RedisBarrier,
    RedisBarrier,
  ];
  const sleeping = failure(victim.do("barrier", "wait"));
  const waiting = failure(a.wait());
  await arrived(2, b);
  await victim.stop();
  assertTold(await waiting, lost("v", 0));
  assertEquals(await a.reset(0), ["v"]);
  const replacement = await join(scope, engine.url, { ...options(3), name: "v" });
  await meet([a, b, replacement]);
  victim.kill("SIGCONT");
  const { told } = await sleeping as { told: ToldError };
  assertTold(told, lost("v", 0));
  const { told: next } = await failure(victim.do("barrier", "wait")) as { told: ToldError };
  assertEquals(next.name, "InvalidStateError");
  assertMatch(next.message, /^"v" is gone: it did not speak for longer than its lease$/);
  const { arrived: none, parties } = await b.status();
  assertEquals([none, parties], [0, 3]);
  await meet([a, b, replacement]);
});

test("goes on when a connection is cut", async (scope) => {
  const engine = await Engine.start(scope);
  const proxy = await Proxy.start(scope, engine.port);
  const url = `redis://127.0.0.1:${proxy.port}`;
  const victim = await join(scope, url, { ...options(3), name: "v" });
  const others = await joinAll(scope, engine.url, options(3), 2);
  await surviveTogether([victim, ...others], () => Promise.resolve(proxy.cut()));
});

test("takes a party behind a black hole for lost, and tells it when it is back", async (scope) => {
  const engine = await Engine.start(scope);
  const proxy = await Proxy.start(scope, engine.port);
  const url = `redis://127.0.0.1:${proxy.port}`;
  const victim = await join(scope, url, { ...options(3), name: "v" });
  const [a, b] = await joinAll(scope, engine.url, { ...options(3) }, 2) as [
    RedisBarrier,
    RedisBarrier,
  ];
  const inHole = failure(victim.wait());
  const waiting = failure(a.wait());
  await arrived(2, b);
  proxy.hole();
  assertTold(await waiting, lost("v", 0));
  proxy.heal();
  assertTold(await inHole, lost("v", 0));
  assertTold(await failure(victim.wait()), { name: "InvalidStateError" });
  assertEquals(await b.reset(0, { dropLost: true }), ["v"]);
  await meet([a, b]);
  assertTold(await failure(victim.wait()), { name: "InvalidStateError" });
  await meet([a, b]);
});

test("goes on when the engine is killed and comes back with its data", async (scope) => {
  const { engine, parties } = await setUp(scope, { durable: true });
  await surviveTogether(parties, () => engine.restart());
});

test("goes on when the engine is killed and comes back without its data", async (scope) => {
  const { engine, parties } = await setUp(scope);
  await surviveTogether(parties, () => engine.restart());
});

test("takes nobody for lost when the engine is down longer than a lease", async (scope) => {
  const { engine, parties } = await setUp(scope, { durable: true });
  await surviveTogether(parties, async () => {
    await engine.kill();
    await delay(LONGER);
    await engine.restart();
  });
});

test("takes nobody for lost when the engine stands still longer than a lease", async (scope) => {
  const { engine, parties } = await setUp(scope);
  await surviveTogether(parties, async () => {
    await engine.pause();
    await delay(LONGER);
    engine.resume();
  });
});

test("goes on when a replica takes over that lacks the last phases", async (scope) => {
  const { engine, proxy, parties } = await setUp(scope);
  const replica = await Engine.start(scope, { replicaOf: engine });
  await replica.synced();
  await replica.promote();
  for (let i = 0; i < 3; i++) await meet(parties);
  await surviveTogether(parties, () => {
    proxy.target = replica.port;
    proxy.cut();
    return Promise.resolve();
  });
  assertEquals(parties[0].phase, 6);
  assertEquals(await replica.cli("HGET", "barrier:{job}", "phase"), "6");
});

test("tells a replica that takes over of the break that it lacks", async (scope) => {
  const { engine, proxy, parties: [a, b, c] } = await setUp(scope);
  const replica = await Engine.start(scope, { replicaOf: engine });
  await replica.synced();
  await replica.promote();
  const waiting = failure(a.wait());
  assertTold(await failure(b.wait({ timeout: 1 })), { name: "TimeoutError" });
  const told = { name: "BrokenBarrierError", reason: "timeout", phase: 0, party: "b" };
  assertTold(await waiting, told);
  proxy.target = replica.port;
  proxy.cut();
  // It may know of the break by what was published, or by those who were told.
  assertTold(await failure(c.wait()), told);
  assertStringIncludes(await replica.cli("HGET", "barrier:{job}", "broken"), '"timeout"');
  await Promise.all([a.reset(0), b.reset(0), c.reset(0)]);
  await meet([a, b, c]);
});

test("goes on when all keys are flushed in the middle of a phase", async (scope) => {
  const { engine, parties } = await setUp(scope);
  await surviveTogether(parties, async () => void await engine.cli("FLUSHALL"));
});

test("goes on when its script is flushed in the middle of a phase", async (scope) => {
  const { engine, parties } = await setUp(scope);
  await surviveTogether(parties, async () => void await engine.cli("SCRIPT", "FLUSH"));
});

/** How many clients an engine has beside the one that asks. */
async function clients(engine: Engine): Promise<number> {
  return (await engine.cli("CLIENT", "LIST")).split("\n").length - 1;
}

/** A client whose answers to arrivals can be held back, and lost. */
class HeldClient {
  readonly #client: Redis;
  #held: Promise<void> | undefined;
  /** What else was answered meanwhile. */
  looks = 0;
  duplicate: () => unknown;

  constructor(scope: Scope, url: string) {
    this.#client = new Redis(url);
    this.duplicate = () => this.#client.duplicate();
    scope.defer(async () => {
      const ended = new Promise((resolve) => this.#client.once("end", resolve));
      this.#client.disconnect();
      await ended;
    });
  }

  get status(): string {
    return this.#client.status;
  }

  /** From now on; until the function that it gives is called. */
  hold(): (error?: Error) => void {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#held = promise;
    return (error) => {
      this.#held = undefined;
      if (error === undefined) resolve();
      else reject(error);
    };
  }

  async #answer(answer: Promise<unknown>, args: string[]): Promise<unknown> {
    const value = await answer;
    if (args.some((arg) => arg.includes('"verb":"arrive"'))) await this.#held;
    else this.looks++;
    return value;
  }

  evalsha(digest: string, keys: number, ...args: string[]): Promise<unknown> {
    return this.#answer(this.#client.evalsha(digest, keys, ...args), args);
  }

  eval(script: string, keys: number, ...args: string[]): Promise<unknown> {
    return this.#answer(this.#client.eval(script, keys, ...args), args);
  }
}

test("counts no arrival in a phase of which it tells that it broke", async (scope) => {
  const engine = await Engine.start(scope);
  const client = new HeldClient(scope, engine.url);
  const v = await join(scope, client as RedisClient, { ...options(3), name: "v" });
  const [a, b] = await joinAll(scope, engine.url, options(3), 2) as [RedisBarrier, RedisBarrier];
  await v.arrive();
  await a.abort();
  await until(() => v.broken, "it knows");
  const release = client.hold();
  const told = failure(v.wait());
  // The answer is on its way. Meanwhile it hears that somebody has mended the barrier, and asks.
  const { looks } = client;
  await a.reset(0);
  await until(() => client.looks > looks, "it has asked");
  release();
  assertTold(await told, { ...lost("a", 0), reason: "aborted" });
  assertEquals((await a.status()).arrived, 0);
  await meet([a, b, v]);
});

test("counts an arrival once, though its answer and all data are lost", async (scope) => {
  const engine = await Engine.start(scope);
  const client = new HeldClient(scope, engine.url);
  const v = await join(scope, client as RedisClient, { ...options(3), name: "v" });
  const [a, b] = await joinAll(scope, engine.url, options(3), 2) as [RedisBarrier, RedisBarrier];
  const lose = client.hold();
  const arriving = v.arrive();
  await Promise.all([a.wait(), b.wait()]);
  await engine.cli("FLUSHALL");
  assertEquals((await a.status()).phase, 1);
  lose(new Error("The connection was closed"));
  assertEquals(await arriving, 0);
  assertEquals((await a.status()).arrived, 0);
  await meet([a, b, v]);
});

test("decides what a party gave up while the engine stood still before it arrives again", async (scope) => {
  const { engine, parties: [a, b, c] } = await setUp(scope);
  await engine.pause();
  assertTold(await failure(a.wait({ timeout: 1 })), { name: "TimeoutError" });
  const again = failure(a.wait());
  engine.resume();
  const told = { name: "BrokenBarrierError", reason: "timeout", phase: 0, party: "a" };
  assertTold(await again, told);
  for (const other of [b, c]) assertTold(await failure(other.wait()), told);
  await a.reset(0);
  await meet([a, b, c]);
  assertEquals(a.phase, 2);
});

test("refuses a wrong password at once, and tries no more", async (scope) => {
  const engine = await Engine.start(scope, { password: "secret" });
  const wrong = engine.url.replace("secret", "guess");
  const [a, b] = await joinAll(scope, engine.url, options(3), 2) as [RedisBarrier, RedisBarrier];
  const waiting = a.wait();
  const before = await clients(engine);
  const error = await failure(RedisBarrier.connect(wrong, options(3))) as Error & { code: string };
  assertEquals([error.name, error.code], ["Error", "WRONGPASS"]);
  assertMatch(error.message, /^Redis cannot be used: WRONGPASS /);
  await until(async () => await clients(engine) === before, "its connection has ended");
  const c = await join(scope, engine.url, { ...options(3), name: "c" });
  await Promise.all([b.wait(), c.wait(), waiting]);
});

test("refuses an engine that is not there at once, and tries no more", async (scope) => {
  const { engine, url, proxy, parties } = await setUp(scope);
  const absent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = absent.addr as Deno.NetAddr;
  absent.close();
  const connecting = RedisBarrier.connect(`redis://127.0.0.1:${port}`, options(3));
  const error = await failure(connecting) as Error & { code: string };
  assertEquals([error.name, error.code], ["Error", "ECONNREFUSED"]);
  assertMatch(error.message, /^Redis cannot be used: /);
  await meet(parties);
  // One that takes connections and does not answer.
  const before = await clients(engine);
  proxy.hole();
  const late = RedisBarrier.connect(url, { ...options(3), connectTimeout: 50 });
  assertTold(await failure(late), { name: "TimeoutError" });
  proxy.heal();
  await until(async () => await clients(engine) === before, "its connection has ended");
  await meet(parties);
});

test("keeps two barriers of one engine apart", async (scope) => {
  const { url, parties } = await setUp(scope);
  const others = await joinAll(scope, url, { ...options(3), key: "job:seats" });
  const waiting = parties[0].wait();
  const waitingThere = failure(others[0]!.wait());
  await others[1]!.abort("here only");
  assertTold(await waitingThere, { ...lost("b", 0), reason: "aborted" });
  await Promise.all([parties[1].wait(), parties[2].wait(), waiting]);
  await others[2]!.reset(0);
  await Promise.all([meet(parties), meet(others)]);
  assertEquals([parties[0].phase, others[0]!.phase], [2, 2]);
});

test("refuses a name that is in use, and disturbs nobody", async (scope) => {
  const engine = await Engine.start(scope);
  const [a, b] = await joinAll(scope, engine.url, options(3), 2) as [RedisBarrier, RedisBarrier];
  const waiting = a.wait();
  const again = RedisBarrier.connect(engine.url, { ...options(3), name: "a" });
  const error = await failure(again) as Error;
  assertEquals([error.name, error.message], [
    "InvalidStateError",
    'The name "a" is in use at this barrier',
  ]);
  const c = await join(scope, engine.url, { ...options(3), name: "c" });
  await Promise.all([b.wait(), c.wait(), waiting]);
  await meet([a, b, c]);
});

test("asks once a party and phase", async (scope) => {
  const engine = await Engine.start(scope);
  const parties = await joinAll(scope, engine.url, { ...options(4), lease: 60_000 });
  const calls = async () => {
    const stats = await engine.cli("INFO", "commandstats");
    return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1]);
  };
  await meet(parties);
  const before = await calls();
  for (let i = 0; i < 50; i++) await meet(parties);
  assertEquals(await calls() - before, 50 * 4);
});
