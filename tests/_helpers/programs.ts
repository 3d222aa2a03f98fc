// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * The programs that some tests need: those that this module has installed, run as `deno task tools`, or those of the PATH.
 *
 * @module
 */

const cache = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`;

/** Where the packages of the npm registry are installed. */
const TOOLS = `${cache}/rendezvous-barrier`;

const NODES = [20, 22, 24, 26];

const PACKAGES = [
  ...NODES.map((major) => `node${major}@npm:node@${major}`),
  "bun@1.4.5",
  "typescript58@npm:typescript@~5.8.3",
  "@types/node@22",
];

/** A program that a test needs. */
export interface Program {
  readonly name: string;
  readonly path: string | undefined;
  /** Why the test is ignored, if it is. */
  readonly missing: string | undefined;
}

export function program(name: string, path: string | undefined, remedy: string): Program {
  return { name, path, missing: path === undefined ? `there is no ${name}: ${remedy}` : undefined };
}

/** The first of these files that is there; a name without a directory is looked for on the PATH. */
export function findFile(...files: string[]): string | undefined {
  const directories = (Deno.env.get("PATH") ?? "").split(":");
  return files.flatMap((file) => {
    return file.includes("/") ? [file] : directories.map((directory) => `${directory}/${file}`);
  }).find((file) => {
    try {
      return Deno.statSync(file).isFile;
    } catch {
      return false;
    }
  });
}

/** A file of the packages that were installed. */
export function tool(file: string): Program {
  const path = findFile(`${TOOLS}/node_modules/${file}`);
  return program(file.replace(/\/.*/, ""), path, "`deno task tools` installs it");
}

/** What a Node says of its version, such as "22.18.0". */
function versionOf(path: string): string {
  const { stdout } = new Deno.Command(path, { args: ["--version"] }).outputSync();
  return new TextDecoder().decode(stdout).trim().replace("v", "");
}

const onPath = findFile("node");
const versionOnPath = onPath && versionOf(onPath);

/** Each Node that the library is for. */
export const nodes: readonly Program[] = NODES.map((major) => {
  const path = tool(`node${major}/bin/node`).path ??
    (versionOnPath?.startsWith(`${major}.`) ? onPath : undefined);
  return program(`Node ${major}`, path, "`deno task tools` installs it");
});

/** A Node of at least a version such as "22.18": what `BARRIER_NODE` names, or the first of the PATH and of {@linkcode nodes}. */
export function findNode(oldest: string): Program {
  const named = Deno.env.get("BARRIER_NODE");
  const paths = named === undefined ? [onPath, ...nodes.map(({ path }) => path)] : [named];
  const path = paths.find((path) =>
    path !== undefined &&
    versionOf(path).localeCompare(oldest, "en", { numeric: true }) >= 0
  );
  const remedy = named === undefined ? "`deno task tools` installs it" : `not ${named}`;
  return { ...program(`Node ${oldest} or later`, path, remedy), name: "Node" };
}

export const bun: Program = program(
  "Bun",
  findFile(`${TOOLS}/node_modules/.bin/bun`, "bun"),
  "`deno task tools` installs it",
);

export const chromium: Program = program(
  "Chromium",
  findFile("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
  "the system may have a package",
);

export const firefox: Program = program(
  "Firefox",
  findFile("firefox-esr", "firefox"),
  "the system may have a package",
);

if (import.meta.main) {
  await Deno.mkdir(TOOLS, { recursive: true });
  const { success } = await new Deno.Command("npm", {
    args: ["install", "--silent", "--no-audit", "--no-fund", "--prefix", TOOLS, ...PACKAGES],
    stdout: "null",
  }).output();
  Deno.exitCode = success ? 0 : 1;
}
