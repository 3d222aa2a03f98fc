// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * An independent model of the word that decides: a record, and what may become of it. It is written from DESIGN.md,
 * not from `_memory/state.ts`, and shares no code with it.
 *
 * @module
 */

/** The reasons, in the order of their codes from 1. */
export const REASONS = ["timeout", "aborted", "action", "reset", "lost"] as const;
export type Reason = typeof REASONS[number];

/** What the word holds. */
export interface Word {
  /** Parties that have yet to arrive in the phase that arrivals count for; 0 while broken. */
  remaining: number;
  /** Whether the last party has dropped behind a running action, which has filled the next phase. */
  deserted?: boolean;
  /** While broken: how many parties are gone. */
  gone: number;
  parties: number;
  reason: Reason | undefined;
  /** Broken for good. */
  over: boolean;
  running: boolean;
  phase: bigint;
}

/** The word of a barrier that is not broken. */
export function open(
  parties: number,
  remaining: number = parties,
  phase: bigint = 0n,
  running: boolean = false,
): Word {
  return { remaining, gone: 0, parties, reason: undefined, over: false, running, phase };
}

/** The 64 bits, as in the table of DESIGN.md. */
export function encode(word: Word): bigint {
  const { reason, over, phase, parties, running } = word;
  let code = reason === undefined ? 0 : REASONS.indexOf(reason) + 1;
  if (over) code = reason === "aborted" ? 6 : 7;
  const remaining = word.deserted ? 1 : word.remaining;
  const count = reason === undefined ? remaining : word.gone;
  return phase * 2n ** 24n +
    BigInt((running ? 2 ** 23 : 0) + code * 2 ** 20 + parties * 1024 + count);
}

export function decode(bits: bigint): Word {
  const unsigned = BigInt.asUintN(64, bits);
  const low = Number(unsigned % 2n ** 24n);
  const code = Math.floor(low / 2 ** 20) % 8;
  const count = low % 1024;
  const over = code > 5;
  const reason = over ? (code === 6 ? "aborted" : "lost") : REASONS[code - 1];
  const parties = Math.floor(low / 1024) % 1024;
  const running = low >= 2 ** 23;
  const deserted = code === 0 && running && parties === 0 && count === 1;
  return {
    remaining: code === 0 && !deserted ? count : 0,
    ...(deserted && { deserted }),
    gone: code === 0 ? 0 : count,
    parties,
    reason,
    over,
    running,
    phase: unsigned / 2n ** 24n,
  };
}

/** The phase that arrivals count for. */
export function arrivalPhase({ phase, running }: Word): bigint {
  return running ? phase + 1n : phase;
}

/** What may happen to a barrier. Each gives nothing where it may not happen. */
export const transitions = {
  arrive: (word: Word, hasAction: boolean) => arrive(word, hasAction, 0),
  drop: (word: Word, hasAction: boolean) => arrive(word, hasAction, 1),
  withdraw: (word: Word) =>
    word.reason === undefined && word.remaining < word.parties
      ? { ...word, remaining: word.remaining + 1 }
      : undefined,
  endAction(word: Word): Word | undefined {
    if (word.reason !== undefined || !word.running) return undefined;
    const { deserted = false, ...rest } = word;
    const next = { ...rest, running: false, phase: word.phase + 1n };
    // The next phase has filled meanwhile: its action runs.
    return deserted || word.remaining === 0 && word.parties > 0
      ? { ...next, running: true, remaining: word.parties }
      : next;
  },
  register: (word: Word) =>
    word.over ? undefined : {
      ...live(word),
      parties: word.parties + 1,
      remaining: word.reason === undefined ? word.remaining + 1 : 0,
    },
  breakTimeout: (word: Word) => broken(word, "timeout", 0),
  breakAborted: (word: Word) => broken(word, "aborted", 0),
  breakAction: (word: Word) => word.running ? broken(word, "action", 0) : undefined,
  breakReset: (word: Word) => broken(word, "reset", 0),
  breakLost: (word: Word) => broken(word, "lost", 0),
  loseLost: (word: Word) => broken(word, "lost", 1),
  loseAborted: (word: Word) => broken(word, "aborted", 1),
  loseMore: (word: Word) =>
    word.reason === undefined || word.over ? undefined : { ...word, gone: word.gone + 1 },
  reset: (word: Word) => reset(word, false),
  resetDropping: (word: Word) => reset(word, true),
  endAborted: (word: Word) => end(word, "aborted"),
  endLost: (word: Word) => end(word, "lost"),
} satisfies Record<string, (word: Word, hasAction: boolean) => Word | undefined>;

export type Transition = keyof typeof transitions;

function arrive(word: Word, hasAction: boolean, dropping: number): Word | undefined {
  if (word.reason !== undefined || word.remaining === 0) return undefined;
  const parties = word.parties - dropping;
  const remaining = word.remaining - 1;
  if (parties === 0 && word.running) return { ...word, parties, remaining, deserted: true };
  if (remaining > 0 || word.running) return { ...word, parties, remaining };
  return hasAction
    ? { ...word, parties, remaining: parties, running: true }
    : { ...word, parties, remaining: parties, phase: word.phase + 1n };
}

function broken(word: Word, reason: Reason, gone: number): Word | undefined {
  return word.reason === undefined ? { ...live(word), reason, gone, remaining: 0 } : undefined;
}

/** Nobody asks of that one whether its next phase has filled. */
function live({ deserted: _, ...word }: Word): Word {
  return word;
}

function reset(word: Word, dropLost: boolean): Word | undefined {
  if (word.reason === undefined || word.over) return undefined;
  const parties = Math.max(0, word.parties - (dropLost ? word.gone : 0));
  return open(parties, parties, word.phase + (word.running ? 2n : 1n));
}

/** The end: what broke before keeps its reason, and the next phase is the one that is over. */
function end(word: Word, reason: "aborted" | "lost"): Word | undefined {
  if (word.over) return undefined;
  const next = word.reason === undefined ? live(word) : reset(word, false)!;
  return { ...next, reason, over: true, remaining: 0, gone: 0 };
}
