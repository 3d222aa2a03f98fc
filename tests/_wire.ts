// Copyright 2026 the Rendezvous authors. MIT license.

import { BrokenBarrierError, type BrokenBarrierErrorOptions } from "../mod.ts";

/** What an action that fails throws: as it runs in several threads, they agree on one. */
export const BOOM = "the action failed";

/** What the main thread answers to a worker whose action it has run. */
export const DONE = 1;
export const THREW = 2;

/** An error as it crosses threads, where a structured clone would lose its class and its fields. */
export interface PackedError {
  name: string;
  message: string;
  broken?: BrokenBarrierErrorOptions;
}

/** What a worker is told to do with its barrier. */
export interface Command {
  id: number;
  operation: string;
  args: readonly unknown[];
}

/** What a worker answers. Without an id: run my action. */
export interface Reply {
  id?: number;
  value?: unknown;
  error?: PackedError;
}

export function pack(error: unknown): PackedError {
  const { name, message } = error as Error;
  if (!(error instanceof BrokenBarrierError)) return { name, message };
  const { reason, phase, arrived, parties, cause } = error;
  const broken: BrokenBarrierErrorOptions = { reason, phase, arrived, parties };
  if ("cause" in error) broken.cause = String(cause);
  return { name, message, broken };
}

export function unpack({ name, message, broken }: PackedError): unknown {
  if (broken !== undefined) return new BrokenBarrierError(message, broken);
  switch (name) {
    case "Error":
      return new Error(message);
    case "RangeError":
      return new RangeError(message);
    case "TypeError":
      return new TypeError(message);
    default:
      return new DOMException(message, name);
  }
}
