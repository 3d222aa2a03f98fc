// Copyright 2026 the Rendezvous authors. MIT license.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import {
  type BreakReason,
  BrokenBarrierError,
  type WaitOptions,
  type WatchOptions,
} from "../mod.ts";
import { failure, quiet, test, turn, until } from "./_harness.ts";
import { BOOM } from "./_wire.ts";

/** What any barrier shows of itself. */
export interface State {
  parties: number;
  arrived: number;
  phase: number;
  broken: boolean;
}

/** Somebody who knows a barrier, and needs not be a party: all that can be done without arriving. */
export interface Host {
  waitFor(phase: number, options?: WatchOptions): Promise<void>;
  register(count?: number): Promise<number>;
  abort(reason?: unknown): Promise<void>;
  reset(): Promise<void>;
  state(): Promise<State>;
}

/** A party. What one is told, it does in that order; while it waits, it need not listen. */
export interface Party extends Host {
  /** Its name, where parties have names. */
  name?: string;
  wait(options?: WaitOptions): Promise<number>;
  arrive(): Promise<number>;
  arriveAndDrop(): Promise<number>;
  dispose(): Promise<void>;
}

/** A barrier, and its parties. */
export interface Fixture extends AsyncDisposable {
  host: Host;
  /** As many as the barrier was made for, and those who joined. */
  parties: Party[];
  /** One more party, who takes the seat of one that was registered or is gone. */
  join(): Promise<Party>;
  /** Takes a party away without a word, where that is noticed. */
  lose?(party: Party): Promise<void>;
}

export interface MakeOptions {
  action?: () => unknown;
  timeout?: number;
}

/** A kind of barrier, and what it can do. */
export interface Adapter {
  /** The name of a test, from a member such as `.wait()`. */
  title(member: string, behaviour: string): string;
  make(parties: number, options?: MakeOptions): Promise<Fixture>;
  /** The most parties. */
  most: number;
  /** Why it cannot be tested here, if it cannot. */
  ignored?: string | undefined;
  can: {
    /** The first party can be given a signal. */
    signal: boolean;
    /** An action may return a promise. */
    asyncAction: boolean;
    /** The numbers of a phase are a permutation even when a party withdrew or joined. */
    renumber: boolean;
    /** What the others learn of the reason. */
    cause: "value" | "text" | "nothing";
    /** Parties have names, and errors name who is missing. */
    names: boolean;
    /** The barrier notices parties who are gone. */
    lose?: boolean;
  };
}

type Three = [Party, Party, Party];
type Refusal = typeof RangeError | typeof TypeError;

const WHY = "the disk is full";

const BAD_NUMBERS: [unknown, Refusal][] = [
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

const BAD_TIMEOUTS: [unknown, Refusal][] = [
  [NaN, RangeError],
  [-1, RangeError],
  [-Infinity, RangeError],
  ["5", TypeError],
  [null, TypeError],
  [5n, TypeError],
];

/** How a party ends the phase for all others, one row of the table in the design each. */
interface Fault {
  member: string;
  when: string;
  /** What the party `c` does or suffers, and what it gets for it. */
  strike(fixture: Fixture, c: Party): Promise<unknown>;
  reason: BreakReason;
  /** The cause that the others are told. */
  cause?: unknown;
  /** That party is gone then, and another must take its seat. */
  gone?: boolean;
  options?: MakeOptions;
}

/** Tests a kind of barrier for all that is common to barriers. */
export function contract(adapter: Adapter): void {
  const { can } = adapter;

  function check(
    member: string,
    behaviour: string,
    body: (make: (parties: number, options?: MakeOptions) => Promise<Fixture>) => Promise<void>,
  ) {
    const { ignored } = adapter;
    const title = adapter.title(member, behaviour);
    test(ignored === undefined ? title : `${title} (${ignored})`, (scope) => {
      return body(async (parties, options) => scope.use(await adapter.make(parties, options)));
    }, { ignore: ignored !== undefined });
  }

  // Making one

  check("()", "refuses parties that are no number from 1 on", async (make) => {
    const above = adapter.most + 1;
    for (
      const [parties, Refused] of [...BAD_NUMBERS, [above, RangeError], [undefined, TypeError]]
    ) {
      await refuses(() => make(parties as number), Refused as Refusal, "parties");
    }
  });

  check("()", "refuses a timeout that is no duration", async (make) => {
    for (const [timeout, Refused] of BAD_TIMEOUTS) {
      await refuses(() => make(2, { timeout: timeout as number }), Refused, "timeout");
    }
  });

  check("()", "refuses an action that is no function", async (make) => {
    for (const action of ["f", 1, null, {}]) {
      await refuses(() => make(2, { action: action as () => void }), TypeError, "action");
    }
  });

  check("()", "is empty, in phase 0 and unbroken", async (make) => {
    const { host } = await make(3);
    assertEquals(await host.state(), { parties: 3, arrived: 0, phase: 0, broken: false });
  });

  // Meeting

  check(".wait()", "lets nobody pass before all have arrived", async (make) => {
    const { host, parties } = await make(3);
    const [a, b, c] = parties as Three;
    const log: string[] = [];
    const wait = async (party: Party) => {
      const number = await party.wait();
      log.push(`${number} passes`);
    };
    const first = quiet(wait(a));
    await reaches(host, { arrived: 1, phase: 0 });
    const second = quiet(wait(b));
    await reaches(host, { arrived: 2, phase: 0 });
    for (let i = 0; i < 3; i++) await turn();
    log.push("the last arrives");
    await Promise.all([first, second, wait(c)]);
    assertEquals(log[0], "the last arrives");
    assertEquals(log.slice(1).sort(), ["0 passes", "1 passes", "2 passes"]);
    assertEquals(await host.state(), { parties: 3, arrived: 0, phase: 1, broken: false });
  });

  check(".wait()", "gives parties - 1 to the first, 0 to the last", async (make) => {
    const { host, parties } = await make(3);
    const [a, b, c] = parties as Three;
    const numbers = [a.wait()];
    await reaches(host, { arrived: 1 });
    numbers.push(b.wait());
    await reaches(host, { arrived: 2 });
    numbers.push(c.wait());
    assertEquals(await Promise.all(numbers), [2, 1, 0]);
  });

  check(".wait()", "gives every number once a phase, phase after phase", async (make) => {
    const { host, parties } = await make(4);
    for (let phase = 0; phase < 20; phase++) {
      const numbers = await Promise.all(parties.map((party) => party.wait()));
      assertEquals(numbers.sort(), [0, 1, 2, 3]);
      assertEquals((await host.state()).phase, phase + 1);
    }
  });

  check(".wait()", "passes at once where there is one party", async (make) => {
    const { host, parties } = await make(1);
    for (let phase = 0; phase < 3; phase++) assertEquals(await parties[0]!.wait(), 0);
    assertEquals(await host.state(), { parties: 1, arrived: 0, phase: 3, broken: false });
  });

  check(".wait()", "passes with a timeout of 0 if it is the last", async (make) => {
    const { parties } = await make(1);
    assertEquals(await parties[0]!.wait({ timeout: 0 }), 0);
    assertEquals(await parties[0]!.wait({ timeout: 0, onCancel: "withdraw" }), 0);
  });

  check(".wait()", "refuses bad options, and has not arrived then", async (make) => {
    const { host, parties } = await make(1);
    const [a] = parties as Three;
    const bad: [WaitOptions, Refusal, string][] = BAD_TIMEOUTS.map(
      ([timeout, Refused]) => [{ timeout: timeout as number }, Refused, "timeout"],
    );
    for (const onCancel of ["stop", "", null, 1]) {
      bad.push([{ onCancel: onCancel as "break" }, TypeError, "onCancel"]);
    }
    if (can.signal) {
      for (const signal of [{}, { aborted: true }, null, "signal"]) {
        bad.push([{ signal: signal as AbortSignal }, TypeError, "signal"]);
      }
    }
    for (const [options, Refused, name] of bad) {
      await refuses(() => a.wait(options), Refused, name);
      assertEquals(await host.state(), { parties: 1, arrived: 0, phase: 0, broken: false });
    }
    assertEquals(await a.wait(), 0);
  });

  check(".wait()", "words its refusals alike", async (make) => {
    const { host, parties } = await make(2);
    const [a] = parties as Three;
    const wrong: [() => Promise<unknown>, string][] = [
      [
        () => a.wait({ timeout: -1 }),
        "Cannot wait as timeout must be 0 ms or more: current value is -1",
      ],
      [
        () => a.wait({ timeout: "5" as never }),
        'Cannot wait as timeout must be a number: current value is "5"',
      ],
      [
        () => a.wait({ onCancel: "stop" as never }),
        'Cannot wait as onCancel must be "break" or "withdraw": current value is "stop"',
      ],
      [
        () => host.waitFor(-1),
        "Cannot wait for a phase as phase must be an integer from 0 to ",
      ],
      [
        () => host.register(0),
        "Cannot register parties as count must be an integer from 1 to ",
      ],
    ];
    for (const [call, message] of wrong) {
      assertStringIncludes((await assertRejects(call, Error)).message, message);
    }
  });

  // Faults: what the victim gets, what every other party gets, what the next use does

  const faults: Fault[] = [
    {
      member: ".wait()",
      when: "its timeout passes",
      reason: "timeout",
      strike: async (_, c) => {
        const error = await failure(c.wait({ timeout: 10 }));
        isTimeout(error);
        const message = "Cannot pass phase 0 as all parties must arrive within 10 ms: " +
          "current value is 3 of 4 arrived";
        if (can.names) assertStringIncludes(error.message, message);
        else assertEquals(error.message, message);
      },
    },
    {
      member: ".wait()",
      when: "its timeout of 0 ms passes",
      reason: "timeout",
      strike: async (_, c) => isTimeout(await failure(c.wait({ timeout: 0 }))),
    },
    {
      member: ".abort()",
      when: "somebody calls it",
      reason: "aborted",
      cause: WHY,
      strike: (_, c) => c.abort(WHY),
    },
    {
      member: ".abort()",
      when: "somebody calls it without a reason",
      reason: "aborted",
      strike: (_, c) => c.abort(),
    },
    {
      member: "[Symbol.dispose]()",
      when: "a party leaves its scope, even twice",
      reason: "aborted",
      gone: true,
      strike: async (_, c) => {
        await c.dispose();
        await c.dispose();
      },
    },
  ];
  if (can.signal) {
    faults.push({
      member: ".wait()",
      when: "its signal aborts while it waits",
      reason: "aborted",
      cause: WHY,
      strike: async ({ host }, c) => {
        const controller = new AbortController();
        const error = failure(c.wait({ signal: controller.signal }));
        await reaches(host, { arrived: 3 });
        controller.abort(WHY);
        assertStrictEquals(await error, WHY);
      },
    }, {
      member: ".wait()",
      when: "its signal has aborted before",
      reason: "aborted",
      cause: WHY,
      strike: async (_, c) => {
        assertStrictEquals(await failure(c.wait({ signal: AbortSignal.abort(WHY) })), WHY);
      },
    });
  }
  if (can.lose) {
    faults.push({
      member: ".wait()",
      when: "a party is gone",
      reason: "lost",
      gone: true,
      strike: (fixture, c) => fixture.lose!(c),
    });
  }

  for (const { member, when, strike, reason, cause, gone, options } of faults) {
    check(member, `breaks the barrier for all when ${when}`, async (make) => {
      const fixture = await make(4, options);
      const { host, parties } = fixture;
      // The first party is who can be given a signal.
      const [c, a, b, d] = parties as [...Three, Party];
      const waiting = [failure(a.wait()), failure(b.wait())];
      await reaches(host, { arrived: 2 });

      await strike(fixture, c);
      for (const error of await Promise.all(waiting)) {
        isBroken(error, reason, cause);
        assertEquals([error.phase, error.parties], [0, 4]);
        if (gone && c.name !== undefined) assertStringIncludes(error.message, `"${c.name}"`);
      }

      await staysBroken(fixture, d, reason, cause);
      await host.reset();
      await passes(host, [a, b, gone ? await fixture.join() : c, d], 0);
    });
  }

  const cancellations: [string, (host: Host, party: Party) => Promise<void>][] = [
    ["its timeout passes", async (_, party) => {
      isTimeout(await failure(party.wait({ timeout: 5, onCancel: "withdraw" })));
    }],
  ];
  if (can.signal) {
    cancellations.push(["its signal aborts while it waits", async (host, party) => {
      const { arrived } = await host.state();
      const controller = new AbortController();
      const { signal } = controller;
      const error = failure(party.wait({ signal, onCancel: "withdraw" }));
      await reaches(host, { arrived: arrived + 1 });
      controller.abort(WHY);
      assertStrictEquals(await error, WHY);
    }], ["its signal has aborted before", async (_, party) => {
      const signal = AbortSignal.abort(WHY);
      assertStrictEquals(await failure(party.wait({ signal, onCancel: "withdraw" })), WHY);
    }]);
  }
  for (const [when, cancel] of cancellations) {
    check(".wait()", `disturbs nobody when it withdraws as ${when}`, async (make) => {
      const { host, parties } = await make(3);
      const [a, b, c] = parties as Three;
      const before = b.wait();
      await reaches(host, { arrived: 1 });
      await cancel(host, a);
      assertEquals(await host.state(), { parties: 3, arrived: 1, phase: 0, broken: false });
      await cancel(host, a);
      const numbers = await Promise.all([before, c.wait(), a.wait()]);
      assertEquals(numbers.filter((number) => number === 0), [0]);
      if (can.renumber) assertEquals(numbers.sort(), [0, 1, 2]);
      assertEquals(await host.state(), { parties: 3, arrived: 0, phase: 1, broken: false });
      await passes(host, [a, b, c], 1);
    });
  }

  check(".wait()", "takes the barrier's timeout unless it has one of its own", async (make) => {
    const { host, parties } = await make(2, { timeout: 5 });
    const [a, b] = parties as Three;
    const error = await failure(a.wait());
    isTimeout(error);
    assertStringIncludes(error.message, "within 5 ms");
    isBroken(await failure(b.wait()), "timeout");
    await host.reset();
    const waiting = b.wait({ timeout: Infinity });
    await reaches(host, { arrived: 1 });
    isTimeout(await failure(host.waitFor(0, { timeout: 10 })));
    assertEquals(await a.wait(), 0);
    assertEquals(await waiting, 1);
  });

  check(".reset()", "frees those who wait, and leaves the barrier empty", async (make) => {
    const { host, parties } = await make(3);
    const [a, b, c] = parties as Three;
    await passes(host, [a, b, c], 0);
    const waiting = [failure(a.wait()), failure(b.wait())];
    await reaches(host, { arrived: 2 });
    await c.reset();
    for (const error of await Promise.all(waiting)) {
      isBroken(error, "reset");
      assertEquals([error.phase, error.parties], [1, 3]);
    }
    assertEquals(await host.state(), { parties: 3, arrived: 0, phase: 1, broken: false });
    await passes(host, [a, b, c], 1);
  });

  check(".reset()", "does nothing to an empty barrier", async (make) => {
    const { host, parties } = await make(2);
    const watching = host.waitFor(0);
    for (let i = 0; i < 3; i++) await host.reset();
    assertEquals(await host.state(), { parties: 2, arrived: 0, phase: 0, broken: false });
    await passes(host, parties, 0);
    await watching;
  });

  check(".reset()", "takes back arrivals that nobody waits for", async (make) => {
    const { host, parties } = await make(2);
    await parties[0]!.arrive();
    await host.reset();
    assertEquals(await host.state(), { parties: 2, arrived: 0, phase: 0, broken: false });
    await passes(host, parties, 0);
  });

  check(".abort()", "leaves the first reason", async (make) => {
    const fixture = await make(3);
    const { host, parties: [a, b] } = fixture as Fixture & { parties: Three };
    isTimeout(await failure(a.wait({ timeout: 5 })));
    await host.abort("too late");
    isBroken(await failure(b.wait()), "timeout");
    await host.reset();
    await host.abort("first");
    await host.abort("second");
    isBroken(await failure(b.wait()), "aborted", "first");
  });

  check(".abort()", "tells how far the phase had come", async (make) => {
    const { host, parties } = await make(3);
    const [a, b, c] = parties as Three;
    await passes(host, [a, b, c], 0);
    const waiting = failure(a.wait());
    await reaches(host, { arrived: 1 });
    await b.arrive();
    await c.abort();
    for (const error of [await waiting, await failure(c.wait())]) {
      isBroken(error, "aborted");
      assertEquals(error.name, "BrokenBarrierError");
      assertEquals([error.phase, error.arrived, error.parties], [1, 2, 3]);
      const message = "Cannot pass phase 1 as the barrier must be unbroken: " +
        'current value is "aborted", 2 of 3 arrived';
      if (can.names) assertStringIncludes(error.message, message);
      else assertEquals(error.message, message);
    }
  });

  for (const disturb of ["abort", "reset"] as const) {
    check(`.${disturb}()`, "disturbs nobody once the last has arrived", async (make) => {
      const { host, parties } = await make(3);
      const [a, b, c] = parties as Three;
      for (let phase = 0; phase < 20; phase++) {
        const waiting = [a.wait({ timeout: 10_000 }), b.wait()];
        await reaches(host, { arrived: 2 });
        // The same party: in this order, and before the others need have woken.
        const [arrivedIn] = await Promise.all([c.arrive(), c[disturb]()]);
        assertEquals(arrivedIn, phase);
        assertEquals((await Promise.all(waiting)).sort(), [1, 2]);
        assertEquals(await host.state(), {
          parties: 3,
          arrived: 0,
          phase: phase + 1,
          broken: disturb === "abort",
        });
        await host.reset();
      }
    });
  }

  // Not waiting

  check(".arrive()", "counts without waiting, and gives the phase", async (make) => {
    const { host, parties } = await make(2);
    const [a, b] = parties as Three;
    for (let phase = 0; phase < 3; phase++) {
      assertEquals(await a.arrive(), phase);
      assertEquals((await host.state()).arrived, 1);
      assertEquals(await b.wait(), 0);
    }
  });

  check(".arrive()", "is a wait in two halves with waitFor()", async (make) => {
    const { host, parties } = await make(2);
    const [a, b] = parties as Three;
    const phase = await a.arrive();
    let passed = false;
    const watching = quiet(a.waitFor(phase).then(() => passed = true));
    for (let i = 0; i < 3; i++) await turn();
    assertEquals([passed, (await host.state()).arrived], [false, 1]);
    assertEquals(await b.wait(), 0);
    await watching;
  });

  check(".waitFor()", "ends when the phase has completed, past or to come", async (make) => {
    const { host, parties } = await make(2);
    const ended: number[] = [];
    const watching = [2, 0, 1].map((phase) =>
      quiet(host.waitFor(phase).then(() => ended.push(phase)))
    );
    for (let phase = 0; phase < 3; phase++) {
      await passes(host, parties, phase);
      await host.waitFor(phase);
      await parties[0]!.waitFor(phase, { timeout: 0 });
      await turn();
      assert(ended.every((watched) => watched <= phase), `${ended} ended in ${phase}`);
    }
    await Promise.all(watching);
    assertEquals(ended, [0, 1, 2]);
    await host.abort();
    await host.waitFor(2);
  });

  check(
    ".waitFor()",
    "breaks nothing when its timeout passes or its signal aborts",
    async (make) => {
      const { host, parties } = await make(2);
      const controller = new AbortController();
      const error = failure(host.waitFor(0, { signal: controller.signal }));
      isTimeout(await failure(host.waitFor(0, { timeout: 5 })));
      isTimeout(await failure(parties[1]!.waitFor(0, { timeout: 0 })));
      assertStrictEquals(await failure(host.waitFor(0, { signal: AbortSignal.abort(WHY) })), WHY);
      controller.abort(WHY);
      assertStrictEquals(await error, WHY);
      assertEquals(await host.state(), { parties: 2, arrived: 0, phase: 0, broken: false });
      await passes(host, parties, 0);
    },
  );

  check(".waitFor()", "fails when the barrier breaks or is broken", async (make) => {
    const { host, parties } = await make(2);
    const [a] = parties as Three;
    await a.arrive();
    const watching = [failure(host.waitFor(0)), failure(host.waitFor(5)), failure(a.waitFor(0))];
    await turn();
    await host.abort(WHY);
    for (const error of await Promise.all(watching)) isBroken(error, "aborted", WHY);
    isBroken(await failure(host.waitFor(0)), "aborted", WHY);
    isBroken(await failure(a.waitFor(0, { timeout: 0 })), "aborted", WHY);
    await host.reset();
    await passes(host, parties, 0);
  });

  check(".waitFor()", "fails when the phase it watches is reset", async (make) => {
    const { host, parties } = await make(2);
    await parties[0]!.arrive();
    const watching = failure(host.waitFor(0));
    await host.reset();
    isBroken(await watching, "reset");
    await passes(host, parties, 0);
  });

  check(".waitFor()", "refuses bad phases and options", async (make) => {
    const { host } = await make(2);
    for (const [phase, Refused] of BAD_NUMBERS) {
      if (phase !== 0) await refuses(() => host.waitFor(phase as number), Refused, "phase");
    }
    for (const [timeout, Refused] of BAD_TIMEOUTS) {
      await refuses(() => host.waitFor(0, { timeout: timeout as number }), Refused, "timeout");
    }
    await refuses(() => host.waitFor(0, { signal: {} as AbortSignal }), TypeError, "signal");
  });

  // More parties, and less

  check(".register()", "adds parties to the phase that is open", async (make) => {
    const fixture = await make(2);
    const { host, parties: [a, b] } = fixture as Fixture & { parties: Three };
    const waiting = a.wait();
    await reaches(host, { arrived: 1 });
    assertEquals(await host.register(2), 0);
    const [c, d] = [await fixture.join(), await fixture.join()];
    assertEquals(await host.state(), { parties: 4, arrived: 1, phase: 0, broken: false });
    const more = b.wait();
    await reaches(host, { arrived: 2, phase: 0 });
    const numbers = await Promise.all([waiting, more, c.wait(), d.wait()]);
    assertEquals(numbers.filter((number) => number === 0), [0]);
    if (can.renumber) assertEquals(numbers.sort(), [0, 1, 2, 3]);
    await passes(host, [a, b, c, d], 1);
    assertEquals(await host.register(), 2);
  });

  check(".register()", "counts for a barrier that is broken", async (make) => {
    const fixture = await make(1);
    const { host } = fixture;
    await host.abort();
    assertEquals(await host.register(), 0);
    const [a, b] = [fixture.parties[0]!, await fixture.join()];
    assertEquals(await host.state(), { parties: 2, arrived: 0, phase: 0, broken: true });
    await host.reset();
    await passes(host, [a, b], 0);
  });

  check(".register()", "refuses a bad count", async (make) => {
    const { host, parties } = await make(2);
    for (const [count, Refused] of BAD_NUMBERS) {
      await refuses(() => host.register(count as number), Refused, "count");
    }
    await refuses(() => host.register(adapter.most - 1), RangeError, "parties must be at most");
    assertEquals((await host.state()).parties, 2);
    await passes(host, parties, 0);
  });

  check(".arriveAndDrop()", "arrives, and later phases do without the party", async (make) => {
    const { host, parties } = await make(3);
    const [a, b, c] = parties as Three;
    assertEquals(await a.arriveAndDrop(), 0);
    assertEquals((await host.state()).parties, 2);
    assertEquals((await host.state()).phase, 0);
    await passes(host, [b, c], 0);
    await passes(host, [b, c], 1);
  });

  check(".arriveAndDrop()", "lets the others pass when it comes last", async (make) => {
    const { host, parties } = await make(3);
    const [a, b, c] = parties as Three;
    const waiting = [a.wait()];
    await reaches(host, { arrived: 1 });
    waiting.push(b.wait());
    await reaches(host, { arrived: 2 });
    assertEquals(await c.arriveAndDrop(), 0);
    assertEquals(await Promise.all(waiting), [2, 1]);
    await passes(host, [a, b], 1);
  });

  check(".arriveAndDrop()", "is taken back by nothing", async (make) => {
    const { host, parties } = await make(3);
    const [a, b, c] = parties as Three;
    await a.arriveAndDrop();
    await host.abort();
    isBroken(await failure(b.arriveAndDrop()), "aborted");
    assertEquals((await host.state()).parties, 2);
    await host.reset();
    await passes(host, [b, c], 0);
  });

  check(".arriveAndDrop()", "completes the phase for the last party of all", async (make) => {
    const fixture = await make(2);
    const { host, parties: [a, b] } = fixture as Fixture & { parties: Three };
    assertEquals(await a.arriveAndDrop(), 0);
    assertEquals(await b.arriveAndDrop(), 0);
    assertEquals(await host.state(), { parties: 0, arrived: 0, phase: 1, broken: false });
    assertEquals(await host.register(), 1);
    await passes(host, [await fixture.join()], 1);
  });

  // The action

  check("()", "runs the action once a phase, before anyone passes", async (make) => {
    const log: string[] = [];
    const { parties } = await make(3, { action: () => void log.push("action") });
    for (let phase = 0; phase < 5; phase++) {
      await Promise.all(parties.map((party) => party.wait().then(() => void log.push("passes"))));
      assertEquals(log.splice(0), ["action", "passes", "passes", "passes"]);
    }
    const [a, b, c] = parties as Three;
    await Promise.all([a.arrive(), b.arrive(), c.arrive()]);
    assertEquals(log.splice(0), ["action"]);
    await Promise.all([a.arrive(), b.arrive(), c.arriveAndDrop()]);
    assertEquals(log.splice(0), ["action"]);
  });

  check("()", "runs the action while all have arrived and none has passed", async (make) => {
    const seen: Promise<State>[] = [];
    const fixture = await make(3, { action: () => void seen.push(fixture.host.state()) });
    await passes(fixture.host, fixture.parties, 0);
    assertEquals(await Promise.all(seen), [{ parties: 3, arrived: 3, phase: 0, broken: false }]);
  });

  for (const arrive of ["wait", "arrive", "arriveAndDrop"] as const) {
    check(`.${arrive}()`, "breaks the barrier for all when the action throws", async (make) => {
      let fails = true;
      const action = () => {
        if (fails) throw new Error(BOOM);
      };
      const fixture = await make(3, { action });
      const { host, parties } = fixture;
      const [a, b, c] = parties as Three;
      const waiting = [failure(a.wait({ timeout: 10_000 })), failure(b.wait())];
      await reaches(host, { arrived: 2 });
      const error = await failure(c[arrive]());
      assertInstanceOf(error, Error);
      assertEquals(error.message, BOOM);
      for (const error of await Promise.all(waiting)) {
        isBroken(error, "action");
        assertEquals([error.phase, error.arrived], [0, error.parties]);
        if (can.cause === "value") assertEquals((error.cause as Error).message, BOOM);
      }
      await staysBroken(fixture, b, "action");
      await host.reset();
      fails = false;
      await passes(host, arrive === "arriveAndDrop" ? [a, b] : [a, b, c], 0);
    });
  }

  check(".abort()", "in the action lets the phase pass, and breaks the next", async (make) => {
    const fixture = await make(2, { action: () => void fixture.host.abort(WHY) });
    const { host, parties } = fixture;
    const numbers = await Promise.all(parties.map((party) => party.wait()));
    assertEquals(numbers.sort(), [0, 1]);
    assertEquals(await host.state(), { parties: 2, arrived: 0, phase: 1, broken: true });
    isBroken(await failure(parties[0]!.wait()), "aborted", WHY);
  });

  check(".reset()", "in the action disturbs nobody", async (make) => {
    const fixture = await make(2, { action: () => void fixture.host.reset() });
    for (let phase = 0; phase < 3; phase++) await passes(fixture.host, fixture.parties, phase);
  });

  // What they have in common

  /** Checks that an error is what a party gets when another broke the barrier. */
  function isBroken(
    error: unknown,
    reason: BreakReason,
    cause?: unknown,
  ): asserts error is BrokenBarrierError {
    assertInstanceOf(error, BrokenBarrierError);
    assertEquals(error.reason, reason);
    if (cause === undefined) {
      if (reason === "aborted") assertEquals("cause" in error, false);
    } else if (can.cause === "nothing") {
      assertEquals("cause" in error, false);
    } else {
      assertEquals(error.cause, can.cause === "value" ? cause : String(cause));
    }
  }

  /** Checks that a barrier is broken, and refuses all that may be asked of it until it is reset. */
  async function staysBroken(
    { host }: Fixture,
    party: Party,
    reason: BreakReason,
    cause?: unknown,
  ): Promise<void> {
    const { parties } = await host.state();
    await host.abort("too late");
    isBroken(await failure(party.wait()), reason, cause);
    isBroken(await failure(party.wait({ timeout: 0, onCancel: "withdraw" })), reason, cause);
    isBroken(await failure(party.arrive()), reason, cause);
    isBroken(await failure(party.arriveAndDrop()), reason, cause);
    isBroken(await failure(host.waitFor(0)), reason, cause);
    assertEquals(await host.state(), { parties, arrived: 0, phase: 0, broken: true });
  }
}

function isTimeout(error: unknown): asserts error is DOMException {
  assertInstanceOf(error, DOMException);
  assertEquals(error.name, "TimeoutError");
}

async function refuses(call: () => Promise<unknown>, Refused: Refusal, name: string) {
  const { message } = await assertRejects(call, Refused);
  assert(message.startsWith("Cannot ") && message.includes(name), message);
}

/** Checks that these are all whom the open phase needs. */
async function passes(host: Host, parties: readonly Party[], phase: number): Promise<void> {
  assertEquals(await host.state(), { parties: parties.length, arrived: 0, phase, broken: false });
  const numbers = await Promise.all(parties.map((party) => party.wait()));
  assertEquals(numbers.sort((a, b) => a - b), [...parties.keys()]);
  assertEquals((await host.state()).phase, phase + 1);
}

async function reaches(host: Host, expected: Partial<State>): Promise<void> {
  let state: State | undefined;
  const what = `${Deno.inspect(expected)}`;
  await until(async () => {
    state = await host.state();
    return Object.entries(expected).every(([name, value]) => state![name as "phase"] === value);
  }, what);
}
