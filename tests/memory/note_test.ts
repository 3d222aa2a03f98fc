// Copyright 2026 the Rendezvous authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import type { Break } from "../../_common/errors.ts";
import { BarrierMemory, byteLengthFor, NOTE, noteWords, seatsStart } from "../../_memory/layout.ts";
import { readNote, writeNote } from "../../_memory/note.ts";

function newMemory(room: number = 8): BarrierMemory {
  const buffer = new SharedArrayBuffer(byteLengthFor(room));
  return BarrierMemory.initialize(buffer, 0, room, { hasAction: false, timeout: Infinity });
}

const note: Break = {
  reason: "aborted",
  phase: 7,
  running: false,
  arrived: 1,
  parties: 3,
  missing: ["a", "ü€😀"],
  party: "b",
  cause: "the disk is full",
};

Deno.test("readNote() reads what writeNote() wrote, for its phase only", () => {
  const memory = newMemory();
  writeNote(memory, note);
  assertEquals(readNote(memory, 7), note);
  for (const phase of [0, 6, 8, 7 + 2 ** 32]) assertEquals(readNote(memory, phase), undefined);
});

Deno.test("readNote() reads a note of two phases where an action ran", () => {
  const memory = newMemory();
  const both = { ...note, running: true };
  writeNote(memory, both);
  assertEquals(readNote(memory, 7), both);
  assertEquals(readNote(memory, 8), both);
  for (const phase of [6, 9]) assertEquals(readNote(memory, phase), undefined);
});

Deno.test("readNote() finds none in new memory", () => {
  assertEquals(readNote(newMemory(), 0), undefined);
});

Deno.test("readNote() knows notes of late phases", () => {
  for (const phase of [255, 256, 2 ** 32, 2 ** 40 - 1]) {
    const memory = newMemory();
    writeNote(memory, { ...note, phase });
    assertEquals(readNote(memory, phase)?.phase, phase);
  }
});

Deno.test("writeNote() leaves the last note only", () => {
  const memory = newMemory();
  writeNote(memory, { ...note, missing: ["a long name".repeat(5)] });
  writeNote(memory, { reason: "lost", phase: 8 });
  assertEquals(readNote(memory, 7), undefined);
  assertEquals(readNote(memory, 8), { reason: "lost", phase: 8 });
});

Deno.test("writeNote() lists fewer names where they do not fit, and writes nothing but the note", () => {
  for (const room of [8, 100]) {
    const memory = newMemory(room);
    const before = memory.words.slice();
    // 64 bytes each, and each takes six when escaped.
    const missing = Array.from({ length: room }, (_, i) => "\u0001".repeat(60) + i);
    writeNote(memory, { ...note, missing, cause: "\u0001".repeat(600) });
    const read = readNote(memory, 7)!;
    assert(read.missing!.length < room);
    assertEquals(read.missing, missing.slice(0, read.missing!.length));
    assertEquals(read.party, "b");
    for (const [i, word] of memory.words.entries()) {
      const inNote = i >= NOTE && i < NOTE + noteWords(room);
      if (!inNote) assertEquals(word, before[i], `word ${i}`);
    }
    assert(NOTE + noteWords(room) <= seatsStart(room));
  }
});

Deno.test("writeNote() has room for as many names as there are parties, of 64 bytes each", () => {
  for (const room of [8, 1023]) {
    const memory = newMemory(room);
    const missing = Array.from({ length: room }, (_, i) => `${i}`.padStart(64, "n"));
    const cause = "c".repeat(1000);
    writeNote(memory, { ...note, missing, party: "p".repeat(64), cause });
    const read = readNote(memory, 7)!;
    assertEquals(read.missing!.length, room);
    assertEquals(read.cause, cause);
  }
});

Deno.test("writeNote() quotes less of a cause that alone is longer than any note can be", () => {
  // The text of a cause is cut at 1,000 characters, of up to six bytes each.
  for (const missing of [[], ["a"], ["a", "b", "c"]]) {
    const memory = newMemory();
    const cause = "\u0001".repeat(1_000);
    const party = "\u0001".repeat(64);
    writeNote(memory, {
      ...note,
      missing,
      party,
      note: `${JSON.stringify(party)} was disposed`,
      cause,
    });
    const read = readNote(memory, 7)!;
    assertEquals([read.cause, read.party], [cause.slice(0, 500), party]);
  }
});

Deno.test("readNote() quotes no note of which any byte was written over", () => {
  const memory = newMemory();
  writeNote(memory, note);
  const start = 4 * NOTE;
  const end = 8 + start + memory.words[NOTE]!;
  for (let at = start; at < end; at++) {
    for (const flip of [1, 0x80]) {
      memory.bytes[at]! ^= flip;
      assertEquals(readNote(memory, 7), undefined, `byte ${at - start}`);
      memory.bytes[at]! ^= flip;
    }
  }
  assertEquals(readNote(memory, 7), note);
});

Deno.test("readNote() quotes no mixture of two notes", () => {
  const [one, two] = [newMemory(), newMemory()];
  writeNote(one, note);
  writeNote(two, { ...note, arrived: 2, party: "c", cause: "the disk is gone" });
  const lengths = [one.words[NOTE]!, two.words[NOTE]!];
  // The first half of one, the second of the other; each length, each checksum.
  for (const length of lengths) {
    for (const sum of [one.words[NOTE + 1]!, two.words[NOTE + 1]!]) {
      const mixed = newMemory();
      mixed.words[NOTE] = length;
      mixed.words[NOTE + 1] = sum;
      const text = 4 * (NOTE + 2);
      mixed.bytes.set(one.bytes.slice(text, text + 60), text);
      mixed.bytes.set(two.bytes.slice(text + 60, text + length), text + 60);
      assertEquals(readNote(mixed, 7), undefined);
    }
  }
});

Deno.test("readNote() refuses lengths that no note has", () => {
  const memory = newMemory();
  writeNote(memory, note);
  for (const length of [-1, -(2 ** 31), 0, 4 * noteWords(8), 2 ** 31 - 1]) {
    memory.words[NOTE] = length;
    assertEquals(readNote(memory, 7), undefined);
  }
});

Deno.test("readNote() refuses what is no note though its checksum is right", () => {
  for (const text of ["null", "7", "{", '"a"', "[]", "{}"]) {
    const memory = newMemory();
    const bytes = new TextEncoder().encode(text);
    let sum = 0x811c9dc5;
    for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193);
    memory.words[NOTE] = bytes.length;
    memory.words[NOTE + 1] = sum;
    memory.bytes.set(bytes, 4 * (NOTE + 2));
    assertEquals(readNote(memory, 7), undefined, text);
  }
});
