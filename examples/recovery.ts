// Copyright 2026 the Rendezvous authors. MIT license.
// deno-lint-ignore-file no-console

/**
 * Three processes meet in each of three rounds. In the second round one of them dies. The survivors are told who it
 * was, the parent mends the barrier, and they do that round again: with a replacement, or without.
 *
 *     deno run -A examples/recovery.ts
 *
 * @module
 */

import { BrokenBarrierError, ProcessBarrier, ProcessBarrierServer } from "../process_barrier.ts";

const ROUNDS = 3;

/** What a party is told when it starts. */
interface Task {
  path: string;
  name: string;
  /** The round in which it begins. */
  round: number;
  /** The round in which it dies, if it does. */
  dies: number | undefined;
}

const [task] = Deno.args;
if (task !== undefined) {
  await party(JSON.parse(task));
} else {
  console.log("With a replacement:");
  await parent({ dropLost: false });
  console.log("Without:");
  await parent({ dropLost: true });
}

/** A party: does what remains of the rounds. */
async function party({ path, name, round, dies }: Task): Promise<void> {
  await using barrier = await ProcessBarrier.connect(path, { name });
  while (round < ROUNDS) {
    // … work for this round …
    if (round === dies) Deno.exit(1);
    try {
      await barrier.wait();
      console.log(`${name} has done round ${round}.`);
      round++;
    } catch (error) {
      if (!(error instanceof BrokenBarrierError && error.reason === "lost")) throw error;
      console.log(`${name} is told that ${error.party} is gone.`);
      await barrier.ready();
    }
  }
  await barrier.arriveAndDrop();
}

/** The parent: starts the parties, follows the phases, and replaces whoever is gone. */
async function parent({ dropLost }: { dropLost: boolean }): Promise<void> {
  await using server = await ProcessBarrierServer.listen({ parties: 3 });
  const endings: Promise<Deno.CommandStatus>[] = [];
  const add = (name: string, round: number, dies?: number) => {
    const child = start({ path: server.path, name, round, dies });
    server.expect(name, child.status);
    endings.push(child.status);
  };

  add("a", 0);
  add("b", 0);
  add("c", 0, 1);
  let round = 0;
  for (let phase = 0; round < ROUNDS; phase++) {
    try {
      await server.waitFor(phase);
      round++;
    } catch (error) {
      if (!(error instanceof BrokenBarrierError && error.reason === "lost")) throw error;
      // An error names one of those who are gone. The reset names them all: two may have died at once.
      const gone = await server.reset(error.phase, { dropLost });
      if (!dropLost) { for (const name of gone) add(name, round); }
    }
  }
  const failed = (await Promise.all(endings)).filter(({ success }) => !success).length;
  console.log(`${failed} process has died, and all rounds are done.`);
}

function start(task: Task): Deno.ChildProcess {
  const directory = task.path.slice(0, task.path.lastIndexOf("/"));
  const permissions = [
    `--allow-read=${directory}`,
    `--allow-write=${directory}`,
    `--allow-net=unix:${task.path}`,
  ];
  const args = ["run", "--no-prompt", ...permissions, import.meta.filename!, JSON.stringify(task)];
  return new Deno.Command(Deno.execPath(), { args }).spawn();
}
