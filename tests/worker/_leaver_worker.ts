// Copyright 2026 the Rendezvous authors. MIT license.

// A worker that joins a barrier and arrives, and stands still at the step that it is told, or ends once it has joined. See
// leaver_test.ts.

import { Barrier, type BarrierHandle } from "../../barrier.ts";
import { parentOfWorker } from "../_helpers/worker.ts";

const parent = parentOfWorker();

parent.listen(async ({ barrier, stop }: { barrier: BarrierHandle; stop: number }) => {
  let steps = 0;
  // All that others can see of it, it does by these.
  globalThis.Atomics = new Proxy(Atomics, {
    get: (atomics, name) => {
      if (++steps === stop) {
        parent.post("stands still");
        // Deno does not terminate who is busy.
        if ("Deno" in globalThis) parent.close();
        for (;;);
      }
      return Reflect.get(atomics, name);
    },
  });
  const me = await Barrier.join(barrier, { name: "leaver" });
  if (stop === 0) return parent.close();
  me.arrive();
  parent.post("has arrived");
});
