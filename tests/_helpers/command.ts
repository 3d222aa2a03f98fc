// Copyright 2026 the Rendezvous authors. MIT license.

import { until, within } from "./harness.ts";

/** How a command ended, and the lines that it printed. */
export interface Ending {
  code: number;
  stdout: string[];
  stderr: string[];
}

export interface CommandOptions {
  cwd?: URL | string;
  env?: Record<string, string>;
  /** What it reads; nothing unless told otherwise. */
  input?: string;
}

/** A command that runs. At the end of the scope it is killed, if it still runs. */
export class Command {
  readonly stdout: string[] = [];
  readonly #process: Deno.ChildProcess;
  readonly #name: string;
  readonly #ending: Promise<Ending>;

  constructor(
    scope: AsyncDisposableStack,
    [path, ...args]: string[],
    { cwd, env, input }: CommandOptions = {},
  ) {
    this.#name = args.join(" ");
    this.#process = new Deno.Command(path!, {
      args,
      ...cwd !== undefined && { cwd },
      env: { NO_COLOR: "1", COLUMNS: "", ...env },
      stdin: input === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#ending = this.#follow(input);
    scope.defer(async () => {
      try {
        this.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await this.ended();
    });
  }

  async #follow(input: string | undefined): Promise<Ending> {
    const { stdout } = this;
    const stderr: string[] = [];
    if (input !== undefined) {
      // It may end without having read all.
      new Blob([input]).stream().pipeTo(this.#process.stdin).catch(() => {});
    }
    const [{ code }] = await Promise.all([
      this.#process.status,
      read(this.#process.stdout, stdout),
      read(this.#process.stderr, stderr),
    ]);
    return { code, stdout, stderr };
  }

  kill(signal: Deno.Signal): void {
    this.#process.kill(signal);
  }

  /** Waits for its end, for so many ms. */
  async ended(ms?: number): Promise<Ending> {
    return await within(this.#ending, `the end of ${this.#name}`, ms);
  }
}

async function read(stream: ReadableStream<Uint8Array>, lines: string[]): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    lines.push(...parts);
  }
  if (rest !== "") lines.push(rest);
}

/** The processes that run and whose command line holds all of `texts`. */
export async function processesOf(...texts: string[]): Promise<number[]> {
  const found: number[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const command = await Deno.readTextFile(`/proc/${name}/cmdline`);
      if (!texts.every((text) => command.includes(text))) continue;
      const stat = await Deno.readTextFile(`/proc/${name}/stat`);
      // One that has ended, and whose parent has not asked how, does not run.
      if (!/^\d+ \(.*\) [ZX]/.test(stat)) found.push(+name);
    } catch {
      // It has ended meanwhile.
    }
  }
  return found;
}

/** Waits until there is such a process. */
export async function process(...texts: string[]): Promise<number> {
  let pids: number[] = [];
  await until(async () => {
    pids = await processesOf(...texts);
    return pids.length > 0;
  }, `a process of ${texts.join(" ")}`);
  return pids[0]!;
}
