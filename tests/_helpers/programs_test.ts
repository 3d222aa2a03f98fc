// Copyright 2026 the Rendezvous authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import { bun, findFile, findNode, nodes, tool } from "./programs.ts";

/** What a runtime says that it is. */
function nameOf(path: string): string {
  const code =
    "const { bun, node } = process.versions; console.log(bun ? 'Bun' : `Node ${parseInt(node)}`)";
  const { stdout } = new Deno.Command(path, { args: ["-e", code] }).outputSync();
  return new TextDecoder().decode(stdout).trim();
}

Deno.test("runtimes are what their names say, or missing", () => {
  for (const { name, path, missing } of [...nodes, bun]) {
    if (path === undefined) assert(missing!.startsWith(`there is no ${name}: `));
    else assertEquals([nameOf(path), missing], [name, undefined]);
  }
});

Deno.test("findNode() finds none that is too old", () => {
  const { path, missing } = findNode("1000");
  assertEquals(path, undefined);
  assert(missing!.startsWith("there is no Node 1000 or later: "));
});

Deno.test("findFile() and tool() find nothing where nothing is", () => {
  assertEquals(findFile("no such program", "/no/such/file"), undefined);
  assertEquals(
    tool("nothing/bin/nothing").missing,
    "there is no nothing: `deno task tools` installs it",
  );
});
