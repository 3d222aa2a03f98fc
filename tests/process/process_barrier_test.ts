// Copyright 2026 the Rendezvous authors. MIT license.

import { assert, assertEquals, assertInstanceOf, assertMatch, assertRejects } from "@std/assert";
import * as exported from "../../process_barrier.ts";
import {
  BrokenBarrierError,
  ProcessBarrier,
  type ProcessBarrierOptions,
  ProcessBarrierServer,
} from "../../process_barrier.ts";
import {
  Actor,
  ActorError,
  failure,
  inMemory,
  join,
  listen,
  temporary,
  test,
  turn,
  unshared,
  until,
} from "./_helpers.ts";

const TRANSPORTS = ["socket", "shared-memory"] as const;

/** A test for each transport. */
function each(
  name: string,
  body: (scope: AsyncDisposableStack, transport: "socket" | "shared-memory") => Promise<void>,
): void {
  for (const transport of TRANSPORTS) {
    const ignore = transport === "shared-memory" && unshared !== undefined;
    const title = `${name} [${transport}]`;
    test(ignore ? inMemory(title) : title, (scope) => body(scope, transport), { ignore });
  }
}

/** A test that needs shared memory. */
function testMemory(name: string, body: (scope: AsyncDisposableStack) => Promise<void>): void {
  test(inMemory(name), body, { ignore: unshared !== undefined });
}

// Options

test("process_barrier.ts exports BrokenBarrierError", () => {
  assertEquals(Object.keys(exported).sort(), [
    "BrokenBarrierError",
    "ProcessBarrier",
    "ProcessBarrierServer",
  ]);
});

test("ProcessBarrierServer.listen() refuses bad options, and leaves nothing", async () => {
  const bad: [unknown, typeof TypeError | typeof RangeError][] = [
    [undefined, TypeError],
    [null, TypeError],
    [7, TypeError],
    [{}, TypeError],
    [{ parties: "2" }, TypeError],
    [{ parties: 0 }, RangeError],
    [{ parties: 1.5 }, RangeError],
    [{ parties: 1_024 }, RangeError],
    [{ parties: 2, timeout: -1 }, RangeError],
    [{ parties: 2, timeout: "1" }, TypeError],
    [{ parties: 2, action: 7 }, TypeError],
    [{ parties: 2, path: 7 }, TypeError],
    [{ parties: 2, path: "" }, RangeError],
    [{ parties: 2, path: "/tmp/" + "x".repeat(200) }, RangeError],
  ];
  for (const [options, Refusal] of bad) {
    const { message } = await assertRejects(
      () => ProcessBarrierServer.listen(options as never),
      Refusal,
    );
    assertMatch(message, /^Cannot listen as .*: current value is /);
  }
});

test("ProcessBarrier.connect() refuses bad arguments", async (scope) => {
  const server = await listen(scope, { parties: 1 });
  const bad: [unknown, unknown, typeof TypeError | typeof RangeError][] = [
    [7, {}, TypeError],
    ["", {}, RangeError],
    [server.path, null, TypeError],
    [server.path, 7, TypeError],
    [server.path, { name: 7 }, TypeError],
    [server.path, { name: "" }, RangeError],
    [server.path, { name: "x".repeat(65) }, RangeError],
    [server.path, { name: "é".repeat(33) }, RangeError],
    [server.path, { timeout: -1 }, RangeError],
    [server.path, { timeout: "1" }, TypeError],
    [server.path, { connectTimeout: NaN }, RangeError],
    [server.path, { connectTimeout: "1" }, TypeError],
    [server.path, { signal: {} }, TypeError],
    [server.path, { transport: "carrier pigeon" }, TypeError],
    [server.path, { action: () => {} }, TypeError],
  ];
  for (const [path, options, Refusal] of bad) {
    await assertRejects(() => ProcessBarrier.connect(path as string, options as never), Refusal);
  }
  // Nobody has taken the seat.
  await join(scope, server.path);
});

each("ProcessBarrier takes undefined for an option that is not given", async (scope, transport) => {
  const server = await listen(scope, {
    parties: 1,
    path: undefined,
    action: undefined,
    timeout: undefined,
  });
  const barrier = await join(scope, server.path, {
    name: undefined,
    timeout: undefined,
    connectTimeout: undefined,
    signal: undefined,
    transport,
  });
  await barrier.wait({ timeout: undefined, signal: undefined, onCancel: undefined });
  await barrier.waitFor(0, { timeout: undefined, signal: undefined });
  await barrier.ready({ timeout: undefined, signal: undefined });
  await barrier.reset(undefined, { dropLost: undefined });
  assertEquals(barrier.name, "party 0");
});

each("ProcessBarrier.name is what was given, of up to 64 bytes", async (scope, transport) => {
  const names = ["a", "x".repeat(64), "é".repeat(32), 'a "b"\n\u2028\0\u{1F600}'];
  const server = await listen(scope, { parties: names.length });
  for (const name of names) {
    assertEquals((await join(scope, server.path, { name, transport })).name, name);
  }
  assertEquals(server.missing.sort(), names.sort());
});

each(
  "ProcessBarrier.connect() tells a bad name from no seat and a name in use",
  async (scope, transport) => {
    const server = await listen(scope, { parties: 2 });
    await join(scope, server.path, { name: "a", transport });
    const connect = (name: string) => ProcessBarrier.connect(server.path, { name, transport });
    const used = await failure(connect("a")) as DOMException;
    assertEquals([used.name, used.message], [
      "InvalidStateError",
      'The name "a" is in use at this barrier',
    ]);
    await join(scope, server.path, { name: "b", transport });
    const full = await failure(connect("c")) as DOMException;
    assertEquals([full.name, full.message], [
      "InvalidStateError",
      "No seat is free: 2 of 2 are taken",
    ]);
    assertInstanceOf(await failure(connect("")), RangeError);
  },
);

// Connecting

test("ProcessBarrier.connect() tells what is no barrier server", async (scope) => {
  const path = `${await temporary(scope)}/socket`;
  using listener = Deno.listen({ transport: "unix", path });
  const talk = async (say: string | undefined) => {
    using conn = await listener.accept();
    await conn.read(new Uint8Array(100));
    let rest = new TextEncoder().encode(say ?? "");
    while (rest.length > 0) rest = rest.subarray(await conn.write(rest));
  };
  const says: [string | undefined, string][] = [
    ["HTTP/1.1 400 Bad Request\r\n\r\n", "is not a barrier server"],
    ["220 smtp.example.org ESMTP\r\n", "is not a barrier server"],
    ['{"jsonrpc":"2.0"}\n', "is not a barrier server"],
    ["login: ", "is not a barrier server"],
    ['{"id":1,"ok":null}\n', "is not a barrier server: it gave no name"],
    ['{"id":1,"ok":{"name":7}}\n', "is not a barrier server: it gave no name"],
    ["x".repeat(2_000_000), "is not a barrier server"],
    [undefined, "or it is not a barrier server"],
  ];
  for (const [say, message] of says) {
    const talking = talk(say);
    const connecting = failure(ProcessBarrier.connect(path, { transport: "socket" }));
    const talked = talking.catch(() => {});
    const error = await connecting as Error & { code: string };
    assert(error.message.includes(message), error.message);
    assertEquals(error.code, say === undefined ? "ECONNRESET" : "EPROTO");
    await talked;
  }
});

test("ProcessBarrier.connect() times out where nobody answers, and heeds its signal", async (scope) => {
  const path = `${await temporary(scope)}/socket`;
  using _listener = Deno.listen({ transport: "unix", path });
  const late = await failure(ProcessBarrier.connect(path, { connectTimeout: 5 })) as DOMException;
  assertEquals(late.name, "TimeoutError");
  const controller = new AbortController();
  const connecting = failure(ProcessBarrier.connect(path, { signal: controller.signal }));
  await turn();
  controller.abort("enough");
  assertEquals(await connecting, "enough");
  assertEquals(
    await failure(ProcessBarrier.connect(path, { signal: controller.signal })),
    "enough",
  );
});

each(
  "ProcessBarrier.connect() leaves no party behind where it is cancelled",
  async (scope, transport) => {
    const server = await listen(scope, { parties: 2 });
    let cancelled = 0;
    for (let connected = false; !connected; cancelled++) {
      const controller = new AbortController();
      const { signal } = controller;
      const connecting = ProcessBarrier.connect(server.path, { name: "a", transport, signal });
      const ended = connecting.then((party) => scope.use(party), (error) => error);
      // Later each time, until it comes too late.
      for (let turns = 0; turns < cancelled; turns++) await turn();
      controller.abort("enough");
      connected = await ended !== "enough";
      assertEquals([server.broken, server.missing], [false, connected ? ["a"] : []]);
    }
    assert(cancelled > 1);
  },
);

each(
  "ProcessBarrier.connect() leaves no party behind at a server that stands still",
  async (scope, transport) => {
    const actor = new Actor(scope);
    const path = await actor.do<string>("listen", { parties: 2 });
    await actor.stop();
    const connecting = ProcessBarrier.connect(path, { name: "a", connectTimeout: 20, transport });
    assertEquals((await failure(connecting) as DOMException).name, "TimeoutError");
    actor.kill("SIGCONT");
    const a = await join(scope, path, { name: "a", transport });
    const b = await join(scope, path, { name: "b", transport });
    assertEquals((await Promise.all([a.wait(), b.wait()])).sort(), [0, 1]);
  },
);

test("ProcessBarrier.connect() passes timeout on to the waits, and not to connecting", async (scope) => {
  const server = await listen(scope, { parties: 2, timeout: 60_000 });
  for (const transport of TRANSPORTS) {
    if (transport === "shared-memory" && unshared !== undefined) continue;
    await using barrier = await ProcessBarrier.connect(server.path, { timeout: 0, transport });
    assertEquals((await failure(barrier.wait()) as DOMException).name, "TimeoutError");
    await server.reset();
    // Its own counts for less.
    const other = new AbortController();
    const waiting = failure(barrier.wait({ timeout: Infinity, signal: other.signal }));
    await until(() => server.arrived === 1, "an arrival");
    other.abort("enough");
    assertEquals(await waiting, "enough");
    await server.reset();
    await barrier.abort();
    await barrier[Symbol.asyncDispose]();
    await server.reset();
  }
});

// What people see

each("ProcessBarrier names the caller's own line in every stack", async (scope, transport) => {
  const server = await listen(scope, { parties: 3 });
  const barrier = await join(scope, server.path, { name: "a", transport });
  async function timesOut() {
    await barrier.wait({ timeout: 1 });
  }
  async function isBroken() {
    await barrier.wait();
  }
  async function arrives() {
    await barrier.arrive();
  }
  async function drops() {
    await barrier.arriveAndDrop();
  }
  async function watches() {
    await barrier.waitFor(0);
  }
  async function watchesServer() {
    await server.waitFor(0);
  }
  async function getsReady() {
    await barrier.ready({ timeout: 1 });
  }
  async function registers() {
    await barrier.register(5_000);
  }
  async function isDisposed() {
    await barrier.wait();
  }
  async function connects() {
    await ProcessBarrier.connect(server.path, { name: "a", transport });
  }
  async function checkEach(calls: (() => Promise<void>)[]) {
    for (const call of calls) {
      const error = await failure(call()) as Error;
      assertMatch(
        error.stack!,
        new RegExp(`at (async )?${call.name} `),
        `${call.name}: ${error.stack}`,
      );
    }
  }
  await checkEach([connects, registers, timesOut]);
  await checkEach([isBroken, arrives, drops, watches, watchesServer, getsReady]);
  await barrier[Symbol.asyncDispose]();
  await checkEach([isDisposed]);
});

each(
  "ProcessBarrier.wait() names its caller's line when it breaks while it waits",
  async (scope, transport) => {
    const server = await listen(scope, { parties: 2 });
    const barrier = await join(scope, server.path, { name: "a", transport });
    async function breaks() {
      await barrier.wait();
    }
    const error = failure(breaks());
    await until(() => server.arrived === 1, "an arrival");
    await server.abort();
    assertMatch((await error as Error).stack!, /at async breaks /);
  },
);

each(
  "ProcessBarrier.wait() gives each party that shares a signal its reason",
  async (scope, transport) => {
    const server = await listen(scope, { parties: 3 });
    const a = await join(scope, server.path, { transport });
    const b = await join(scope, server.path, { transport });
    const c = await join(scope, server.path, { transport });
    const controller = new AbortController();
    const { signal } = controller;
    const waiting = [failure(a.wait({ signal })), failure(b.wait({ signal }))];
    await until(() => server.arrived === 2, "two arrivals");
    const reason = { why: "this very object" };
    controller.abort(reason);
    assert((await waiting[0]) === reason);
    assert((await waiting[1]) === reason);
    assertEquals((await failure(c.wait()) as BrokenBarrierError).reason, "aborted");
  },
);

each(
  "ProcessBarrier.wait() tells the first reason when its signal aborts after a break",
  async (scope, transport) => {
    const server = await listen(scope, { parties: 2 });
    const barrier = await join(scope, server.path, { transport });
    const controller = new AbortController();
    const waiting = failure(barrier.wait({ signal: controller.signal }));
    await until(() => server.arrived === 1, "an arrival");
    await server.abort("first");
    controller.abort("second");
    const error = await waiting as BrokenBarrierError;
    assertEquals([error.reason, error.cause], ["aborted", "first"]);
  },
);

each("ProcessBarrier is shown by its state", async (scope, transport) => {
  const server = await listen(scope, { parties: 2 });
  const barrier = await join(scope, server.path, { transport });
  await barrier.arrive();
  assertEquals(Deno.inspect(barrier), "ProcessBarrier { 1/2 arrived, phase 0 }");
  assertEquals(Deno.inspect(server), "ProcessBarrierServer { 1/2 arrived, phase 0 }");
  await barrier.abort();
  assertEquals(Deno.inspect(barrier), "ProcessBarrier { broken: aborted, phase 0 }");
});

each("ProcessBarrier.status() tells the transport, and how it stands", async (scope, transport) => {
  const server = await listen(scope, { parties: 2 });
  const a = await join(scope, server.path, { name: "a", transport });
  await join(scope, server.path, { name: "b", transport });
  await a.arrive();
  const expected = {
    parties: 2,
    arrived: 1,
    phase: 0,
    broken: false,
    reason: undefined,
    missing: ["b"],
    transport,
  };
  assertEquals(await a.status(), expected);
  assertEquals(await server.status(), expected);
  assertEquals([a.parties, a.arrived, a.phase, a.broken, a.missing], [2, 1, 0, false, ["b"]]);
});

test("ProcessBarrier.waitSync() is refused on the socket", async (scope) => {
  const server = await listen(scope, { parties: 1 });
  const barrier = await join(scope, server.path, { transport: "socket" });
  const error = await failure(Promise.try(() => barrier.waitSync())) as DOMException;
  assertEquals(error.name, "NotSupportedError");
  assertEquals(server.phase, 0);
});

testMemory("ProcessBarrier.waitSync() refuses a signal, which it could not heed", async (scope) => {
  const server = await listen(scope, { parties: 1 });
  const barrier = await join(scope, server.path);
  const options = { signal: new AbortController().signal } as never;
  assertInstanceOf(await failure(Promise.try(() => barrier.waitSync(options))), TypeError);
  assertEquals(server.phase, 0);
});

// Outcomes

each(
  "ProcessBarrier.waitFor() rejects when somebody has reset the phase it arrived in",
  async (scope, transport) => {
    const server = await listen(scope, { parties: 2 });
    const barrier = await join(scope, server.path, { transport });
    const phase = await barrier.arrive();
    await server.reset();
    const error = await failure(barrier.waitFor(phase)) as BrokenBarrierError;
    assertEquals([error.reason, error.phase], ["reset", 0]);
  },
);

each("ProcessBarrier.wait() gets out of an action that never ends", async (scope, transport) => {
  const signals: AbortSignal[] = [];
  const server = await listen(scope, {
    parties: 1,
    action: (signal) => {
      signals.push(signal);
      return new Promise(() => {});
    },
  });
  const barrier = await join(scope, server.path, { transport });
  const late = await failure(barrier.wait({ timeout: 20 })) as DOMException;
  assertEquals(late.name, "TimeoutError");
  await until(() => signals[0]!.aborted, "the end of the signal");
  assertEquals((signals[0]!.reason as BrokenBarrierError).reason, "timeout");
  await server.reset();
  const waiting = failure(barrier.wait());
  await until(() => signals.length === 2, "the next action");
  await server.abort();
  assertEquals((await waiting as BrokenBarrierError).reason, "aborted");
  await server.reset();
  const again = failure(barrier.wait());
  await until(() => signals.length === 3, "the third action");
  await server.reset();
  assertEquals((await again as BrokenBarrierError).reason, "reset");
});

each(
  "ProcessBarrier.wait() of a survivor names the process that was killed",
  async (scope, transport) => {
    const server = await listen(scope, { parties: 2 });
    const survivor = await join(scope, server.path, { name: "a", transport });
    const actor = new Actor(scope);
    await actor.do("connect", server.path, { name: "b", transport });
    const waiting = failure(survivor.wait());
    actor.kill();
    const error = await waiting as BrokenBarrierError;
    assertEquals([error.reason, error.party, error.phase], ["lost", "b", 0]);
    assertEquals(error.message, 'Phase 0 broke: "b" is gone (1 of 2 arrived, missing "b")');
  },
);

each(
  "ProcessBarrier.wait() passes though a party dies after the last arrival",
  async (scope, transport) => {
    const server = await listen(scope, { parties: 2 });
    const survivor = await join(scope, server.path, { name: "a", transport });
    const actor = new Actor(scope);
    await actor.do("connect", server.path, { name: "b", transport });
    const waiting = survivor.wait();
    await until(() => server.arrived === 1, "an arrival");
    await actor.do("barrier", "arrive");
    actor.kill();
    assertEquals(await waiting, 1);
    await until(() => server.broken, "the loss");
    await survivor.waitFor(0);
  },
);

each("ProcessBarrier.arriveAndDrop() leaves a process free to end", async (scope, transport) => {
  const server = await listen(scope, { parties: 2 });
  const survivor = await join(scope, server.path, { name: "a", transport });
  const actor = new Actor(scope);
  await actor.do("connect", server.path, { name: "b", transport });
  await actor.do("barrier", "arriveAndDrop");
  actor.kill();
  await actor.status;
  await survivor.wait();
  await survivor.wait();
  assertEquals([server.parties, server.phase, server.broken], [1, 2, false]);
});

each(
  "ProcessBarrier[Symbol.asyncDispose]() ends its own waits, and names who was disposed",
  async (scope, transport) => {
    const server = await listen(scope, { parties: 2 });
    const barrier = await join(scope, server.path, { name: "a", transport });
    const waiting = failure(barrier.wait());
    await until(() => server.arrived === 1, "an arrival");
    await barrier[Symbol.asyncDispose]();
    await barrier[Symbol.asyncDispose]();
    const error = await waiting as BrokenBarrierError;
    assertEquals([error.reason, error.party], ["aborted", "a"]);
    assertEquals(server.broken, true);
    assertEquals((await failure(barrier.wait()) as DOMException).name, "InvalidStateError");
    assertEquals((await barrier.status()).broken, true);
    await barrier.abort();
  },
);

each(
  "ProcessBarrier[Symbol.asyncDispose]() after a drop ends what it watched",
  async (scope, transport) => {
    const server = await listen(scope, { parties: 2 });
    const barrier = await join(scope, server.path, { name: "a", transport });
    const other = await join(scope, server.path, { transport });
    await other.wait({ timeout: 0 }).catch(() => {});
    await server.reset();
    await Promise.all([barrier.arriveAndDrop(), other.wait()]);
    const watching = failure(barrier.waitFor(2));
    await barrier[Symbol.asyncDispose]();
    const error = await watching as DOMException;
    assertEquals(error.name, "InvalidStateError");
    // What has ended is still known.
    await barrier.waitFor(1);
    assertEquals((await failure(barrier.waitFor(0)) as BrokenBarrierError).reason, "timeout");
    assertEquals((await failure(barrier.waitFor(2)) as DOMException).name, "InvalidStateError");
    assertEquals(server.broken, false);
  },
);

// The end of the server

each("ProcessBarrier is over when its server is disposed", async (scope, transport) => {
  const server = await listen(scope, { parties: 2 });
  const a = await join(scope, server.path, { name: "a", transport });
  const b = await join(scope, server.path, { name: "b", transport });
  await Promise.all([a.wait(), b.wait()]);
  const waiting = failure(a.wait());
  await until(() => server.arrived === 1, "an arrival");
  await server[Symbol.asyncDispose]();
  const error = await waiting as BrokenBarrierError;
  assertEquals([error.reason, error.phase], ["aborted", 1]);
  assertEquals(
    error.message,
    'Phase 1 broke: the server was disposed (1 of 2 arrived, missing "b")',
  );
  await a.waitFor(0);
  assertEquals((await failure(b.waitFor(1)) as BrokenBarrierError).reason, "aborted");
  for (const call of [() => b.wait(), () => b.arrive(), () => b.register(), () => b.reset()]) {
    assertEquals((await failure(call()) as DOMException).name, "InvalidStateError");
  }
  await b.abort();
  assertEquals([b.broken, b.phase, (await b.status()).reason], [true, 1, "aborted"]);
});

each("ProcessBarrier is told when its server is killed", async (scope, transport) => {
  const actor = new Actor(scope);
  const path = await actor.do<string>("listen", { parties: 2 });
  const a = await join(scope, path, { name: "a", transport });
  const b = await join(scope, path, { name: "b", transport });
  await Promise.all([a.wait(), b.wait()]);
  const waiting = failure(a.wait());
  const ready = failure(a.ready());
  await until(async () => (await b.status()).arrived === 1, "an arrival");
  actor.kill();
  const error = await waiting as BrokenBarrierError;
  assertEquals([error.reason, error.phase], ["lost", 1]);
  assertMatch(error.message, /^Phase 1 broke: the server is gone/);
  await ready.catch(() => {});
  await until(() => b.broken, "the end of the connection");
  for (const call of [() => b.wait(), () => b.arrive(), () => b.register(), () => b.ready()]) {
    assertEquals((await failure(call()) as DOMException).name, "InvalidStateError");
  }
  await b.abort();
  assertEquals([b.broken, b.phase, (await b.status()).reason], [true, 1, "lost"]);
  if (transport === "shared-memory") await b.waitFor(0);
  else assertInstanceOf(await failure(b.waitFor(0)), RangeError);
});

for (const end of ["is killed", "is disposed"] as const) {
  testMemory(
    `ProcessBarrier.wait() of a process that stood still passes, though its server ${end}`,
    async (scope) => {
      const server = new Actor(scope);
      const path = await server.do<string>("listen", { parties: 2 });
      const still = new Actor(scope);
      await still.do("connect", path, { name: "still", transport: "shared-memory" });
      const other = await join(scope, path, { name: "other", transport: "shared-memory" });
      const waiting = still.do<number>("barrier", "wait", {});
      await until(() => other.arrived === 1, "its arrival");
      await still.stop();
      assertEquals(await other.wait(), 0);
      if (end === "is killed") server.kill();
      else await server.do("closeServer");
      const next = await failure(other.wait()) as BrokenBarrierError | DOMException;
      assert(next instanceof BrokenBarrierError || next.name === "InvalidStateError");
      still.kill("SIGCONT");
      assertEquals(await waiting, 1);
    },
  );
}

testMemory("ProcessBarrier.waitSync() notices that the server is gone", async (scope) => {
  const server = new Actor(scope);
  const path = await server.do<string>("listen", { parties: 2 });
  const blocked = new Actor(scope);
  await blocked.do("connect", path, { name: "blocked", transport: "shared-memory" });
  const other = await join(scope, path, { name: "other", transport: "shared-memory" });
  const waiting = blocked.do("barrier", "waitSync");
  await until(() => other.arrived === 1, "its arrival");
  server.kill();
  const { told } = await assertRejects(() => waiting, ActorError);
  assertEquals([told.name, told.reason, told.phase], ["BrokenBarrierError", "lost", 0]);
});

testMemory("ProcessBarrier.phase is live in shared memory", async (scope) => {
  const server = await listen(scope, { parties: 2 });
  const a = await join(scope, server.path, { transport: "shared-memory" });
  const b = await join(scope, server.path, { transport: "socket" });
  const dropped = await join(scope, await server.register().then(() => server.path), {
    transport: "shared-memory",
  });
  await Promise.all([a.wait(), b.wait(), dropped.arriveAndDrop()]);
  for (let phase = 1; phase < 5; phase++) {
    await Promise.all([a.wait(), b.wait()]);
    assertEquals([dropped.phase, server.phase], [phase + 1, phase + 1]);
  }
});

// The event loop

each("ProcessBarrier keeps no process alive that awaits nothing", async (scope, transport) => {
  const server = await listen(scope, { parties: 2 });
  const code = `import { ProcessBarrier } from ${
    JSON.stringify(import.meta.resolve("../../process_barrier.ts"))
  };
    connect();
    async function connect() {
      const barrier = await ProcessBarrier.connect(Deno.args[0], { transport: Deno.args[1] });
      await barrier.arrive();
    }`;
  const path = `${await temporary(scope)}/main.ts`;
  await Deno.writeTextFile(path, code);
  const { code: status } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", path, server.path, transport],
  }).output();
  assertEquals(status, 0);
  await until(() => server.broken, "its loss");
});

each("ProcessBarrier.wait() keeps a process alive that awaits it", async (scope, transport) => {
  const server = await listen(scope, { parties: 2 });
  const other = await join(scope, server.path);
  const code = `import { ProcessBarrier } from ${
    JSON.stringify(import.meta.resolve("../../process_barrier.ts"))
  };
    meet();
    async function meet() {
      const barrier = await ProcessBarrier.connect(Deno.args[0], { transport: Deno.args[1] });
      await barrier.wait();
      await barrier.waitFor(await barrier.arrive());
      await barrier.arriveAndDrop();
      Deno.exitCode = 7;
    }`;
  const path = `${await temporary(scope)}/main.ts`;
  await Deno.writeTextFile(path, code);
  const running = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", path, server.path, transport],
  }).output();
  for (let phase = 0; phase < 2; phase++) {
    await until(() => server.phase === phase && server.arrived === 1, "its arrival");
    await other.arrive();
  }
  assertEquals((await running).code, 7);
  assertEquals(server.broken, false);
});

testMemory(
  "ProcessBarrier.wait() gives the event loop its turns, however fast the phases pass",
  async (scope) => {
    const server = await listen(scope, { parties: 1 });
    const barrier = await join(scope, server.path);
    const seen = new Set<string>();
    const interval = setInterval(() => seen.add("interval"), 1);
    setTimeout(() => seen.add("timeout"), 0);
    setImmediate(() => seen.add("immediate"));
    Deno.stat("/").then(() => seen.add("file"));
    while (seen.size < 4) await barrier.wait();
    clearInterval(interval);
  },
);

// Both transports at once

testMemory(
  "ProcessBarrier parties in memory, on the socket and blocked meet in one barrier",
  async (scope) => {
    const ran: number[] = [];
    const server = await listen(scope, { parties: 4, action: () => void ran.push(server.phase) });
    const options: ProcessBarrierOptions[] = [
      { transport: "shared-memory" },
      { transport: "socket" },
      { transport: "shared-memory" },
    ];
    const parties = await Promise.all(options.map((one) => join(scope, server.path, one)));
    const blocked = new Actor(scope);
    await blocked.do("connect", server.path, { transport: "shared-memory" });
    for (let phase = 0; phase < 20; phase++) {
      const numbers = await Promise.all([
        blocked.do<number>("barrier", "waitSync"),
        ...parties.map((party) => party.wait()),
      ]);
      assertEquals(numbers.sort(), [0, 1, 2, 3]);
    }
    assertEquals(ran, Array.from({ length: 20 }, (_, phase) => phase));
  },
);
