// Copyright 2026 the Rendezvous authors. MIT license.

/** The runtimes that processes run on, and programs for them: bundles, as none but Deno runs this source as it is. */

/** A runtime. */
export interface Runtime {
  readonly name: "Deno" | "Node" | "Bun";
  /** Why it cannot be tested here, if it cannot. */
  readonly missing: string | undefined;
  /** The command that runs a program of this folder, by its name without ".ts". */
  command(program: string): string[];
}

const OLDEST_NODE = 20;

const here = new URL(".", import.meta.url).pathname;
const directory = await Deno.makeTempDir({ prefix: "rendezvous-programs-" });

/** Finds a runtime: where an environment variable of its name in capitals says, or on the PATH. */
function find(name: "Node" | "Bun"): Runtime {
  const path = Deno.env.get(name.toUpperCase()) || name.toLowerCase();
  return {
    name,
    missing: whyMissing(name, path),
    command: (program) => [path, `${directory}/${program}.mjs`],
  };
}

function whyMissing(name: string, path: string): string | undefined {
  try {
    const { stdout } = new Deno.Command(path, { args: ["--version"] }).outputSync();
    const version = new TextDecoder().decode(stdout).trim().replace("v", "");
    if (name === "Node" && !(parseInt(version) >= OLDEST_NODE)) return `Node ${version} is too old`;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return `there is no "${path}": set ${name.toUpperCase()} to the path of ${name}`;
  }
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
  find("Node"),
  find("Bun"),
];

export const [deno, node, bun] = runtimes as [Runtime, Runtime, Runtime];

if (runtimes.some(({ name, missing }) => name !== "Deno" && missing === undefined)) {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", `${here}_bundle.ts`, directory],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

Deno.test.afterAll(() => Deno.remove(directory, { recursive: true }));
