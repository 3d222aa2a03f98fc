// Copyright 2026 the Rendezvous authors. MIT license.

// A process with a party that meets phase after phase with nothing in between, and tells in which phase its
// event loop first ran a timer of each kind, and took a message.

import { ProcessBarrier } from "../process_barrier.ts";

const [path, phases] = Deno.args as [string, string];
const barrier = await ProcessBarrier.connect(path, { transport: "shared-memory" });
const first: Record<string, number> = {};
const { port1, port2 } = new MessageChannel();
let phase = 0;
const note = (what: string) => void (first[what] ??= phase);
const interval = setInterval(() => note("interval"), 1);
setTimeout(() => note("timeout"), 0);
setImmediate(() => note("immediate"));
port1.onmessage = () => note("message");
port2.postMessage("");
for (; phase < Number(phases); phase++) await barrier.wait();
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(first) + "\n"));
clearInterval(interval);
port1.close();
await barrier.arriveAndDrop();
await barrier[Symbol.asyncDispose]();
