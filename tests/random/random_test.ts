// Copyright 2026 the Rendezvous authors. MIT license.

import fc from "fast-check";
import { test } from "../_helpers/harness.ts";
import type { Adapter } from "../contract/adapter.ts";
import { tasks } from "../contract/task_adapter.ts";
import { threads } from "../contract/worker_adapter.ts";
import { parameters, programs, run } from "./random.ts";

const adapters: [Adapter, number][] = [
  [tasks("one handle"), 500],
  [tasks("joined"), 1_000],
  [threads("unnamed", "async"), 300],
  [threads("joined", "async"), 600],
];
for (const [adapter, runs] of adapters) {
  test(adapter.title("", "does what the contract says in random programs"), async () => {
    await fc.assert(
      fc.asyncProperty(programs(), (program) => run(adapter, program)),
      parameters(runs),
    );
  }, { deadline: 600_000 });
}
