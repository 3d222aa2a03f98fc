// Copyright 2026 the Rendezvous authors. MIT license.

/** A process whose parties wait for one that never comes, until its input ends. */

import { AsyncBarrier, Barrier } from "../mod.ts";
import {
  ProcessBarrier,
  ProcessBarrierServer,
  type ProcessBarrierTransport,
} from "../process_barrier.ts";
import { HERE } from "./_meetings.ts";

const scope = new AsyncDisposableStack();
const [kind, path, transport, how] = Deno.args;
switch (kind) {
  case "tasks": {
    const barrier = new AsyncBarrier(101);
    for (let i = 0; i < 100; i++) barrier.wait();
    break;
  }
  case "workers": {
    const barrier = new Barrier(9);
    const url = new URL("./_worker.ts", import.meta.url);
    for (let index = 0; index < 8; index++) {
      const worker = new Worker(url, { type: "module" });
      worker.postMessage({ kind: "barrier", checkout: HERE, handle: barrier, index });
      worker.postMessage(1);
    }
    break;
  }
  case "handles": {
    const barrier = new Barrier(9);
    for (let i = 0; i < 8; i++) Barrier.from(barrier).waitAsync();
    break;
  }
  case "server":
    say(scope.use(await ProcessBarrierServer.listen({ parties: 2 })).path);
    break;
  case "process": {
    const barrier = await ProcessBarrier.connect(path!, {
      transport: transport as ProcessBarrierTransport,
    });
    say("ready");
    // The end of the server ends it.
    if (how === "waitSync") await Promise.try(() => barrier.waitSync()).catch(() => {});
    else barrier.wait().catch(() => {});
    break;
  }
}
if (kind !== "server" && kind !== "process") say("ready");
for await (const _ of Deno.stdin.readable);
await scope.disposeAsync();
Deno.exit();

function say(line: string) {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
