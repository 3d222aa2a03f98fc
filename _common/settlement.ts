// Copyright 2026 the Rendezvous authors. MIT license.

import { arm, type Cancellation } from "./cancellation.ts";

/**
 * Waits for an outcome: a wait ends once, by what it waits for or by what cancels it.
 *
 * The promise rejects only if `start` throws: whoever awaits it makes the error, so that the stack names the caller.
 *
 * @param timeout In ms, from now.
 * @param signal What cancels the wait. One that has aborted already cancels it at once.
 * @param start Registers the waiter, and returns what removes it. It calls `end` when the outcome is known,
 *   maybe at once.
 * @param revoke Takes the wait back and returns the outcome of that; nothing if the outcome is known already,
 *   or about to be: then `end` is called with it.
 */
export function settleOnce<Outcome>(
  timeout: number,
  signal: AbortSignal | undefined,
  start: (end: (outcome: Outcome) => void) => () => void,
  revoke: (why: Cancellation) => Outcome | undefined,
): Promise<Outcome> {
  return new Promise((resolve) => {
    let disarm = () => {};
    let settled = false;
    const end = (outcome: Outcome) => {
      if (settled) return;
      settled = true;
      disarm();
      resolve(outcome);
    };
    const remove = start(end);
    const cancel = (why: Cancellation) => {
      const outcome = revoke(why);
      // Success wins a tie: what has ended cannot be taken back.
      if (outcome === undefined) return;
      remove();
      end(outcome);
    };
    if (!settled && signal?.aborted) cancel("aborted");
    if (!settled) disarm = arm(timeout, signal, cancel);
  });
}
