// Copyright 2026 the Rendezvous authors. MIT license.

/*
 * Bundles the programs for Node and Bun into a directory: `_bundle.ts DIRECTORY`. It is a process of its own, as esbuild
 * leaves one running for a while, which the tests would take for a leak.
 */

import { build, stop } from "esbuild";

/** What each program gets in the place of globals. */
const programs = { _actor: [], _contract: ["_shim.ts"] };

const here = new URL(".", import.meta.url).pathname;
const directory = Deno.args[0]!;

async function bundle(program: string, inject: string[]): Promise<void> {
  // Deno finds all modules. Its own bundle leaves `using` in, which Node 20 does not know.
  const whole = `${directory}/${program}.ts`;
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--output", whole, `${here}${program}.ts`],
    stdout: "null",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`${program}.ts cannot be bundled`);
  await build({
    entryPoints: [whole],
    outfile: `${directory}/${program}.mjs`,
    inject: inject.map((file) => here + file),
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    logLevel: "error",
  });
}

await Promise.all(Object.entries(programs).map((program) => bundle(...program)));
await stop();
