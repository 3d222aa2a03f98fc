// Copyright 2026 the Rendezvous authors. MIT license.

/// <reference lib="deno.worker" />

/** A worker that, told so, meets the others for a number of phases. */

import type { BarrierHandle } from "../mod.ts";

/** What a worker is made for. */
export interface Role {
  kind: "barrier" | "ping-pong";
  /** The checkout whose barrier it is, as a URL. */
  checkout: string;
  handle: BarrierHandle;
  index: number;
}

let ready: Promise<(phases: number) => void>;

self.onmessage = async ({ data }: MessageEvent<Role | number>) => {
  if (typeof data === "number") (await ready)(data);
  else await (ready = data.kind === "barrier" ? meet(data) : Promise.resolve(pingPong(data)));
  self.postMessage(null);
};

async function meet(
  { checkout, handle }: Role,
): Promise<(phases: number) => void> {
  const { Barrier }: typeof import("../mod.ts") = await import(
    `${checkout}mod.ts`
  );
  const barrier = Barrier.from(handle);
  return (phases) => {
    for (let phase = 0; phase < phases; phase++) barrier.wait();
  };
}

/** The floor: one word goes to and fro, and nobody sleeps. */
function pingPong({ handle, index }: Role): (phases: number) => void {
  const word = new Int32Array(handle.buffer, handle.byteOffset, 1);
  return (phases) => {
    for (let phase = 0; phase < phases; phase++) {
      while (Atomics.load(word, 0) !== index);
      Atomics.store(word, 0, 1 - index);
    }
  };
}
