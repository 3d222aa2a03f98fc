// Copyright 2026 the Rendezvous authors. MIT license.

import { assert, assertEquals, assertFalse } from "@std/assert";
import type { BrokenBarrierError } from "../../barrier.ts";
import { failure, turn, UnhandledRejections, until } from "../_helpers/harness.ts";
import type { Fixture, State } from "./adapter.ts";
import { isRefused, makeHeld, reaches, type Suite, type Three, type Told, WHY } from "./suite.ts";

/** The action of the barrier. */
export function action(suite: Suite): void {
  const check = suite.check.bind(suite);

  check("()", "runs the action once a phase, before anyone passes", async (make) => {
    const log: string[] = [];
    const { host, parties } = await make(3, { action: () => void log.push("action") });
    for (let phase = 0; phase < 5; phase++) {
      await Promise.all(parties.map((party) => party.wait().then(() => void log.push("passes"))));
      assertEquals(log.splice(0), ["action", "passes", "passes", "passes"]);
    }
    const [a, b, c] = parties as Three;
    await Promise.all([a.arrive(), b.arrive(), c.arrive()]);
    await host.waitFor(5);
    assertEquals(log.splice(0), ["action"]);
    await Promise.all([a.arrive(), b.arrive(), c.arriveAndDrop()]);
    await host.waitFor(6);
    assertEquals(log.splice(0), ["action"]);
  });

  check("()", "runs the action while all have arrived and none has passed", async (make) => {
    const seen: Promise<State>[] = [];
    const fixture: Fixture = await make(3, {
      action: async () => {
        const state = fixture.host.state();
        seen.push(state);
        await state;
      },
    });
    const { host, parties } = fixture;
    await suite.passes(host, parties, 0);
    const state = { parties: 3, arrived: 3, phase: 0, broken: false, missing: [] };
    assertEquals(await Promise.all(seen), [state]);
  });

  check("()", "runs the action whoever comes last", async (make) => {
    let calls = 0;
    const { host, parties } = await make(3, { action: () => void calls++ });
    for (let phase = 0; phase < 30; phase++) {
      const last = parties[phase % 3]!;
      const others = [0, 1, 2].filter((i) => i !== phase % 3).map((i) => parties[i]!);
      for (const party of others) await party.arrive();
      await last.wait();
      await host.waitFor(phase);
      assertEquals(calls, phase + 1);
    }
  });

  check("()", "counts the phase of who withdraws behind a running action", async (make) => {
    const end = Promise.withResolvers<void>();
    const { host, parties } = await make(2, { action: () => end.promise });
    const [a, b] = parties as Three;
    await Promise.all([a.arrive(), b.arrive()]);
    const error = await failure(a.wait({ timeout: 0, onCancel: "withdraw" }));
    const missing = b.name === undefined ? "" : `, missing ${JSON.stringify(b.name)}`;
    assertEquals(
      (error as Error).message,
      `Phase 1 timed out after 0 ms (1 of 2 arrived${missing})`,
    );
    end.resolve();
    await host.waitFor(0);
    await suite.passes(host, parties, 1);
  });

  check("()", "lets nobody pass before its async action has ended", async (make) => {
    const end = Promise.withResolvers<void>();
    const signals: AbortSignal[] = [];
    const action = (signal: AbortSignal) => {
      signals.push(signal);
      return end.promise;
    };
    const { host, parties } = await make(2, { action });
    const [a, b] = parties as Three;
    let passed = 0;
    const waiting = [a.wait(), b.wait({ timeout: 60_000 }), host.waitFor(0)];
    for (const promise of waiting) promise.then(() => passed++);
    await until(() => signals.length === 1, "the action runs");
    for (let i = 0; i < 5; i++) await turn();
    const state = { parties: 2, arrived: 2, phase: 0, broken: false, missing: [] };
    assertEquals([passed, await host.state()], [0, state]);
    end.resolve();
    const numbers = await Promise.all(waiting);
    assertEquals(numbers.slice(0, 2).sort(), [0, 1]);
    assertFalse(signals[0]!.aborted);
    await suite.passes(host, parties, 1);
  });

  check("()", "takes one phase behind a running action, and no more", async (make) => {
    const { host, parties, ends } = await makeHeld(make, 2);
    const [a, b] = parties as Three;
    assertEquals([await a.arrive(), await b.arrive()], [0, 0]);
    assertEquals([await a.arrive(), await b.arrive()], [1, 1]);
    // Where parties have names, they have arrived in it.
    const message = suite.can.names
      ? "has arrived in phase 1 already"
      : "Phase 1 is full: the action of phase 0 still runs";
    for (const call of [() => a.arrive(), () => a.wait(), () => b.arriveAndDrop()]) {
      await isRefused(call(), message);
    }
    await until(() => ends.length === 1, "the first action");
    ends[0]!.resolve();
    await host.waitFor(0);
    await until(() => ends.length === 2, "the second action");
    const { phase, arrived } = await host.state();
    assertEquals([phase, arrived], [1, 2]);
    assertEquals(await a.arrive(), 2);
    ends[1]!.resolve();
    await b.waitFor(1);
    await reaches(host, { phase: 2, arrived: 1 });
  });

  check("()", "runs for a phase in which the last parties drop behind another's", async (make) => {
    const { host, parties, ends } = await makeHeld(make, 2);
    const [a, b] = parties as Three;
    await Promise.all([a.arrive(), b.arrive()]);
    await until(() => ends.length === 1, "the first action");
    assertEquals([await a.arriveAndDrop(), await b.arriveAndDrop()], [1, 1]);
    const { parties: left, arrived, phase, broken } = await host.state();
    assertEquals([left, arrived, phase, broken], [0, 0, 0, false]);
    const ended = host.waitFor(1);
    ends[0]!.resolve();
    await until(() => ends.length === 2, "the second action");
    ends[1]!.resolve();
    await ended;
    await reaches(host, { phase: 2, arrived: 0 });
    assertEquals(ends.length, 2);
  }, { maker: true });

  check(".register()", "opens a phase again that all have left", async (make) => {
    const end = Promise.withResolvers<void>();
    let runs = 0;
    const action = () => ++runs === 1 ? end.promise : undefined;
    const { host, parties } = await make(2, { action });
    const [a, b] = parties as Three;
    await Promise.all([a.arrive(), b.arrive()]);
    await until(() => runs === 1, "the action");
    assertEquals([await a.arriveAndDrop(), await b.arriveAndDrop()], [1, 1]);
    assertEquals(await host.register(1), 1);
    end.resolve();
    await reaches(host, { phase: 1, arrived: 0 });
    assertEquals([(await host.state()).parties, runs], [1, 1]);
  }, { maker: true, register: true });

  for (const how of ["throws", "rejects", "gives what throws"] as const) {
    check("()", `breaks the phase for all when the action ${how}`, async (make) => {
      let fails = true;
      const action = () => {
        if (!fails) return;
        if (how === "rejects") return Promise.reject(new Error(WHY));
        if (how === "gives what throws") {
          return {
            get then(): never {
              throw new Error(WHY);
            },
          };
        }
        throw new Error(WHY);
      };
      const fixture = await make(3, { action });
      const { host, parties } = fixture;
      const [a, b, c] = parties as Three;
      const waiting = [failure(a.wait({ timeout: 60_000 })), failure(b.wait())];
      waiting.push(failure(host.waitFor(0)));
      await reaches(host, { arrived: 2 });
      waiting.push(failure(c.wait()));
      for (const error of await Promise.all(waiting)) {
        const { reason, phase, arrived, parties, missing, party, message, cause } =
          error as BrokenBarrierError;
        assertEquals({ reason, phase, arrived, parties, missing, party, message }, {
          reason: "action",
          phase: 0,
          arrived: 3,
          parties: 3,
          missing: [],
          party: undefined,
          message: `Phase 0 broke: its action threw: ${WHY} (3 of 3 arrived)`,
        });
        // The value itself where that can be, else its text.
        assertEquals(cause instanceof Error ? cause.message : cause, WHY);
      }
      fails = false;
      for (const call of [() => a.wait(), () => b.arrive(), () => c.arriveAndDrop()]) {
        assertEquals((await failure(call()) as BrokenBarrierError).reason, "action");
      }
      await host.reset(0);
      await suite.passes(host, parties, 2);
      // The phase behind it broke too, though nobody had arrived there.
      for (const phase of [0, 1]) {
        const error = await failure(host.waitFor(phase)) as BrokenBarrierError;
        assertEquals([error.reason, error.phase], ["action", phase]);
      }
    });
  }

  check(".arrive()", "does not report the action's failure, waitFor() does", async (make) => {
    using unhandled = new UnhandledRejections();
    const action = () => {
      throw new Error(WHY);
    };
    const { host, parties } = await make(2, { action });
    const [a, b] = parties as Three;
    assertEquals(await a.arrive(), 0);
    assertEquals(await b.arriveAndDrop(), 0);
    assertEquals((await failure(host.waitFor(0)) as BrokenBarrierError).reason, "action");
    assertEquals((await failure(b.waitFor(0)) as BrokenBarrierError).reason, "action");
    await host.reset();
    assertEquals((await host.state()).parties, 1);
    await turn();
    assertEquals(unhandled.reasons, []);
  });

  check(".abort()", "in the action breaks its phase", async (make) => {
    const fixture: Fixture = await make(2, { action: () => fixture.host.abort(WHY) });
    const { host, parties } = fixture;
    const [a, b] = parties as Three;
    const errors = [failure(a.wait()), failure(b.wait())];
    const told: Told = {
      reason: "aborted",
      what: `aborted: ${WHY}`,
      cause: WHY,
      arrived: 2,
      parties: 2,
    };
    for (const error of await Promise.all(errors)) suite.isBroken(error, told);
    await host.reset();
    suite.isBroken(await failure(host.waitFor(1)), { ...told, phase: 1 });
  });

  check(
    "()",
    "tells a cancelled action by its signal, and lets the next one start",
    async (make) => {
      using unhandled = new UnhandledRejections();
      const runs: { signal: AbortSignal; end: PromiseWithResolvers<void> }[] = [];
      const action = (signal: AbortSignal) => {
        runs.push({ signal, end: Promise.withResolvers<void>() });
        return runs.at(-1)!.end.promise;
      };
      const { host, parties } = await make(2, { action });
      const [a, b] = parties as Three;
      await Promise.all([a.arrive(), b.arrive()]);
      await until(() => runs.length === 1, "the first action");
      await host.abort(WHY);
      await until(() => runs[0]!.signal.aborted, "its signal");
      const { name, phase } = runs[0]!.signal.reason;
      assertEquals([name, phase], ["BrokenBarrierError", 0]);
      await host.reset();
      await Promise.all([a.arrive(), b.arrive()]);
      await until(() => runs.length === 2, "the second action");
      runs[0]!.end.reject(new Error("too late"));
      for (let i = 0; i < 3; i++) await turn();
      assertEquals([(await host.state()).broken, runs[1]!.signal.aborted], [false, false]);
      runs[1]!.end.resolve();
      await host.waitFor(2);
      await turn();
      assert(!runs[1]!.signal.aborted);
      assertEquals(unhandled.reasons, []);
    },
  );

  check(
    "()",
    "tells a late waiter that the action failed, though a later one fails too",
    async (make) => {
      let calls = 0;
      const action = () => {
        if (calls++ % 2 === 0) throw new Error(`failure ${calls}`);
      };
      const { host, parties } = await make(2, { action });
      const [a, b] = parties as Three;
      const watching: Promise<unknown>[] = [];
      for (let i = 0; i < 3; i++) {
        // Fails, and takes the phase behind it along; then passes.
        await Promise.all([a.arrive(), b.arrive()]);
        watching.push(failure(host.waitFor(3 * i)));
        await reaches(host, { broken: true });
        await host.reset(3 * i);
        await Promise.all([a.arrive(), b.arrive()]);
        await host.waitFor(3 * i + 2);
      }
      for (const [i, error] of (await Promise.all(watching)).entries()) {
        const { reason, phase } = error as BrokenBarrierError;
        assertEquals([reason, phase], ["action", 3 * i]);
      }
      for (let phase = 0; phase < 9; phase++) {
        const outcome = await host.waitFor(phase).then(() => "passed", ({ reason }) => reason);
        assertEquals(outcome, phase % 3 === 2 ? "passed" : "action");
      }
    },
  );
}
