// Copyright 2026 the Rendezvous authors. MIT license.

import { assertEquals, assertStringIncludes } from "@std/assert";
import type { BrokenBarrierError, JoinOptions } from "../../barrier.ts";
import { failure, turn } from "../_helpers/harness.ts";
import type { Fixture } from "./adapter.ts";
import {
  BAD_OPTIONS,
  BAD_TIMEOUTS,
  type Four,
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

/** Parties that have names. */
export function identity(suite: Suite): void {
  const named = (...[member, behaviour, body, needs]: Parameters<Suite["check"]>) =>
    suite.check(member, behaviour, body, { names: true, ...needs });

  named("join()", "refuses bad names and options, and takes no seat then", async (make) => {
    const fixture = await make(1, {}, true);
    const bad: [unknown, Refusal, string][] = [
      [{ name: "" }, RangeError, "name must be 1 to 64 bytes of UTF-8"],
      [{ name: "x".repeat(65) }, RangeError, "name must be 1 to 64 bytes of UTF-8"],
      [{ name: "é".repeat(33) }, RangeError, "current value is 66 bytes"],
      [{ name: "a\ud800" }, RangeError, "name must be 1 to 64 bytes of UTF-8"],
      [{ name: 5 }, TypeError, "name must be a string"],
      [{ name: null }, TypeError, "name must be a string"],
      ...BAD_TIMEOUTS.map(([timeout, Refused]) => [{ timeout }, Refused, "timeout"] as never),
      ...BAD_OPTIONS.map((options) => [options, TypeError, "options"] as never),
    ];
    for (const [options, Refused, message] of bad) {
      await refuses(() => fixture.join(options as JoinOptions), Refused, message);
    }
    const a = await fixture.join({ name: "x".repeat(64) });
    await suite.passes(fixture.host, [{ ...a, name: "x".repeat(64) }], 0);
  });

  named("join()", "refuses an action, which belongs to the maker", async (make) => {
    const fixture = await make(1, {}, true);
    const options = { action: "ours" } as JoinOptions;
    await refuses(() => fixture.join(options), TypeError, "action belongs to where");
  }, { maker: true });

  named("join()", 'gives a party without a name the first "party N" that is free', async (make) => {
    const { host, join } = await make(4, {}, true);
    const unnamed = { name: undefined, timeout: undefined };
    await join({ name: "party 1" });
    const [first, third] = [await join(unnamed), await join(unnamed)];
    await join(unnamed);
    const { missing } = await host.state();
    assertEquals([...missing].sort(), ["party 0", "party 1", "party 2", "party 3"]);
    await first.arrive();
    assertEquals([...(await host.state()).missing].sort(), ["party 1", "party 2", "party 3"]);
    await third.arrive();
    assertEquals([...(await host.state()).missing].sort(), ["party 1", "party 3"]);
  }, { maker: true });

  named("join()", "takes names that are alike but not the same", async (make) => {
    const names = ["é", "e\u0301", '"', "\u0000", "\ufeffx", "x"];
    const { host, join } = await make(names.length, {}, true);
    for (const name of names) await join({ name });
    assertEquals((await host.state()).missing, names);
  });

  named("join()", "refuses a name that is in use", async (make) => {
    const { host, parties, join } = await make(2);
    await host.register();
    await isRefused(join({ name: "a" }), 'The name "a" is in use at this barrier');
    assertEquals((await host.state()).broken, false);
    await parties[0]!.arriveAndDrop();
    // That is free again.
    const again = await join({ name: "a" });
    await Promise.all([again.arrive(), parties[1]!.arrive()]);
  }, { register: true });

  named("join()", "refuses where no seat is free", async (make) => {
    const fixture = await make(2);
    const { host, parties: [a, b], join } = fixture;
    await isRefused(join({ name: "z" }), "No seat is free: 2 of 2 are taken");
    assertEquals((await host.state()).broken, false);
    if (!suite.can.register) return await suite.passes(host, [a!, b!], 0);
    await host.register();
    await suite.passes(host, [a!, b!, await join()], 0);
  });

  named(".arrive()", "twice in a phase is refused, and breaks nothing", async (make) => {
    const { host, parties } = await make(2);
    const [a, b] = parties as Three;
    await a.arrive();
    const again = [
      () => a.arrive(),
      () => a.wait(),
      () => a.wait({ timeout: 0 }),
      () => a.arriveAndDrop(),
    ];
    for (const call of again) await isRefused(call(), '"a" has arrived in phase 0 already');
    const state = { parties: 2, arrived: 1, phase: 0, broken: false, missing: ["b"] };
    assertEquals(await host.state(), state);
    assertEquals(await b.wait(), 0);
    await suite.passes(host, parties, 1);
  });

  named(".arriveAndDrop()", "leaves nothing to arrive with, and to break", async (make) => {
    const { host, parties } = await make(2);
    const [a, b] = parties as Three;
    await a.arriveAndDrop();
    const again = [() => a.arrive(), () => a.wait(), () => a.arriveAndDrop()];
    for (const call of again) await isRefused(call(), '"a" has dropped');
    await a.dispose();
    await a.dispose();
    await suite.passes(host, [b], 0);
    await isRefused(a.arrive(), '"a"');
  });

  named(".missing", "names those who have not arrived", async (make) => {
    const { host, parties } = await make(3);
    const [a, b, c] = parties as Three;
    const missing = async () => (await host.state()).missing;
    assertEquals(await missing(), ["a", "b", "c"]);
    await b.arrive();
    assertEquals(await missing(), ["a", "c"]);
    assertEquals((await c.state()).missing, ["a", "c"]);
    await c.arrive();
    assertEquals(await missing(), ["a"]);
    await host.abort();
    assertEquals(await missing(), ["a"]);
    await host.reset();
    assertEquals(await missing(), ["a", "b", "c"]);
    await a.arriveAndDrop();
    assertEquals(await missing(), ["b", "c"]);
  });

  named(".missing", "names who has withdrawn", async (make) => {
    const { host, parties } = await make(2);
    isTimeout(await failure(parties[0]!.wait({ timeout: 0, onCancel: "withdraw" })));
    assertEquals((await host.state()).missing, ["a", "b"]);
    await suite.passes(host, parties, 0);
  });

  named(".wait()", "counts those without a name, and names the others", async (make) => {
    const { host, parties, unnamed } = await make(2);
    const [a, b] = parties as Three;
    await host.register(2);
    assertEquals((await host.state()).missing, ["a", "b"]);
    await a.arrive();
    isTimeout(
      await failure(unnamed!.wait({ timeout: 0, onCancel: "withdraw" })),
      'Phase 0 timed out after 0 ms (2 of 4 arrived, missing "b" and 1 without a name)',
    );
    // A handle without a name arrives for as many as there are without one.
    const waiting = [unnamed!.wait(), unnamed!.wait()];
    await reaches(host, { arrived: 3 });
    assertEquals(await b.wait(), 0);
    assertEquals(await Promise.all(waiting), [2, 1]);
    await unnamed!.arriveAndDrop();
    await unnamed!.arriveAndDrop();
    await suite.passes(host, parties, 1);
  }, { unnamed: true });

  // Parties that are gone

  named(
    ".reset()",
    "frees the seats of those who are gone for others, of any name",
    async (make) => {
      const fixture = await make(3);
      const { host, parties, join } = fixture;
      const [a, b, c] = parties as Three;
      await a.dispose();
      await isRefused(join({ name: "a" }), 'The name "a" is in use');
      await isRefused(join({ name: "z" }), "No seat is free");
      await b.dispose();
      await host.reset();
      const again = await join({ name: "a" });
      await suite.passes(host, [again, await join({ name: "z" }), c], 1);
    },
  );

  named(
    ".reset()",
    "names all who are gone, of whom an error names only the first",
    async (make) => {
      const fixture = await make(3);
      const { host, parties, join } = fixture;
      const [a, b, c] = parties as Three;
      await a.dispose();
      await b.dispose();
      assertEquals(await host.reset(7), []);
      const names = await host.reset(0);
      assertEquals(names.sort(), [a.name, b.name].sort());
      assertEquals(await host.reset(0), []);
      const replacements = await Promise.all(names.map((name) => join({ name })));
      await suite.passes(host, [...replacements, c], 1);
      await c.dispose();
      assertEquals(await host.reset(undefined, { dropLost: true }), [c.name]);
    },
  );

  named(".reset()", "goes on without those who are gone, if it is told to", async (make) => {
    const { host, parties, join } = await make(4);
    const [a, b, c, d] = parties as Four;
    await a.dispose();
    await b.dispose();
    assertEquals((await host.state()).parties, 4);
    await host.reset(0, { dropLost: true });
    await suite.passes(host, [c, d], 1);
    await isRefused(join({ name: "z" }), "No seat is free");
    // None is gone: nothing is dropped.
    await host.abort();
    await host.reset(undefined, { dropLost: true });
    assertEquals((await host.state()).parties, 2);
    if (!suite.can.register) return;
    await host.register();
    await suite.passes(host, [c, d, await join({ name: "a" })], 3);
  });

  named(".reset()", "does not drop those again who were gone before", async (make) => {
    const { host, parties } = await make(3);
    const [a, b, c] = parties as Three;
    await a.dispose();
    await host.reset(undefined, { dropLost: true });
    await b.arrive();
    await host.abort();
    await host.reset(undefined, { dropLost: true });
    await suite.passes(host, [b, c], 2);
  });

  named(".reset()", "drops no more parties than there are", async (make) => {
    const { host, parties, unnamed } = await make(2);
    // Nothing stops a handle without a name from dropping too often.
    await unnamed!.arriveAndDrop();
    for (const party of parties) await party.dispose();
    await host.reset(undefined, { dropLost: true });
    assertEquals((await host.state()).parties, 0);
    assertEquals(await host.register(), 1);
  }, { unnamed: true });

  named("[Symbol.dispose]()", "of a party that has arrived breaks its phase", async (make) => {
    const { host, parties } = await make(3);
    const [a, b, c] = parties as Three;
    await b.arrive();
    const waiting = failure(c.wait());
    await reaches(host, { arrived: 2 });
    await b.dispose();
    const told: Told = {
      reason: "aborted",
      what: '"b" was disposed',
      by: "b",
      arrived: 2,
      parties: 3,
      missing: [a],
    };
    suite.isBroken(await waiting, told);
    await suite.staysBroken({ host } as Fixture, a, told);
  });

  named(
    "[Symbol.dispose]()",
    "of a party after another broke it leaves the first reason",
    async (make) => {
      const { host, parties, join } = await make(2);
      const [a, b] = parties as Three;
      await host.abort(WHY);
      await a.dispose();
      const { cause, party } = await failure(b.wait()) as BrokenBarrierError;
      assertEquals([cause, party], [WHY, undefined]);
      await host.reset();
      await suite.passes(host, [b, await join({ name: "a" })], 1);
    },
  );

  // Parties that are expected

  const expecting = (...[member, behaviour, body]: Parameters<Suite["check"]>) =>
    named(member, behaviour, body, { expect: true });

  expecting("expect()", "keeps a seat for that name, and no other", async (make) => {
    const { host, join } = await make(2, {}, true);
    const never = new Promise<void>(() => {});
    await host.expect!("a", never);
    await host.expect!("b", never);
    assertEquals((await host.state()).missing, ["a", "b"]);
    await isRefused(join({ name: "c" }), "No seat is free");
    await isRefused(host.expect!("c", never), "No seat is free");
    await isRefused(host.expect!("a", never), 'The name "a" is in use');
    const parties = [await join({ name: "b" }), await join({ name: "a" })];
    await isRefused(join({ name: "a" }), 'The name "a" is in use');
    await suite.passes(host, parties, 0);
  });

  for (const how of ["resolves", "rejects"] as const) {
    expecting(
      "expect()",
      `breaks the barrier when it ${how} before the party joins`,
      async (make) => {
        const fixture = await make(2, {}, true);
        const { host, join } = fixture;
        const ended = Promise.withResolvers<void>();
        await host.expect!("b", ended.promise);
        const a = await join({ name: "a" });
        const waiting = [failure(a.wait()), failure(host.waitFor(0))];
        await reaches(host, { arrived: 1 });
        if (how === "resolves") ended.resolve();
        else ended.reject(WHY);
        for (const error of await Promise.all(waiting)) {
          const { reason, party, missing, message, cause, arrived, parties } =
            error as BrokenBarrierError;
          assertEquals({ reason, party, missing, cause, arrived, parties }, {
            reason: "lost",
            party: "b",
            missing: ["b"],
            cause: how === "rejects" ? WHY : undefined,
            arrived: 1,
            parties: 2,
          });
          assertStringIncludes(message, '"b" ended before it joined');
          assertStringIncludes(message, '(1 of 2 arrived, missing "b")');
        }
        await isRefused(join({ name: "b" }), 'The name "b" is in use');
        await host.reset();
        await suite.passes(host, [a, await join({ name: "b" })], 1);
      },
    );
  }

  expecting("expect()", "is ignored once the party has joined", async (make) => {
    const { host, join } = await make(2, {}, true);
    const ended = Promise.withResolvers<void>();
    await host.expect!("a", ended.promise);
    const parties = [await join({ name: "a" }), await join({ name: "b" })];
    ended.resolve();
    for (let i = 0; i < 3; i++) await turn();
    await suite.passes(host, parties, 0);
    // Nor does it hit another party of that name.
    await parties[0]!.arriveAndDrop();
    await parties[1]!.arrive();
    await host.register();
    await suite.passes(host, [parties[1]!, await join({ name: "a" })], 2);
  });

  expecting("expect()", "refuses bad names, and what is no promise", async (make) => {
    const { host, join } = await make(1, {}, true);
    const ended = new Promise<void>(() => {});
    await refuses(() => host.expect!("", ended), RangeError, "name must be");
    await refuses(() => host.expect!(5 as never, ended), TypeError, "name must be a string");
    for (const bad of [undefined, null, 5, {}, () => {}]) {
      await refuses(() => host.expect!("a", bad as never), TypeError, "ended must be a promise");
    }
    await suite.passes(host, [await join({ name: "a" })], 0);
  });

  expecting("expect()", "frees nobody's seat twice", async (make) => {
    const { host, join } = await make(2, {}, true);
    await host.expect!("a", Promise.resolve());
    await reaches(host, { broken: true });
    await host.reset(undefined, { dropLost: true });
    assertEquals((await host.state()).parties, 1);
    const b = await join({ name: "b" });
    await suite.passes(host, [b], 1);
    assertEquals(await b.wait(), 0);
  });
}
