// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * What a phase costs, beside the floor under it and peers. `deno bench -A`. One iteration is as many phases
 * as the name of the group says; within a group the contenders' ratios count, not their times.
 */

import {
  asyncBarrier,
  awaitedPromise,
  barrier,
  type Contender,
  cyclicBarrier,
  has,
  multiprocessingBarrier,
  pingPong,
  processBarrier,
} from "./_contenders.ts";

const java = has("java", "--version");
const python = has("python3", "--version");

for (const parties of [2, 8, 100, 10_000]) {
  const phases = 100_000 / parties;
  group(`${parties} tasks, ${phases} phases`, parties, phases, {
    "AsyncBarrier": asyncBarrier,
    "an awaited promise": awaitedPromise,
  });
}

for (const parties of [2, 4, 8, 32]) {
  const phases = parties === 2 ? 100_000 : 2_000;
  group(`${parties} workers, ${phases} phases`, parties, phases, {
    "Barrier": barrier,
    ...(parties === 2 && { "an Atomics ping-pong": pingPong }),
    ...(java && { "Java CyclicBarrier": cyclicBarrier }),
  });
}

for (const parties of [2, 4, 8, 32]) {
  group(`${parties} processes, 1000 phases`, parties, 1_000, {
    "ProcessBarrier": processBarrier,
    ...(python && { "Python multiprocessing.Barrier": multiprocessingBarrier }),
  });
}

function group(
  group: string,
  parties: number,
  phases: number,
  contenders: Record<string, Contender>,
): void {
  for (const [name, contender] of Object.entries(contenders)) {
    Deno.bench({
      name,
      group,
      baseline: name === Object.keys(contenders)[0]!,
      n: 7,
      warmup: 1,
      async fn(bench) {
        await using meeting = await contender(parties);
        await meeting.run(Math.min(phases, 1_000));
        bench.start();
        await meeting.run(phases);
        bench.end();
      },
    });
  }
}
