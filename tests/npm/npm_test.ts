// Copyright 2026 the Rendezvous authors. MIT license.

// The npm package as its users get it: built, packed, installed in an empty project, and used from there.

import { assert, assertEquals } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { build, pack } from "../../npm/build.ts";
import { Command } from "../_helpers/command.ts";
import { test } from "../_helpers/harness.ts";
import { bun, findFile, nodes, tool } from "../_helpers/programs.ts";

type Scope = AsyncDisposableStack;

const ROOT = new URL("../../", import.meta.url).pathname;
const USER = new URL("user/", import.meta.url).pathname;

/** What the programs of a user print. */
const programs = [
  { name: "two tasks meet", file: "tasks.mjs", prints: ["[1,0]", "[1,0]"] },
  { name: "four workers meet", file: "workers.mjs", prints: ["[0,1,2,3]", "[10,10,10,10]"] },
  { name: "two processes meet", file: "processes.mjs", prints: ["[0,1]"] },
  {
    name: "a URL of Redis without ioredis says what to install",
    file: "no_ioredis.mjs",
    prints: ["ERR_MODULE_NOT_FOUND", "npm install ioredis, or deno add npm:ioredis"],
  },
];

const oldCompiler = tool("typescript58/bin/tsc");

const compilers = [
  { name: "TypeScript 6.0", tsc: "typescript/tsc", missing: undefined },
  { name: "TypeScript 5.8", tsc: oldCompiler.path, missing: oldCompiler.missing },
];

const nodeTypes = tool("@types/node/index.d.ts");

/** What a compiler is told, beside all that is strict. */
const settings = [
  { module: "nodenext", lib: ["ES2022", "DOM"], types: [] },
  { module: "esnext", moduleResolution: "bundler", lib: ["ES2022", "DOM"], types: [] },
  { module: "nodenext", lib: ["ES2022"], types: ["node"] },
];

const noNpm = findFile("npm") === undefined ? "npm is not found" : undefined;

/** The built package is in `package`, the project of a user in `npm`, and that of a user of Bun in `bun`. */
let folder: string;

Deno.test.beforeAll(async () => {
  folder = await Deno.makeTempDir({ prefix: "npm-test-" });
  await build(`${folder}/package`);
  if (noNpm !== undefined) return;
  const tarball = await pack(`${folder}/package`, folder);
  await using scope = new AsyncDisposableStack();
  const install = async (project: string, program: string, ...args: string[]) => {
    await Deno.mkdir(`${folder}/${project}`);
    await Deno.writeTextFile(`${folder}/${project}/package.json`, '{ "type": "module" }');
    await run(scope, `${folder}/${project}`, program, "install", ...args, tarball);
    for await (const { name } of Deno.readDir(USER)) {
      await Deno.copyFile(USER + name, `${folder}/${project}/${name}`);
    }
  };
  // It depends on nothing, so nothing has to be fetched.
  await install("npm", "npm", "--offline", "--no-audit", "--no-fund");
  if (bun.path !== undefined) await install("bun", bun.path, "--offline");
});

Deno.test.afterAll(() => Deno.remove(folder, { recursive: true }));

/** A test that is ignored where `reason` says why. */
function testUnless(
  reason: string | undefined,
  name: string,
  body: (scope: Scope) => Promise<void>,
) {
  const title = `npm package: ${name}`;
  if (reason === undefined) test(title, body);
  else test(`${title} (ignored: ${reason})`, body, { ignore: true });
}

/** Runs a command until it ends, which must be a success. Returns the lines that it prints. */
async function run(scope: Scope, cwd: string, program: string, ...args: string[]) {
  const env = { BUN_INSTALL_CACHE_DIR: `${folder}/cache` };
  const { code, stdout, stderr } = await new Command(scope, [program, ...args], { cwd, env })
    .ended();
  assertEquals(code, 0, [...stdout, ...stderr].join("\n"));
  return stdout;
}

/** The paths of all files in a directory, which ends in a slash. */
function filesIn(directory: string, path = ""): string[] {
  return [...Deno.readDirSync(directory + path)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesIn(directory, `${path}${name}/`) : path + name
  );
}

test("npm package: package.json says what deno.json says, and asks for nothing at once", async () => {
  const manifest = JSON.parse(await Deno.readTextFile(`${folder}/package/package.json`));
  const { name, version, license, exports } = config;
  assertEquals([manifest.name, manifest.version, manifest.license], [name, version, license]);
  assertEquals(Object.keys(manifest.exports), Object.keys(exports));
  for (const key of ["dependencies", "optionalDependencies", "scripts"]) {
    assertEquals(manifest[key], undefined, key);
  }
  assertEquals(Object.keys(manifest.peerDependencies), ["ioredis"]);
  assertEquals(manifest.peerDependenciesMeta, { ioredis: { optional: true } });
});

test("npm package: holds what its exports lead to, and nothing else", async () => {
  const needed = new Set(["README.md", "LICENSE", "CHANGELOG.md", "package.json"]);
  const need = async (file: string) => {
    if (needed.has(file)) return;
    needed.add(file);
    const text = await Deno.readTextFile(`${folder}/package/${file}`);
    assert(!text.includes("sourceMappingURL"), `${file} names a source map`);
    const imports = /(?:^(?:import|export)\b[^;"]* from |\bimport\()"(\.[^"]+)"/gm;
    for (const [, path] of text.matchAll(imports)) {
      assert(path!.endsWith(".js"), `${file} imports ${path}`);
      await need(resolve(path!, file));
    }
  };
  /** The file that a path leads to from another: from declarations, declarations. */
  const resolve = (path: string, from: string) => {
    const file = new URL(path, `file:///${from}`).pathname.slice(1);
    return from.endsWith(".d.ts") ? file.replace(/\.js$/, ".d.ts") : file;
  };
  const { exports } = JSON.parse(await Deno.readTextFile(`${folder}/package/package.json`));
  for (const path of Object.values<string>(exports)) {
    await need(resolve(path, "index.js"));
    await need(resolve(path, "index.d.ts"));
  }
  assertEquals(filesIn(`${folder}/package/`).sort(), [...needed].sort());
});

for (const { name, file, prints } of programs) {
  for (const { name: runtime, path, missing } of [...nodes, bun]) {
    testUnless(noNpm ?? missing, `${name} on ${runtime}`, async (scope) => {
      const project = runtime === "Bun" ? "bun" : "npm";
      assertEquals(await run(scope, `${folder}/${project}`, path!, file), prints);
    });
  }
}

for (const { name: compiler, tsc, missing } of compilers) {
  for (const { module, moduleResolution = module, lib, types } of settings) {
    const title = [compiler, moduleResolution, ...lib, ...types].join(", ");
    const noTypes = types.length > 0 ? nodeTypes.missing : undefined;
    testUnless(
      noNpm ?? missing ?? noTypes,
      `a strict program compiles (${title})`,
      async (scope) => {
        const project = `${folder}/npm/${title}.json`;
        const compilerOptions = {
          strict: true,
          exactOptionalPropertyTypes: true,
          noUncheckedIndexedAccess: true,
          skipLibCheck: false,
          noEmit: true,
          target: "ES2022",
          module,
          moduleResolution,
          lib,
          types,
          typeRoots: nodeTypes.path === undefined ? [] : [`${nodeTypes.path}/../..`],
        };
        await Deno.writeTextFile(
          project,
          JSON.stringify({ compilerOptions, files: ["strict.ts"] }),
        );
        await run(scope, ROOT, Deno.execPath(), "run", "-A", tsc!, "--project", project);
      },
    );
  }
}
