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
