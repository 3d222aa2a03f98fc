// Copyright 2026 the Rendezvous authors. MIT license.

import { runAction } from "../_common/action.ts";
import { textOf } from "../_common/errors.ts";
import type { BarrierAction } from "../_common/options.ts";
import { withResolvers } from "../_common/platform.ts";
import { brokenError } from "./errors.ts";
import type { Knowledge } from "./knowledge.ts";
import type { Facts } from "./messages.ts";

/** Runs the action of a barrier where it is this party's turn: at most once a phase. */
export class ActionRuns {
  /** The phase whose action has ended here last, and what it threw: a fact that is stated. */
  acted: Facts["acted"];
  readonly #action: BarrierAction | undefined;
  readonly #onEnd: () => void;
  /** The phase whose action runs here, or ran last. */
  #phase = -1;
  #controller = new AbortController();
  #ended: Promise<void> = Promise.resolve();

  constructor(action: BarrierAction | undefined, onEnd: () => void) {
    this.#action = action;
    this.#onEnd = onEnd;
  }

  /** Resolves when nothing runs here. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** Starts or cancels the action, as is known now. Who has no seat has no name. */
  update(known: Knowledge, name: string | undefined): void {
    const { phase, running, broken } = known;
    const ended = this.#phase < 0 ? undefined : known.brokenAt(this.#phase);
    if (ended !== undefined && !this.#controller.signal.aborted) {
      this.#controller.abort(brokenError(ended));
    }
    if (name === undefined || running !== name || broken !== undefined) return;
    // An engine that has lost its data may ask again.
    if (this.#action === undefined || phase <= this.#phase) return;
    const { promise, resolve } = withResolvers<void>();
    this.#phase = phase;
    this.#ended = promise;
    this.#controller = new AbortController();
    const { signal } = this.#controller;
    signal.addEventListener("abort", () => resolve());
    runAction(this.#action, signal, ({ thrown }) => {
      this.acted = thrown === undefined ? { phase } : { phase, cause: textOf(thrown.error) };
      resolve();
      this.#onEnd();
    });
  }
}
