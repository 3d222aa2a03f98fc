// Copyright 2026 the Rendezvous authors. MIT license.

import type { Figures } from "./bench.ts";
import type { Report } from "./main.ts";
import { kill, type Runtime } from "./runtimes.ts";

/** What no run comes near, in ms. */
const DEADLINE = 300_000;

/** What became of the tests of a row. */
export interface RowResult {
  passed: number;
  failed: string[];
  /** Why the row is not possible. */
  impossible?: string;
  /** The names of the tests that are not. */
  ignored: string[];
}

/** What became of a run. */
export interface RunResult {
  rows: Map<string, RowResult>;
  figures?: Figures;
}

/**
 * Runs the bundle of that directory in a runtime: all rows, or what is wanted, rows by their numbers or "bench". Leaves
 * nothing behind, also if `signal` aborts. Gives what is missing, if the runtime is not found.
 */
export async function run(
  runtime: Runtime,
  directory: string,
  wanted: string[] = [],
  signal?: AbortSignal,
): Promise<RunResult | string> {
  const rows = new Map<string, RowResult>();
  const results: RunResult = { rows };
  const done = Promise.withResolvers<void>();
  // Two groups of rows may have rows of one name, as they begin with "…".
  let group = "";
  const note = (report: Report) => {
    if ("done" in report) return done.resolve();
    if ("figures" in report) return void (results.figures = report.figures);
    const { row, test, impossible, error } = report;
    if (!row.startsWith("…")) group = row;
    const name = row === group ? row : `${group} ${row}`;
    const result = rows.get(name) ?? { passed: 0, failed: [], ignored: [] };
    rows.set(name, result);
    if (test === undefined) result.impossible = impossible!;
    else if (impossible !== undefined) result.ignored.push(test);
    else if (error !== undefined) result.failed.push(`${test}\n${error}`);
    else result.passed++;
  };

  await using scope = new AsyncDisposableStack();
  const target = runtime.isPage ? serve(directory, note, scope) : `${directory}/main.js`;
  const query = runtime.isPage ? wanted.map((want) => `want=${want}`).join("&") : "";
  const found = await runtime.find(query === "" ? target : `${target}?${query}`, scope);
  if (typeof found === "string") return found;
  const { path, args, env = {} } = found;
  const child = new Deno.Command(path, {
    args: runtime.isPage ? args : [...args, ...wanted],
    env: { ...env, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const ended = child.status;
  scope.defer(async () => {
    kill(child, runtime.isPage ? "SIGTERM" : "SIGKILL");
    await ended;
    await Promise.all([lines, errors]);
  });
  const lines = readLines(child.stdout, (line) => {
    if (line.startsWith("{") && !runtime.isPage) note(JSON.parse(line));
  });
  let errorOutput = "";
  const errors = readLines(child.stderr, (line) => void (errorOutput += `${line}\n`));
  const late = Promise.withResolvers<string>();
  const timer = setTimeout(() => late.resolve(`it did not end in ${DEADLINE} ms`), DEADLINE);
  scope.defer(() => clearTimeout(timer));
  signal?.addEventListener("abort", () => late.resolve("it was interrupted"));
  // A program must end by itself: then nothing of it is left.
  const all = runtime.isPage
    ? done.promise
    : Promise.all([ended, lines]).then(() => Promise.race([done.promise, "it has ended early"]));
  const gone = ended.then(({ code }) => runtime.isPage ? `it ended with status ${code}` : all);
  const trouble = await Promise.race([all, gone, late.promise]);
  if (trouble !== undefined) {
    rows.set("the whole run", {
      passed: 0,
      failed: [`${trouble}\n${errorOutput.slice(-2_000)}`],
      ignored: [],
    });
  }
  return results;
}

async function readLines(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  onLine: (line: string) => void,
): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    lines.forEach(onLine);
  }
}

/** Serves the bundle to a page, which may share memory unless its path begins with /plain. Returns its address. */
function serve(
  directory: string,
  note: (report: Report) => void,
  scope: AsyncDisposableStack,
): string {
  const isolation = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
  };
  const html = (script: string) => `<!doctype html><body><script type="module">${script}</script>`;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    const [, plain, file] = /^\/(plain\/)?(\w*(?:\.js)?)$/.exec(pathname) ?? [];
    const respond = (body: string, type: string) => {
      const headers = { "Content-Type": type, ...plain === undefined ? isolation : {} };
      return new Response(body, { headers });
    };
    if (file === "report") {
      note(await request.json());
      return respond("", "text/plain");
    }
    if (file === "") return respond(html(`import "./main.js";`), "text/html");
    if (file === "frame") {
      const script = `import * as library from "./barrier.js"; Object.assign(globalThis, library);`;
      return respond(html(script), "text/html");
    }
    if (file === undefined || !file.endsWith(".js")) return new Response(null, { status: 404 });
    return respond(await Deno.readTextFile(`${directory}/${file}`), "text/javascript");
  });
  scope.defer(() => server.shutdown());
  return `http://127.0.0.1:${server.addr.port}/`;
}
