// Copyright 2026 the Rendezvous authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import { Barrier, type BrokenBarrierError } from "../../barrier.ts";
import { failure, test } from "../_helpers/harness.ts";
import { Thread } from "../_helpers/thread.ts";
import { startWorker } from "../_helpers/worker.ts";

/** Has a worker join a barrier and arrive, and terminates it at that step; `false` if it does not take so many. */
async function leave(barrier: Barrier, stop: number): Promise<boolean> {
  const said = Promise.withResolvers<string>();
  const url = import.meta.resolve("./_leaver_worker.ts");
  const worker = startWorker<string>(url, said.resolve, said.reject);
  worker.post({ barrier, stop });
  try {
    return await said.promise === "stands still";
  } finally {
    worker.terminate();
  }
}

test(
  "Barrier.join() by a worker that is terminated at any step breaks the barrier with its name, or leaves no trace",
  async (scope) => {
    const thread = Thread.take();
    let barrier: Barrier | undefined;
    scope.defer(() => {
      barrier?.[Symbol.dispose]();
      return thread.giveBack();
    });
    const outcomes = new Set<string>();
    let steps = 0;
    for (let left = true; left;) {
      barrier = new Barrier(2);
      const survivor = await Barrier.join(barrier, { name: "survivor" });
      const waiting = survivor.waitAsync().catch((error: BrokenBarrierError) => error);
      left = await leave(barrier, ++steps);
      if (!left) {
        assertEquals(await waiting, 1);
        break;
      }
      // It does nothing more: so either it has a seat now, or it never gets one.
      const replacing = thread.call("join", barrier, { name: "leaver" });
      const refusal = await replacing.then(() => undefined, (error: Error) => error);
      outcomes.add(refusal === undefined ? "no trace" : "lost");
      if (refusal === undefined) {
        await thread.call("wait");
        assertEquals(
          [await waiting, barrier.phase, barrier.broken],
          [1, 1, false],
          `step ${steps}`,
        );
      } else {
        // It may have arrived before it ended: then the phase passed.
        const phase = Number(await waiting === 1);
        const error = await failure(barrier.waitForAsync(phase)) as BrokenBarrierError;
        assertEquals([error.reason, error.party], ["lost", "leaver"], `step ${steps}: ${refusal}`);
        assertEquals(barrier.reset(phase), ["leaver"]);
        await thread.call("join", barrier, { name: "leaver" });
        const meeting = survivor.waitAsync();
        await thread.call("wait");
        await meeting;
      }
      await thread.call("arriveAndDrop");
      barrier[Symbol.dispose]();
    }
    assertEquals([...outcomes].sort(), ["lost", "no trace"]);
    assert(steps > 20, `${steps} steps`);
  },
  { deadline: 120_000 },
);

test("Barrier.join() notices a worker that ends as soon as it has joined", async (scope) => {
  for (let round = 0; round < 60; round++) {
    const barrier = new Barrier(2);
    scope.defer(() => barrier[Symbol.dispose]());
    const failed = Promise.withResolvers<never>();
    const url = import.meta.resolve("./_leaver_worker.ts");
    const worker = startWorker(url, () => {}, failed.reject);
    scope.defer(() => worker.terminate());
    worker.post({ barrier, stop: 0 });
    const waiting = failure(barrier.waitForAsync(0));
    const { reason, party } = await Promise.race([waiting, failed.promise]) as BrokenBarrierError;
    assertEquals([reason, party], ["lost", "leaver"], `round ${round}`);
  }
});
