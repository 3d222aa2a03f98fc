// Copyright 2026 the Rendezvous authors. MIT license.

import { cannot, checkInteger, show } from "../_common/checks.ts";
import { textOf } from "../_common/errors.ts";
import {
  checkPhase,
  readReset,
  readWait,
  readWatch,
  type ResetOptions,
  type Waiting,
  type WaitOptions,
  type Watching,
} from "../_common/options.ts";
import { MAX_PHASE } from "../_memory/state.ts";
import type { SharedParty } from "../_memory/shared_party.ts";
import { type Connection, encodeNumbers } from "./connection.ts";
import type { Coordinator } from "./coordinator.ts";
import { Cancelled, encodeError, type Message } from "./protocol.ts";
import { turn } from "./turn.ts";

/** How many answers a party may have coming. One that asks for more does not read them. */
const MAX_PENDING = 1_000;

/** A party whose arrivals come over its connection: does what it asks, and answers. */
export class Member {
  readonly #coordinator: Coordinator;
  readonly #connection: Connection;
  readonly #party: SharedParty;
  /** What cancels the pending waits of the party, by their ids. */
  readonly #cancellable = new Map<unknown, AbortController>();
  /** Ends what it only watches, when its connection ends. */
  readonly #watching = new AbortController();
  /** The usual wait. */
  readonly #usual: Waiting;
  #pending = 0;

  constructor(coordinator: Coordinator, connection: Connection, party: SharedParty) {
    this.#coordinator = coordinator;
    this.#connection = connection;
    this.#party = party;
    const { timeout } = coordinator.barrier.memory;
    this.#usual = { timeout, signal: undefined, onCancel: "break" };
  }

  /** Does the usual wait, which has no options. */
  takeWait(id: number): void {
    if (this.#pending === MAX_PENDING) return this.#connection.close();
    this.#pending++;
    this.#party.wait(this.#usual).then((ok) => {
      const { parties, arrived, phase, broken } = this.#coordinator.barrier.outcomes.counts;
      if (broken) return this.#answer(id, ok);
      this.#pending--;
      this.#connection.sendLine(encodeNumbers([id, ok, parties, arrived, phase]));
    }, (error) => this.#refuse(id, error));
  }

  /** Does what a line asks. Whatever is wrong with it becomes the answer. */
  take(message: Message): void {
    if (this.#pending === MAX_PENDING) return this.#connection.close();
    this.#pending++;
    const { id } = message;
    try {
      const result = this.#serve(message);
      if (result instanceof Promise) {
        result.then((ok) => this.#answer(id, ok), (error) => this.#refuse(id, error));
      } else {
        this.#answer(id, result);
      }
    } catch (error) {
      this.#refuse(id, error);
    }
  }

  #answer(id: unknown, ok: unknown): void {
    this.#pending--;
    this.#connection.send({ id, ok: ok ?? null, state: this.#coordinator.barrier.outcomes.counts });
  }

  #refuse(id: unknown, error: unknown): void {
    this.#pending--;
    const state = this.#coordinator.barrier.outcomes.counts;
    this.#connection.send({ id, error: encodeError(error), state });
  }

  /** The connection has ended. */
  end(): void {
    this.#party.lose();
    this.#watching.abort();
  }

  #serve(message: Message): unknown {
    const party = this.#party;
    const { phase, count, reason, dropLost } = message;
    switch (message.do) {
      case "wait":
        return this.#wait(message);
      case "cancel":
        return this.#cancellable.get(message.wait)?.abort(textOf(reason));
      case "arrive":
        return party.arrive();
      case "drop":
        return party.arriveAndDrop();
      case "waitFor":
        checkPhase("wait for a phase", phase, MAX_PHASE);
        return this.#watch(message, (options) => party.waitFor(phase, options));
      case "ready":
        return this.#watch(message, (options) => party.ready(options));
      case "register":
        checkInteger("register parties", "count", count, 1);
        return party.register(count);
      case "abort":
        return party.abort(reason === undefined ? undefined : textOf(reason));
      case "reset": {
        const drops = readReset(phase, { dropLost } as ResetOptions);
        return party.reset(phase as number | undefined, drops);
      }
      case "status":
        return party.status();
      case "leave":
        party.close();
        // Its own waits have ended by that, and are answered first.
        return turn().then(() => this.#coordinator.recentBreaks());
      default:
        throw new TypeError(cannot("answer", `"do" must be known`, show(message.do)));
    }
  }

  #wait(message: Message): Promise<number> {
    const { timeout, onCancel } = message;
    const options = { timeout: durationOf(timeout), onCancel } as WaitOptions;
    // Checked before it arrives.
    const waiting = readWait(options, this.#coordinator.barrier.memory.timeout);
    return this.#unlessCancelled(message, (signal) => this.#party.wait({ ...waiting, signal }));
  }

  #watch(
    message: Message,
    start: (options: Watching) => Promise<void>,
  ): Promise<void> {
    const { timeout } = readWatch("wait", { timeout: durationOf(message.timeout) as number });
    const { signal: ended } = this.#watching;
    return this.#unlessCancelled(message, (own) => {
      const signal = own === undefined ? ended : AbortSignal.any([own, ended]);
      return start({ timeout, signal });
    });
  }

  /** Waits for what its party may cancel, or has cancelled already. */
  #unlessCancelled<T>(
    { id, cancellable, cancelled }: Message,
    start: (signal: AbortSignal | undefined) => Promise<T>,
  ): Promise<T> {
    if (cancellable !== true && cancelled === undefined) return start(undefined);
    const controller = new AbortController();
    const { signal } = controller;
    if (cancelled !== undefined) controller.abort(textOf(cancelled));
    this.#cancellable.set(id, controller);
    return start(signal).catch((error) => {
      throw signal.aborted && error === signal.reason ? new Cancelled(textOf(error)) : error;
    }).finally(() => this.#cancellable.delete(id));
  }
}

/** A duration as JSON has it: there is no `Infinity`, and `null` stands for it. */
function durationOf(told: unknown): unknown {
  return told === null ? Infinity : told;
}
