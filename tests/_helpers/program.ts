// Copyright 2026 the Rendezvous authors. MIT license.

/** How a program of its own ended: one that does not end by itself is killed, and has no code. */
export interface Ended {
  code: number | undefined;
  /** What it wrote: first all of its output, then all of its errors. */
  output: string;
}

/** Runs a program with `AsyncBarrier`, `Barrier`, `BrokenBarrierError` and `MODULE`, where they come from. */
export async function runProgram(program: string, ...flags: string[]): Promise<Ended> {
  const module = JSON.stringify(import.meta.resolve("../../barrier.ts"));
  const source = `import { AsyncBarrier, Barrier, BrokenBarrierError } from ${module};
    const MODULE = ${module};
    /** A worker that runs this code, with \`Barrier\` and \`data\`, what it was posted first. */
    function startWorker(code, data) {
      const source = "import { Barrier } from " + JSON.stringify(MODULE) + ";" +
        "self.onmessage = async ({ data }) => {" + code + "};";
      const url = "data:text/javascript," + encodeURIComponent(source);
      const worker = new Worker(url, { type: "module" });
      worker.onerror = (event) => event.preventDefault();
      worker.postMessage(data);
      return worker;
    }
    const turn = () => new Promise((resolve) => setTimeout(resolve, 0));
    async function until(condition) {
      while (!condition()) await turn();
    }
    ${program}`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", "--no-check", ...flags, "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, 25_000);
  try {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(source));
    await writer.close();
    const { code, stdout, stderr } = await child.output();
    const decoder = new TextDecoder();
    const output = decoder.decode(stdout) + decoder.decode(stderr);
    return { code: late ? undefined : code, output };
  } finally {
    clearTimeout(timer);
  }
}
