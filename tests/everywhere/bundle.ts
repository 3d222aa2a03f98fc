// Copyright 2026 the Rendezvous authors. MIT license.

import { build, type Plugin, stop } from "esbuild";

const HERE = import.meta.dirname!;
const ROOT = `${HERE}/../..`;
const SHIM = `${HERE}/shim.ts`;

/** What runtimes load: one file each, all in one directory. */
const ENTRIES = [
  "barrier.ts",
  "tests/everywhere/main.ts",
  "tests/everywhere/bench_worker.ts",
  "tests/_helpers/thread_worker.ts",
  "tests/worker/_race_worker.ts",
  "tests/worker/_leaver_worker.ts",
];

/** Gives the modules of the tests the shim, and the names that their workers have in the bundle. */
const shimmed: Plugin = {
  name: "shimmed",
  setup(build) {
    build.onLoad({ filter: /\/tests\/.*\.ts$/ }, async ({ path }) => {
      const source = (await Deno.readTextFile(path)).replaceAll(
        /(?<=import\.meta\.resolve\(")([\w./]+)\.ts(?=")/g,
        (_, path) => `./${basename(path)}.js`,
      );
      const names = "AsyncDisposableStack, Deno, Promise, Symbol";
      const header = `import { ${names} } from ${JSON.stringify(SHIM)};`;
      return { contents: path === SHIM ? source : header + source, loader: "ts" };
    });
  },
};

function basename(path: string): string {
  return path.replace(/.*\//, "").replace(/\.ts$/, "");
}

/** Bundles the tests into a directory. */
export async function bundle(directory: string): Promise<void> {
  // Deno finds the packages that the tests import.
  const assert = `${directory}/assert.js`;
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--platform=browser", "-o", assert, "links/assert/mod.js"],
    cwd: ROOT,
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  try {
    await build({
      absWorkingDir: ROOT,
      entryPoints: ENTRIES.map((entry) => ({
        in: entry,
        out: basename(entry),
      })),
      outdir: directory,
      bundle: true,
      format: "esm",
      // As the oldest runtime needs it.
      target: "es2022",
      alias: { "@std/assert": assert, "node:util": SHIM },
      plugins: [shimmed],
      logLevel: "error",
    });
  } finally {
    await stop();
  }
  await Deno.writeTextFile(`${directory}/package.json`, '{ "type": "module" }');
}
