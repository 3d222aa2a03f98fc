// Copyright 2026 the Rendezvous authors. MIT license.

/* The errors of a party: here all have names, and those whose names are not known never came. */

import * as common from "../_common/errors.ts";
import type { BrokenPhase, Standing } from "./messages.ts";

/** The error of a broken phase. To be called where the stack names the caller. */
export function brokenError(broken: BrokenPhase): common.BrokenBarrierError {
  const { message } = common.brokenError(broken);
  return new common.BrokenBarrierError(withAbsent(message, broken), broken);
}

/** The error of a call whose own timeout passed. */
export function timeoutError(timeout: number, stood: Standing): DOMException {
  const { message, name } = common.timeoutError(timeout, stood.phase, stood);
  return new DOMException(withAbsent(message, stood), name);
}

/** The error of a call whose own timeout passed while the engine did not answer. */
export function unansweredError(timeout: number, phase: number): DOMException {
  const message = `Phase ${phase} timed out after ${timeout} ms, and Redis does not answer`;
  return new DOMException(message, "TimeoutError");
}

function withAbsent(message: string, { arrived, parties, missing }: Standing): string {
  const absent = parties - arrived - missing.length;
  if (absent <= 0) return message;
  return missing.length > 0
    ? message.replace(/ without a name\)$/, " that never came)")
    : message.replace(/\)$/, `, missing ${absent} that never came)`);
}
