// Copyright 2026 the Rendezvous authors. MIT license.

// deno-lint-ignore-file no-console -- a program reports by lines of output

// What every runtime runs: the tests that are possible there, row by row. It reports to everywhere.ts.

import { mayBlock } from "../../_common/platform.ts";
import { contract } from "../contract/contract.ts";
import { tasks } from "../contract/task_adapter.ts";
import { threads } from "../contract/worker_adapter.ts";
import { isPage, type WorkerKind, workerKinds } from "../_helpers/worker.ts";
import type { Figures } from "./bench.ts";
import { afterAll, tests } from "./shim.ts";

/** What a runtime reports: of a test, of a row that is not possible there, of its speed, or that all has been run. */
export type Report =
  | { row: string; test?: string; impossible?: string; error?: string }
  | { figures: Figures }
  | { done: true };

const { process } = globalThis as { process?: { argv: string[] } };
/** A page whose server does not say that it may share memory. */
const isPlain = isPage && location.pathname.startsWith("/plain");
const sharesAllTheSame = typeof SharedArrayBuffer !== "undefined" && "this one is told to share it";

/** The rows of the table, why they are not possible here if they are not, and what makes their tests. */
const rows: [row: string, impossible: string | false, load: () => unknown][] = isPlain
  ? [["a page without isolation", sharesAllTheSame, async () => {
    contract(tasks("joined"));
    (await import("./page_test.ts")).plainPage();
  }]]
  : [
    ["tasks", false, async () => {
      contract(tasks("one handle"));
      contract(tasks("joined"));
      await import("../task/async_barrier_test.ts");
      await import("../task/run_test.ts");
    }],
    ["`Barrier` in one thread", false, async () => {
      contract(threads("unnamed", "async"));
      contract(threads("joined", "async"));
      await import("../worker/barrier_test.ts");
    }],
    ["… that blocks the main thread", !mayBlock() && "the platform forbids it", () => {
      contract(threads("joined", "async", "blocking"));
    }],
    ["workers by `Worker`", missing("Worker"), () => contract(threads("unnamed", "Worker"))],
    [
      "… that join",
      missing("Worker") || "Bun" in globalThis && "nobody could notice their end",
      () => contract(threads("joined", "Worker")),
    ],
    ["workers by `node:worker_threads`", missing("node:worker_threads"), () => {
      contract(threads("unnamed", "node:worker_threads"));
    }],
    ["… that join", missing("node:worker_threads"), () => {
      contract(threads("joined", "node:worker_threads"));
    }],
    ["… and got it as `workerData`", missing("workerData"), () => {
      contract(threads("joined", "workerData"));
    }],
    ["races", false, () => import("../worker/race_test.ts")],
    ["a worker that ends", false, () => import("../worker/join_test.ts")],
    ["… at any step of `join()`", false, () => import("../worker/leaver_test.ts")],
    ["an isolated page", !isPage && "it is none", async () => {
      (await import("./page_test.ts")).isolatedPage();
    }],
  ];

function missing(kind: WorkerKind): string | false {
  return !workerKinds.includes(kind) && "it has none";
}

/** A page reports to its server, any other program by lines of output. */
async function report(report: Report): Promise<void> {
  const line = JSON.stringify(report);
  if (isPage) await fetch("/report", { method: "POST", body: line });
  else console.log(line);
}

/** Only these, if any are given: rows by their numbers, or "bench". */
const wanted = isPage
  ? new URLSearchParams(location.search).getAll("want")
  : process!.argv.slice(2);
if (wanted.includes("bench")) {
  await report({ figures: await (await import("./bench.ts")).bench() });
}
for (const [index, [row, impossible, load]] of rows.entries()) {
  if (wanted.length > 0 && !wanted.includes(`${index}`)) continue;
  if (impossible) {
    await report({ row, impossible });
    continue;
  }
  await load();
  for (const { name, ignore, fn } of tests.splice(0)) {
    if (ignore) {
      await report({ row, test: name, impossible: "see its name" });
      continue;
    }
    try {
      await fn();
      await report({ row, test: name });
    } catch (error) {
      const { stack = "" } = Object(error);
      await report({ row, test: name, error: `${error}\n${stack}` });
    }
  }
}
for (const end of afterAll) await end();
// A plain page is the second half of the run.
if (isPage && !isPlain && wanted.length === 0) location.pathname = "/plain/";
else await report({ done: true });
