// Copyright 2026 the Rendezvous authors. MIT license.

// A process that owns a barrier at the path that it is given, until it is killed.

import { ProcessBarrierServer } from "../process_barrier.ts";

const [path, parties] = Deno.args as [string, string];
await ProcessBarrierServer.listen({ path, parties: Number(parties) });
Deno.stdout.writeSync(new TextEncoder().encode("listens\n"));
