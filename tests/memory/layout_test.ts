// Copyright 2026 the Rendezvous authors. MIT license.

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import * as layout from "../../_memory/layout.ts";

const { BarrierMemory, byteLengthFor, roomFor, seatRecords, seatsStart } = layout;
const settings = { hasAction: false, timeout: Infinity };

Deno.test("BarrierMemory lays out every place once, in order, seats at cache lines of their own", () => {
  for (let room = 8; room <= layout.MAX_PARTIES; room++) {
    const places: [start: number, words: number][] = [
      [layout.STATE, 2],
      [layout.HISTORY, 2 * layout.HISTORY_SLOTS],
      [layout.HAS_SLEEPERS, 1],
      [layout.WAKE_COUNT, 1],
      [layout.JOINS, 1],
      [layout.LIVES, 1],
      [layout.LAST_TAKEN, 1],
      [layout.NOTE, layout.noteWords(room)],
      [seatsStart(room), seatRecords(room) * layout.SEAT_WORDS],
    ];
    let end = 0;
    for (const [start, words] of places) {
      assert(Number.isInteger(start) && Number.isInteger(words));
      assert(start >= end, `${start} is before ${end}, room ${room}`);
      end = start + words;
    }
    assertEquals(seatsStart(room) % 16, 0);
    assertEquals(byteLengthFor(room), 4 * end);
    assertEquals(byteLengthFor(room) % 8, 0);
  }
  assertEquals(layout.SEAT_WORDS % 16, 0);
  assertEquals(layout.HISTORY % 16, 0);
  assertEquals(layout.HAS_SLEEPERS % 16, 0);
  assertEquals(layout.HAS_SLEEPERS >> 4, layout.WAKE_COUNT >> 4);
  assert(layout.SEAT_LIFE < layout.SEAT_WORDS);
  assert(4 * (layout.SEAT_LIFE - layout.SEAT_NAME) >= 64);
});

Deno.test("roomFor() has room for more parties, for at least 8, and for no more than can be counted", () => {
  assertEquals([1, 4, 5, 8, 511, 512, 1023].map(roomFor), [8, 8, 10, 16, 1022, 1023, 1023]);
  assertEquals(layout.MAX_PARTIES, 1023);
});

Deno.test("BarrierMemory.find() finds what initialize() made, anywhere in a buffer", () => {
  for (const room of [8, 9, 100, 1023]) {
    for (const offset of [0, 8, 64, 4096]) {
      const buffer = new SharedArrayBuffer(offset + byteLengthFor(room));
      assertEquals(BarrierMemory.find(buffer, offset), undefined);
      const made = BarrierMemory.initialize(buffer, offset, room, { hasAction: true, timeout: 25 });
      const found = BarrierMemory.find(buffer, offset)!;
      for (const memory of [made, found]) {
        assertEquals([memory.room, memory.hasAction, memory.timeout], [room, true, 25]);
        assertEquals(memory.words.byteOffset, offset);
        assertEquals(memory.words.byteLength, byteLengthFor(room));
        assertEquals(memory.longs.byteOffset, offset);
        assertEquals(memory.bytes.byteLength, byteLengthFor(room));
      }
      assertEquals(found.id, made.id);
    }
  }
});

Deno.test("BarrierMemory.find() finds nothing in memory that is too small for its room", () => {
  const buffer = new ArrayBuffer(byteLengthFor(20));
  BarrierMemory.initialize(buffer, 0, 20, settings);
  for (const length of [0, 8, byteLengthFor(8) - 1, byteLengthFor(8), byteLengthFor(20) - 1]) {
    assertEquals(BarrierMemory.find(buffer.slice(0, length), 0), undefined, `${length}`);
  }
  assert(BarrierMemory.find(buffer.slice(0, byteLengthFor(20)), 0) !== undefined);
});

Deno.test("BarrierMemory.find() finds nothing where room or magic are wrong", () => {
  const buffer = new ArrayBuffer(byteLengthFor(8));
  const memory = BarrierMemory.initialize(buffer, 0, 8, settings);
  // Where the table says that they are.
  const [magic, room] = [48, 49];
  for (const bad of [-1, 0, 7, 9, 1023, 1024, 2 ** 31 - 1]) {
    memory.words[room] = bad;
    assertEquals(BarrierMemory.find(buffer, 0), undefined, `${bad}`);
  }
  memory.words[room] = 8;
  assert(BarrierMemory.find(buffer, 0) !== undefined);
  memory.words[magic]!++;
  assertEquals(BarrierMemory.find(buffer, 0), undefined);
});

Deno.test("BarrierMemory.initialize() wipes what was there", () => {
  const buffer = new ArrayBuffer(byteLengthFor(8));
  new Uint8Array(buffer).fill(0xff);
  const memory = BarrierMemory.initialize(buffer, 0, 8, settings);
  const id = [54, 55, 56, 57];
  // MAGIC, ROOM, TIMEOUT, ID.
  const written = new Set([48, 49, 52, 53, ...id]);
  for (const [i, word] of memory.words.entries()) {
    if (!written.has(i)) assertEquals(word, 0, `word ${i}`);
  }
  assertEquals(memory.timeout, Infinity);
  assertEquals(memory.hasAction, false);
});

Deno.test("BarrierMemory.id is different for each barrier, and no use of the barrier changes it", () => {
  const make = () => BarrierMemory.initialize(new ArrayBuffer(byteLengthFor(8)), 0, 8, settings);
  const [a, b] = [make(), make()];
  assertNotEquals(a.id, b.id);
  assertEquals(a.id.length, 32);
  // All places that others write are elsewhere.
  for (const i of [layout.STATE, layout.HAS_SLEEPERS, layout.WAKE_COUNT, layout.JOINS]) {
    a.words[i] = -1;
  }
  for (let slot = 0; slot < layout.HISTORY_SLOTS; slot++) a.longs[layout.HISTORY / 2 + slot] = -1n;
  for (const i of [layout.LIVES, layout.LAST_TAKEN]) a.words[i] = -1;
  a.words.fill(-1, layout.NOTE);
  assertEquals(BarrierMemory.find(a.bytes.buffer, 0)!.id, a.id);
});

Deno.test("BarrierMemory.withViews() is the same memory seen through other views", () => {
  const memory = BarrierMemory.initialize(new ArrayBuffer(byteLengthFor(8)), 0, 8, settings);
  const words = new Int32Array(memory.bytes.buffer);
  const longs = new BigInt64Array(memory.bytes.buffer);
  const other = memory.withViews(words, longs);
  assert(other.words === words && other.longs === longs && other.bytes === memory.bytes);
  assertEquals([other.id, other.room], [memory.id, 8]);
});
