// Copyright 2026 the Rendezvous authors. MIT license.

import { runAction } from "../_common/action.ts";
import { brokenError } from "../_common/errors.ts";
import type { BarrierAction } from "../_common/options.ts";
import type { SharedBarrier } from "./shared_barrier.ts";

/**
 * Runs the action of a barrier in the thread that made it: whenever the barrier changes, it looks whether an action is
 * to be run, or one that runs was overtaken by a break.
 */
export class ActionRunner {
  readonly #barrier: SharedBarrier;
  readonly #action: BarrierAction;
  readonly #stop: () => void;
  #running: { phase: number; controller: AbortController } | undefined;

  constructor(barrier: SharedBarrier, action: BarrierAction) {
    this.#barrier = barrier;
    this.#action = action;
    this.#stop = barrier.waiters.onChange(() => this.#look());
  }

  #look(): void {
    const phase = this.#barrier.actionPhase;
    const running = this.#running;
    if (running !== undefined && running.phase !== phase) {
      this.#running = undefined;
      const broken = this.#barrier.outcomes.endingOf(running.phase);
      running.controller.abort(broken === undefined ? undefined : brokenError(broken));
      // Listeners of the signal may have changed the barrier.
      return this.#look();
    }
    if (running !== undefined || phase === undefined) return;
    const controller = new AbortController();
    this.#running = { phase, controller };
    runAction(this.#action, controller.signal, ({ thrown }) => {
      this.#running = undefined;
      if (thrown === undefined) this.#barrier.passAction(phase);
      else this.#barrier.failAction(phase, thrown.error);
    });
  }

  /** Runs no more actions. One that runs is cancelled by the end of the barrier. */
  close(): void {
    this.#look();
    this.#stop();
  }
}
