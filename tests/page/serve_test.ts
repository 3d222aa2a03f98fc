// Copyright 2026 the Rendezvous authors. MIT license.

// How the page is served.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { test, within } from "../_helpers/harness.ts";
import { serve, start } from "./_serve.ts";

test("page is served with what isolates it, and nothing else is", async (scope) => {
  const { url } = await serve(scope);
  assertEquals(new URL(url).hostname, "127.0.0.1");
  const types = {
    "": "text/html; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "page.ts": "text/javascript; charset=utf-8",
    "worker.ts": "text/javascript; charset=utf-8",
  };
  for (const [file, type] of Object.entries(types)) {
    const response = await fetch(url + file);
    assertEquals([file, response.status], [file, 200]);
    assertEquals(response.headers.get("content-type"), type);
    assertEquals(response.headers.get("cross-origin-opener-policy"), "same-origin");
    assertEquals(response.headers.get("cross-origin-embedder-policy"), "require-corp");
    assert((await response.text()).length > 0);
  }
  for (const file of ["serve.ts", "deno.json", "%2e%2e/%2e%2e/deno.json", "/etc/passwd"]) {
    const response = await fetch(url + file);
    assertEquals([file, response.status, await response.text()], [file, 404, "Not found"]);
  }
});

test("deno task page says where the page is, and ends by Ctrl-C", async (scope) => {
  const { child, url } = await serve(scope);
  const script = await fetch(`${url}worker.ts`); // so that esbuild runs
  assertStringIncludes(await script.text(), "Barrier");

  // Nobody else gets its port.
  const second = await start(scope, "--port", new URL(url).port).output();
  assertEquals(second.code, 1);
  assertMatch(
    new TextDecoder().decode(second.stderr),
    /^Cannot serve the page: Address already in use.*\nUsage: deno task page \[--port 8000\]\n$/,
  );

  child.kill("SIGINT");
  const { signal } = await within(child.status, "its end");
  assertEquals(signal, "SIGINT");
});

test("deno task page refuses what it does not know", async (scope) => {
  for (const args of [["--port", "x"], ["--prot", "1"], ["8000"]]) {
    const { code, stderr } = await start(scope, ...args).output();
    const text = new TextDecoder().decode(stderr);
    assertEquals(code, 1, text);
    assertMatch(text, /^Cannot serve the page: .+\nUsage: deno task page/);
  }
});
