// Copyright 2026 the Rendezvous authors. MIT license.

import { AsyncBarrier, Barrier } from "../mod.ts";
import { ProcessBarrierServer } from "../process_barrier.ts";
import type { Role } from "./_worker.ts";

/** Parties that are ready to meet. */
export interface Meeting extends AsyncDisposable {
  /** Lets all parties meet that often. */
  run(phases: number): Promise<void>;
}

/** Something to be measured. */
export type Contender = (parties: number) => Promise<Meeting>;

/** Tasks that await what `wait` returns. */
function tasks(make: (parties: number) => () => Promise<unknown>): Contender {
  return (parties) => {
    const wait = make(parties);
    async function task(phases: number) {
      for (let phase = 0; phase < phases; phase++) await wait();
    }
    return Promise.resolve({
      async run(phases) {
        await Promise.all(Array.from({ length: parties }, () => task(phases)));
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });
  };
}

/** The floor for tasks: an awaited promise that is resolved already. */
export const awaitedPromise: Contender = tasks(() => () => Promise.resolve(0));

/** Tasks that meet at an `AsyncBarrier`. */
export const asyncBarrier: Contender = tasks((parties) => {
  const barrier = new AsyncBarrier(parties);
  return () => barrier.wait();
});

/** Workers of one kind. */
function workers(kind: Role["kind"]): Contender {
  return async (parties) => {
    const handle = kind === "barrier" ? new Barrier(parties) : {
      buffer: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT),
      byteOffset: 0,
    };
    const url = new URL("./_worker.ts", import.meta.url);
    const team = Array.from({ length: parties }, () => new Worker(url, { type: "module" }));
    const tell = (message: (index: number) => Role | number) =>
      Promise.all(team.map((worker, index) => {
        const { promise, resolve, reject } = Promise.withResolvers<void>();
        worker.onmessage = () => resolve();
        worker.onerror = (event) => reject(new Error(event.message));
        worker.postMessage(message(index));
        return promise;
      }));
    await tell((index) => ({ kind, handle, index }));
    return {
      async run(phases) {
        await tell(() => phases);
      },
      [Symbol.asyncDispose]() {
        for (const worker of team) worker.terminate();
        return Promise.resolve();
      },
    };
  };
}

/** Workers that meet at a `Barrier`. */
export const barrier: Contender = workers("barrier");

/** The floor for two workers: a bare `Atomics` ping-pong. */
export const pingPong: Contender = workers("ping-pong");

/**
 * A program that reads a number of phases from each line of its input, and answers each with a line when
 * its parties have met that often.
 */
async function program(command: string, args: string[]): Promise<Meeting> {
  const child = new Deno.Command(command, { args, stdin: "piped", stdout: "piped" }).spawn();
  const input = child.stdin.getWriter();
  const output = child.stdout.getReader();
  const encoder = new TextEncoder();
  const meeting: Meeting = {
    async run(phases) {
      await input.write(encoder.encode(`${phases}\n`));
      // An answer is a few bytes, and comes in one piece.
      if ((await output.read()).done) throw new Error(`Cannot run ${command}: it has ended`);
    },
    async [Symbol.asyncDispose]() {
      await input.close();
      // It may still want to say something: whoever reads to the end breaks no pipe.
      while (!(await output.read()).done);
      await child.status;
    },
  };
  // The first line is for what is only slow at the start: the parties, and a compiler that warms up.
  await meeting.run(200);
  return meeting;
}

function peer(file: string): string {
  return new URL(`./peers/${file}`, import.meta.url).pathname;
}

/** Java threads that meet at a `CyclicBarrier`. */
export const cyclicBarrier: Contender = (parties) =>
  program("java", [peer("CyclicBarrierPeer.java"), String(parties)]);

/** Python processes that meet at a `multiprocessing.Barrier`. */
export const multiprocessingBarrier: Contender = (parties) =>
  program("python3", [peer("multiprocessing_barrier.py"), String(parties)]);

/** Deno processes that meet at a `ProcessBarrier`. */
export const processBarrier: Contender = async (parties) => {
  const server = await ProcessBarrierServer.listen({ parties });
  const script = new URL("./_process.ts", import.meta.url).pathname;
  const team = await Promise.all(
    Array.from(
      { length: parties },
      () => program(Deno.execPath(), ["run", "-A", "--quiet", script, server.path]),
    ),
  );
  return {
    async run(phases) {
      await Promise.all(team.map((party) => party.run(phases)));
    },
    async [Symbol.asyncDispose]() {
      for (const party of team) await party[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
};

/** Whether a command can be run here. */
function has(command: string, ...args: string[]): boolean {
  try {
    const options = { args, stdout: "null", stderr: "null" } as const;
    return new Deno.Command(command, options).outputSync().success;
  } catch {
    return false;
  }
}

/** Contenders that are measured beside each other; the first is ours. */
export interface Group {
  title: string;
  parties: number;
  phases: number;
  contenders: Record<string, Contender>;
}

const java = has("java", "--version");
const python = has("python3", "--version");

/** All that is measured. Peers that are not found are left out. */
export const groups: Group[] = [
  ...[2, 8, 100, 10_000].map((parties) => ({
    title: `${parties} tasks`,
    parties,
    phases: 100_000 / parties,
    contenders: { "AsyncBarrier": asyncBarrier, "an awaited promise": awaitedPromise },
  })),
  {
    title: "2 workers",
    parties: 2,
    phases: 100_000,
    contenders: { "Barrier": barrier, "an Atomics ping-pong": pingPong },
  },
  // Apart from the floor: while a slower peer runs, the workers of the others cool down.
  ...[2, 4, 8, 32].map((parties) => ({
    title: `${parties} workers beside a peer`,
    parties,
    phases: parties === 2 ? 100_000 : 2_000,
    contenders: { "Barrier": barrier, ...(java && { "Java CyclicBarrier": cyclicBarrier }) },
  })),
  ...[2, 4, 8, 32].map((parties) => ({
    title: `${parties} processes`,
    parties,
    phases: 1_000,
    contenders: {
      "ProcessBarrier": processBarrier,
      ...(python && { "Python multiprocessing.Barrier": multiprocessingBarrier }),
    },
  })),
];
