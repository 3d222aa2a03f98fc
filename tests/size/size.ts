// Copyright 2026 the Rendezvous authors. MIT license.
// deno-lint-ignore-file no-console -- printing is what it is for

/**
 * Measures the library as browsers get it: the npm package, bundled and minified by esbuild, and compressed. Fails where
 * a bundle is larger than its budget.
 *
 * @module
 */

import { build, stop } from "esbuild";

/**
 * What is imported, and how many bytes it may take, compressed: a little more than it does, so that growth is noticed. The
 * goals are 3,000 and 8,000.
 */
const bundles = [
  { name: "AsyncBarrier", source: `export { AsyncBarrier } from "./mod.js"`, budget: 4_350 },
  { name: "all of mod.ts", source: `export * from "./mod.js"`, budget: 14_100 },
];

/** The npm package. */
const folder = new URL("../../dist/npm", import.meta.url).pathname;

/** Its size in bytes, minified and then compressed. */
async function measure(contents: string): Promise<[number, number]> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: folder },
    bundle: true,
    minify: true,
    format: "esm",
    write: false,
  });
  const bytes = outputFiles[0]!.contents as Uint8Array<ArrayBuffer>;
  const compressed = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return [bytes.length, (await new Response(compressed).bytes()).length];
}

let tooLarge = false;
for (const { name, source, budget } of bundles) {
  const [minified, compressed] = await measure(source);
  console.log(`${name}: ${minified} bytes minified, ${compressed} compressed (at most ${budget})`);
  tooLarge ||= compressed > budget;
}
await stop();
if (tooLarge) Deno.exit(1);
