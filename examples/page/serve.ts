// Copyright 2026 the Rendezvous authors. MIT license.
// deno-lint-ignore-file no-console -- it tells where the page is

/**
 * Serves the page, on this machine only. Each script is bundled when it is asked for: edit, and reload.
 *
 *     deno task page
 *     deno task page --port 8080
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";

/** Without these two a browser has no `SharedArrayBuffer`. */
const ISOLATION = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

const TYPES: Record<string, string> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  ts: "text/javascript; charset=utf-8",
};

/** All that there is to be had. */
const FILES = ["index.html", "style.css", "page.ts", "worker.ts"];

/** Bundles a script and what it imports, the library too. */
async function bundle(file: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(file, import.meta.url))],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2022",
    sourcemap: "inline",
    logLevel: "silent",
  });
  return outputFiles[0]!.text;
}

async function respond(request: Request): Promise<Response> {
  const name = new URL(request.url).pathname.slice(1) || "index.html";
  if (!FILES.includes(name)) return new Response("Not found", { status: 404, headers: ISOLATION });
  const type = name.slice(name.lastIndexOf(".") + 1);
  const body = type === "ts"
    ? await bundle(name)
    : await Deno.readTextFile(new URL(name, import.meta.url));
  const headers = { ...ISOLATION, "content-type": TYPES[type]!, "cache-control": "no-store" };
  return new Response(body, { headers });
}

try {
  const { values } = parseArgs({ options: { port: { type: "string", default: "8000" } } });
  const options = { hostname: "127.0.0.1", port: Number(values.port), onListen() {} };
  const { addr } = Deno.serve(options, respond);
  console.log(`The page is at http://${addr.hostname}:${addr.port}/ (Ctrl-C ends it)`);
} catch (error) {
  console.error(`Cannot serve the page: ${(error as Error).message}`);
  console.error("Usage: deno task page [--port 8000]");
  Deno.exit(1);
}
