// Copyright 2026 the Rendezvous authors. MIT license.

// What is particular to parties whose arrivals go through memory that they share with their server. That they
// keep the contract is tested in process_contract_test.ts.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { Memory } from "../_memory.ts";
import { SEATED_WORDS } from "../_seated_barrier.ts";
import { SharedBarrier } from "../_shared_barrier.ts";
import { type BreakReason, BrokenBarrierError, type WaitOptions } from "../mod.ts";
import {
  ProcessBarrier,
  ProcessBarrierServer,
  type ProcessBarrierServerOptions,
} from "../process_barrier.ts";
import { Child, processesOf, temporary } from "./_child.ts";
import { FakeTime } from "./_fake_time.ts";
import { Random } from "./_fault_rounds.ts";
import { CountingController, failure, quiet, test, turn, until } from "./_harness.ts";
import { confined, ProcessParty, type Transport, unshared } from "./_process_adapters.ts";
import { decode, encode } from "./_process_wire.ts";
import { type Line, RawClient } from "./_raw_client.ts";

type Scope = AsyncDisposableStack;

/** What most of the tests are about. */
const SHARED = "shared-memory";

/** How many barriers and parties a process may have in shared memory. */
const MOST = 16;

/** The numbers of the system call `futex`. */
const FUTEX = /^(202|98) /;

const SEATED_BYTES = 4 * (SEATED_WORDS + 4);

function memoryTest(
  name: string,
  body: (scope: Scope) => Promise<void> | void,
  deadline?: number,
): void {
  const title = unshared === undefined ? name : `${name} [ignored: ${unshared}]`;
  const limit = deadline === undefined ? {} : { deadline };
  test(title, body, { ignore: unshared !== undefined, ...limit });
}

async function listen(
  scope: Scope,
  parties: number,
  options: Partial<ProcessBarrierServerOptions> = {},
): Promise<ProcessBarrierServer> {
  return scope.use(await ProcessBarrierServer.listen({ parties, ...options }));
}

/** A party in this process. */
async function join(
  scope: Scope,
  { path }: { path: string },
  name: string,
  transport: Transport = SHARED,
): Promise<ProcessBarrier> {
  return scope.use(await ProcessBarrier.connect(path, { name, transport }));
}

/** Parties in processes of their own. */
function spawn(scope: Scope, { path }: { path: string }, ...names: string[]) {
  return Promise.all(
    names.map(async (name) => scope.use(await ProcessParty.connect(path, name, SHARED))),
  );
}

/** Has a party in a process of its own block there. */
function block(party: ProcessParty, options?: WaitOptions): Promise<number> {
  return party.call("waitSync", options);
}

/** Waits until the thread of a process sleeps in the kernel until somebody wakes it. */
async function asleep({ child }: ProcessParty): Promise<void> {
  await until(async () => {
    const call = await Deno.readTextFile(`/proc/${child.pid}/task/${child.pid}/syscall`);
    return FUTEX.test(call);
  }, `process ${child.pid} is blocked`);
}

function arrived(server: ProcessBarrierServer, count: number): Promise<void> {
  return until(() => server.arrived === count, `${count} arrived at ${Deno.inspect(server)}`);
}

/** Starts a wait, and waits until its party has arrived. */
async function enter<T>(
  server: ProcessBarrierServer,
  wait: () => Promise<T>,
): Promise<{ end: Promise<T> }> {
  const count = server.arrived + 1;
  const end = quiet(wait());
  await arrived(server, count);
  return { end };
}

function isBroken(
  error: unknown,
  reason: BreakReason,
  text = "",
): asserts error is BrokenBarrierError {
  assertInstanceOf(error, BrokenBarrierError);
  assertEquals(error.reason, reason, error.message);
  assertStringIncludes(error.message, text);
}

function isNamed(error: unknown, name: string, text = ""): void {
  assertInstanceOf(error, DOMException);
  assertEquals(error.name, name, error.message);
  assertStringIncludes(error.message, text);
}

/** Checks that these complete a phase, and that nobody else is needed. */
async function meet(...waits: (() => Promise<number>)[]): Promise<void> {
  const numbers = await Promise.all(waits.map((wait) => quiet(wait())));
  assertEquals(numbers.sort((a, b) => a - b), [...waits.keys()]);
}

/** How many descriptors and mappings of memory this process has whose description holds `text`. */
async function held(text: string): Promise<[files: number, mappings: number]> {
  const maps = (await Deno.readTextFile("/proc/self/maps")).split("\n");
  let files = 0;
  for await (const { name } of Deno.readDir("/proc/self/fd")) {
    try {
      if ((await Deno.readLink(`/proc/self/fd/${name}`)).includes(text)) files++;
    } catch {
      // It was that of the directory itself.
    }
  }
  return [files, maps.filter((line) => line.includes(text)).length];
}

const MEMORY = "memfd:barrier";

/** Checks that nothing of `text` is held any more than when this was called. */
async function nothingLeft(scope: Scope, ...texts: string[]): Promise<void> {
  const before: [number, number][] = [];
  for (const text of texts) before.push(await held(text));
  scope.defer(async () => {
    for (const [i, text] of texts.entries()) {
      assertEquals(await held(text), before[i], `what is held of ${text}`);
    }
  });
}

/** A server in a process of its own. */
class Owner {
  readonly path: string;
  readonly child: Child;

  private constructor(path: string, child: Child) {
    this.path = path;
    this.child = child;
  }

  static async start(
    scope: Scope,
    parties: number,
    { script = "./_process_owner.ts", transport = SHARED as Transport } = {},
  ): Promise<Owner> {
    const path = `${await temporary(scope)}/socket`;
    const child = scope.use(new Child([...confined(script, path, transport), path, `${parties}`]));
    await child.line((line) => line === "listens", "the server listens");
    return new Owner(path, child);
  }

  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    assertEquals((await this.child.ended()).signal, "SIGKILL");
  }
}

/** Takes a seat, by the socket, and asks where the memory is. */
async function spy(scope: Scope, path: string, name = "spy") {
  const client = scope.use(await RawClient.connect(path));
  const { ok: place } = await client.ask({ do: "memory", version: 1 });
  await client.ask({ do: "join", version: 1, name });
  const { ok: opened } = await client.ask({ do: "opened" });
  return {
    client,
    place: { ...place as { path: string; id: string }, ...opened as { seat: number } },
  };
}

// The transport

for (const bad of ["memory", "", "AUTO", 1, null, {}] as never[]) {
  test(`ProcessBarrier.connect() refuses ${JSON.stringify(bad)} for a transport before it connects`, async (scope) => {
    const path = `${await temporary(scope)}/socket`;
    // Where nobody listens: had it been tried, that would be the error.
    const error = await failure(ProcessBarrier.connect(path, { transport: bad }));
    assertInstanceOf(error, TypeError);
    assertStringIncludes(error.message, 'transport must be "auto" or "shared-memory" or "socket"');
  });
}

memoryTest(
  "ProcessBarrier.status() says what its arrivals go through, and the server's whether any go through memory",
  async (scope) => {
    const server = await listen(scope, 3);
    const transport = async (side: ProcessBarrier | ProcessBarrierServer) =>
      (await side.status()).transport;
    const a = await join(scope, server, "a", "socket");
    assertEquals([await transport(a), await transport(server)], ["socket", "socket"]);
    const b = await join(scope, server, "b");
    const c = scope.use(await ProcessBarrier.connect(server.path));
    assertEquals(await Promise.all([a, b, c, server].map(transport)), [
      "socket",
      SHARED,
      SHARED,
      SHARED,
    ]);
    await meet(() => a.wait(), () => b.wait(), () => c.wait());
    for (const party of [b, c]) await party[Symbol.asyncDispose]();
    assertEquals(await transport(server), "socket");
  },
);

/** A process that may not call the system. */
function barred(scope: Scope, path: string): (operation: string, ...args: unknown[]) => Promise<{
  value?: unknown;
  error?: { name: string; message: string };
}> {
  const child = scope.use(new Child(confined("./_process_party.ts", path)));
  let last = 0;
  return async (operation, ...args) => {
    const id = ++last;
    child.send(encode({ id, operation, args }));
    const start = `{"id":${id},`;
    const line = await child.line((line) => line.startsWith(start), `answer ${id}`);
    return decode(line) as { value?: unknown };
  };
}

memoryTest(
  "ProcessBarrier.connect() in shared memory is refused to a process without --allow-ffi",
  async (scope) => {
    const server = await listen(scope, 2);
    const call = barred(scope, server.path);
    const { error } = await call("connect", server.path, "a", SHARED);
    assertEquals(error, {
      name: "NotCapable",
      message: "Cannot share memory as --allow-ffi must be granted: current value is prompt",
    });
    // The others are not concerned, and it may come by the socket.
    assertEquals([server.broken, server.missing], [false, ["party 0", "party 1"]]);
    assertEquals((await call("connect", server.path, "a", "auto")).value, "a");
    assertEquals(((await call("status")).value as Line).transport, "socket");
    const b = await join(scope, server, "b");
    await meet(async () => (await call("wait")).value as number, () => b.wait());
  },
);

memoryTest(
  "ProcessBarrier.connect() in shared memory is refused by a server without --allow-ffi",
  async (scope) => {
    const owner = await Owner.start(scope, 2, { transport: "socket" });
    const a = scope.use(await ProcessBarrier.connect(owner.path, { name: "a" }));
    assertEquals((await a.status()).transport, "socket");
    const error = await failure(ProcessBarrier.connect(owner.path, { transport: SHARED }));
    assertInstanceOf(error, Deno.errors.NotSupported);
    assertEquals(
      error.message,
      "Cannot connect as the server must share its memory: current value is a server that does not",
    );
    // The others are not concerned.
    assertEquals((await a.status()).broken, false);
    const b = scope.use(await ProcessBarrier.connect(owner.path, { name: "b" }));
    assertEquals((await b.status()).transport, "socket");
    await meet(() => a.wait(), () => b.wait());
  },
);

// Where there are no permissions to share memory, this runs as well.
test("ProcessBarrierServer without memory answers who says that it has opened it, and lives on", async (scope) => {
  const owner = await Owner.start(scope, 2, { transport: "socket" });
  const client = scope.use(await RawClient.connect(owner.path));
  await client.ask({ do: "join", version: 1, name: "client" });
  const a = await join(scope, owner, "a", "socket");
  const waiting = quiet(a.wait());
  assertEquals((await client.ask({ do: "opened" })).error, {
    name: "NotSupported",
    message: "Cannot open the memory as the server must share its memory: " +
      "current value is a server that does not",
  });
  const { ok } = await client.ask({ do: "wait" });
  assertEquals([ok as number, await waiting].sort(), [0, 1]);
  const { broken, transport } = await a.status();
  assertEquals([broken, transport], [false, "socket"]);
});

// A server that tells something else

/** Answers as a server of one party does, but for where its memory is. */
function pretend(
  scope: Scope,
  path: string,
  answer: (request: Line) => Line | undefined,
): { path: string } {
  const listener = Deno.listen({ transport: "unix", path });
  const serving: Promise<void>[] = [];
  const serve = async (conn: Deno.Conn) => {
    try {
      const lines = conn.readable.pipeThrough(new TextDecoderStream());
      const writer = conn.writable.getWriter();
      const say = (line: unknown) =>
        writer.write(new TextEncoder().encode(JSON.stringify(line) + "\n"));
      let rest = "";
      for await (const text of lines) {
        const parts = (rest + text).split("\n");
        rest = parts.pop()!;
        for (const part of parts) {
          const request = JSON.parse(part);
          if (Array.isArray(request)) {
            await say([0, 1, 0, 1]);
            continue;
          }
          const state = { parties: 1, arrived: 0, phase: 0 };
          const asks = request.do === "memory" || request.do === "opened";
          const given = asks ? answer(request) : { ok: request.name ?? null };
          if (given === undefined) return await writer.close();
          await say({ id: request.id, ...given, state });
        }
      }
    } catch {
      // The party has ended the connection.
    }
  };
  const accepting = (async () => {
    for await (const conn of listener) serving.push(serve(conn));
  })();
  scope.defer(async () => {
    listener.close();
    await accepting;
    await Promise.all(serving);
  });
  return { path };
}

type Refusal = [message: string, kind?: new (message: string) => Error];
const NOT_THERE: Refusal = ["the memory of the server must be within reach", Deno.errors.NotFound];
const TOO_SHORT: Refusal = [
  `the file must be ${SEATED_BYTES} bytes long`,
  Deno.errors.InvalidData,
];
const OF_ANOTHER: Refusal = [
  "the file must be the memory of the server",
  Deno.errors.InvalidData,
];
const GARBAGE: Refusal = ["Cannot "];

/** What it says of its memory, made of a directory, and how it is refused. */
const places: [string, Refusal, (directory: string) => Promise<unknown> | unknown][] = [
  ["a place where nothing is", NOT_THERE, (directory) => `${directory}/nothing`],
  ["a directory", NOT_THERE, (directory) => directory],
  ["a file that is too short", TOO_SHORT, async (directory) => {
    await Deno.writeFile(`${directory}/short`, new Uint8Array(1024));
    return `${directory}/short`;
  }],
  ["an empty file", TOO_SHORT, async (directory) => {
    await Deno.writeFile(`${directory}/empty`, new Uint8Array());
    return `${directory}/empty`;
  }],
  ["a pipe", TOO_SHORT, async (directory) => {
    await new Deno.Command("mkfifo", { args: [`${directory}/pipe`] }).output();
    return `${directory}/pipe`;
  }],
  ["a device", TOO_SHORT, () => "/dev/null"],
  ["a file with another identity", OF_ANOTHER, async (directory) => {
    await Deno.writeFile(`${directory}/other`, new Uint8Array());
    await Deno.truncate(`${directory}/other`, SEATED_BYTES);
    return `${directory}/other`;
  }],
  ["a number for a place", NOT_THERE, () => 7],
  ["a list for a place", NOT_THERE, () => []],
];

const ID = "00112233445566778899aabbccddeeff";
const answers: [string, Refusal, (directory: string) => Promise<Line>][] = [
  ...places.map(([what, refusal, make]): (typeof answers)[number] => [
    what,
    refusal,
    async (directory) => ({
      ok: { path: await make(directory), id: ID, seat: 0, timeout: null, acts: false },
    }),
  ]),
  ...[undefined, 7, "here", true, [], {}].map((ok): (typeof answers)[number] => [
    `${JSON.stringify(ok) ?? "nothing"}`,
    GARBAGE,
    () => Promise.resolve({ ok }),
  ]),
  ["that it knows of none", ['"do" must be known', TypeError], () => {
    const message = 'Cannot answer as "do" must be known: current value is "memory"';
    return Promise.resolve({ error: { name: "TypeError", message } });
  }],
];
memoryTest(
  "ProcessBarrier.connect() goes by the socket where the server tells wrong things of its memory",
  async (scope) => {
    await nothingLeft(scope, MEMORY, "barrier-test-");
    const directory = await temporary(scope);
    for (const [i, [what, [message, kind], make]] of answers.entries()) {
      const told = await make(directory);
      const server = pretend(scope, `${directory}/${i}`, () => told);
      const error = await failure(ProcessBarrier.connect(server.path, { transport: SHARED }));
      assertInstanceOf(error, kind ?? Error, what);
      assertStringIncludes(error.message, message, what);
      const barrier = await ProcessBarrier.connect(server.path, { name: "a" });
      assertEquals([barrier.name, await barrier.wait()], ["a", 0], what);
      await barrier[Symbol.asyncDispose]();
    }
  },
);

memoryTest("ProcessBarrier.connect() refuses the memory of another server", async (scope) => {
  await nothingLeft(scope, MEMORY);
  const other = await listen(scope, 1);
  const { client, place } = await spy(scope, other.path);
  const directory = await temporary(scope);
  const told = { ok: { ...place, id: ID, timeout: null, acts: false } };
  const server = pretend(scope, `${directory}/socket`, () => told);
  const error = await failure(ProcessBarrier.connect(server.path, { transport: SHARED }));
  assertInstanceOf(error, Deno.errors.InvalidData);
  assertStringIncludes(error.message, "the file must be the memory of the server");
  assertEquals((await client.ask({ do: "wait" })).ok, 0);
});

memoryTest(
  "ProcessBarrier.connect() gives the memory back when the server is gone before it has taken note",
  async (scope) => {
    await nothingLeft(scope, MEMORY);
    const other = await listen(scope, 1);
    const { place } = await spy(scope, other.path);
    const directory = await temporary(scope);
    const ok = { ...place, timeout: null, acts: false };
    const server = pretend(
      scope,
      `${directory}/socket`,
      (request) => request.do === "memory" ? { ok } : undefined,
    );
    const before = await held(MEMORY);
    for (const transport of [SHARED, "auto"] as const) {
      isBroken(await failure(ProcessBarrier.connect(server.path, { transport })), "lost");
    }
    assertEquals(await held(MEMORY), before);
  },
);

memoryTest(
  "ProcessBarrier.connect() gives the memory back when the server will not take note of it",
  async (scope) => {
    await nothingLeft(scope, MEMORY);
    const other = await listen(scope, 1);
    const { place } = await spy(scope, other.path);
    const directory = await temporary(scope);
    const ok = { ...place, timeout: null, acts: false };
    const refusal = { error: { name: "RangeError", message: "no" } };
    const server = pretend(
      scope,
      `${directory}/socket`,
      (request) => request.do === "memory" ? { ok } : refusal,
    );
    const before = await held(MEMORY);
    assertInstanceOf(
      await failure(ProcessBarrier.connect(server.path, { transport: SHARED })),
      RangeError,
    );
    assertEquals(await held(MEMORY), before);
    const barrier = scope.use(await ProcessBarrier.connect(server.path));
    assertEquals(await barrier.wait(), 0);
    // It was the socket that answered.
    assertEquals([await held(MEMORY), other.phase], [before, 0]);
  },
);

// The memory itself

memoryTest(
  "ProcessBarrier.wait() in shared memory cannot be hit by a party that cuts the file short",
  async (scope) => {
    const server = await listen(scope, 3);
    const { client, place } = await spy(scope, server.path);
    const memory = Memory.open(place.path, place.id, SEATED_WORDS);
    scope.defer(() => memory.close());
    const a = await join(scope, server, "a");
    const [b] = await spawn(scope, server, "b");
    const paths = [place.path];
    for await (const { name } of Deno.readDir("/proc/self/fd")) {
      const path = `/proc/self/fd/${name}`;
      const target = await Deno.readLink(path).catch(() => "");
      if (target.includes(MEMORY)) paths.push(path);
    }
    assert(paths.length >= 4);
    for (const path of paths) {
      for (const length of [0, 4_096, SEATED_BYTES + 4_096]) {
        await assertRejects(() => Deno.truncate(path, length));
      }
      await assertRejects(() => Deno.open(path, { write: true, truncate: true }));
      assertEquals((await Deno.stat(path)).size, SEATED_BYTES);
    }
    const wait = async () => (await client.ask({ do: "wait" })).ok as number;
    await meet(wait, () => a.wait(), () => block(b!));
  },
);

const STATE = 0;
const SLEEPERS = 17;
const TRIPPING = 1 << 23;

/** What somebody writes who has the memory, by a number to be random with. */
const scribbles: [string, (words: Int32Array, random: Random) => void][] = [
  ["its state", (words, random) => {
    // That bit alone has a test of its own.
    words[STATE] = scribble(random) & ~TRIPPING;
  }],
  ["its counts, its bell and what it remembers", (words, random) => {
    for (let word = 17; word < 64; word++) words[word] = scribble(random);
  }],
  ["all of it", (words, random) => {
    for (let word = 1; word < words.length - 4; word++) {
      if (word < 64 || word % 97 === 0) words[word] = scribble(random);
    }
    words[STATE] = scribble(random) & ~TRIPPING;
  }],
];

function scribble(random: Random): number {
  return random.upTo(0xffff) << 16 | random.upTo(0xffff);
}

function isDocumented(error: unknown): boolean {
  return error instanceof BrokenBarrierError || error instanceof RangeError ||
    error instanceof DOMException &&
      (error.name === "TimeoutError" || error.name === "InvalidStateError");
}

/** Fills a barrier with three parties that wait, one of them blocked, and writes over it. */
async function vandalize(
  scope: Scope,
  path: string,
  blocked: ProcessParty,
  write: (words: Int32Array) => void,
) {
  const server = await listen(scope, 4, { path });
  const { client, place } = await spy(scope, path);
  const memory = Memory.open(place.path, place.id, SEATED_WORDS);
  scope.defer(() => memory.close());
  const [a, b] = [await join(scope, server, "a"), await join(scope, server, "b", "socket")];
  await blocked.call("connect", path, "c", SHARED);
  const options = { timeout: 100 };
  const waits = [a.wait(options), b.wait(options), block(blocked, options)];
  const outcomes = waits.map((wait) => quiet(wait).then(() => "passes", judge));
  await until(() => server.arrived === 3 || server.broken, "three wait");
  write(memory.words);
  outcomes.push(a.wait(options).then(() => "passes", judge));
  return {
    outcomes: Promise.all(outcomes),
    mend: async () => {
      await server.abort();
      await server.reset();
      const { parties, broken, missing } = await server.status();
      assertEquals([parties, broken, missing], [4, false, ["spy", "a", "b", "c"]]);
      const wait = async () => (await client.ask({ do: "wait" })).ok as number;
      for (let phase = 0; phase < 3; phase++) {
        await meet(wait, () => a.wait(), () => b.wait(), () => block(blocked));
      }
    },
  };
}

function judge(error: unknown): unknown {
  return isDocumented(error) ? "is refused" : error;
}

for (const [what, write] of scribbles) {
  memoryTest(
    `ProcessBarrier.wait() with a timeout ends though somebody writes over ${what}, and reset() mends it`,
    async (scope) => {
      const path = `${await temporary(scope)}/socket`;
      const first = await listen(scope, 1, { path });
      const [blocked] = await spawn(scope, first, "c");
      await first[Symbol.asyncDispose]();
      for (const seed of [1, 2, 3]) {
        await using inner = new AsyncDisposableStack();
        const { outcomes, mend } = await vandalize(
          inner,
          path,
          blocked!,
          (words) => write(words, new Random(seed)),
        );
        for (const outcome of await outcomes) {
          assert(outcome === "passes" || outcome === "is refused", Deno.inspect({ seed, outcome }));
        }
        await mend();
      }
    },
    10_000,
  );
}

memoryTest(
  "ProcessBarrier.wait() with a timeout ends though somebody says that an action runs, and reset() mends it",
  async (scope) => {
    const server = await listen(scope, 3);
    const { client, place } = await spy(scope, server.path);
    const memory = Memory.open(place.path, place.id, SEATED_WORDS);
    scope.defer(() => memory.close());
    const a = await join(scope, server, "a");
    const b = await join(scope, server, "b", "socket");
    const waits = [await enter(server, () => a.wait({ timeout: 50 }))];
    memory.words[STATE] = memory.words[STATE]! | TRIPPING;
    waits.push({ end: quiet(b.wait({ timeout: 50 })) });
    await server.abort();
    for (const { end } of waits) {
      assert(isDocumented(await failure(end)));
    }
    await server.reset();
    const wait = async () => (await client.ask({ do: "wait" })).ok as number;
    for (let phase = 0; phase < 3; phase++) await meet(wait, () => a.wait(), () => b.wait());
  },
  5_000,
);

memoryTest(
  "ProcessBarrier.wait() is told of a reset though somebody has written over how many sleep",
  async (scope) => {
    const server = await listen(scope, 2);
    const { client, place } = await spy(scope, server.path);
    const memory = Memory.open(place.path, place.id, SEATED_WORDS);
    scope.defer(() => memory.close());
    const a = await join(scope, server, "a");
    for (let i = 0; i < 3; i++) {
      const waiting = await enter(server, () => a.wait());
      // It sleeps: what is asked for after that is answered later.
      await a.status();
      memory.words[SLEEPERS] = 0;
      await server.reset();
      assertEquals(await ended(failure(waiting.end)), "reset");
      const passing = await enter(server, () => a.wait());
      await a.status();
      assertEquals((await client.ask({ do: "wait" })).ok, 0);
      assertEquals(await outcomeOf(passing.end), 1);
    }
  },
);

// Who is killed

const deaths: [string, (server: ProcessBarrierServer, victim: ProcessParty) => Promise<void>][] = [
  ["asleep in waitSync()", async (server, victim) => {
    quiet(block(victim));
    await arrived(server, 1);
    await asleep(victim);
  }],
  ["parked in wait()", async (server, victim) => {
    quiet(victim.wait());
    await arrived(server, 1);
  }],
  ["between two phases", () => Promise.resolve()],
];
for (const [where, prepare] of deaths) {
  memoryTest(`ProcessBarrier.wait() names a party that is killed ${where}`, async (scope) => {
    const server = await listen(scope, 4);
    const [victim, a] = await spawn(scope, server, "victim", "a") as [ProcessParty, ProcessParty];
    const b = await join(scope, server, "b");
    const c = await join(scope, server, "c", "socket");
    await meet(() => block(victim), () => block(a), () => b.wait(), () => c.wait());
    await prepare(server, victim);
    const waits = [
      await enter(server, () => block(a)),
      ...server.arrived < 3 ? [await enter(server, () => b.wait())] : [],
    ];
    await asleep(a);
    victim.child.kill("SIGKILL");
    assertEquals((await victim.child.ended()).signal, "SIGKILL");
    for (const { end } of waits) isBroken(await failure(end), "lost", '"victim" is gone');
    for (const wait of [() => block(a), () => b.wait(), () => c.wait()]) {
      const error = await failure(wait());
      isBroken(error, "lost", '"victim" is gone');
      assertEquals(error.phase, 1);
    }
    await server.reset();
    const [next] = await spawn(scope, server, "replacement");
    await meet(() => block(next!), () => block(a), () => b.wait(), () => c.wait());
    assertEquals(server.phase, 2);
  });
}

memoryTest(
  "ProcessBarrier.wait() passes for all others when a party is killed after the release, asleep",
  async (scope) => {
    const server = await listen(scope, 3);
    const [victim, a] = await spawn(scope, server, "victim", "a") as [ProcessParty, ProcessParty];
    const b = await join(scope, server, "b");
    quiet(block(victim));
    await arrived(server, 1);
    victim.child.kill("SIGSTOP");
    await meetRest(b, a);
    victim.child.kill("SIGKILL");
    await victim.child.ended();
    for (const wait of [() => block(a), () => b.wait()]) {
      isBroken(await failure(wait()), "lost", '"victim" is gone');
    }
    await server.reset();
    const next = await join(scope, server, "replacement");
    await meet(() => next.wait(), () => block(a), () => b.wait());

    async function meetRest(b: ProcessBarrier, a: ProcessParty) {
      assertEquals((await Promise.all([b.wait(), block(a)])).sort(), [0, 1]);
    }
  },
);

memoryTest(
  "ProcessBarrier.waitSync() is freed when its server is killed, and nothing is left",
  async (scope) => {
    const files = async () => {
      const names = [];
      for await (const { name } of Deno.readDir("/dev/shm")) names.push(name);
      return names.sort();
    };
    const before = await files();
    await nothingLeft(scope, MEMORY);
    const owner = await Owner.start(scope, 5);
    const [a, b] = await spawn(scope, owner, "a", "b") as [ProcessParty, ProcessParty];
    const c = await join(scope, owner, "c");
    const d = await join(scope, owner, "d", "socket");
    const e = await join(scope, owner, "e");
    const waits = [block(a), b.wait(), c.wait(), d.wait()].map((wait) => failure(wait));
    await until(async () => (await e.status()).arrived === 4, "four wait");
    await asleep(a);
    await owner.kill();
    for (const error of await Promise.all(waits)) isBroken(error, "lost", "the server is gone");
    for (const wait of [() => block(a), () => b.wait(), () => c.wait(), () => d.wait()]) {
      isBroken(await failure(wait()), "lost", "the server is gone");
    }
    isBroken(await failure(b.call("waitSync")), "lost", "the server is gone");
    for (const party of [a, b]) await party[Symbol.asyncDispose]();
    assertEquals([await files(), await processesOf(owner.path)], [before, []]);
  },
);

memoryTest(
  "ProcessBarrier.waitSync() is freed when its server is killed before it begins",
  async (scope) => {
    const owner = await Owner.start(scope, 2);
    const [a] = await spawn(scope, owner, "a") as [ProcessParty];
    await owner.kill();
    for (let i = 0; i < 2; i++) isBroken(await failure(block(a)), "lost", "the server is gone");
  },
);

/** Has memory that is made meanwhile wake no event loop before the function that is returned is called. */
async function delayed<T>(make: () => Promise<T>): Promise<[made: T, wake: () => void]> {
  const { create, open } = Memory;
  const { promise, resolve } = Promise.withResolvers<void>();
  const delay = (memory: Memory) => {
    const { sleeper } = memory;
    const { waitAsync } = sleeper;
    sleeper.waitAsync = async (word, value) => {
      await waitAsync(word, value);
      await promise;
    };
    return memory;
  };
  Memory.create = (...args) => delay(create.apply(Memory, args));
  Memory.open = (...args) => delay(open.apply(Memory, args));
  try {
    return [await make(), resolve];
  } finally {
    Object.assign(Memory, { create, open });
  }
}

const serverEnds: Record<string, (owner: Owner, other: ProcessBarrier) => Promise<void>> = {
  "is killed": (owner) => owner.kill(),
  "is killed, and the barrier is broken": async (owner, other) => {
    await other.abort("why");
    await owner.kill();
  },
};

for (const [how, end] of Object.entries(serverEnds)) {
  memoryTest(
    `ProcessBarrier.wait() passes if the last has arrived, though it wakes after its server ${how}`,
    async (scope) => {
      const owner = await Owner.start(scope, 2);
      const [a, wake] = await delayed(() => join(scope, owner, "a"));
      scope.defer(wake);
      const b = await join(scope, owner, "b");
      const waiting = quiet(a.wait());
      const watching = quiet(a.waitFor(0));
      const next = failure(a.waitFor(1));
      await until(() => b.arrived === 1, "a has arrived");
      assertEquals(await b.wait(), 0);
      await end(owner, b);
      assertEquals(await waiting, 1);
      await watching;
      assertInstanceOf(await next, BrokenBarrierError);
      for (const party of [a, b]) {
        isBroken(await failure(party.wait()), "lost");
        await party.waitFor(0);
        isBroken(await failure(party.waitFor(1)), "lost");
      }
    },
  );
}

memoryTest(
  "ProcessBarrier.wait() passes if the last has arrived, though it wakes after its server is disposed of",
  async (scope) => {
    const server = await listen(scope, 2);
    const [a, wake] = await delayed(() => join(scope, server, "a"));
    scope.defer(wake);
    const b = await join(scope, server, "b");
    const { end } = await enter(server, () => a.wait());
    const watching = quiet(a.waitFor(0));
    assertEquals(await b.wait(), 0);
    await server[Symbol.asyncDispose]();
    assertEquals(await end, 1);
    await watching;
    for (const party of [a, b]) {
      isBroken(await failure(party.wait()), "aborted", "the server was disposed");
      await party.waitFor(0);
      isBroken(await failure(party.waitFor(1)), "aborted", "the server was disposed");
    }
  },
);

memoryTest(
  "ProcessBarrierServer[Symbol.asyncDispose]() tells who is on the socket what has passed in the memory",
  async (scope) => {
    const [server, wake] = await delayed(() => listen(scope, 2));
    scope.defer(wake);
    const a = await join(scope, server, "a", "socket");
    const b = await join(scope, server, "b");
    const { end } = await enter(server, () => a.wait());
    const watching = quiet(server.waitFor(0));
    // In one go: the server's event loop has no turn before its end.
    const passing = b.wait();
    const aborting = b.abort("why");
    const disposal = server[Symbol.asyncDispose]();
    assertEquals(await end, 1);
    await watching;
    assertEquals(await passing, 0);
    await aborting;
    wake();
    await disposal;
    isBroken(await failure(a.wait()), "aborted", "the server was disposed");
  },
);

for (const wait of ["wait", "waitSync"]) {
  memoryTest(
    `ProcessBarrier.${wait}() passes if the last has arrived, though its process stands still until its server has ended`,
    async (scope) => {
      const server = await listen(scope, 2);
      const [a] = await spawn(scope, server, "a");
      const b = await join(scope, server, "b");
      const { end } = await enter(server, () => a!.call<number>(wait));
      a!.child.kill("SIGSTOP");
      assertEquals(await b.wait(), 0);
      await server[Symbol.asyncDispose]();
      a!.child.kill("SIGCONT");
      assertEquals(await end, 1);
      for (const error of [await failure(a!.wait()), await failure(b.wait())]) {
        isBroken(error, "aborted", "the server was disposed");
      }
    },
  );
}

memoryTest("ProcessBarrier.waitSync() is freed when its server is disposed of", async (scope) => {
  const server = await listen(scope, 3);
  const [a, b] = await spawn(scope, server, "a", "b") as [ProcessParty, ProcessParty];
  const waits = [await enter(server, () => block(a)), await enter(server, () => b.wait())];
  await asleep(a);
  await server[Symbol.asyncDispose]();
  for (const { end } of waits) isBroken(await failure(end), "aborted", "the server was disposed");
  for (const wait of [() => block(a), () => b.wait()]) {
    isBroken(await failure(wait()), "aborted", "the server was disposed");
  }
});

// The action

for (const kind of ["sync", "async"] as const) {
  memoryTest(
    `ProcessBarrier.waitSync() passes after the ${kind} action of the server, which runs once a phase`,
    async (scope) => {
      const gates: PromiseWithResolvers<void>[] = [];
      const action = kind === "sync" ? () => void gates.push(Promise.withResolvers()) : () => {
        gates.push(Promise.withResolvers());
        return gates.at(-1)!.promise;
      };
      const server = await listen(scope, 2, { action });
      const [a, b] = await spawn(scope, server, "a", "b") as [ProcessParty, ProcessParty];
      for (let phase = 0; phase < 5; phase++) {
        const said = [a, b].map(({ child }) => child.stdout.length);
        const waits = [quiet(block(a)), quiet(block(b))];
        if (kind === "async") {
          await until(() => gates.length === phase + 1, "the action runs");
          await Promise.all([asleep(a), asleep(b)]);
          // Neither has passed.
          assertEquals([a, b].map(({ child }) => child.stdout.length), said);
          assertEquals([server.phase, server.missing], [phase, []]);
          gates.at(-1)!.resolve();
        }
        assertEquals((await Promise.all(waits)).sort(), [0, 1]);
        assertEquals(gates.length, phase + 1);
      }
    },
  );

  memoryTest(
    `ProcessBarrier.waitSync() by the last party throws what the ${kind} action threw`,
    async (scope) => {
      let fails = true;
      const check = () => {
        if (fails) throw new RangeError("the disk is full");
      };
      const action = kind === "sync" ? check : async () => {
        await turn();
        check();
      };
      const server = await listen(scope, 3, { action });
      const [a, b] = await spawn(scope, server, "a", "b") as [ProcessParty, ProcessParty];
      const c = await join(scope, server, "c");
      const others = [await enter(server, () => block(a)), await enter(server, () => c.wait())];
      await asleep(a);
      const last = await failure(block(b));
      assertInstanceOf(last, RangeError);
      assertEquals(last.message, "the disk is full");
      for (const { end } of others) {
        const error = await failure(end);
        isBroken(error, "action");
        assertEquals([error.cause, error.phase, error.arrived], ["the disk is full", 0, 3]);
      }
      isBroken(await failure(block(a)), "action");
      fails = false;
      await server.reset();
      await meet(() => block(a), () => block(b), () => c.wait());
    },
  );
}

memoryTest(
  "ProcessBarrier.waitSync() is freed when its server is killed while the action runs",
  async (scope) => {
    const owner = await Owner.start(scope, 3, { script: "./_memory_owner.ts" });
    const [a, b] = await spawn(scope, owner, "a", "b") as [ProcessParty, ProcessParty];
    const c = await join(scope, owner, "c");
    const waits = [block(a), block(b), c.wait()].map((wait) => failure(wait));
    await owner.child.line((line) => line === "acts", "the action runs");
    await Promise.all([asleep(a), asleep(b)]);
    await owner.kill();
    for (const error of await Promise.all(waits)) isBroken(error, "lost", "the server is gone");
    for (const wait of [() => block(a), () => b.wait(), () => c.wait()]) {
      isBroken(await failure(wait()), "lost", "the server is gone");
    }
  },
);

memoryTest(
  "ProcessBarrier.waitSync() is freed when its server is disposed of while the action runs",
  async (scope) => {
    const acting = Promise.withResolvers<void>();
    const ending = Promise.withResolvers<void>();
    scope.defer(() => ending.resolve());
    const server = await listen(scope, 4, {
      action: () => {
        acting.resolve();
        return ending.promise;
      },
    });
    const [a, b] = await spawn(scope, server, "a", "b") as [ProcessParty, ProcessParty];
    const c = await join(scope, server, "c");
    const d = await join(scope, server, "d", "socket");
    const waits = [block(a), block(b), c.wait(), d.wait()].map((wait) => failure(wait));
    await acting.promise;
    await Promise.all([asleep(a), asleep(b)]);
    await server[Symbol.asyncDispose]();
    const reasons = (await Promise.all(waits)).map((error) => {
      assertInstanceOf(error, BrokenBarrierError);
      return error.reason;
    });
    // One phase, one outcome.
    assertEquals(reasons, [reasons[0]!, reasons[0]!, reasons[0]!, reasons[0]!]);
    for (const wait of [() => block(a), () => b.wait(), () => c.wait(), () => d.wait()]) {
      assertInstanceOf(await failure(wait()), BrokenBarrierError);
    }
  },
);

for (const transport of [SHARED, "socket"] as const) {
  memoryTest(
    `ProcessBarrier.wait() of the last party while the action of the phase before runs waits for its end, and heeds nothing [${transport}]`,
    async (scope) => {
      const gates: PromiseWithResolvers<void>[] = [];
      const action = () => {
        gates.push(Promise.withResolvers());
        return gates.at(-1)!.promise;
      };
      scope.defer(() => gates.forEach(({ resolve }) => resolve()));
      const server = await listen(scope, 2, { action });
      const a = await join(scope, server, "a", transport);
      const b = await join(scope, server, "b", transport);
      const controller = new CountingController();
      const { signal } = controller;
      const first = [quiet(a.wait()), quiet(b.wait())];
      await until(() => gates.length === 1, "the first action runs");
      const second = [quiet(a.wait()), quiet(b.wait({ timeout: 0 })), quiet(b.waitFor(1))];
      // The server has answered all that was asked before, and timers of 0 ms have fired.
      for (let i = 0; i < 3; i++) {
        await a.status();
        await b.status();
        await turn();
      }
      assertEquals([gates.length, server.phase, server.broken], [1, 0, false]);
      gates[0]!.resolve();
      assertEquals((await Promise.all(first)).sort(), [0, 1]);
      await until(() => gates.length === 2, "the second action runs");
      gates[1]!.resolve();
      assertEquals(await Promise.all(second), [1, 0, undefined] as never[]);
      // A signal that aborts meanwhile changes nothing, either.
      const third = [quiet(a.wait()), quiet(b.wait())];
      await until(() => gates.length === 3, "the third action runs");
      const fourth = [quiet(a.wait()), quiet(b.wait({ signal }))];
      await b.status();
      controller.abort("why");
      await b.status();
      await turn();
      assertEquals([gates.length, server.phase, server.broken], [3, 2, false]);
      gates[2]!.resolve();
      assertEquals((await Promise.all(third)).sort(), [0, 1]);
      await until(() => gates.length === 4, "the fourth action runs");
      gates[3]!.resolve();
      assertEquals(await Promise.all(fourth), [1, 0]);
      assertEquals([controller.listeners, server.phase], [0, 4]);
    },
  );
}

for (const transport of [SHARED, "socket"] as const) {
  memoryTest(
    `ProcessBarrier.wait() that waits for the end of an action heeds then what its signal did meanwhile [${transport}]`,
    async (scope) => {
      const gates: PromiseWithResolvers<void>[] = [];
      const action = () => {
        gates.push(Promise.withResolvers());
        return gates.at(-1)!.promise;
      };
      scope.defer(() => gates.forEach(({ resolve }) => resolve()));
      const server = await listen(scope, 2, { action });
      const a = await join(scope, server, "a", transport);
      const b = await join(scope, server, "b", transport);
      const controller = new CountingController();
      const { signal } = controller;
      const first = [quiet(a.wait()), quiet(b.wait())];
      await until(() => gates.length === 1, "the action runs");
      quiet(a.wait());
      await a.status();
      const waiting = quiet(b.wait({ signal, onCancel: "withdraw" }));
      await b.status();
      controller.abort("why");
      await b.status();
      // So it is not the last any more, if it was settled that it is.
      await server.register();
      gates[0]!.resolve();
      await Promise.all(first);
      gates[1]?.resolve();
      const outcome = await outcomeOf(waiting);
      assert(outcome === "why" || outcome === 0, Deno.inspect(outcome));
      assertEquals(controller.listeners, 0);
    },
  );
}

memoryTest(
  "ProcessBarrier.wait() comes after what was asked for before it, and before what was after it [socket]",
  async (scope) => {
    const server = await listen(scope, 2);
    const a = await join(scope, server, "a", "socket");
    const mending = [a.reset()];
    const waiting = failure(a.wait());
    mending.push(a.reset());
    await Promise.all(mending);
    assertEquals(await ended(waiting), "reset");
    const b = await join(scope, server, "b", "socket");
    await meet(() => a.wait(), () => b.wait());
  },
);

memoryTest(
  "ProcessBarrier[Symbol.asyncDispose]() takes back no phase that is settled, though its server does not answer",
  async (scope) => {
    const owner = await Owner.start(scope, 2, { script: "./_memory_owner.ts" });
    const [a] = await spawn(scope, owner, "a") as [ProcessParty];
    const b = await join(scope, owner, "b");
    const passing = quiet(block(a));
    const own = quiet(b.wait());
    await owner.child.line((line) => line === "acts", "the action runs");
    owner.child.kill("SIGSTOP");
    {
      using time = new FakeTime();
      const disposing = b[Symbol.asyncDispose]();
      time.tick(1_000);
      await disposing;
    }
    assertInstanceOf(await failure(own), BrokenBarrierError);
    owner.child.kill("SIGCONT");
    owner.child.send("end");
    assert([0, 1].includes(await passing));
    const error = await failure(block(a));
    assertInstanceOf(error, BrokenBarrierError);
    assertStringIncludes(error.message, '"b" ');
  },
);

test(
  "ProcessBarrier.wait() never takes the end of an action before for the end of its phase",
  () => {
    const barrier = new SharedBarrier(new Int32Array(64), {
      // The action of the phase before ends while it spins.
      pause: (turn) => {
        if (turn === 1) barrier.endTrip();
        return turn < 10;
      },
      wait: () => {},
      waitAsync: () => Promise.resolve(),
      notify: () => {},
    });
    barrier.acts = true;
    barrier.found(2);
    barrier.arrive();
    assert(barrier.arrive()!.trips);
    const early = barrier.arrive()!;
    assertEquals([early.phase, barrier.block(early, 0)], [1, undefined]);
    barrier.endTrip();
    assertEquals([barrier.arrived, barrier.completed], [1, 1]);
  },
);

// Blocking

memoryTest(
  "ProcessBarrier.waitSync() that times out breaks the barrier, and says who is missing",
  async (scope) => {
    const server = await listen(scope, 3);
    const [a, b] = await spawn(scope, server, "a", "b") as [ProcessParty, ProcessParty];
    await join(scope, server, "c");
    const other = await enter(server, () => block(b));
    const error = await failure(block(a, { timeout: 20 }));
    isNamed(error, "TimeoutError", 'within 20 ms: current value is 2 of 3 arrived, missing "c"');
    isBroken(await failure(other.end), "timeout", '2 of 3 arrived, missing "c"');
    for (const party of [a, b]) isBroken(await failure(block(party)), "timeout", 'missing "c"');
  },
);

memoryTest("ProcessBarrier.waitSync() that times out may withdraw", async (scope) => {
  const server = await listen(scope, 3);
  const [a, b] = await spawn(scope, server, "a", "b") as [ProcessParty, ProcessParty];
  const c = await join(scope, server, "c");
  const other = await enter(server, () => block(b));
  for (let i = 0; i < 2; i++) {
    const error = await failure(block(a, { timeout: 20, onCancel: "withdraw" }));
    isNamed(error, "TimeoutError", '2 of 3 arrived, missing "c"');
    assertEquals([server.arrived, server.missing], [1, ["a", "c"]]);
  }
  const numbers = [block(a), c.wait(), other.end];
  assertEquals((await Promise.all(numbers)).sort(), [0, 1, 2]);
});

memoryTest("ProcessBarrier.waitSync() has the server's timeout, or its own", async (scope) => {
  const server = await listen(scope, 2, { timeout: 20 });
  const [a] = await spawn(scope, server, "a") as [ProcessParty];
  isNamed(await failure(block(a)), "TimeoutError", "within 20 ms");
  await server.reset();
  const wait = await enter(server, () => block(a, { timeout: Infinity }));
  await asleep(a);
  const b = await join(scope, server, "b");
  assertEquals([await b.wait(), await wait.end], [0, 1]);
});

memoryTest(
  "ProcessBarrier.waitSync() is refused until what was asked for has been awaited",
  async (scope) => {
    const server = await listen(scope, 1, { action: () => {} });
    const a = await join(scope, server, "a");
    for (const ask of [() => a.reset(), () => a.register(), () => a.arriveAndDrop()]) {
      const pending = ask();
      const error = await failure(Promise.try(() => a.waitSync()));
      isNamed(error, "InvalidStateError", "must have been awaited");
      assertEquals(server.arrived, 0);
      await pending;
    }
  },
);

memoryTest(
  "ProcessBarrier.waitSync() is refused where arrivals go through the socket",
  async (scope) => {
    const server = await listen(scope, 1);
    const a = await join(scope, server, "a", "socket");
    const error = await failure(Promise.try(() => a.waitSync()));
    assertInstanceOf(error, Deno.errors.NotSupported);
    assertEquals(
      error.message,
      'Cannot block as transport must be "shared-memory": current value is "socket"',
    );
    assertEquals([server.arrived, await a.wait()], [0, 0]);
  },
);

memoryTest(
  "ProcessBarrier.waitSync() is refused to a party that has dropped, or has arrived",
  async (scope) => {
    const server = await listen(scope, 2);
    const a = await join(scope, server, "a");
    const waiting = await enter(server, () => a.wait());
    isNamed(await failure(Promise.try(() => a.waitSync())), "InvalidStateError", "once in a phase");
    const b = await join(scope, server, "b");
    await b.arriveAndDrop();
    assertEquals(await waiting.end, 1);
    isNamed(await failure(Promise.try(() => b.waitSync())), "InvalidStateError", "is dropped");
    assertEquals(a.waitSync(), 0);
  },
);

// The event loop

memoryTest(
  "ProcessBarrier.wait() phase after phase gives timers and messages their turn",
  async (scope) => {
    const server = await listen(scope, 2);
    const PHASES = 5_000;
    const loops = [1, 2].map(() =>
      scope.use(
        new Child([
          ...confined("./_memory_loop.ts", server.path, SHARED),
          server.path,
          `${PHASES}`,
        ]),
      )
    );
    for (const loop of loops) {
      const { code, stdout, stderr } = await loop.ended();
      assertEquals([code, stderr], [0, []]);
      const first = JSON.parse(stdout[0]!);
      assertEquals(Object.keys(first).sort(), ["immediate", "interval", "message", "timeout"]);
      for (const phase of Object.values(first) as number[]) assert(phase < PHASES);
    }
    // The drop of the last completes one more.
    assertEquals(server.phase, PHASES + 1);
  },
);

memoryTest(
  "ProcessBarrier.wait() heeds a signal that aborts just after it was called, however many were before",
  async (scope) => {
    const server = await listen(scope, 2);
    const a = await join(scope, server, "a");
    const b = await join(scope, server, "b");
    for (let phase = 0; phase < 1_100; phase++) {
      const controller = new CountingController();
      const { signal } = controller;
      const wait = failure(a.wait({ signal, onCancel: "withdraw" }));
      controller.abort("why");
      assertEquals(await outcomeOf(wait), "why", `wait ${phase}`);
      assertEquals(controller.listeners, 0);
    }
    await meet(() => a.wait(), () => b.wait());
  },
);

// Nothing is left

memoryTest("ProcessBarrier[Symbol.asyncDispose]() gives back its memory", async (scope) => {
  const server = await listen(scope, 2);
  await join(scope, server, "a");
  const before = await held(MEMORY);
  for (let i = 0; i < 50; i++) {
    const b = await ProcessBarrier.connect(server.path, { transport: SHARED });
    assertEquals(await held(MEMORY), before.map((count) => count + 1));
    const waiting = failure(b.wait());
    if (i % 2 === 0) await arrived(server, 1);
    await b[Symbol.asyncDispose]();
    isBroken(await waiting, "aborted");
    assertEquals(await held(MEMORY), before);
    isBroken(await failure(b.wait()), "aborted");
    isBroken(await failure(Promise.try(() => b.waitSync())), "aborted");
    assertEquals([b.broken, b.arrived], [true, 0]);
    await server.reset();
  }
});

memoryTest("ProcessBarrierServer[Symbol.asyncDispose]() gives back its memory", async () => {
  const before = await held(MEMORY);
  for (let i = 0; i < 20; i++) {
    const server = await ProcessBarrierServer.listen({ parties: 2 });
    const watching = failure(server.waitFor(0));
    const a = await ProcessBarrier.connect(server.path, { transport: SHARED });
    const waiting = failure(a.wait());
    await server[Symbol.asyncDispose]();
    isBroken(await watching, "aborted");
    isBroken(await waiting, "aborted", "the server was disposed");
    assertEquals([server.broken, server.parties, server.phase], [true, 2, 0]);
    await a[Symbol.asyncDispose]();
    assertEquals(await held(MEMORY), before);
  }
});

memoryTest(
  "ProcessBarrier[Symbol.asyncDispose]() ends all that its party waits for",
  async (scope) => {
    const gate = Promise.withResolvers<void>();
    scope.defer(() => gate.resolve());
    const acting = Promise.withResolvers<void>();
    const server = await listen(scope, 2, {
      action: () => {
        acting.resolve();
        return gate.promise;
      },
    });
    const a = await join(scope, server, "a");
    const b = await join(scope, server, "b");
    const controller = new CountingController();
    const { signal } = controller;
    const waits = [a.wait(), b.wait(), a.wait(), b.wait({ timeout: 1e6, signal }), b.waitFor(7)];
    const errors = waits.map((wait) => failure(wait));
    await acting.promise;
    await b[Symbol.asyncDispose]();
    // In the phase that is settled, and in the one behind it, which cannot be.
    const ends = await Promise.all([1, 3, 4].map((i) => ended(errors[i]!)));
    assertEquals(ends, ["aborted", "aborted", "aborted"]);
    assertEquals(controller.listeners, 0);
    gate.resolve();
    assertEquals(await waits[0], 1);
    isBroken(await errors[2]!, "aborted", '"b" has left');
  },
);

/** What comes of a wait without anything else happening. */
async function outcomeOf(wait: Promise<unknown>): Promise<unknown> {
  let outcome: unknown = "nothing";
  wait.then((value) => outcome = value, (error) => outcome = error);
  for (let i = 0; i < 20 && outcome === "nothing"; i++) await turn();
  return outcome;
}

/** The reason of an error that comes without anything else happening. */
async function ended(error: Promise<unknown>): Promise<string> {
  let outcome = "nothing";
  error.then((error) => outcome = error instanceof BrokenBarrierError ? error.reason : `${error}`);
  for (let i = 0; i < 10 && outcome === "nothing"; i++) await turn();
  return outcome;
}

memoryTest(
  "ProcessBarrier[Symbol.asyncDispose]() leaves no timer and no listener of one who has dropped and watches",
  async (scope) => {
    const server = await listen(scope, 2);
    const a = await join(scope, server, "a");
    const b = await join(scope, server, "b");
    await b.arriveAndDrop();
    const controller = new CountingController();
    const { signal } = controller;
    const watching = failure(b.waitFor(9, { timeout: 1e6, signal }));
    await turn();
    await b[Symbol.asyncDispose]();
    isBroken(await watching, "aborted", '"b" has left');
    assertEquals(controller.listeners, 0);
    assertEquals(await a.wait(), 0);
  },
);

memoryTest(
  "ProcessBarrier.waitFor() that was called before the end of its party ends with it",
  async (scope) => {
    const server = await listen(scope, 2);
    await join(scope, server, "a");
    const b = await join(scope, server, "b");
    const dropping = b.arriveAndDrop();
    const watching = failure(b.waitFor(9));
    const disposing = b[Symbol.asyncDispose]();
    assertEquals(await dropping, 0);
    await disposing;
    assertEquals(await ended(watching), "aborted");
  },
);

memoryTest(
  "ProcessBarrier.connect() goes by the socket in a process with too many in shared memory",
  async (scope) => {
    const server = await listen(scope, MOST + 1);
    const members: ProcessBarrier[] = [];
    // The server has one, too.
    for (let i = 1; i < MOST; i++) {
      members.push(scope.use(await ProcessBarrier.connect(server.path)));
      assertEquals((await members.at(-1)!.status()).transport, SHARED);
    }
    members.push(scope.use(await ProcessBarrier.connect(server.path)));
    assertEquals((await members.at(-1)!.status()).transport, "socket");
    // With all of them asleep, the runtime has threads left to read a file.
    const waits: { end: Promise<number> }[] = [];
    for (const member of members) waits.push(await enter(server, () => member.wait()));
    assertStringIncludes(
      await Deno.readTextFile(new URL(import.meta.url)),
      "threads left to read a file",
    );
    const error = await failure(ProcessBarrier.connect(server.path, { transport: SHARED }));
    assertInstanceOf(error, Deno.errors.NotSupported);
    assertStringIncludes(error.message, `at most ${MOST} barriers and parties`);
    assertEquals(server.broken, false);
    const last = scope.use(await ProcessBarrier.connect(server.path));
    assertEquals((await last.status()).transport, "socket");
    const numbers = [await last.wait(), ...await Promise.all(waits.map(({ end }) => end))];
    assertEquals(numbers.sort((a, b) => a - b), [...Array(MOST + 1).keys()]);
    // What is given back may be had again.
    await members[0]![Symbol.asyncDispose]();
    await server.reset();
    const next = scope.use(await ProcessBarrier.connect(server.path, { transport: SHARED }));
    assertEquals((await next.status()).transport, SHARED);
  },
);

function visitor(scope: Scope, path: string, way: string): Child {
  return scope.use(
    new Child([...confined("./_process_visitor.ts", path, SHARED), path, way]),
  );
}

memoryTest(
  "ProcessBarrier.connect() in shared memory keeps no process alive that asks for nothing",
  async (scope) => {
    const server = await listen(scope, 2);
    const a = await join(scope, server, "a");
    const waiting = failure(a.wait());
    const { code, stdout, stderr } = await visitor(scope, server.path, "nothing").ended();
    assertEquals([code, stdout, stderr], [0, ["connected"], []]);
    isBroken(await waiting, "lost", '"visitor" is gone');
    await server.reset();
    const b = await join(scope, server, "b");
    await meet(() => a.wait(), () => b.wait());
  },
);

for (const way of ["wait", "waitFor"]) {
  memoryTest(
    `ProcessBarrier.${way}() in shared memory keeps its process alive, and lets it end`,
    async (scope) => {
      const server = await listen(scope, 2);
      const a = await join(scope, server, "a");
      const child = visitor(scope, server.path, way);
      await arrived(server, 1);
      assertEquals(await a.wait(), 0);
      if (way === "wait") {
        await arrived(server, 1);
        assertEquals(await a.wait(), 0);
      }
      const { code, stdout, stderr } = await child.ended();
      const said = way === "wait" ? ["passed with 1", "passed with 1"] : ["saw undefined"];
      assertEquals([code, stdout, stderr], [0, ["connected", ...said], []]);
      await until(() => server.broken, "lost");
    },
  );
}

memoryTest(
  "ProcessBarrier in a worker that is terminated while it waits is lost",
  async (scope) => {
    const server = await listen(scope, 2);
    const a = await join(scope, server, "a");
    const module = new URL("../process_barrier.ts", import.meta.url);
    const source = `
    import { ProcessBarrier } from "${module}";
    const barrier = await ProcessBarrier.connect(${JSON.stringify(server.path)}, {
      name: "worker",
      transport: "shared-memory",
    });
    await barrier.wait();
  `;
    const url = `data:text/javascript,${encodeURIComponent(source)}`;
    const worker = new Worker(url, { type: "module" });
    await arrived(server, 1);
    worker.terminate();
    await until(() => server.broken, "lost");
    isBroken(await failure(a.wait()), "lost", '"worker" is gone');
    await server.reset();
    const b = await join(scope, server, "b");
    await meet(() => a.wait(), () => b.wait());
  },
);

// Signals

memoryTest("ProcessBarrier.wait() heeds its signal, before and while it waits", async (scope) => {
  const server = await listen(scope, 2);
  const a = await join(scope, server, "a");
  const b = await join(scope, server, "b");
  for (const onCancel of ["break", "withdraw"] as const) {
    for (const before of [true, false]) {
      const controller = new CountingController();
      const { signal } = controller;
      const other = await enter(server, () => b.wait());
      if (before) controller.abort("why");
      // It is never the last: nobody else is needed for that.
      await server.register();
      const waiting = failure(a.wait({ signal, onCancel, timeout: 1e6 }));
      if (!before) {
        await arrived(server, 2);
        controller.abort("why");
      }
      assertEquals([await waiting, controller.listeners], ["why", 0]);
      if (onCancel === "break") {
        const error = await failure(other.end);
        isBroken(error, "aborted");
        assertEquals(error.cause, "why");
        isBroken(await failure(a.wait()), "aborted");
        await server.reset();
      } else {
        assertEquals([server.arrived, server.broken], [1, false]);
      }
      const c = await ProcessBarrier.connect(server.path, { transport: SHARED });
      const last = c.arriveAndDrop();
      const numbers = [a.wait(), ...onCancel === "break" ? [b.wait()] : [other.end]];
      assertEquals((await Promise.all(numbers)).length, 2);
      await last;
      await c[Symbol.asyncDispose]();
    }
  }
});

memoryTest(
  "ProcessBarrier.arrive() counts at once after a signal has withdrawn its party",
  async (scope) => {
    const server = await listen(scope, 2);
    const a = await join(scope, server, "a");
    const [b] = await spawn(scope, server, "b") as [ProcessParty];
    for (let phase = 0; phase < 3; phase++) {
      const controller = new CountingController();
      const { signal } = controller;
      const wait = await enter(server, () => a.wait({ signal, onCancel: "withdraw" }));
      controller.abort("why");
      const arriving = a.arrive();
      assertEquals([await failure(wait.end), await arriving], ["why", phase]);
      assertEquals([server.missing, controller.listeners], [["b"], 0]);
      assertEquals(await block(b), 0);
      await a.waitFor(phase);
    }
  },
);

memoryTest(
  "ProcessBarrier.wait() gives each party of a process the reason of a signal that they share",
  async (scope) => {
    const server = await listen(scope, 3);
    const members = [await join(scope, server, "a"), await join(scope, server, "b")];
    const [c] = await spawn(scope, server, "c") as [ProcessParty];
    const controller = new CountingController();
    const { signal } = controller;
    const waits = [];
    for (const member of members) waits.push(await enter(server, () => member.wait({ signal })));
    controller.abort("why");
    for (const { end } of waits) assertEquals(await failure(end), "why");
    assertEquals(controller.listeners, 0);
    const error = await failure(block(c));
    isBroken(error, "aborted");
    assertEquals(error.cause, "why");
    await server.reset();
    await meet(() => members[0]!.wait(), () => members[1]!.wait(), () => block(c));
  },
);

memoryTest(
  "ProcessBarrier.wait() gives each party the reason, or its text, of a signal that two processes share",
  async (scope) => {
    const server = await listen(scope, 3);
    const [a, b] = await spawn(scope, server, "a", "b") as [ProcessParty, ProcessParty];
    const [c] = await spawn(scope, server, "c") as [ProcessParty];
    const controller = new AbortController();
    const { signal } = controller;
    const waits = [
      await enter(server, () => a.wait({ signal })),
      await enter(server, () => b.wait({ signal })),
    ];
    controller.abort("why");
    for (const { end } of waits) {
      // The break by one may reach the other before its signal does: then that says the same.
      const error = await failure(end);
      if (error === "why") continue;
      isBroken(error, "aborted");
      assertEquals(error.cause, "why");
    }
    const error = await failure(block(c));
    isBroken(error, "aborted");
    assertEquals(error.cause, "why");
    await server.reset();
    await meet(() => a.wait(), () => block(b), () => block(c));
  },
);

// Numbers

memoryTest(
  "ProcessBarrier.wait() numbers a phase in which parties withdraw and are registered, whatever they go through",
  async (scope) => {
    const server = await listen(scope, 4);
    const members: ProcessBarrier[] = [];
    const add = async () => {
      const transport = members.length % 2 === 0 ? SHARED : "socket";
      members.push(await join(scope, server, `member ${members.length}`, transport));
    };
    while (members.length < 4) await add();
    for (let seed = 0; seed < 20; seed++) {
      const random = new Random(seed);
      const waits = new Map<ProcessBarrier, [Promise<number>, AbortController]>();
      const wait = async (member: ProcessBarrier) => {
        const controller = new AbortController();
        const { signal } = controller;
        const { end } = await enter(server, () => member.wait({ signal, onCancel: "withdraw" }));
        waits.set(member, [end, controller]);
      };
      const [last, ...others] = random.shuffle(members);
      for (const member of others) {
        await wait(member);
        if (random.upTo(2) > 0) continue;
        const whose = random.pick([...waits.keys()]);
        const [end, controller] = waits.get(whose)!;
        const count = server.arrived;
        controller.abort("why");
        assertEquals(await failure(end), "why");
        assertEquals(server.arrived, count - 1);
        waits.delete(whose);
      }
      if (seed % 5 === 4) {
        await members[random.upTo(3)]!.register();
        await add();
      }
      const rest = [...members, last!].filter((member) => member !== last && !waits.has(member));
      for (const member of rest) await wait(member);
      const ends = [...waits.values()].map(([end]) => end);
      const numbers = await Promise.all([last!.wait(), ...ends]);
      assertEquals(numbers.sort((a, b) => a - b), [...members.keys()], `seed ${seed}`);
    }
  },
);
