// Copyright 2026 the Rendezvous authors. MIT license.

import { unsupportedReason } from "../_process/mapped_memory.ts";

/** Parties that are ready to meet. */
export interface Meeting extends AsyncDisposable {
  /** Lets all parties meet that often. */
  run(phases: number): Promise<void>;
}

const NEWLINE = 10;

/**
 * Starts a program that reads a number of phases from each line of its input, and answers each with a line
 * when its parties have met that often. It ends with its input.
 */
export function program(command: string, ...args: string[]): Meeting {
  const child = new Deno.Command(command, { args, stdin: "piped", stdout: "piped" }).spawn();
  const input = child.stdin.getWriter();
  const output = child.stdout.getReader();
  const encoder = new TextEncoder();
  return {
    async run(phases) {
      await input.write(encoder.encode(`${phases}\n`));
      // An answer may come in pieces: what Python prints does.
      for (;;) {
        const { value } = await output.read();
        if (!value) throw new Error(`Cannot run ${[command, ...args].join(" ")}: it has ended`);
        if (value.includes(NEWLINE)) return;
      }
    },
    async [Symbol.asyncDispose]() {
      // It may have ended, and it may still want to say something.
      await input.close().catch(() => {});
      while (!(await output.read()).done);
      await child.status;
    },
  };
}

const compilers = {
  "g++": ["-O2", "-std=c++20", "-pthread"],
  "mpicxx": ["-O2", "-std=c++20", "-pthread"],
  "rustc": ["-O", "--edition=2021"],
};

/** Where the sources of the peers are. */
export function peer(file: string): string {
  return new URL(`./peers/${file}`, import.meta.url).pathname;
}

/** Builds peers, each once, in a directory that is removed at the end. */
export class Builder implements Disposable {
  #directory?: string;
  #built = new Map<string, Promise<string>>();

  /** Returns the path of what the compiler makes of a file. */
  build(compiler: keyof typeof compilers, file: string): Promise<string> {
    const built = this.#built.get(file) ?? this.#build(compiler, file);
    this.#built.set(file, built);
    return built;
  }

  async #build(compiler: keyof typeof compilers, file: string): Promise<string> {
    this.#directory ??= Deno.makeTempDirSync();
    const path = `${this.#directory}/${file.replace(".", "_")}`;
    const args = [...compilers[compiler], "-o", path, peer(file)];
    const { success } = await new Deno.Command(compiler, { args, stdout: "inherit" }).spawn()
      .status;
    if (!success) throw new Error(`Cannot build ${file} by ${compiler}`);
    return path;
  }

  [Symbol.dispose]() {
    if (this.#directory) Deno.removeSync(this.#directory, { recursive: true });
  }
}

/** How to ask for what has no `--version`. */
const questions: Record<string, string[]> = {
  "asyncio.Barrier": ["python3", "-c", "import asyncio; asyncio.Barrier"],
};

/** What a command says of its version in one line, or `undefined` where it is not found. */
export async function version(name: string): Promise<string | undefined> {
  if (name === "shared memory") return unsupportedReason() === undefined ? name : undefined;
  const [command, ...args] = questions[name] ?? [name, "--version"];
  try {
    const { success, stdout } = await new Deno.Command(command!, { args, stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout).split("\n")[0]!.trim() : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
