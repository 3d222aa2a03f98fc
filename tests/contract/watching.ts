// Copyright 2026 the Rendezvous authors. MIT license.

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import type { BrokenBarrierError, WaitForOptions } from "../../barrier.ts";
import { failure, quiet, turn } from "../_helpers/harness.ts";
import type { Fixture } from "./adapter.ts";
import {
  BAD_NUMBERS,
  BAD_OPTIONS,
  BAD_SIGNALS,
  BAD_TIMEOUTS,
  isRefused,
  isTimeout,
  reaches,
  type Refusal,
  refuses,
  type Suite,
  type Three,
  type Told,
  WHY,
} from "./suite.ts";

/** `arrive()`, `waitFor()`, `ready()`, and what is known of phases that are over. */
export function watching(suite: Suite): void {
  const { can } = suite;
  const check = suite.check.bind(suite);

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

  check(".arrive()", "whose phase another resets is told by waitFor()", async (make) => {
    const { host, parties } = await make(2);
    const [a, b] = parties as Three;
    const phase = await a.arrive();
    await host.reset();
    const told: Told = {
      reason: "reset",
      what: "it was reset",
      arrived: 1,
      parties: 2,
      missing: [b],
    };
    suite.isBroken(await failure(a.waitFor(phase)), told);
    await suite.passes(host, parties, 1);
    suite.isBroken(await failure(a.waitFor(phase)), told);
  });

  check(".waitFor()", "ends when the phase has passed, past or to come", async (make) => {
    const { host, parties } = await make(2);
    const ended: number[] = [];
    const watching = [2, 0, 1].map((phase) =>
      quiet(host.waitFor(phase).then(() => ended.push(phase)))
    );
    for (let phase = 0; phase < 3; phase++) {
      await suite.passes(host, parties, phase);
      await host.waitFor(phase);
      await parties[0]!.waitFor(phase, { timeout: 0 });
      await turn();
      assert(ended.every((watched) => watched <= phase), `${ended} ended in ${phase}`);
    }
    await Promise.all(watching);
    assertEquals(ended, [0, 1, 2]);
    await host.abort();
    await host.waitFor(2);
    await host.reset();
    await host.waitFor(2);
  });

  check(".waitFor()", "takes undefined for an option that is not given", async (make) => {
    const { host, parties } = await make(1);
    const watching = host.waitFor(0, { timeout: undefined, signal: undefined });
    await parties[0]!.arrive();
    await watching;
    await host.waitFor(0, undefined);
    await host.ready(undefined);
    await host.ready({ timeout: undefined, signal: undefined });
  });

  check(
    ".waitFor()",
    "breaks nothing when its timeout passes or its signal aborts",
    async (make) => {
      const { host, parties } = await make(2);
      const controller = new AbortController();
      const error = failure(host.waitFor(0, { signal: controller.signal }));
      const missing = can.names ? ', missing "a", "b"' : "";
      const message = `Phase 0 timed out after 5 ms (0 of 2 arrived${missing})`;
      isTimeout(await failure(host.waitFor(0, { timeout: 5 })), message);
      isTimeout(await failure(parties[1]!.waitFor(0, { timeout: 0 })));
      assertStrictEquals(await failure(host.waitFor(0, { signal: AbortSignal.abort(WHY) })), WHY);
      controller.abort(WHY);
      assertStrictEquals(await error, WHY);
      await suite.passes(host, parties, 0);
      // What has ended is told, whatever its signal.
      await host.waitFor(0, { signal: AbortSignal.abort(WHY) });
    },
  );

  check(".waitFor()", "of a later phase fails as soon as one before it breaks", async (make) => {
    const { host, parties } = await make(2);
    const [a] = parties as Three;
    const before = failure(host.waitFor(2));
    await suite.passes(host, parties, 0);
    await a.arrive();
    const watching = [before, failure(host.waitFor(1)), failure(host.waitFor(5))];
    await turn();
    await host.abort(WHY);
    const told: Told = {
      reason: "aborted",
      what: `aborted: ${WHY}`,
      cause: WHY,
      phase: 1,
      arrived: 1,
      parties: 2,
      missing: ["b"],
    };
    for (const error of await Promise.all(watching)) suite.isBroken(error, told);
    suite.isBroken(await failure(host.waitFor(9)), told);
    await host.reset();
    // That break is over: a later phase is not hit by it.
    const later = host.waitFor(2);
    await suite.passes(host, parties, 2);
    await later;
  });

  check(".waitFor()", "refuses bad phases and options", async (make) => {
    const { host } = await make(2);
    for (const [phase, Refused] of BAD_NUMBERS) {
      if (phase !== 0) await refuses(() => host.waitFor(phase as number), Refused, "phase");
    }
    await refuses(() => host.waitFor(undefined as never), TypeError, "phase");
    const bad: [unknown, Refusal, string][] = [
      ...BAD_TIMEOUTS.map(([timeout, Refused]) => [{ timeout }, Refused, "timeout"] as never),
      ...BAD_SIGNALS.map((signal) => [{ signal }, TypeError, "signal"] as never),
      ...BAD_OPTIONS.map((options) => [options, TypeError, "options"] as never),
    ];
    for (const [options, Refused, name] of bad) {
      await refuses(() => host.waitFor(0, options as WaitForOptions), Refused, name);
      await refuses(() => host.ready(options as WaitForOptions), Refused, name);
    }
  });

  check(".waitFor()", "is open to a party that has dropped or was disposed", async (make) => {
    const { host, parties } = await make(3);
    const [a, b, c] = parties as Three;
    await a.arriveAndDrop();
    const { arrived, parties: count } = await a.state();
    assertEquals([arrived, count], [0, 2]);
    await Promise.all([b.wait(), c.wait()]);
    await a.waitFor(0);
    await b.dispose();
    assertEquals((await b.state()).broken, true);
    await b.waitFor(0);
    assertEquals((await failure(b.waitFor(1)) as BrokenBarrierError).reason, "aborted");
    await isRefused(b.ready(), '"b" was disposed');
    await isRefused(b.register(), '"b" was disposed');
    await isRefused(b.reset(), '"b" was disposed');
    await host.reset();
    await b.abort();
    assertEquals((await host.state()).broken, false);
    await b.waitFor(0);
  }, { names: true });

  // What is over

  check(".waitFor()", "knows the outcome of a phase for ever", async (make) => {
    const { host, parties } = await make(2);
    const [a] = parties as Three;
    // Every third breaks: 15 of 45, and so none is forgotten.
    const outcomes: string[] = [];
    for (let phase = 0; phase < 15; phase++) {
      if (phase % 3 === 0) {
        await a.arrive();
        if (phase % 2 === 0) await host.abort(`why ${phase}`);
        await host.reset();
        outcomes.push(phase % 2 === 0 ? "aborted" : "reset");
      } else {
        await suite.passes(host, parties, phase);
        outcomes.push("passed");
      }
    }
    for (const handle of [host, ...parties]) {
      for (const [phase, outcome] of outcomes.entries()) {
        const error = await handle.waitFor(phase).then(() => undefined, (error) => error);
        assertEquals(error?.reason ?? "passed", outcome);
        if (error !== undefined) {
          assertEquals([error.name, error.phase], ["BrokenBarrierError", phase]);
        }
      }
    }
    for (let phase = 15; phase < 60; phase++) await suite.passes(host, parties, phase);
    for (const [phase, outcome] of outcomes.entries()) {
      const told = await host.waitFor(phase).then(() => "passed", ({ reason }) => reason);
      assertEquals(told, outcome);
    }
    for (let phase = 15; phase < 60; phase++) await host.waitFor(phase);
  });

  check(".waitFor()", "says so where it is no longer known how a phase ended", async (make) => {
    const { host, parties } = await make(2);
    const [a] = parties as Three;
    const watching = failure(host.waitFor(40));
    // Phase 0 passes, 1 to 40 break.
    await suite.passes(host, parties, 0);
    for (let phase = 1; phase <= 40; phase++) {
      await a.arrive();
      if (phase % 2 === 0) await host.reset();
      else {
        await host.abort();
        await host.reset(phase);
      }
    }
    assertEquals((await watching as BrokenBarrierError).phase, 1);
    let forgotten = 0;
    for (let phase = 0; phase <= 40; phase++) {
      const error = await failure(host.waitFor(phase));
      if (error instanceof RangeError) {
        const message = `The outcome of phase ${phase} is no longer known: it ended too long ago`;
        assertEquals(error.message, message);
        assert(phase <= 24, `${phase} is forgotten`);
        forgotten++;
      } else {
        const { reason, phase: broken } = error as BrokenBarrierError;
        assertEquals([reason, broken], [phase % 2 === 0 ? "reset" : "aborted", phase]);
      }
    }
    assert(forgotten > 0, "nothing was forgotten");
    await suite.passes(host, parties, 41);
  });

  check(".phase", "counts on through every break, and is never used again", async (make) => {
    const { host, parties } = await make(2);
    const [a, b] = parties as Three;
    const phases: number[] = [];
    for (let i = 0; i < 10; i++) {
      phases.push(await a.arrive());
      if (i % 2 === 0) await b.arrive();
      else await host.reset();
    }
    assertEquals(phases, [...Array(10).keys()]);
  });

  // Being usable

  check(
    ".ready()",
    "ends at once unless the barrier is broken, else when it is reset",
    async (make) => {
      const { host, parties } = await make(2);
      await host.ready();
      await parties[1]!.ready();
      await host.abort();
      let ready = 0;
      const waiting = [host.ready(), parties[1]!.ready({ timeout: 60_000 })];
      for (const promise of waiting) promise.then(() => ready++);
      for (let i = 0; i < 3; i++) await turn();
      assertEquals(ready, 0);
      await host.reset();
      await Promise.all(waiting);
      await suite.passes(host, parties, 1);
    },
  );

  check(".ready()", "breaks nothing when its timeout passes or its signal aborts", async (make) => {
    const { host, parties } = await make(2);
    await host.abort(WHY);
    const controller = new AbortController();
    const error = failure(host.ready({ signal: controller.signal }));
    isTimeout(await failure(host.ready({ timeout: 5 })));
    isTimeout(await failure(parties[1]!.ready({ timeout: 0 })));
    assertStrictEquals(await failure(host.ready({ signal: AbortSignal.abort(WHY) })), WHY);
    controller.abort(WHY);
    assertStrictEquals(await error, WHY);
    const told: Told = {
      reason: "aborted",
      what: `aborted: ${WHY}`,
      cause: WHY,
      arrived: 0,
      parties: 2,
      missing: ["a", "b"],
    };
    await suite.staysBroken({ host } as Fixture, parties[0]!, told);
    await host.reset();
    await host.ready({ timeout: 0 });
    await suite.passes(host, parties, 1);
  });

  check(".ready()", "fails when the barrier ends", async (make) => {
    const { host, parties } = await make(2);
    await host.abort();
    const ready = failure(parties[0]!.ready());
    await turn();
    await host.dispose();
    await isRefused(ready.then((error) => Promise.reject(error)), can.dispose ? "over" : "");
  }, { maker: true });

  // Mending

  check(".reset()", "of a barrier at which nobody has arrived ends no phase", async (make) => {
    const { host, parties } = await make(2);
    const watching = host.waitFor(0);
    for (let i = 0; i < 3; i++) await host.reset();
    await suite.passes(host, parties, 0);
    await watching;
    await parties[0]!.reset();
    await suite.passes(host, parties, 1);
  });

  check(
    ".reset(phase)",
    "mends that break only, so two who mend do not undo each other",
    async (make) => {
      const { host, parties } = await make(3);
      const [a, b] = parties as Three;
      const errors = [failure(a.wait()), failure(b.wait())];
      await reaches(host, { arrived: 2 });
      await host.abort();
      const [mine, yours] = await Promise.all(errors) as BrokenBarrierError[];
      await a.reset(mine!.phase);
      const again = a.wait();
      await reaches(host, { phase: 1, arrived: 1 });
      await host.reset(yours!.phase);
      const { arrived, phase, broken } = await host.state();
      assertEquals([arrived, phase, broken], [1, 1, false]);
      // Nor does it mend what broke since, or hit the phase that is open.
      await host.reset(1);
      await host.reset(7);
      assertEquals((await host.state()).arrived, 1);
      await b.abort();
      await failure(again);
      await host.reset(0);
      await host.reset(2);
      assertEquals((await host.state()).broken, true);
      await host.reset(1);
      await suite.passes(host, parties, 2);
    },
  );

  for (const phase of [0, 1]) {
    check(`.reset(${phase})`, "mends both phases that broke in an action", async (make) => {
      let fails = true;
      const action = () => {
        if (fails) throw new Error(WHY);
      };
      const { host, parties } = await make(1, { action });
      await failure(parties[0]!.wait());
      fails = false;
      await host.reset(2);
      assertEquals((await host.state()).broken, true);
      await host.reset(phase);
      assertEquals((await host.state()).broken, false);
      await host.reset(1 - phase);
      await suite.passes(host, parties, 2);
    });
  }

  check(".reset()", "refuses bad phases and options", async (make) => {
    const { host, parties } = await make(2);
    await host.abort();
    for (const [phase, Refused] of BAD_NUMBERS) {
      if (phase !== 0) await refuses(() => host.reset(phase as number), Refused, "phase");
    }
    for (const dropLost of [null, 1, "yes"]) {
      const options = { dropLost: dropLost as never };
      await refuses(() => host.reset(undefined, options), TypeError, "dropLost");
    }
    for (const options of BAD_OPTIONS) {
      await refuses(() => host.reset(undefined, options as object), TypeError, "options");
    }
    assertEquals((await host.state()).broken, true);
    await host.reset(undefined, { dropLost: undefined });
    await suite.passes(host, parties, 1);
  });
}
