// Copyright 2026 the Rendezvous authors. MIT license.

// The one log of a round. All parties append to it, in whatever thread or process they are. The system puts each line
// behind those that were written before, so the order of the lines is an order of causes: who has written a line before
// it arrives, has written it before anybody can pass by that arrival and write of that.

import type { BreakReason } from "../../process_barrier.ts";

/** What a party was told. */
export type Told =
  | { kind: "done" }
  /** So many phases after the one that it asked for. */
  | { kind: "forgotten"; phases: number }
  /** It passed one of these phases: who waits is not told which. */
  | { kind: "passed"; from: number; to: number; index?: number }
  | { kind: "arrived"; phase: number }
  /** `detailed`: the details of that break were still known. */
  | { kind: "broken"; phase: number; reason: BreakReason; party?: string; detailed: boolean }
  | { kind: "cancelled"; why: "timeout" | "aborted"; phase?: number }
  | { kind: "refused" | "failed"; text: string };

export type Doing =
  | "join"
  | "wait"
  | "arrive"
  | "drop"
  | "waitFor"
  | "ready"
  | "reset"
  | "register"
  | "abort"
  | "leave";

/** A call as it is written before it is made. */
export interface Call {
  what: "call";
  id: number;
  does: Doing;
  /** The barrier was in this phase, or a later one; or it is the one that is asked for. */
  from: number;
  /** How it may end beside passing or breaking. */
  may?: ("time out" | "abort" | "withdraw" | "be refused" | "fail" | "mend any")[] | undefined;
}

export type Fact =
  | Call
  | { what: "told"; id: number } & Told
  /** It has a seat, and must arrive in each phase from this one on, unless it has no name. */
  | { what: "joined"; phase: number; transport?: string }
  /** Written before it is done, as is `over`. */
  | { what: "gone"; how: "killed" | "ended" | "disposed" | "unborn" | "asleep" }
  | { what: "over"; how: "killed" | "disposed" }
  /** `starved`: the machine did not let it run for so long that it may be taken for lost. */
  | { what: "stopped" | "left" | "starved" }
  /** The action of a phase is about to run. */
  | { what: "acts"; phase: number }
  | { what: "listening"; path: string };

export type Entry = { who: string; at: number } & Fact;

/** Where one party writes. */
export class Log implements Disposable {
  readonly #file: Deno.FsFile;
  readonly #who: string;

  constructor(path: string, who: string) {
    this.#file = Deno.openSync(path, { append: true, create: true });
    this.#who = who;
  }

  write(fact: Fact, who: string = this.#who): void {
    const line = JSON.stringify({ who, at: Date.now(), ...fact });
    // One call of the system. Who is killed in it leaves a part of a line, which spoils no other.
    this.#file.writeSync(new TextEncoder().encode(`\n${line}\n`));
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** Reads what has been written, as it is written. */
export class Reader implements Disposable {
  readonly entries: Entry[] = [];
  readonly #file: Deno.FsFile;
  readonly #decoder = new TextDecoder();
  #read = 0;
  #rest = "";

  constructor(path: string) {
    this.#file = Deno.openSync(path, { read: true });
  }

  /** What is new. */
  read(): Entry[] {
    const buffer = new Uint8Array(65_536);
    const before = this.entries.length;
    // No further than this: it may be written faster than it is read.
    for (let left = this.#file.statSync().size - this.#read; left > 0;) {
      const n = this.#file.readSync(buffer);
      if (n === null) break;
      left -= n;
      this.#read += n;
      const lines = (this.#rest + this.#decoder.decode(buffer.subarray(0, n), { stream: true }))
        .split("\n");
      this.#rest = lines.pop()!;
      for (const line of lines) if (line.endsWith("}")) this.entries.push(JSON.parse(line));
    }
    return this.entries.slice(before);
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** Numbers that a seed repeats. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b1);
  }

  /** An integer from 0 to `most`: mulberry32. */
  upTo(most: number): number {
    this.#state = this.#state + 0x6d2b79f5 | 0;
    let bits = Math.imul(this.#state ^ this.#state >>> 15, this.#state | 1);
    bits ^= bits + Math.imul(bits ^ bits >>> 7, bits | 61);
    return Math.floor(((bits ^ bits >>> 14) >>> 0) / 2 ** 32 * (most + 1));
  }

  /** `true` in so many of 100 cases. */
  chance(percent: number): boolean {
    return this.upTo(99) < percent;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.upTo(items.length - 1)]!;
  }
}
