// Copyright 2026 the Rendezvous authors. MIT license.

/** A process that keeps a processor busy, until its input ends. */

new Worker("data:text/javascript,for(;;);", { type: "module" });
for await (const _ of Deno.stdin.readable);
Deno.exit();
