// Copyright 2026 the Rendezvous authors. MIT license.

import { assertEquals } from "@std/assert";
import { findPackaged, findVersion, runtimes } from "./runtimes.ts";

Deno.test("runtimes are what their names say", () => {
  for (const { name, program } of runtimes) {
    if (program === undefined) continue;
    const code =
      "const { bun, node } = process.versions; console.log(bun ? 'Bun' : `Node ${parseInt(node)}`)";
    const { stdout } = new Deno.Command(program, { args: ["-e", code] }).outputSync();
    assertEquals(new TextDecoder().decode(stdout).trim(), name);
  }
});

Deno.test("findPackaged() and findVersion() find nothing where nothing is", () => {
  assertEquals(findPackaged("no such package"), undefined);
  assertEquals(findVersion("no such program"), undefined);
});
