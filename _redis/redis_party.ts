// Copyright 2026 the Rendezvous authors. MIT license.

import { clearInterval, setInterval } from "node:timers";
import { runAction } from "../_common/action.ts";
import { arm, type Cancellation } from "../_common/cancellation.ts";
import { forgotten, invalidState, textOf } from "../_common/errors.ts";
import type { BarrierAction, Waiting, Watching } from "../_common/options.ts";
import type { Party } from "../_common/party.ts";
import { settleOnce } from "../_common/settlement.ts";
import type { Snapshot } from "../_common/snapshot.ts";
import type { Engine } from "./engine.ts";
import { brokenError, timeoutError } from "./errors.ts";
import { Knowledge } from "./knowledge.ts";
import {
  type BrokenPhase,
  type Facts,
  type News,
  readNews,
  type Reply,
  type Request,
  type Standing,
} from "./messages.ts";
import { unsupported } from "./redis_error.ts";

/** How long a call that was cancelled, or a party that leaves, waits for an engine that does not answer, in ms. */
export const ANSWER_TIMEOUT = 1_000;

/** Why a party cannot arrive any more. */
const DROPPED = "has dropped";
const DISPOSED = "was disposed";

/** What a caller gets: it returns or throws, and is called where the caller awaits it, so that the stack names it. */
type Outcome<T> = () => T;

/** An arrival that counts. */
interface Ticket {
  readonly phase: number;
  readonly index: number;
}

/** What a party is made with. */
export interface PartySettings {
  /** Nothing for who only watches. */
  name: string | undefined;
  parties: number;
  action: BarrierAction | undefined;
  /** In ms. */
  timeout: number;
  lease: number;
}

/** A random text, that no other is likely to be. */
export function nonce(): string {
  return Math.random().toString(36).slice(2, 12);
}

/**
 * A party that reaches its barrier by Redis. It states what it knows to be true, and learns from each answer; what is
 * published spares it to ask.
 */
export class RedisParty implements Party {
  readonly name: string | undefined;
  readonly timeout: number;
  readonly session: string = crypto.randomUUID();
  readonly #engine: Engine;
  readonly #settings: PartySettings;
  readonly #known: Knowledge;
  /** The last phase that it arrived in, as it was told; and that it has asked to arrive in. */
  #arrivedIn = -1;
  #asked = -1;
  /** Why it cannot arrive any more. */
  #left: string | undefined;
  /** Whether it has a seat. */
  #hasSeat = false;
  #closing: Promise<void> | undefined;
  /** Those who wait: each is asked when something has changed, and returns `true` when it is done. */
  readonly #waiters = new Set<() => boolean>();
  readonly #heartbeat: ReturnType<typeof setInterval>;
  /** Cancellations that the engine has not decided yet, though their callers are free. */
  readonly #inDoubt = new Set<Promise<void>>();
  /** How many calls keep the event loop alive. */
  #calls = 0;
  /** The action that runs, or ran last. */
  #run: { phase: number; controller: AbortController; ended: Promise<void> } | undefined;
  #acted: Facts["acted"];

  constructor(engine: Engine, settings: PartySettings) {
    this.#engine = engine;
    this.#settings = settings;
    this.name = settings.name;
    this.timeout = settings.timeout;
    this.#known = new Knowledge(settings.parties, settings.action === undefined ? 0 : 1);
    this.#heartbeat = setInterval(() => this.look(), settings.lease / 3);
    this.#heartbeat.unref();
  }

  /** Takes a seat. */
  async join(): Promise<void> {
    const { parties, action } = this.#settings;
    const reply = await this.#say({ verb: "join", parties, action: action === undefined ? 0 : 1 });
    const { refused, has } = reply;
    if (refused === undefined) {
      this.#hasSeat = this.name !== undefined;
      return;
    }
    throw invalidState(
      {
        parties: `This barrier has ${has} parties, and not ${parties}`,
        action: has === 1
          ? `This barrier has an action, and ${this.#who} has none`
          : `This barrier has no action, and ${this.#who} has one`,
        name: `The name ${this.#who} is in use at this barrier`,
        seats: `No seat is free: ${has} of ${reply.parties} are taken`,
      }[refused],
    );
  }

  /** Takes back that it has joined, or is about to: whoever wanted that waits for it no longer. */
  async vacate(): Promise<void> {
    if (this.#closing !== undefined) return;
    await within(ANSWER_TIMEOUT, this.#say({ verb: "vacate" }));
    await this.end();
  }

  get #who(): string {
    return this.name === undefined ? "a handle" : JSON.stringify(this.name);
  }

  // What is said and heard

  #facts(missing: boolean): Facts {
    const hasSeat = this.#hasSeat || this.#left === undefined;
    return {
      ...this.#known.facts,
      session: this.session,
      name: hasSeat ? this.name : undefined,
      lease: this.#settings.lease,
      nonce: nonce(),
      arrived: this.#arrivedIn,
      acted: this.#acted,
      missing,
    };
  }

  async #say(request: Request, missing = false): Promise<Reply> {
    const facts = () => this.#facts(missing);
    let reply: Reply;
    try {
      reply = await this.#engine.state(request, facts, () => this.#known.all);
    } catch (error) {
      if (!this.#engine.isCutOff || this.#closing !== undefined) throw error;
      this.#leave("is gone: its Redis client was closed");
      this.#changed();
      throw this.#whyNot();
    }
    this.#known.learn(reply);
    if (reply.gone !== undefined && this.#left === undefined) {
      this.#leave(
        reply.gone === "lost"
          ? "is gone: it did not speak for longer than its lease"
          : "is gone: its seat was given to another",
      );
    }
    this.#changed();
    return reply;
  }

  /** Restates what is true, and learns what has happened. Nobody waits for it, so it may fail. */
  look(): void {
    if (this.#closing === undefined) this.#say({ verb: "look" }).catch(() => {});
  }

  /** Takes what was published. */
  hear(text: string): void {
    const news = readNews(text);
    if (news === undefined || news.hello !== undefined || this.#closing !== undefined) return;
    if (this.#known.hear(news as News, this.#hasSeat ? this.session : undefined)) this.#changed();
    else this.look();
  }

  #leave(why: string): void {
    this.#left ??= why;
    this.#hasSeat = false;
  }

  #changed(): void {
    this.#runAction();
    for (const check of this.#waiters) if (check()) this.#waiters.delete(check);
  }

  #addWaiter(check: () => boolean): () => void {
    if (!check()) this.#waiters.add(check);
    return () => this.#waiters.delete(check);
  }

  /** Keeps the event loop alive for as long as a call takes. */
  async #during<T>(call: () => Promise<T>): Promise<T> {
    if (this.#calls++ === 0) this.#heartbeat.ref();
    try {
      return await call();
    } finally {
      if (--this.#calls === 0) this.#heartbeat.unref();
    }
  }

  // The action

  #runAction(): void {
    const { phase, running, broken } = this.#known;
    const run = this.#run;
    if (run !== undefined && !run.controller.signal.aborted) {
      const ended = this.#known.brokenAt(run.phase);
      if (ended !== undefined) run.controller.abort(brokenError(ended));
    }
    const { action } = this.#settings;
    if (running !== this.name || action === undefined || !this.#hasSeat) return;
    // At most once a phase: an engine that has lost its data may ask again.
    if (broken !== undefined || run !== undefined && run.phase >= phase) return;
    const controller = new AbortController();
    let end = () => {};
    const ended = new Promise<void>((resolve) => end = resolve);
    controller.signal.addEventListener("abort", end);
    this.#run = { phase, controller, ended };
    runAction(action, controller.signal, ({ thrown }) => {
      this.#acted = thrown === undefined ? { phase } : { phase, cause: textOf(thrown.error) };
      end();
      this.look();
    });
  }

  // Arriving

  get snapshot(): Snapshot {
    return this.#known.snapshot;
  }

  async status(): Promise<Snapshot> {
    if (this.#closing === undefined) {
      await this.#during(() => this.#say({ verb: "look" }, true));
    }
    return this.snapshot;
  }

  async arrive(): Promise<number> {
    return phaseOf(await this.#during(() => this.#arrive("arrive")));
  }

  async arriveAndDrop(): Promise<number> {
    const arrival = await this.#during(async () => {
      // Its drop would count for the phase behind, which cannot pass before its action has ended.
      if (this.#known.running === this.name && this.#left === undefined) await this.#run?.ended;
      return await this.#arrive("drop");
    });
    return phaseOf(arrival);
  }

  /** Arrives in the lowest phase in which it can. */
  async #arrive(verb: "arrive" | "drop"): Promise<Ticket | Outcome<never>> {
    // It may have arrived already, by a call that was told otherwise.
    if (this.#inDoubt.size > 0) await Promise.all(this.#inDoubt);
    const refusal = this.#refusal();
    if (refusal !== undefined) return refusal;
    const wanted = Math.max(this.#known.phase, this.#asked + 1);
    if (verb === "arrive") this.#asked = wanted;
    const reply = await this.#say({ verb, at: wanted, id: nonce() });
    const { at, index = 0, twice, broken } = reply;
    if (reply.dropped) this.#leave(DROPPED);
    if (at !== undefined) {
      // Not before the answer: what is stated meanwhile must be true, for it counts.
      if (verb === "arrive") this.#arrivedIn = Math.max(this.#arrivedIn, at);
      this.#asked = Math.max(this.#asked, this.#arrivedIn);
      return { phase: at, index };
    }
    if (this.#asked === wanted) this.#asked = this.#arrivedIn;
    return () => {
      if (twice !== undefined) {
        throw invalidState(`${this.#who} has arrived in phase ${twice} already`);
      }
      throw broken === undefined || this.#isGone ? this.#whyNot() : brokenError(broken);
    };
  }

  /** Why it cannot arrive, if it cannot. */
  #refusal(): Outcome<never> | undefined {
    if (this.#left === undefined && this.#closing === undefined) return undefined;
    return () => {
      throw this.#whyNot();
    };
  }

  #whyNot(): DOMException {
    return invalidState(`${this.#who} ${this.#left ?? DISPOSED}`);
  }

  async wait(waiting: Waiting): Promise<number> {
    const outcome = await this.#during(() =>
      waiting.signal?.aborted ? this.#cancelFirst(waiting) : this.#wait(waiting)
    );
    return outcome();
  }

  /** A signal that has aborted before: it does to the others what it would while waiting. */
  async #cancelFirst({ signal, onCancel }: Waiting): Promise<Outcome<never>> {
    const refusal = this.#refusal();
    if (refusal !== undefined) return refusal;
    await this.#say({ verb: "look" });
    const gone = this.#refusal();
    if (gone !== undefined) return gone;
    const { broken, phase, running } = this.#known;
    if (broken !== undefined) {
      return () => {
        throw brokenError(broken);
      };
    }
    const at = this.#arrivedIn + 1;
    if (at > (running === undefined ? phase : phase + 1)) {
      return () => {
        throw invalidState(`${this.#who} has arrived in phase ${at - 1} already`);
      };
    }
    if (onCancel === "break") await this.#say(this.#breaking("aborted", signal, phase));
    return () => {
      throw signal!.reason;
    };
  }

  #breaking(
    why: Cancellation,
    signal: AbortSignal | undefined,
    at: number,
    verb: "break" | "withdraw" = "break",
  ): Request {
    const cause = why === "aborted" ? textOf(signal!.reason) : undefined;
    return { verb, at, reason: why, details: { party: this.name, cause } };
  }

  async #wait({ timeout, signal, onCancel }: Waiting): Promise<Outcome<number>> {
    const arriving = this.#arrive("arrive");
    let remove = () => {};
    return await this.#settle<number>(
      timeout,
      signal,
      async (end) => {
        const arrival = await arriving;
        if (typeof arrival === "function") return end(arrival);
        const { phase, index } = arrival;
        remove = this.#addWaiter(() => {
          const outcome = this.#endOf(phase);
          if (outcome !== undefined) end(() => (outcome(), index));
          return outcome !== undefined;
        });
      },
      async (why) => {
        const arrival = await arriving;
        if (typeof arrival === "function") return arrival;
        const { phase, index } = arrival;
        remove();
        const ended = this.#endOf(phase);
        if (ended !== undefined) return () => (ended(), index);
        const verb = onCancel === "withdraw" ? "withdraw" : "break";
        // Said while this is on its way, that it has arrived would make it arrive again.
        if (verb === "withdraw" && this.#arrivedIn === phase) {
          this.#arrivedIn = phase - 1;
          if (this.#asked === phase) this.#asked = phase - 1;
        }
        const reply = await this.#say(this.#breaking(why, signal, phase, verb));
        if (reply.cancelled) return cancelled(why, timeout, signal, reply.before!);
        const outcome = this.#endOf(phase) ?? (() => {
          throw this.#left === undefined ? forgotten(phase) : this.#whyNot();
        });
        const broken = this.#known.brokenAt(phase);
        if (isBySignal(broken, why, signal)) return cancelled(why, timeout, signal, broken);
        return () => (outcome(), index);
      },
    );
  }

  /**
   * Waits for an outcome, or until what cancels it has been decided: that the engine does, but it may be away. Then a
   * second later the caller is free, and what was asked of the engine is done when it is back.
   *
   * @param start Calls `end` with the outcome.
   * @param cancel Gives the outcome of the cancellation.
   */
  #settle<T>(
    timeout: number,
    signal: AbortSignal | undefined,
    start: (end: (outcome: Outcome<T>) => void) => Promise<void>,
    cancel: (why: Cancellation) => Promise<Outcome<T>>,
  ): Promise<Outcome<T>> {
    const thrower = (error: unknown) => () => {
      throw error;
    };
    let end!: (outcome: Outcome<T>) => void;
    let disarm = () => {};
    return settleOnce<Outcome<T>>(
      timeout,
      signal,
      (settle) => {
        end = (outcome) => {
          disarm();
          settle(outcome);
        };
        start(end).catch((error) => end(thrower(error)));
        return () => {};
      },
      (why) => {
        const { phase, arrived, parties, missing } = this.snapshot;
        const deciding = cancel(why).then(end, (error) => end(thrower(error)));
        disarm = arm(ANSWER_TIMEOUT, undefined, () => {
          this.#inDoubt.add(deciding);
          deciding.then(() => this.#inDoubt.delete(deciding));
          end(cancelled(why, timeout, signal, { phase, arrived, parties, missing }));
        });
        return undefined;
      },
    );
  }

  // Watching

  async waitFor(phase: number, watching: Watching): Promise<void> {
    const ended = phase < this.#known.phase ? this.#endOf(phase) : undefined;
    if (ended !== undefined) return ended();
    let from = phase;
    const look = () => this.#endOf(phase, from);
    const outcome = await this.#during(() =>
      this.#watch(look, watching, phase, () => from = Math.min(phase, this.#known.phase))
    );
    outcome();
  }

  async ready(watching: Watching): Promise<void> {
    if (this.#closing !== undefined) throw this.#whyNot();
    const usable = () => {
      if (this.#closing !== undefined) throw this.#whyNot();
    };
    const look = () =>
      this.#known.broken === undefined || this.#closing !== undefined ? usable : undefined;
    const outcome = await this.#during(() => this.#watch(look, watching));
    outcome();
  }

  /** Waits until `look` finds an outcome. It first asks the engine: what has ended there is told. */
  #watch(
    look: () => Outcome<void> | undefined,
    { timeout, signal }: Watching,
    phase?: number,
    begin: () => void = () => {},
  ): Promise<Outcome<void>> {
    let remove = () => {};
    return this.#settle<void>(
      timeout,
      signal,
      async (end) => {
        if (this.#closing === undefined) await this.#say({ verb: "look" });
        begin();
        remove = this.#addWaiter(() => {
          const outcome = look();
          if (outcome !== undefined) end(outcome);
          return outcome !== undefined;
        });
      },
      async (why) => {
        if (this.#closing === undefined) await this.#say({ verb: "look" }, true);
        remove();
        const { snapshot } = this;
        return look() ??
          cancelled(why, timeout, signal, { ...snapshot, phase: phase ?? snapshot.phase });
      },
    );
  }

  /** How a phase ended, if it has, or one did from `from` to it that broke. */
  #endOf(phase: number, from = phase): Outcome<void> | undefined {
    const known = this.#known;
    for (let at = from; at <= Math.min(phase, known.phase + 1); at++) {
      const broken = known.brokenAt(at);
      if (broken !== undefined) {
        return () => {
          throw brokenError(broken);
        };
      }
    }
    if (phase < known.phase) {
      // That it passed is believed only where this party had its seat then: others may have met in its place.
      const isUncounted = phase === this.#arrivedIn && known.counted < phase;
      return () => {
        if (isUncounted && this.#isGone) throw this.#whyNot();
        if (isUncounted || known.isForgotten(phase)) throw forgotten(phase);
      };
    }
    if (this.#closing !== undefined) {
      return () => {
        throw invalidState(`${this.#who} was disposed before phase ${phase} ended`);
      };
    }
    // Its arrival in the open phase counts no more.
    if (!this.#isGone || phase !== this.#arrivedIn) return undefined;
    return () => {
      throw this.#whyNot();
    };
  }

  /** Whether it lost its seat, and not by its own doing. */
  get #isGone(): boolean {
    return this.#left !== undefined && this.#left !== DROPPED && this.#left !== DISPOSED;
  }

  // Changing

  register(_count: number): Promise<number> {
    const why =
      "register() is not possible on Redis: an engine that loses it would pass phases early";
    return Promise.reject(this.#closing === undefined ? unsupported(why) : this.#whyNot());
  }

  async abort(reason: unknown): Promise<void> {
    if (this.#closing !== undefined) return;
    const cause = reason === undefined ? undefined : textOf(reason);
    const details = { party: this.name, cause };
    await this.#during(() => this.#say({ verb: "break", reason: "aborted", details, id: nonce() }));
  }

  async reset(phase: number | undefined, dropLost: boolean): Promise<string[]> {
    if (this.#closing !== undefined) throw this.#whyNot();
    const request: Request = { verb: "reset", at: phase, dropLost, id: nonce() };
    return [...(await this.#during(() => this.#say(request))).names];
  }

  close(): Promise<void> {
    return this.#closing ??= this.#during(() => this.#close());
  }

  async #close(): Promise<void> {
    if (this.#hasSeat) {
      const details = { party: this.name!, note: `${this.#who} was disposed` };
      const leaving = this.#say({ verb: "leave", details });
      await within(ANSWER_TIMEOUT, leaving);
    }
    this.#left = DISPOSED;
    this.#hasSeat = false;
    this.#changed();
    await this.end();
  }

  /** Ends what it holds. */
  async end(): Promise<void> {
    this.#closing ??= Promise.resolve();
    await within(ANSWER_TIMEOUT, this.#engine.close());
    clearInterval(this.#heartbeat);
  }
}

/** The phase of an arrival; if it was refused, the error is thrown here. */
function phaseOf(arrival: Ticket | Outcome<never>): number {
  return typeof arrival === "function" ? arrival() : arrival.phase;
}

/** Whether a phase was broken by the signal of this wait, which another party shares. */
function isBySignal(
  broken: BrokenPhase | undefined,
  why: Cancellation,
  signal: AbortSignal | undefined,
): broken is BrokenPhase {
  return why === "aborted" && broken?.reason === "aborted" &&
    broken.cause === textOf(signal!.reason);
}

/** What a call gets that was cancelled. */
function cancelled(
  why: Cancellation,
  timeout: number,
  signal: AbortSignal | undefined,
  before: Standing,
): Outcome<never> {
  return () => {
    throw why === "aborted" ? signal!.reason : timeoutError(timeout, before);
  };
}

/** Waits for a promise, but no longer than `ms`. */
async function within(ms: number, promise: Promise<unknown>): Promise<void> {
  await new Promise<void>((resolve) => {
    const disarm = arm(ms, undefined, () => resolve());
    const done = () => (disarm(), resolve());
    promise.then(done, done);
  });
}
