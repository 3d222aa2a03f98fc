// Copyright 2026 the Rendezvous authors. MIT license.

// Processes on Deno, Node and Bun that meet through Redis.

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Command } from "../_helpers/command.ts";
import { engine, shareEngine } from "../_helpers/engine.ts";
import { runContract, type Runtime, runtimesFor, testOn } from "../_helpers/runtimes.ts";
import { Actor, ActorError } from "../process/_helpers.ts";
import { clients } from "./_adapter.ts";
import { type Scope, until } from "./_helpers.ts";

/** In ms. Processes that live must speak within it, on however busy a machine; each death takes that long to be noticed. */
const LEASE = 1_500;

const server = shareEngine();

/** A runtime of which nothing can be tested without Redis. */
const runtimes = (await runtimesFor(
  new URL(".", import.meta.url).pathname,
  "_actor",
  "_contract",
  "_ends",
))
  .map((runtime) => ({ ...runtime, missing: engine.missing ?? runtime.missing }));
const [deno, node, bun] = runtimes as [Runtime, Runtime, Runtime];

function start(scope: Scope, runtime: Runtime): Actor {
  return new Actor(scope, {}, runtime.command("_actor"));
}

/** What a call of an actor fails with. */
async function told(call: Promise<unknown>): Promise<ActorError["told"]> {
  return (await assertRejects(() => call, ActorError)).told;
}

/** Runs a program that calls one member, until it ends by itself. */
async function ends(scope: Scope, { command }: Runtime, ...args: string[]) {
  const { code, stdout } = await new Command(scope, [...command("_ends"), server.path, ...args])
    .ended();
  return { code, stdout };
}

for (const runtime of [node, bun]) {
  testOn([runtime], `RedisBarrier keeps the contract [${runtime.name}]`, async (scope) => {
    const results = await runContract(scope, runtime, server.path);
    const failed = results.filter(({ error }) => error !== undefined);
    assertEquals(failed, [], failed.map(({ name, error }) => `${name}: ${error}`).join("\n\n"));
    // That is about how many there are, by three clients: none is left out unnoticed.
    assert(results.length > 250, `${results.length} tests ran`);
  }, 150_000);
}

for (const client of clients) {
  testOn(
    runtimes,
    `RedisBarrier has processes of Deno, Node and Bun meet, and names who was killed [${client}]`,
    async (scope) => {
      const options = { key: crypto.randomUUID(), parties: 3, lease: LEASE, acts: "notes", client };
      const connect = (actor: Actor, name: string) =>
        actor.do("connect", server.path, { ...options, name });
      const parties = runtimes.map((runtime) => start(scope, runtime));
      await Promise.all(parties.map((actor, i) => connect(actor, runtimes[i]!.name)));
      const meet = () => Promise.all(parties.map((actor) => actor.do<number>("barrier", "wait")));
      for (const victim of parties.keys()) {
        for (let phase = 0; phase < 5; phase++) assertEquals((await meet()).sort(), [0, 1, 2]);
        const { name } = runtimes[victim]!;
        const others = parties.filter((_, i) => i !== victim);
        const waiting = others.map((actor) => told(actor.do("barrier", "wait")));
        parties[victim]!.kill();
        const errors = await Promise.all(waiting);
        for (const { message, ...error } of errors) {
          assertEquals([error.name, error.reason, error.party], [
            "BrokenBarrierError",
            "lost",
            name,
          ]);
          assertMatch(message, new RegExp(`^Phase ${error.phase} broke: "${name}" is gone \\(`));
        }
        // Both mend the same break; a replacement of another runtime takes its seat.
        const names = await Promise.all(
          others.map((actor) => actor.do<string[]>("barrier", "reset", errors[0]!.phase)),
        );
        assertEquals(names.flat(), [name]);
        parties[victim] = start(scope, runtimes[(victim + 1) % 3]!);
        await connect(parties[victim]!, name);
      }
      // "Bun" is the smallest name: it has run all actions since it came last.
      assertEquals((await meet()).sort(), [0, 1, 2]);
      const ran = await Promise.all(parties.map((actor) => actor.do<number[]>("ran")));
      assertEquals([ran[0], ran[1]], [[], []]);
      assertEquals(ran[2]!.length, 1);
    },
  );
}

for (const runtime of runtimes) {
  testOn(
    [runtime],
    `RedisBarrier tells a party that slept past its lease, and lets it not arrive [${runtime.name}]`,
    async (scope) => {
      const options = { key: crypto.randomUUID(), parties: 2, lease: LEASE };
      const [a, b] = [start(scope, runtime), start(scope, runtime)];
      await a.do("connect", server.path, { ...options, name: "a" });
      await b.do("connect", server.path, { ...options, name: "b" });
      const waiting = told(a.do("barrier", "wait"));
      await b.stop();
      const { reason, party, phase } = await waiting;
      assertEquals([reason, party, phase], ["lost", "b", 0]);
      b.kill("SIGCONT");
      const asleep = await told(b.do("barrier", "wait"));
      assertEquals([asleep.name, asleep.message], [
        "InvalidStateError",
        '"b" is gone: it did not speak for longer than its lease',
      ]);
      assertEquals((await told(b.do("barrier", "waitFor", 0))).reason, "lost");
      // Its seat is for a replacement, and it has none.
      assertEquals(await a.do("barrier", "reset", 0), ["b"]);
      const c = start(scope, runtime);
      await c.do("connect", server.path, { ...options, name: "b" });
      assertEquals((await Promise.all([a, c].map((each) => each.do("barrier", "wait")))).length, 2);
      assertEquals((await told(b.do("barrier", "arrive"))).name, "InvalidStateError");
    },
  );

  testOn(
    [runtime],
    `RedisBarrier tells a sleeper that its phase has passed, whatever came later [${runtime.name}]`,
    async (scope) => {
      const options = { key: crypto.randomUUID(), parties: 2, lease: LEASE };
      const [a, b] = [start(scope, runtime), start(scope, runtime)];
      await a.do("connect", server.path, { ...options, name: "a" });
      await b.do("connect", server.path, { ...options, name: "b" });
      const waiting = b.do<number>("barrier", "wait");
      const arrived = async () =>
        (await a.do<{ arrived: number }>("barrier", "status")).arrived === 1;
      await until(arrived, "an arrival");
      await b.stop();
      assertEquals(await a.do("barrier", "wait"), 0);
      assertEquals((await told(a.do("barrier", "wait"))).party, "b");
      assertEquals(await a.do("barrier", "reset", 1, { dropLost: true }), ["b"]);
      assertEquals(await a.do("barrier", "wait"), 0);
      b.kill("SIGCONT");
      assertEquals(await waiting, 1);
      assertEquals((await told(b.do("barrier", "wait"))).name, "InvalidStateError");
    },
  );

  testOn(
    [runtime],
    `RedisBarrier keeps no process alive that awaits nothing [${runtime.name}]`,
    async (scope) => {
      const options = { key: crypto.randomUUID(), parties: 2, lease: LEASE };
      const b = start(scope, deno);
      await b.do("connect", server.path, { ...options, name: "b" });
      const ended = await ends(scope, runtime, options.key, "a", "arrive");
      assertEquals(ended, { code: 0, stdout: ["0"] });
      const { reason, party } = await told(b.do("barrier", "waitFor", 0));
      assertEquals([reason, party], ["lost", "a"]);
    },
  );

  testOn(
    [runtime],
    `RedisBarrier keeps a process alive that awaits it [${runtime.name}]`,
    async (scope) => {
      const options = { key: crypto.randomUUID(), parties: 2, lease: LEASE };
      const b = start(scope, deno);
      await b.do("connect", server.path, { ...options, name: "b" });
      const ended = ends(scope, runtime, options.key, "a", "wait");
      const arrived = async () =>
        (await b.do<{ arrived: number }>("barrier", "status")).arrived === 1;
      await until(arrived, "an arrival");
      await b.do("barrier", "arrive");
      assertEquals(await ended, { code: 0, stdout: ["1"] });
    },
  );
}
