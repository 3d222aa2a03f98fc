// Copyright 2026 the Rendezvous authors. MIT license.

/*
 * What crosses the wire. The module doc of process_barrier.ts describes it for clients in other languages. What the
 * other side says is never trusted: whatever is read here has any shape.
 */

import { cannot, show } from "../_common/checks.ts";
import {
  type BreakReason,
  BrokenBarrierError,
  invalidState,
  REASONS,
  textOf,
} from "../_common/errors.ts";
import type { Counts } from "../_common/snapshot.ts";

/** The version of the wire. */
export const VERSION = 2;

/** The version of what lies in shared memory, where both sides read and write it. */
export const MEMORY_VERSION = 2;

/** The longest line that a server takes, and that a client takes of its server, in bytes. */
export const MAX_REQUEST = 16 * 1024;
export const MAX_ANSWER = 1024 * 1024;

/** A line. */
export type Message = Record<string, unknown>;

/** The name of the error of a wait that its own party has cancelled. */
const CANCELLED = "Cancelled";

/** The error of a wait that its own party has cancelled: there it becomes the reason of the signal. */
export class Cancelled extends Error {
  override name = CANCELLED;
}

/** What is said of an error. */
export function encodeError(error: unknown): Message {
  if (error instanceof BrokenBarrierError) {
    const { name, message, reason, phase, arrived, parties, missing, party, cause } = error;
    const told: Message = { name, message, reason, phase, arrived, parties, missing, party };
    if (cause !== undefined) told.cause = textOf(cause);
    return told;
  }
  const { name } = error as Error;
  return { name: textOf(name), message: textOf(error) };
}

/** The error that the other side tells of. To be called where the stack names the caller. */
export function decodeError(told: unknown): Error {
  const { name, message, ...rest } = objectOf(told);
  const text = stringOf(message);
  switch (name) {
    case "BrokenBarrierError":
      return decodeBroken(text, rest);
    case "InvalidStateError":
      return invalidState(text);
    case "TimeoutError":
      return new DOMException(text, "TimeoutError");
    case "RangeError":
      return new RangeError(text);
    case "TypeError":
      return new TypeError(text);
    case CANCELLED:
      return new Cancelled(text);
    default:
      return new Error(text);
  }
}

function decodeBroken(text: string, rest: Message): BrokenBarrierError {
  return new BrokenBarrierError(text, {
    reason: reasonOf(rest.reason) ?? "lost",
    phase: countOf(rest.phase),
    arrived: countOf(rest.arrived),
    parties: countOf(rest.parties),
    missing: namesOf(rest.missing),
    party: typeof rest.party === "string" ? rest.party : undefined,
    cause: typeof rest.cause === "string" ? rest.cause : undefined,
  });
}

/** How the barrier stands, as every answer tells it; nothing if it tells nothing. */
export function decodeCounts(told: unknown): Counts | undefined {
  if (typeof told !== "object" || told === null) return undefined;
  const { parties, arrived, phase, reason } = told as Message;
  const why = reasonOf(reason);
  return {
    parties: countOf(parties),
    arrived: countOf(arrived),
    phase: countOf(phase),
    broken: why !== undefined,
    reason: why,
  };
}

/** The names in a list. */
export function namesOf(told: unknown): string[] {
  return Array.isArray(told) ? told.filter((name) => typeof name === "string") : [];
}

/** Whatever is told, as an object. */
export function objectOf(told: unknown): Message {
  return typeof told === "object" && told !== null ? told as Message : {};
}

/** Whatever is told, as a count. */
export function countOf(told: unknown): number {
  return Number.isSafeInteger(told) && told as number >= 0 ? told as number : 0;
}

function stringOf(told: unknown): string {
  return typeof told === "string" ? told : "";
}

function reasonOf(told: unknown): BreakReason | undefined {
  return REASONS.find((reason) => reason === told);
}

/**
 * Whether a wait failed by its signal, which another party of this process shares: each gets the reason itself, of
 * which only the text has crossed.
 */
export function isBySignal(error: unknown, signal: AbortSignal | undefined): signal is AbortSignal {
  return signal !== undefined && signal.aborted && error instanceof BrokenBarrierError &&
    error.reason === "aborted" && error.cause === textOf(signal.reason);
}

/** Checks that the other side speaks this version. */
export function checkVersion(version: unknown): void {
  if (version === VERSION) return;
  throw new RangeError(cannot("join", `version must be ${VERSION}`, show(version)));
}
