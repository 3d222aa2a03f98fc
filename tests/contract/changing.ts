// Copyright 2026 the Rendezvous authors. MIT license.

import { assertEquals } from "@std/assert";
import type { BrokenBarrierError } from "../../barrier.ts";
import { failure, until } from "../_helpers/harness.ts";
import { BAD_NUMBERS, isRefused, reaches, refuses, type Suite, type Three } from "./suite.ts";

/** More parties, and fewer. */
export function changing(suite: Suite): void {
  const { adapter, can } = suite;
  const check = suite.check.bind(suite);

  check(".register()", "adds parties to the phase that is open", async (make) => {
    const fixture = await make(2);
    const { host, parties } = fixture;
    const [a, b] = parties as Three;
    const waiting = a.wait();
    await reaches(host, { arrived: 1 });
    assertEquals(await host.register(2), 0);
    const [c, d] = [await fixture.join(), await fixture.join()];
    await reaches(host, { parties: 4, arrived: 1, phase: 0 });
    const more = b.wait();
    await reaches(host, { arrived: 2, phase: 0 });
    const numbers = await Promise.all([waiting, more, c.wait(), d.wait()]);
    assertEquals(numbers.filter((number) => number === 0), [0]);
    await suite.passes(host, [a, b, c, d], 1);
    assertEquals(await host.register(), 2);
    assertEquals(await host.register(undefined), 2);
    assertEquals((await host.state()).parties, 6);
  }, { register: true });

  check(
    ".register()",
    "of a broken barrier gives the first phase in which they arrive",
    async (make) => {
      const fixture = await make(1);
      const { host, parties: [a] } = fixture;
      await host.abort();
      assertEquals(await host.register(), 1);
      await host.reset();
      const b = await fixture.join();
      await suite.passes(host, [a!, b], 1);
    },
    { register: true },
  );

  check(".register()", "while the action runs adds parties to the next phase", async (make) => {
    const end = Promise.withResolvers<void>();
    let calls = 0;
    const fixture = await make(1, { action: () => ++calls === 1 && end.promise });
    const { host, parties: [a] } = fixture;
    assertEquals(await a!.arrive(), 0);
    await until(() => calls === 1, "the action runs");
    assertEquals(await host.register(), 1);
    end.resolve();
    await host.waitFor(0);
    await suite.passes(host, [a!, await fixture.join()], 1);
  }, { register: true });

  check(
    ".register()",
    "while the action runs and breaks gives the phase after both",
    async (make) => {
      let calls = 0;
      const action = () => ++calls === 1 ? Promise.withResolvers<void>().promise : undefined;
      const fixture = await make(1, { action });
      const { host, parties: [a] } = fixture;
      await a!.arrive();
      await until(() => calls === 1, "the action runs");
      await host.abort();
      assertEquals(await host.register(), 2);
      await host.reset();
      await suite.passes(host, [a!, await fixture.join()], 2);
    },
    { register: true },
  );

  check(".register()", "refuses a bad count, and more parties than there can be", async (make) => {
    const { host, parties } = await make(2);
    for (const [count, Refused] of BAD_NUMBERS) {
      await refuses(() => host.register(count as number), Refused, "count");
    }
    await refuses(() => host.register(adapter.most - 1), RangeError, "there must be at most ");
    assertEquals((await host.state()).parties, 2);
    await suite.passes(host, parties, 0);
  }, { register: true });

  check(".arriveAndDrop()", "arrives, and later phases do without the party", async (make) => {
    const { host, parties } = await make(3);
    const [a, b, c] = parties as Three;
    assertEquals(await a.arriveAndDrop(), 0);
    const { parties: left, phase, missing } = await host.state();
    assertEquals([left, phase, missing], [2, 0, can.names ? ["b", "c"] : []]);
    await suite.passes(host, [b, c], 0);
    await suite.passes(host, [b, c], 1);
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
    await suite.passes(host, [a, b], 1);
  });

  check(".arriveAndDrop()", "is taken back by nothing", async (make) => {
    const { host, parties } = await make(3);
    const [a, b, c] = parties as Three;
    await a.arriveAndDrop();
    // It waits for nobody, so this ends no phase.
    await host.reset();
    assertEquals((await host.state()).phase, 0);
    const waiting = failure(b.wait());
    await reaches(host, { arrived: 1 });
    await host.reset();
    assertEquals((await waiting as BrokenBarrierError).reason, "reset");
    await suite.passes(host, [b, c], 1);
  });

  check(".arriveAndDrop()", "drops nothing where the barrier is broken", async (make) => {
    const { host, parties } = await make(3);
    const [a] = parties as Three;
    await host.abort();
    const error = await failure(a.arriveAndDrop()) as BrokenBarrierError;
    assertEquals([error.reason, error.parties], ["aborted", 3]);
    assertEquals((await host.state()).parties, 3);
    await host.reset();
    await suite.passes(host, parties, 1);
  });

  check(
    ".arriveAndDrop()",
    "of the last of all leaves no party, and register() begins again",
    async (make) => {
      const fixture = await make(2);
      const { host, parties } = fixture;
      const [a, b] = parties as Three;
      assertEquals(await a.arriveAndDrop(), 0);
      assertEquals(await b.arriveAndDrop(), 0);
      const state = { parties: 0, arrived: 0, phase: 1, broken: false, missing: [] };
      assertEquals(await host.state(), state);
      await isRefused(a.arrive(), can.names ? '"a" has dropped' : "No party is left");
      await isRefused(b.wait(), can.names ? '"b" has dropped' : "No party is left");
      if (!can.register) return;
      assertEquals(await host.register(), 1);
      await suite.passes(host, [await fixture.join()], 1);
    },
  );
}
