// Copyright 2026 the Rendezvous authors. MIT license.

/** A process that meets the others as often as each line of its input says. */

import { ProcessBarrier, type ProcessBarrierTransport } from "../process_barrier.ts";
import { answer } from "./_answer.ts";

const [path, transport, how] = Deno.args;
const barrier = await ProcessBarrier.connect(path!, {
  transport: transport as ProcessBarrierTransport,
});
await answer(
  how === "waitSync"
    ? (phases) => {
      for (let phase = 0; phase < phases; phase++) barrier.waitSync();
    }
    : async (phases) => {
      for (let phase = 0; phase < phases; phase++) await barrier.wait();
    },
);
await barrier.arriveAndDrop();
await barrier[Symbol.asyncDispose]();
