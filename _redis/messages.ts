// Copyright 2026 the Rendezvous authors. MIT license.

/* What parties and the script say to each other: see script.ts. */

import { type Break, type BreakReason, REASONS } from "../_common/errors.ts";

/** Its name, its session (empty if it is gone), and the version of the table with which it came. */
export type Seat = [name: string, session: string, number: number];

/** How the barrier stood in a phase. */
export interface Standing {
  phase: number;
  arrived: number;
  parties: number;
  missing: readonly string[];
}

/** A phase that broke: what crosses the engine. */
export type BrokenPhase = Break & Standing;

/** What a party asks for. `at` is a phase. */
export type Request =
  | { verb: "look" }
  | { verb: "join"; parties: number; action: 0 | 1 }
  | { verb: "arrive" | "drop"; at: number; id: string }
  | {
    verb: "break" | "withdraw";
    at?: number;
    id?: string;
    reason: BreakReason;
    details: { party?: string | undefined; cause?: string | undefined };
  }
  | { verb: "reset"; at?: number | undefined; dropLost: boolean; id: string }
  | { verb: "leave"; details: { party: string; note: string } }
  | { verb: "vacate" };

/** What a party states in each call, and knows to be true. */
export interface Facts {
  session: string;
  name: string | undefined;
  /** In ms. */
  lease: number;
  /** Makes the name of a table unique. */
  nonce: string;
  version: number;
  table: string;
  phase: number;
  broken: boolean;
  running: boolean;
  /** The last phase that it arrived in, or -1. */
  arrived: number;
  /** The phase whose action it ran, and what that threw. */
  acted: { phase: number; cause?: string } | undefined;
  /** Whether it wants the names of who is missing. */
  missing: boolean;
}

/** How the barrier stands, as the engine tells it. */
export interface Reply {
  phase: number;
  parties: number;
  arrived: number;
  running?: string;
  broken?: BrokenPhase;
  missing?: readonly string[];
  passed: number;
  passedVersion: number;
  version: number;
  table: string;
  /** The rest of the table, where the party knows another. */
  seats?: Seat[];
  declared?: number;
  action?: 0 | 1;
  /** The phases that broke, from the one that the party knew to be open. */
  history: BrokenPhase[];
  /** The last phase that passed while this party had its seat, or -1. */
  counted: number;
  /** Why this party has no seat any more. */
  gone?: "lost" | "replaced";
  refused?: "parties" | "action" | "name" | "seats";
  has?: number;
  /** The phase that it arrived in, and how many parties were still to come. */
  at?: number;
  index?: number;
  /** The phase that it has arrived in already. */
  twice?: number;
  dropped?: boolean;
  /** Whether this call broke the phase, or took an arrival back; and how it stood before. */
  cancelled?: boolean;
  before?: Standing;
  /** Who was gone. */
  names: readonly string[];
}

/** What is published when something has happened. */
export interface News {
  phase: number;
  table?: string;
  passed?: true;
  running?: string;
  broken?: BrokenPhase;
  /** The session of a party that wants to know whether it hears. */
  hello?: string;
}

/** A random text, that no other is likely to be. */
export function nonce(): string {
  return Math.random().toString(36).slice(2, 12);
}

/** Lua has one type for objects and lists, and sends an empty one as an object. */
function listOf<T>(value: unknown): T[] {
  return Array.isArray(value) ? value : [];
}

function brokenOf(value: BrokenPhase | undefined): BrokenPhase | undefined {
  if (value === undefined || !REASONS.includes(value.reason)) return undefined;
  return { ...value, missing: listOf(value.missing) };
}

/** Reads what the script answers. */
export function readReply(text: string): Reply | "behind" {
  const reply = JSON.parse(text);
  if (reply.behind === true) return "behind";
  const { broken, missing, history, names, seats, before } = reply;
  return {
    ...reply,
    broken: brokenOf(broken),
    missing: missing && listOf(missing),
    history: listOf<BrokenPhase>(history).flatMap((each) => brokenOf(each) ?? []),
    names: listOf(names),
    seats: seats && listOf(seats),
    before: before && { ...before, missing: listOf(before.missing) },
  };
}

/** Reads what was published, by whomever. */
export function readNews(text: string): News | undefined {
  try {
    const news = JSON.parse(text);
    return { ...news, broken: brokenOf(news.broken) };
  } catch {
    return undefined;
  }
}

/** As JSON, in text that Redis can read: half a character becomes a whole one. */
export function encode(value: object): string {
  return JSON.stringify(value, (_, part) => typeof part === "string" ? part.toWellFormed() : part);
}
