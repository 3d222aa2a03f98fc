// Copyright 2026 the Rendezvous authors. MIT license.

import { AsyncBarrier, Barrier } from "../mod.ts";
import { deno, HERE, processes, tasks, workers } from "./_meetings.ts";
import { load } from "./_packages.ts";
import { type Builder, type Meeting, peer, program } from "./_program.ts";

/** Something to be measured. */
export interface Contender {
  name: string;
  kind: "ours" | "peer" | "floor";
  /** The commands without which it cannot be run. */
  needs: string[];
  start(parties: number): Promise<Meeting> | Meeting;
}

/** Contenders that are measured beside each other; the first is ours. */
export interface Group {
  title: string;
  reach: "tasks" | "workers" | "processes";
  parties: number;
  /** How many other processes keep the machine busy. */
  hogs: number;
  contenders: Contender[];
}

/** All that is measured. */
export function allGroups(builder: Builder): Group[] {
  const cyclicBarrier = java("CyclicBarrier");
  const phaser = java("Phaser");
  const stdBarrier = threads("C++ std::barrier", "g++", "std_barrier.cpp");
  const rustBarrier = threads("Rust Barrier", "rustc", "std_barrier.rs");
  const pthreadBarrier = pthread("threads");
  const sharedPthreadBarrier = pthread("processes");

  function threads(name: string, compiler: "g++" | "rustc", file: string): Contender {
    return {
      name,
      kind: "peer",
      needs: [compiler],
      start: async (parties) => program(await builder.build(compiler, file), String(parties)),
    };
  }

  function pthread(parties: "threads" | "processes"): Contender {
    return {
      name: "pthread_barrier",
      kind: "peer",
      needs: ["g++"],
      start: async (count) =>
        program(await builder.build("g++", "pthread_barrier.cpp"), String(count), parties),
    };
  }

  const mpiBarrier: Contender = {
    name: "MPI_Barrier",
    kind: "peer",
    needs: ["mpicxx", "mpirun"],
    async start(parties) {
      const path = await builder.build("mpicxx", "mpi_barrier.cpp");
      return program(
        "mpirun",
        "--allow-run-as-root",
        "--oversubscribe",
        "-n",
        String(parties),
        path,
      );
    },
  };

  const cacheLine: Contender = {
    name: "cache-line ping-pong",
    kind: "floor",
    needs: ["g++"],
    start: async () => program(await builder.build("g++", "cache_line.cpp")),
  };

  return [
    ...[2, 8, 100, 10_000].map((parties): Group => ({
      title: `${parties} tasks`,
      reach: "tasks",
      parties,
      hogs: 0,
      contenders: [asyncBarrier, esfx, asyncBarrierOfNpm, asyncioBarrier, awaitedPromise],
    })),
    ...[2, 4, 8, 32].map((parties): Group => ({
      title: `${parties} workers`,
      reach: "workers",
      parties,
      hogs: 0,
      contenders: [
        barrier,
        stdBarrier,
        pthreadBarrier,
        rustBarrier,
        cyclicBarrier,
        phaser,
        threadingBarrier,
        ...(parties === 2 ? [pingPong] : []),
      ],
    })),
    ...[2, 4, 8, 32].map((parties): Group => ({
      title: `${parties} processes`,
      reach: "processes",
      parties,
      hogs: 0,
      contenders: [
        ...processBarriers,
        mpiBarrier,
        sharedPthreadBarrier,
        multiprocessingBarrier,
        ...(parties === 2 ? [socketEcho, cacheLine] : []),
      ],
    })),
    ...[2, 4, 8].map((parties): Group => ({
      title: `${parties} workers, busy machine`,
      reach: "workers",
      parties,
      hogs: 2,
      contenders: [barrier, pthreadBarrier, cyclicBarrier],
    })),
    {
      title: "2 processes, busy machine",
      reach: "processes",
      parties: 2,
      hogs: 2,
      contenders: [...processBarriers, mpiBarrier, sharedPthreadBarrier, multiprocessingBarrier],
    },
  ];
}

const asyncBarrier: Contender = {
  name: "AsyncBarrier",
  kind: "ours",
  needs: [],
  start(parties) {
    const barrier = new AsyncBarrier(parties);
    return tasks(parties, () => barrier.wait());
  },
};

const esfx: Contender = {
  name: "npm @esfx/async-barrier",
  kind: "peer",
  needs: [],
  async start(parties) {
    const { AsyncBarrier } = await load("@esfx/async-barrier");
    const barrier = new AsyncBarrier(parties);
    return tasks(parties, () => barrier.signalAndWait());
  },
};

/** It is good for one phase, so that each phase takes a new one. */
const asyncBarrierOfNpm: Contender = {
  name: "npm async-barrier",
  kind: "peer",
  needs: [],
  async start(parties) {
    const { default: makeAsyncBarrier } = await load("async-barrier");
    let remaining = 0;
    let barrier: () => Promise<void>;
    return tasks(parties, () => {
      if (remaining === 0) {
        remaining = parties;
        barrier = makeAsyncBarrier(parties);
      }
      remaining--;
      return barrier();
    });
  },
};

const awaitedPromise: Contender = {
  name: "awaited promise",
  kind: "floor",
  needs: [],
  start: (parties) => tasks(parties, () => Promise.resolve(0)),
};

const barrier: Contender = {
  name: "Barrier",
  kind: "ours",
  needs: [],
  start: (parties) =>
    workers(parties, { kind: "barrier", checkout: HERE, handle: new Barrier(parties) }),
};

/** One word goes to and fro, and nobody sleeps. */
const pingPong: Contender = {
  name: "Atomics ping-pong",
  kind: "floor",
  needs: [],
  start(parties) {
    const handle = { buffer: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT), byteOffset: 0 };
    return workers(parties, { kind: "ping-pong", checkout: HERE, handle });
  },
};

function java(barrier: string): Contender {
  return {
    name: `Java ${barrier}`,
    kind: "peer",
    needs: ["java"],
    start: (parties) => program("java", peer("JavaPeer.java"), String(parties), barrier),
  };
}

function python(module: string, needs: string): Contender {
  return {
    name: `Python ${module}`,
    kind: "peer",
    needs: [needs],
    start: (parties) => program("python3", peer(`${module}_barrier.py`), String(parties)),
  };
}

const asyncioBarrier = python("asyncio", "asyncio.Barrier");
const threadingBarrier = python("threading", "python3");
const multiprocessingBarrier = python("multiprocessing", "python3");

const processBarriers: Contender[] = [
  {
    name: "ProcessBarrier waitSync()",
    kind: "ours",
    needs: ["shared memory"],
    start: (parties) => processes(parties, HERE, "shared-memory", "waitSync"),
  },
  {
    name: "ProcessBarrier wait()",
    kind: "ours",
    needs: ["shared memory"],
    start: (parties) => processes(parties, HERE, "shared-memory", "wait"),
  },
  {
    name: "ProcessBarrier by socket",
    kind: "ours",
    needs: [],
    start: (parties) => processes(parties, HERE, "socket", "wait"),
  },
];

/** Another Deno process sends a byte, and this one sends it back. */
const socketEcho: Contender = {
  name: "socket echo",
  kind: "floor",
  needs: [],
  async start() {
    await using scope = new AsyncDisposableStack();
    const directory = await Deno.makeTempDir();
    scope.defer(() => Deno.remove(directory, { recursive: true }));
    const path = `${directory}/echo.sock`;
    const listener = scope.use(Deno.listen({ transport: "unix", path }));
    const client = scope.use(deno("./_echo.ts", path));
    const connection = await listener.accept();
    const echo = connection.readable.pipeTo(connection.writable);
    const all = scope.move();
    return {
      run: (phases) => client.run(phases),
      async [Symbol.asyncDispose]() {
        await all.disposeAsync();
        await echo;
      },
    };
  },
};
