// Copyright 2026 the Rendezvous authors. MIT license.

import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import { type BrokenBarrierError, ProcessBarrier } from "../../process_barrier.ts";
import {
  Actor,
  failure,
  join,
  type Line,
  listen,
  RawClient,
  temporary,
  test,
  turn,
  unshared,
  until,
} from "./_helpers.ts";

/** The name of the error in an answer. */
function errorOf(answer: Line): unknown {
  return (answer.error as Line | undefined)?.name ?? answer;
}

for (const count of [200, 1_000]) {
  test(`ProcessBarrierServer lets in ${count} that connect while it is busy`, async (scope) => {
    const actor = new Actor(scope);
    const path = await actor.do<string>("listen", { parties: count });
    await actor.stop();
    const connecting = Array.from(
      { length: count },
      () => ProcessBarrier.connect(path, { transport: "socket", connectTimeout: 60_000 }),
    );
    // All of them are in the queue of the socket, and none can be answered.
    await turn();
    actor.kill("SIGCONT");
    const parties = await Promise.all(connecting);
    for (const party of parties) scope.use(party);
    const numbers = await Promise.all(parties.map((party) => party.wait()));
    assertEquals(
      numbers.sort((a, b) => a - b),
      Array.from({ length: count }, (_, i) => i),
    );
  });
}

test("ProcessBarrierServer serves a client written from the doc of the wire", async (scope) => {
  const server = await listen(scope, { parties: 2, timeout: 60_000 });
  const a = scope.use(await RawClient.connect(server.path));
  const b = scope.use(await RawClient.connect(server.path));
  const joined = await a.ask({ do: "join", version: 2, name: "a" });
  assertEquals(joined.ok, { name: "a", timeout: 60_000, missing: ["a"] });
  assertEquals(joined.state, { parties: 2, arrived: 0, phase: 0, broken: false });
  await b.ask({ do: "join", version: 2 });

  // The usual wait.
  const waiting = a.ask("wait");
  await until(() => server.arrived === 1, "an arrival");
  assertEquals(await b.ask("wait"), [2, 0, 2, 0, 1] as never);
  assertEquals(await waiting, [2, 1, 2, 0, 1] as never);

  // Another wait.
  const passing = Promise.all([a.ask({ do: "wait", timeout: null }), b.ask({ do: "wait" })]);
  assertEquals((await passing).map(({ ok }) => ok).sort(), [0, 1]);

  // The rest.
  assertEquals((await a.ask({ do: "arrive" })).ok, 2);
  assertEquals((await a.ask({ do: "status" })).ok, {
    parties: 2,
    arrived: 1,
    phase: 2,
    broken: false,
    missing: ["party 0"],
  });
  const watching = a.ask({ do: "waitFor", phase: 2, timeout: 60_000 });
  assertEquals((await b.ask({ do: "arrive" })).ok, 2);
  assertEquals((await watching).ok, null);
  assertEquals((await a.ask({ do: "register", count: 1 })).ok, 3);
  const broken = b.ask("wait");
  await until(() => server.arrived === 1, "an arrival");
  assertEquals((await a.ask({ do: "abort", reason: "why" })).ok, null);
  const { error, state } = await broken;
  assertEquals(error, {
    name: "BrokenBarrierError",
    message:
      'Phase 3 broke: aborted by "a": why (1 of 3 arrived, missing "a" and 1 without a name)',
    reason: "aborted",
    phase: 3,
    arrived: 1,
    parties: 3,
    missing: ["a"],
    party: "a",
    cause: "why",
  });
  assertEquals(state, { parties: 3, arrived: 1, phase: 3, broken: true, reason: "aborted" });
  const ready = b.ask({ do: "ready" });
  assertEquals((await a.ask({ do: "reset", phase: 3, dropLost: false })).ok, []);
  assertEquals((await ready).ok, null);
  assertEquals((await b.ask({ do: "drop" })).ok, 4);
  const left = await a.ask({ do: "leave" });
  assertEquals((left.ok as Line[]).map(({ phase }) => phase), [3, 4]);
});

test("ProcessBarrierServer cancels a request of the wire, before it and while it waits", async (scope) => {
  const server = await listen(scope, { parties: 2 });
  const a = scope.use(await RawClient.join(server.path, "a"));
  const b = scope.use(await RawClient.join(server.path, "b"));
  const waiting = a.ask({ do: "wait", cancellable: true, onCancel: "withdraw" });
  await until(() => server.arrived === 1, "an arrival");
  await a.ask({ do: "cancel", wait: 2, reason: "enough" });
  assertEquals(errorOf(await waiting), "Cancelled");
  assertEquals([server.arrived, server.broken], [0, false]);
  assertEquals(errorOf(await a.ask({ do: "waitFor", phase: 7, cancelled: "late" })), "Cancelled");
  assertEquals(errorOf(await b.ask({ do: "wait", cancelled: "late" })), "Cancelled");
  assertEquals([server.arrived, server.broken], [0, true]);
});

test("ProcessBarrierServer answers what is wrong with a request, and nothing changes", async (scope) => {
  const server = await listen(scope, { parties: 2 });
  const client = scope.use(await RawClient.join(server.path, "a"));
  const wrong: [Line, string][] = [
    [{ do: "wait", timeout: -1 }, "RangeError"],
    [{ do: "wait", timeout: "1" }, "TypeError"],
    [{ do: "wait", timeout: {} }, "TypeError"],
    [{ do: "wait", onCancel: "explode" }, "TypeError"],
    [{ do: "wait", onCancel: null }, "TypeError"],
    [{ do: "waitFor" }, "TypeError"],
    [{ do: "waitFor", phase: -1 }, "RangeError"],
    [{ do: "waitFor", phase: 0.5 }, "RangeError"],
    [{ do: "waitFor", phase: 2 ** 52 }, "RangeError"],
    [{ do: "waitFor", phase: 0, timeout: "x" }, "TypeError"],
    [{ do: "ready", timeout: -1 }, "RangeError"],
    [{ do: "register", count: 0 }, "RangeError"],
    [{ do: "register", count: 1e9 }, "RangeError"],
    [{ do: "register", count: [1] }, "TypeError"],
    [{ do: "reset", phase: "0" }, "TypeError"],
    [{ do: "reset", dropLost: 1 }, "TypeError"],
    [{ do: "join", version: 2 }, "TypeError"],
    [{ do: "memory", version: 2 }, "TypeError"],
    [{ do: "opened" }, "TypeError"],
    [{ do: "__proto__" }, "TypeError"],
    [{ do: "constructor" }, "TypeError"],
    [{ do: 7 }, "TypeError"],
    [{ do: null }, "TypeError"],
    [{}, "TypeError"],
  ];
  const before = await server.status();
  for (const [request, name] of wrong) {
    assertEquals(errorOf(await client.ask(request)), name, JSON.stringify(request));
    assertEquals(await server.status(), before);
  }
  for (const request of [{ do: "cancel" }, { do: "cancel", wait: {}, reason: {} }]) {
    assertEquals((await client.ask(request)).ok, null);
  }
  assertEquals(await server.status(), before);
});

test("ProcessBarrierServer survives what strangers and members send", async (scope) => {
  const server = await listen(scope, { parties: 2 });
  const lines = [
    "",
    "\n",
    "null\n",
    "7\n",
    "[]\n",
    "[1]\n",
    "[-1]\n",
    "[1,\n",
    "[[1]]\n",
    '["a"]\n',
    "{\n",
    "{}\n",
    "GET / HTTP/1.1\r\n\r\n",
    '{"do":"join"}\n',
    '{"id":1,"do":"join","version":1}\n',
    '{"id":1,"do":"join","version":{}}\n',
    '{"id":1,"do":"join","version":2,"name":""}\n',
    '{"id":1,"do":"join","version":2,"name":7}\n',
    `{"id":1,"do":"join","version":2,"name":"${"x".repeat(65)}"}\n`,
    '{"id":1,"do":"join","version":2,"memory":1}\n',
    '{"id":1,"do":"wait"}\n',
    '{"id":2,"do":"opened"}\n',
    '{"id":2,"do":"memory"}\n',
    '{"id":2,"do":"memory","version":{}}\n',
    '{"id":{"toString":7},"do":"status"}\n',
    "\xff\xfe\n",
    "x".repeat(20_000),
    "\0".repeat(100_000) + "\n",
  ];
  for (const line of lines) {
    await using stranger = await RawClient.connect(server.path);
    await stranger.send(Uint8Array.from(line, (char) => char.charCodeAt(0)));
  }
  await until(() => server.missing.length === 0, "no party");
  assertFalse(server.broken);
  // A member can break the barrier by that, as it is lost. It cannot do more.
  for (const line of lines) {
    await using member = await RawClient.join(server.path, "member");
    await member.send(Uint8Array.from(line, (char) => char.charCodeAt(0)));
    member.close();
    await until(() => server.broken, "the loss of a member");
    await server.reset();
  }
  const a = await join(scope, server.path);
  const b = await join(scope, server.path);
  await Promise.all([a.wait(), b.wait()]);
});

test(`ProcessBarrierServer without memory survives {"id":2,"do":"opened"} from a member`, async (scope) => {
  const path = `${await temporary(scope)}/socket`;
  // A server that may do what it must, and no more.
  const directory = path.slice(0, path.lastIndexOf("/"));
  const code = `import { ProcessBarrierServer } from ${
    JSON.stringify(import.meta.resolve("../../process_barrier.ts"))
  };
    const server = await ProcessBarrierServer.listen({ parties: 1, path: Deno.args[0] });
    console.log(server.path);`;
  const main = `${directory}/main.ts`;
  await Deno.writeTextFile(main, code);
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--no-check",
      `--allow-read=${directory}`,
      `--allow-write=${directory}`,
      `--allow-net=unix:${path},unix:${path}.new`,
      main,
      path,
    ],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  scope.defer(async () => {
    child.kill();
    await child.status;
    await child.stdout.cancel();
  });
  const reader = child.stdout.getReader();
  await reader.read();
  reader.releaseLock();
  const member = scope.use(await RawClient.join(path));
  assertEquals((await member.ask({ do: "opened" }) as { error: Line }).error.name, "TypeError");
  assertEquals((await member.ask({ do: "wait" })).ok, 0);
  const stranger = scope.use(await RawClient.connect(path));
  assertEquals((await stranger.ask({ do: "memory", version: 2 })).ok, null);
  const refused = await stranger.ask({ do: "join", version: 2, memory: true });
  assertEquals(errorOf(refused), "InvalidStateError");
});

test("ProcessBarrierServer takes a line in whatever pieces it comes", async (scope) => {
  const server = await listen(scope, { parties: 1 });
  const client = scope.use(await RawClient.connect(server.path));
  for (const byte of new TextEncoder().encode('{"id":7,"do":"join","version":2,"name":"é"}\n')) {
    await client.send(Uint8Array.of(byte));
  }
  await until(() => client.others.length === 1, "an answer");
  assertEquals((client.others[0] as { ok: Line }).ok.name, "é");
});

test("ProcessBarrierServer tells whom it dismisses why", async (scope) => {
  const server = await listen(scope, { parties: 1 });
  const client = scope.use(await RawClient.connect(server.path));
  await client.send("nonsense\n");
  await client.ended();
  assertEquals((client.others[0] as { end: Line }).end.name, "TypeError");
});

test("ProcessBarrierServer dismisses the oldest of too many that do not join", async (scope) => {
  const server = await listen(scope, { parties: 1 });
  const first = scope.use(await RawClient.connect(server.path));
  // As many as there can be parties, twice. The queue of the socket holds half of that.
  for (let i = 0; i < 2 * 1_023; i++) {
    scope.use(await RawClient.connect(server.path));
    if (i % 500 === 0) await turn();
  }
  await first.ended();
  assertEquals((first.others[0] as { end: Line }).end.name, "InvalidStateError");
  await join(scope, server.path);
});

test("ProcessBarrierServer loses a party that never reads its answers", async (scope) => {
  const server = await listen(scope, { parties: 2 });
  const deaf = scope.use(await RawClient.connect(server.path, { reads: false }));
  await deaf.send('{"id":1,"do":"join","version":2,"name":"deaf"}\n');
  await until(() => server.missing.length === 1, "a party");
  const flood = '{"id":2,"do":"status"}\n'.repeat(1_000);
  const flooding = (async () => {
    while (!server.broken) await deaf.send(flood);
  })();
  await until(() => server.broken, "its loss");
  deaf.close();
  await flooding;
  assertEquals((await failure(server.waitFor(0)) as BrokenBarrierError).party, "deaf");
});

test("ProcessBarrierServer loses a party that has too many answers coming", async (scope) => {
  const server = await listen(scope, { parties: 2 });
  const greedy = scope.use(await RawClient.join(server.path, "greedy"));
  await greedy.send('{"id":2,"do":"waitFor","phase":5}\n'.repeat(1_001));
  await greedy.ended();
  assert(server.broken);
});

test("ProcessBarrierServer.expect() frees the others when a process dies before it connects", async (scope) => {
  const server = await listen(scope, { parties: 2 });
  const survivor = await join(scope, server.path, { name: "survivor" });
  const child = new Deno.Command(Deno.execPath(), { args: ["eval", "("], stderr: "null" }).spawn();
  server.expect("child", child.status);
  assertEquals(server.missing, ["survivor", "child"]);
  const error = await failure(survivor.wait()) as BrokenBarrierError;
  assertEquals([error.reason, error.party, error.phase], ["lost", "child", 0]);
  assertEquals(
    error.message,
    'Phase 0 broke: "child" ended before it joined (1 of 2 arrived, missing "child")',
  );
  // Its seat is free after a reset.
  await server.reset(error.phase);
  const replacement = await join(scope, server.path, { name: "child" });
  await Promise.all([survivor.wait(), replacement.wait()]);
});

test("ProcessBarrierServer.expect() quotes a rejection as the cause", async (scope) => {
  const server = await listen(scope, { parties: 2 });
  const survivor = await join(scope, server.path);
  server.expect("child", Promise.reject(new Error("no such program")));
  const error = await failure(survivor.wait()) as BrokenBarrierError;
  assertEquals([error.reason, error.cause], ["lost", "no such program"]);
});

test("ProcessBarrierServer.expect() keeps a seat, and gives it to a party of that name", async (scope) => {
  const server = await listen(scope, { parties: 2 });
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  server.expect("child", ended);
  await join(scope, server.path, { name: "other" });
  const refused = await failure(ProcessBarrier.connect(server.path)) as DOMException;
  assertEquals([refused.name, refused.message], [
    "InvalidStateError",
    "No seat is free: 2 of 2 are taken",
  ]);
  await join(scope, server.path, { name: "child" });
  // Once it has joined, that is ignored.
  resolve();
  await server.reset();
  assertFalse(server.broken);
});

test("ProcessBarrierServer.expect() goes on where a party gives up to connect", async (scope) => {
  const server = await listen(scope, { parties: 2 });
  const survivor = await join(scope, server.path, { name: "survivor" });
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  server.expect("child", ended);
  for (const _ of ["once", "again"]) {
    const child = scope.use(await RawClient.join(server.path, "child"));
    assertEquals((await child.ask({ do: "vacate" })).ok, null);
    await child.ended();
    assertEquals([server.missing, server.broken], [["survivor", "child"], false]);
  }
  const waiting = failure(survivor.wait());
  const child = scope.use(await RawClient.join(server.path, "child"));
  // It ends before the server knows that it had given up.
  resolve();
  await turn();
  await child.ask({ do: "vacate" });
  const error = await waiting as BrokenBarrierError;
  assertEquals([error.reason, error.party], ["lost", "child"]);
});

test("ProcessBarrierServer takes no seat back from a party that has asked for something", async (scope) => {
  const server = await listen(scope, { parties: 2 });
  for (const request of ["wait", { do: "arrive" }, { do: "status" }] as const) {
    const client = scope.use(await RawClient.join(server.path, "a"));
    const asked = client.ask(request as Line);
    assertEquals(errorOf(await client.ask({ do: "vacate" })), "TypeError");
    client.close();
    await until(() => server.broken, "a loss");
    await asked.catch(() => {});
    await server.reset();
  }
});

test("ProcessBarrierServer.expect() lets in who queued up before it judges", async (scope) => {
  const server = await listen(scope, { parties: 3 });
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  server.expect("launched", ended);
  // It is in the queue, and the server has not looked.
  const joining = join(scope, server.path, { name: "launched" });
  const others = [join(scope, server.path), join(scope, server.path)];
  resolve();
  const parties = await Promise.all([joining, ...others]);
  await Promise.all(parties.map((party) => party.wait()));
});

test("ProcessBarrierServer.expect() refuses what it cannot keep", async (scope) => {
  const server = await listen(scope, { parties: 1 });
  const never = new Promise(() => {});
  for (
    const [args, name] of [
      [[7, never], "TypeError"],
      [["", never], "RangeError"],
      [["a", undefined], "TypeError"],
    ] as const
  ) {
    assertEquals(
      (await failure(
        Promise.try(() => server.expect(...args as unknown as [string, Promise<void>])),
      ) as Error).name,
      name,
    );
  }
  server.expect("a", never);
  for (const name of ["a", "b"]) {
    const error = await failure(Promise.try(() => server.expect(name, never))) as DOMException;
    assertEquals(error.name, "InvalidStateError");
  }
});

for (const transport of ["socket", "shared-memory"] as const) {
  const ignore = transport === "shared-memory" && unshared !== undefined;
  test(
    `ProcessBarrierServer.reset() straight after child.status frees the seat [${transport}]`,
    async (scope) => {
      const server = await listen(scope, { parties: 2 });
      const survivor = await join(scope, server.path, { name: "a", transport });
      for (let round = 0; round < 5; round++) {
        const child = new Actor(scope);
        await child.do("connect", server.path, { name: "b", transport });
        child.kill();
        await child.status;
        await server.reset();
        const replacement = await ProcessBarrier.connect(server.path, { name: "b", transport });
        await Promise.all([survivor.wait(), replacement.wait()]);
        await replacement[Symbol.asyncDispose]();
        await server.reset();
      }
    },
    { ignore },
  );
}

test("ProcessBarrierServer is over once it is disposed, and comes to life by nothing", async (scope) => {
  const server = await listen(scope, { parties: 1 });
  const party = await join(scope, server.path);
  await party.wait();
  await server.abort("once");
  await server.reset();
  await server[Symbol.asyncDispose]();
  for (
    const attempt of [
      () => server.reset(),
      () => server.reset(2),
      () => server.register(),
      () => server.ready(),
      () => Promise.try(() => server.expect("a", Promise.resolve())),
    ]
  ) {
    const error = await assertRejects(attempt, DOMException);
    assertEquals(error.name, "InvalidStateError");
  }
  await server.abort("again");
  await server.waitFor(0);
  assertEquals((await failure(server.waitFor(1)) as BrokenBarrierError).reason, "aborted");
  assertEquals((await failure(server.waitFor(2)) as BrokenBarrierError).reason, "aborted");
  assertEquals([server.broken, server.phase, (await server.status()).reason], [true, 2, "aborted"]);
  await server[Symbol.asyncDispose]();
});

test("ProcessBarrierServer[Symbol.asyncDispose]() waits only for a while for who never reads", async (scope) => {
  const server = await listen(scope, { parties: 1 });
  scope.use(await RawClient.connect(server.path, { reads: false }));
  await server[Symbol.asyncDispose]();
});
