// Copyright 2026 the Rendezvous authors. MIT license.

// A party that waits, but is so busy that it cannot hear the answer until there is a file. Then it asks
// something else first, and tells what came of its wait.

import { ProcessBarrier } from "../process_barrier.ts";

const [path, file] = Deno.args as [string, string];
const barrier = await ProcessBarrier.connect(path, { name: "busy" });
const waiting = barrier.wait().then((number) => `passed with ${number}`, (error) => `${error}`);
await barrier.status();
say("busy");
while (!exists(file));
await barrier.status().catch(() => {});
say(`outcome: ${await waiting}`);

function exists(file: string): boolean {
  try {
    Deno.lstatSync(file);
    return true;
  } catch {
    return false;
  }
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(line + "\n"));
}
