// Copyright 2026 the Rendezvous authors. MIT license.

/** Lets the event loop turn: what was ready when this was called is taken before it resolves. */
export function turn(): Promise<void> {
  // A timer: before it fires the event loop has looked for input. After `setImmediate` it need not have.
  return new Promise((resolve) => setTimeout(resolve, 0));
}
