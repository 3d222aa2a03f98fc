// Copyright 2026 the Rendezvous authors. MIT license.

/** How a program of its own ended: one that does not end by itself is killed, and has no code. */
export interface Ended {
  code: number | undefined;
  /** What it wrote: first all of its output, then all of its errors. */
  output: string;
}

const { process } = globalThis as { process?: typeof import("node:process") };

/** Why there is no program of its own here, if there is none: in a page. */
export const noPrograms: string | undefined = process?.versions?.node === undefined
  ? "a page starts no programs"
  : undefined;

/** How this runtime runs a program that it reads, with `gc()`. */
function args(): string[] {
  const { bun, deno } = process!.versions;
  if (deno !== undefined) {
    return ["run", "--quiet", "-A", "--no-check", "--v8-flags=--expose-gc", "-"];
  }
  return bun !== undefined ? ["run", "-"] : ["--expose-gc", "--input-type=module", "-"];
}

/** What programs have: a worker of this code, with `Barrier` and `data`, what it was posted first. */
function prelude(module: string): string {
  return `
    import { AsyncBarrier, Barrier, BrokenBarrierError } from ${module};
    import { Worker as NodeWorker } from "node:worker_threads";
    const MODULE = ${module};
    const { Bun, Deno } = globalThis;
    const gc = Bun === undefined ? globalThis.gc : () => Bun.gc(true);
    function startWorker(code, data, imports = "import { Barrier } from " + JSON.stringify(MODULE)) {
      const asInDeno = Deno ? "" : "import { parentPort } from 'node:worker_threads';" +
        "globalThis.self = { postMessage: (data) => parentPort.postMessage(data), close: () => process.exit()," +
        "set onmessage(f) { parentPort.on('message', (data) => f({ data })); } };";
      const source = imports + ";" + asInDeno + "self.onmessage = async ({ data }) => {" + code + "};";
      const url = new URL("data:text/javascript," + encodeURIComponent(source));
      const worker = Deno ? new Worker(url, { type: "module" }) : new NodeWorker(url);
      if (Deno) worker.onerror = (event) => event.preventDefault();
      else {
        worker.on("error", () => {});
        worker.on("message", (data) => worker.onmessage?.({ data }));
      }
      worker.postMessage(data);
      return worker;
    }
    const turn = () => new Promise((resolve) => setTimeout(resolve, 0));
    /** A timer that keeps nothing alive. */
    const later = (f, ms) => Deno ? Deno.unrefTimer(setTimeout(f, ms)) : setTimeout(f, ms).unref();
    async function until(condition) {
      while (!condition()) await turn();
    }
    function withResolvers() {
      let resolve;
      return { promise: new Promise((f) => resolve = f), resolve };
    }
  `;
}

/** Runs a program with `AsyncBarrier`, `Barrier`, `BrokenBarrierError` and `MODULE`, where they come from. */
export async function runProgram(program: string): Promise<Ended> {
  const { spawn } = process!.getBuiltinModule("node:child_process");
  const source = prelude(JSON.stringify(import.meta.resolve("../../barrier.ts"))) + program;
  const env = { ...process!.env, NO_COLOR: "1" };
  const child = spawn(process!.execPath, args(), { env, timeout: 25_000, killSignal: "SIGKILL" });
  const read = async (stream: AsyncIterable<Uint8Array>) => {
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of stream) text += decoder.decode(chunk, { stream: true });
    return text;
  };
  const code = new Promise<number | null>((resolve, reject) => {
    child.on("close", resolve);
    child.on("error", reject);
  });
  const output = Promise.all([read(child.stdout), read(child.stderr)]);
  child.stdin.end(source);
  return { code: await code ?? undefined, output: (await output).join("") };
}
