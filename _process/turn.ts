// Copyright 2026 the Rendezvous authors. MIT license.

/** Lets the event loop turn: what was ready when this was called is taken before it resolves. */
export function turn(): Promise<void> {
  // Deno has looked for input before a timer fires, and need not have after `setImmediate`. In Node it is the other way
  // round.
  return new Promise((resolve) => setTimeout(() => setImmediate(resolve), 0));
}
