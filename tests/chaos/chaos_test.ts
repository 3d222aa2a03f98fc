// Copyright 2026 the Rendezvous authors. MIT license.
// deno-lint-ignore-file no-console -- a campaign tells what it did

// Chaos among real workers and real processes. CHAOS=1 has it go on for longer, CHAOS_ROUNDS=N for so many rounds, and
// CHAOS_SEED=S has it begin elsewhere.

import { assertEquals } from "@std/assert";
import { ProcessBarrierServer } from "../../process_barrier.ts";
import { until } from "../_helpers/harness.ts";
import { type Actor, Pool, ProcessActor, WorkerActor } from "./actors.ts";
import { crowds, Figures, play, processes, servers, workers } from "./rounds.ts";

const SEED = Number(Deno.env.get("CHAOS_SEED") ?? 1);
const ROUNDS = Deno.env.get("CHAOS_ROUNDS");
const LONGER = Deno.env.has("CHAOS") ? 20 : 1;

const linux = Deno.build.os === "linux";

function chaosTest<T extends Actor>(
  name: string,
  kind: Parameters<typeof play<T>>[0],
  make: (blocking: boolean) => T,
  rounds: number,
): void {
  Deno.test({ name, ignore: !linux, fn: () => campaign(name, kind, make, rounds * LONGER) });
}

async function campaign<T extends Actor>(
  name: string,
  kind: Parameters<typeof play<T>>[0],
  make: (blocking: boolean) => T,
  rounds: number,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  const before = Deno.env.get("TMPDIR");
  Deno.env.set("TMPDIR", directory);
  const figures = new Figures();
  const run = async (from: number, to: number) => {
    await using pool = new Pool(make);
    for (let seed = from; seed < to; seed++) {
      const problems = await play(kind, seed, directory, pool, figures);
      if (problems.length > 0) {
        const list = [`${directory}/log-${seed}`, ...problems.slice(0, 8)].join("\n  ");
        const command = "deno test -A tests/chaos --filter";
        throw new Error(`${list}\nCHAOS_SEED=${seed} CHAOS_ROUNDS=1 ${command} "${name}"`);
      }
      await Deno.remove(`${directory}/log-${seed}`);
    }
  };
  try {
    const end = SEED + Number(ROUNDS ?? rounds);
    // What the runtime opens for the first round, it keeps.
    await run(SEED, SEED + 1);
    const descriptors = countDescriptors();
    await run(SEED + 1, end);
    await until(() => countDescriptors() <= descriptors, "all descriptors are closed");
    // Whoever listens next removes what killed servers left.
    await (await ProcessBarrierServer.listen({ parties: 1 }))[Symbol.asyncDispose]();
    assertEquals(await Array.fromAsync(Deno.readDir(directory), ({ name }) => name), []);
    await Deno.remove(directory);
  } finally {
    console.log(`${figures}`);
    if (before === undefined) Deno.env.delete("TMPDIR");
    else Deno.env.set("TMPDIR", before);
  }
}

function countDescriptors(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

chaosTest(
  "ProcessBarrier keeps its contract when processes are killed, stopped and replaced",
  processes,
  (blocking) => new ProcessActor(blocking),
  14,
);

chaosTest(
  "ProcessBarrier keeps its contract when its server is disposed or killed",
  servers,
  (blocking) => new ProcessActor(blocking),
  10,
);

chaosTest(
  "Barrier keeps its contract when workers end and are replaced",
  workers,
  (blocking) => new WorkerActor(blocking),
  30,
);

chaosTest(
  "Barrier keeps its contract when there are more workers than parties",
  crowds,
  (blocking) => new WorkerActor(blocking),
  12,
);
