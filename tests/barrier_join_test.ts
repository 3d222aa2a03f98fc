// Copyright 2026 the Rendezvous authors. MIT license.

import { assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import { Barrier, BrokenBarrierError } from "../mod.ts";
import { failure, test, turn, until } from "./_harness.ts";

/** The words of a barrier with its id, and how often a party has joined. */
const ID = 48;
const JOINS = 50;

/** A barrier whose watch over its parties has ended when the test does. */
function watched(scope: AsyncDisposableStack, parties: number): Barrier {
  const barrier = new Barrier(parties);
  scope.defer(async () => {
    barrier[Symbol.dispose]();
    for (let i = 0; i < 3; i++) await turn();
  });
  return barrier;
}

/** A worker that joins the barrier that it is sent, and then does what it is told. */
interface Joiner {
  worker: Worker;
  /** Tells it what to do; it answers when it has, if it can. */
  tell(what: "wait" | "drop" | "dispose" | "close" | "throw"): Promise<unknown>;
}

async function joiner(
  scope: AsyncDisposableStack,
  barrier: Barrier,
  name?: string,
): Promise<Joiner> {
  const worker = new Worker(new URL("./_joiner.ts", import.meta.url), { type: "module" });
  scope.defer(() => {
    barrier.abort();
    worker.terminate();
  });
  // What it throws on purpose is not the test's failure.
  worker.onerror = (event) => event.preventDefault();
  const answer = () => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    worker.onmessage = ({ data }) => resolve(data);
    return promise;
  };
  const joined = answer();
  worker.postMessage({ barrier, name });
  assertEquals(await joined, "joined");
  return {
    worker,
    tell(what) {
      const answered = answer();
      worker.postMessage(what);
      return answered;
    },
  };
}

const ends: Record<string, (joiner: Joiner) => void> = {
  "closes": (joiner) => void joiner.tell("close"),
  "throws": (joiner) => void joiner.tell("throw"),
  "is terminated": (joiner) => joiner.worker.terminate(),
};

for (const [how, end] of Object.entries(ends)) {
  test(`Barrier.join() breaks the barrier, naming the party, when its worker ${how}`, async (scope) => {
    const barrier = watched(scope, 3);
    const victim = await joiner(scope, barrier, "resize-1");
    const other = await joiner(scope, barrier, "resize-2");
    const blocked = other.tell("wait");
    const waiting = failure(barrier.waitAsync());
    end(victim);
    const error = await waiting;
    assertInstanceOf(error, BrokenBarrierError);
    assertEquals(error.reason, "lost");
    assertStringIncludes(error.message, '"resize-1" is gone');
    assertStringIncludes(String(await blocked), '"resize-1" is gone');
    const later = await assertRejects(() => barrier.waitAsync(), BrokenBarrierError);
    assertEquals(later.reason, "lost");

    barrier.reset();
    const replacement = await joiner(scope, barrier, "resize-3");
    const numbers = [other.tell("wait"), replacement.tell("wait"), barrier.waitAsync()];
    assertEquals((await Promise.all(numbers)).sort(), [0, 1, 2]);
  });
}

for (const [name, likeness] of [["resize-1", "the same name"], ["resize-2", "another name"]]) {
  test(`Barrier.join() breaks no other barrier than its own, though ${likeness} joined there`, async (scope) => {
    const own = watched(scope, 2);
    const other = watched(scope, 2);
    const victim = await joiner(scope, own, "resize-1");
    const bystander = await joiner(scope, other, name);
    victim.worker.terminate();
    const error = await assertRejects(() => own.waitAsync(), BrokenBarrierError);
    assertEquals(error.reason, "lost");
    assertStringIncludes(error.message, '"resize-1" is gone');

    const numbers = await Promise.all([bystander.tell("wait"), other.waitAsync()]);
    assertEquals(numbers.sort(), [0, 1]);

    const next = failure(other.waitAsync());
    bystander.worker.terminate();
    assertStringIncludes(String(await next), `"${name}" is gone`);
    own.reset();
    const replacement = await joiner(scope, own, "resize-1");
    assertEquals(
      (await Promise.all([replacement.tell("wait"), own.waitAsync()])).sort(),
      [0, 1],
    );
  });
}

test("Barrier.join() does not take a living party for lost that joins while the locks are listed", async (scope) => {
  const { locks } = navigator as unknown as { locks: { query(): Promise<unknown> } };
  const original = locks.query.bind(locks);
  const listed = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  // The first list, which has the lock of the first party only, comes when the second has joined, too.
  locks.query = async () => {
    Reflect.deleteProperty(locks, "query");
    const list = await original();
    listed.resolve();
    await goOn.promise;
    return list;
  };
  scope.defer(() => void Reflect.deleteProperty(locks, "query"));
  scope.defer(() => goOn.resolve());
  const barrier = watched(scope, 3);
  const joins = new Int32Array(barrier.buffer, 4 * JOINS, 1);
  const first = joiner(scope, barrier, "first");
  await listed.promise;
  const second = joiner(scope, barrier, "second");
  await until(() => Atomics.load(joins, 0) === 2, "the second has joined");
  goOn.resolve();
  const parties = await Promise.all([first, second]);

  const numbers = [...parties.map((party) => party.tell("wait")), barrier.waitAsync()];
  assertEquals((await Promise.all(numbers)).sort(), [0, 1, 2]);
  const next = failure(barrier.waitAsync());
  parties[1]!.worker.terminate();
  assertStringIncludes(String(await next), '"second" is gone');
});

test("Barrier.join() breaks the barrier as its worker ends before anybody has seen it join", async (scope) => {
  const barrier = watched(scope, 2);
  const joins = new Int32Array(barrier.buffer, 4 * JOINS, 1);
  const id = new Int32Array(barrier.buffer, 4 * ID, 2).join(" ");
  const { locks } = navigator as unknown as {
    locks: { query(): Promise<{ held: { name: string }[] }> };
  };
  const original = locks.query.bind(locks);
  scope.defer(() => void Reflect.deleteProperty(locks, "query"));
  const worker = new Worker(new URL("./_joiner.ts", import.meta.url), { type: "module" });
  // The locks are listed when the worker has joined, and has ended.
  locks.query = async () => {
    assertEquals(Atomics.load(joins, 0), 1);
    worker.terminate();
    const ended = async () => !(await original()).held.some(({ name }) => name.includes(id));
    await until(ended, "the end of the worker");
    Reflect.deleteProperty(locks, "query");
    return await original();
  };
  worker.postMessage({ barrier });
  const error = await assertRejects(() => barrier.waitAsync(), BrokenBarrierError);
  assertEquals(error.reason, "lost");
  assertStringIncludes(error.message, '"party 0" is gone');
  barrier.reset();
  const replacement = await joiner(scope, barrier);
  assertEquals(
    (await Promise.all([replacement.tell("wait"), barrier.waitAsync()])).sort(),
    [0, 1],
  );
});

test("Barrier.join() does not take a party that dropped, or was disposed, for lost", async (scope) => {
  const barrier = watched(scope, 3);
  const first = await joiner(scope, barrier);
  assertEquals(await first.tell("drop"), 0);
  first.worker.terminate();
  const second = await joiner(scope, barrier);
  await second.tell("dispose");
  second.worker.terminate();
  const error = await assertRejects(() => barrier.waitAsync(), BrokenBarrierError);
  assertEquals(error.reason, "aborted");
  barrier.reset();
  // The seats of both are free again, and a third takes one: all that came before has been seen.
  const third = await joiner(scope, barrier, "third");
  const numbers = [third.tell("wait"), barrier.waitAsync()];
  assertEquals((await Promise.all(numbers)).sort(), [0, 1]);
  assertEquals([barrier.parties, barrier.broken], [2, false]);
});

test("Barrier.join() frees those who wait when the worker that was blocked is ended and freed", async (scope) => {
  const barrier = watched(scope, 3);
  const victim = await joiner(scope, barrier, "blocked");
  victim.tell("wait");
  await until(() => barrier.arrived === 1, "the arrival");
  // This does not end it: it sleeps.
  victim.worker.terminate();
  barrier.reset();
  // Now it does, and that is noticed.
  const error = await assertRejects(() => barrier.waitAsync(), BrokenBarrierError);
  assertEquals(error.reason, "lost");
  assertStringIncludes(error.message, '"blocked" is gone');
});

test("Barrier.join() refuses a bad name, and memory without a barrier", async () => {
  const barrier = new Barrier(2);
  await assertRejects(() => Barrier.join(barrier, { name: "" }), RangeError, "name must be");
  await assertRejects(() => Barrier.join(barrier, { name: "x".repeat(101) }), RangeError);
  await assertRejects(() => Barrier.join(barrier, { name: 5 as unknown as string }), TypeError);
  await assertRejects(() => Barrier.join(new SharedArrayBuffer(8)), TypeError);
});

test("Barrier.join() rejects where there are no Web Locks, and from() still works", async () => {
  const script = `
    Object.defineProperty(navigator, "locks", { value: undefined });
    const { Barrier } = await import(${JSON.stringify(import.meta.resolve("../mod.ts"))});
    const barrier = new Barrier(1);
    console.log(await Barrier.join(barrier).catch(String), Barrier.from(barrier).wait());
  `;
  const args = ["eval", "--ext=ts", script];
  const { stdout } = await new Deno.Command(Deno.execPath(), { args }).output();
  assertEquals(
    new TextDecoder().decode(stdout),
    "TypeError: Cannot join a barrier as the platform must have Web Locks: use Barrier.from() 0\n",
  );
});

test("Barrier[Symbol.dispose]() lets a script end whose workers are blocked", async () => {
  const script = `
    const { Barrier } = await import(${JSON.stringify(import.meta.resolve("../mod.ts"))});
    const source = \`
      import { Barrier } from ${JSON.stringify(import.meta.resolve("../mod.ts"))};
      self.onmessage = async ({ data }) => {
        const barrier = await Barrier.join(data);
        try { barrier.wait(); } finally { self.close(); }
      };
    \`;
    const barrier = new Barrier(3);
    for (let i = 0; i < 2; i++) {
      const url = "data:text/javascript," + encodeURIComponent(source);
      const worker = new Worker(url, { type: "module" });
      worker.onerror = (event) => event.preventDefault();
      worker.postMessage(barrier);
    }
    while (barrier.arrived < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    barrier[Symbol.dispose]();
    console.log("the end");
  `;
  const args = ["eval", "--ext=ts", script];
  const { code, stdout } = await new Deno.Command(Deno.execPath(), { args, stderr: "null" })
    .output();
  assertEquals([code, new TextDecoder().decode(stdout)], [0, "the end\n"]);
});
