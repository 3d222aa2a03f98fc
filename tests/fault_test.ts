// Copyright 2026 the Rendezvous authors. MIT license.
// deno-lint-ignore-file no-console -- a campaign tells what it did

// Faults between real processes. Each has three asserts: what the victim gets, where it can get anything,
// what all others get, and what the next use does.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { type BreakReason, BrokenBarrierError } from "../mod.ts";
import { ProcessBarrier, ProcessBarrierServer } from "../process_barrier.ts";
import { Child, temporary } from "./_child.ts";
import { FakeTime } from "./_fake_time.ts";
import { FaultRounds, Figures, Random } from "./_fault_rounds.ts";
import { failure, ignore, quiet, test, turn, until } from "./_harness.ts";
import { confined, ProcessParty, subprocesses, type Transport } from "./_process_adapters.ts";
import { RawClient } from "./_raw_client.ts";

type Scope = AsyncDisposableStack;

/** Somebody who can wait and see, in this process or in another. */
interface Member {
  wait(options?: { timeout?: number }): Promise<number>;
}

async function listen(scope: Scope, parties: number): Promise<ProcessBarrierServer> {
  return scope.use(await ProcessBarrierServer.listen({ parties }));
}

async function party(scope: Scope, { path }: { path: string }, name: string) {
  return scope.use(await ProcessParty.connect(path, name));
}

function parties(scope: Scope, server: { path: string }, ...names: string[]) {
  return Promise.all(names.map((name) => party(scope, server, name)));
}

function isBroken(error: unknown, reason: BreakReason, text = ""): void {
  assertInstanceOf(error, BrokenBarrierError);
  assertEquals(error.reason, reason, error.message);
  assertStringIncludes(error.message, text);
}

function isTimeout(error: unknown, missing: string): void {
  assertInstanceOf(error, DOMException);
  assertEquals(error.name, "TimeoutError", error.message);
  assertStringIncludes(error.message, missing);
}

async function meet(members: readonly Member[]): Promise<void> {
  const numbers = await Promise.all(members.map((member) => quiet(member.wait())));
  assertEquals(numbers.sort((a, b) => a - b), [...members.keys()]);
}

/** A server in a process of its own, and where it listens. */
class Owner implements AsyncDisposable {
  readonly path: string;
  readonly child: Child;

  private constructor(path: string, child: Child) {
    this.path = path;
    this.child = child;
  }

  static async start(scope: Scope, path: string, parties: number): Promise<Owner> {
    const child = scope.use(
      new Child([...confined("./_process_owner.ts", path), path, `${parties}`]),
    );
    await child.line((line) => line === "listens", "the server listens");
    return new Owner(path, child);
  }

  async stop(): Promise<void> {
    await stop(this.child);
  }

  /** How many sockets there are at its path, its own among them: one more for each that has connected. */
  async sockets(): Promise<number> {
    const lines = (await Deno.readTextFile("/proc/net/unix")).split("\n");
    return lines.filter((line) => line.endsWith(` ${this.path}`)).length;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.child[Symbol.asyncDispose]();
  }
}

/** Stops a process, and waits until it has stopped. */
async function stop(child: Child): Promise<void> {
  child.kill("SIGSTOP");
  await until(async () => {
    return / T /.test(await Deno.readTextFile(`/proc/${child.pid}/stat`));
  }, `process ${child.pid} has stopped`);
}

const linux = Deno.build.os === "linux";

function linuxTest(name: string, body: (scope: Scope) => Promise<void>, deadline = 60_000): void {
  test(name, body, { ignore: !linux, deadline });
}

// SIGKILL at every step

/** What the victim has done, and how many have arrived by that, when it is killed. */
const steps: [string, (victim: ProcessParty) => Promise<unknown> | undefined, number][] = [
  ["connected", () => undefined, 0],
  ["arrived", (victim) => victim.call("arrive"), 1],
  ["begun to wait", (victim) => void quiet(victim.call("wait")), 1],
  ["begun to wait with a timeout", (victim) => {
    return void quiet(victim.call("wait", { timeout: 1e6, onCancel: "withdraw" }));
  }, 1],
  ["begun to watch", (victim) => void quiet(victim.call("waitFor", 0)), 0],
];
for (const [what, prepare, count] of steps) {
  for (const others of ["waiting", "still to come"] as const) {
    test(`ProcessBarrier.wait() by those ${others} names a party killed when it has ${what}`, async (scope) => {
      const server = await listen(scope, 3);
      const [victim, a, b] = await parties(scope, server, "victim", "a", "b");
      await prepare(victim!);
      await until(() => server.arrived === count, `the victim has ${what}`);
      const waits = others === "waiting" ? [failure(a!.wait())] : [];
      await until(() => server.arrived === count + waits.length, "the others wait");
      victim!.child.kill("SIGKILL");
      assertEquals((await victim!.child.ended()).signal, "SIGKILL");
      if (others === "still to come") {
        await until(() => server.broken, "it is noticed");
        waits.push(failure(a!.wait()));
      }
      waits.push(failure(b!.wait()));
      for (const error of await Promise.all(waits)) isBroken(error, "lost", '"victim" is gone');
      await assertRejects(() => ProcessBarrier.connect(server.path), RangeError, "3 of 3 taken");
      await a!.reset();
      await meet([a!, b!, await party(scope, server, "replacement")]);
      assertEquals(server.phase, 1);
    });
  }
}

test("ProcessBarrier.wait() passes for all others when a party is killed after the release and before it reads of it", async (scope) => {
  const server = await listen(scope, 3);
  const [victim, a, b] = await parties(scope, server, "victim", "a", "b");
  const late = quiet(victim!.wait());
  await until(() => server.arrived === 1, "the victim waits");
  await stop(victim!.child);
  const passing = [a!.wait(), b!.wait()];
  assertEquals((await Promise.all(passing)).sort(), [0, 1]);
  victim!.child.kill("SIGKILL");
  const { signal, stdout } = await victim!.child.ended();
  assertEquals([signal, stdout.length], ["SIGKILL", 1]);
  await assertRejects(() => late, Error, "It ended without");
  for (const member of [a!, b!]) {
    const error = await failure(member.wait());
    isBroken(error, "lost", '"victim" is gone');
    assertEquals((error as BrokenBarrierError).phase, 1);
  }
  await server.reset();
  await meet([a!, b!, await party(scope, server, "replacement")]);
});

/** What the victim has sent when it is killed, while the server cannot read it. */
const sent: [string, string[], BreakReason | "dropped"][] = [
  ["wait()", ["wait"], "lost"],
  ["arrive()", ["arrive"], "lost"],
  ["arriveAndDrop()", ["arriveAndDrop"], "dropped"],
  ["wait() and arriveAndDrop()", ["wait", "arriveAndDrop"], "lost"],
  ["[Symbol.asyncDispose]()", ["dispose"], "aborted"],
  ["abort()", ["abort"], "aborted"],
];
for (const [what, calls, outcome] of sent) {
  linuxTest(
    `ProcessBarrier.${what} counts as sent though its process is killed before it is answered`,
    async (scope) => {
      const owner = await Owner.start(scope, `${await temporary(scope)}/socket`, 3);
      const [victim, a, b] = await parties(scope, owner, "victim", "a", "b");
      const waiting = quiet(a!.wait());
      await until(async () => (await b!.state()).arrived === 1, "one waits");
      await owner.stop();
      for (const call of calls) quiet(victim!.call(call));
      // It is answered without the server, and after the lines before it have been sent.
      await victim!.call("told");
      victim!.child.kill("SIGKILL");
      assertEquals((await victim!.child.ended()).stdout.length, 2);
      owner.child.kill("SIGCONT");
      if (outcome === "dropped") {
        assertEquals([await b!.wait(), await waiting], [0, 2]);
        assertEquals((await b!.state()).parties, 2);
        await meet([a!, b!]);
        return;
      }
      isBroken(await failure(waiting), outcome, outcome === "lost" ? '"victim" is gone' : "");
      isBroken(await failure(b!.wait()), outcome);
      // After an abort the loss follows, and must have been noticed before its seat is free.
      await until(async () => await owner.sockets() === 3, "the server has hung up");
      await b!.reset();
      await meet([a!, b!, await party(scope, owner, "replacement")]);
    },
  );
}

linuxTest(
  "ProcessBarrier.connect() of a process that is killed meanwhile harms nobody for good",
  async (scope) => {
    const owner = await Owner.start(scope, `${await temporary(scope)}/socket`, 3);
    const [a, b] = await parties(scope, owner, "a", "b");
    const waits = [failure(a!.wait()), failure(b!.waitFor(0))];
    await until(async () => (await b!.state()).arrived === 1, "one waits");
    await owner.stop();
    const victim = scope.use(new Child(confined("./_process_party.ts", owner.path)));
    victim.send(JSON.stringify({ id: 1, operation: "connect", args: [owner.path, "victim"] }));
    await until(async () => await owner.sockets() === 4, "the victim has connected");
    victim.kill("SIGKILL");
    assertEquals((await victim.ended()).stdout, []);
    owner.child.kill("SIGCONT");
    // It may have been killed before it has sent its name, and was no party then.
    const early = await a!.state();
    if (!early.broken) {
      await until(
        async () => await owner.sockets() === 3,
        "the server has hung up",
      );
    }
    if (!(await a!.state()).broken) await b!.abort();
    const reasons = (await Promise.all(waits)).map((error) => (error as BrokenBarrierError).reason);
    assertEquals(reasons[0], reasons[1]);
    assert(reasons[0] === "lost" || reasons[0] === "aborted");
    await until(async () => await owner.sockets() === 3, "the server has hung up");
    await a!.reset();
    await meet([a!, b!, await party(scope, owner, "replacement")]);
  },
);

test("ProcessBarrier.arriveAndDrop() frees the others of a process that is killed later", async (scope) => {
  const server = await listen(scope, 3);
  const [victim, a, b] = await parties(scope, server, "victim", "a", "b");
  assertEquals(await victim!.arriveAndDrop(), 0);
  const waiting = quiet(a!.wait());
  await until(() => server.arrived === 1, "one waits");
  victim!.child.kill("SIGKILL");
  await victim!.child.ended();
  assertEquals([await b!.wait(), await waiting], [0, 1]);
  await meet([a!, b!]);
  await server.register();
  await meet([a!, b!, await party(scope, server, "replacement")]);
});

// SIGSTOP

linuxTest(
  "ProcessBarrier.wait() times out at the server while its process is stopped",
  async (scope) => {
    const server = await listen(scope, 3);
    const [victim, a, b] = await parties(scope, server, "victim", "a", "b");
    {
      using time = new FakeTime();
      const late = failure(victim!.wait({ timeout: 60_000 }));
      const other = failure(a!.wait());
      await until(() => server.arrived === 2, "two wait");
      await stop(victim!.child);
      time.tick(60_000);
      assert(server.broken);
      isBroken(await other, "timeout", 'missing "b"');
      isBroken(await failure(b!.wait()), "timeout", 'missing "b"');
      victim!.child.kill("SIGCONT");
      isTimeout(await late, '2 of 3 arrived, missing "b"');
      isBroken(await failure(victim!.wait()), "timeout");
    }
    await server.reset();
    await meet([victim!, a!, b!]);
  },
);

linuxTest(
  "ProcessBarrier.wait() passes for a process that was stopped past its timeout, if all arrived before",
  async (scope) => {
    const server = await listen(scope, 3);
    const [victim, a, b] = await parties(scope, server, "victim", "a", "b");
    {
      using time = new FakeTime();
      const late = quiet(victim!.wait({ timeout: 60_000 }));
      await until(() => server.arrived === 1, "the victim waits");
      await stop(victim!.child);
      assertEquals((await Promise.all([a!.wait(), b!.wait()])).sort(), [0, 1]);
      assertEquals(time.pending, 0);
      time.tick(120_000);
      victim!.child.kill("SIGCONT");
      assertEquals(await late, 2);
    }
    await meet([victim!, a!, b!]);
  },
);

linuxTest(
  "ProcessBarrier.wait() names in its timeout a process that is stopped before it arrives",
  async (scope) => {
    const server = await listen(scope, 3);
    const [victim, a, b] = await parties(scope, server, "victim", "a", "b");
    await stop(victim!.child);
    const stalled = quiet(victim!.wait());
    {
      using time = new FakeTime();
      const other = failure(b!.wait({ timeout: 70_000 }));
      const first = failure(a!.wait({ timeout: 60_000 }));
      await until(() => server.arrived === 2, "two wait");
      time.tick(60_000);
      isTimeout(await first, '2 of 3 arrived, missing "victim"');
      isBroken(await other, "timeout", 'missing "victim"');
      assertEquals(time.pending, 0);
    }
    victim!.child.kill("SIGCONT");
    isBroken(await failure(stalled), "timeout", 'missing "victim"');
    await victim!.reset();
    await meet([victim!, a!, b!]);
  },
);

// The server

test("ProcessBarrier tells all parties that their server was killed, and a new one takes its path", async (scope) => {
  const path = `${await temporary(scope)}/socket`;
  const owner = await Owner.start(scope, path, 4);
  const members = await parties(scope, owner, "a", "b", "c", "d");
  await meet(members);
  const [a, b, c, d] = members as [ProcessParty, ProcessParty, ProcessParty, ProcessParty];
  const pending = [
    a.wait(),
    b.wait({ timeout: 1e6, onCancel: "withdraw" }),
    c.waitFor(1),
  ].map((wait) => failure(wait));
  await until(async () => (await d.state()).arrived === 2, "two wait");
  owner.child.kill("SIGKILL");
  for (const error of await Promise.all(pending)) {
    isBroken(error, "lost", "the server is gone");
    assertEquals((error as BrokenBarrierError).phase, 1);
  }
  for (const member of members) {
    for (const call of ["wait", "arrive", "arriveAndDrop", "register", "reset", "abort", "state"]) {
      isBroken(await failure(member.call(call)), "lost", "the server is gone");
    }
    await member.dispose();
  }
  await owner.child.ended();
  const next = await Owner.start(scope, path, 4);
  await Promise.all(members.map((member) => member.call("connect", path, `${member.name}-2`)));
  await meet(members);
  await next[Symbol.asyncDispose]();
});

test("ProcessBarrier.wait() passes for a busy party if its server is killed after the last arrival", async (scope) => {
  const directory = await temporary(scope);
  const owner = await Owner.start(scope, `${directory}/socket`, 2);
  const file = `${directory}/go`;
  const busy = scope.use(
    new Child([...confined("./_busy_party.ts", owner.path), owner.path, file]),
  );
  await busy.line((line) => line === "busy", "it waits and is busy");
  const a = await party(scope, owner, "a");
  assertEquals(await a.wait(), 0);
  owner.child.kill("SIGKILL");
  await owner.child.ended();
  await Deno.writeTextFile(file, "");
  const outcome = await busy.line((line) => line.startsWith("outcome: "), "its outcome");
  isBroken(await failure(a.wait()), "lost");
  assertEquals(outcome, "outcome: passed with 1");
});

test("ProcessBarrier.wait() passes for a busy party if its server is disposed of after the last arrival", async (scope) => {
  const directory = await temporary(scope);
  const path = `${directory}/socket`;
  const server = scope.use(await ProcessBarrierServer.listen({ parties: 2, path }));
  const file = `${directory}/go`;
  const busy = scope.use(new Child([...confined("./_busy_party.ts", path), path, file]));
  await busy.line((line) => line === "busy", "it waits and is busy");
  const a = await party(scope, server, "a");
  assertEquals(await a.wait(), 0);
  await server[Symbol.asyncDispose]();
  await Deno.writeTextFile(file, "");
  const outcome = await busy.line((line) => line.startsWith("outcome: "), "its outcome");
  isBroken(await failure(a.wait()), "aborted");
  assertEquals(outcome, "outcome: passed with 1");
});

// The directory

for (const given of [false, true]) {
  const whose = given ? "that was given" : "of its own";
  test(`ProcessBarrierServer goes on when the directory ${whose} is removed`, async (scope) => {
    const path = given
      ? `${await Deno.makeTempDir({ prefix: "barrier-test-" })}/socket`
      : undefined;
    const options = path === undefined ? { parties: 2 } : { parties: 2, path };
    const server = scope.use(await ProcessBarrierServer.listen(options));
    const directory = server.path.slice(0, server.path.lastIndexOf("/"));
    const members = await parties(scope, server, "a", "b");
    const waiting = quiet(members[0]!.wait());
    await until(() => server.arrived === 1, "one waits");
    await Deno.remove(directory, { recursive: true });
    assertEquals([await members[1]!.wait(), await waiting], [0, 1]);
    for (let phase = 0; phase < 10; phase++) await meet(members);
    await assertRejects(
      () => ProcessBarrier.connect(server.path),
      Deno.errors.NotFound,
      "Cannot connect as a server must listen at path",
    );
    const pending = failure(members[0]!.wait());
    await until(() => server.arrived === 1, "one waits");
    await server[Symbol.asyncDispose]();
    isBroken(await pending, "aborted");
    await assertRejects(() => Deno.lstat(directory), Deno.errors.NotFound);
  });
}

test("ProcessBarrierServer[Symbol.asyncDispose]() leaves alone the socket of another server", async (scope) => {
  const path = `${await temporary(scope)}/socket`;
  const first = scope.use(await ProcessBarrierServer.listen({ parties: 1, path }));
  await Deno.remove(path);
  const second = scope.use(await ProcessBarrierServer.listen({ parties: 1, path }));
  await first[Symbol.asyncDispose]();
  const member = await party(scope, second, "a");
  assertEquals(await member.wait(), 0);
});

test("ProcessBarrierServer.listen() gives a stale path to one server, whoever else wants it", async (scope) => {
  const directory = await temporary(scope);
  for (let i = 0; i < 20; i++) {
    const path = `${directory}/${i}`;
    const listener = Deno.listen({ transport: "unix", path: `${path}.live` });
    await Deno.link(`${path}.live`, path);
    listener.close();
    const listening = await Promise.allSettled(
      [1, 2, 3].map(() => ProcessBarrierServer.listen({ parties: 1, path })),
    );
    const servers = [];
    for (const result of listening) {
      if (result.status === "fulfilled") servers.push(scope.use(result.value));
      else assertInstanceOf(result.reason, Deno.errors.AddrInUse);
    }
    assertEquals(servers.length, 1);
    await (await ProcessBarrier.connect(path))[Symbol.asyncDispose]();
  }
});

test("ProcessBarrierServer[Symbol.asyncDispose]() frees its parties whatever keeps its socket", async (scope) => {
  const path = `${await temporary(scope)}/socket`;
  const server = scope.use(await ProcessBarrierServer.listen({ parties: 2, path }));
  const member = await party(scope, server, "a");
  const waiting = failure(member.wait());
  await until(() => server.arrived === 1, "one waits");
  // As another server would that comes to the same path, and is stopped there.
  const lock = await Deno.open(`${path}.lock`, { create: true, write: true });
  scope.defer(() => lock[Symbol.dispose]());
  await lock.lock(true);
  const disposing = quiet(server[Symbol.asyncDispose]());
  isBroken(await waiting, "aborted");
  lock.close();
  await disposing;
});

test("ProcessBarrierServer[Symbol.asyncDispose]() ends all though a file is in its way", async (scope) => {
  const path = `${await temporary(scope)}/socket`;
  const first = await ProcessBarrierServer.listen({ parties: 2, path });
  const member = await party(scope, first, "a");
  const waiting = failure(member.wait());
  await until(() => first.arrived === 1, "one waits");
  await Deno.remove(path);
  const second = scope.use(await ProcessBarrierServer.listen({ parties: 1, path }));
  // As a process leaves it that was killed while it ended.
  await Deno.writeTextFile(`${path}.kept`, "");
  await first[Symbol.asyncDispose]();
  isBroken(await waiting, "aborted");
  assertEquals(await (await party(scope, second, "b")).wait(), 0);
});

// Requests that cross

test("ProcessBarrier.arrive() is refused twice in a phase, though a reset came between", async (scope) => {
  const server = await listen(scope, 2);
  const a = scope.use(await ProcessBarrier.connect(server.path, { name: "a" }));
  const b = scope.use(await ProcessBarrier.connect(server.path, { name: "b" }));
  const first = failure(a.wait());
  const mended = a.reset();
  const second = quiet(a.wait());
  isBroken(await first, "reset");
  await mended;
  assertEquals((await a.status()).missing, ["b"]);
  const error = await failure(a.arrive());
  assertStringIncludes(`${error}`, "must arrive once in a phase");
  assertEquals([await b.wait(), await second], [0, 1]);
});

test("ProcessBarrier.wait() is accepted at once after its cancellation has withdrawn another", async (scope) => {
  const server = await listen(scope, 2);
  const a = scope.use(await ProcessBarrier.connect(server.path, { name: "a" }));
  const b = scope.use(await ProcessBarrier.connect(server.path, { name: "b" }));
  const controller = new AbortController();
  const { signal } = controller;
  const first = failure(a.wait({ signal, onCancel: "withdraw" }));
  await until(() => server.arrived === 1, "one waits");
  controller.abort("why");
  const second = quiet(a.wait());
  assertEquals(await first, "why");
  await until(() => server.arrived === 1, "it waits again");
  assertEquals([await b.wait(), await second], [0, 1]);
});

// Strangers

/** What strangers do: all is over, or the server hangs up, when it returns. */
const behaviours: ((stranger: RawClient, random: Random) => Promise<void> | void)[] = [
  // Random bytes, until it is hung up on.
  async (stranger, random) => {
    while (!stranger.closed) {
      await stranger.send(Uint8Array.from({ length: 512 }, () => random.upTo(255)));
      await turn();
    }
  },
  // A line without end.
  async (stranger) => {
    const bytes = new Uint8Array(4096).fill(97);
    while (!stranger.closed) {
      await stranger.send(bytes);
      await turn();
    }
  },
  // Half a frame.
  async (stranger, random) => {
    const line = '{"id":1,"do":"join","version":1,"name":"stranger"}';
    await stranger.send(line.slice(0, random.upTo(line.length)));
    stranger.close();
  },
  // A join and a request, whether or not there is a seat.
  async (stranger) => {
    await stranger.send('{"id":1,"do":"join","version":1}\n[0]\n{"id":2,"do":"reset"}\n');
    await stranger.ended();
  },
  // Nothing, and it stays.
  ignore,
  // Nothing, and it goes.
  (stranger) => stranger.close(),
];

test("ProcessBarrierServer serves four processes among 1,000 strangers", async (scope) => {
  const owner = await Owner.start(scope, `${await temporary(scope)}/socket`, 4);
  const members = await parties(scope, owner, "a", "b", "c", "d");
  const random = new Random(1);
  let visited = 0;
  let over = false;
  scope.defer(() => void (over = true));
  const visit = async () => {
    while (visited < 1_000 && !over) {
      const behave = behaviours[visited++ % behaviours.length]!;
      const stranger = scope.use(await RawClient.connect(owner.path));
      await behave(stranger, random);
    }
  };
  const visits = quiet(Promise.all(Array.from({ length: 20 }, visit)).finally(() => over = true));
  let phases = 0;
  for (; phases < 200 || !over; phases++) await meet(members);
  await visits;
  assertEquals(visited, 1_000);
  const { phase, broken, parties: count } = await members[0]!.state();
  assertEquals([phase, broken, count], [phases, false, 4]);
}, { deadline: 120_000 });

test("ProcessBarrierServer gives up a party that floods it with arrivals and reads nothing", async (scope) => {
  const owner = await Owner.start(scope, `${await temporary(scope)}/socket`, 3);
  const [a, b] = await parties(scope, owner, "a", "b");
  const waiting = failure(a!.wait());
  const deaf = scope.use(await RawClient.connect(owner.path, { reads: false }));
  await deaf.send('{"id":1,"do":"join","version":1,"name":"deaf"}\n');
  let over = false;
  const flooding = (async () => {
    while (!over) {
      await deaf.send("[0]\n".repeat(1_000));
      await turn();
    }
  })();
  const error = await waiting;
  over = true;
  await flooding;
  isBroken(error, "lost", '"deaf" is gone');
  isBroken(await failure(b!.wait()), "lost", '"deaf" is gone');
  await b!.reset();
  await meet([a!, b!, await party(scope, owner, "replacement")]);
});

linuxTest(
  "ProcessBarrierServer serves its parties when it has no file descriptor left",
  async (scope) => {
    const path = `${await temporary(scope)}/socket`;
    const limited = new Deno.Command("bash", {
      args: [
        "-c",
        'ulimit -n 64; exec "$0" "$@"',
        Deno.execPath(),
        ...confined("./_process_owner.ts", path),
        path,
        "2",
      ],
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const reader = limited.stdout.getReader();
    scope.defer(async () => {
      limited.kill("SIGKILL");
      await reader.cancel();
      await limited.status;
    });
    assert(!(await reader.read()).done);
    const descriptors =
      async () => (await Array.fromAsync(Deno.readDir(`/proc/${limited.pid}/fd`)));
    const members = await parties(scope, { path }, "a", "b");
    const strangers: RawClient[] = [];
    scope.defer(() => strangers.forEach((stranger) => stranger.close()));
    for (let i = 0; i < 100; i++) strangers.push(scope.use(await RawClient.connect(path)));
    await until(async () => (await descriptors()).length >= 64, "it has no descriptor left");
    for (let phase = 0; phase < 50; phase++) await meet(members);
    const joining = quiet(ProcessBarrier.connect(path, { name: "c", timeout: 50_000 }));
    for (let phase = 0; phase < 10; phase++) await meet(members);
    await members[0]!.register();
    for (const stranger of strangers) stranger.close();
    const c = scope.use(await joining);
    await meet([...members, c]);
    await meet([...members, c, ...await joinOneMore()]);

    async function joinOneMore() {
      await c.register();
      return [await party(scope, { path }, "d")];
    }
  },
);

// A campaign

const ROUNDS = Number(Deno.env.get("BARRIER_ROUNDS") ?? 60);
/** What the arrivals of the parties go through, by turns. */
const TRANSPORTS: [Transport, ...Transport[]][] = [
  ["socket"],
  ["shared-memory"],
  ["shared-memory", "socket"],
];

const SEED = Number(Deno.env.get("BARRIER_SEED") ?? 1);

for (const transports of TRANSPORTS) {
  const name = transports.join(" and ");
  const kind = subprocesses(transports);
  test(
    `ProcessBarrier has one outcome a phase, whatever happens to its processes [${name}]`,
    async (scope) => {
      const figures = new Figures();
      const rounds = scope.use(await FaultRounds.start(kind, 4, new Random(SEED)));
      try {
        for (let i = 0; i < ROUNDS; i++) await rounds.round(figures);
      } finally {
        console.log(`seed ${SEED}: ${figures}`);
      }
      assertEquals(figures.problems, []);
      assertEquals([figures.disagreed, figures.hung], [0, 0]);
    },
    { deadline: 60_000 + ROUNDS * 1_000, ignore: kind.ignored !== undefined },
  );
}
