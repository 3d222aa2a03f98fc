// Copyright 2026 the Rendezvous authors. MIT license.

// Every button of the page is pressed, and what is shown is compared with the contract.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { until } from "../_helpers/harness.ts";
import { type OpenPage, type Shown, testPage } from "./_page.ts";

const NAMES = ["Ann", "Bob", "Cyd"];
const OTHERS = ["Bob", "Cyd"];

/** What each lane shows as what its party got. */
function gotOf({ lanes }: Shown): Record<string, string> {
  return Object.fromEntries(lanes.map(({ name, got }) => [name, got]));
}

/** Waits until the barrier is broken and all who live have been told. */
function broken(page: OpenPage): Promise<Shown> {
  return page.shows(
    ({ gate, lanes }) =>
      gate === "broken" && lanes.every(({ state }) => state === "is told" || state === "is gone"),
    "all are told of the break",
  );
}

for (const kind of ["workers", "tasks"]) {
  const search = `kind=${kind}&parties=3&speed=fast&timeout=Infinity`;
  const why = kind === "tasks" ? ": killed" : "";

  testPage(
    `page with ${kind} passes phase after phase, with a permutation of numbers`,
    async (open) => {
      const page = await open({ search });
      for (let phase = 0; phase < 5; phase++) await page.passes(phase, NAMES);
      const shown = await page.shows(({ phase }) => phase >= 5, "phase 5");
      assertMatch(shown.counts, /^\d+ passed, 0 broken$/);
      assert(parseInt(shown.counts) >= 5);
      assertEquals(shown.alert, "");
      const signs = await page.signs();
      assert(signs.filter((sign) => sign === "open").length >= 3, `the line opens: ${signs}`);
      assert(signs.every((sign) => sign === "open" || sign === "barrier"), `${signs}`);
      assertEquals(page.errors, []);
    },
  );

  testPage(
    `page with ${kind} shows who is missing, and goes on when nobody is paused`,
    async (open) => {
      const page = await open({ search });
      const { phase } = await page.holdUp("Cyd");
      await page.press("Pause Cyd");
      await page.passes(phase, NAMES);
      const { counts, lanes } = await page.shown();
      assertStringIncludes(counts, ", 0 broken");
      assert(lanes.every(({ paused }) => !paused));
    },
  );

  testPage(`page with ${kind} tells all others whom Kill has killed`, async (open) => {
    const page = await open({ search });
    const { phase } = await page.holdUp("Ann");
    await page.press("Kill Ann");
    const shown = await broken(page);
    const message = `Phase ${phase} broke: "Ann" is gone${why} (2 of 3 arrived, missing "Ann")`;
    assertEquals(gotOf(shown), {
      Ann: "nothing: it was killed",
      Bob: `BrokenBarrierError lost ${message}`,
      Cyd: `BrokenBarrierError lost ${message}`,
    });
    assertEquals([shown.phase, shown.standing, shown.sign], [
      phase,
      "2 of 3 arrived, missing Ann",
      "lost",
    ]);
    assertEquals([shown.breakText, shown.alert], [message, ""]);
    assertStringIncludes(shown.counts, ", 1 broken");
    assertEquals(
      (await page.said()).at(-1),
      `BrokenBarrierError: ${message}. Reset makes the barrier usable again.`,
    );

    // The next use: with a replacement, in the next phase.
    await page.press("Reset");
    await page.passes(phase + 1, NAMES);
    const after = await page.shown();
    assertEquals([after.breakText, after.alert, after.lanes.length], ["", "", 3]);
    const numbers = (await page.got()).filter(({ text }) => text.includes(`in phase ${phase},`));
    assertEquals(numbers, [], "the phase that broke has not passed for anybody");
    assertEquals(page.errors, []);
  });

  testPage(`page with ${kind} goes on without who is gone where that is chosen`, async (open) => {
    const page = await open({ search });
    await (await page.control("checkbox", "and replace who is gone")).click();
    const { phase } = await page.holdUp("Ann");
    await page.press("Kill Ann");
    await broken(page);
    await page.press("Reset");
    await page.passes(phase + 1, OTHERS);
    const { lanes, standing } = await page.shown();
    assertEquals(lanes.map(({ name }) => name), OTHERS);
    assertMatch(standing, / of 2 arrived/);

    const { phase: next } = await page.holdUp("Bob");
    await page.press("Kill Bob");
    await broken(page);
    await page.press("Reset");
    await page.passes(next + 1, ["Cyd"]);

    await page.press("Kill Cyd");
    await broken(page);
    await page.press("Reset");
    await page.shows(({ standing }) => standing === "0 of 0 arrived", "nobody is left");
    await page.press(kind === "tasks" ? "Add a task" : "Add a worker");
    await page.shows(
      ({ lanes }) => lanes[0]?.got.startsWith("number 0") === true,
      "it begins again",
    );
    assertEquals((await page.shown()).alert, "");
  });

  testPage(`page with ${kind} tells all of Abort, those too who come later`, async (open) => {
    const page = await open({ search });
    const { phase } = await page.holdUp("Ann");
    await page.press("Abort");
    const shown = await broken(page);
    const message = `Phase ${phase} broke: aborted: button (2 of 3 arrived, missing "Ann")`;
    for (const got of Object.values(gotOf(shown))) {
      assertEquals(got, `BrokenBarrierError aborted ${message}`);
    }
    assertEquals([shown.lanes.length, shown.sign, shown.breakText], [3, "aborted", message]);
    await page.press("Reset");
    await page.passes(phase + 1, NAMES);
  });

  testPage(`page with ${kind} tells who waits of a Reset, and goes on`, async (open) => {
    const page = await open({ search });
    const { phase } = await page.holdUp("Ann");
    await page.press("Reset");
    await page.passes(phase + 1, NAMES);
    const got = await page.got();
    for (const other of OTHERS) {
      assertEquals(
        got.find(({ name, text }) => name === other && text.includes("broke"))?.text,
        `BrokenBarrierError reset Phase ${phase} broke: it was reset (2 of 3 arrived, missing "Ann")`,
      );
    }
    assertEquals(got.filter(({ name, text }) => name === "Ann" && text.includes("broke")), []);
    assertMatch((await page.shown()).counts, /, 1 broken$/);
  });

  testPage(`page with ${kind} times out where one is paused for long`, async (open) => {
    const page = await open({ search: search.replace("Infinity", "5000") });
    await page.passes(1, NAMES);
    await page.press("Pause Ann");
    const shown = await broken(page);
    const { phase } = shown;
    const how = `(2 of 3 arrived, missing "Ann")`;
    const timedOut = `TimeoutError Phase ${phase} timed out after 5000 ms ${how}`;
    const { Ann, Bob, Cyd } = gotOf(shown);
    const first = Bob === timedOut ? "Bob" : "Cyd";
    const told = new RegExp(
      `^BrokenBarrierError timeout Phase ${phase} broke: "${first}" timed out \\(2 of 3 arrived, missing "Ann"\\)$`,
    );
    assertEquals(first === "Bob" ? Bob : Cyd, timedOut);
    assertMatch(first === "Bob" ? Cyd! : Bob!, told);
    assertMatch(Ann!, told);
    assertEquals([shown.sign, shown.lanes[0]!.paused], ["timeout", false]);
    await page.press("Reset");
    await page.passes(phase + 1, NAMES);
  });

  testPage(
    `page with ${kind} adds a party, and says where there is no room for more`,
    async (open) => {
      const page = await open({ search });
      const add = kind === "tasks" ? "Add a task" : "Add a worker";
      const { phase } = await page.holdUp("Ann");
      await page.press(add);
      await page.shows(({ standing }) => /^[23] of 4 arrived/.test(standing), "a fourth party");
      await page.press("Pause Ann");
      // The numbers of the phase in which a party was added need be no permutation. Those of the next are one.
      await page.passes(phase + 1, [...NAMES, "Dan"]);
      const passed = (await page.got()).filter(({ text }) => text.includes(` in phase ${phase}`));
      assertEquals(passed.slice(0, 4).map(({ name }) => name).toSorted(), [...NAMES, "Dan"]);
      for (let n = 4; n < 8; n++) await page.press(add);
      const { lanes, alert } = await page.shows(
        ({ standing }) => / of 8 /.test(standing),
        "eight",
      );
      assertEquals([lanes.length, alert], [8, ""]);
      await page.press(add);
      const after = await page.shown();
      assertEquals(after.alert, "RangeError: The page has room for 8 parties");
      assertEquals(after.lanes.length, 8);
    },
  );

  testPage(`page with ${kind} is broken for who joins a broken barrier`, async (open) => {
    const page = await open({ search });
    await page.press("Abort");
    await broken(page);
    await page.press(kind === "tasks" ? "Add a task" : "Add a worker");
    await page.shows(({ lanes }) => lanes.length === 4, "a fourth lane");
    const { lanes, phase } = await broken(page);
    assertStringIncludes(lanes[3]!.got, "BrokenBarrierError aborted");
    await page.press("Reset");
    await page.passes(phase + 1, [...NAMES, "Dan"]);
  });
}

testPage("page ends what it started when the settings change", async (open) => {
  const page = await open({ search: "kind=workers&parties=3&speed=fast" });
  const workers = (count: number) =>
    until(() => page.page.workers().length === count, `${count} workers`);
  await page.passes(0, NAMES);
  await workers(3);
  await page.choose("Parties", "5");
  await page.shows(({ standing }) => / of 5 arrived/.test(standing), "five parties");
  await workers(5);
  await page.press("Kill Ann");
  await workers(4);
  await page.choose("Speed", "slow");
  await workers(5);
  await page.choose("Timeout", "1000");
  await workers(5);
  assertEquals(
    await page.page.evaluate("location.search"),
    "?kind=workers&parties=5&speed=slow&timeout=1000",
  );
  await page.press("Pause Bob"); // so that it does not end by itself
  await (await page.control("radio", "tasks")).click();
  await page.shows(({ phase, lanes }) => phase === 0 && lanes.length === 5, "five tasks");
  await workers(0);
  await page.choose("Parties", "2");
  await page.choose("Speed", "fast");
  await page.passes(1, ["Ann", "Bob"]);
  assertEquals((await page.shown()).alert, "");
  assertEquals(page.errors, []);
});

testPage("page ends what it started when it is left", async (open) => {
  const page = await open({ search: "kind=workers&parties=3&speed=fast" });
  await page.passes(0, NAMES);
  await page.page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))");
  await until(() => page.page.workers().length === 0, "no worker is left");
  await page.page.evaluate(
    "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))",
  );
  await until(() => page.page.workers().length === 3, "who comes back finds three workers");
});

testPage("page takes what it can of its address", async (open) => {
  const page = await open({ search: "kind=nobody&parties=99&speed=fast&timeout=x&more=1" });
  await page.shows(({ standing }) => / of 4 arrived/.test(standing), "four parties");
  assertEquals(
    await page.page.evaluate("location.search"),
    "?kind=workers&parties=4&speed=fast&timeout=5000",
  );
});

testPage("page passes, breaks and goes on in Firefox", async (open) => {
  const page = await open({ search: "kind=workers&parties=3&speed=fast&timeout=Infinity" });
  await page.passes(1, NAMES);
  const { phase } = await page.holdUp("Ann");
  await page.press("Kill Ann");
  const { Bob } = gotOf(await broken(page));
  assertStringIncludes(Bob!, `BrokenBarrierError lost Phase ${phase} broke: "Ann" is gone`);
  await page.press("Reset");
  await page.passes(phase + 1, NAMES);
}, "firefox");
