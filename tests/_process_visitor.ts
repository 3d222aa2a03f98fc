// Copyright 2026 the Rendezvous authors. MIT license.

// A process that connects, perhaps waits for others in one of the ways there are, and ends without a word.

import { ProcessBarrier } from "../process_barrier.ts";

// No await at the top level: that alone would keep the process alive.
visit(...Deno.args as [string, string]);

async function visit(path: string, way: string) {
  const barrier = await ProcessBarrier.connect(path, { name: "visitor" });
  say("connected");
  if (way === "wait") {
    say(`passed with ${await barrier.wait()}`);
    say(`passed with ${await barrier.wait()}`);
  }
  if (way === "waitFor") say(`saw ${await barrier.waitFor(await barrier.arrive())}`);
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(line + "\n"));
}
