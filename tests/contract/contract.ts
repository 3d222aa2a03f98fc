// Copyright 2026 the Rendezvous authors. MIT license.

import { action } from "./action.ts";
import type { Adapter } from "./adapter.ts";
import { changing } from "./changing.ts";
import { ending } from "./ending.ts";
import { identity } from "./identity.ts";
import { meeting } from "./meeting.ts";
import { Suite } from "./suite.ts";
import { watching } from "./watching.ts";

/**
 * Tests a kind of barrier for all that is common to barriers: the contract. The rows of the table in barrier.ts
 * are in ending.ts and action.ts, three asserts each: what the victim gets, what every other party gets, and what the
 * next use does.
 */
export function contract(adapter: Adapter): void {
  const suite = new Suite(adapter);
  meeting(suite);
  ending(suite);
  action(suite);
  watching(suite);
  changing(suite);
  identity(suite);
}
