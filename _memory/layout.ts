// Copyright 2026 the Rendezvous authors. MIT license.

/*
 * The memory of a barrier: THE table. All places are in words of 32 bits, little-endian, from an address that
 * is a multiple of 8. Nothing else in the library knows where anything lies.
 *
 *   word    name          holds
 *     0-1   STATE         all that decides an outcome: see state.ts
 *   16-47   HISTORY       16 slots of 64 bits: the broken phases, see history.ts
 *     48    MAGIC         tells a barrier from other memory, and which version of this table it follows
 *     49    ROOM          how many parties there is room for
 *     50    FLAGS         HAS_ACTION
 *   52-53   TIMEOUT       the maker's timeout in ms, a 64-bit float
 *   54-57   ID            a random id, never changed
 *     64    HAS_SLEEPERS  whether somebody may be asleep; if not, nobody need be woken
 *     65    WAKE_COUNT    how often the sleepers were woken: what they sleep on
 *     80    JOINS         twice how many have joined; odd once nobody watches any more
 *     81    LIVES         how many lives were given out, each to one party that joins
 *     82    LAST_TAKEN    which seat was taken last, and its generation: see seats.ts
 *     96    NOTE          of the last break: length in bytes, checksum, then the text; see note.ts
 *           SEATS         behind it, records of 32 words, two for each party that there is room for:
 *       0     STATUS        generation << 3 | status
 *       1     GONE_IN       the phase in which the party was counted as gone; -1: not yet (31 bits)
 *       2     MARK          low 32 bits of the phase in which the party arrived last
 *       3     NAME_LENGTH   in bytes
 *    4-19     NAME          UTF-8
 *      20     LIFE          by which the watch over workers knows its party; written before it is announced
 *
 * STATE, the words of waking and each seat have cache lines of their own: who writes one does not slow down who
 * reads another.
 */
export const STATE = 0;
export const HISTORY = 16;
export const HISTORY_SLOTS = 16;
const MAGIC = 48;
const ROOM = 49;
const FLAGS = 50;
const TIMEOUT = 52;
const ID = 54;
const ID_WORDS = 4;
export const HAS_SLEEPERS = 64;
export const WAKE_COUNT = 65;
export const JOINS = 80;
export const LIVES = 81;
export const LAST_TAKEN = 82;
export const NOTE = 96;

export const SEAT_WORDS = 32;
export const SEAT_STATUS = 0;
export const SEAT_GONE_IN = 1;
export const SEAT_MARK = 2;
export const SEAT_NAME_LENGTH = 3;
export const SEAT_NAME = 4;
export const SEAT_LIFE = 20;

const BARRIER_MAGIC = 0x42415233;
const HAS_ACTION = 1;

/** The most parties: as many as ten bits of the state can count. */
export const MAX_PARTIES = 1023;

/** A barrier has room for at least so many parties. */
const MIN_ROOM = 8;

/** Room for the names in a note, in bytes of each: a name, its quotes, and a comma. */
const NOTE_BYTES_PER_SEAT = 72;

/** Room for the rest of a note: a cause of 1,000 characters, a name, and numbers. */
const NOTE_BYTES = 4_096;

/** How many parties there is room for where a barrier is made for so many: some may be registered later. */
export function roomFor(parties: number): number {
  return Math.min(MAX_PARTIES, Math.max(MIN_ROOM, 2 * parties));
}

/** How many words the note has, its length and checksum included. */
export function noteWords(room: number): number {
  return (NOTE_BYTES + room * NOTE_BYTES_PER_SEAT) / 4;
}

/** How many records of seats there are: whoever joins writes in one before it is known whether it gets a seat. */
export function seatRecords(room: number): number {
  return 2 * room;
}

/** Where the seats begin: at a cache line. */
export function seatsStart(room: number): number {
  return Math.ceil((NOTE + noteWords(room)) / 16) * 16;
}

/** How many bytes a barrier with that room takes. */
export function byteLengthFor(room: number): number {
  return 4 * (seatsStart(room) + seatRecords(room) * SEAT_WORDS);
}

/** What a barrier is made with, beside its parties. */
export interface MemorySettings {
  readonly hasAction: boolean;
  /** The maker's timeout, in ms. */
  readonly timeout: number;
}

/** The memory of one barrier, seen as words, as 64-bit words and as bytes. */
export class BarrierMemory {
  readonly words: Int32Array;
  readonly longs: BigInt64Array;
  readonly bytes: Uint8Array;
  readonly room: number;
  readonly hasAction: boolean;
  readonly timeout: number;
  /** What tells this barrier from every other. */
  readonly id: string;

  private constructor(words: Int32Array, longs: BigInt64Array, bytes: Uint8Array) {
    this.words = words;
    this.longs = longs;
    this.bytes = bytes;
    this.room = words[ROOM]!;
    this.hasAction = (words[FLAGS]! & HAS_ACTION) !== 0;
    this.timeout = new DataView(bytes.buffer, bytes.byteOffset).getFloat64(4 * TIMEOUT, true);
    const id = new Uint32Array(words.buffer, words.byteOffset + 4 * ID, ID_WORDS);
    this.id = Array.from(id, (word) => word.toString(16).padStart(8, "0")).join("");
  }

  /** Makes memory a barrier with room for that many parties. The state is still zero. */
  static initialize(
    buffer: ArrayBufferLike,
    byteOffset: number,
    room: number,
    { hasAction, timeout }: MemorySettings,
  ): BarrierMemory {
    const bytes = new Uint8Array(buffer, byteOffset, byteLengthFor(room));
    const words = new Int32Array(buffer, byteOffset, bytes.length / 4);
    words.fill(0);
    words[ROOM] = room;
    words[FLAGS] = hasAction ? HAS_ACTION : 0;
    new DataView(buffer, byteOffset).setFloat64(4 * TIMEOUT, timeout, true);
    // A copy, as random values may not be had in shared memory.
    words.set(crypto.getRandomValues(new Int32Array(ID_WORDS)), ID);
    Atomics.store(words, MAGIC, BARRIER_MAGIC);
    return BarrierMemory.#over(buffer, byteOffset, bytes.length);
  }

  /** Finds the barrier in memory; nothing if there is none. */
  static find(buffer: ArrayBufferLike, byteOffset: number): BarrierMemory | undefined {
    const space = buffer.byteLength - byteOffset;
    if (space < byteLengthFor(MIN_ROOM)) return undefined;
    const words = new Int32Array(buffer, byteOffset, NOTE);
    if (Atomics.load(words, MAGIC) !== BARRIER_MAGIC) return undefined;
    const room = words[ROOM]!;
    if (room < MIN_ROOM || room > MAX_PARTIES) return undefined;
    const byteLength = byteLengthFor(room);
    return space < byteLength ? undefined : BarrierMemory.#over(buffer, byteOffset, byteLength);
  }

  static #over(buffer: ArrayBufferLike, byteOffset: number, byteLength: number): BarrierMemory {
    return new BarrierMemory(
      new Int32Array(buffer, byteOffset, byteLength / 4),
      new BigInt64Array(buffer, byteOffset, byteLength / 8),
      new Uint8Array(buffer, byteOffset, byteLength),
    );
  }

  /** The same memory with other views: the explorer of the tests looks on through them. */
  withViews(words: Int32Array, longs: BigInt64Array): BarrierMemory {
    return new BarrierMemory(words, longs, this.bytes);
  }
}
