// Copyright 2026 the Rendezvous authors. MIT license.
// deno-lint-ignore-file no-console -- printing is what it is for

/**
 * Breaks the library on purpose, one place at a time, and sees that the tests notice: each mutation of the list must
 * make the test fail that it names. Run it:
 *
 *     deno task mutations [PART OF A FILE'S NAME]
 *
 * It works on a copy. A test that hangs has noticed, too: it is ended after a minute.
 *
 * @module
 */

import { mutations } from "./mutations.ts";

const root = new URL("../../", import.meta.url).pathname;
const PATIENCE = 60_000;

/** Copies what git knows, and what is new and not ignored. */
async function copyTo(directory: string): Promise<void> {
  const { stdout } = await new Deno.Command("git", {
    args: ["ls-files", "--cached", "--others", "--exclude-standard"],
    cwd: root,
  }).output();
  for (const path of new TextDecoder().decode(stdout).trim().split("\n")) {
    const target = `${directory}/${path}`;
    await Deno.mkdir(target.slice(0, target.lastIndexOf("/")), { recursive: true });
    await Deno.copyFile(root + path, target).catch(() => {}); // Deleted, and not committed yet.
  }
}

/** Whether a mutated file is still a module: what cannot be loaded would be noticed by any test. */
function loads(directory: string, file: string): Promise<boolean> {
  return succeeds(
    directory,
    "eval",
    `await import(${JSON.stringify(`file://${directory}/${file}`)})`,
  );
}

/** Runs a test file of the copy, or the tests of it whose names contain `filter`; returns whether all passed. */
function passes(directory: string, test: string, filter: string): Promise<boolean> {
  return succeeds(directory, "test", "-A", "--no-check", "--quiet", `--filter=${filter}`, test);
}

async function succeeds(directory: string, ...args: string[]): Promise<boolean> {
  const child = new Deno.Command(Deno.execPath(), {
    args,
    cwd: directory,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
  const { success } = await child.status;
  clearTimeout(timer);
  return success;
}

const directory = await Deno.makeTempDir({ prefix: "mutations-" });
let survivors = 0;
let count = 0;
try {
  await copyTo(directory);
  const sane = new Map<string, boolean>();
  for (const { file, from, to, test, filter } of mutations) {
    if (!file.includes(Deno.args[0] ?? "")) continue;
    count++;
    const path = `${directory}/${file}`;
    const text = await Deno.readTextFile(path);
    const key = `${test} ${filter}`;
    let verdict = "noticed";
    if (text.split(from).length !== 2) {
      verdict = "NOT FOUND ONCE";
    } else {
      if (!sane.has(key)) sane.set(key, await passes(directory, test, filter));
      await Deno.writeTextFile(path, text.replace(from, () => to));
      if (!sane.get(key)) verdict = "FAILS UNCHANGED";
      else if (!await loads(directory, file)) verdict = "DOES NOT LOAD";
      else if (await passes(directory, test, filter)) verdict = "SURVIVED";
      await Deno.writeTextFile(path, text);
    }
    if (verdict !== "noticed") survivors++;
    console.log(`${verdict}: ${file}: ${from.split("\n")[0]!.trim()} (${key})`);
  }
} finally {
  await Deno.remove(directory, { recursive: true });
}
console.log(`${count} mutations, ${count - survivors} noticed, ${survivors} not`);
if (survivors > 0) Deno.exit(1);
