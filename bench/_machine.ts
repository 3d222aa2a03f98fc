// Copyright 2026 the Rendezvous authors. MIT license.

import { cpus, totalmem } from "node:os";
import { versionOf } from "./_packages.ts";
import { version } from "./_program.ts";

/** Where and when something was measured. */
export interface Machine {
  date: string;
  processor: string;
  hardwareThreads: number;
  memoryGiB: number;
  kernel: string;
  os: string;
  versions: Record<string, string>;
}

const npm = ["@esfx/async-barrier", "async-barrier"] as const;
const commands = ["ldd", "g++", "rustc", "java", "python3", "mpirun"];

/** Asks the machine what it is, and every tool for its version. */
export async function machine(): Promise<Machine> {
  const { deno, v8 } = Deno.version;
  const versions: Record<string, string> = { deno, v8 };
  for (const name of npm) versions[name] = versionOf(name);
  for (const command of commands) {
    const found = await version(command);
    if (found) versions[command] = found;
  }
  return {
    date: new Date().toISOString(),
    processor: cpus()[0]!.model,
    hardwareThreads: navigator.hardwareConcurrency,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${Deno.build.os} ${Deno.osRelease()}`,
    os: await distribution(),
    versions,
  };
}

async function distribution(): Promise<string> {
  if (Deno.build.os !== "linux") return Deno.build.os;
  const release = await Deno.readTextFile("/etc/os-release");
  return /^PRETTY_NAME="?([^"\n]*)/m.exec(release)?.[1] ?? "linux";
}
