// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * A process in which parties of one checkout meet as often as each line of its input says: `_side.ts CHECKOUT KIND
 * PARTIES`.
 */

import { answer } from "./_answer.ts";
import { processes, tasks, workers } from "./_meetings.ts";
import type { Meeting } from "./_program.ts";

const [checkout, kind, count] = Deno.args as [string, string, string];
const parties = Number(count);
const { AsyncBarrier, Barrier }: typeof import("../mod.ts") = await import(`${checkout}mod.ts`);
{
  await using meeting = await start();
  await answer((phases) => meeting.run(phases));
}
Deno.exit();

function start(): Meeting | Promise<Meeting> {
  switch (kind) {
    case "tasks": {
      const barrier = new AsyncBarrier(parties);
      return tasks(parties, () => barrier.wait());
    }
    case "workers":
      return workers(parties, { kind: "barrier", checkout, handle: new Barrier(parties) });
    case "socket":
      return processes(parties, checkout, "socket", "wait");
    case "shared-memory":
      return processes(parties, checkout, "shared-memory", "waitSync");
    case "alone": {
      const barrier = new Barrier(1);
      return loop(() => barrier.wait());
    }
    case "compare-exchange": {
      const words = new Int32Array(new SharedArrayBuffer(4));
      let value = 0;
      return loop(() => Atomics.compareExchange(words, 0, value, ++value));
    }
    default:
      throw new TypeError(`There is no kind "${kind}"`);
  }
}

/** One party, which never waits. */
function loop(meet: () => unknown): Meeting {
  return {
    run(phases) {
      for (let phase = 0; phase < phases; phase++) meet();
      return Promise.resolve();
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
