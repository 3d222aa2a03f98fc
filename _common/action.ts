// Copyright 2026 the Rendezvous authors. MIT license.

import { isThenable } from "./checks.ts";
import type { BarrierAction } from "./options.ts";

/** How an action ended: with what it threw, if it did. */
export type ActionEnd = { thrown?: { error: unknown } };

/**
 * Runs an action, and calls `end` when it has ended: at once if it is not async. Once `signal` has aborted, what
 * the action does or throws changes nothing, and `end` is not called.
 */
export function runAction(
  action: BarrierAction,
  signal: AbortSignal,
  end: (ended: ActionEnd) => void,
): void {
  const unlessCancelled = (ended: ActionEnd) => {
    if (!signal.aborted) end(ended);
  };
  const onThrow = (error: unknown) => unlessCancelled({ thrown: { error } });
  try {
    const result = action(signal);
    // To look at the result may throw, too.
    if (isThenable(result)) {
      return void Promise.resolve(result).then(() => unlessCancelled({}), onThrow);
    }
  } catch (error) {
    return onThrow(error);
  }
  unlessCancelled({});
}
