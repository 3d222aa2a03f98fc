// Copyright 2026 the Rendezvous authors. MIT license.

import type { Party } from "../_common/party.ts";
import type { Counts } from "../_common/snapshot.ts";

/** What the arrivals of a party go through. */
export type Transport = "shared-memory" | "socket";

/** A party in a process of its own. */
export interface ProcessParty extends Party {
  readonly name: string;
  readonly transport: Transport;
  /** How long its waits wait unless they say otherwise, in ms. */
  readonly timeout: number;
  /** As `snapshot`, without the names. */
  readonly counts: Counts;
}
