// Copyright 2026 the Rendezvous authors. MIT license.

// A process that owns a barrier with an action that says when it runs, and ends when it is sent a line.

import { ProcessBarrierServer } from "../process_barrier.ts";

const [path, parties] = Deno.args as [string, string];
const lines = Deno.stdin.readable[Symbol.asyncIterator]();
const action = async () => {
  say("acts");
  await lines.next();
};
await ProcessBarrierServer.listen({ path, parties: Number(parties), action });
say("listens");

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(line + "\n"));
}
