// Copyright 2026 the Rendezvous authors. MIT license.

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  Barrier,
  type BarrierHandle,
  type BarrierOptions,
  type BrokenBarrierError,
} from "../../barrier.ts";
import { nodeProcess } from "../../_common/platform.ts";
import { cannotNotice } from "../../_worker/liveness.ts";
import { locks } from "../../_worker/locks.ts";
import { failure, test, turn, until } from "../_helpers/harness.ts";
import { noPrograms, runProgram } from "../_helpers/program.ts";
import { Thread } from "../_helpers/thread.ts";
import { isPage, startWorker } from "../_helpers/worker.ts";

const NO_PROGRAM = "data:text/javascript,this is no program";

/** A barrier that ends with `scope`, which frees all its workers. */
function make(scope: AsyncDisposableStack, parties: number, options?: BarrierOptions): Barrier {
  const barrier = new Barrier(parties, options);
  scope.defer(() => barrier[Symbol.dispose]());
  return barrier;
}

/** A worker that has joined `barrier`, which is free when `scope` ends. */
async function member(
  scope: AsyncDisposableStack,
  barrier: Barrier,
  name?: string,
): Promise<Thread> {
  const thread = await Thread.join(barrier, { name });
  scope.defer(() => {
    barrier[Symbol.dispose]();
    return thread.giveBack();
  });
  return thread;
}

/** Checks that the barrier breaks as that party is gone. */
async function isLost(barrier: Barrier, name: string, phase = 0): Promise<void> {
  const error = await failure(barrier.waitForAsync(phase)) as BrokenBarrierError;
  assertEquals([error.reason, error.party, error.phase], ["lost", name, phase]);
  assertStringIncludes(error.message, `Phase ${phase} broke: ${JSON.stringify(name)} is gone (`);
}

for (const how of ["close", "throw"] as const) {
  test(`Barrier.join() notices a worker that ends by ${how}`, async (scope) => {
    const barrier = make(scope, 3);
    const victim = await member(scope, barrier, "victim");
    const other = await member(scope, barrier, "other");
    const blocked = failure(other.call("wait"));
    await until(() => barrier.arrived === 1, "the arrival");
    victim.end(how);
    await isLost(barrier, "victim");
    const error = await blocked as BrokenBarrierError;
    assertEquals([error.reason, error.party], ["lost", "victim"]);
    assertEquals(
      error.message,
      'Phase 0 broke: "victim" is gone (1 of 3 arrived, missing "victim" and 1 without a name)',
    );
  }, { ignore: isPage && how === "throw" && "an error ends no worker of a page" });
}

test("Barrier.join() notices a worker that is terminated, whether it has arrived or not", async (scope) => {
  for (const arrived of [false, true]) {
    const barrier = make(scope, 2);
    const victim = await member(scope, barrier, "victim");
    if (arrived) assertEquals(await victim.call("arrive"), 0);
    victim.terminate();
    await isLost(barrier, "victim");
    assertEquals([barrier.arrived, barrier.missing], arrived ? [1, []] : [0, ["victim"]]);
  }
});

test("Barrier.join() notices a worker that was terminated while it slept, when it is freed", async (scope) => {
  const barrier = make(scope, 3);
  const victim = await member(scope, barrier, "blocked");
  victim.call("wait");
  await until(() => barrier.arrived === 1, "the arrival");
  // In Deno this does not end it: it sleeps.
  victim.terminate();
  barrier.reset();
  // Now it does.
  await isLost(barrier, "blocked", 1);
});

test("Barrier.join() tells a worker that made the barrier", async (scope) => {
  const [maker, victim] = [Thread.take(), Thread.take()];
  scope.defer(async () => {
    await maker.giveBack();
    await victim.giveBack();
  });
  const barrier = await maker.call<BarrierHandle>("make", 2);
  await victim.call("join", barrier, { name: "victim" });
  victim.terminate();
  const error = await failure(maker.call("waitForAsync", 0)) as BrokenBarrierError;
  assertEquals([error.reason, error.party], ["lost", "victim"]);
});

if ("Bun" in globalThis) {
  test(
    "Barrier.join() is refused where Bun cuts a worker off, and where such a worker made the barrier",
    async (scope) => {
      const [cutOff, other] = [Thread.take("Worker"), Thread.take("node:worker_threads")];
      scope.defer(async () => {
        await cutOff.giveBack();
        await other.giveBack();
      });
      const barrier = make(scope, 2);
      const refusal = await failure(cutOff.call("join", barrier)) as Error;
      assertEquals(String(refusal), String(cannotNotice()));
      assertEquals(barrier.missing, []);
      await cutOff.call("from", barrier);
      barrier.arrive();
      assertEquals(await cutOff.call("wait"), 0);
      const made = await cutOff.call<BarrierHandle>("make", 2);
      const error = await failure(other.call("join", made)) as Error;
      assertEquals(error.name, "InvalidStateError");
      assertStringIncludes(error.message, "Nobody watches this barrier");
    },
  );
}

test("Barrier.join() leaves other barriers alone when a worker ends", async (scope) => {
  const [one, two] = [make(scope, 2), make(scope, 2)];
  const victim = await member(scope, one, "one");
  const other = await member(scope, two, "two");
  victim.terminate();
  await isLost(one, "one");
  const waiting = other.call("wait");
  assertEquals(two.broken, false);
  await two.waitAsync();
  await waiting;
  other.terminate();
  await isLost(two, "two", 1);
});

test("Barrier.join() does not take a party for lost that has dropped", async (scope) => {
  const barrier = make(scope, 2);
  const first = await member(scope, barrier, "first");
  assertEquals(await first.call("arriveAndDrop"), 0);
  first.terminate();
  // That of the next has been noticed after it.
  barrier.register();
  const second = await member(scope, barrier, "first");
  second.terminate();
  await isLost(barrier, "first");
  assertEquals(barrier.parties, 2);
});

test("Barrier.join() does not take a party for lost that was disposed", async (scope) => {
  const barrier = make(scope, 2);
  const first = await member(scope, barrier, "first");
  await first.call("dispose");
  first.terminate();
  const error = await failure(barrier.waitForAsync(0)) as BrokenBarrierError;
  assertEquals([error.reason, error.party, error.message], [
    "aborted",
    "first",
    'Phase 0 broke: "first" was disposed (0 of 2 arrived, missing "first" and 1 without a name)',
  ]);
  barrier.reset();
  const second = await member(scope, barrier, "second");
  second.terminate();
  await isLost(barrier, "second", 1);
});

test("Barrier.join() frees the seat of a lost party by reset(), for another of its name", async (scope) => {
  const barrier = make(scope, 1);
  for (let phase = 0; phase < 5; phase++) {
    const victim = await member(scope, barrier, "victim");
    victim.end("close");
    await isLost(barrier, "victim", phase);
    barrier.reset(phase);
    assertEquals([barrier.parties, barrier.missing], [1, []]);
  }
  assertEquals(await (await member(scope, barrier, "victim")).call("wait"), 0);
});

test("Barrier.join() counts each of those who are lost together", async (scope) => {
  const barrier = make(scope, 4);
  const members = [];
  for (const name of ["a", "b", "c", "d"]) members.push(await member(scope, barrier, name));
  for (const victim of members.slice(0, 3)) victim.terminate();
  await failure(barrier.waitForAsync(0));
  // All of them have been noticed when they can be dropped, in however many turns.
  await until(() => {
    if (barrier.broken) barrier.reset(undefined, { dropLost: true });
    return barrier.parties === 1;
  }, "three are dropped");
  assertEquals(barrier.missing, ["d"]);
  const { phase } = barrier;
  assertEquals(await members[3]!.call("arrive"), phase);
});

for (const how of ["arriveAndDrop", "dispose", "is refused"] as const) {
  test(`Barrier.join() leaves no lock in a worker whose party ${how}`, async (scope) => {
    const heldLocks = async () => {
      // deno-lint-ignore no-explicit-any -- not in the types of all platforms
      const { held } = await (navigator as any).locks.query();
      return new Set<string>(held.map(({ name }: { name: string }) => name));
    };
    const before = await heldLocks();
    const barrier = make(scope, 3);
    const worker = await member(scope, barrier, "a");
    const during = (await heldLocks()).difference(before);
    assertEquals(during.size, 1);
    if (how === "is refused") {
      await failure(Thread.join(barrier, { name: "a" }));
      // That of the party stays. The watch gets the other for a moment, when it is freed.
      await until(async () => {
        const held = (await heldLocks()).difference(before);
        return held.size === 1 && held.isSubsetOf(during);
      }, "freed");
      return;
    }
    await worker.call(how);
    await until(async () => (await heldLocks()).isDisjointFrom(during), "freed");
  }, { ignore: locks === undefined && "there are no locks" });
}

test("Barrier.join() takes no living party for lost where 8 warm workers join at once", async (scope) => {
  const threads = Array.from({ length: 8 }, () => Thread.take());
  let barrier: Barrier | undefined;
  scope.defer(async () => {
    barrier?.[Symbol.dispose]();
    await Promise.all(threads.map((thread) => thread.giveBack()));
  });
  for (let round = 0; round < 40; round++) {
    barrier = new Barrier(8);
    await Promise.all(threads.map((thread, i) => thread.call("join", barrier, { name: `${i}` })));
    const numbers = await Promise.all(threads.map((thread) => thread.call<number>("wait")));
    assertEquals(numbers.sort(), [0, 1, 2, 3, 4, 5, 6, 7], `round ${round}`);
    // They leave while others are still watched.
    await Promise.all(threads.map((thread) => thread.call("arriveAndDrop")));
    assertEquals([barrier.broken, barrier.parties], [false, 0], `round ${round}`);
    barrier[Symbol.dispose]();
  }
});

test("Barrier.join() gives different names and seats to workers that join at once", async (scope) => {
  const threads = Array.from({ length: 6 }, () => Thread.take());
  let barrier: Barrier | undefined;
  scope.defer(async () => {
    barrier?.[Symbol.dispose]();
    await Promise.all(threads.map((thread) => thread.giveBack()));
  });
  for (let round = 0; round < 20; round++) {
    barrier = new Barrier(4);
    const joining = threads.map((thread, i) => {
      // Two wish for the same name, four for any.
      return thread.call("join", barrier, i < 2 ? { name: "same" } : {});
    });
    const results = await Promise.allSettled(joining);
    const refused = results.filter(({ status }) => status === "rejected");
    assertEquals([refused.length, barrier.missing.length], [2, 4], `round ${round}`);
    for (const { reason } of refused as PromiseRejectedResult[]) {
      assertEquals(reason.name, "InvalidStateError");
    }
    assertEquals(new Set(barrier.missing).size, 4);
    barrier[Symbol.dispose]();
  }
});

test("Barrier.join() is refused at once where the barrier is over", async () => {
  const barrier = new Barrier(2);
  const thread = Thread.take();
  barrier[Symbol.dispose]();
  const error = await failure(thread.call("join", barrier)) as DOMException;
  assertEquals([error.name, error.message], [
    "InvalidStateError",
    "This barrier is over: its maker has ended it",
  ]);
  await thread.giveBack();
});

test("Barrier.expect() frees the others when a worker has a syntax error", async (scope) => {
  const barrier = make(scope, 3);
  const other = await member(scope, barrier, "other");
  const blocked = failure(other.call("wait"));
  await until(() => barrier.arrived === 1, "the arrival");
  const ended = Promise.withResolvers<never>();
  const worker = startWorker(NO_PROGRAM, () => {}, ended.reject);
  barrier.expect("resize", ended.promise);
  const error = await blocked as BrokenBarrierError;
  assertEquals([error.reason, error.party, error.missing], ["lost", "resize", ["resize"]]);
  assertStringIncludes(error.message, 'Phase 0 broke: "resize" ended before it joined');
  // Not every runtime tells what the error was.
  assertMatch(String(error.cause), /error/i);
  worker.terminate();
});

test("Barrier.expect() never reports a party that has joined, in whatever order it ends", async (scope) => {
  const barrier = make(scope, 2);
  const ended = Promise.withResolvers<void>();
  barrier.expect("a", ended.promise);
  const thread = await member(scope, barrier, "a");
  ended.resolve();
  await turn();
  assertEquals(barrier.broken, false);
  // Now its own liveness decides.
  thread.end("close");
  await isLost(barrier, "a");
});

test("Barrier.expect() is for the handle that made the barrier", async (scope) => {
  const barrier = make(scope, 2);
  const never = new Promise<void>(() => {});
  for (const handle of [Barrier.from(barrier), await Barrier.join(barrier)]) {
    let error: DOMException | undefined;
    try {
      handle.expect("a", never);
    } catch (thrown) {
      error = thrown as DOMException;
    }
    assertEquals(error?.name, "InvalidStateError");
    assertStringIncludes(error!.message, "Only the handle that made a barrier");
  }
});

// Memory that nobody has any more: programs of their own, where the test may collect

/** Lets go of `barrier`, and waits until it was collected and that was noticed. */
const COLLECT = `
  async function collect() {
    const noticed = withResolvers();
    // Kept, or it may be collected itself.
    globalThis.registry = new FinalizationRegistry(noticed.resolve);
    registry.register(barrier, "collected");
    barrier = undefined;
    let done = false;
    noticed.promise.then(() => done = true);
    for (let i = 0; !done && i < 1_000; i++) {
      gc();
      await turn();
    }
    console.log(done ? "collected" : "kept");
    await turn();
    await turn();
  }
`;

test("Barrier notices deaths though its maker's handle was collected", async () => {
  const { code, output } = await runProgram(
    `
    ${COLLECT}
    let barrier = new Barrier(5);
    const place = { buffer: barrier.buffer, byteOffset: barrier.byteOffset };
    const join = (name) => startWorker(
      "globalThis.kept = await Barrier.join(data.place, { name: data.name }); self.onmessage = () => {};",
      { place, name },
    );
    const workers = ["a", "b", "c"].map(join);
    await until(() => barrier.missing.length === 3);
    await collect();
    // While they are there, others may join, and are watched too.
    workers.push(join("d"));
    await until(() => Barrier.from(place).missing.length === 4);
    for (const [i, worker] of workers.entries()) {
      worker.terminate();
      const other = Barrier.from(place);
      const error = await other.waitForAsync(i).catch((error) => error);
      console.log(error.reason, error.party);
      other.reset(i, { dropLost: true });
    }
    // Nobody watches from now on.
    await turn();
    const late = startWorker(
      "self.postMessage(await Barrier.join(data).then(() => 'joined', (error) => error.name));",
      place,
    );
    late.onmessage = ({ data }) => {
      console.log(data);
      late.terminate();
    };
  `,
  );
  const lines = output.split("\n");
  assertEquals([code, lines[0], lines.slice(1, 5), lines[5]], [
    0,
    "collected",
    ["lost a", "lost b", "lost c", "lost d"],
    "InvalidStateError",
  ]);
}, { ignore: noPrograms });

test(
  "Barrier.join() is refused where the maker's handle was collected and nobody had joined",
  async () => {
    const { code, output } = await runProgram(
      `
    ${COLLECT}
    let barrier = new Barrier(2);
    const place = { buffer: barrier.buffer, byteOffset: barrier.byteOffset };
    await collect();
    const late = startWorker(
      "self.postMessage(await Barrier.join(data).then(() => 'joined', (error) => error.message));",
      place,
    );
    late.onmessage = ({ data }) => {
      console.log(data);
      late.terminate();
    };
  `,
    );
    assertEquals([code, output], [
      0,
      "collected\nNobody watches this barrier: the handle that made it is gone, or its thread cannot watch\n",
    ]);
  },
  { ignore: noPrograms },
);

test(
  "Barrier with an action, or an expectation, is not collected before it is disposed",
  async () => {
    const { code, output } = await runProgram(
      `
    let calls = 0;
    const ended = withResolvers();
    function make(action) {
      const barrier = new Barrier(1, action && { action });
      if (!action) barrier.expect("a", ended.promise);
      return { buffer: barrier.buffer, byteOffset: barrier.byteOffset };
    }
    const acting = make(() => void calls++);
    const expecting = make();
    for (let i = 0; i < 20; i++) {
      gc();
      await turn();
    }
    const worker = startWorker("Barrier.from(data).wait(); self.postMessage('passed');", acting);
    const { data } = await new Promise((resolve) => worker.onmessage = resolve);
    console.log(data, calls);
    worker.terminate();
    ended.resolve();
    const error = await Barrier.from(expecting).waitForAsync(0).catch((error) => error);
    console.log(error.reason, error.party);
  `,
    );
    assertEquals([code, output], [0, "passed 1\nlost a\n"]);
  },
  { ignore: noPrograms },
);

test(
  "Barrier watches without keeping an event loop alive, and its end lets blocked workers go",
  async () => {
    const { code, output } = await runProgram(`
    const barrier = new Barrier(4);
    barrier.expect("late", new Promise(() => {}));
    const workers = [0, 1].map(() => startWorker(
      "const me = await Barrier.join(data); try { me.wait(); } finally { self.close(); }",
      barrier,
    ));
    await until(() => barrier.arrived === 2);
    const gone = startWorker("globalThis.kept = await Barrier.join(data);", barrier);
    await until(() => barrier.missing.length === 2);
    gone.terminate();
    await barrier.waitForAsync(0).catch((error) => console.log(error.reason, error.party));
    barrier[Symbol.dispose]();
    console.log("the end");
  `);
    assertEquals([code, output], [0, "lost party 2\nthe end\n"]);
  },
  { ignore: noPrograms },
);

test(
  "Barrier.join() refuses a worker where its end cannot be noticed, and from() still works",
  async () => {
    const { code, output } = await runProgram(`
    // What the platform has is looked at when the module is loaded.
    const barrier = new Barrier(1);
    const worker = startWorker(
      \`
      Object.defineProperty(globalThis.navigator ?? {}, "locks", { value: undefined });
      if (!("Deno" in globalThis)) process.getBuiltinModule = () => ({});
      const { Barrier } = await import(data.module);
      const joined = await Barrier.join(data.barrier).catch(String);
      self.postMessage([joined, Barrier.from(data.barrier).wait()]);
      \`,
      { barrier, module: MODULE },
      "",
    );
    worker.onmessage = ({ data }) => {
      console.log(data.join());
      worker.terminate();
    };
  `);
    assertEquals([code, output], [
      0,
      `${cannotNotice()},0\n`,
    ]);
  },
  { ignore: noPrograms },
);

test(
  "Barrier.join() leaves no listener in a thread that has left all barriers, and has one before",
  async () => {
    const { code, output } = await runProgram(`
    const count = () => process.listenerCount("workerMessage");
    const barriers = [new Barrier(2), new Barrier(2)];
    const worker = startWorker(
      \`
      const count = () => process.listenerCount("workerMessage");
      const counts = [];
      const handles = [];
      for (const barrier of data) handles.push(await Barrier.join(barrier));
      counts.push(count());
      handles[0].arriveAndDrop();
      counts.push(count());
      handles[1].arriveAndDrop();
      for (const handle of handles) handle[Symbol.dispose]();
      counts.push(count());
      self.postMessage(counts.join());
      \`,
      barriers,
    );
    const { data } = await new Promise((resolve) => worker.onmessage = resolve);
    console.log(data, count());
    worker.terminate();
  `);
    const one = nodeProcess() === undefined ? 0 : 1;
    assertEquals([code, output], [0, `${one},${one},0 0\n`]);
  },
  { ignore: noPrograms },
);

// In Deno a worker keeps the program alive that started it.
if (nodeProcess() !== undefined) {
  test("Barrier.join() keeps the event loop alive neither of the worker nor of the maker", async () => {
    const { code, output } = await runProgram(`
      const join = "globalThis.kept = await Barrier.join(data); self.postMessage('joined'); parentPort.unref();";
      const barrier = new Barrier(2);
      startWorker(join, barrier);
      const error = await barrier.waitForAsync(0).catch((error) => error);
      console.log(error.reason, error.party);
      barrier.reset(0);
      const worker = startWorker(join + "setInterval(() => {}, 1_000)", barrier);
      await new Promise((resolve) => worker.onmessage = resolve);
      worker.removeAllListeners("message");
      worker.unref();
      console.log(barrier.missing.join());
    `);
    assertEquals([code, output], [0, "lost party 0\nparty 0\n"]);
  });
}
