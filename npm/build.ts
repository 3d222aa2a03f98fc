// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * Makes the npm package, of the source that JSR gets: the folder `dist/npm`, and beside it the tarball to publish.
 *
 *     deno task npm
 *
 * The compiler takes the types out, and lowers what Node 20 cannot parse. It checks nothing: `deno check` does, and
 * `deno publish` wants each type of the interface written down, so that none is inferred here.
 *
 * @module
 */

import ts from "typescript";
import config from "../deno.json" with { type: "json" };

const ROOT = new URL("../", import.meta.url).pathname;

/** package.json. What deno.json knows is taken from there. */
const manifest = {
  name: config.name,
  version: config.version,
  description: "Barriers: tasks, workers and processes wait for each other, phase after phase",
  keywords: [
    "barrier",
    "synchronization",
    "concurrency",
    "parallel",
    "phaser",
    "rendezvous",
    "worker",
    "process",
    "atomics",
    "sharedarraybuffer",
  ],
  license: config.license,
  type: "module",
  exports: Object.fromEntries(
    Object.entries(config.exports).map(([name, path]) => [name, path.replace(/\.ts$/, ".js")]),
  ),
  sideEffects: false,
  engines: { node: ">=20" },
  // What ./redis takes for a URL. Who brings a client of its own does without.
  peerDependencies: { ioredis: ">=5" },
  peerDependenciesMeta: { ioredis: { optional: true } },
  publishConfig: { access: "public" },
};

/** Makes the folder of the package. */
export async function build(folder: string): Promise<void> {
  const files = withoutUnused(compile());
  for (const name of ["README.md", "LICENSE", "CHANGELOG.md"]) {
    files.set(name, await Deno.readTextFile(ROOT + name));
  }
  files.set("package.json", JSON.stringify(manifest, null, 2) + "\n");

  for (const [name, text] of files) {
    const path = `${folder}/${name}`;
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    await Deno.writeTextFile(path, text);
  }
}

/** Makes the tarball of a package that has been built, and returns its path. */
export async function pack(folder: string, destination: string): Promise<string> {
  const { success, stdout } = await new Deno.Command("npm", {
    args: ["pack", "--silent", "--pack-destination", destination],
    cwd: folder,
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("npm pack failed");
  return `${destination}/${new TextDecoder().decode(stdout).trim()}`;
}

/** All modules and their declarations, by their names in the package. */
function compile(): Map<string, string> {
  const program = ts.createProgram(
    Object.values(config.exports).map((path) => ROOT + path.slice("./".length)),
    {
      target: ts.ScriptTarget.ES2022,
      lib: ["lib.esnext.d.ts", "lib.dom.d.ts"],
      types: [],
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
      rewriteRelativeImportExtensions: true,
      declaration: true,
      noCheck: true,
      noEmitOnError: true,
      rootDir: ROOT,
      outDir: ROOT,
    },
  );
  const files = new Map<string, string>();
  const { emitSkipped, diagnostics } = program.emit(undefined, (path, text) => {
    files.set(path.slice(ROOT.length), path.endsWith(".d.ts") ? finishTypes(text) : text);
  });
  if (emitSkipped || diagnostics.length > 0) {
    const host = {
      getCanonicalFileName: String,
      getCurrentDirectory: () => ROOT,
      getNewLine: () => "\n",
    };
    throw new Error(ts.formatDiagnostics(diagnostics, host));
  }
  return files;
}

/** A relative import or export, but for its extension. */
const RELATIVE = /(?<=\bfrom |\bimport\()"(\.\.?\/[^"]+)\.[jt]s"/g;

/**
 * The compiler leaves `.ts` in declarations. And who compiles for ES2022 knows of no `Disposable`, nor of its symbols,
 * unless a declaration asks for them.
 */
function finishTypes(text: string): string {
  const types = text.replace(RELATIVE, '"$1.js"');
  return /dispos/i.test(types) ? `/// <reference lib="esnext.disposable" />\n${types}` : types;
}

/** Leaves out what no export leads to: modules of types only, and the declarations of private ones. */
function withoutUnused(files: Map<string, string>): Map<string, string> {
  const used = new Map<string, string>();
  const add = (path: string, extension: string) => {
    const name = path + extension;
    if (used.has(name)) return;
    const text = files.get(name)!;
    used.set(name, text);
    for (const [, imported] of text.matchAll(RELATIVE)) {
      add(new URL(imported!, `file:///${name}`).pathname.slice(1), extension);
    }
  };
  for (const path of Object.values(config.exports)) {
    for (const extension of [".js", ".d.ts"]) {
      add(path.slice("./".length, -".ts".length), extension);
    }
  }
  return used;
}

if (import.meta.main) {
  const dist = `${ROOT}dist`;
  await Deno.mkdir(dist, { recursive: true });
  await Deno.remove(dist, { recursive: true });
  await build(`${dist}/npm`);
  // deno-lint-ignore no-console -- says what there is to publish
  console.log(await pack(`${dist}/npm`, dist));
}
