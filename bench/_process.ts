// Copyright 2026 the Rendezvous authors. MIT license.

/** A process that meets the others as often as each line of its input says. */

import { ProcessBarrier } from "../process_barrier.ts";

await using barrier = await ProcessBarrier.connect(Deno.args[0]!);
const decoder = new TextDecoder();
for await (const chunk of Deno.stdin.readable) {
  const phases = Number(decoder.decode(chunk));
  for (let phase = 0; phase < phases; phase++) await barrier.wait();
  await Deno.stdout.write(new TextEncoder().encode("met\n"));
}
await barrier.arriveAndDrop();
