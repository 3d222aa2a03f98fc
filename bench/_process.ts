// Copyright 2026 the Rendezvous authors. MIT license.

/** A process that meets the others as often as each line of its input says. */

import type { ProcessBarrierTransport } from "../process_barrier.ts";
import { answer } from "./_answer.ts";

const [checkout, path, transport, how] = Deno.args;
const { ProcessBarrier }: typeof import("../process_barrier.ts") = await import(
  `${checkout}process_barrier.ts`
);
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
