// Copyright 2026 the Rendezvous authors. MIT license.

import { type Break, textOf } from "../_common/errors.ts";
import { type BarrierMemory, NOTE, noteWords } from "./layout.ts";

/*
 * The details of the last break, as JSON. To break with details: win the exchange that breaks, write the note,
 * then wake. Readers quote the note only if it is of the phase that they ask for.
 *
 * A thread may stand still between its exchange and its note while others reset the barrier and break it again. Two
 * may then write at once. The checksum tells: what they mix up is quoted by nobody.
 */
const LENGTH = NOTE;
const CHECKSUM = NOTE + 1;
const TEXT = NOTE + 2;

/** How much of a cause fits in any note, in characters. */
const MAX_ESCAPED_CAUSE = 500;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Writes the note. Where it is too long, it lists fewer names; without any, it quotes less of the cause. */
export function writeNote({ words, bytes, room }: BarrierMemory, note: Break): void {
  const most = 4 * (noteWords(room) - 2);
  let { missing = [], cause } = note;
  let text = encoder.encode(JSON.stringify(note));
  while (text.length > most) {
    // A cause of control characters takes six bytes for each.
    if (missing.length === 0) cause = textOf(cause).slice(0, MAX_ESCAPED_CAUSE);
    missing = missing.slice(0, missing.length >> 1);
    text = encoder.encode(JSON.stringify({ ...note, missing, cause }));
  }
  bytes.set(text, 4 * TEXT);
  words[CHECKSUM] = checksum(text);
  Atomics.store(words, LENGTH, text.length);
}

/** The note of a phase, if that is there. */
export function readNote(
  { words, bytes, room }: BarrierMemory,
  phase: number,
): Break | undefined {
  const length = Atomics.load(words, LENGTH);
  if (length <= 0 || length > 4 * (noteWords(room) - 2)) return undefined;
  // A copy: TextDecoder refuses shared memory on some platforms.
  const text = bytes.slice(4 * TEXT, 4 * TEXT + length);
  if (checksum(text) !== words[CHECKSUM]) return undefined;
  try {
    const note: Break = JSON.parse(decoder.decode(text));
    return note.phase === phase || note.running && note.phase + 1 === phase ? note : undefined;
  } catch {
    return undefined;
  }
}

/** FNV-1a. */
function checksum(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash;
}
