// Copyright 2026 the Rendezvous authors. MIT license.

// The script by itself: what it makes of statements, in any order, said by anybody.

import { assertEquals } from "@std/assert";
import { Redis } from "ioredis";
import { Keys } from "../../_redis/engine.ts";
import { SCRIPT } from "../../_redis/script.ts";
import { shareEngine } from "../_helpers/engine.ts";
import { closeClient } from "./_adapter.ts";
import { type Scope, test } from "./_helpers.ts";

const server = shareEngine();

// deno-lint-ignore no-explicit-any -- what the script answers is what is tested
type Answer = any;

/** Says things at a barrier of its own. */
class Sayer {
  readonly keys: Keys = new Keys(crypto.randomUUID());
  readonly redis: Redis;
  #nonce = 0;

  constructor(scope: Scope) {
    this.redis = new Redis(server.path);
    scope.defer(() => closeClient(this.redis));
  }

  async say(name: string, statement: object): Promise<Answer> {
    const facts = {
      ...{ name, session: `session of ${name}`, lease: 60_000, nonce: `${this.#nonce++}` },
      ...{ version: 0, table: "", phase: 0, broken: false, running: false, arrived: -1 },
    };
    const text = JSON.stringify({ ...facts, ...statement });
    const { all, channel } = this.keys;
    return JSON.parse(await this.redis.eval(SCRIPT, all.length, ...all, text, channel) as string);
  }

  /** Joins all of them, and returns what they know of the table then. */
  async join(names: string[], action: 0 | 1 = 0) {
    let last: Answer;
    for (const name of names) {
      last = await this.say(name, { verb: "join", parties: names.length, action });
    }
    const { version, table, seats, parties, declared } = last;
    return { known: { version, table }, all: { version, table, seats, parties, declared, action } };
  }
}

test("A request that comes again gets the same answer, and is done once", async (scope) => {
  const sayer = new Sayer(scope);
  const { known } = await sayer.join(["a", "b", "c"]);
  const twice = async (name: string, request: object) => {
    const [first, second] = [
      await sayer.say(name, { ...known, ...request }),
      await sayer.say(name, { ...known, ...request }),
    ];
    return [first, second];
  };
  for (const answer of await twice("a", { verb: "arrive", at: 0, id: "1" })) {
    assertEquals([answer.at, answer.index, answer.arrived], [0, 2, 1]);
  }
  // Another request of the same party is refused.
  const again = await sayer.say("a", { ...known, verb: "arrive", at: 0, id: "2" });
  assertEquals([again.at, again.twice], [undefined, 0]);
  for (const answer of await twice("b", { verb: "drop", at: 0, id: "3" })) {
    assertEquals([answer.dropped, answer.parties, answer.phase], [true, 2, 0]);
  }
  const details = { party: "c" };
  await sayer.say("c", { ...known, verb: "leave", details });
  for (const answer of await twice("a", { verb: "reset", dropLost: true, id: "4" })) {
    assertEquals([answer.names, answer.parties, answer.phase], [["c"], 1, 1]);
  }
  const abort = { verb: "break", reason: "aborted", details: {}, id: "5" };
  await sayer.say("a", { ...known, ...abort });
  await sayer.say("a", { ...known, verb: "reset", dropLost: false, id: "6" });
  // It comes very late: done is done only as long as it is the last.
  const { phase, broken } = await sayer.say("a", { ...known, verb: "look" });
  assertEquals([phase, broken], [2, undefined]);
});

test("An arrival whose answer was lost counts once, though its phase has passed", async (scope) => {
  const sayer = new Sayer(scope);
  const { known } = await sayer.join(["a", "b"]);
  const request = { ...known, verb: "arrive", at: 0, id: "1" };
  await sayer.say("a", request);
  await sayer.say("b", { ...known, verb: "arrive", at: 0, id: "1" });
  const answer = await sayer.say("a", request);
  assertEquals([answer.at, answer.index, answer.phase, answer.arrived], [0, 1, 1, 0]);
  // And where what was answered is lost, too.
  await sayer.redis.del(sayer.keys.all.at(-1)!);
  const unknown = await sayer.say("a", request);
  assertEquals([unknown.at, unknown.phase, unknown.arrived], [0, 1, 0]);
});

test("The last arrival counts before a death that is seen in the same call", async (scope) => {
  const sayer = new Sayer(scope);
  const { known } = await sayer.join(["a", "b"]);
  await sayer.say("b", { ...known, verb: "arrive", at: 0, id: "1" });
  await sayer.redis.zadd(sayer.keys.all[2]!, 1, "b");
  const answer = await sayer.say("a", { ...known, verb: "arrive", at: 0, id: "1" });
  assertEquals([answer.passed, answer.phase, answer.counted], [0, 1, 0]);
  const { reason, phase, party, missing } = answer.broken;
  assertEquals([reason, phase, party, missing], ["lost", 1, "b", ["a", "b"]]);
  // Who wakes is told that it passed with it, and that it is gone.
  const late = await sayer.say("b", { ...known, verb: "look", arrived: 0 });
  assertEquals([late.gone, late.counted], ["lost", 0]);
});

test("The first who was silent is named, and all are gone", async (scope) => {
  const sayer = new Sayer(scope);
  const { known } = await sayer.join(["a", "b", "c", "d"]);
  await sayer.redis.zadd(sayer.keys.all[2]!, 3, "b", 2, "d");
  const { broken } = await sayer.say("a", { ...known, verb: "look" });
  assertEquals([broken.reason, broken.party, broken.arrived], ["lost", "d", 0]);
  const { names } = await sayer.say("a", { ...known, verb: "reset", dropLost: false, id: "1" });
  assertEquals(names, ["b", "d"]);
});

test("A session that has no seat does nothing", async (scope) => {
  const sayer = new Sayer(scope);
  const { known, all } = await sayer.join(["a", "b"]);
  const stranger = { ...known, session: "another" };
  const facts = { ...all, phase: 9, passed: 8, passedVersion: 1, history: [] };
  for (
    const request of [
      { verb: "arrive", at: 0, id: "1" },
      { verb: "drop", at: 0, id: "2" },
      { verb: "look", phase: 9, facts },
      { verb: "withdraw", at: 0, reason: "timeout", details: {} },
      { verb: "leave", details: {} },
    ]
  ) {
    const answer = await sayer.say("a", { ...stranger, ...request });
    assertEquals([answer.gone, answer.phase, answer.arrived], ["replaced", 0, 0]);
  }
  const { phase, parties, arrived, broken } = await sayer.say("a", { ...known, verb: "look" });
  assertEquals([phase, parties, arrived, broken], [0, 2, 0, undefined]);
});

test("An engine that knows less asks, and is healed forward only", async (scope) => {
  const sayer = new Sayer(scope);
  const { known, all } = await sayer.join(["a", "b"]);
  await sayer.redis.flushall();
  const history = [{ reason: "reset", phase: 6, arrived: 1, parties: 2, missing: ["a"] }];
  const facts = { ...all, phase: 7, passed: 5, passedVersion: known.version, history };
  const ahead = { ...known, verb: "look", phase: 7, arrived: 7 };
  assertEquals(await sayer.say("a", ahead), { behind: true });
  const healed = await sayer.say("a", { ...ahead, facts });
  assertEquals([healed.phase, healed.parties, healed.arrived, healed.counted], [7, 2, 1, 5]);
  // "b" knows less, and learns it.
  const behind = await sayer.say("b", { ...known, verb: "look", phase: 5, arrived: 5, facts });
  assertEquals([behind.phase, behind.counted, behind.history[0].phase], [7, 5, 6]);
  const last = await sayer.say("b", { ...known, verb: "arrive", at: 7, id: "1", phase: 7 });
  assertEquals([last.phase, last.index], [8, 0]);
});

test("The action is run by the smallest name, by bytes", async (scope) => {
  for (const [names, runner] of [[["é", "z", "Z"], "Z"], [["ab", "a", "b"], "a"]] as const) {
    const sayer = new Sayer(scope);
    const { known } = await sayer.join([...names], 1);
    let last: Answer;
    for (const name of names) {
      last = await sayer.say(name, { ...known, verb: "arrive", at: 0, id: "1" });
    }
    assertEquals([last.running, last.phase, last.arrived], [runner, 0, 3]);
    const other = names.find((name) => name !== runner)!;
    const acted = { phase: 0 };
    await sayer.say(other, { ...known, verb: "look", arrived: 0, acted });
    assertEquals((await sayer.say(other, { ...known, verb: "look" })).phase, 0);
    assertEquals((await sayer.say(runner, { ...known, verb: "look", acted })).phase, 1);
  }
});
