// Copyright 2026 the Rendezvous authors. MIT license.

import type { BreakReason } from "./errors.ts";

/** How a barrier stands at one moment. */
export interface Snapshot {
  /** How many parties must arrive to complete a phase. */
  readonly parties: number;
  /** How many have arrived in the open phase: all of them while its action runs. */
  readonly arrived: number;
  /** The lowest phase that has not ended, from 0. */
  readonly phase: number;
  /** Whether the barrier is broken, and so refuses arrivals. */
  readonly broken: boolean;
  /** Why it is broken, if it is. */
  readonly reason: BreakReason | undefined;
  /** The names of the parties that have not arrived. Those without a name are not listed. */
  readonly missing: readonly string[];
}

/** As a snapshot, without the names: to list those, all seats have to be read. */
export type Counts = Omit<Snapshot, "missing">;

/** How far a phase had come when it ended. Not known any more of an old one in shared memory. */
export interface Progress {
  arrived?: number | undefined;
  parties?: number | undefined;
  missing?: readonly string[] | undefined;
}

/** How many names a message lists. */
const MAX_NAMES = 16;

/** ` (3 of 5 arrived, missing "a" and 1 without a name)`; nothing where that is not known. */
export function describe({ arrived, parties, missing = [] }: Progress): string {
  if (arrived === undefined || parties === undefined) return "";
  const names = missing.slice(0, MAX_NAMES).map((name) => JSON.stringify(name)).join(", ");
  const more = missing.length - MAX_NAMES;
  const unnamed = parties - arrived - missing.length;
  return ` (${arrived} of ${parties} arrived` +
    (names && `, missing ${names}`) +
    (more > 0 ? ` and ${more} more` : "") +
    (names && unnamed > 0 ? ` and ${unnamed} without a name` : "") +
    ")";
}

/** How `console.log` shows a barrier: `AsyncBarrier { 2/3 arrived, phase 7 }`. */
export function inspect(name: string, snapshot: Omit<Snapshot, "missing" | "broken">): string {
  const { parties, arrived, phase, reason } = snapshot;
  const state = reason === undefined ? `${arrived}/${parties} arrived` : `broken: ${reason}`;
  return `${name} { ${state}, phase ${phase} }`;
}
