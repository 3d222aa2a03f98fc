// Copyright 2026 the Rendezvous authors. MIT license.
// deno-lint-ignore-file no-console -- printing is what it is for

/**
 * How time and memory grow with the parties, and what parked parties cost. `deno task bench:growth` writes
 * `growth.json` and `growth.svg`.
 *
 * All parties are in this process, so a connection counts with both of its ends. Memory is what JavaScript
 * holds while all parties but one wait, the barrier included.
 */

import { setTimeout as delay } from "node:timers/promises";
import { AsyncBarrier, Barrier } from "../mod.ts";
import { unsupportedReason } from "../_process/mapped_memory.ts";
import { ProcessBarrier, ProcessBarrierServer } from "../process_barrier.ts";
import { machine } from "./_machine.ts";
import { calibrate, time } from "./_measure.ts";
import { drawGrowth, type Point } from "./_plot.ts";
import type { Meeting } from "./_program.ts";

// By --v8-flags=--expose-gc.
declare const gc: () => void;

/** How often each figure is measured. */
const RUNS = 5;

/** How many parties the memory of one is taken from, at least. */
const CROWD = 512;

/** How long the parked are watched, in seconds. */
const WATCH = 10;

/** Parties that are ready, each by its way to wait. */
interface Parties extends AsyncDisposable {
  waits: (() => Promise<unknown>)[];
}

interface Kind {
  barrier: string;
  most: number;
  gather(parties: number): Promise<Parties> | Parties;
}

interface Parked extends AsyncDisposable {
  pid: number;
  /** The path of the socket, if it is a server. */
  said: string;
}

const kinds: Kind[] = [
  {
    barrier: "AsyncBarrier, tasks",
    most: 10_000,
    gather(parties) {
      const barrier = new AsyncBarrier(parties);
      const waits = new Array(parties).fill(() => barrier.wait());
      return { waits, [Symbol.asyncDispose]: () => Promise.resolve(barrier[Symbol.dispose]()) };
    },
  },
  {
    barrier: "Barrier, handles by waitAsync()",
    most: 256,
    gather(parties) {
      const barrier = new Barrier(parties);
      const waits = Array.from({ length: parties }, () => {
        const handle = Barrier.from(barrier);
        return () => handle.waitAsync();
      });
      return { waits, [Symbol.asyncDispose]: () => Promise.resolve(barrier[Symbol.dispose]()) };
    },
  },
  {
    barrier: "ProcessBarrier, connections by socket",
    most: 256,
    async gather(parties) {
      await using scope = new AsyncDisposableStack();
      const server = scope.use(await ProcessBarrierServer.listen({ parties }));
      const waits = [];
      for (let i = 0; i < parties; i++) {
        const party = scope.use(await ProcessBarrier.connect(server.path, SOCKET));
        waits.push(() => party.wait());
      }
      const all = scope.move();
      return { waits, [Symbol.asyncDispose]: () => all.disposeAsync() };
    },
  },
];

const SOCKET = { transport: "socket" } as const;

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => stop.abort(new Error(`Cannot go on as of ${signal}`)));
}
await main();
Deno.exit();

async function main() {
  const points: Point[] = [];
  console.log("| Barrier | Parties | ns a phase | ns a party | bytes a party |");
  console.log("| --- | ---: | ---: | ---: | ---: |");
  for (const kind of kinds) {
    for (const parties of [1, 2, 4, 16, 64, 256, 1_000, 4_000, 10_000]) {
      if (parties > kind.most) continue;
      const ns = await measureTime(kind, parties);
      const point = {
        barrier: kind.barrier,
        parties,
        nsAPhase: Math.round(ns),
        nsAParty: Math.round(ns / parties),
        bytesAParty: Math.round(await measureMemory(kind, parties)),
      };
      points.push(point);
      console.log(`| ${Object.values(point).map((it) => it.toLocaleString("en")).join(" | ")} |`);
    }
  }
  const idle = Deno.build.os === "linux" ? await measureIdle() : [];
  console.log(`\n| Parked for ${WATCH} s | ms of processor time |\n| --- | ---: |`);
  for (const { parked, cpuMs } of idle) console.log(`| ${parked} | ${cpuMs} |`);

  const url = (file: string) => new URL(file, import.meta.url);
  const growth = { machine: await machine(), points, seconds: WATCH, idle };
  await Deno.writeTextFile(url("./growth.json"), JSON.stringify(growth, null, 2) + "\n");
  await Deno.writeTextFile(url("./growth.svg"), await drawGrowth(points));
}

async function measureTime({ gather }: Kind, count: number): Promise<number> {
  await using parties = await gather(count);
  async function party(wait: () => Promise<unknown>, phases: number) {
    for (let phase = 0; phase < phases; phase++) await wait();
  }
  const meeting: Meeting = {
    async run(phases) {
      await Promise.all(parties.waits.map((wait) => party(wait, phases)));
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const phases = await calibrate(meeting, stop.signal);
  const times = [];
  for (let run = 0; run < RUNS; run++) {
    stop.signal.throwIfAborted();
    times.push(await time(meeting, phases) * 1e6 / phases);
  }
  return median(times);
}

async function measureMemory(kind: Kind, count: number): Promise<number> {
  const figures = [];
  for (let run = 0; run < RUNS; run++) {
    stop.signal.throwIfAborted();
    figures.push(await weigh(kind, count));
  }
  return median(figures);
}

/** A function of its own, as the frame of a loop holds on to what the turn before has made. */
async function weigh({ gather }: Kind, count: number): Promise<number> {
  await using scope = new AsyncDisposableStack();
  const barriers = Math.ceil(CROWD / count);
  const before = await memory();
  const waiting = [];
  const last = [];
  for (let i = 0; i < barriers; i++) {
    const { waits } = scope.use(await gather(count));
    last.push(waits.pop()!);
    for (const wait of waits) waiting.push(party(wait));
  }
  const grown = await memory() - before;
  await Promise.all([...last.map(party), ...waiting]);
  return grown / (barriers * count);

  async function party(wait: () => Promise<unknown>) {
    await wait();
  }
}

async function memory(): Promise<number> {
  // What has just ended goes only after a turn of the event loop.
  for (let i = 0; i < 3; i++) {
    await delay(10);
    gc();
  }
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

function median(figures: number[]): number {
  return figures.sort((a, b) => a - b)[figures.length >> 1]!;
}

/** Parks parties of every kind, each kind in a process of its own, and watches all for the same time. */
async function measureIdle(): Promise<{ parked: string; cpuMs: number }[]> {
  await using scope = new AsyncDisposableStack();
  const subjects: { parked: string; pid: number }[] = [];
  const children: Parked[] = [];
  // All at once: who is blocked in waitSync() ends only with its server.
  scope.defer(async () => {
    await Promise.all(children.map((child) => child[Symbol.asyncDispose]()));
  });
  async function subject(parked: string, ...args: string[]) {
    const child = await park(...args);
    children.push(child);
    subjects.push({ parked, pid: child.pid });
    return child.said;
  }
  await subject("nothing but Deno", "nothing");
  await subject("100 tasks", "tasks");
  await subject("8 workers in wait()", "workers");
  await subject("8 handles in waitAsync()", "handles");
  for (
    const [parked, transport, wait] of [
      ["wait(), by socket", "socket", "wait"],
      ...(unsupportedReason() === undefined
        ? [
          ["wait(), by shared memory", "shared-memory", "wait"],
          ["waitSync(), by shared memory", "shared-memory", "waitSync"],
        ]
        : []),
    ] as [string, string, string][]
  ) {
    const path = await subject(`the server of a process in ${parked}`, "server");
    await subject(`a process in ${parked}`, "process", path, transport, wait);
  }
  // What is left of their start passes.
  await delay(2_000, undefined, { signal: stop.signal });
  const before = await Promise.all(subjects.map(({ pid }) => cpuTime(pid)));
  await delay(WATCH * 1_000, undefined, { signal: stop.signal });
  return await Promise.all(
    subjects.map(async ({ parked, pid }, i) => ({
      parked,
      cpuMs: await cpuTime(pid) - before[i]!,
    })),
  );
}

/** Starts a process that parks parties, and ends with its input. */
async function park(...args: string[]): Promise<Parked> {
  const script = new URL("./_parked.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", script, ...args],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const output = child.stdout.getReader();
  const { value } = await output.read();
  return {
    pid: child.pid,
    said: new TextDecoder().decode(value).trim(),
    async [Symbol.asyncDispose]() {
      await child.stdin.close().catch(() => {});
      while (!(await output.read()).done);
      await child.status;
    },
  };
}

/** How much processor time a process has used, in ms. Linux counts it in ticks of 10 ms. */
async function cpuTime(pid: number): Promise<number> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  // Its name may hold spaces, and the fields behind it start with the third.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[14 - 3]) + Number(fields[15 - 3])) * 10;
}
