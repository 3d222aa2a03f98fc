// Copyright 2026 the Rendezvous authors. MIT license.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { type BreakReason, BrokenBarrierError } from "../../barrier.ts";
import { failure, test, until } from "../_helpers/harness.ts";
import type { Abilities, Adapter, Fixture, Handle, MakeOptions, Party, State } from "./adapter.ts";

/** Why the tests abort. */
export const WHY = "the disk is full";

export type Three = [Party, Party, Party];
export type Four = [Party, Party, Party, Party];
export type Refusal = typeof RangeError | typeof TypeError;
export type Make = (parties: number, options?: MakeOptions, alone?: boolean) => Promise<Fixture>;

/** What is no number of parties. */
export const BAD_NUMBERS: [unknown, Refusal][] = [
  [0, RangeError],
  [-1, RangeError],
  [1.5, RangeError],
  [NaN, RangeError],
  [Infinity, RangeError],
  [-Infinity, RangeError],
  ["3", TypeError],
  [null, TypeError],
  [3n, TypeError],
  [true, TypeError],
  [{}, TypeError],
];

/** What is no duration. */
export const BAD_TIMEOUTS: [unknown, Refusal][] = [
  [NaN, RangeError],
  [-1, RangeError],
  [-Infinity, RangeError],
  ["5", TypeError],
  [null, TypeError],
  [5n, TypeError],
];

/** What is no abort signal. */
export const BAD_SIGNALS: unknown[] = [{}, { aborted: true }, null, "signal"];

/** What is no object with options. */
export const BAD_OPTIONS: unknown[] = [null, 5, "break", true];

/** What the parties of a broken phase are told. */
export interface Told {
  reason: BreakReason;
  /** What the message says that happened. */
  what: string;
  phase?: number;
  /** Who has arrived, of how many, and who has not. */
  arrived: number;
  parties: number;
  missing?: readonly (Party | string)[];
  /** Who caused it, where that is said. */
  by?: Party | string | undefined;
  cause?: string | undefined;
}

/** How a party is called in a message. */
export function nameOf(party: Party | string | undefined): string | undefined {
  return typeof party === "object" ? party.name : party;
}

/** Makes the tests of one kind of barrier. */
export class Suite {
  readonly adapter: Adapter;

  constructor(adapter: Adapter) {
    this.adapter = adapter;
  }

  get can(): Abilities {
    return this.adapter.can;
  }

  /** One test, unless that kind of barrier cannot do what it needs. */
  check(
    member: string,
    behaviour: string,
    body: (make: Make) => Promise<void>,
    needs: Partial<Abilities> = {},
  ): void {
    const unable = Object.entries(needs).some(([name, need]) =>
      this.can[name as keyof Abilities] !== need
    );
    if (unable) return;
    const { ignored } = this.adapter;
    const title = this.adapter.title(member, behaviour);
    test(title, (scope) => {
      return body(async (...args) => scope.use(await this.adapter.make(...args)));
    }, { ignore: ignored });
  }

  /** Checks all that a BrokenBarrierError says. */
  isBroken(error: unknown, told: Told): asserts error is BrokenBarrierError {
    const { reason, what, phase = 0, arrived, parties, missing = [], by, cause } = told;
    assertInstanceOf(error, BrokenBarrierError);
    assertEquals(error.name, "BrokenBarrierError");
    const names = this.can.names ? missing.map((party) => nameOf(party)!) : [];
    const { length } = names;
    const others = parties - arrived - length;
    const list = names.map((name) => JSON.stringify(name)).join(", ");
    const missed = length === 0
      ? ""
      : `, missing ${list}${others > 0 ? ` and ${others} without a name` : ""}`;
    assertEquals({
      message: error.message,
      reason: error.reason,
      phase: error.phase,
      arrived: error.arrived,
      parties: error.parties,
      missing: [...error.missing],
      party: error.party,
      cause: error.cause,
    }, {
      message: `Phase ${phase} broke: ${what} (${arrived} of ${parties} arrived${missed})`,
      reason,
      phase,
      arrived,
      parties,
      missing: names,
      party: nameOf(by),
      cause,
    });
    assertEquals("cause" in error, cause !== undefined);
  }

  /** Checks that a barrier is broken, and refuses all that may be asked of it until it is reset. */
  async staysBroken({ host }: Fixture, party: Party, told: Told): Promise<void> {
    const { phase = 0, arrived, parties, missing = [] } = told;
    await host.abort("too late");
    const calls = [
      () => party.wait(),
      () => party.wait({ timeout: 0, onCancel: "withdraw" }),
      () => party.arrive(),
      () => party.arriveAndDrop(),
      () => party.waitFor(phase),
      () => host.waitFor(phase),
      () => host.waitFor(phase, { timeout: 0 }),
    ];
    for (const call of calls) this.isBroken(await failure(call()), told);
    this.isBroken(await failure(host.waitFor(phase + 5)), told);
    const names = this.can.names ? missing.map((party) => nameOf(party)!) : [];
    assertEquals(await host.state(), { parties, arrived, phase, broken: true, missing: names });
  }

  /** Checks that these are all whom the open phase needs, and that they pass it. */
  async passes(handle: Handle, parties: readonly Party[], phase: number): Promise<void> {
    const { missing, ...state } = await handle.state();
    assertEquals(state, { parties: parties.length, arrived: 0, phase, broken: false });
    const names = parties.flatMap((party) => party.name ?? []);
    assertEquals([...missing].sort(), names.sort());
    const numbers = await Promise.all(parties.map((party) => party.wait()));
    assertEquals(numbers.sort((a, b) => a - b), [...parties.keys()]);
    assertEquals((await handle.state()).phase, phase + 1);
  }
}

/** Checks the error of a wait whose own timeout has passed. */
export function isTimeout(error: unknown, message?: string): asserts error is DOMException {
  assertInstanceOf(error, DOMException);
  assertEquals(error.name, "TimeoutError");
  if (message !== undefined) assertEquals(error.message, message);
}

/** Checks the error of a call at the wrong moment. */
export async function isRefused(call: Promise<unknown>, message: string): Promise<void> {
  const error = await failure(call);
  assertInstanceOf(error, DOMException, `${error}`);
  assertEquals(error.name, "InvalidStateError");
  assertStringIncludes(error.message, message);
}

/** Checks the error of a bad argument. */
export async function refuses(
  call: () => Promise<unknown>,
  Refused: Refusal,
  name: string,
): Promise<void> {
  const { message } = await assertRejects(call, Refused);
  assert(/^Cannot .* as .*: current value is /.test(message) && message.includes(name), message);
}

/** Waits until a barrier shows this. */
export async function reaches(handle: Handle, expected: Partial<State>): Promise<void> {
  await until(async () => {
    const state = await handle.state();
    return Object.entries(expected).every(([name, value]) => state[name as "phase"] === value);
  }, Deno.inspect(expected));
}

/** Makes a barrier whose actions run until they are told to end. */
export async function makeHeld(
  make: Make,
  parties: number,
): Promise<Fixture & { ends: PromiseWithResolvers<void>[] }> {
  const ends: PromiseWithResolvers<void>[] = [];
  const action = () => {
    ends.push(Promise.withResolvers());
    return ends.at(-1)!.promise;
  };
  return Object.assign(await make(parties, { action }), { ends });
}
