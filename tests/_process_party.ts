// Copyright 2026 the Rendezvous authors. MIT license.

// A process with a party of a barrier, which does what it is told by lines of JSON on stdin, and answers by
// lines of JSON on stdout. See _process_adapters.ts.

import { ProcessBarrier, type ProcessBarrierTransport } from "../process_barrier.ts";
import { decode, encode } from "./_process_wire.ts";
import { type Command, pack } from "./_wire.ts";

let barrier: ProcessBarrier;
const signals = new Map<number, AbortController>();

const operations: Record<string, (...args: never[]) => unknown> = {
  async connect(path: string, name: string, transport: ProcessBarrierTransport) {
    barrier = await ProcessBarrier.connect(path, { name, transport });
    return barrier.name;
  },
  async state() {
    const { parties, arrived, phase, broken } = await barrier.status();
    return { parties, arrived, phase, broken };
  },
  told() {
    const { parties, arrived, phase, broken } = barrier;
    return { parties, arrived, phase, broken };
  },
  dispose: () => barrier[Symbol.asyncDispose](),
  signal: (key: number, reason: unknown) => controllerOf(key).abort(reason),
};

function controllerOf(key: number): AbortController {
  return signals.getOrInsertComputed(key, () => new AbortController());
}

async function answer({ id, operation, args }: Command) {
  let reply;
  try {
    const run = operations[operation] ?? barrier[operation as "wait"].bind(barrier);
    reply = { id, value: await run(...args as never[]) };
  } catch (error) {
    reply = error instanceof Error ? { id, error: pack(error) } : { id, thrown: error };
  }
  Deno.stdout.writeSync(new TextEncoder().encode(encode(reply) + "\n"));
}

let rest = "";
for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + text).split("\n");
  rest = lines.pop()!;
  for (const line of lines) answer(decode(line, (key) => controllerOf(key).signal) as Command);
}
