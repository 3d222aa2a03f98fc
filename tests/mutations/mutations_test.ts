// Copyright 2026 the Rendezvous authors. MIT license.

import { assertEquals } from "@std/assert";
import { mutations } from "./mutations.ts";

Deno.test("Every mutation is found in just one place", async () => {
  const stale: string[] = [];
  for (const { file, from } of mutations) {
    const text = await Deno.readTextFile(new URL(`../../${file}`, import.meta.url));
    if (text.split(from).length !== 2) stale.push(`${file}: ${from}`);
  }
  assertEquals(stale, []);
});
