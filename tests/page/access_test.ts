// Copyright 2026 the Rendezvous authors. MIT license.

// The page for everybody: by keyboard, on a narrow screen, in light and dark, with less motion, read aloud.

import { assert, assertEquals, assertMatch } from "@std/assert";
import axe from "axe-core";
import { type OpenPage, testPage } from "./_page.ts";

const search = "kind=workers&parties=3&speed=fast&timeout=Infinity";

/** What keyboards and screen readers find where the focus is. */
interface Focused {
  name: string;
  role: string;
  outlined: boolean;
}

async function focused(page: OpenPage): Promise<Focused> {
  return await page.page.evaluate(`(() => {
    const element = document.activeElement;
    const name = element.ariaLabel ?? element.labels?.[0]?.innerText ?? element.innerText;
    // A radio button that looks like a part of a switch is outlined by what stands for it.
    const drawn = element.type === "radio" ? element.nextElementSibling : element;
    const { outlineStyle, outlineWidth } = getComputedStyle(drawn);
    return {
      name: name.split("\\n")[0].trim(),
      role: element.type ?? element.localName,
      outlined: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2,
    };
  })()`) as Focused;
}

/** Goes on by Tab until the control of that name has the focus. */
async function tabTo(page: OpenPage, name: string): Promise<void> {
  const passed: string[] = [];
  while ((await focused(page)).name !== name) {
    assert(passed.length < 40, `Tab does not reach ${name}, but ${passed}`);
    await page.page.keyboard.press("Tab");
    passed.push((await focused(page)).name);
  }
}

testPage("page is used by keyboard alone, and shows where the focus is", async (open) => {
  const page = await open({ search });
  const { keyboard } = page.page;
  const order: string[] = [];
  for (let n = 0; n < 14; n++) {
    await keyboard.press("Tab");
    const { name, outlined } = await focused(page);
    order.push(name);
    assert(outlined, `${name} shows no focus`);
  }
  assertEquals(order, [
    "workers",
    "Parties",
    "Speed",
    "Timeout",
    ...["Ann", "Bob", "Cyd"].flatMap((name) => [`Pause ${name}`, `Kill ${name}`]),
    "Add a worker",
    "Abort",
    "Reset",
    "and replace who is gone",
  ]);

  await page.page.evaluate("document.activeElement.blur()");
  await tabTo(page, "Pause Bob");
  await keyboard.press("Space");
  const { phase } = await page.shows(
    ({ standing }) => standing === "2 of 3 arrived, missing Bob",
    "Bob is paused",
  );
  await tabTo(page, "Kill Bob");
  await keyboard.press("Enter");
  await page.shows(({ gate }) => gate === "broken", "Bob is killed");
  assertEquals((await focused(page)).name, "Kill Bob", "the focus stays where it was");
  await keyboard.press("Enter"); // does nothing: it is gone
  await tabTo(page, "Reset");
  await keyboard.press("Enter");
  await page.passes(phase + 1, ["Ann", "Bob", "Cyd"]);

  await tabTo(page, "Abort");
  await keyboard.press("Space");
  await page.shows(({ sign }) => sign === "aborted", "the barrier is aborted");
  await tabTo(page, "Add a worker");
  await keyboard.press("Enter");
  await page.shows(({ lanes }) => lanes.length === 4, "a worker is added");
  await page.page.evaluate("document.activeElement.blur()");
  await tabTo(page, "workers");
  await keyboard.press("ArrowRight");
  await page.shows(({ gate, lanes }) => gate === "closed" && lanes.length === 3, "tasks begin");
  assertEquals((await focused(page)).name, "tasks");
  await page.control("button", "Add a task");
});

for (const scheme of ["light", "dark"]) {
  testPage(`page has no fault that axe finds, in ${scheme}`, async (open) => {
    for (const width of [1_100, 320]) {
      const page = await open({ search, width, features: { "prefers-color-scheme": scheme } });
      const dark = await page.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches");
      assertEquals(dark, scheme === "dark");
      await page.passes(0, ["Ann", "Bob", "Cyd"]);
      await page.holdUp("Ann");
      await check(page, "waiting");
      await page.press("Kill Ann");
      await page.shows(({ gate }) => gate === "broken", "it breaks");
      await check(page, "broken");
      await page.press("Reset");
      await page.holdUp("Bob"); // what Cyd was told is past
      await check(page, "mended");
    }
  });
}

/** Fails if axe finds a fault, by the rules of WCAG 2.2 AA and by those of good practice. */
async function check(page: OpenPage, state: string): Promise<void> {
  await page.page.evaluate(axe.source);
  const { violations, passes } = await page.page.evaluate("axe.run()") as axe.AxeResults;
  const faults = violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`)
  );
  assertEquals(faults, [], state);
  assert(passes.some(({ id }) => id === "color-contrast"), "it has looked at the contrast");
}

testPage("page fits a screen of 320 px, whatever it shows", async (open) => {
  const page = await open({ search: search.replace("parties=3", "parties=8"), width: 320 });
  const fits = async (state: string) => {
    const widths = await page.page.evaluate(`[
      document.documentElement.scrollWidth,
      ...[...document.querySelectorAll("body :not(.unseen)")]
        .filter((element) => element.checkVisibility() && !element.closest(".track, .unseen"))
        .map((element) => Math.ceil(element.getBoundingClientRect().right)),
    ]`) as number[];
    assert(Math.max(...widths) <= 320, `${state}: ${Math.max(...widths)} px`);
  };
  await fits("at once");
  await page.shows(({ phase }) => phase > 0, "a phase");
  await fits("passing");
  await page.holdUp("Ann");
  await fits("waiting");
  await page.press("Kill Ann");
  await page.shows(({ lanes }) => lanes.every(({ got }) => /killed|lost/.test(got)), "all told");
  await fits("broken");
  await (await page.control("radio", "tasks")).click();
  await fits("with tasks");
});

testPage("page moves, and does not where less motion is wanted", async (open) => {
  // In every frame until three phases have passed: how many animations run.
  const most = async (page: OpenPage) =>
    await page.page.evaluate(`new Promise((resolve) => {
      let most = 0;
      (function look() {
        most = Math.max(most, document.getAnimations().length);
        if (Number(document.querySelector("#phase output").textContent) >= 3) resolve(most);
        else requestAnimationFrame(look);
      })();
    })`) as number;
  assert(await most(await open({ search })) > 0);
  const still = await open({ search, features: { "prefers-reduced-motion": "reduce" } });
  assertEquals(await most(still), 0);
  await still.passes(3, ["Ann", "Bob", "Cyd"]);
});

testPage("page says aloud what happens, and not too often", async (open) => {
  const page = await open({ search });
  await page.shows(({ phase }) => phase >= 8, "eight phases");
  const passed = (await page.said()).filter((text) => /^Phase \d+ passed\.$/.test(text));
  assertEquals(passed[0], "Phase 0 passed.");
  assert(passed.length <= 4, `${passed}`); // fewer would do, if the machine is quick
  const { phase } = await page.holdUp("Ann");
  assertEquals((await page.said()).at(-1), "Ann is paused in its work.");
  await page.press("Add a worker");
  await page.shows(({ lanes }) => lanes.length === 4, "a worker is added");
  assert((await page.said()).includes("Dan joins."));
  await page.press("Abort");
  await page.shows(({ gate }) => gate === "broken", "it breaks");
  assertMatch((await page.said()).at(-1)!, new RegExp(`^BrokenBarrierError: Phase ${phase} broke`));
  await page.press("Reset");
  await page.shows(({ gate }) => gate !== "broken", "it is mended");
  assert((await page.said()).includes("The barrier has been reset."));
  assertEquals(
    await page.page.evaluate(`document.querySelector("#live").role`),
    "status",
  );
});
