// Copyright 2026 the Rendezvous authors. MIT license.

/* What Redis and its clients fail with. */

/** What Redis answers with: its code, and then what it says. */
const ANSWER = /^([A-Z][A-Z0-9]+) /;

/** What passes: the engine starts, fails over, or is busy. */
const PASSING =
  /\b(BUSY|CLUSTERDOWN|LOADING|MASTERDOWN|MISCONF|NOREPLICAS|OOM|READONLY|TRYAGAIN|UNKILLABLE)\b/;

/** Whether Redis has forgotten the script. */
export function isForgottenScript(error: unknown): boolean {
  return messageOf(error).startsWith("NOSCRIPT");
}

/** Whether the same call may succeed later: Redis could not be reached, or cannot serve now. */
export function mayPass(error: unknown): boolean {
  const message = messageOf(error);
  return !ANSWER.test(message) || PASSING.test(message);
}

/** The error of who cannot connect, with the `code` of the system or of Redis. */
export function redisError(cause: unknown): Error {
  const message = messageOf(cause);
  const code = (cause as { code?: unknown } | undefined)?.code ?? ANSWER.exec(message)?.[1];
  const error = new Error(`Redis cannot be used: ${message}`, { cause });
  return code === undefined ? error : Object.assign(error, { code });
}

/** The error of who finds an engine or a connection that cannot serve. */
export function unsupported(why: string): DOMException {
  return new DOMException(why, "NotSupportedError");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
