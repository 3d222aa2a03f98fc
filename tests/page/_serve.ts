// Copyright 2026 the Rendezvous authors. MIT license.

import { assert } from "@std/assert";
import { within } from "../_helpers/harness.ts";

const ROOT = new URL("../../", import.meta.url);

/** Starts the server of the page as its task does. It ends with the scope. */
export function start(scope: AsyncDisposableStack, ...args: string[]): Deno.ChildProcess {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", "--no-check", "examples/page/serve.ts", ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  scope.defer(async () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await child.status;
  });
  return child;
}

/** Serves the page at a port that is free, and returns where. */
export async function serve(
  scope: AsyncDisposableStack,
): Promise<{ child: Deno.ChildProcess; url: string }> {
  const child = start(scope, "--port", "0");
  scope.defer(() => child.stderr.cancel());
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  scope.defer(() => reader.cancel());
  const { value } = await within(reader.read(), "the first line of the server");
  const line = /^The page is at (http:\/\/127\.0\.0\.1:\d+\/) \(Ctrl-C ends it\)\n$/.exec(value!);
  assert(line !== null, value);
  return { child, url: line[1]! };
}
