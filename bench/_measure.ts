// Copyright 2026 the Rendezvous authors. MIT license.

import type { Group } from "./_contenders.ts";
import type { Meeting } from "./_program.ts";

/** How often each contender runs. An odd number has a median. */
const RUNS = 9;

/** About how long each run takes at the least unless told otherwise, in ms. */
const RUN = 40;

/** The times of all runs, in nanoseconds a phase. */
export interface Spread {
  median: number;
  min: number;
  max: number;
}

/** What a contender was measured at. */
export interface Figures extends Spread {
  name: string;
  kind: "ours" | "peer" | "floor";
}

/** Lets all contenders of a group run in turn, so that a busy moment hits them all. */
export async function measure(group: Group, signal: AbortSignal): Promise<Figures[]> {
  await using scope = new AsyncDisposableStack();
  const entrants = [];
  for (const { name, kind, start } of group.contenders) {
    const meeting = scope.use(await start(group.parties));
    await meeting.run(1);
    entrants.push({ name, kind, meeting, phases: 0, times: [] as number[] });
  }
  for (let i = 0; i < group.hogs; i++) scope.use(hog());
  for (const entrant of entrants) entrant.phases = await calibrate(entrant.meeting, signal);
  for (let run = 0; run < RUNS; run++) {
    for (const { meeting, phases, times } of entrants) {
      signal.throwIfAborted();
      // Its parties and caches have cooled down while the others ran.
      await meeting.run(Math.ceil(phases / 10));
      times.push(await time(meeting, phases) * 1e6 / phases);
    }
  }
  return entrants.map(({ name, kind, times }) => ({ name, kind, ...spreadOf(times) }));
}

/** The spread of some times. */
export function spreadOf(times: number[]): Spread {
  const sorted = times.toSorted((a, b) => a - b);
  return { median: sorted[sorted.length >> 1]!, min: sorted[0]!, max: sorted.at(-1)! };
}

/**
 * How many phases make up a run: so many that even the fastest of three tries takes long enough, and that telling
 * all parties to begin, which with dozens of processes takes tens of ms, does not count.
 */
export async function calibrate(
  meeting: Meeting,
  signal: AbortSignal,
  least: number = RUN,
): Promise<number> {
  const fastest = async (phases: number) => {
    const times = [];
    for (let i = 0; i < 3; i++) {
      signal.throwIfAborted();
      times.push(await time(meeting, phases));
    }
    return Math.min(...times);
  };
  const telling = await fastest(1);
  const run = Math.max(least, 20 * telling);
  for (let phases = 2;; phases *= 4) {
    const took = await fastest(phases) - telling;
    if (took > run / 4) return Math.ceil(Math.max(2, phases * run / took));
  }
}

/** Measures how long a meeting takes for a number of phases, in ms. */
export async function time(meeting: Meeting, phases: number): Promise<number> {
  const start = performance.now();
  await meeting.run(phases);
  return performance.now() - start;
}

/** Starts a process that keeps a processor busy. */
export function hog(): AsyncDisposable {
  const script = new URL("./_hog.ts", import.meta.url).pathname;
  const args = ["run", "--no-config", "--quiet", script];
  const child = new Deno.Command(Deno.execPath(), { args, stdin: "piped" }).spawn();
  return {
    async [Symbol.asyncDispose]() {
      await child.stdin.close();
      await child.status;
    },
  };
}
