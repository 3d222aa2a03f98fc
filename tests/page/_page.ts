// Copyright 2026 the Rendezvous authors. MIT license.

// The page of `examples/page/` in a real browser. What is found there is what a visitor finds: controls by their names,
// results by what is shown.

import { assertEquals } from "@std/assert";
import puppeteer, {
  type Browser,
  type BrowserContext,
  type ElementHandle,
  type Page,
} from "puppeteer-core";
import { test, until } from "../_helpers/harness.ts";
import { chromium, firefox } from "../_helpers/programs.ts";
import { serve } from "./_serve.ts";

/** How the page stands, as it is shown. */
export interface Shown {
  phase: number;
  standing: string;
  counts: string;
  sign: string;
  gate: string;
  breakText: string;
  alert: string;
  lanes: { name: string; state: string; got: string; progress: number; paused: boolean }[];
}

/** What a lane has shown as what its party got. */
export interface Got {
  name: string;
  text: string;
}

/** Reads what is shown. It runs in the page. */
const READ = `(() => {
  const text = (element) => element.checkVisibility() ? element.innerText.replace(/\\s+/g, " ").trim() : "";
  const find = (selector) => text(document.querySelector(selector));
  return {
    phase: Number(find("#phase output")),
    standing: find("#standing"),
    counts: find("#counts"),
    sign: find("#sign"),
    gate: document.querySelector("#board").dataset.gate,
    breakText: find("#break"),
    alert: find("[role=alert]"),
    lanes: [...document.querySelectorAll("#lanes > li")].map((lane) => ({
      name: text(lane.querySelector(".name")),
      state: text(lane.querySelector(".state")),
      got: text(lane.querySelector(".got")),
      progress: Number(lane.querySelector("[role=progressbar]").ariaValueNow),
      paused: lane.querySelector("[aria-pressed]").ariaPressed === "true",
    })),
  };
})()`;

/** Notes all that is shown and said, however short. It runs before the page does. */
const RECORD = `
  window.got = [];
  window.said = [];
  window.signs = [];
  new MutationObserver((records) => {
    const seen = new Set(records.map(({ target }) => target));
    for (const element of seen) {
      if (element.matches?.(".got")) {
        const name = element.closest("li")?.dataset.name;
        window.got.push({ name, text: element.textContent });
      }
      if (element.id === "live") window.said.push(element.textContent);
      if (element.id === "sign") window.signs.push(element.textContent);
    }
  }).observe(document, { subtree: true, childList: true });
`;

/** The page, open in a browser of its own. */
export class OpenPage {
  readonly page: Page;
  readonly errors: string[] = [];

  constructor(page: Page) {
    this.page = page;
    page.on("pageerror", (error) => this.errors.push(`${error}`));
    page.on("console", (message) => {
      if (message.type() === "error") this.errors.push(message.text());
    });
  }

  async shown(): Promise<Shown> {
    return await this.page.evaluate(READ) as Shown;
  }

  /** All that the lanes have shown as what their parties got, in this order. */
  async got(): Promise<Got[]> {
    return await this.page.evaluate("window.got") as Got[];
  }

  /** All that a screen reader was told. */
  async said(): Promise<string[]> {
    return await this.page.evaluate("window.said") as string[];
  }

  /** All that was written above the line. */
  async signs(): Promise<string[]> {
    return await this.page.evaluate("window.signs") as string[];
  }

  /** The control of that role and name. */
  async control(role: string, name: string): Promise<ElementHandle> {
    const found = await this.page.$$(`::-p-aria([name="${name}"][role="${role}"])`);
    assertEquals(found.length, 1, `${found.length} controls are a ${role} named ${name}`);
    return found[0]!;
  }

  /** Presses a button, once it stands still: what is shown above it may move it. */
  async press(button: string): Promise<void> {
    await (await this.control("button", button)).asLocator().click();
  }

  async choose(name: string, value: string): Promise<void> {
    await (await this.control("combobox", name)).select(value);
  }

  /** Waits until what is shown is as it should be, and returns that. */
  async shows(condition: (shown: Shown) => boolean, what: string): Promise<Shown> {
    let shown: Shown | undefined;
    try {
      await until(async () => condition(shown = await this.shown()), what);
    } catch (error) {
      throw new Error(`${(error as Error).message}; it shows ${Deno.inspect(shown)}`);
    }
    return shown!;
  }

  /** Pauses a party, and waits until all others wait for it. Returns the phase. */
  async holdUp(name: string): Promise<Shown> {
    await this.press(`Pause ${name}`);
    return await this.shows(
      ({ standing, lanes }) =>
        standing === `${lanes.length - 1} of ${lanes.length} arrived, missing ${name}` &&
        lanes.every((lane) => lane.state === (lane.name === name ? "is paused" : "waits")),
      `all wait for ${name}`,
    );
  }

  /** Waits until `phase` has passed, and checks that its numbers are a permutation over those who are there. */
  async passes(phase: number, names: string[]): Promise<void> {
    const pattern = new RegExp(`^number (\\d+) in phase ${phase}(, the last)?$`);
    const gotIn = (got: Got[]) => got.filter(({ text }) => pattern.test(text));
    await until(
      async () => gotIn(await this.got()).length >= names.length,
      `${names} pass phase ${phase}`,
    );
    const got = gotIn(await this.got());
    assertEquals(got.map(({ name }) => name).toSorted(), names.toSorted());
    const numbers = got.map(({ text }) => Number(pattern.exec(text)![1]));
    assertEquals(numbers.toSorted((a, b) => a - b), names.map((_, index) => index));
    for (const { text } of got) assertEquals(text.includes("number 0 "), text.endsWith("the last"));
  }
}

/** What a test says of the page that it opens. */
export interface Opening {
  /** What stands in the address behind the question mark. */
  search?: string;
  /** Where the page is, if it is not served as usual. */
  url?: string;
  width?: number;
  /** Media features, such as `prefers-color-scheme`. */
  features?: Record<string, string>;
}

/** Opens the page. */
export type Open = (opening?: Opening) => Promise<OpenPage>;

// The tests of a file share a server and a Chromium: to start them takes longer than most tests. They are started
// outside of the tests. The timers of such a browser end in whichever test comes, so its tests have no sanitizers.
const shared = new AsyncDisposableStack();
let url: string;
let sharedBrowser: Browser | undefined;

Deno.test.beforeAll(async () => {
  if (chromium.missing !== undefined && firefox.missing !== undefined) return;
  url = (await serve(shared)).url;
  if (chromium.path === undefined) return;
  sharedBrowser = await launch("chrome", chromium.path, shared);
});
Deno.test.afterAll(() => shared.disposeAsync());

/** A test of the page in a browser: ignored, and the reason in its name, where there is none. */
export function testPage(
  title: string,
  body: (open: Open) => Promise<void>,
  name: "chrome" | "firefox" = "chrome",
): void {
  const { path, missing } = name === "chrome" ? chromium : firefox;
  test(missing === undefined ? title : `${title} (ignored: ${missing})`, async (scope) => {
    const browser = name === "chrome" ? sharedBrowser! : await launch(name, path!, scope);
    // Tests see nothing of each other.
    const context = await browser.createBrowserContext();
    scope.defer(() => context.close());
    await body((opening) => open(context, opening));
  }, { ignore: missing !== undefined, deadline: 90_000, sanitize: name !== "chrome" });
}

async function open(
  context: BrowserContext,
  { search = "", width = 1_100, features, ...opening }: Opening = {},
): Promise<OpenPage> {
  const page = await context.newPage();
  const opened = new OpenPage(page);
  await page.setViewport({ width, height: 900 });
  if (features !== undefined) {
    await page.emulateMediaFeatures(
      Object.entries(features).map(([name, value]) => ({ name, value })),
    );
  }
  await page.evaluateOnNewDocument(RECORD);
  await page.goto(`${opening.url ?? url}?${search}`);
  return opened;
}

async function launch(
  name: "chrome" | "firefox",
  path: string,
  scope: AsyncDisposableStack,
): Promise<Browser> {
  const browser = await puppeteer.launch({
    browser: name,
    executablePath: path,
    headless: true,
    // In a container, and as root, a browser has no sandbox. It opens nothing but this page.
    args: name === "chrome" ? ["--no-sandbox", "--disable-gpu"] : [],
  });
  scope.defer(() => browser.close());
  return browser;
}
