// Copyright 2026 the Rendezvous authors. MIT license.

// What the page shows where it is served wrongly.

import { assertEquals, assertMatch } from "@std/assert";
import { type Open, type OpenPage, testPage } from "./_page.ts";
import { serve } from "./_serve.ts";

/** Opens the page as a server gives it that changes the answers of the real one. */
async function openBehind(
  open: Open,
  scope: AsyncDisposableStack,
  change: (path: string, response: Response) => Response,
  search: string,
): Promise<OpenPage> {
  const { url } = await serve(scope);
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    const response = await fetch(url + pathname.slice(1));
    const body = await response.text();
    const { status, headers } = response;
    return change(pathname, new Response(body, { status, headers }));
  });
  scope.defer(() => server.shutdown());
  return await open({ url: `http://127.0.0.1:${server.addr.port}/`, search });
}

testPage("page says which headers are missing, and tasks meet without them", async (open) => {
  await using scope = new AsyncDisposableStack();
  const change = (_: string, response: Response) => {
    response.headers.delete("cross-origin-opener-policy");
    response.headers.delete("cross-origin-embedder-policy");
    return response;
  };
  const page = await openBehind(open, scope, change, "parties=2&speed=fast");
  const { alert, lanes } = await page.shows(({ alert }) => alert !== "", "an error");
  assertMatch(alert, /^TypeError: .*Cross-Origin-Opener-Policy.*Cross-Origin-Embedder-Policy/);
  assertEquals(lanes, []);
  await (await page.control("radio", "tasks")).click();
  await page.passes(1, ["Ann", "Bob"]);
  assertEquals((await page.shown()).alert, "");
  await page.page.close();
});

testPage("page shows why a worker does not start, and nobody waits for it", async (open) => {
  await using scope = new AsyncDisposableStack();
  let asked = 0;
  const change = (path: string, response: Response) => {
    if (path !== "/worker.ts" || asked++ > 0) return response;
    return new Response("throw new Error('out of order')", { headers: response.headers });
  };
  const page = await openBehind(open, scope, change, "parties=3&speed=fast&timeout=Infinity");
  const { lanes, breakText } = await page.shows(
    ({ lanes }) => lanes.length === 3 && lanes.every(({ got }) => got !== ""),
    "all know",
  );
  const failed = lanes.filter(({ state }) => state === "is gone");
  assertEquals(failed.length, 1);
  const { name, got } = failed[0]!;
  assertMatch(got, /^Error .*out of order$/);
  assertMatch(
    breakText,
    new RegExp(`^Phase 0 broke: "${name}" ended before it joined \\(\\d of 3 arrived`),
  );
  for (const lane of lanes) {
    if (lane.name === name) continue;
    assertMatch(
      lane.got,
      new RegExp(`^BrokenBarrierError lost Phase 0 broke: "${name}" ended before it joined`),
    );
  }
  await page.press("Reset");
  await page.passes(1, ["Ann", "Bob", "Cyd"]);
  await page.page.close();
});
