// Copyright 2026 the Rendezvous authors. MIT license.

// Processes on Deno, Node and Bun, each with itself and with the others.

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ProcessBarrier } from "../../process_barrier.ts";
import {
  Actor,
  ActorError,
  exists,
  join,
  namesIn,
  RawClient,
  temporary,
  turn,
  until,
} from "./_helpers.ts";
import { bun, deno, node, runContract, type Runtime, runtimes, testOn } from "./_runtimes.ts";

type Scope = AsyncDisposableStack;

/** A test for each runtime. */
function each(name: string, body: (scope: Scope, runtime: Runtime) => Promise<void>): void {
  for (const runtime of runtimes) {
    testOn([runtime], `${name} [${runtime.name}]`, (scope) => body(scope, runtime));
  }
}

function start(scope: Scope, runtime: Runtime, env: Record<string, string> = {}): Actor {
  return new Actor(scope, env, runtime.command("_actor"));
}

/** What a call of an actor fails with. */
async function told(call: Promise<unknown>): Promise<ActorError["told"]> {
  return (await assertRejects(() => call, ActorError)).told;
}

/** What an ended server leaves: a socket at which nobody listens. */
async function leaveStale(path: string): Promise<void> {
  const listener = Deno.listen({ transport: "unix", path: `${path}.left` });
  await Deno.link(`${path}.left`, path);
  listener.close();
}

for (const runtime of [node, bun]) {
  testOn([runtime], `ProcessBarrier keeps the contract [${runtime.name}]`, async (scope) => {
    const results = await runContract(scope, runtime);
    const failed = results.filter(({ error }) => error !== undefined);
    assertEquals(failed, [], failed.map(({ name, error }) => `${name}: ${error}`).join("\n\n"));
    // That is about how many there are: none is left out unnoticed.
    assert(results.length > 100, `${results.length} tests ran`);
  }, 150_000);
}

for (const host of runtimes) {
  testOn(
    runtimes,
    `ProcessBarrier has processes of Deno, Node and Bun meet, and names who was killed [server on ${host.name}]`,
    async (scope) => {
      const server = start(scope, host);
      const path = await server.do<string>("listen", { parties: 3 });
      const parties = runtimes.map((runtime) => start(scope, runtime));
      const connect = (actor: Actor, name: string) => actor.do("connect", path, { name });
      await Promise.all(parties.map((actor, i) => connect(actor, runtimes[i]!.name)));
      for (const victim of parties.keys()) {
        const meet = () => Promise.all(parties.map((actor) => actor.do<number>("barrier", "wait")));
        for (let phase = 0; phase < 5; phase++) assertEquals((await meet()).sort(), [0, 1, 2]);
        const { name } = runtimes[victim]!;
        const others = parties.filter((_, i) => i !== victim);
        const waiting = others.map((actor) => told(actor.do("barrier", "wait")));
        parties[victim]!.kill();
        for (const { message, ...error } of await Promise.all(waiting)) {
          assertEquals([error.name, error.reason, error.party], [
            "BrokenBarrierError",
            "lost",
            name,
          ]);
          assertMatch(message, new RegExp(`^Phase ${error.phase} broke: "${name}" is gone \\(`));
        }
        // A replacement of another runtime takes its seat.
        assertEquals(await server.do("server", "reset"), [name]);
        parties[victim] = start(scope, runtimes[(victim + 1) % 3]!);
        await connect(parties[victim]!, name);
      }
      // The end of the server is told to all.
      const waiting = told(parties[0]!.do("barrier", "wait"));
      await until(async () => await server.do("server", "arrived") === 1, "an arrival");
      await server.do("closeServer");
      assertEquals((await waiting).reason, "aborted");
      for (const party of parties.slice(1)) {
        assertEquals((await told(party.do("barrier", "wait"))).name, "InvalidStateError");
      }
    },
  );
}

each(
  "ProcessBarrierServer.listen() gives a socket mode 0600, whatever the umask",
  async (scope, runtime) => {
    const path = `${await temporary(scope)}/socket`;
    const actor = start(scope, runtime);
    await actor.do("umask", 0);
    await actor.do("listen", { parties: 1, path });
    assertEquals((await Deno.lstat(path)).mode! & 0o777, 0o600);
    assertEquals(await actor.do("umask", 0), 0, "the umask is as it was");
  },
);

each(
  "ProcessBarrierServer.listen() makes a directory that only the user may enter",
  async (scope, runtime) => {
    const TMPDIR = await temporary(scope);
    const actor = start(scope, runtime, { TMPDIR });
    const path = await actor.do<string>("listen", { parties: 1 });
    assertMatch(path.slice(TMPDIR.length), /^\/barrier-[0-9a-f]{1,16}\/socket$/);
    const { mode } = await Deno.lstat(path.slice(0, path.lastIndexOf("/")));
    assertEquals(mode! & 0o777, 0o700);
    await actor.do("closeServer");
    assertEquals(await namesIn(TMPDIR), []);
  },
);

each("ProcessBarrierServer.listen() makes a relative path absolute", async (scope, runtime) => {
  const directory = await temporary(scope);
  const actor = start(scope, runtime);
  await actor.do("chdir", directory);
  const listening = actor.do("listen", { parties: 1, path: "socket" });
  await actor.do("chdir", "/");
  assertEquals(await listening, `${directory}/socket`);
  await actor.do("closeServer");
  assertEquals(await namesIn(directory), []);
});

each(
  "ProcessBarrierServer leaves no socket behind when its process exits",
  async (scope, runtime) => {
    const TMPDIR = await temporary(scope);
    const actor = start(scope, runtime, { TMPDIR });
    await actor.do<string>("listen", { parties: 1 });
    actor.do("exit", 3);
    assertEquals((await actor.status).code, 3);
    assertEquals(await namesIn(TMPDIR), []);
  },
);

for (const signal of ["SIGINT", "SIGKILL"] as const) {
  each(`ProcessBarrierServer.listen() sweeps what ended by ${signal}`, async (scope, runtime) => {
    const TMPDIR = await temporary(scope);
    const first = start(scope, runtime, { TMPDIR });
    const path = await first.do<string>("listen", { parties: 1 });
    first.kill(signal);
    await first.status;
    assert(await exists(path));
    // Whatever it ran on.
    for (const other of runtimes.filter(({ missing }) => missing === undefined)) {
      const actor = start(scope, other, { TMPDIR });
      await actor.do("listen", { parties: 1 });
      assertEquals((await namesIn(TMPDIR)).length, 1, other.name);
      actor.kill(signal);
      await actor.status;
    }
  });
}

testOn(
  runtimes,
  "ProcessBarrierServer.listen() gives a stale path to one of many, whatever they run on",
  async (scope) => {
    const directory = await temporary(scope);
    const actors = [...runtimes, ...runtimes].map((runtime) => start(scope, runtime));
    for (let round = 0; round < 10; round++) {
      const path = `${directory}/socket-${round}`;
      await leaveStale(path);
      const tries = await Promise.allSettled(
        actors.map((actor) => actor.do("listen", { parties: 1, path })),
      );
      const winners = actors.filter((_, i) => tries[i]!.status === "fulfilled");
      assertEquals(winners.length, 1, Deno.inspect(tries));
      await winners[0]!.do("closeServer");
    }
    assertEquals(await namesIn(directory), []);
  },
);

each("ProcessBarrierServer lets in all that connect while it is busy", async (scope, runtime) => {
  const server = start(scope, runtime);
  const path = await server.do<string>("listen", { parties: 50 });
  await server.stop();
  const connecting = Array.from({ length: 50 }, () => join(scope, path));
  await turn();
  server.kill("SIGCONT");
  const parties = await Promise.all(connecting);
  const numbers = await Promise.all(parties.map((party) => party.wait()));
  assertEquals(numbers.sort((a, b) => a - b), [...parties.keys()]);
});

each("ProcessBarrierServer survives what strangers send", async (scope, runtime) => {
  const server = start(scope, runtime);
  const path = await server.do<string>("listen", { parties: 1 });
  const lines = ["", "\n", "{\n", "[1,\n", "GET / HTTP/1.1\r\n\r\n", "x".repeat(20_000)];
  for (const line of [...lines, "\0".repeat(100_000) + "\n"]) {
    await using stranger = await RawClient.connect(path);
    await stranger.send(line);
    // One whose line has not ended is waited for.
    if (!line.endsWith("\n") && line.length < 20_000) stranger.close();
    await stranger.ended();
  }
  const party = await join(scope, path);
  assertEquals(await party.wait(), 0);
});

each("ProcessBarrierServer loses a party that never reads its answers", async (scope, runtime) => {
  const server = start(scope, runtime);
  const path = await server.do<string>("listen", { parties: 2 });
  const deaf = scope.use(await RawClient.connect(path, { reads: false }));
  const lost = told(server.do("server", "waitFor", 0));
  let isLost = false;
  lost.then(() => isLost = true);
  await deaf.send('{"id":1,"do":"join","version":2,"name":"deaf"}\n');
  const flood = '{"id":2,"do":"status"}\n'.repeat(1_000);
  while (!isLost) await Promise.race([deaf.send(flood), lost]);
  const { reason, party } = await lost;
  assertEquals([reason, party], ["lost", "deaf"]);
});

each("ProcessBarrier has the same errors everywhere", async (scope, runtime) => {
  const directory = await temporary(scope);
  const path = `${directory}/socket`;
  const actor = start(scope, runtime);
  const listen = async (path: string, code: string, message: string) => {
    const error = await told(actor.do("listen", { parties: 1, path }));
    assertEquals([error.code, error.message], [code, `${message} ${JSON.stringify(path)}`]);
  };
  const connect = async (path: string, code: string, message: string) => {
    const error = await told(actor.do("connect", path));
    assertEquals([error.name, error.code], ["Error", code]);
    assert(error.message.includes(message), error.message);
  };
  await connect(path, "ENOENT", "No server listens at");
  await leaveStale(path);
  await connect(path, "ECONNREFUSED", ": it has ended");
  await actor.do("listen", { parties: 1, path });
  await listen(path, "EADDRINUSE", "Another server listens at");
  await Deno.writeTextFile(`${directory}/file`, "mine");
  await listen(`${directory}/file`, "EEXIST", "There is something else than a socket at");
  const none = `${directory}/none/socket`;
  await listen(none, "ENOENT", "There is no such directory for a socket at");
  using listener = Deno.listen({ transport: "unix", path: `${directory}/deaf` });
  const connecting = connect(`${directory}/deaf`, "ECONNRESET", "hung up before it answered");
  (await listener.accept()).close();
  await connecting;
  const speaking = connect(`${directory}/deaf`, "EPROTO", "is not a barrier server");
  using conn = await listener.accept();
  await conn.write(new TextEncoder().encode("220 smtp.example.org ESMTP\r\n"));
  await speaking;
});

each(
  "ProcessBarrier.connect() leaves no party behind where it is cancelled",
  async (scope, runtime) => {
    const server = start(scope, runtime);
    const path = await server.do<string>("listen", { parties: 2 });
    let cancelled = 0;
    for (let connected = false; !connected; cancelled++) {
      const controller = new AbortController();
      const options = { name: "a", signal: controller.signal };
      const ended = ProcessBarrier.connect(path, options).then(
        (party) => scope.use(party),
        (error) => error,
      );
      for (let turns = 0; turns < cancelled; turns++) await turn();
      controller.abort("enough");
      connected = await ended !== "enough";
      assertEquals(await server.do("server", "broken"), false);
    }
    await server.stop();
    const party = start(scope, runtime);
    const late = await told(party.do("connect", path, { name: "b", connectTimeout: 50 }));
    assertEquals(late.name, "TimeoutError");
    server.kill("SIGCONT");
    assertEquals(await party.do("connect", path, { name: "b" }), "b");
    assertEquals(await server.do("server", "broken"), false);
  },
);

each(
  "ProcessBarrier.connect() tries again while the queue of a server is full",
  async (scope, runtime) => {
    const path = `${await temporary(scope)}/socket`;
    const server = start(scope, runtime);
    await server.do("listen", { parties: 1, path });
    await server.stop();
    using waiting = new DisposableStack();
    let code: string | undefined;
    while (code === undefined) {
      try {
        waiting.use(await Deno.connect({ transport: "unix", path }));
      } catch (error) {
        code = (error as { code?: string }).code;
      }
    }
    assertEquals(code, "EAGAIN");
    for (const other of runtimes.filter(({ missing }) => missing === undefined)) {
      const party = start(scope, other);
      const late = await told(party.do("connect", path, { connectTimeout: 50 }));
      assertEquals(late.name, "TimeoutError");
      // Nor does anybody take it for stale.
      assertEquals((await told(party.do("listen", { parties: 1, path }))).code, "EADDRINUSE");
    }
    const party = start(scope, runtime);
    const connecting = party.do("connect", path, { name: "late" });
    waiting.dispose();
    server.kill("SIGCONT");
    assertEquals(await connecting, "late");
  },
);

for (const runtime of [node, bun]) {
  testOn(
    [runtime],
    `ProcessBarrier takes the socket, and says why it shares no memory [${runtime.name}]`,
    async (scope) => {
      const server = start(scope, deno);
      const path = await server.do<string>("listen", { parties: 1 });
      const actor = start(scope, runtime);
      const { name, message } = await told(
        actor.do("connect", path, { transport: "shared-memory" }),
      );
      assertEquals(name, "NotSupportedError");
      assertEquals(message, "Memory cannot be shared: it needs Deno");
      await actor.do("connect", path);
      assertEquals(
        (await actor.do<{ transport: string }>("barrier", "status")).transport,
        "socket",
      );
      assertEquals((await told(actor.do("barrier", "waitSync"))).name, "NotSupportedError");
    },
  );
}

// Of Deno, process_barrier_test.ts tests that, with memory as well.
for (const runtime of [node, bun]) {
  testOn(
    [runtime],
    `ProcessBarrier keeps no process alive that awaits nothing [${runtime.name}]`,
    async (scope) => {
      const server = start(scope, deno);
      const path = await server.do<string>("listen", { parties: 2 });
      const actor = start(scope, runtime);
      await actor.do("connect", path, { name: "a", transport: "socket" });
      await actor.do("barrier", "arrive");
      actor.do("rest");
      assertEquals((await actor.status).code, 0);
      const { reason, party } = await told(server.do("server", "waitFor", 0));
      assertEquals([reason, party], ["lost", "a"]);
    },
  );

  testOn(
    [runtime],
    `ProcessBarrier keeps a process alive that awaits it [${runtime.name}]`,
    async (scope) => {
      const other = start(scope, deno);
      const path = await other.do<string>("listen", { parties: 2 });
      await other.do("connect", path, { name: "b", transport: "socket" });
      const actor = start(scope, runtime);
      await actor.do("connect", path, { name: "a", transport: "socket" });
      const waiting = actor.do<number>("barrier", "wait");
      actor.do("rest");
      await until(async () => await other.do("server", "arrived") === 1, "an arrival");
      await other.do("barrier", "arrive");
      assertEquals(await waiting, 1);
      assertEquals((await actor.status).code, 0);
    },
  );
}
