// Copyright 2026 the Rendezvous authors. MIT license.

/** The runtimes that processes run on, and programs for them: bundles, as none but Deno runs this source as it is. */

import { bun as bunProgram, findNode, type Program } from "../_helpers/programs.ts";

/** A runtime. */
export interface Runtime {
  readonly name: string;
  /** Why it cannot be tested here, if it cannot. */
  readonly missing: string | undefined;
  /** The command that runs a program of this folder, by its name without ".ts". */
  command(program: string): string[];
}

const here = new URL(".", import.meta.url).pathname;
const directory = await Deno.makeTempDir({ prefix: "rendezvous-programs-" });

/** A runtime that runs bundles. */
function bundled({ name, path, missing }: Program): Runtime {
  return { name, missing, command: (program) => [path!, `${directory}/${program}.mjs`] };
}

/** All runtimes. */
export const runtimes: Runtime[] = [
  {
    name: "Deno",
    missing: undefined,
    command: (program) => {
      return [Deno.execPath(), "run", "-A", "--quiet", "--no-check", `${here}${program}.ts`];
    },
  },
  bundled(findNode("20")),
  bundled(bunProgram),
];

export const [deno, node, bun] = runtimes as [Runtime, Runtime, Runtime];

if (runtimes.some(({ name, missing }) => name !== "Deno" && missing === undefined)) {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", `${here}_bundle.ts`, directory],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

Deno.test.afterAll(() => Deno.remove(directory, { recursive: true }));
