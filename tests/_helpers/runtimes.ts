// Copyright 2026 the Rendezvous authors. MIT license.

/*
 * The other runtimes that the library is for. They are found in the folder of packages that `RUNTIMES` names, as
 * CONTRIBUTING.md says, or else on the PATH.
 */

const FOLDER = Deno.env.get("RUNTIMES");

/** A runtime, and the program that it is, where that is found. */
export interface Runtime {
  name: string;
  program: string | undefined;
}

/** What is in the folder of packages, if it is there. */
export function findPackaged(path: string): string | undefined {
  if (FOLDER === undefined) return undefined;
  try {
    return Deno.realPathSync(`${FOLDER}/${path}`);
  } catch {
    return undefined;
  }
}

/** What a program of the PATH says of its version, if it is there. */
export function findVersion(program: string): string | undefined {
  try {
    const { stdout } = new Deno.Command(program, { args: ["--version"] }).outputSync();
    return new TextDecoder().decode(stdout).trim();
  } catch {
    return undefined;
  }
}

const node = findVersion("node");

function findNode(major: number): Runtime {
  const program = findPackaged(`node${major}/bin/node`) ??
    (node?.startsWith(`v${major}.`) ? "node" : undefined);
  return { name: `Node ${major}`, program };
}

function findBun(): Runtime {
  const program = findPackaged(".bin/bun") ??
    (findVersion("bun") === undefined ? undefined : "bun");
  return { name: "Bun", program };
}

export const runtimes: readonly Runtime[] = [...[20, 22, 24, 26].map(findNode), findBun()];
/** A runtime other than Deno, and where it is. */
export interface Found {
  readonly name: "Node" | "Bun";
  readonly path: string;
  /** Why it cannot be tested here, if it cannot. */
  readonly missing: string | undefined;
}

/**
 * Finds a runtime of at least a version such as "22.18": where an environment variable of its name in capitals says, or
 * on the PATH.
 */
export function find(name: "Node" | "Bun", oldest: string): Found {
  const path = Deno.env.get(name.toUpperCase()) || name.toLowerCase();
  return { name, path, missing: whyMissing(name, path, oldest) };
}

function whyMissing(name: string, path: string, oldest: string): string | undefined {
  try {
    const { stdout } = new Deno.Command(path, { args: ["--version"] }).outputSync();
    const version = new TextDecoder().decode(stdout).trim().replace("v", "");
    const isNew = version.localeCompare(oldest, "en", { numeric: true }) >= 0;
    return isNew ? undefined : `${name} ${version} is older than ${oldest}`;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return `there is no "${path}": set ${name.toUpperCase()} to the path of ${name}`;
  }
}
