// Copyright 2026 the Rendezvous authors. MIT license.

import type { Cancellation } from "../_common/cancellation.ts";
import { forgotten, invalidState, textOf } from "../_common/errors.ts";
import type { Waiting, Watching } from "../_common/options.ts";
import type { Party } from "../_common/party.ts";
import type { Snapshot } from "../_common/snapshot.ts";
import type { Engine } from "./engine.ts";
import { brokenError } from "./errors.ts";
import { type BrokenPhase, nonce, type Request } from "./messages.ts";
import { unsupported } from "./redis_error.ts";
import { ANSWER_TIMEOUT, cancelled, type Outcome, settle, within } from "./settle.ts";
import { DISPOSED, DROPPED, type PartySettings, Voice } from "./voice.ts";

/** An arrival that counts. */
interface Ticket {
  readonly phase: number;
  readonly index: number;
}

/** A party that reaches its barrier by Redis. */
export class RedisParty implements Party {
  readonly name: string | undefined;
  readonly timeout: number;
  readonly #settings: PartySettings;
  readonly #voice: Voice;
  /** The last phase that it has asked to arrive in. What it was told is a fact, and this is none. */
  #asked = -1;
  /** Cancellations that the engine has not decided yet, though their callers are free. */
  readonly #inDoubt = new Set<Promise<void>>();
  #closing: Promise<void> | undefined;

  constructor(engine: Engine, settings: PartySettings) {
    this.name = settings.name;
    this.timeout = settings.timeout;
    this.#settings = settings;
    this.#voice = new Voice(engine, settings);
  }

  /** Takes a seat. */
  async join(): Promise<void> {
    const { parties, action } = this.#settings;
    const request: Request = { verb: "join", parties, action: action === undefined ? 0 : 1 };
    const { refused, has, ...reply } = await this.#voice.say(request);
    if (refused === undefined) {
      this.#voice.hasSeat = this.name !== undefined;
      return;
    }
    const { who } = this.#voice;
    const [there, here] = has === 1 ? ["an action", "none"] : ["no action", "one"];
    throw invalidState(
      {
        parties: `This barrier has ${has} parties, and not ${parties}`,
        action: `This barrier has ${there}, and ${who} has ${here}`,
        name: `The name ${who} is in use at this barrier`,
        seats: `No seat is free: ${has} of ${reply.parties} are taken`,
      }[refused],
    );
  }

  /** Takes back that it has joined, or is about to: whoever wanted that waits for it no longer. */
  async vacate(): Promise<void> {
    if (this.#closing !== undefined) return;
    await within(ANSWER_TIMEOUT, this.#voice.say({ verb: "vacate" }));
    this.#closing = this.#voice.end();
    await this.#closing;
  }

  /** Takes what was published. */
  hear(text: string): void {
    this.#voice.hear(text);
  }

  /** Restates what is true, and learns what has happened. */
  look(): void {
    this.#voice.look();
  }

  get snapshot(): Snapshot {
    return this.#voice.known.snapshot;
  }

  async status(): Promise<Snapshot> {
    if (this.#closing === undefined) {
      await this.#voice.during(() => this.#voice.say({ verb: "look" }, true));
    }
    return this.snapshot;
  }

  // Arriving

  async arrive(): Promise<number> {
    return phaseOf(await this.#voice.during(() => this.#arrive("arrive")));
  }

  async arriveAndDrop(): Promise<number> {
    const arrival = await this.#voice.during(async () => {
      // Its drop would count for the phase behind, which cannot pass before its action has ended.
      if (this.#voice.hasSeat && this.#voice.known.running === this.name) {
        await this.#voice.runs.ended;
      }
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
    const voice = this.#voice;
    const wanted = Math.max(voice.known.phase, this.#asked + 1);
    if (verb === "arrive") this.#asked = wanted;
    const { at, index = 0, twice, dropped, broken } = await voice.say({
      verb,
      at: wanted,
      id: nonce(),
    });
    if (dropped) voice.leave(DROPPED);
    if (at !== undefined) {
      // Not before the answer: what is stated meanwhile must be true, for it counts.
      if (verb === "arrive") voice.arrivedIn = Math.max(voice.arrivedIn, at);
      this.#asked = Math.max(this.#asked, voice.arrivedIn);
      return { phase: at, index };
    }
    if (this.#asked === wanted) this.#asked = voice.arrivedIn;
    return () => {
      if (twice !== undefined) {
        throw invalidState(`${voice.who} has arrived in phase ${twice} already`);
      }
      throw broken === undefined || voice.isGone ? voice.whyNot : brokenError(broken);
    };
  }

  /** Why it cannot arrive, if it cannot. */
  #refusal(): Outcome<never> | undefined {
    if (this.#voice.left === undefined && this.#closing === undefined) return undefined;
    return () => {
      throw this.#voice.whyNot;
    };
  }

  async wait(waiting: Waiting): Promise<number> {
    const outcome = await this.#voice.during(() =>
      waiting.signal?.aborted ? this.#cancelFirst(waiting) : this.#wait(waiting)
    );
    return outcome();
  }

  /** A signal that has aborted before: it does to the others what it would while waiting. */
  async #cancelFirst({ signal, onCancel }: Waiting): Promise<Outcome<never>> {
    const before = this.#refusal();
    if (before !== undefined) return before;
    await this.#voice.say({ verb: "look" });
    const refusal = this.#refusal();
    if (refusal !== undefined) return refusal;
    const { broken, phase, running } = this.#voice.known;
    if (broken !== undefined) {
      return () => {
        throw brokenError(broken);
      };
    }
    const { arrivedIn, who } = this.#voice;
    if (arrivedIn >= (running === undefined ? phase : phase + 1)) {
      return () => {
        throw invalidState(`${who} has arrived in phase ${arrivedIn} already`);
      };
    }
    if (onCancel === "break") {
      await this.#voice.say(this.#ending("break", "aborted", signal, phase));
    }
    return () => {
      throw signal!.reason;
    };
  }

  #ending(
    verb: "break" | "withdraw",
    why: Cancellation,
    signal: AbortSignal | undefined,
    at: number,
  ): Request {
    const cause = why === "aborted" ? textOf(signal!.reason) : undefined;
    return { verb, at, reason: why, details: { party: this.name, cause } };
  }

  #wait({ timeout, signal, onCancel }: Waiting): Promise<Outcome<number>> {
    const arriving = this.#arrive("arrive");
    let remove = () => {};
    return settle<number>({
      ...this.#settling,
      timeout,
      signal,
      start: async (end) => {
        const arrival = await arriving;
        if (typeof arrival === "function") return end(arrival);
        const { phase, index } = arrival;
        remove = this.#voice.addWaiter(() => {
          const outcome = this.#endOf(phase, phase, true);
          if (outcome !== undefined) end(() => (outcome(), index));
          return outcome !== undefined;
        });
      },
      cancel: async (why) => {
        const arrival = await arriving;
        if (typeof arrival === "function") return arrival;
        remove();
        const { phase, index } = arrival;
        const ended = this.#endOf(phase, phase, true) ??
          await this.#cancel(phase, onCancel === "withdraw" ? "withdraw" : "break", why, {
            timeout,
            signal,
          });
        return () => (ended(), index);
      },
    });
  }

  /** Breaks a phase or takes the arrival in it back, unless it has ended. */
  async #cancel(
    phase: number,
    verb: "break" | "withdraw",
    why: Cancellation,
    { timeout, signal }: Watching,
  ): Promise<Outcome<void>> {
    const voice = this.#voice;
    // Said while this is on its way, that it has arrived would make it arrive again.
    if (verb === "withdraw" && voice.arrivedIn === phase) {
      voice.arrivedIn = phase - 1;
      if (this.#asked === phase) this.#asked = phase - 1;
    }
    const { cancelled: done, before } = await voice.say(this.#ending(verb, why, signal, phase));
    if (done) return cancelled(why, timeout, signal, before!);
    const broken = voice.known.brokenAt(phase);
    if (why === "aborted" && isBySignal(broken, signal)) {
      return cancelled(why, timeout, signal, broken);
    }
    return this.#endOf(phase, phase, true) ?? (() => {
      throw forgotten(phase);
    });
  }

  get #settling() {
    return {
      phase: () => this.#voice.known.phase,
      doubt: (decided: Promise<void>) => {
        this.#inDoubt.add(decided);
        decided.then(() => this.#inDoubt.delete(decided));
      },
    };
  }

  // Watching

  async waitFor(phase: number, watching: Watching): Promise<void> {
    const { known } = this.#voice;
    const ended = phase < known.phase ? this.#endOf(phase) : undefined;
    if (ended !== undefined) return ended();
    // From the phase that is open at this call: by now more may be known, that one broke and was mended.
    let from = phase;
    const begin = (open: number) => from = Math.min(phase, open);
    const look = () => this.#endOf(phase, from);
    const outcome = await this.#voice.during(() => this.#watch(look, watching, phase, begin));
    outcome();
  }

  async ready(watching: Watching): Promise<void> {
    if (this.#closing !== undefined) throw this.#voice.whyNot;
    const usable = () => {
      if (this.#closing !== undefined) throw this.#voice.whyNot;
    };
    const isOver = () => this.#voice.known.broken === undefined || this.#closing !== undefined;
    const look = () => isOver() ? usable : undefined;
    const outcome = await this.#voice.during(() => this.#watch(look, watching));
    outcome();
  }

  /** Waits until `look` finds an outcome. It first asks the engine: what has ended there is told. */
  #watch(
    look: () => Outcome<void> | undefined,
    { timeout, signal }: Watching,
    phase?: number,
    begin: (open: number) => void = () => {},
  ): Promise<Outcome<void>> {
    let remove = () => {};
    const ask = async (missing: boolean) => {
      if (this.#closing !== undefined) return this.snapshot;
      return await this.#voice.say({ verb: "look" }, missing);
    };
    return settle<void>({
      ...this.#settling,
      timeout,
      signal,
      start: async (end) => {
        const { phase: open } = await ask(false);
        begin(open);
        remove = this.#voice.addWaiter(() => {
          const outcome = look();
          if (outcome !== undefined) end(outcome);
          return outcome !== undefined;
        });
      },
      cancel: async (why) => {
        await ask(true);
        remove();
        const { snapshot } = this;
        const standing = { ...snapshot, phase: phase ?? snapshot.phase };
        return look() ?? cancelled(why, timeout, signal, standing);
      },
      phase: () => phase ?? this.#voice.known.phase,
      // It breaks nothing, so nothing is in doubt.
      doubt: () => {},
    });
  }

  /**
   * How a phase ended, if it has, or one did from `from` to it that broke. `mine`: whether this party arrived in it.
   */
  #endOf(
    phase: number,
    from: number = phase,
    mine: boolean = phase === this.#voice.arrivedIn,
  ): Outcome<void> | undefined {
    const { known, isGone, who } = this.#voice;
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
      const isUncounted = mine && known.counted < phase;
      return () => {
        if (isUncounted && isGone) throw this.#voice.whyNot;
        if (isUncounted || known.isForgotten(phase)) throw forgotten(phase);
      };
    }
    if (this.#closing !== undefined) {
      return () => {
        throw invalidState(`${who} was disposed before phase ${phase} ended`);
      };
    }
    // Its arrival in the open phase counts no more.
    if (!isGone || !mine) return undefined;
    return () => {
      throw this.#voice.whyNot;
    };
  }

  // Changing

  register(_count: number): Promise<number> {
    const why =
      "register() is not possible on Redis: an engine that loses it would pass phases early";
    return Promise.reject(this.#closing === undefined ? unsupported(why) : this.#voice.whyNot);
  }

  async abort(reason: unknown): Promise<void> {
    if (this.#closing !== undefined) return;
    const cause = reason === undefined ? undefined : textOf(reason);
    const details = { party: this.name, cause };
    const request: Request = { verb: "break", reason: "aborted", details, id: nonce() };
    await this.#voice.during(() => this.#voice.say(request));
  }

  async reset(phase: number | undefined, dropLost: boolean): Promise<string[]> {
    if (this.#closing !== undefined) throw this.#voice.whyNot;
    const request: Request = { verb: "reset", at: phase, dropLost, id: nonce() };
    return [...(await this.#voice.during(() => this.#voice.say(request))).names];
  }

  close(): Promise<void> {
    return this.#closing ??= this.#voice.during(() => this.#close());
  }

  async #close(): Promise<void> {
    const voice = this.#voice;
    if (voice.hasSeat) {
      const details = { party: this.name!, note: `${voice.who} was disposed` };
      await within(ANSWER_TIMEOUT, voice.say({ verb: "leave", details }));
    }
    voice.left = DISPOSED;
    voice.hasSeat = false;
    voice.changed();
    await voice.end();
  }
}

/** The phase of an arrival; if it was refused, the error is thrown here. */
function phaseOf(arrival: Ticket | Outcome<never>): number {
  return typeof arrival === "function" ? arrival() : arrival.phase;
}

/** Whether a phase was broken by this signal, which another party shares. */
function isBySignal(
  broken: BrokenPhase | undefined,
  signal: AbortSignal | undefined,
): broken is BrokenPhase {
  return broken?.reason === "aborted" && broken.cause === textOf(signal!.reason);
}
