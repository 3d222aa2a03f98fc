// Copyright 2026 the Rendezvous authors. MIT license.

import { within } from "./_harness.ts";

/** How a process ended, and what it printed. */
export interface Ending {
  code: number;
  signal: Deno.Signal | null;
  stdout: string[];
  stderr: string[];
}

/** A process that is spoken to by lines. At the end of its scope it is killed, if it still runs. */
export class Child implements AsyncDisposable {
  /** The lines it has printed. */
  readonly stdout: string[] = [];
  readonly stderr: string[] = [];
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reading: Promise<unknown>;
  #told: PromiseWithResolvers<void> = Promise.withResolvers();
  #ended = false;

  constructor(args: readonly string[], env: Record<string, string> = {}) {
    this.#process = new Deno.Command(Deno.execPath(), {
      args: [...args],
      env: { NO_COLOR: "1", ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#input = this.#process.stdin.getWriter();
    this.#input.closed.catch(() => {});
    this.#reading = Promise.all([
      this.#read(this.#process.stdout, this.stdout),
      this.#read(this.#process.stderr, this.stderr),
      this.#process.status,
    ]).finally(() => {
      this.#ended = true;
      this.#told.resolve();
    });
  }

  get pid(): number {
    return this.#process.pid;
  }

  async #read(stream: ReadableStream<Uint8Array>, lines: string[]): Promise<void> {
    let rest = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      const [...parts] = (rest + text).split("\n");
      rest = parts.pop()!;
      lines.push(...parts);
      this.#told.resolve();
      this.#told = Promise.withResolvers();
    }
    if (rest !== "") lines.push(rest);
  }

  /** Waits until it has printed a line that `found` accepts, and gives it. */
  async line(found: (line: string) => boolean, what: string): Promise<string> {
    const search = async () => {
      for (;;) {
        const line = this.stdout.find(found);
        if (line !== undefined) return line;
        if (this.#ended) {
          throw new Error(`It ended without ${what}:\n${this.stderr.join("\n")}`);
        }
        await this.#told.promise;
      }
    };
    return await within(search(), `waiting for ${what}`);
  }

  send(line: string): void {
    this.#input.write(new TextEncoder().encode(line + "\n")).catch(() => {});
  }

  kill(signal: Deno.Signal = "SIGKILL"): void {
    this.#process.kill(signal);
  }

  /** Waits for its end. */
  async ended(): Promise<Ending> {
    await within(this.#reading, `the end of process ${this.pid}`);
    const { code, signal } = await this.#process.status;
    return { code, signal, stdout: this.stdout, stderr: this.stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) {
      try {
        this.kill();
      } catch {
        // It has ended meanwhile.
      }
    }
    await within(this.#reading, `the end of process ${this.pid} by SIGKILL`);
    await this.#input.close().catch(() => {});
  }
}

/** Whether a process runs: one that has ended and is waited for by nobody does not. */
export async function runs(pid: number): Promise<boolean> {
  try {
    const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
    return !/^\d+ \(.*\) [ZX]/.test(stat);
  } catch {
    return false;
  }
}

/** The processes whose command line holds `text`. */
export async function processesOf(text: string): Promise<number[]> {
  const found: number[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if ((await Deno.readTextFile(`/proc/${name}/cmdline`)).includes(text)) found.push(+name);
    } catch {
      // It has ended meanwhile.
    }
  }
  return found;
}

/** A new directory, for the scope. */
export async function temporary(scope: AsyncDisposableStack): Promise<string> {
  const directory = await Deno.makeTempDir({ prefix: "barrier-test-" });
  scope.defer(() => Deno.remove(directory, { recursive: true }));
  return directory;
}
