// Copyright 2026 the Rendezvous authors. MIT license.
// deno-lint-ignore-file no-console

/**
 * Long work stops as soon as it has become useless because the barrier broke.
 *
 *     deno run examples/stop_long_work.ts
 *
 * Nothing here waits for the minute that the work would take.
 *
 * @module
 */

import { setTimeout as delay } from "node:timers/promises";
import { AsyncBarrier, BrokenBarrierError } from "../mod.ts";

const MINUTE = 60_000;

/** A signal that aborts when the present phase breaks. */
function whenBroken(barrier: AsyncBarrier): AbortSignal {
  const controller = new AbortController();
  barrier.waitFor(barrier.phase).catch((error) => controller.abort(error));
  return controller.signal;
}

// 1. Work before the barrier: a party is gone, so the others need not finish.
{
  const barrier = new AsyncBarrier(3);

  const render = async (name: string, me: AsyncBarrier) => {
    const signal = whenBroken(me);
    try {
      // Work in a loop would look at `me.broken` or call `signal.throwIfAborted()` in each round.
      await delay(MINUTE, undefined, { signal });
      await me.wait();
    } catch (error) {
      if (!signal.aborted) throw error;
      console.log(`${name} stops: ${signal.reason.message}`);
    }
  };
  const fail = () => {
    throw new Error("no network");
  };

  await Promise.allSettled([
    barrier.run("left half", (me) => render("left half", me)),
    barrier.run("right half", (me) => render("right half", me)),
    barrier.run("download", fail),
  ]);
}

// 2. Work in the action: it gets a signal that aborts when its phase breaks.
{
  const publish = async (signal: AbortSignal) => {
    try {
      await delay(MINUTE, undefined, { signal });
    } catch {
      console.log(`The action stops: ${signal.reason.message}`);
    }
  };
  const barrier = new AsyncBarrier(2, { action: publish });

  const waits = [barrier.wait({ timeout: 100 }), barrier.wait()];
  for (const { reason } of await Promise.allSettled(waits) as PromiseRejectedResult[]) {
    const told = reason instanceof BrokenBarrierError ? reason.reason : reason.name;
    console.log(`A party is told: ${told}`);
  }
}
