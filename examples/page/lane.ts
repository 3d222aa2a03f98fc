// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * The lane of one party: how far it is, and what it got.
 *
 * @module
 */

import { animate } from "./motion.ts";
import type { ErrorFacts, News } from "./party.ts";

/** What a party is doing, in a word. */
type State = "joins" | "works" | "is paused" | "waits" | "is told" | "is gone";

/** What a lane asks for. */
export interface Wishes {
  pause(paused: boolean): void;
  kill(): void;
}

/** The lane of one party. */
export class Lane {
  /** Its place in the page. */
  readonly element: HTMLLIElement;
  readonly #state: HTMLElement;
  readonly #track: HTMLElement;
  readonly #got: HTMLElement;
  readonly #pause: HTMLButtonElement;
  readonly #kill: HTMLButtonElement;
  #gone = false;

  constructor(name: string, hue: number, wishes: Wishes) {
    const template = document.querySelector<HTMLTemplateElement>("#lane")!;
    const copy = template.content.cloneNode(true) as DocumentFragment;
    const find = <T extends HTMLElement>(part: string) => copy.querySelector<T>(`.${part}`)!;
    this.element = find("lane");
    this.#state = find("state");
    this.#track = find("track");
    this.#got = find("got");
    this.#pause = find("pause");
    this.#kill = find("kill");
    find("name").textContent = name;
    this.element.style.setProperty("--hue", `${hue}`);
    this.element.dataset.name = name;
    this.#track.ariaLabel = `Work of ${name}`;
    this.#pause.ariaLabel = `Pause ${name}`;
    this.#kill.ariaLabel = `Kill ${name}`;
    // A button that cannot be used stays one, so that the keyboard does not lose its place.
    this.#pause.onclick = () => {
      if (this.#gone) return;
      const paused = this.#pause.ariaPressed !== "true";
      this.#showPaused(paused);
      wishes.pause(paused);
    };
    this.#kill.onclick = () => {
      if (!this.#gone) wishes.kill();
    };
  }

  /** Shows what its party has told. */
  show(news: News): void {
    // What a party said before it was killed may still be on its way.
    if (this.#gone) return;
    switch (news.type) {
      case "works":
        this.#showState(this.#pause.ariaPressed === "true" ? "is paused" : "works");
        // A step takes as long to be shown as the next one takes to be done: so the fill never halts.
        return this.#fill(news.done, news.done === 0 ? 0 : news.next);
      case "waits":
        this.#showState("waits");
        return this.#fill(1, 120);
      case "passed":
        this.#pass();
        return this.#showNumber(news.phase, news.toCome);
      case "failed":
        this.#showState("is told");
        return this.#showError(news.error);
      case "ended":
        this.#showError(news.error);
        return this.#end();
    }
  }

  /** Its party has been killed. */
  kill(): void {
    this.#showGot("none", "nothing: it was killed");
    this.#end();
  }

  #end(): void {
    this.#gone = true;
    this.#showState("is gone");
    for (const button of [this.#pause, this.#kill]) button.ariaDisabled = "true";
  }

  /** Nobody is paused any more. */
  resume(): void {
    if (!this.#gone) this.#showPaused(false);
  }

  /** What it got before is past. */
  fade(): void {
    this.#got.dataset.past = "";
  }

  #showState(state: State): void {
    this.#state.textContent = state;
    this.element.dataset.state = state;
  }

  #showPaused(paused: boolean): void {
    this.#pause.ariaPressed = `${paused}`;
    if (!paused && this.#state.textContent === "is paused") this.#showState("works");
    if (paused && this.#state.textContent === "works") this.#showState("is paused");
  }

  #fill(done: number, duration: number): void {
    this.element.style.setProperty("--done", `${done}`);
    this.element.style.setProperty("--next", `${duration}ms`);
    this.#track.ariaValueNow = `${Math.round(done * 100)}`;
  }

  /** It goes through the gate. */
  #pass(): void {
    this.#fill(0, 0);
    const trail = this.element.querySelector(".trail")!;
    animate(trail, [{ opacity: 0.5 }, { opacity: 0 }], 500);
    const dot = this.element.querySelector(".dot")!.cloneNode() as HTMLElement;
    dot.classList.add("through");
    this.#track.append(dot);
    const motion = [
      { transform: "none", opacity: 1 },
      { transform: "translateX(3rem)", opacity: 0 },
    ];
    animate(dot, motion, 600).finally(() => dot.remove());
  }

  #showNumber(phase: number, toCome: number): void {
    const last = toCome === 0 ? ", the last" : "";
    this.#showGot("passed", text("b", `number ${toCome}`), ` in phase ${phase}${last}`);
  }

  #showError({ name, message, reason }: ErrorFacts): void {
    const parts: (Node | string)[] = [text("b", name)];
    if (reason !== undefined) parts.push(" ", text("span", reason, "reason"));
    parts.push(" ", text("span", message, "message"));
    this.#showGot("failed", ...parts);
  }

  #showGot(outcome: "none" | "passed" | "failed", ...parts: (Node | string)[]): void {
    this.#got.replaceChildren(...parts);
    this.#got.dataset.outcome = outcome;
    delete this.#got.dataset.past;
  }
}

function text(tag: string, content: string, className = ""): HTMLElement {
  const element = document.createElement(tag);
  element.textContent = content;
  element.className = className;
  return element;
}
