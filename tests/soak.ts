// Copyright 2026 the Rendezvous authors. MIT license.
// deno-lint-ignore-file no-console -- printing is what it is for

/**
 * All kinds of barriers at once, for as long as it is told, with random faults:
 *
 *     deno run -A tests/soak.ts --seconds 60 --seed 1
 *
 * It fails if the outcomes of a phase disagree, if something hangs, or if file descriptors or children are
 * left. Ctrl-C ends it early, with the summary.
 *
 * @module
 */

import { delay } from "@std/async";
import { tasks, threads } from "./_adapters.ts";
import type { Adapter } from "./_contract.ts";
import { FaultRounds, Figures, Random } from "./_fault_rounds.ts";
import { connections, subprocesses } from "./_process_adapters.ts";
import { Thread } from "./_thread.ts";

interface Result {
  name: string;
  figures: Figures;
}

interface Options {
  seconds: number;
  seed: number;
  parties: number;
}

/** How long it warms up before it measures, in seconds: a quarter of the time, and no more than this. */
const WARM_UP = 5;

const SAMPLE_EVERY = 500;

/** How long it waits for Ctrl-C before it believes that something is wrong, in ms. */
const GRACE = 500;

/** After how many rounds a barrier, its threads and its processes are replaced. */
const ROUNDS_EACH = 100;

const all: [string, Adapter][] = [
  ["AsyncBarrier tasks", tasks],
  ["Barrier workers, async and blocking", threads("mixed", "async", "blocking")],
  ["Barrier workers, blocking", threads("blocking", "blocking")],
  // A process may not hold as many parties in memory as leave theirs behind here: the others are on the socket.
  ["ProcessBarrier connections", connections("auto")],
  ["ProcessBarrier subprocesses, by socket", subprocesses(["socket"])],
  ["ProcessBarrier subprocesses, in memory", subprocesses(["shared-memory"])],
  ["ProcessBarrier subprocesses, both", subprocesses(["shared-memory", "socket"])],
];

const kinds = all.filter(([, { ignored }]) => ignored === undefined);

// A round that Ctrl-C has cut short may have left a worker.
if (import.meta.main) Deno.exit(await main());

async function main(): Promise<number> {
  const options = await readOptions(Deno.args);
  if (typeof options === "number") return options;
  const { seconds, seed, parties } = options;
  const errors: unknown[] = [];
  const interruption = new AbortController();
  const interrupt = () => interruption.abort();
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) Deno.addSignalListener(signal, interrupt);

  /** All kinds at once, until nothing is left of them. */
  async function run(most: number): Promise<Result[]> {
    const end = performance.now() + most * 1_000;
    const goesOn = () =>
      !interruption.signal.aborted && errors.length === 0 && performance.now() < end;
    const results = await Promise.all(kinds.map(async ([name, adapter], i) => {
      const figures = new Figures();
      try {
        await soak(adapter, parties, new Random(seed + i), figures, goesOn, interruption.signal);
      } catch (error) {
        errors.push(error);
      }
      return { name, figures };
    }));
    Thread.terminateAll();
    return results;
  }

  // What the runtime opens once and keeps is open after that.
  const warming = await run(Math.min(WARM_UP, seconds / 4));
  const before = await settle();
  const samples: Measures[] = [];
  const start = performance.now();
  const watch = setInterval(async () => void samples.push(await measure()), SAMPLE_EVERY);
  const results = await run(seconds);
  const took = (performance.now() - start) / 1_000;
  clearInterval(watch);
  const after = await settle(before);
  for (const signal of signals) Deno.removeSignalListener(signal, interrupt);

  console.log(`seed ${seed}, ${took.toFixed(1)} s, ${parties} parties each`);
  for (const { name, figures } of results) console.log(`${name}: ${figures}`);
  for (const { figures } of [...warming, ...results]) {
    for (const problem of figures.problems) console.error(problem);
  }
  for (const error of errors) console.error(error);
  console.log(`at the start:  ${show(before)}`);
  const quarter = samples[Math.floor(samples.length / 4)];
  if (quarter !== undefined) console.log(`at a quarter:  ${show(quarter)}`);
  const last = samples.at(-1);
  if (last !== undefined) console.log(`while it runs: ${show(last)}`);
  console.log(`at the end:    ${show(after)}`);
  const failed = errors.length > 0 ||
    [...warming, ...results].some(({ figures }) => figures.disagreed > 0 || figures.hung > 0) ||
    after.descriptors > before.descriptors || after.children > before.children;
  console.log(failed ? "FAILED" : "ok");
  return failed ? 1 : 0;
}

/** Rounds of one kind of barrier, until it is enough. */
async function soak(
  adapter: Adapter,
  parties: number,
  random: Random,
  figures: Figures,
  goesOn: () => boolean,
  interruption: AbortSignal,
): Promise<void> {
  while (goesOn()) {
    await using rounds = await FaultRounds.start(adapter, parties, random);
    for (let i = 0; i < ROUNDS_EACH && goesOn(); i++) {
      const one = new Figures();
      const errors: unknown[] = [];
      const round = rounds.round(one).catch((error) => void errors.push(error));
      if (await unless(interruption, round)) return;
      // Ctrl-C ends the other processes too, and perhaps before it is noticed here.
      const wrong = errors.length > 0 || one.problems.length > 0;
      if (wrong && await unless(interruption, delay(GRACE))) return;
      figures.add(one);
      if (errors.length > 0) throw errors[0];
    }
  }
}

/** Waits for `work`, or for `signal`, and tells whether it has aborted. */
async function unless(signal: AbortSignal, work: Promise<unknown>): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = () => resolve();
  // No race: that would keep something for each round.
  signal.addEventListener("abort", done);
  if (signal.aborted) done();
  work.then(done);
  await promise;
  signal.removeEventListener("abort", done);
  return signal.aborted;
}

/** The options; an exit status where there is nothing to do. */
async function readOptions(args: string[]): Promise<Options | number> {
  const { Command, CommanderError, InvalidArgumentError } = await import("commander");
  const integer = (min: number, max: number) => (text: string) => {
    const value = Number(text);
    if (/^-?\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be an integer from ${min} to ${max}.`);
  };
  const most = 2 ** 31 - 1;
  const command = new Command("soak.ts")
    .description("All kinds of barriers at once, with random faults.")
    .option("-t, --seconds <N>", "for how long", integer(1, most), 60)
    .option("-s, --seed <S>", "for faults that can be repeated", integer(0, most), 1)
    .option("-n, --parties <N>", "how many parties each barrier has", integer(2, 64), 4)
    .showHelpAfterError("(--help shows the options)")
    .exitOverride();
  try {
    return command.parse(args, { from: "user" }).opts<Options>();
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
}

interface Measures {
  rss: number;
  heap: number;
  descriptors: number;
  children: number;
}

async function measure(): Promise<Measures> {
  const { rss, heapUsed } = Deno.memoryUsage();
  const [descriptors, children] = await Promise.all([countDescriptors(), countChildren()]);
  return { rss, heap: heapUsed, descriptors, children };
}

/**
 * Measures once what has been closed is gone, as threads take a while to end: when there is no more than
 * `before`, or nothing has changed for a while.
 */
async function settle(before?: Measures): Promise<Measures> {
  let last = await measure();
  let same = 0;
  for (let i = 0; same < 20 && i < 200; i++) {
    if (before && last.descriptors <= before.descriptors && last.children <= before.children) break;
    await delay(50);
    const now = await measure();
    same = now.descriptors === last.descriptors && now.children === last.children ? same + 1 : 0;
    last = now;
  }
  return last;
}

/** Where `/proc` tells. */
async function countDescriptors(): Promise<number> {
  try {
    return (await Array.fromAsync(Deno.readDir("/proc/self/fd"))).length;
  } catch {
    return 0;
  }
}

/** The processes whose parent is this one, those included that nobody has waited for. */
async function countChildren(): Promise<number> {
  let children = 0;
  try {
    for await (const { name } of Deno.readDir("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      const stat = await Deno.readTextFile(`/proc/${name}/stat`).catch(() => "");
      if (Number(stat.split(") ")[1]?.split(" ")[1]) === Deno.pid) children++;
    }
  } catch {
    // There is no /proc.
  }
  return children;
}

function show({ rss, heap, descriptors, children }: Measures): string {
  const megabytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  return `rss ${megabytes(rss)}, heap ${megabytes(heap)}, ${descriptors} descriptors, ` +
    `${children} children`;
}
