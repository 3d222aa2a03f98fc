// Copyright 2026 the Rendezvous authors. MIT license.

// What a phase costs in a runtime, beside the bare primitive: medians of runs by turns. See everywhere.ts, `--bench`.

import { AsyncBarrier, Barrier } from "../../barrier.ts";
import { type StartedWorker, startWorker } from "../_helpers/worker.ts";
import type { Bout } from "./bench_worker.ts";

/** In µs a phase. */
export type Figures = Record<(typeof FIGURES)[number], number>;

export const FIGURES = ["4 promises", "4 tasks", "ping-pong", "2 workers"] as const;

const PARTIES = 4;
const RUNS = 9;

async function promises(rounds: number): Promise<void> {
  await Promise.all(Array.from({ length: PARTIES }, async () => {
    for (let i = 0; i < rounds; i++) await null;
  }));
}

async function tasks(rounds: number): Promise<void> {
  const barrier = new AsyncBarrier(PARTIES);
  await Promise.all(Array.from({ length: PARTIES }, async () => {
    for (let i = 0; i < rounds; i++) await barrier.wait();
  }));
}

/** µs a round. */
async function time(run: (rounds: number) => Promise<void>, rounds: number): Promise<number> {
  const start = performance.now();
  await run(rounds);
  return (performance.now() - start) * 1_000 / rounds;
}

/** Two workers, which are used again. */
function pair(): { meet(bare: boolean, rounds: number): Promise<number>; terminate(): void } {
  let said = (_: number) => {};
  const url = import.meta.resolve("./bench_worker.ts");
  const workers: StartedWorker[] = [0, 1].map(() => {
    return startWorker<number>(url, (took) => said(took), (error) => {
      throw error;
    });
  });
  return {
    async meet(bare, rounds) {
      const { buffer } = new Barrier(2);
      if (bare) new Uint8Array(buffer).fill(0);
      const took: number[] = [];
      await new Promise<void>((resolve) => {
        said = (time) => {
          if (took.push(time) === 2) resolve();
        };
        workers.forEach((worker, place) => {
          worker.post({ buffer, bare, place: place as 0 | 1, rounds } satisfies Bout);
        });
      });
      return Math.max(...took);
    },
    terminate: () => workers.forEach((worker) => worker.terminate()),
  };
}

export async function bench(): Promise<Figures> {
  const workers = pair();
  const runs: Figures[] = [];
  for (let i = 0; i < RUNS; i++) {
    runs.push({
      "4 promises": await time(promises, 50_000),
      "4 tasks": await time(tasks, 50_000),
      "ping-pong": await workers.meet(true, 5_000),
      "2 workers": await workers.meet(false, 20_000),
    });
  }
  workers.terminate();
  const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]!;
  return Object.fromEntries(
    FIGURES.map((name) => [name, median(runs.map((run) => run[name]))]),
  ) as Figures;
}
