// Copyright 2026 the Rendezvous authors. MIT license.

/** A process that sends a byte to a socket and awaits its echo, as often as each line of its input says. */

import { answer } from "./_answer.ts";

using connection = await Deno.connect({ transport: "unix", path: Deno.args[0]! });
const byte = new Uint8Array(1);
await answer(async (phases) => {
  for (let phase = 0; phase < phases; phase++) {
    await connection.write(byte);
    await connection.read(byte);
  }
});
