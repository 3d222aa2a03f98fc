// Copyright 2026 the Rendezvous authors. MIT license.

/** What threads do to seats at the same time is explored: `explorer_test.ts`. */

import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  BarrierMemory,
  byteLengthFor,
  LAST_TAKEN,
  SEAT_NAME_LENGTH,
  SEAT_STATUS,
  SEAT_WORDS,
  seatRecords,
  seatsStart,
} from "../../_memory/layout.ts";
import { type Seat, Seats } from "../../_memory/seats.ts";
import { encode, open, type Word } from "./_model.ts";

/** Seats over new memory, and the state that they look at. */
class Fixture {
  readonly memory: BarrierMemory;
  readonly seats: Seats;
  word: Word;

  constructor(parties: number, room: number = 8) {
    const buffer = new SharedArrayBuffer(byteLengthFor(room));
    this.memory = BarrierMemory.initialize(buffer, 0, room, {
      hasAction: false,
      timeout: Infinity,
    });
    this.seats = new Seats(this.memory, this);
    this.word = open(parties);
  }

  readonly read = () => {
    const bits = encode(this.word);
    return { low: Number(BigInt.asIntN(32, bits)), high: Number(BigInt.asIntN(32, bits >> 32n)) };
  };

  join(name?: string, life?: number): Seat {
    return this.seats.join(name, life);
  }

  expect(name: string): Seat {
    return this.seats.expect(name);
  }

  /** As the barrier does: the party of a seat is gone, which breaks the phase. */
  lose(seat: Seat, expected = false): boolean {
    if (!this.seats.markGone(seat, expected)) return false;
    this.word = { ...this.word, reason: "lost", gone: this.word.gone + 1, remaining: 0 };
    this.seats.setGoneIn(seat.index, Number(this.word.phase));
    return true;
  }

  reset(dropLost: boolean): void {
    const parties = this.word.parties - (dropLost ? this.word.gone : 0);
    this.word = open(parties, parties, this.word.phase + 1n);
  }

  get missing(): string[] {
    return this.seats.missingIn(this.read());
  }
}

function assertRefused(what: () => unknown, message: string): void {
  const error = assertThrows(what, DOMException, message);
  assertEquals(error.name, "InvalidStateError");
}

Deno.test("Seats.join() gives each party a seat of its own, with name and life", () => {
  const it = new Fixture(3);
  const a = it.join("a", 7);
  const b = it.join("ü€😀", 8);
  assertEquals([a.name, a.life, b.name, b.life], ["a", 7, "ü€😀", 8]);
  assertEquals(new Set([a.index, b.index]).size, 2);
  assertEquals(it.seats.joined(), [a, b]);
});

Deno.test("Seats.join() without a name takes the first that is free", () => {
  const it = new Fixture(5);
  it.join("party 1");
  assertEquals([it.join(), it.join()].map(({ name }) => name), ["party 0", "party 2"]);
  it.seats.release(it.seats.joined().find(({ name }) => name === "party 0")!);
  assertEquals(it.join().name, "party 0");
});

Deno.test("Seats.join() refuses a name that is in use, and more parties than there are", () => {
  const it = new Fixture(2);
  it.join("a");
  assertRefused(() => it.join("a"), 'The name "a" is in use at this barrier');
  it.join("b");
  assertRefused(() => it.join("c"), "No seat is free: 2 of 2 are taken");
  assertRefused(() => it.join(), "No seat is free: 2 of 2 are taken");
  assertRefused(() => it.expect("c"), "No seat is free: 2 of 2 are taken");
  // A name in use is told before a lack of seats.
  assertRefused(() => it.join("a"), "in use");
  // What was refused has taken nothing, however often.
  for (let i = 0; i < seatRecords(8); i++) {
    assertRefused(() => it.join("c"), "No seat is free: 2 of 2 are taken");
  }
  it.word = open(3);
  assertEquals(it.join("c").name, "c");
});

Deno.test("Seats.join() takes names of 64 bytes, in every seat of the largest room", () => {
  const it = new Fixture(1023, 1023);
  const names = Array.from({ length: 1023 }, (_, i) => `${i}`.padStart(64, "n"));
  for (const name of names) it.join(name);
  assertEquals(it.seats.joined().map(({ name }) => name), names);
  assertEquals(it.missing, names);
  assertRefused(() => it.join("more"), "No seat is free: 1023 of 1023 are taken");
});

Deno.test("Seats.release() frees a seat, which gets another generation when it is taken again", () => {
  const it = new Fixture(1);
  const a = it.join("a");
  it.seats.release(a);
  assertEquals(it.seats.joined(), []);
  const b = it.join("a");
  assertEquals(b.index, a.index);
  assertEquals(b.generation === a.generation, false);
  // Whoever has the old one cannot touch the new one.
  it.seats.release(a);
  assertEquals(it.seats.markGone(a, false), false);
  assertEquals(it.seats.joined(), [b]);
});

Deno.test("Seats work when generations wrap", () => {
  for (const generation of [2 ** 21 - 2, 2 ** 28 - 2, 2 ** 29 - 3, -(2 ** 28)]) {
    const it = new Fixture(1);
    it.memory.words[seatsStart(8) + SEAT_STATUS] = generation << 3;
    for (let i = 0; i < 4; i++) {
      const seat = it.join("a");
      assertEquals(seat.index, 0);
      assertEquals(it.seats.joined(), [seat]);
      assertRefused(() => it.join("b"), "No seat");
      it.seats.release(seat);
    }
  }
});

Deno.test("Seats.expect() keeps a seat for a name, which that party takes", () => {
  const it = new Fixture(2);
  it.expect("a");
  it.join("b");
  assertEquals(it.missing.sort(), ["a", "b"]);
  assertEquals(it.seats.joined().map(({ name }) => name), ["b"]);
  assertRefused(() => it.join("c"), "No seat");
  assertRefused(() => it.expect("a"), "in use");
  const a = it.join("a");
  assertEquals(it.seats.joined().map(({ name }) => name).sort(), ["a", "b"]);
  assertEquals(it.missing.sort(), ["a", "b"]);
  assertRefused(() => it.join("a"), "in use");
  it.seats.release(a);
  assertEquals(it.join("c").name, "c");
});

Deno.test("Seats.markGone() of an expected party does nothing once it has joined", () => {
  const it = new Fixture(1);
  const expected = it.expect("a");
  const joined = it.join("a");
  assertEquals(it.lose(expected, true), false);
  assertEquals(it.lose(expected, false), false);
  assertEquals(it.lose(joined, true), false);
  assertEquals(it.lose(joined, false), true);
});

Deno.test("Seats.markGone() tells once that a party is gone, after it was counted", () => {
  const it = new Fixture(1);
  const a = it.join("a");
  assertEquals(it.seats.markGone(a, false), true);
  // Whoever marked it has died before it was counted.
  assertEquals(it.seats.markGone(a, false), true);
  it.seats.setGoneIn(a.index, 0);
  assertEquals(it.seats.markGone(a, false), false);
});

Deno.test("Seats keep the seat of a party that is gone until its phase is left", () => {
  for (const phase of [0n, 1n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 39n]) {
    const it = new Fixture(2);
    it.word = open(2, 2, phase);
    const a = it.join("a");
    it.join("b");
    it.lose(a);
    assertEquals(it.missing, ["a", "b"]);
    assertEquals(it.seats.joined().map(({ name }) => name), ["b"]);
    assertRefused(() => it.join("a"), "in use");
    assertRefused(() => it.join("c"), "No seat");
    it.reset(false);
    assertEquals(it.missing, ["b"]);
    assertEquals(it.join("a").name, "a");
    assertRefused(() => it.join("c"), "No seat");
  }
});

Deno.test("Seats of parties that are gone and not counted yet stay taken", () => {
  const it = new Fixture(1);
  const a = it.join("a");
  it.seats.markGone(a, false);
  it.reset(false);
  assertRefused(() => it.join("b"), "No seat");
  it.seats.setGoneIn(a.index, Number(it.word.phase));
  it.reset(false);
  it.join("b");
});

Deno.test("Seats whose parties are gone are not free where the lost are dropped", () => {
  const it = new Fixture(2);
  const a = it.join("a");
  it.join("b");
  it.lose(a);
  it.reset(true);
  assertRefused(() => it.join("c"), "No seat is free: 1 of 1 are taken");
  assertEquals(it.missing, ["b"]);
});

Deno.test("Seats.missingIn() lists who has no mark in the open phase", () => {
  for (const phase of [0, 255, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40 - 300]) {
    const it = new Fixture(2);
    it.word = open(2, 2, BigInt(phase));
    const [a, b] = [it.join("a"), it.join("b")];
    assertEquals(it.missing, ["a", "b"], `${phase}`);
    it.seats.setMark(a.index, phase);
    assertEquals(it.missing, ["b"]);
    it.seats.setMark(b.index, phase);
    assertEquals(it.missing, []);
    it.word = open(2, 2, BigInt(phase + 1));
    assertEquals(it.missing, ["a", "b"]);
  }
});

Deno.test("Seats.join() while an action runs is missing in neither of its phases before it may arrive", () => {
  const it = new Fixture(1);
  it.word = open(1, 1, 5n, true);
  it.join("a");
  it.word = open(1, 1, 6n);
  assertEquals(it.missing, ["a"]);
});

Deno.test("Seats.nameOf() reads no further than a name can reach, whatever is in memory", () => {
  const it = new Fixture(1);
  const a = it.join("a".repeat(64));
  for (const length of [65, 1000, -1, 2 ** 31 - 1]) {
    it.memory.words[seatsStart(8) + SEAT_NAME_LENGTH] = length;
    assertEquals(it.seats.nameOf(a.index), "a".repeat(64));
  }
});

Deno.test("Seats can be taken whatever somebody has written over the last taking", () => {
  for (const value of [-1, 2047, 2 ** 31 - 1, -(2 ** 31), 17]) {
    const it = new Fixture(2);
    it.memory.words[LAST_TAKEN] = value;
    const a = it.join("a");
    assertEquals(it.seats.joined(), [a]);
    assertEquals(it.lose(a), true);
  }
});

Deno.test("Seats have a record for whoever tries to join beyond all seats, and say so if not", () => {
  const it = new Fixture(8);
  // All who have died while they joined.
  for (let i = 0; i < seatRecords(8); i++) {
    it.memory.words[seatsStart(8) + i * SEAT_WORDS + SEAT_STATUS] = 1 << 3 | 1;
  }
  assertRefused(() => it.join("a"), "No seat is free: there is room for 8 parties");
});

Deno.test("Seats agree with a list of parties, whatever is done", () => {
  const names = fc.constantFrom("a", "b", "c", undefined);
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ do: fc.constant("join" as const), name: names }) },
    fc.record({ do: fc.constant("expect" as const), name: fc.constantFrom("a", "b", "c") }),
    fc.record({ do: fc.constantFrom("release", "lose"), which: fc.nat(5) }),
    fc.record({ do: fc.constant("reset" as const), dropLost: fc.boolean() }),
    fc.record({ do: fc.constant("register" as const) }),
  );
  interface Party {
    seat: Seat;
    kind: "joined" | "expected" | "gone";
  }
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const it = new Fixture(2);
      let parties: Party[] = [];
      const known = (name: string | undefined) => parties.find(({ seat }) => seat.name === name);
      for (const step of steps) {
        switch (step.do) {
          case "join":
          case "expect": {
            const kept = known(step.name);
            const takes = step.do === "join" && kept?.kind === "expected";
            const refused = kept !== undefined && !takes ||
              !takes && parties.length >= it.word.parties;
            const take = () => step.do === "join" ? it.join(step.name) : it.expect(step.name);
            if (refused) {
              assertThrows(take, DOMException);
              break;
            }
            parties = parties.filter((party) => party !== kept);
            const seat = take();
            assertEquals(known(seat.name), undefined);
            parties.push({ seat, kind: step.do === "join" ? "joined" : "expected" });
            break;
          }
          case "release":
          case "lose": {
            const party = parties[(step as { which: number }).which];
            if (party === undefined) break;
            if (step.do === "lose") {
              assertEquals(it.lose(party.seat, party.kind === "expected"), party.kind !== "gone");
              party.kind = "gone";
            } else if (party.kind === "joined" && it.word.reason === undefined) {
              it.word = open(it.word.parties - 1, it.word.parties - 1, it.word.phase);
              it.seats.release(party.seat);
              parties = parties.filter((other) => other !== party);
            }
            break;
          }
          case "reset":
            if (it.word.reason === undefined) break;
            it.reset((step as { dropLost: boolean }).dropLost);
            parties = parties.filter(({ kind }) => kind !== "gone");
            break;
          case "register":
            if (it.word.reason === undefined && it.word.parties < 5) {
              it.word = open(it.word.parties + 1, it.word.parties + 1, it.word.phase);
            }
        }
        const namesOf = (kinds: string[]) =>
          parties.filter(({ kind }) => kinds.includes(kind)).map(({ seat }) => seat.name).sort();
        assertEquals(it.seats.joined().map(({ name }) => name).sort(), namesOf(["joined"]));
        assertEquals(it.missing.sort(), namesOf(["joined", "expected", "gone"]));
      }
    }),
    { numRuns: 500, seed: 1 },
  );
});
