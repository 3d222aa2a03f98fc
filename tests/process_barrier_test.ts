// Copyright 2026 the Rendezvous authors. MIT license.

// What a barrier for processes has of its own; what all barriers have in common is in _contract.ts.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import { type BreakReason, BrokenBarrierError } from "../mod.ts";
import {
  ProcessBarrier,
  ProcessBarrierServer,
  type ProcessBarrierServerOptions,
} from "../process_barrier.ts";
import { Child, runs, temporary } from "./_child.ts";
import { CountingController, failure, quiet, test, turn, until } from "./_harness.ts";
import { FakeTime } from "./_fake_time.ts";
import { confined, ProcessParty, unshared } from "./_process_adapters.ts";
import { type Line, RawClient } from "./_raw_client.ts";

type Scope = AsyncDisposableStack;

const JOIN = '{"id":1,"do":"join","version":1}\n';

async function listen(
  scope: Scope,
  parties: number,
  options: Partial<ProcessBarrierServerOptions> = {},
): Promise<ProcessBarrierServer> {
  return scope.use(await ProcessBarrierServer.listen({ parties, ...options }));
}

async function join(
  scope: Scope,
  server: { path: string },
  name?: string,
): Promise<ProcessBarrier> {
  return scope.use(await ProcessBarrier.connect(server.path, name === undefined ? {} : { name }));
}

/** Connects parties of these names, one after the other. */
async function joinAll<Names extends string[]>(
  scope: Scope,
  server: { path: string },
  ...names: Names
): Promise<{ [I in keyof Names]: ProcessBarrier }> {
  const members = [];
  for (const name of names) members.push(await join(scope, server, name));
  return members as { [I in keyof Names]: ProcessBarrier };
}

/** What the arrivals of a party go through that says nothing of it. */
const transport = unshared === undefined ? "shared-memory" : "socket";

async function raw(scope: Scope, path: string, options?: { reads: boolean }): Promise<RawClient> {
  return scope.use(await RawClient.connect(path, options));
}

function arrived(server: ProcessBarrierServer, count: number): Promise<void> {
  return until(() => server.arrived === count, `${count} arrived at ${Deno.inspect(server)}`);
}

function isBroken(error: unknown, reason: BreakReason): asserts error is BrokenBarrierError {
  assertInstanceOf(error, BrokenBarrierError);
  assertEquals(error.reason, reason, error.message);
}

function isNamed(error: unknown, name: string): asserts error is DOMException {
  assertInstanceOf(error, DOMException);
  assertEquals(error.name, name, error.message);
}

/** Checks that these parties complete a phase, and that nobody else is needed. */
async function meet(members: { wait(): Promise<number> }[]): Promise<void> {
  const numbers = await Promise.all(members.map((member) => quiet(member.wait())));
  assertEquals(numbers.sort((a, b) => a - b), [...members.keys()]);
}

/** A socket that nobody listens at. */
async function leaveStaleSocket(path: string): Promise<void> {
  const listener = Deno.listen({ transport: "unix", path: `${path}.live` });
  // The listener removes only the name that it was made with.
  await Deno.link(`${path}.live`, path);
  listener.close();
  await Deno.remove(`${path}.live`).catch(() => {});
}

// Seats

test("ProcessBarrier.connect() turns away a party too many, and says so", async (scope) => {
  const server = await listen(scope, 2);
  const members = await joinAll(scope, server, "a", "b");
  for (let i = 0; i < 2; i++) {
    const error = await assertRejects(() => ProcessBarrier.connect(server.path), RangeError);
    assertEquals(
      error.message,
      "Cannot join as a seat must be free: current value is 2 of 2 taken",
    );
  }
  await meet(members);
});

test("ProcessBarrierServer.reset() frees the seat of a lost party, and not before", async (scope) => {
  const server = await listen(scope, 2);
  const a = await join(scope, server, "a");
  const lost = await raw(scope, server.path);
  assertEquals((await lost.ask({ do: "join", version: 1 })).ok, "party 1");
  lost.close();
  await until(() => server.broken, "broken");
  await assertRejects(() => ProcessBarrier.connect(server.path), RangeError, "2 of 2 taken");
  await server.reset();
  await meet([a, await join(scope, server, "b")]);
  await assertRejects(() => ProcessBarrier.connect(server.path), RangeError, "2 of 2 taken");
});

test("ProcessBarrier.reset() by a party frees the seat of one that left its scope", async (scope) => {
  const server = await listen(scope, 2);
  const [a, b] = await joinAll(scope, server, "a", "b");
  await b[Symbol.asyncDispose]();
  isBroken(await failure(a.wait()), "aborted");
  await a.reset();
  await meet([a, await join(scope, server, "c")]);
});

test("ProcessBarrier.arriveAndDrop() takes the seat along", async (scope) => {
  const server = await listen(scope, 3);
  const [a, b, c] = await joinAll(scope, server, "a", "b", "c");
  assertEquals(await b.arriveAndDrop(), 0);
  await assertRejects(() => ProcessBarrier.connect(server.path), RangeError, "2 of 2 taken");
  assertEquals(server.missing, ["a", "c"]);
  await meet([a, c]);
  await meet([a, c]);
});

test("ProcessBarrier.register() adds seats", async (scope) => {
  const server = await listen(scope, 1);
  const a = await join(scope, server, "a");
  assertEquals(await a.register(2), 0);
  assertEquals(await server.register(), 0);
  assertEquals(server.missing, ["a", "party 1", "party 2", "party 3"]);
  const more = await joinAll(scope, server, "b", "c", "d");
  await assertRejects(() => ProcessBarrier.connect(server.path), RangeError, "4 of 4 taken");
  await meet([a, ...more]);
});

test("ProcessBarrier.connect() gives no seat to a party that is turned away", async (scope) => {
  const server = await listen(scope, 1);
  for (const version of [0, 2, "1", null, undefined]) {
    const stranger = await raw(scope, server.path);
    const { error } = await stranger.ask({ do: "join", version });
    assertEquals((error as Line).name, "RangeError");
    assertStringIncludes(`${(error as Line).message}`, "version must be 1");
    await stranger.ended();
  }
  const early = ["wait", "arrive", "drop", "reset", "leave", "", null, undefined];
  for (const verb of early) {
    const stranger = await raw(scope, server.path);
    assertEquals(await stranger.ask({ do: verb, version: 1 }), { closed: true });
  }
  const unreadable = [
    // Of more than 16,384 bytes, whatever the size of the pieces in which it comes.
    ...[20_000, 40_000].map((length) => `{"pad":"${"x".repeat(length)}",${JOIN.slice(1)}`),
    `{"pad":"${"€".repeat(6_000)}",${JOIN.slice(1)}`,
    Uint8Array.from(
      JOIN.replace("}", ',"name":"\xc3\x28"}'),
      (character) => character.charCodeAt(0),
    ),
    `[${JOIN.trim()}]\n`,
  ];
  for (const line of unreadable) {
    const stranger = await raw(scope, server.path);
    await stranger.send(line);
    await stranger.ended();
    assertEquals(stranger.others, []);
  }
  for (const name of ["", "x".repeat(101), 5, null, {}]) {
    const stranger = await raw(scope, server.path);
    const { error } = await stranger.ask({ do: "join", version: 1, name });
    assertMatch(`${(error as Line).message}`, /^Cannot join as name must be /);
    await stranger.ended();
  }
  await meet([await join(scope, server)]);
});

// Names

test("ProcessBarrier.name is what was given, or has the number of the seat", async (scope) => {
  const server = await listen(scope, 4);
  const members = [
    await join(scope, server),
    await join(scope, server, "resize-1"),
    await join(scope, server),
    await join(scope, server, "x".repeat(100)),
  ];
  assertEquals(members.map(({ name }) => name), [
    "party 0",
    "resize-1",
    "party 2",
    "x".repeat(100),
  ]);
  assertEquals(server.missing, members.map(({ name }) => name));
});

test("ProcessBarrier.name of a replacement is its own", async (scope) => {
  const server = await listen(scope, 2);
  const a = await join(scope, server, "a");
  await a[Symbol.asyncDispose]();
  assertEquals(server.missing, ["a", "party 1"]);
  await server.reset();
  assertEquals(server.missing, ["party 0", "party 1"]);
  assertEquals((await join(scope, server)).name, "party 0");
});

test("ProcessBarrier.name may hold anything that a string may", async (scope) => {
  const name = 'a "b"\n\u2028\0\u{1F600} é';
  const server = await listen(scope, 2);
  const a = await join(scope, server, name);
  assertEquals(a.name, name);
  assertEquals((await a.status()).missing, [name, "party 1"]);
});

// Who is missing

test("ProcessBarrierServer.missing names those who have not arrived", async (scope) => {
  const server = await listen(scope, 3);
  assertEquals(server.missing, ["party 0", "party 1", "party 2"]);
  const [a, b] = await joinAll(scope, server, "a", "b");
  assertEquals(server.missing, ["a", "b", "party 2"]);
  await b.arrive();
  assertEquals(server.missing, ["a", "party 2"]);
  const c = await join(scope, server, "c");
  const waiting = quiet(a.wait());
  await arrived(server, 2);
  assertEquals(server.missing, ["c"]);
  assertEquals(await c.wait(), 0);
  await waiting;
  assertEquals(server.missing, ["a", "b", "c"]);
});

test("ProcessBarrierServer.missing keeps who was missing when it broke, until reset()", async (scope) => {
  const server = await listen(scope, 3);
  const [a] = await joinAll(scope, server, "a", "b", "c");
  await a.arrive();
  await server.abort();
  assertEquals(server.missing, ["b", "c"]);
  await server.reset();
  assertEquals(server.missing, ["a", "b", "c"]);
});

test("ProcessBarrierServer.missing counts an arrival that was withdrawn", async (scope) => {
  const server = await listen(scope, 2);
  const a = await join(scope, server, "a");
  isNamed(await failure(a.wait({ timeout: 1, onCancel: "withdraw" })), "TimeoutError");
  assertEquals(server.missing, ["a", "party 1"]);
});

test("ProcessBarrierServer.missing is empty while the action runs", async (scope) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  scope.defer(() => resolve());
  const server = await listen(scope, 2, { action: () => promise });
  const [a, b] = await joinAll(scope, server, "a", "b");
  const waiting = [quiet(a.wait()), quiet(b.wait())];
  await arrived(server, 2);
  assertEquals(server.missing, []);
  assertEquals((await a.status()).missing, []);
  resolve();
  await Promise.all(waiting);
  assertEquals(server.missing, ["a", "b"]);
});

test("ProcessBarrier.wait() names in its errors who is missing", async (scope) => {
  const server = await listen(scope, 4);
  const [one, two] = await joinAll(
    scope,
    server,
    "resize-1",
    "resize-2",
    "resize-3",
    "resize-4",
  );
  const other = failure(one.wait());
  await arrived(server, 1);
  const timeout = await failure(two.wait({ timeout: 5 }));
  isNamed(timeout, "TimeoutError");
  const missing = '2 of 4 arrived, missing "resize-3", "resize-4"';
  assertEquals(
    timeout.message,
    `Cannot pass phase 0 as all parties must arrive within 5 ms: current value is ${missing}`,
  );
  for (const error of [await other, await failure(two.wait())]) {
    isBroken(error, "timeout");
    assertEquals([error.phase, error.arrived, error.parties], [0, 2, 4]);
    assertEquals(
      error.message,
      'Cannot pass phase 0 as the barrier must be unbroken: current value is "timeout", ' + missing,
    );
  }
});

test("ProcessBarrier.wait() names no more than 16 who are missing", async (scope) => {
  const server = await listen(scope, 20);
  const a = await join(scope, server);
  const error = await failure(a.wait({ timeout: 0 }));
  isNamed(error, "TimeoutError");
  assertMatch(error.message, /1 of 20 arrived, missing "party 1", .*"party 16" and 3 more$/);
});

test("ProcessBarrier.waitFor() names in its timeout who is missing", async (scope) => {
  const server = await listen(scope, 2);
  const [a] = await joinAll(scope, server, "a", "b");
  const phase = await a.arrive();
  for (const watcher of [a, server]) {
    const error = await failure(watcher.waitFor(phase, { timeout: 1 }));
    isNamed(error, "TimeoutError");
    assertStringIncludes(error.message, '1 of 2 arrived, missing "b"');
  }
});

// How it stands

test("ProcessBarrier.status() and the server's tell the same", async (scope) => {
  const server = await listen(scope, 2);
  const [a, b] = await joinAll(scope, server, "a", "b");
  await b.arrive();
  for (const side of [a, b, server]) {
    assertEquals(await side.status(), {
      parties: 2,
      arrived: 1,
      phase: 0,
      broken: false,
      missing: ["a"],
      transport,
    });
  }
  await a.wait();
  await a.abort("why");
  for (const side of [a, b, server]) {
    assertEquals(await side.status(), {
      parties: 2,
      arrived: 0,
      phase: 1,
      broken: true,
      reason: "aborted",
      missing: ["a", "b"],
      transport,
    });
  }
});

test("ProcessBarrier tells what the server last told over the socket", async (scope) => {
  const server = await listen(scope, 2);
  const connect = (name: string) =>
    ProcessBarrier.connect(server.path, { name, transport: "socket" });
  const [a, b] = [scope.use(await connect("a")), scope.use(await connect("b"))];
  const seen = ({ parties, arrived, phase, broken }: ProcessBarrier) => [
    parties,
    arrived,
    phase,
    broken,
  ];
  assertEquals(seen(b), [2, 0, 0, false]);
  await a.arrive();
  assertEquals(seen(a), [2, 1, 0, false]);
  assertEquals(seen(b), [2, 0, 0, false]);
  await b.status();
  assertEquals(seen(b), [2, 1, 0, false]);
  await b.wait();
  assertEquals(seen(b), [2, 0, 1, false]);
  await server.abort();
  await failure(b.wait());
  assertEquals(seen(b), [2, 0, 1, true]);
});

test("ProcessBarrier is shown by its state", async (scope) => {
  const server = await listen(scope, 2);
  const a = await join(scope, server);
  await a.arrive();
  assertEquals(Deno.inspect(server), "ProcessBarrierServer { 1/2 arrived, phase 0 }");
  assertEquals(Deno.inspect(a), "ProcessBarrier { 1/2 arrived, phase 0 }");
  await a.abort();
  assertEquals(Deno.inspect(server), "ProcessBarrierServer { broken: aborted, phase 0 }");
  assertEquals(Deno.inspect(a), "ProcessBarrier { broken: aborted, phase 0 }");
});

// Identity

for (const first of ["wait", "arrive"] as const) {
  for (const second of ["wait", "arrive", "arriveAndDrop"] as const) {
    test(`ProcessBarrier.${second}() is refused after ${first}() in one phase`, async (scope) => {
      const server = await listen(scope, 2);
      const [a, b] = await joinAll(scope, server, "a", "b");
      const before = quiet<number>(a[first]());
      await arrived(server, 1);
      for (let i = 0; i < 2; i++) {
        const error = await failure(a[second]());
        isNamed(error, "InvalidStateError");
        assertEquals(
          error.message,
          'Cannot arrive as "a" must arrive once in a phase: ' +
            "current value is arrived in phase 0",
        );
      }
      assertEquals(await server.status(), {
        parties: 2,
        arrived: 1,
        phase: 0,
        broken: false,
        missing: ["b"],
        transport,
      });
      assertEquals(await b.wait(), 0);
      await before;
      await meet([a, b]);
    });
  }
}

for (const member of ["wait", "arrive", "arriveAndDrop"] as const) {
  test(`ProcessBarrier.${member}() is refused after the party has dropped`, async (scope) => {
    const server = await listen(scope, 2);
    const [a, b] = await joinAll(scope, server, "a", "b");
    await a.arriveAndDrop();
    const error = await failure(a[member]());
    isNamed(error, "InvalidStateError");
    assertEquals(
      error.message,
      'Cannot arrive as "a" must be a party: current value is dropped',
    );
    assertEquals([server.parties, server.phase, server.missing], [1, 0, ["b"]]);
    await meet([b]);
    isNamed(await failure(a[member]()), "InvalidStateError");
    await meet([b]);
  });
}

test("ProcessBarrier can be watched by a party that has dropped", async (scope) => {
  const server = await listen(scope, 2);
  const [a, b] = await joinAll(scope, server, "a", "b");
  const phase = await a.arriveAndDrop();
  const watching = quiet(a.waitFor(phase));
  await meet([b]);
  await watching;
  assertEquals((await a.status()).phase, 1);
});

test("ProcessBarrier.arrive() while the action runs counts for the next phase, once", async (scope) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  scope.defer(() => resolve());
  const server = await listen(scope, 2, { action: () => promise });
  const [a, b] = await joinAll(scope, server, "a", "b");
  const waiting = quiet(a.wait());
  await arrived(server, 1);
  assertEquals(await b.arrive(), 0);
  assertEquals(await b.arrive(), 1);
  isNamed(await failure(b.arrive()), "InvalidStateError");
  resolve();
  assertEquals(await waiting, 1);
  assertEquals(server.missing, ["a"]);
  assertEquals(await a.wait(), 0);
});

// Parties that are gone

test("ProcessBarrier.wait() names a party whose connection has ended without drop", async (scope) => {
  const server = await listen(scope, 3);
  const [a, b] = await joinAll(scope, server, "a", "b");
  const victim = await raw(scope, server.path);
  await victim.ask({ do: "join", version: 1, name: "victim" });
  const waiting = [failure(a.wait()), failure(b.wait())];
  await arrived(server, 2);
  victim.close();
  for (const error of await Promise.all(waiting)) {
    isBroken(error, "lost");
    assertEquals([error.phase, error.arrived, error.parties], [0, 2, 3]);
    assertEquals(
      error.message,
      "Cannot pass phase 0 as the barrier must be unbroken: current value is " +
        '"lost" ("victim" is gone), 2 of 3 arrived, missing "victim"',
    );
  }
  for (const member of ["wait", "arrive", "arriveAndDrop"] as const) {
    isBroken(await failure(a[member]()), "lost");
  }
  isBroken(await failure(server.waitFor(0)), "lost");
  assertEquals((await a.status()).reason, "lost");
  await server.reset();
  await meet([a, b, await join(scope, server)]);
});

const deaths: [string, (victim: ProcessParty, a: ProcessBarrier) => Promise<number>][] = [
  ["after it has connected", () => Promise.resolve(0)],
  ["while it waits", async (victim) => {
    victim.wait();
    await until(async () => (await victim.state()).arrived === 1, "the victim waits");
    return 0;
  }],
  ["after it has passed", async (victim, a) => {
    await meet([victim, a]);
    return 1;
  }],
];
for (const [when, prepare] of deaths) {
  test(`ProcessBarrier.wait() names a process that is killed ${when}`, async (scope) => {
    const server = await listen(scope, 2);
    const a = await join(scope, server, "a");
    const victim = scope.use(await ProcessParty.connect(server.path, "victim"));
    const phase = await prepare(victim, a);
    // Not as a second party, which would complete the phase.
    const watching = failure(a.waitFor(phase));
    victim.child.kill();
    for (const error of [await watching, await failure(a.wait())]) {
      isBroken(error, "lost");
      assertStringIncludes(error.message, '"victim" is gone');
      assertEquals([error.phase, error.parties], [phase, 2]);
    }
    assertEquals((await victim.child.ended()).signal, "SIGKILL");
    await a.reset();
    const substitute = scope.use(await ProcessParty.connect(server.path, "substitute"));
    await meet([a, substitute]);
    assertEquals(server.phase, phase + 1);
  });
}

test("ProcessBarrier.wait() passes though a party is lost after the last arrival", async (scope) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  scope.defer(() => resolve());
  const server = await listen(scope, 2, { action: () => promise });
  const a = await join(scope, server, "a");
  const victim = await raw(scope, server.path);
  await victim.ask({ do: "join", version: 1, name: "victim" });
  const waiting = quiet(a.wait());
  await arrived(server, 1);
  assertEquals((await victim.ask({ do: "arrive" })).ok, 0);
  victim.close();
  await until(() => server.broken, "broken for the next phase");
  resolve();
  assertEquals(await waiting, 1);
  isBroken(await failure(a.wait()), "lost");
});

test("ProcessBarrierServer is not broken by a party that is gone after it has dropped", async (scope) => {
  const server = await listen(scope, 2);
  const a = await join(scope, server, "a");
  const gone = await raw(scope, server.path);
  await gone.ask({ do: "join", version: 1 });
  assertEquals((await gone.ask({ do: "drop" })).ok, 0);
  gone.close();
  await meet([a]);
  await meet([a]);
});

test("ProcessBarrierServer keeps the first reason when a party leaves", async (scope) => {
  const server = await listen(scope, 2);
  const [a, b] = await joinAll(scope, server, "a", "b");
  await a.abort("first");
  await b[Symbol.asyncDispose]();
  const error = await failure(a.wait());
  isBroken(error, "aborted");
  assertEquals(error.cause, "first");
});

// The end of a process

for (const way of ["wait", "waitFor"]) {
  test(`ProcessBarrier.${way}() keeps its process alive, which then ends by itself`, async (scope) => {
    const server = await listen(scope, 2);
    const a = await join(scope, server, "a");
    const child = scope.use(
      new Child([...confined("./_process_visitor.ts", server.path), server.path, way]),
    );
    await child.line((line) => line === "connected", "connected");
    for (let phase = 0; phase < (way === "wait" ? 2 : 1); phase++) {
      await arrived(server, 1);
      for (let i = 0; i < 20; i++) await turn();
      assert(await runs(child.pid));
      assertEquals(await a.wait(), 0);
    }
    const { code, stdout, stderr } = await child.ended();
    assertEquals([code, stderr], [0, []]);
    const said = way === "wait" ? ["passed with 1", "passed with 1"] : ["saw undefined"];
    assertEquals(stdout, ["connected", ...said]);
    await until(() => server.broken, "lost");
  });
}

test("ProcessBarrier.connect() keeps no process alive that asks for nothing", async (scope) => {
  const server = await listen(scope, 2);
  const a = await join(scope, server, "a");
  const watching = failure(a.waitFor(0));
  const child = scope.use(
    new Child([...confined("./_process_visitor.ts", server.path), server.path, "nothing"]),
  );
  const { code, stdout, stderr } = await child.ended();
  assertEquals([code, stdout, stderr], [0, ["connected"], []]);
  const error = await watching;
  isBroken(error, "lost");
  assertStringIncludes(error.message, '"visitor" is gone');
});

// The server is gone

test("ProcessBarrierServer[Symbol.asyncDispose]() breaks the waits and all later calls", async (scope) => {
  const server = await listen(scope, 3);
  const [a, b, c] = await joinAll(scope, server, "a", "b", "c");
  const waits = [failure(a.wait()), failure(b.waitFor(0))];
  await arrived(server, 1);
  await server[Symbol.asyncDispose]();
  for (const error of await Promise.all(waits)) isBroken(error, "aborted");
  for (const member of [a, b, c]) {
    for (
      const call of [
        () => member.wait(),
        () => member.arrive(),
        () => member.arriveAndDrop(),
        () => member.waitFor(0),
        () => member.register(),
        () => member.reset(),
        () => member.abort(),
        () => member.status(),
      ]
    ) isBroken(await failure(call()), "aborted");
    assert(member.broken);
    assertEquals(member.arrived, 0);
    await member[Symbol.asyncDispose]();
  }
  await assertRejects(() => ProcessBarrier.connect(server.path), Deno.errors.NotFound);
});

test("ProcessBarrierServer[Symbol.asyncDispose]() breaks the barrier on its own side too", async (scope) => {
  const server = await listen(scope, 1);
  const watching = failure(server.waitFor(0));
  await server[Symbol.asyncDispose]();
  isBroken(await watching, "aborted");
  assert(server.broken);
});

test("ProcessBarrierServer[Symbol.asyncDispose]() takes back no phase that is complete", async (scope) => {
  for (let i = 0; i < 20; i++) {
    const server = await listen(scope, 2);
    const [a, b] = await joinAll(scope, server, "a", "b");
    const waits = [quiet(a.wait()), quiet(b.wait())];
    await until(() => server.phase === 1, "passed");
    await server[Symbol.asyncDispose]();
    assertEquals((await Promise.all(waits)).sort(), [0, 1]);
  }
});

test("ProcessBarrierServer[Symbol.asyncDispose]() in the action lets the phase pass", async (scope) => {
  const server: ProcessBarrierServer = await listen(scope, 2, {
    action: () => void server[Symbol.asyncDispose](),
  });
  const [a, b] = await joinAll(scope, server, "a", "b");
  const waits = [quiet(a.wait()), quiet(b.wait())];
  assertEquals((await Promise.all(waits)).sort(), [0, 1]);
  isBroken(await failure(a.wait()), "aborted");
});

test("ProcessBarrierServer[Symbol.asyncDispose]() may be called twice, and at once", async (scope) => {
  const server = await listen(scope, 1);
  await Promise.all([server[Symbol.asyncDispose](), server[Symbol.asyncDispose]()]);
  await server[Symbol.asyncDispose]();
});

test("ProcessBarrierServer[Symbol.asyncDispose]() does not wait for a client that never reads", async (scope) => {
  const server = await listen(scope, 2);
  const deaf = await raw(scope, server.path, { reads: false });
  await deaf.send(`{"id":1,"do":"join","version":1}\n${'{"id":1,"do":"status"}\n'.repeat(5_000)}`);
  await server[Symbol.asyncDispose]();
});

test("ProcessBarrier tells that its server was killed", async (scope) => {
  const path = `${await temporary(scope)}/socket`;
  const owner = scope.use(new Child([...confined("./_process_owner.ts", path), path, "2"]));
  await owner.line((line) => line === "listens", "the server listens");
  const [a, b] = await joinAll(scope, { path }, "a", "b");
  const waits = [failure(a.wait()), failure(b.waitFor(0)), failure(a.waitFor(5))];
  await until(async () => (await b.status()).arrived === 1, "one waits");
  owner.kill();
  const [first, ...others] = await Promise.all(waits);
  for (const error of [first, ...others]) {
    isBroken(error, "lost");
    assertStringIncludes(error.message, "the server is gone");
    assertEquals([error.phase, error.parties], [0, 2]);
  }
  for (const member of [a, b]) {
    for (const call of ["wait", "arrive", "arriveAndDrop", "reset", "status"] as const) {
      const error = await failure(member[call]());
      isBroken(error, "lost");
      assertStringIncludes(error.message, "the server is gone");
    }
    assert(member.broken);
    await member[Symbol.asyncDispose]();
    await member[Symbol.asyncDispose]();
  }
  // Its socket is still there, and once it has ended nobody listens.
  await owner.ended();
  await assertRejects(() => ProcessBarrier.connect(path), Deno.errors.ConnectionRefused);
  const next = await listen(scope, 1, { path });
  await meet([await join(scope, next)]);
});

// The end of a scope

test("ProcessBarrier[Symbol.asyncDispose]() may be called twice, and names who has left", async (scope) => {
  const server = await listen(scope, 2);
  const [a, b] = await joinAll(scope, server, "a", "b");
  const waiting = failure(a.wait());
  await arrived(server, 1);
  await Promise.all([b[Symbol.asyncDispose](), b[Symbol.asyncDispose]()]);
  await b[Symbol.asyncDispose]();
  const error = await waiting;
  isBroken(error, "aborted");
  assertStringIncludes(error.message, 'missing "b"');
  assertEquals((await server.status()).reason, "aborted");
});

test("ProcessBarrier[Symbol.asyncDispose]() after arriveAndDrop() breaks nothing", async (scope) => {
  const server = await listen(scope, 3);
  const [a, b, c] = await joinAll(scope, server, "a", "b", "c");
  await b.arriveAndDrop();
  await b[Symbol.asyncDispose]();
  // Even if nobody has waited for the answer.
  const dropping = quiet(c.arriveAndDrop());
  await c[Symbol.asyncDispose]();
  await dropping;
  await meet([a]);
  await meet([a]);
});

test("ProcessBarrier[Symbol.asyncDispose]() ends the party's own waits too", async (scope) => {
  const server = await listen(scope, 2);
  const a = await join(scope, server, "a");
  const waits = [failure(a.wait()), failure(a.waitFor(3))];
  await arrived(server, 1);
  await a[Symbol.asyncDispose]();
  for (const error of await Promise.all(waits)) isBroken(error, "aborted");
});

// Cancellation

test("ProcessBarrier leaves no listener on a signal, however a wait ends", async (scope) => {
  const server = await listen(scope, 2);
  // How often it listens is known where each wait goes to the server.
  const connect = (name: string) =>
    ProcessBarrier.connect(server.path, { name, transport: "socket" });
  const [a, b] = [scope.use(await connect("a")), scope.use(await connect("b"))];
  const controller = new CountingController();
  const { signal } = controller;
  const ended = (count: number) => {
    assertEquals([controller.added, controller.listeners], [count, 0]);
  };
  const waiting = quiet(a.wait({ signal }));
  const watching = quiet(b.waitFor(0, { signal }));
  await arrived(server, 1);
  assertEquals(controller.listeners, 2);
  await b.wait({ signal });
  await Promise.all([waiting, watching]);
  ended(3);
  await failure(a.wait({ signal, timeout: 1, onCancel: "withdraw" }));
  ended(4);
  await failure(a.wait({ signal, timeout: 1 }));
  await failure(a.wait({ signal }));
  ended(6);
  await server.reset();
  const connected = await ProcessBarrier.connect(server.path, { signal }).catch((error) => error);
  assertInstanceOf(connected, RangeError);
  ended(7);
  const last = [failure(a.wait({ signal })), failure(b.waitFor(9, { signal }))];
  await arrived(server, 1);
  assertEquals(controller.listeners, 2);
  await server[Symbol.asyncDispose]();
  await Promise.all(last);
  ended(9);
  await failure(a.wait({ signal }));
  assertEquals(controller.listeners, 0);
});

for (const onCancel of ["break", "withdraw"] as const) {
  test(`ProcessBarrier.wait() heeds its signal, onCancel: "${onCancel}"`, async (scope) => {
    const server = await listen(scope, 3);
    const [a, b, c] = await joinAll(scope, server, "a", "b", "c");
    const controller = new CountingController();
    const why = new Error("no more");
    const other = quiet(b.wait());
    const cancelled = failure(a.wait({ signal: controller.signal, onCancel }));
    await arrived(server, 2);
    controller.abort(why);
    assertStrictEquals(await cancelled, why);
    assertEquals(controller.listeners, 0);
    if (onCancel === "break") {
      const error = await failure(other);
      isBroken(error, "aborted");
      assertEquals(error.cause, "no more");
      isBroken(await failure(c.wait()), "aborted");
      await server.reset();
    } else {
      assertEquals([server.arrived, server.missing], [1, ["a", "c"]]);
      assertEquals((await Promise.all([c.wait(), a.wait(), other])).sort(), [0, 1, 2]);
    }
    await meet([a, b, c]);
  });

  test(`ProcessBarrier.wait() has one outcome when a signal races the last arrival, onCancel: "${onCancel}"`, async (scope) => {
    const server = await listen(scope, 2);
    const [a, b] = await joinAll(scope, server, "a", "b");
    const outcomes = { passed: 0, cancelled: 0 };
    for (let round = 0; round < 200; round++) {
      const controller = new CountingController();
      const { phase } = server;
      const one = quiet(a.wait({ signal: controller.signal, onCancel }));
      if (round % 4 !== 0) await arrived(server, 1);
      if (round % 2 === 0) controller.abort("cancelled");
      const two = quiet(b.wait());
      controller.abort("cancelled");
      const first = await one.catch((error) => error);
      if (typeof first === "number") {
        outcomes.passed++;
        assertEquals([first, await two].sort(), [0, 1]);
      } else {
        outcomes.cancelled++;
        assertEquals(first, "cancelled");
        if (onCancel === "withdraw") {
          assertEquals([await a.wait(), await two].sort(), [0, 1]);
        } else {
          isBroken(await failure(two), "aborted");
          assertEquals(server.phase, phase);
          await server.reset();
          await meet([a, b]);
        }
      }
      assertEquals(server.phase, phase + 1);
      assertEquals([server.broken, controller.listeners], [false, 0]);
    }
    assert(outcomes.cancelled > 0, Deno.inspect(outcomes));
  });
}

test("ProcessBarrier.wait() passes if its signal aborts after the last arrival", async (scope) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  scope.defer(() => resolve());
  const server = await listen(scope, 2, { action: () => promise });
  const [a, b] = await joinAll(scope, server, "a", "b");
  const controller = new AbortController();
  const waits = [
    quiet(a.wait({ signal: controller.signal })),
    quiet(b.wait({ timeout: 1, onCancel: "withdraw" })),
  ];
  await arrived(server, 2);
  controller.abort("too late");
  // The cancellation has come to the server before this.
  await a.status();
  isNamed(await failure(server.waitFor(0, { timeout: 5 })), "TimeoutError");
  resolve();
  assertEquals((await Promise.all(waits)).sort(), [0, 1]);
});

// Texts that cross

const reasons: [string, unknown, string | undefined][] = [
  ["nothing", undefined, undefined],
  ["a string", "the disk is full", "the disk is full"],
  ["an error's message", new Error("the disk is full"), "the disk is full"],
  ["an exception's message", new DOMException("too slow", "TimeoutError"), "too slow"],
  ["a number", 42, "42"],
  ["null", null, "null"],
  ["a symbol", Symbol("why"), "Symbol(why)"],
  ["an object's text", { toString: () => "my text" }, "my text"],
  ["no more than 1,000 characters", "x".repeat(5_000), "x".repeat(1_000)],
  ["no more than 1,000 characters of the widest", "\0".repeat(5_000), "\0".repeat(1_000)],
  ["lines", 'a\n{"do":"reset"}\n', 'a\n{"do":"reset"}\n'],
  ["the type of what has no text", Object.create(null), "object"],
  [
    "the type of what throws for its text",
    {
      toString() {
        throw new Error("no text");
      },
    },
    "object",
  ],
];
for (const [what, reason, text] of reasons) {
  test(`ProcessBarrier.abort() tells the others ${what}`, async (scope) => {
    const server = await listen(scope, 2);
    const [a, b] = await joinAll(scope, server, "a", "b");
    const waiting = failure(a.wait());
    await arrived(server, 1);
    await b.abort(reason);
    for (const error of [await waiting, await failure(a.wait()), await failure(b.wait())]) {
      isBroken(error, "aborted");
      assertEquals(["cause" in error, error.cause], [text !== undefined, text]);
    }
    await server.reset();
    await server.abort(reason);
    const error = await failure(a.wait());
    isBroken(error, "aborted");
    assertEquals(error.cause, text);
  });
}

// The action

test("ProcessBarrierServer runs an async action before anyone passes", async (scope) => {
  const log: string[] = [];
  const server = await listen(scope, 2, {
    action: async () => {
      log.push("begins");
      for (let i = 0; i < 3; i++) await turn();
      log.push("ends");
    },
  });
  const members = await joinAll(scope, server, "a", "b");
  for (let phase = 0; phase < 3; phase++) {
    await Promise.all(members.map((member) => member.wait().then(() => log.push("passes"))));
    assertEquals(log.splice(0), ["begins", "ends", "passes", "passes"]);
  }
});

for (const kind of ["sync", "async"]) {
  test(`ProcessBarrier.wait() tells what a ${kind} action threw`, async (scope) => {
    const action = () => {
      const error = new RangeError("the action failed");
      if (kind === "sync") throw error;
      return Promise.reject(error);
    };
    const server = await listen(scope, 3, { action });
    const [a, b, c] = await joinAll(scope, server, "a", "b", "c");
    const others = [failure(a.wait()), failure(b.wait({ timeout: 60_000 }))];
    await arrived(server, 2);
    const last = await failure(c.wait());
    assertInstanceOf(last, RangeError);
    assertEquals(last.message, "the action failed");
    for (const error of [...await Promise.all(others), await failure(c.wait())]) {
      isBroken(error, "action");
      assertEquals(error.cause, "the action failed");
    }
  });
}

const thrown: [unknown, string, string][] = [
  ["text", "Error", "text"],
  [undefined, "Error", "undefined"],
  [new TypeError("wrong"), "TypeError", "wrong"],
  [new DOMException("late", "TimeoutError"), "TimeoutError", "late"],
  [Object.assign(new Error("mine"), { name: "MyError" }), "MyError", "mine"],
];
for (const [value, name, message] of thrown) {
  test(`ProcessBarrier.wait() tells that its action threw ${name}: ${message}`, async (scope) => {
    const server = await listen(scope, 1, {
      action: () => {
        throw value;
      },
    });
    const error = await failure((await join(scope, server)).wait());
    assertInstanceOf(error, Error);
    assertEquals([error.name, error.message], [name, message]);
  });
}

// Timeouts

test("ProcessBarrier.wait() with Infinity has no timeout, whatever the server's", async (scope) => {
  const server = await listen(scope, 2, { timeout: 1 });
  const [a, b] = await joinAll(scope, server, "a", "b");
  const waiting = quiet(a.wait({ timeout: Infinity }));
  await arrived(server, 1);
  isNamed(await failure(b.waitFor(0, { timeout: 20 })), "TimeoutError");
  assertEquals([await b.wait(), await waiting], [0, 1]);
  isNamed(await failure(a.wait()), "TimeoutError");
});

for (const timeout of [2 ** 31, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER, Number.MAX_VALUE]) {
  test(`ProcessBarrier.wait() does not time out at once after ${timeout} ms`, async (scope) => {
    const server = await listen(scope, 2, { timeout });
    const [a, b] = await joinAll(scope, server, "a", "b");
    const waits = [quiet(a.wait({ timeout })), quiet(b.waitFor(0, { timeout }))];
    await arrived(server, 1);
    isNamed(await failure(b.waitFor(0, { timeout: 20 })), "TimeoutError");
    assertEquals(server.arrived, 1);
    assertEquals(await b.wait(), 0);
    await Promise.all(waits);
  });
}

test("ProcessBarrier.connect() does not time out at once after 2 ** 31 ms", async (scope) => {
  const server = await listen(scope, 2);
  for (const timeout of [2 ** 31, Infinity]) {
    scope.use(await ProcessBarrier.connect(server.path, { timeout }));
  }
});

// Connecting

test("ProcessBarrier.connect() tells when there is no socket", async (scope) => {
  const path = `${await temporary(scope)}/socket`;
  await assertRejects(
    () => ProcessBarrier.connect(path),
    Deno.errors.NotFound,
    `Cannot connect as a server must listen at path: current value is ${JSON.stringify(path)}`,
  );
});

test("ProcessBarrier.connect() tells when nobody listens", async (scope) => {
  const path = `${await temporary(scope)}/socket`;
  await leaveStaleSocket(path);
  await assertRejects(
    () => ProcessBarrier.connect(path),
    Deno.errors.ConnectionRefused,
    "Cannot connect as a server must listen at path",
  );
});

/** A socket where connections are taken and nothing is said. */
async function silence(scope: Scope): Promise<{ path: string; taken: Promise<Deno.Conn> }> {
  const path = `${await temporary(scope)}/socket`;
  const listener = scope.use(Deno.listen({ transport: "unix", path }));
  return { path, taken: listener.accept().then((conn) => scope.use(conn)) };
}

test("ProcessBarrier.connect() times out where nobody answers", async (scope) => {
  const { path, taken } = await silence(scope);
  const error = await failure(ProcessBarrier.connect(path, { timeout: 5, transport: "socket" }));
  isNamed(error, "TimeoutError");
  assertEquals(
    error.message,
    "Cannot connect as the server must answer within 5 ms: current value is no answer",
  );
  // And leaves no connection: the request, and then the end.
  const reader = (await taken).readable.pipeThrough(new TextDecoderStream());
  assertStringIncludes((await Array.fromAsync(reader)).join(""), '"join"');
});

test("ProcessBarrier.connect() heeds its signal", async (scope) => {
  const { path, taken } = await silence(scope);
  const why = new Error("enough");
  const aborted = AbortSignal.abort(why);
  assertStrictEquals(await failure(ProcessBarrier.connect(path, { signal: aborted })), why);
  const controller = new CountingController();
  const connecting = failure(ProcessBarrier.connect(path, { signal: controller.signal }));
  await taken;
  await until(() => controller.listeners === 1, "the party waits for the answer");
  controller.abort(why);
  assertStrictEquals(await connecting, why);
  assertEquals(controller.listeners, 0);
});

test("ProcessBarrier.connect() fails when the other side hangs up", async (scope) => {
  const { path, taken } = await silence(scope);
  const connecting = failure(ProcessBarrier.connect(path));
  await (await taken).read(new Uint8Array(1));
  (await taken).close();
  isBroken(await connecting, "lost");
});

test("ProcessBarrier.connect() fails where something else answers", async (scope) => {
  for (
    const answer of ["HTTP/1.1 400 Bad Request\r\n\r\n", "null\n", '{"error":null}\n', "\xff\n"]
  ) {
    const { path, taken } = await silence(scope);
    const connecting = failure(ProcessBarrier.connect(path));
    await (await taken).write(Uint8Array.from(answer, (character) => character.charCodeAt(0)));
    isBroken(await connecting, "lost");
  }
});

test("ProcessBarrier.connect() refuses bad arguments", async (scope) => {
  const server = await listen(scope, 1);
  const refusals: [unknown, Record<string, unknown>, typeof TypeError, string][] = [
    [undefined, {}, TypeError, "path must be a string"],
    [5, {}, TypeError, "path must be a string"],
    [new URL("file:///tmp/x"), {}, TypeError, "path must be a string"],
    ["", {}, RangeError, "path must be 1 to"],
    [`/tmp/${"x".repeat(200)}`, {}, RangeError, "path must be 1 to"],
    [`/tmp/${"é".repeat(60)}`, {}, RangeError, "path must be 1 to"],
    [server.path, { name: "" }, RangeError, "name must be 1 to 100 characters long"],
    [server.path, { name: "x".repeat(101) }, RangeError, "name must be 1 to 100 characters long"],
    [server.path, { name: 5 }, TypeError, "name must be a string"],
    [server.path, { name: null }, TypeError, "name must be a string"],
    [server.path, { timeout: "5" }, TypeError, "timeout must be a number"],
    [server.path, { timeout: NaN }, RangeError, "timeout must be 0 ms or more"],
    [server.path, { timeout: -1 }, RangeError, "timeout must be 0 ms or more"],
    [server.path, { signal: {} }, TypeError, "signal must be an AbortSignal"],
  ];
  for (const [path, options, Refused, message] of refusals) {
    const error = await assertRejects(
      () => ProcessBarrier.connect(path as string, options),
      Refused,
    );
    assertMatch(error.message, /^Cannot (connect|join) as /);
    assertStringIncludes(error.message, message);
  }
  await meet([await join(scope, server)]);
});

// Listening

test("ProcessBarrierServer.listen() makes a directory that only the user may enter", async (scope) => {
  const server = await listen(scope, 1);
  const directory = server.path.slice(0, server.path.lastIndexOf("/"));
  const { mode, isDirectory } = await Deno.lstat(directory);
  assert(isDirectory);
  assertEquals(mode! & 0o777, 0o700);
  assert((await Deno.lstat(server.path)).isSocket);
  await server[Symbol.asyncDispose]();
  await assertRejects(() => Deno.lstat(server.path), Deno.errors.NotFound);
  await assertRejects(() => Deno.lstat(directory), Deno.errors.NotFound);
});

test("ProcessBarrierServer.listen() leaves nothing at a path that was given", async (scope) => {
  const directory = await temporary(scope);
  const path = `${directory}/socket`;
  for (let i = 0; i < 2; i++) {
    const server = await listen(scope, 1, { path });
    assertEquals(server.path, path);
    await meet([await join(scope, server)]);
    await server[Symbol.asyncDispose]();
    assertEquals(await Array.fromAsync(Deno.readDir(directory)), []);
  }
});

test("ProcessBarrierServer.listen() steals no socket that is live", async (scope) => {
  const path = `${await temporary(scope)}/socket`;
  const server = await listen(scope, 2, { path });
  const a = await join(scope, server);
  for (let i = 0; i < 2; i++) {
    await assertRejects(
      () => ProcessBarrierServer.listen({ parties: 1, path }),
      Deno.errors.AddrInUse,
      "Cannot listen as no other server must listen at path",
    );
  }
  await meet([a, await join(scope, server)]);
});

test("ProcessBarrierServer.listen() replaces a stale socket", async (scope) => {
  const path = `${await temporary(scope)}/socket`;
  await leaveStaleSocket(path);
  assert((await Deno.lstat(path)).isSocket);
  const server = await listen(scope, 1, { path });
  await meet([await join(scope, server)]);
});

test("ProcessBarrierServer.listen() leaves any other file alone", async (scope) => {
  const directory = await temporary(scope);
  const [file, folder, link, dangling] = ["file", "folder", "link", "dangling"]
    .map((name) => `${directory}/${name}`) as [string, string, string, string];
  await Deno.writeTextFile(file, "precious");
  await Deno.mkdir(folder);
  await Deno.symlink(file, link);
  await Deno.symlink(`${directory}/nowhere`, dangling);
  for (const path of [file, folder, link, dangling]) {
    await assertRejects(
      () => ProcessBarrierServer.listen({ parties: 1, path }),
      Deno.errors.AlreadyExists,
      "Cannot listen as path must be free or a socket",
    );
  }
  assertEquals(await Deno.readTextFile(file), "precious");
  assert((await Deno.lstat(folder)).isDirectory);
  assertEquals(await Deno.readLink(link), file);
  assertEquals(await Deno.readLink(dangling), `${directory}/nowhere`);
});

test("ProcessBarrierServer.listen() refuses bad options, and leaves nothing", async (scope) => {
  const directory = await temporary(scope);
  const path = `${directory}/socket`;
  const refusals: [unknown, typeof TypeError, string][] = [
    [undefined, TypeError, "options must be an object"],
    [null, TypeError, "options must be an object"],
    [3, TypeError, "options must be an object"],
    [{ path }, TypeError, "parties"],
    [{ path, parties: 0 }, RangeError, "parties"],
    [{ path, parties: 1, timeout: -1 }, RangeError, "timeout"],
    [{ path, parties: 1, action: 1 }, TypeError, "action"],
    [{ path: null, parties: 1 }, TypeError, "path must be a string"],
    [{ path: 5, parties: 1 }, TypeError, "path must be a string"],
    [{ path: "", parties: 1 }, RangeError, "path must be 1 to"],
    [{ path: `${path}${"x".repeat(200)}`, parties: 1 }, RangeError, "path must be 1 to"],
  ];
  for (const [options, Refused, message] of refusals) {
    await assertRejects(
      () => ProcessBarrierServer.listen(options as ProcessBarrierServerOptions),
      Refused,
      message,
    );
  }
  await assertRejects(
    () => ProcessBarrierServer.listen({ parties: 1, path: `${directory}/none/socket` }),
    Deno.errors.NotFound,
  );
  assertEquals(await Array.fromAsync(Deno.readDir(directory)), []);
});

// Clients of other languages, and strangers

test("ProcessBarrierServer serves a client written from the table of the wire", async (scope) => {
  const server = await listen(scope, 2);
  const a = await join(scope, server, "a");
  const client = await raw(scope, server.path);
  const state = (arrived: number, phase: number) => ({ parties: 2, arrived, phase });
  assertEquals(await client.ask({ do: "join", version: 1, name: "python" }), {
    id: 1,
    ok: "python",
    state: state(0, 0),
  });
  const waiting = client.ask({ do: "wait" });
  await arrived(server, 1);
  assertEquals(await a.wait(), 0);
  assertEquals(await waiting, { id: 2, ok: 1, state: state(0, 1) });

  assertEquals(await client.ask({ do: "arrive" }), { id: 3, ok: 1, state: state(1, 1) });
  const watching = client.ask({ do: "watch", phase: 1 });
  assertEquals(await a.wait(), 0);
  assertEquals((await watching).ok, null);
  assertEquals((await client.ask({ do: "watch", phase: 9, timeout: 1 })).error, {
    name: "TimeoutError",
    message: "Cannot pass phase 9 as all parties must arrive within 1 ms: " +
      'current value is 0 of 2 arrived, missing "a", "python"',
  });

  // The id of a request may be anything, and so may that of the wait it cancels.
  await client.send('{"id":"w","do":"wait","cancellable":true,"onCancel":"withdraw"}\n');
  await arrived(server, 1);
  assertEquals((await client.ask({ do: "cancel", wait: "w", reason: "why" })).ok, null);
  await until(() => client.others.length === 1, "the answer to the wait");
  assertEquals(client.others.pop(), {
    id: "w",
    error: { name: "Cancelled", message: "why" },
    state: state(0, 2),
  });

  assertEquals((await client.ask({ do: "status" })).ok, {
    ...state(0, 2),
    broken: false,
    missing: ["a", "python"],
    transport: "socket",
  });
  assertEquals((await client.ask({ do: "abort", reason: "text" })).ok, null);
  assertEquals((await client.ask({ do: "wait" })).error, {
    name: "BrokenBarrierError",
    message: "Cannot pass phase 2 as the barrier must be unbroken: current value is " +
      '"aborted", 0 of 2 arrived, missing "a", "python"',
    reason: "aborted",
    phase: 2,
    arrived: 0,
    parties: 2,
    cause: "text",
  });
  assertEquals((await client.ask({ do: "status" })).state, { ...state(0, 2), reason: "aborted" });
  assertEquals((await client.ask({ do: "reset" })).state, state(0, 2));
  assertEquals((await client.ask({ do: "register", count: 1 })).ok, 2);
  assertEquals((await client.ask({ do: "drop" })).ok, 2);
  client.close();
  await meet([a, await join(scope, server)]);

  const leaver = await raw(scope, server.path);
  await server.register();
  await leaver.ask({ do: "join", version: 1 });
  assertEquals((await leaver.ask({ do: "leave" })).ok, null);
  isBroken(await failure(a.wait()), "aborted");
  await server[Symbol.asyncDispose]();
  await leaver.ended();
  assertEquals((leaver.others.at(-1)!.error as Line).name, "BrokenBarrierError");
});

test("ProcessBarrierServer answers what is wrong with a request, and nothing changes", async (scope) => {
  const server = await listen(scope, 1);
  const client = await raw(scope, server.path);
  await client.ask({ do: "join", version: 1, name: "client" });
  const wrong: [Line, string][] = [
    [{ do: "join", version: 1 }, "TypeError"],
    [{ do: "dance" }, "TypeError"],
    [{}, "TypeError"],
    [{ do: null }, "TypeError"],
    [{ do: { toString: 1 } }, "TypeError"],
    [{ do: "__proto__" }, "TypeError"],
    [{ do: "wait", timeout: "x" }, "TypeError"],
    [{ do: "wait", timeout: -1 }, "RangeError"],
    [{ do: "wait", timeout: {} }, "TypeError"],
    [{ do: "wait", timeout: "x", cancellable: true }, "TypeError"],
    [{ do: "wait", onCancel: "y" }, "TypeError"],
    [{ do: "wait", onCancel: null }, "TypeError"],
    [{ do: "watch" }, "TypeError"],
    [{ do: "watch", phase: -1 }, "RangeError"],
    [{ do: "watch", phase: "0" }, "TypeError"],
    [{ do: "watch", phase: 0, timeout: [] }, "TypeError"],
    [{ do: "register", count: 0 }, "RangeError"],
    [{ do: "register", count: 1.5 }, "RangeError"],
    [{ do: "register", count: 2 ** 53 }, "RangeError"],
  ];
  for (const [request, name] of wrong) {
    const { error, state } = await client.ask(request);
    assertEquals((error as Line)?.name, name, JSON.stringify(request));
    assertMatch(`${(error as Line).message}`, /^Cannot .* as .* must be .*: current value is /);
    assertEquals(state, { parties: 1, arrived: 0, phase: 0 });
    assertEquals(server.missing, ["client"]);
  }
  assertEquals((await client.ask({ do: "cancel", wait: 99 })).ok, null);
  assertEquals((await client.ask({ do: "cancel" })).ok, null);
  assertEquals((await client.ask({ do: "wait", timeout: null })).ok, 0);
});

/** Bytes that are the same in each run. */
function randomBytes(seed: number, length: number): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  });
}

/** What strangers say; the server hangs up, unless they do. */
const strangers: [string, (stranger: RawClient) => Promise<unknown> | void, "hangs up"?][] = [
  ["random bytes", (stranger) => stranger.send(randomBytes(7, 100_000))],
  ["random lines", async (stranger) => {
    for (let seed = 0; seed < 20; seed++) await stranger.send(randomBytes(seed, 50));
    await stranger.send("\n");
  }],
  ["a line of 1 MiB", (stranger) => stranger.send("x".repeat(1024 * 1024))],
  ["a line of 1 MiB of JSON", (stranger) => stranger.send(`{"do":"${"x".repeat(1024 * 1024)}`)],
  ["a join of few characters and many bytes", (stranger) => {
    return stranger.send(`{"pad":"${"€".repeat(6_000)}",${JOIN.slice(1)}`);
  }],
  ["a join of 1 MiB", (stranger) => {
    return stranger.send(`{"pad":"${"x".repeat(1024 * 1024)}",${JOIN.slice(1)}`);
  }],
  ["invalid UTF-8", (stranger) => stranger.send(Uint8Array.of(0x22, 0xc3, 0x28, 0x22, 0x0a))],
  ["an empty line", (stranger) => stranger.send("\n")],
  ["no JSON", (stranger) => stranger.send("{'do':'join'}\n")],
  ["null", (stranger) => stranger.send("null\n")],
  ["a number", (stranger) => stranger.send("1\n")],
  ["a string", (stranger) => stranger.send('"join"\n')],
  ["a list", (stranger) => stranger.send("[]\n")],
  ["deep JSON", (stranger) => stranger.send(`${"[".repeat(10_000)}\n`)],
  ["an unknown verb", (stranger) => stranger.send('{"do":"dance"}\n')],
  ["no verb", (stranger) => stranger.send("{}\n")],
  ["a request before it has joined", (stranger) => stranger.send('{"id":1,"do":"arrive"}\n')],
  ["a reset before it has joined", (stranger) => stranger.send('{"id":1,"do":"reset"}\n')],
  ["a join of another version", (stranger) => {
    return stranger.send('{"id":1,"do":"join","version":2}\n');
  }],
  ["a join where no seat is free", (stranger) => stranger.send(JOIN)],
  ["a join twice, and an arrival", (stranger) => {
    return stranger.send(JOIN + JOIN + '{"id":2,"do":"arrive"}\n');
  }],
  ["HTTP", (stranger) => stranger.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")],
  ["half a line, and hangs up", async (stranger) => {
    await stranger.send(JOIN.slice(0, 10));
    stranger.close();
  }, "hangs up"],
  ["a join without its end, and hangs up", async (stranger) => {
    await stranger.send(JOIN.trimEnd());
    stranger.close();
  }, "hangs up"],
  ["nothing, and hangs up", (stranger) => stranger.close(), "hangs up"],
];

test("ProcessBarrierServer is not disturbed by strangers", async (scope) => {
  const server = await listen(scope, 2);
  const [a, b] = await joinAll(scope, server, "a", "b");
  const PHASES = 200;
  const working = quiet(Promise.all([a, b].map(async (member) => {
    for (let phase = 0; phase < PHASES; phase++) await member.wait();
  })));
  for (const [what, speak] of strangers) {
    const stranger = await raw(scope, server.path);
    await speak(stranger);
    await stranger.ended().catch((error) => {
      throw new Error(`after ${what}`, { cause: error });
    });
    assertEquals([server.broken, server.parties], [false, 2], what);
  }
  await working;
  assertEquals(server.phase, PHASES);
  // Some of them while it waits, too.
  const waiting = quiet(a.wait());
  await arrived(server, 1);
  await Promise.all(strangers.map(async ([, speak]) => {
    const stranger = await raw(scope, server.path);
    await speak(stranger);
    await stranger.ended();
  }));
  assertEquals([server.arrived, server.missing], [1, ["b"]]);
  assertEquals([await b.wait(), await waiting], [0, 1]);
});

test("ProcessBarrierServer takes a line in whatever pieces it comes", async (scope) => {
  const server = await listen(scope, 1);
  const client = await raw(scope, server.path);
  const name = "é\u{1F600}".repeat(20);
  const line = `{"id":"x","do":"join","version":1,"name":"${name}"}\n`;
  for (const byte of new TextEncoder().encode(line)) {
    await client.send(Uint8Array.of(byte));
    await turn();
  }
  await until(() => client.others.length === 1, "the answer");
  assertEquals(client.others[0]!.ok, name);
  await client.send('{"id":"y","do":"arrive"}\r\n{"id":"z","do":"wait"}\n');
  await until(() => client.others.length === 3, "two answers");
  assertEquals(client.others.slice(1).map(({ id, ok }) => [id, ok]), [["y", 0], ["z", 0]]);
});

test("ProcessBarrierServer answers all, to one that reads slower than it asks", async (scope) => {
  const server = await listen(scope, 60);
  for (let i = 1; i < 60; i++) await join(scope, server, `${i} `.padEnd(100, "x"));
  const client = await raw(scope, server.path);
  await client.ask({ do: "join", version: 1 });
  // About 400 kB, which is more than a socket takes at once.
  await client.send('{"id":"x","do":"status"}\n'.repeat(60));
  await until(() => client.others.length === 60, "60 answers");
  for (const { ok } of client.others) {
    assertEquals((ok as { missing: string[] }).missing.length, 60);
  }
});

test("ProcessBarrierServer hangs up on the oldest of too many that say nothing", async (scope) => {
  const server = await listen(scope, 2);
  const a = await join(scope, server, "a");
  const silent: RawClient[] = [];
  for (let i = 0; i < 200; i++) silent.push(await raw(scope, server.path));
  const b = await join(scope, server, "b");
  // Of 201 connections that had not joined, 128 may stay.
  await until(() => silent.filter(({ closed }) => closed).length >= 73, "73 are closed");
  assertEquals(silent.findIndex(({ closed }) => !closed), 73);
  await meet([a, b]);
  await server[Symbol.asyncDispose]();
  for (const stranger of silent) await stranger.ended();
});

test("ProcessBarrierServer hangs up on a stranger that says nothing for long", async (scope) => {
  const server = await listen(scope, 1);
  {
    using time = new FakeTime();
    const stranger = await raw(scope, server.path);
    await untilReal(() => time.pending === 1, "the server has taken the connection");
    time.tick(9_999);
    assertEquals(time.pending, 1);
    time.tick(1);
    await stranger.ended();
    // A party may be silent for as long as it likes.
    const member = await raw(scope, server.path);
    await member.ask({ do: "join", version: 1 });
    assertEquals(time.pending, 0);
    time.tick(100_000);
    assertEquals((await member.ask({ do: "wait" })).ok, 0);
  }
});

/** Waits until `condition` holds, without a timer. */
async function untilReal(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; !condition(); i++) {
    if (i > 10_000) throw new Error(`Hung: ${what}`);
    await Deno.lstat(".");
  }
}

test("ProcessBarrierServer is not harmed by a client that never reads its answers", async (scope) => {
  const server = await listen(scope, 3);
  const [a, b] = await joinAll(scope, server, "a", "b");
  const deaf = await raw(scope, server.path, { reads: false });
  // It has dropped, so that the others need it no longer.
  await deaf.send(JOIN + '{"id":2,"do":"drop"}\n');
  await until(() => server.parties === 2, "it has dropped");
  const asking = quiet((async () => {
    for (let i = 0; i < 200; i++) await deaf.send('{"id":3,"do":"status"}\n'.repeat(100));
  })());
  for (let phase = 0; phase < 100; phase++) await meet([a, b]);
  await asking;
  await meet([a, b]);
  assertEquals(server.phase, 101);
});

test("ProcessBarrierServer loses a party that never reads its answers", async (scope) => {
  const server = await listen(scope, 2);
  const a = await join(scope, server, "a");
  const deaf = await raw(scope, server.path, { reads: false });
  await deaf.send(JOIN.replace("}", ',"name":"deaf"}'));
  await until(() => server.missing.includes("deaf"), "it has joined");
  const waiting = failure(a.wait());
  for (let i = 0; i < 1_000 && !server.broken; i++) {
    await deaf.send('{"id":3,"do":"status"}\n'.repeat(100));
  }
  const error = await waiting;
  isBroken(error, "lost");
  assertStringIncludes(error.message, '"deaf" is gone');
});

// Many at once

test("ProcessBarrier meets with 100 parties, phase after phase", async (scope) => {
  const server = await listen(scope, 100);
  const members = await Promise.all(Array.from({ length: 100 }, () => join(scope, server)));
  for (let phase = 0; phase < 5; phase++) await meet(members);
});
