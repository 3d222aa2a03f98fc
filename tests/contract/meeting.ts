// Copyright 2026 the Rendezvous authors. MIT license.

import { assertEquals, assertStrictEquals, assertStringIncludes } from "@std/assert";
import type { WaitOptions } from "../../barrier.ts";
import { failure, quiet, turn } from "../_helpers/harness.ts";
import type { Party } from "./adapter.ts";
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
  WHY,
} from "./suite.ts";

/** Making a barrier, and meeting at it. */
export function meeting(suite: Suite): void {
  const { adapter, can } = suite;
  const check = suite.check.bind(suite);

  // Making one

  check("()", "refuses parties that are no number from 1 on", async (make) => {
    const above = adapter.most + 1;
    const bad: [unknown, Refusal][] = [...BAD_NUMBERS, [above, RangeError], [undefined, TypeError]];
    for (const [parties, Refused] of bad) {
      await refuses(() => make(parties as number, {}, true), Refused, "parties");
    }
  });

  check("()", "refuses a timeout that is no duration", async (make) => {
    for (const [timeout, Refused] of BAD_TIMEOUTS) {
      await refuses(() => make(2, { timeout: timeout as number }, true), Refused, "timeout");
    }
  });

  check("()", "refuses an action that is no function", async (make) => {
    for (const action of ["f", 1, null, {}]) {
      await refuses(() => make(2, { action: action as () => void }, true), TypeError, "action");
    }
  });

  check("()", "takes undefined for an option that is not given", async (make) => {
    const { host, parties } = await make(1, { action: undefined, timeout: undefined });
    await suite.passes(host, parties, 0);
  });

  check("()", "is empty, in phase 0 and unbroken", async (make) => {
    const { host, parties } = await make(3);
    const missing = parties.flatMap(({ name }) => name ?? []);
    assertEquals(await host.state(), { parties: 3, arrived: 0, phase: 0, broken: false, missing });
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
    const missing = parties.flatMap(({ name }) => name ?? []);
    assertEquals(await host.state(), { parties: 3, arrived: 0, phase: 1, broken: false, missing });
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
    for (let phase = 0; phase < 20; phase++) await suite.passes(host, parties, phase);
  });

  check(".wait()", "passes at once where there is one party", async (make) => {
    const { host, parties: [a] } = await make(1);
    for (let phase = 0; phase < 3; phase++) assertEquals(await a!.wait(), 0);
    const { phase, arrived } = await host.state();
    assertEquals([phase, arrived], [3, 0]);
  });

  check(".wait()", "passes with a timeout of 0 if it is the last", async (make) => {
    const { parties: [a] } = await make(1);
    assertEquals(await a!.wait({ timeout: 0 }), 0);
    assertEquals(await a!.wait({ timeout: 0, onCancel: "withdraw" }), 0);
  });

  check(".wait()", "passes in time, whatever its options", async (make) => {
    const { host, parties } = await make(2);
    const [a, b] = parties as Three;
    for (const onCancel of ["break", "withdraw"] as const) {
      const controller = new AbortController();
      const options = { timeout: 60_000, onCancel };
      const waiting = a.wait(can.signal ? { ...options, signal: controller.signal } : options);
      await reaches(host, { arrived: 1 });
      assertEquals([await b.wait({}), await waiting], [0, 1]);
      // Nothing is left that this could cancel.
      controller.abort(WHY);
      assertEquals((await host.state()).broken, false);
    }
  });

  check(".wait()", "takes undefined for an option that is not given", async (make) => {
    const { parties: [a] } = await make(1, { timeout: 60_000 });
    assertEquals(await a!.wait(undefined), 0);
    assertEquals(await a!.wait({ timeout: undefined, onCancel: undefined }), 0);
    assertEquals(await a!.wait({ signal: undefined } as WaitOptions), 0);
  });

  check(".wait()", "refuses bad options, and has not arrived then", async (make) => {
    const { host, parties: [a] } = await make(1);
    const bad: [unknown, Refusal, string][] = BAD_TIMEOUTS.map(
      ([timeout, Refused]) => [{ timeout }, Refused, "timeout"],
    );
    for (const onCancel of ["stop", "", null, 1]) bad.push([{ onCancel }, TypeError, "onCancel"]);
    for (const signal of BAD_SIGNALS) bad.push([{ signal }, TypeError, "signal"]);
    for (const options of BAD_OPTIONS) bad.push([options, TypeError, "options"]);
    const before = await host.state();
    for (const [options, Refused, name] of bad) {
      await refuses(() => a!.wait(options as WaitOptions), Refused, name);
      assertEquals(await host.state(), before);
    }
    assertEquals(await a!.wait(), 0);
  });

  check(".wait()", "refuses a signal, which it could not heed", async (make) => {
    const { host, parties } = await make(2);
    const options = { signal: {} as AbortSignal };
    for (const call of ["wait", "ready"] as const) {
      const error = await failure(parties[1]![call](options));
      assertStringIncludes((error as Error).message, "a call that blocks cannot heed a signal");
    }
    await refuses(() => parties[1]!.waitFor(0, options), TypeError, "signal");
    assertEquals((await host.state()).arrived, 0);
  }, { signal: false });

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
      [
        () => host.reset(1.5),
        "Cannot reset as phase must be an integer from 0 to ",
      ],
    ];
    for (const [call, message] of wrong) {
      assertStringIncludes((await failure(call()) as Error).message, message);
    }
  });

  check(".wait()", "waits as long as its handle says, else as the barrier", async (make) => {
    const fixture = await make(2, { timeout: 15 });
    const { host } = fixture;
    isTimeout(await failure(fixture.parties[0]!.wait()), messageAfter(15, 2));
    await host.reset();
    isTimeout(await failure(fixture.parties[0]!.wait({ timeout: 10 })), messageAfter(10, 2, 1));
    await host.reset();
    await host.register();
    const own = await fixture.join({ timeout: 12 });
    isTimeout(await failure(own.wait()), messageAfter(12, 3, 2));

    function messageAfter(ms: number, parties: number, phase = 0): string {
      const names = parties === 3 ? '"a", "b"' : '"b"';
      const missing = can.names ? `, missing ${names}` : "";
      return `Phase ${phase} timed out after ${ms} ms (1 of ${parties} arrived${missing})`;
    }
  }, { dispose: true, register: true });

  check(".waitFor()", "heeds no timeout of the barrier, nor does ready()", async (make) => {
    const { host, parties } = await make(2, { timeout: 0 });
    const watching = host.waitFor(0);
    for (let i = 0; i < 3; i++) await turn();
    await Promise.all(parties.map((party) => party.arrive()));
    await watching;
    await host.abort();
    const ready = host.ready();
    for (let i = 0; i < 3; i++) await turn();
    await host.reset();
    await ready;
  });

  // The order of the checks: arguments, handle, broken, signal

  check(".wait()", "looks at its arguments before its handle", async (make) => {
    const { host, parties } = await make(2);
    const [a, b] = parties as Three;
    await a.arriveAndDrop();
    await refuses(() => a.wait({ timeout: -1 }), RangeError, "timeout");
    await b.dispose();
    await refuses(() => b.wait({ timeout: -1 }), RangeError, "timeout");
    await host.dispose();
    await refuses(() => b.wait({ timeout: -1 }), RangeError, "timeout");
    await refuses(() => host.reset(-1), RangeError, "phase");
    await refuses(() => host.register(0), RangeError, "count");
    await refuses(() => host.ready({ timeout: -1 }), RangeError, "timeout");
  }, { names: true });

  check(".wait()", "looks at its handle before the barrier", async (make) => {
    const { host, parties } = await make(3);
    const [a, b] = parties as Three;
    await a.arriveAndDrop();
    await host.abort();
    await isRefused(a.wait(), '"a" has dropped');
    await isRefused(a.arrive(), '"a" has dropped');
    await b.dispose();
    await isRefused(b.wait(), '"b" was disposed');
    await isRefused(b.arrive(), '"b" was disposed');
    await isRefused(b.arriveAndDrop(), '"b" was disposed');
    if (can.signal) await isRefused(a.wait({ signal: AbortSignal.abort(WHY) }), '"a" has dropped');
  }, { names: true });

  check(".wait()", "looks at the barrier before its signal", async (make) => {
    const { host, parties: [a] } = await make(2);
    await host.abort();
    const signal = AbortSignal.abort(WHY);
    for (const onCancel of ["break", "withdraw"] as const) {
      suite.isBroken(await failure(a!.wait({ signal, onCancel })), {
        reason: "aborted",
        what: "aborted",
        arrived: 0,
        parties: 2,
        missing: ["a", "b"],
      });
    }
  }, { signal: true });

  check(".wait()", "that has arrived already breaks nothing by its signal", async (make) => {
    const { host, parties: [a] } = await make(2);
    await a!.arrive();
    const signal = AbortSignal.abort(WHY);
    await isRefused(a!.wait({ signal }), "has arrived in phase 0 already");
    assertEquals((await host.state()).broken, false);
  }, { signal: true, names: true });

  check(".wait()", "that is not possible breaks nothing by its signal", async (make) => {
    const { host, parties: [a] } = await make(1);
    await a!.arriveAndDrop();
    await isRefused(
      a!.wait({ signal: AbortSignal.abort(WHY) }),
      can.names ? "dropped" : "No party",
    );
    assertEquals((await host.state()).broken, false);
  }, { signal: true });

  check(".wait()", "looks at its signal last", async (make) => {
    const { parties: [a] } = await make(1);
    // It would be the last.
    assertStrictEquals(await failure(a!.wait({ signal: AbortSignal.abort(WHY) })), WHY);
  }, { signal: true });
}
