// Copyright 2026 the Rendezvous authors. MIT license.

import fc from "fast-check";
import { test } from "../_helpers/harness.ts";
import { connections } from "../process/_adapter.ts";
import { parameters, programs, run } from "./random.ts";

for (
  const adapter of [
    connections("socket"),
    connections("shared-memory"),
    connections("shared-memory", "socket"),
  ]
) {
  const ignored = adapter.ignored !== undefined;
  test(adapter.title("", "does what the contract says in random programs"), async () => {
    await fc.assert(
      fc.asyncProperty(programs(false), (program) => run(adapter, program, true)),
      parameters(25),
    );
  }, { deadline: 600_000, ignore: ignored });
}
