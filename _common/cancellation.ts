// Copyright 2026 the Rendezvous authors. MIT license.

/** What ends a wait before its phase does. */
export type Cancellation = "timeout" | "aborted";

/** The longest delay of a timer, in ms: a longer one fires at once. */
export const MAX_DELAY = 2 ** 31 - 1;

/**
 * Calls `cancel` once, when `timeout` ms have passed or `signal` aborts. Returns the function that disarms
 * both.
 */
export function arm(
  timeout: number,
  signal: AbortSignal | undefined,
  cancel: (why: Cancellation) => void,
): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  if (timeout < Infinity) start(timeout);
  signal?.addEventListener("abort", onAbort);
  return disarm;

  function start(left: number) {
    const delay = Math.min(left, MAX_DELAY);
    timer = setTimeout(() => left > delay ? start(left - delay) : fire("timeout"), delay);
  }
  function onAbort() {
    fire("aborted");
  }
  function fire(why: Cancellation) {
    disarm();
    cancel(why);
  }
  function disarm() {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}
