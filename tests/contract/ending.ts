// Copyright 2026 the Rendezvous authors. MIT license.

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import type { BreakReason, BrokenBarrierError } from "../../barrier.ts";
import { failure, quiet, until } from "../_helpers/harness.ts";
import type { Abilities, Fixture, Party } from "./adapter.ts";
import {
  type Four,
  isRefused,
  isTimeout,
  makeHeld,
  nameOf,
  reaches,
  type Suite,
  type Three,
  type Told,
  WHY,
} from "./suite.ts";

/** How a party ends the phase for all others: one row each of the table in barrier.ts. */
interface Fault {
  member: string;
  when: string;
  needs?: Partial<Abilities>;
  reason: BreakReason;
  /** What the others are told, `who` being how a message calls the party. */
  what(who: string | undefined): string;
  cause?: string;
  /** Whether it has arrived when it breaks the phase. */
  arrives?: boolean;
  /** The party is gone then, and another must take its place. */
  gone?: boolean;
  /** Whether the others are told its name. */
  anonymous?: boolean;
  /** The barrier can be used at once. */
  usable?: boolean;
  /** What the party does or suffers, and what it gets for it. `ready` waits until it has arrived. */
  strike(fixture: Fixture, c: Party, ready: () => Promise<void>): Promise<void>;
}

const byTimeout = (who: string | undefined) => `${who ?? "a party"} timed out`;
const byAbort = (who: string | undefined) =>
  who === undefined ? `aborted: ${WHY}` : `aborted by ${who}: ${WHY}`;

const FAULTS: Fault[] = [
  {
    member: ".wait()",
    when: "its timeout passes",
    reason: "timeout",
    what: byTimeout,
    arrives: true,
    strike: async (_, c) => isTimeout(await failure(c.wait({ timeout: 10 }))),
  },
  {
    member: ".wait()",
    when: "its timeout of 0 ms passes",
    reason: "timeout",
    what: byTimeout,
    arrives: true,
    strike: async (_, c) => isTimeout(await failure(c.wait({ timeout: 0 }))),
  },
  {
    member: ".wait()",
    when: "its signal aborts while it waits",
    needs: { signal: true },
    reason: "aborted",
    what: byAbort,
    cause: WHY,
    arrives: true,
    strike: async (_, c, ready) => {
      const controller = new AbortController();
      const error = failure(c.wait({ signal: controller.signal }));
      await ready();
      controller.abort(WHY);
      assertStrictEquals(await error, WHY);
    },
  },
  {
    member: ".wait()",
    when: "its signal has aborted before",
    needs: { signal: true },
    reason: "aborted",
    what: byAbort,
    cause: WHY,
    strike: async (_, c) => {
      assertStrictEquals(await failure(c.wait({ signal: AbortSignal.abort(WHY) })), WHY);
    },
  },
  {
    member: ".abort()",
    when: "a party calls it",
    reason: "aborted",
    what: byAbort,
    cause: WHY,
    strike: (_, c) => c.abort(WHY),
  },
  {
    member: ".abort()",
    when: "the maker calls it, without a reason",
    reason: "aborted",
    what: () => "aborted",
    anonymous: true,
    strike: ({ host }) => host.abort(),
  },
  {
    member: ".reset()",
    when: "somebody calls it while some have arrived",
    reason: "reset",
    what: () => "it was reset",
    anonymous: true,
    usable: true,
    strike: async (_, c) => void await c.reset(),
  },
  {
    member: ".wait()",
    when: "a party is gone",
    needs: { lose: true },
    reason: "lost",
    what: (who) => `${who} is gone`,
    gone: true,
    strike: (fixture, c) => fixture.lose!(c),
  },
  {
    member: "[Symbol.dispose]()",
    when: "a party leaves its scope, even twice",
    needs: { dispose: true },
    reason: "aborted",
    what: (who) => `${who ?? "a handle"} was disposed`,
    gone: true,
    strike: async (_, c) => {
      await c.dispose();
      await c.dispose();
    },
  },
];

/** The table of what ends a phase, in barrier.ts. */
export function ending(suite: Suite): void {
  const { can } = suite;
  const check = suite.check.bind(suite);

  const toldOf = (fault: Fault, c: Party): Omit<Told, "arrived" | "parties"> => {
    const by = fault.anonymous ? undefined : nameOf(c);
    const who = by === undefined ? undefined : JSON.stringify(by);
    return { reason: fault.reason, what: fault.what(who), cause: fault.cause, by };
  };

  for (const fault of FAULTS) {
    const { member, when, needs = {}, arrives = false, gone = false, usable = false } = fault;

    check(member, `breaks the phase for all when ${when}`, async (make) => {
      const fixture = await make(4);
      const { host } = fixture;
      // The first party is who can be given a signal.
      const [c, a, b, d] = fixture.parties as Four;
      const waiting = [failure(a.wait()), failure(b.wait({ timeout: 60_000 }))];
      await reaches(host, { arrived: 2 });
      waiting.push(failure(host.waitFor(0)), failure(host.waitFor(3)));

      await fault.strike(fixture, c, () => reaches(host, { arrived: 3 }));
      const told: Told = {
        ...toldOf(fault, c),
        arrived: arrives ? 3 : 2,
        parties: 4,
        missing: arrives ? [d] : [c, d],
      };
      for (const error of await Promise.all(waiting)) suite.isBroken(error, told);

      if (!usable) {
        await suite.staysBroken(fixture, d, told);
        await host.reset(0);
      }
      await suite.passes(host, [a, b, gone ? await fixture.join() : c, d], 1);
      suite.isBroken(await failure(host.waitFor(0)), told);
    }, needs);

    check(member, `breaks both phases when ${when} while the action runs`, async (make) => {
      const end = Promise.withResolvers<void>();
      const signals: AbortSignal[] = [];
      quiet(end.promise);
      let hangs = true;
      const fixture = await make(4, {
        action: (signal) => {
          if (!hangs) return;
          signals.push(signal);
          return end.promise;
        },
      });
      const { host } = fixture;
      const [c, a, b, d] = fixture.parties as Four;
      const runs = () => until(() => signals.length === 1, "the action runs");
      const waiting = [failure(a.wait()), failure(b.wait({ timeout: 60_000 }))];
      await reaches(host, { arrived: 2 });
      await d.arrive();
      if (arrives) {
        // It arrives last. Its timeout may pass before the action has begun, which then does not.
        await fault.strike(fixture, c, runs);
      } else {
        await c.arrive();
        await runs();
        assertEquals(await d.arrive(), 1);
        waiting.push(failure(host.waitFor(0)));
        await fault.strike(fixture, c, runs);
      }
      hangs = false;

      const told: Told = { ...toldOf(fault, c), arrived: 4, parties: 4 };
      waiting.push(failure(host.waitFor(0)), failure(d.waitFor(0)));
      for (const error of await Promise.all(waiting)) suite.isBroken(error, told);
      // A watcher of the phase behind is told of either: both broke, for the same reason.
      for (const error of [await failure(host.waitFor(1)), await failure(d.waitFor(1))]) {
        const { phase } = error as BrokenBarrierError;
        assert(phase === 0 || phase === 1);
        suite.isBroken(error, { ...told, phase });
      }
      for (const signal of signals) {
        await until(() => signal.aborted, "its signal");
        suite.isBroken(signal.reason, told);
      }
      if (!usable) {
        suite.isBroken(await failure(d.wait()), told);
        suite.isBroken(await failure(d.arrive()), told);
        await host.reset(1);
      }
      // What the action does now changes nothing.
      end.reject(new Error("too late"));
      suite.isBroken(await failure(host.waitFor(0)), told);
      suite.isBroken(await failure(host.waitFor(1)), { ...told, phase: 1 });
      await suite.passes(host, [a, b, gone ? await fixture.join() : c, d], 2);
    }, needs);
  }

  // Withdrawing

  /** `arrived` waits until the party has arrived. */
  type Cancel = (c: Party, arrived: () => Promise<void>) => Promise<void>;
  const byTimer: Cancel = async (c) => {
    isTimeout(await failure(c.wait({ timeout: 5, onCancel: "withdraw" })));
  };
  const bySignal: Cancel = async (c, arrived) => {
    const controller = new AbortController();
    const error = failure(c.wait({ signal: controller.signal, onCancel: "withdraw" }));
    await arrived();
    controller.abort(WHY);
    assertStrictEquals(await error, WHY);
  };
  const before: Cancel = async (c) => {
    const signal = AbortSignal.abort(WHY);
    assertStrictEquals(await failure(c.wait({ signal, onCancel: "withdraw" })), WHY);
  };
  const cancellations: [string, Cancel, Partial<Abilities>][] = [
    ["its timeout passes", byTimer, {}],
    ["its signal aborts while it waits", bySignal, { signal: true }],
    ["its signal has aborted before", before, { signal: true }],
  ];
  for (const [when, cancel, needs] of cancellations) {
    check(".wait()", `that is to withdraw disturbs nobody when ${when}`, async (make) => {
      const { host, parties } = await make(3);
      const [c, a, b] = parties as Three;
      const waiting = a.wait();
      await reaches(host, { arrived: 1 });
      for (let i = 0; i < 2; i++) {
        await cancel(c, () => reaches(host, { arrived: 2 }));
        const missing = can.names ? [c.name!, b.name!] : [];
        const state = { parties: 3, arrived: 1, phase: 0, broken: false, missing };
        assertEquals(await host.state(), state);
      }
      const numbers = [waiting, b.wait()];
      await reaches(host, { arrived: 2 });
      numbers.push(c.wait());
      assertEquals(await Promise.all(numbers), [2, 1, 0]);
      await suite.passes(host, parties, 1);
    }, needs);

    check(
      ".wait()",
      `that is to withdraw does so from a full phase behind an action when ${when}`,
      async (make) => {
        const { host, parties, ends } = await makeHeld(make, 2);
        const [c, a] = parties as Three;
        await a.arrive();
        await c.arrive();
        await a.arrive();
        // A party that waits without blocking has arrived at once.
        await cancel(c, () => Promise.resolve());
        assertEquals((await host.state()).broken, false);
        assertEquals(await c.arrive(), 1);
        await until(() => ends.length === 1, "the first action");
        ends[0]!.resolve();
        await host.waitFor(0);
        await until(() => ends.length === 2, "the second action");
        ends[1]!.resolve();
        await a.waitFor(1);
      },
      needs,
    );
  }

  for (const [when, cancel, needs] of cancellations.slice(0, 2)) {
    check(
      ".wait()",
      `that is to withdraw breaks its phase when ${when} in its action`,
      async (make) => {
        const { host, parties, ends } = await makeHeld(make, 3);
        const [c, a, b] = parties as Three;
        const waiting = [failure(a.wait()), failure(host.waitFor(0))];
        await reaches(host, { arrived: 1 });
        await b.arrive();
        await cancel(c, () => until(() => ends.length === 1, "the action runs"));
        const aborted = cancel === bySignal;
        const who = c.name && JSON.stringify(c.name);
        const told: Told = {
          reason: aborted ? "aborted" : "timeout",
          what: aborted ? byAbort(who) : byTimeout(who),
          by: c,
          cause: aborted ? WHY : undefined,
          arrived: 3,
          parties: 3,
        };
        for (const error of await Promise.all(waiting)) suite.isBroken(error, told);
        await suite.staysBroken({ host } as Fixture, b, told);
        await host.reset();
        assertEquals((await host.state()).phase, 2);
      },
      needs,
    );
  }

  // The first decides, for everybody

  check(".abort()", "leaves the first reason", async (make) => {
    const { host, parties } = await make(3);
    const [a, b] = parties as Three;
    isTimeout(
      await failure(a.wait({ timeout: 5 })),
      "Phase 0 timed out after 5 ms (1 of 3 arrived" + (can.names ? ', missing "b", "c")' : ")"),
    );
    await host.abort("too late");
    const { reason } = await failure(b.wait()) as BrokenBarrierError;
    assertEquals(reason, "timeout");
    await host.reset();
    await host.abort("first");
    await host.abort("second");
    const { cause } = await failure(b.wait()) as BrokenBarrierError;
    assertEquals(cause, "first");
  });

  check(".wait()", "is told of abort(), though its signal aborts after that", async (make) => {
    const { host, parties } = await make(3);
    const controller = new AbortController();
    const options = { signal: controller.signal, timeout: 60_000 };
    const waiting = failure(parties[0]!.wait(options));
    await reaches(host, { arrived: 1 });
    await host.abort(WHY);
    controller.abort("mine");
    const missing = ["b", "c"];
    const told: Told = {
      reason: "aborted",
      what: byAbort(undefined),
      cause: WHY,
      arrived: 1,
      parties: 3,
      missing,
    };
    suite.isBroken(await waiting, told);
  }, { signal: true });

  check(".wait()", "gives each party its reason where they share a signal", async (make) => {
    const { host, parties } = await make(4);
    const [a, b, c] = parties as Three;
    const controller = new AbortController();
    const { signal } = controller;
    // The first and the third can be given a signal.
    const shared = [failure(a.wait({ signal })), failure(c.wait({ signal, timeout: 60_000 }))];
    await reaches(host, { arrived: 2 });
    const other = failure(b.wait());
    await reaches(host, { arrived: 3 });
    controller.abort(WHY);
    for (const error of await Promise.all(shared)) assertStrictEquals(error, WHY);
    const { reason, cause } = await other as BrokenBarrierError;
    assertEquals([reason, cause], ["aborted", WHY]);
  }, { signal: true });

  for (const disturb of ["abort", "reset"] as const) {
    check(`.${disturb}()`, "disturbs nobody once the last has arrived", async (make) => {
      const { host, parties } = await make(3);
      const [a, b, c] = parties as Three;
      for (let phase = 0; phase < 20; phase++) {
        const { phase: open } = await host.state();
        const waiting = [a.wait({ timeout: 60_000 }), b.wait()];
        await reaches(host, { arrived: 2 });
        // The same party: in this order, and before the others need have woken.
        const [arrivedIn] = await Promise.all([c.arrive(), c[disturb]()]);
        assertEquals(arrivedIn, open);
        assertEquals((await Promise.all(waiting)).sort(), [1, 2]);
        await host.waitFor(open);
        const state = await host.state();
        assertEquals([state.phase, state.broken], [open + 1, disturb === "abort"]);
        await host.reset();
      }
    });
  }

  check("[Symbol.dispose]()", "disturbs nobody once the last has arrived", async (make) => {
    const { host, parties } = await make(3);
    const [a, b, c] = parties as Three;
    const waiting = [a.wait({ timeout: 60_000 }), b.wait()];
    await reaches(host, { arrived: 2 });
    await Promise.all([c.arrive(), c.dispose()]);
    assertEquals((await Promise.all(waiting)).sort(), [1, 2]);
    await c.waitFor(0);
    assertEquals((await failure(a.wait()) as BrokenBarrierError).phase, 1);
    await host.dispose();
    await a.waitFor(0);
    await c.waitFor(0);
  }, { dispose: true });

  // The end of the barrier

  check("[Symbol.dispose]()", "of the maker's handle ends the barrier for good", async (make) => {
    const fixture = await make(3);
    const { host, parties } = fixture;
    const [a, b, c] = parties as Three;
    await suite.passes(host, parties, 0);
    const waiting = [failure(a.wait()), failure(host.waitFor(1)), failure(host.waitFor(9))];
    await reaches(host, { arrived: 1 });
    await host.dispose();
    await host.dispose();
    const told: Told = {
      reason: "aborted",
      what: suite.adapter.over ?? "the barrier was disposed",
      phase: 1,
      arrived: 1,
      parties: 3,
      missing: [b, c],
    };
    for (const error of await Promise.all(waiting)) suite.isBroken(error, told);
    for (const handle of [host, b]) {
      await handle.waitFor(0);
      suite.isBroken(await failure(handle.waitFor(1)), told);
      await handle.abort("nothing happens");
      suite.isBroken(await failure(handle.waitFor(1)), told);
    }
    const missing = can.names ? ["b", "c"] : [];
    const state = { parties: 3, arrived: 1, phase: 1, broken: true, missing };
    for (const handle of [host, c]) assertEquals(await handle.state(), state);

    const over = can.names || can.dispose ? "over" : "";
    const calls = [
      () => b.wait(),
      () => b.wait({ timeout: 0, onCancel: "withdraw" }),
      () => b.arrive(),
      () => b.arriveAndDrop(),
      () => b.register(),
      () => b.reset(),
      () => b.reset(1, { dropLost: true }),
      () => b.ready(),
    ];
    for (const call of calls) await isRefused(call(), over);
    const others = [() => host.register(), () => host.reset(), () => host.ready()];
    for (const call of can.names ? [...others, () => fixture.join()] : others) {
      await isRefused(call(), "");
    }
    if (host.expect !== undefined) await isRefused(host.expect("z", Promise.resolve()), "");
    await b.dispose();
    await c.dispose();
    assertEquals(await host.state(), state);
  }, { maker: true });

  check(
    "[Symbol.dispose]()",
    "of the maker's handle leaves what broke its reason",
    async (make) => {
      const { host, parties } = await make(2);
      const [a, b] = parties as Three;
      await a.ready();
      const waiting = failure(b.wait());
      await reaches(host, { arrived: 1 });
      await host.abort(WHY);
      await waiting;
      await host.dispose();
      assertEquals((await failure(a.waitFor(0)) as BrokenBarrierError).reason, "aborted");
      const { phase, broken } = await host.state();
      assertEquals([phase, broken], [1, true]);
      await isRefused(b.wait(), can.names || can.dispose ? "over" : "");
      const error = await failure(a.waitFor(1)) as BrokenBarrierError;
      assertEquals([error.phase, error.cause], [1, undefined]);
    },
    { maker: true },
  );
}
