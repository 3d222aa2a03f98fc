// Copyright 2026 the Rendezvous authors. MIT license.

/** The runtimes that processes run on, and programs for them: bundles, as none but Deno runs this source as it is. */

import { assertEquals } from "@std/assert";
import { Command } from "./command.ts";
import { test } from "./harness.ts";
import { bun, findNode, type Program } from "./programs.ts";

/** A runtime. */
export interface Runtime {
  readonly name: string;
  /** Why it cannot be tested here, if it cannot. */
  readonly missing: string | undefined;
  /** The command that runs a program of the folder, by its name without ".ts". */
  command(program: string): string[];
}

/** Deno, Node and Bun, with programs of a folder, which ends in a slash. */
export async function runtimesFor(
  folder: string,
  ...programs: string[]
): Promise<[Runtime, Runtime, Runtime]> {
  const directory = await Deno.makeTempDir({ prefix: "rendezvous-programs-" });
  Deno.test.afterAll(() => Deno.remove(directory, { recursive: true }));

  /** A runtime that runs bundles. */
  const bundled = ({ name, path, missing }: Program): Runtime => {
    return { name, missing, command: (program) => [path!, `${directory}/${program}.mjs`] };
  };
  const deno: Runtime = {
    name: "Deno",
    missing: undefined,
    command: (program) => {
      return [Deno.execPath(), "run", "-A", "--quiet", "--no-check", `${folder}${program}.ts`];
    },
  };
  const others: [Runtime, Runtime] = [bundled(findNode("20")), bundled(bun)];
  if (others.some(({ missing }) => missing === undefined)) {
    const script = new URL("bundle_programs.ts", import.meta.url).pathname;
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", "--no-check", script, folder, directory, ...programs],
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
  }
  return [deno, ...others];
}

/** A test that needs these runtimes. */
export function testOn(
  needed: readonly Runtime[],
  name: string,
  body: (scope: AsyncDisposableStack) => Promise<void>,
  deadline?: number,
): void {
  const missing = needed.find(({ missing }) => missing !== undefined)?.missing;
  const title = missing === undefined ? name : `${name} (ignored: ${missing})`;
  const options = { ignore: missing !== undefined, ...deadline !== undefined && { deadline } };
  test(title, body, options);
}

/** What a run of the contract says of one test. */
export interface Result {
  name: string;
  error?: string;
}

/** Runs the contract in another runtime. The program must end by itself: nothing may be left. */
export async function runContract(
  scope: AsyncDisposableStack,
  { command }: Runtime,
  ...more: string[]
): Promise<Result[]> {
  const program = new Command(scope, [...command("_contract"), ...more]);
  const { code, stdout, stderr } = await program.ended(120_000);
  assertEquals([code, stderr], [0, []], stdout.join("\n"));
  return stdout.map((line) => JSON.parse(line));
}
