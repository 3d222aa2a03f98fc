// Copyright 2026 the Rendezvous authors. MIT license.

import { MAX_NAME } from "../_common/checks.ts";
import { invalidState } from "../_common/errors.ts";
import {
  type BarrierMemory,
  LAST_TAKEN,
  SEAT_GONE_IN,
  SEAT_LIFE,
  SEAT_MARK,
  SEAT_NAME,
  SEAT_NAME_LENGTH,
  SEAT_STATUS,
  SEAT_WORDS,
  seatRecords,
  seatsStart,
} from "./layout.ts";
import { arrivalPhaseOf, partiesOf, phaseOf, type State } from "./state.ts";
import type { StateWord } from "./state_word.ts";

/*
 * The seats of the parties that have names. A barrier has as many as it has parties.
 *
 *   FREE       nobody's
 *   JOINING    somebody writes a name there; not taken yet
 *   EXPECTING  the same, to keep it for a party of that name
 *   EXPECTED   kept for a party of that name
 *   JOINED     a party's
 *   GONE       its party is gone; free again once the phase is left that this broke
 *
 * Only its party writes a mark, just before it arrives. The word of status has a generation, which grows whenever
 * the seat is claimed: so whoever watches a party never takes its successor for it.
 *
 * Taking a seat must agree with what others take at the same time: no name twice, no seat too many. Any thread may
 * die or stand still anywhere. So a seat is taken by one exchange of LAST_TAKEN, from the value that was there
 * before all seats were looked at, to this seat and its generation. What is left to do then, whoever looks next
 * finishes: a seat that is kept for the name is freed, and JOINING becomes JOINED.
 */
const FREE = 0;
const JOINING = 1;
const EXPECTING = 2;
const EXPECTED = 3;
const JOINED = 4;
const GONE = 5;

const STATUS_BITS = 3;
const STATUS_MASK = (1 << STATUS_BITS) - 1;
const INDEX_BITS = 11;
const INDEX_MASK = (1 << INDEX_BITS) - 1;

/** Not counted as gone in any phase yet. */
const NOT_YET = -1;

/** A seat as it was taken. */
export interface Seat {
  readonly index: number;
  /** The word of status without the status. */
  readonly generation: number;
  readonly name: string;
  /** By which the watch over workers knows the party. */
  readonly life: number;
}

const encoder = new TextEncoder();
// A name may begin with what else would be taken for a mark of the order of bytes.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The seats of one barrier. */
export class Seats {
  readonly #memory: BarrierMemory;
  readonly #state: Pick<StateWord, "read">;
  readonly #words: Int32Array;
  readonly #records: number;
  readonly #start: number;

  constructor(memory: BarrierMemory, state: Pick<StateWord, "read">) {
    this.#memory = memory;
    this.#state = state;
    this.#words = memory.words;
    this.#records = seatRecords(memory.room);
    this.#start = seatsStart(memory.room);
  }

  /**
   * Takes a seat for a party: the one that is kept for its name, or a free one. `announce` is called before the seat is
   * taken, when `lives` lists its life.
   *
   * @throws {DOMException} `InvalidStateError` if the name is taken or no seat is free.
   */
  join(name: string | undefined, life: number = 0, announce: () => void = () => {}): Seat {
    return this.#take(name, JOINING, life, announce);
  }

  /** Keeps a seat for a party of that name. */
  expect(name: string): Seat {
    return this.#take(name, EXPECTING, 0, () => {});
  }

  #take(
    wish: string | undefined,
    claim: typeof JOINING | typeof EXPECTING,
    life: number,
    announce: () => void,
  ): Seat {
    const { index, generation } = this.#claim(claim);
    try {
      this.#words[this.#at(index, SEAT_LIFE)] = life;
      announce();
      for (;;) {
        const last = this.#finishLast();
        const taken = this.#taken(this.#state.read());
        const kept = wish === undefined ? undefined : taken.get(wish);
        if (kept !== undefined && !(claim === JOINING && isExpected(kept))) {
          throw invalidState(`The name ${JSON.stringify(wish)} is in use at this barrier`);
        }
        // Read after the seats: who drops leaves the parties first and its seat then.
        const state = this.#state.read();
        const parties = partiesOf(state);
        if (kept === undefined && taken.size >= parties) {
          throw invalidState(`No seat is free: ${taken.size} of ${parties} are taken`);
        }
        const name = wish ?? firstFreeName(taken);
        this.#writeName(index, name);
        this.setMark(index, arrivalPhaseOf(state) - 1);
        this.#words[this.#at(index, SEAT_GONE_IN)] = NOT_YET;
        const taking = keyOf(index, generation);
        if (Atomics.compareExchange(this.#words, LAST_TAKEN, last, taking) !== last) continue;
        this.#finishLast();
        return { index, generation, name, life };
      }
    } catch (error) {
      Atomics.store(this.#words, this.#at(index, SEAT_STATUS), generation | FREE);
      throw error;
    }
  }

  /** Claims a free record, for a name to be written there. */
  #claim(claim: number): { index: number; generation: number } {
    for (let index = 0; index < this.#records; index++) {
      const word = this.#status(index);
      if ((word & STATUS_MASK) !== FREE) continue;
      const generation = word + (1 << STATUS_BITS) | 0;
      if (this.#swap(index, word, generation | claim)) return { index, generation };
    }
    throw invalidState(`No seat is free: there is room for ${this.#memory.room} parties`);
  }

  /** Finishes what is left to do of the last taking, and returns LAST_TAKEN. */
  #finishLast(): number {
    const last = Atomics.load(this.#words, LAST_TAKEN);
    const index = last & INDEX_MASK;
    // Somebody may have written over it.
    if (index >= this.#records) return last;
    const word = this.#status(index);
    if (keyOf(index, word & ~STATUS_MASK) !== last) return last;
    const status = word & STATUS_MASK;
    if (status === JOINING) {
      const name = this.nameOf(index);
      // Otherwise it is finished already, and the name may be one that somebody else writes there by now.
      if (this.#status(index) === word) this.#freeKept(name, last);
      this.#swap(index, word, (word & ~STATUS_MASK) | JOINED);
    }
    if (status === EXPECTING) this.#swap(index, word, (word & ~STATUS_MASK) | EXPECTED);
    return last;
  }

  /** Frees the seat that is kept for a name, unless somebody has taken a seat since `last` was taken. */
  #freeKept(name: string, last: number): void {
    for (let index = 0; index < this.#records; index++) {
      const word = this.#status(index);
      if (!isExpected(word) || this.nameOf(index) !== name) continue;
      // Otherwise this seat may be kept for another party of that name.
      if (Atomics.load(this.#words, LAST_TAKEN) === last) this.#swap(index, word, free(word));
    }
  }

  /** The seats that are taken, by their names. Frees those whose parties are gone from a phase that is left. */
  #taken(state: State): Map<string, number> {
    const taken = new Map<string, number>();
    for (let index = 0; index < this.#records; index++) {
      const word = this.#status(index);
      const status = word & STATUS_MASK;
      if (status === GONE && this.#isLeft(index, state)) this.#swap(index, word, free(word));
      else if (status >= EXPECTED) taken.set(this.nameOf(index), word);
    }
    return taken;
  }

  #isLeft(index: number, state: State): boolean {
    const goneIn = Atomics.load(this.#words, this.#at(index, SEAT_GONE_IN));
    return goneIn !== NOT_YET && goneIn !== positive(phaseOf(state));
  }

  /** The seats of the parties that have joined and are not gone. */
  joined(): Seat[] {
    this.#finishLast();
    const seats: Seat[] = [];
    for (let index = 0; index < this.#records; index++) {
      const word = this.#status(index);
      if ((word & STATUS_MASK) !== JOINED) continue;
      seats.push({
        index,
        generation: word & ~STATUS_MASK,
        name: this.nameOf(index),
        life: this.#words[this.#at(index, SEAT_LIFE)]!,
      });
    }
    return seats;
  }

  /** The lives of those who have joined, or are about to. */
  lives(): Set<number> {
    const lives = new Set<number>();
    for (let index = 0; index < this.#records; index++) {
      const status = this.#status(index) & STATUS_MASK;
      if (status !== JOINING && status !== JOINED) continue;
      lives.add(this.#words[this.#at(index, SEAT_LIFE)]!);
    }
    lives.delete(0);
    return lives;
  }

  /** Gives up a seat: its party has dropped. */
  release({ index, generation }: Seat): void {
    this.#swap(index, generation | JOINED, generation | FREE);
  }

  /**
   * Notes that the party of a seat is gone; `false` if it had left it. `setGoneIn` must follow.
   *
   * @param expected The party was only expected. Once it has joined, that says nothing any more.
   */
  markGone({ index, generation }: Seat, expected: boolean): boolean {
    // It may have died while it took the seat that was kept for it: then it has joined.
    this.#finishLast();
    const word = generation | (expected ? EXPECTED : JOINED);
    if (this.#swap(index, word, generation | GONE)) return true;
    // Whoever marked it before may have died before it was counted.
    return this.#status(index) === (generation | GONE) &&
      Atomics.load(this.#words, this.#at(index, SEAT_GONE_IN)) === NOT_YET;
  }

  /** Notes in which phase a party was counted as gone. */
  setGoneIn(index: number, phase: number): void {
    Atomics.store(this.#words, this.#at(index, SEAT_GONE_IN), positive(phase));
  }

  /** The names of the parties that are gone in that phase, those included that may be counted in this moment. */
  goneIn(phase: number): string[] {
    const gone: string[] = [];
    for (let index = 0; index < this.#records; index++) {
      if ((this.#status(index) & STATUS_MASK) !== GONE) continue;
      const goneIn = Atomics.load(this.#words, this.#at(index, SEAT_GONE_IN));
      if (goneIn === positive(phase) || goneIn === NOT_YET) gone.push(this.nameOf(index));
    }
    return gone;
  }

  /** Notes that its party arrives in a phase. Made visible by the exchange that follows. */
  setMark(index: number, phase: number): void {
    this.#words[this.#at(index, SEAT_MARK)] = phase | 0;
  }

  /** The names of the parties that have not arrived in the phase of a state, of which no action runs. */
  missingIn(state: State): string[] {
    const missing: string[] = [];
    for (let index = 0; index < this.#records; index++) {
      const status = this.#status(index) & STATUS_MASK;
      if (status < EXPECTED || status === GONE && this.#isLeft(index, state)) continue;
      const mark = Atomics.load(this.#words, this.#at(index, SEAT_MARK));
      if (mark !== (phaseOf(state) | 0)) missing.push(this.nameOf(index));
    }
    return missing;
  }

  nameOf(index: number): string {
    const { bytes } = this.#memory;
    const start = 4 * this.#at(index, SEAT_NAME);
    const length = this.#words[this.#at(index, SEAT_NAME_LENGTH)]!;
    // A copy: TextDecoder refuses shared memory on some platforms. Somebody may have written over the length.
    return decoder.decode(bytes.slice(start, start + Math.min(length >>> 0, MAX_NAME)));
  }

  #writeName(index: number, name: string): void {
    const bytes = encoder.encode(name);
    this.#memory.bytes.set(bytes, 4 * this.#at(index, SEAT_NAME));
    this.#words[this.#at(index, SEAT_NAME_LENGTH)] = bytes.length;
  }

  #at(index: number, word: number): number {
    return this.#start + index * SEAT_WORDS + word;
  }

  #status(index: number): number {
    return Atomics.load(this.#words, this.#at(index, SEAT_STATUS));
  }

  #swap(index: number, word: number, next: number): boolean {
    return Atomics.compareExchange(this.#words, this.#at(index, SEAT_STATUS), word, next) === word;
  }
}

/** What LAST_TAKEN holds when that seat was taken last. No seat has it at first: generations begin at 1. */
function keyOf(index: number, generation: number): number {
  return (generation >> STATUS_BITS) << INDEX_BITS | index;
}

function isExpected(word: number): boolean {
  return (word & STATUS_MASK) === EXPECTED;
}

function free(word: number): number {
  return (word & ~STATUS_MASK) | FREE;
}

function firstFreeName(taken: ReadonlyMap<string, unknown>): string {
  for (let n = 0;; n++) {
    if (!taken.has(`party ${n}`)) return `party ${n}`;
  }
}

/** A phase as it is noted beside NOT_YET. */
function positive(phase: number): number {
  return phase % 2 ** 31;
}
