// Copyright 2026 the Rendezvous authors. MIT license.

import fc from "fast-check";
import { Engine, engine } from "../_helpers/engine.ts";
import { test } from "../_helpers/harness.ts";
import { redis } from "../redis/_adapter.ts";
import { parameters, programs, run } from "./random.ts";

for (const kind of ["URL", "node-redis"] as const) {
  let path: string;
  const adapter = redis(kind, () => path, engine.missing);
  test(adapter.title("", "does what the contract says in random programs"), async (scope) => {
    ({ path } = await Engine.start(scope));
    await fc.assert(
      fc.asyncProperty(programs(false), (program) => run(adapter, program, true)),
      parameters(25),
    );
  }, { deadline: 600_000, ignore: engine.missing });
}
