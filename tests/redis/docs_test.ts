// Copyright 2026 the Rendezvous authors. MIT license.

// The examples of the documentation need a Redis, so `deno test --doc` leaves them out. Here each is checked and run, with
// one party in the place of many.

import { assertEquals } from "@std/assert";
import { Command } from "../_helpers/command.ts";
import { Engine } from "../_helpers/engine.ts";
import { type Scope, test } from "./_helpers.ts";

const ROOT = new URL("../../", import.meta.url);

/** The examples of a file that are about Redis. */
async function examplesOf(file: string): Promise<string[]> {
  const text = (await Deno.readTextFile(new URL(file, ROOT))).replaceAll(/^ +\* ?/gm, "");
  return [...text.matchAll(/```ts ignore\n([^]*?)```/g)].map(([, code]) => code!)
    .filter((code) => code.includes("barrier/redis"));
}

/** Checks and runs a program, which must end by itself. */
async function run(scope: Scope, program: string): Promise<void> {
  const args = [Deno.execPath(), "run", "-A", "--check", "--quiet", "-", "42", "resize-1"];
  const { code, stderr } = await new Command(scope, args, { cwd: ROOT, input: program }).ended();
  assertEquals([code, stderr], [0, []], program);
}

for (const file of ["redis_barrier.ts", "README.md"]) {
  test(`The examples of ${file} run`, async (scope) => {
    const { url } = await Engine.start(scope);
    const examples = await examplesOf(file);
    assertEquals(examples.length > 0, true);
    for (const example of examples) {
      const program = example.replace(/redis:\/\/[\w.]+:6379/, url)
        .replace(/parties: \d/, "parties: 1").replace("resize, run", crypto.randomUUID());
      await run(scope, program);
    }
  });
}
