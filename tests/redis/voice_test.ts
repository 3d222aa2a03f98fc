// Copyright 2026 the Rendezvous authors. MIT license.

// What a party says and hears, against an engine that answers what the test wants, when the test wants.

import { assert, assertEquals } from "@std/assert";
import { type BrokenBarrierError, RedisBarrier } from "../../redis_barrier.ts";
import { failure, quiet, test, turn, until } from "../_helpers/harness.ts";
import { FakeClient, reply, type Statement } from "./_fake.ts";

const options = { key: "k", parties: 2, name: "a" };

/** The seats, with this party's session. */
function seatsOf({ session }: Statement) {
  return { seats: [["a", session, 2], ["b", "other", 1]], declared: 2, action: 0 };
}

/** A party whose requests are answered by `answer`, once it has joined. */
async function join(
  scope: AsyncDisposableStack,
  answer: (statement: Statement) => string | Promise<string>,
): Promise<[RedisBarrier, FakeClient]> {
  const fake = new FakeClient((statement) => {
    if (statement.verb === "hello") return "7.0.15";
    if (statement.verb === "join") return reply(seatsOf(statement));
    if (statement.verb === "leave") return reply({ gone: "lost", phase: 99 });
    return answer(statement);
  });
  return [scope.use(await RedisBarrier.connect(fake.client, options)), fake];
}

test("RedisBarrier.waitFor() is told of a break that was mended while it asked", async (scope) => {
  const broken = { reason: "reset", phase: 0, arrived: 1, parties: 2, missing: ["b"] };
  const looks: PromiseWithResolvers<string>[] = [];
  const [party, fake] = await join(scope, () => {
    looks.push(Promise.withResolvers());
    return looks.at(-1)!.promise;
  });
  const watching = quiet(party.waitFor(3));
  await until(() => looks.length === 1, "the first look");
  fake.publish({ phase: 1 });
  await until(() => looks.length === 2, "the second look");
  // Both answers come together: when the first is read, more is known already.
  looks[0]!.resolve(reply());
  looks[1]!.resolve(reply({ phase: 1, history: [broken] }));
  const error = await failure(watching) as BrokenBarrierError;
  assertEquals([error.reason, error.phase], ["reset", 0]);
});

test("RedisBarrier believes a pass only of a table that it is in", async (scope) => {
  let looks = 0;
  const [party, fake] = await join(scope, ({ verb }) => {
    if (verb === "arrive") return reply({ at: 0, index: 1, arrived: 1 });
    looks++;
    return reply({ arrived: 1 });
  });
  let passed = false;
  const waiting = quiet(party.wait().then(() => passed = true));
  await until(() => party.arrived === 1, "its arrival");
  // Strangers met under another table: it asks, and is told that nothing has passed.
  fake.publish({ phase: 1, passed: true, table: "2.y" });
  await until(() => looks === 1, "a look");
  for (let i = 0; i < 3; i++) await turn();
  assertEquals([passed, party.phase], [false, 0]);
  fake.publish({ phase: 1, passed: true, table: "2.x" });
  await waiting;
  assertEquals([party.phase, looks], [1, 1]);
});

test("RedisBarrier does not guess how a phase ended that passed without its seat", async (scope) => {
  const [party] = await join(scope, ({ verb }) => {
    if (verb === "arrive") return reply({ at: 0, index: 1 });
    return reply({ phase: 1, passed: 0, counted: -1 });
  });
  await party.arrive();
  const error = await failure(party.waitFor(0)) as Error;
  assertEquals([error.name, error.message], [
    "RangeError",
    "The outcome of phase 0 is no longer known: it ended too long ago",
  ]);
});

test("RedisBarrier takes nothing back that it has been told", async (scope) => {
  const broken = { reason: "aborted", phase: 0, arrived: 2, parties: 2, missing: [] };
  const [party, fake] = await join(scope, ({ verb }) => {
    if (verb === "arrive") return reply({ at: 0, index: 1 });
    return reply({ phase: 5, passed: 4, counted: 4, history: [broken] });
  });
  const waiting = party.wait();
  await until(() => fake.said.some(({ verb }) => verb === "arrive"), "its arrival");
  await turn();
  fake.publish({ phase: 1, passed: true, table: "2.x" });
  assertEquals(await waiting, 1);
  // An engine that was healed by who knows it otherwise.
  await party.status();
  await party.waitFor(0);
  assertEquals(party.phase, 5);
  // Nor do old news count.
  fake.publish({ phase: 0, broken });
  fake.publish({ phase: 2, passed: true, table: "2.x" });
  assertEquals([party.phase, party.broken], [5, false]);
});

test("RedisBarrier teaches an engine that knows less all that it knows", async (scope) => {
  const facts: Record<string, unknown>[] = [];
  const [party, fake] = await join(scope, (statement) => {
    if (statement.facts === undefined) return JSON.stringify({ behind: true });
    facts.push(statement.facts as Record<string, unknown>);
    return reply({ phase: 1, passed: 0, counted: 0 });
  });
  fake.publish({ phase: 1, passed: true, table: "2.x" });
  await party.status();
  const { seats, history, ...known } = facts[0]!;
  assertEquals(known, {
    ...{ version: 2, table: "2.x", phase: 1, parties: 2, declared: 2, action: 0 },
    ...{ passed: 0, passedVersion: 2 },
  });
  assertEquals((seats as unknown[][]).map(([name]) => name), ["a", "b"]);
  assertEquals(history, []);
});

test("RedisBarrier sends one look at a time, however much it hears", async (scope) => {
  const looks: PromiseWithResolvers<string>[] = [];
  const [, fake] = await join(scope, () => {
    looks.push(Promise.withResolvers());
    return looks.at(-1)!.promise;
  });
  for (let phase = 2; phase < 50; phase++) fake.publish({ phase });
  for (let i = 0; i < 3; i++) await turn();
  assertEquals(looks.length, 1);
  looks[0]!.resolve(reply({ phase: 40, passed: 39 }));
  await until(() => looks.length === 2, "one more");
  looks[1]!.resolve(reply({ phase: 49, passed: 48 }));
  for (let i = 0; i < 3; i++) await turn();
  assertEquals(looks.length, 2);
});

test("RedisBarrier says again what could not be said, in order", async (scope) => {
  let away = true;
  const [party, fake] = await join(scope, ({ verb }) => {
    if (away) throw new Error("Connection is closed.");
    return reply(verb === "arrive" ? { at: 0, index: 1, arrived: 1 } : { names: [] });
  });
  const calls = [party.arrive(), party.abort("why"), party.reset()];
  for (let i = 0; i < 3; i++) await turn();
  fake.said.length = 0;
  away = false;
  await Promise.all(calls);
  assertEquals(
    fake.said.map(({ verb }) => verb).filter((verb) => verb !== "look"),
    ["arrive", "break", "reset"],
  );
});

test("RedisBarrier passes on at once what Redis refuses for good", async (scope) => {
  const [party] = await join(scope, () => {
    throw new Error("NOPERM this user has no permissions");
  });
  const error = await failure(party.arrive()) as Error;
  assertEquals(error.message, "NOPERM this user has no permissions");
});

test("RedisBarrier ignores what others publish on its channel", async (scope) => {
  let looks = 0;
  const [party, fake] = await join(scope, () => {
    looks++;
    return reply();
  });
  for (const news of [null, 5, "x", [], {}, { phase: "x" }, { phase: 0, broken: { reason: 7 } }]) {
    fake.publish(news as object);
  }
  for (let i = 0; i < 3; i++) await turn();
  assertEquals([party.phase, party.broken], [0, false]);
  assert(looks < 10);
});
