// Copyright 2026 the Rendezvous authors. MIT license.

import { BrokenBarrierError, type BrokenBarrierErrorOptions } from "../../barrier.ts";

/** An error as it crosses threads and processes, where a clone would lose its class and its fields. */
export interface PackedError {
  name: string;
  message: string;
  broken?: BrokenBarrierErrorOptions;
}

/** What a worker or a process is told to do with its barrier. */
export interface Command {
  id: number;
  operation: string;
  args: readonly unknown[];
}

/** What it answers. */
export interface Reply {
  id: number;
  value?: unknown;
  error?: PackedError;
}

export function pack(error: unknown): PackedError {
  const { name, message } = error as Error;
  if (!(error instanceof BrokenBarrierError)) return { name, message };
  const { reason, phase, arrived, parties, missing, party, cause } = error;
  const broken: BrokenBarrierErrorOptions = { reason, phase, arrived, parties, missing, party };
  if ("cause" in error) broken.cause = String(cause);
  return { name, message, broken };
}

export function unpack({ name, message, broken }: PackedError): Error {
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
