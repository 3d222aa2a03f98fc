// Copyright 2026 the Rendezvous authors. MIT license.

// A part of `deno task everywhere` that is quick, in the runtimes that are found.

import { assert, assertEquals } from "@std/assert";
import { test } from "../_helpers/harness.ts";
import { bundle } from "./bundle.ts";
import { run } from "./run.ts";
import { runtimes } from "./runtimes.ts";

/** The row "a worker that ends". */
const ROW = "9";

let bundled: Promise<string> | undefined;

async function makeBundle(): Promise<string> {
  const directory = await Deno.makeTempDir({ prefix: "barrier-everywhere-" });
  await bundle(directory);
  return directory;
}

Deno.test.afterAll(async () => {
  if (bundled !== undefined) await Deno.remove(await bundled, { recursive: true });
});

/** What is missing of a runtime, if something is. */
async function missing({ find }: typeof runtimes[number]): Promise<string | false> {
  await using scope = new AsyncDisposableStack();
  const found = await find("", scope);
  return typeof found === "string" && found;
}

for (const runtime of runtimes.filter(({ name }) => name !== "Deno")) {
  test(`Barrier.join() notices the end of a worker in ${runtime.name}`, async () => {
    const result = await run(runtime, await (bundled ??= makeBundle()), [ROW]);
    assert(typeof result !== "string");
    const rows = [...result.rows.values()];
    assertEquals(rows.flatMap(({ failed }) => failed), []);
    assert(rows.some(({ passed }) => passed > 10));
  }, { ignore: await missing(runtime), deadline: 120_000 });
}
