// Copyright 2026 the Rendezvous authors. MIT license.

import { type Runtime, runtimesFor } from "../_helpers/runtimes.ts";

export { runContract, type Runtime, testOn } from "../_helpers/runtimes.ts";

/** All runtimes, with the programs of this folder. */
export const runtimes: readonly [Runtime, Runtime, Runtime] = await runtimesFor(
  new URL(".", import.meta.url).pathname,
  "_actor",
  "_contract",
);

export const [deno, node, bun] = runtimes;
