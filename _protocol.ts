// Copyright 2026 the Rendezvous authors. MIT license.

/** What of errors and values crosses between processes: their text. */

import { type BreakReason, BrokenBarrierError } from "./_errors.ts";

const MAX_TEXT = 1_000;

const CANCELLED = "Cancelled";

/** What goes over the wire for an error. */
export interface WireError {
  name: string;
  message: string;
  reason?: BreakReason;
  phase?: number;
  arrived?: number;
  parties?: number;
  cause?: string;
}

/** What a party's own signal did to its wait, as the server tells it. */
export class Cancelled extends Error {
  override name = CANCELLED;
}

/** The text of a value that crosses between processes. */
export function textOf(value: unknown): string {
  try {
    return String(value instanceof Error ? value.message : value).slice(0, MAX_TEXT);
  } catch {
    return typeof value;
  }
}

/** Whether a wait failed by its signal, which another party shares, whose reason comes back as text. */
export function isBy(signal: AbortSignal, error: unknown): boolean {
  return signal.aborted && error instanceof BrokenBarrierError && error.reason === "aborted" &&
    error.cause === textOf(signal.reason);
}

export function encodeError(error: unknown): WireError {
  if (error instanceof BrokenBarrierError) {
    const { name, message, reason, phase, arrived, parties, cause } = error;
    const told = { name, message, reason, phase, arrived, parties };
    return cause === undefined ? told : { ...told, cause: textOf(cause) };
  }
  if (error instanceof DOMException) return { name: error.name, message: error.message };
  const name = error instanceof Error ? textOf(error.name) : "Error";
  // What an action throws may have any name; that one is ours.
  const ours = error instanceof Cancelled || name !== CANCELLED;
  return { name: ours ? name : "Error", message: textOf(error) };
}

export function decodeError({ name, message, cause, ...rest }: WireError): Error {
  switch (name) {
    case "BrokenBarrierError": {
      const options = rest as Required<typeof rest>;
      return new BrokenBarrierError(message, cause === undefined ? options : { ...options, cause });
    }
    case "TimeoutError":
    case "InvalidStateError":
      return new DOMException(message, name);
    case "RangeError":
      return new RangeError(message);
    case "TypeError":
      return new TypeError(message);
    case CANCELLED:
      return new Cancelled(message);
    default:
      return Object.assign(new Error(message), { name });
  }
}
