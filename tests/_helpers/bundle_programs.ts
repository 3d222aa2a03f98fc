// Copyright 2026 the Rendezvous authors. MIT license.

/*
 * Bundles the programs of a folder for Node and Bun into a directory: `bundle_programs.ts FOLDER DIRECTORY NAME…`. It is a process
 * of its own, as esbuild leaves one running for a while, which the tests would take for a leak.
 */

import { build, stop } from "esbuild";

/** What a program gets in the place of globals, if it gets anything. */
const shims: Record<string, string[]> = { _contract: ["contract_shim.ts"] };

const here = new URL(".", import.meta.url).pathname;
const [folder, directory, ...programs] = Deno.args as [string, string, ...string[]];

async function bundle(program: string): Promise<void> {
  // Deno finds all modules. Its own bundle leaves `using` in, which Node 20 does not know.
  const whole = `${directory}/${program}.ts`;
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--output", whole, `${folder}${program}.ts`],
    stdout: "null",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`${program}.ts cannot be bundled`);
  await build({
    entryPoints: [whole],
    outfile: `${directory}/${program}.mjs`,
    inject: (shims[program] ?? []).map((file) => here + file),
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    logLevel: "error",
  });
}

await Promise.all(programs.map(bundle));
await stop();
