// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * What all see: how the barrier stands, its line, its phases, and what is said aloud.
 *
 * @module
 */

import type { BrokenBarrierError } from "../../mod.ts";
import { Lane, type Wishes } from "./lane.ts";
import type { Meeting } from "./meeting.ts";

/** How many phases the row of outcomes shows. */
const OUTCOMES = 32;

/** For how long the line stays open after a phase has passed, in ms. */
const OPEN = 450;

/** A screen reader is told of a phase that passed at most this often, in ms: it must be able to finish. */
const QUIET = 5_000;

/** One colour for each party. Red is left for what breaks. */
const HUES = [262, 160, 305, 75, 215, 340, 130, 285];

const find = <T extends HTMLElement>(selector: string) => document.querySelector<T>(selector)!;
const board = find("#board");
const sign = find("#sign");
const phaseOutput = find("#phase output");
const standing = find("#standing");
const counts = find("#counts");
const outcomes = find("#outcomes");
const lanesElement = find("#lanes");
const empty = find("#empty");
const breakText = find("#break");
const live = find("#live");

/** Says something aloud. It is not shown. */
export function say(text: string): void {
  live.textContent = text;
}

/** The view of one meeting. */
export class Board {
  readonly #lanes = new Map<string, Lane>();
  #hues = 0;
  #passed = 0;
  #broken = 0;
  #said = -QUIET;
  #closing: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    lanesElement.replaceChildren();
    outcomes.replaceChildren();
    this.#showGate("closed", "barrier");
    this.#count();
  }

  /** The lane of a party. */
  lane(name: string): Lane | undefined {
    return this.#lanes.get(name);
  }

  /** A lane for a party, or for its replacement. */
  addLane(name: string, wishes: Wishes): void {
    const old = this.#lanes.get(name);
    const hue = old?.element.style.getPropertyValue("--hue") ?? HUES[this.#hues++ % HUES.length]!;
    const lane = new Lane(name, Number(hue), wishes);
    this.#lanes.set(name, lane);
    if (old === undefined) lanesElement.append(lane.element);
    else old.element.replaceWith(lane.element);
  }

  removeLane(name: string): void {
    this.#lanes.get(name)?.element.remove();
    this.#lanes.delete(name);
  }

  /** Shows how the barrier stands. */
  show({ phase, arrived, parties, missing }: Meeting["barrier"]): void {
    setText(phaseOutput, `${phase}`);
    const who = missing.length > 0 ? `, missing ${missing.join(", ")}` : "";
    setText(standing, `${arrived} of ${parties} arrived${who}`);
    empty.hidden = parties > 0;
  }

  /** A phase has passed: the line opens for a moment. */
  pass(phase: number): void {
    this.#passed++;
    this.#count(phase, "passed");
    this.#showGate("open", "open");
    this.#closing = setTimeout(() => this.#showGate("closed", "barrier"), OPEN);
    if (performance.now() - this.#said < QUIET) return;
    this.#said = performance.now();
    say(`Phase ${phase} passed.`);
  }

  /** A phase broke: the line is red until the barrier is mended. */
  break({ name, message, reason, phase }: BrokenBarrierError): void {
    this.#broken++;
    this.#count(phase, "broken");
    this.#showGate("broken", reason);
    for (const lane of this.#lanes.values()) lane.resume();
    breakText.textContent = message;
    breakText.hidden = false;
    say(`${name}: ${message}. Reset makes the barrier usable again.`);
  }

  /** The barrier can be used again. */
  mend(): void {
    this.#showGate("closed", "barrier");
    for (const lane of this.#lanes.values()) lane.fade();
    say("The barrier has been reset.");
  }

  /** Ends what it has begun. */
  end(): void {
    clearTimeout(this.#closing);
  }

  #showGate(gate: "closed" | "open" | "broken", text: string): void {
    clearTimeout(this.#closing);
    board.dataset.gate = gate;
    sign.textContent = text;
    if (gate !== "broken") breakText.hidden = true;
  }

  #count(phase?: number, outcome?: "passed" | "broken"): void {
    counts.textContent = `${this.#passed} passed, ${this.#broken} broken`;
    if (outcome === undefined) return;
    const mark = document.createElement("li");
    mark.className = outcome;
    mark.title = `Phase ${phase} ${outcome}`;
    outcomes.prepend(mark);
    if (outcomes.childElementCount > OUTCOMES) outcomes.lastElementChild!.remove();
  }
}

/** Writes only what is new: this runs in every frame. */
function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
