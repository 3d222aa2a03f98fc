// Copyright 2026 the Rendezvous authors. MIT license.

import { clearInterval, setInterval } from "node:timers";
import { invalidState } from "../_common/errors.ts";
import type { BarrierAction } from "../_common/options.ts";
import { ActionRuns } from "./action_runs.ts";
import type { Engine } from "./engine.ts";
import { Knowledge } from "./knowledge.ts";
import { type Facts, nonce, readNews, type Reply, type Request } from "./messages.ts";
import { ANSWER_TIMEOUT, within } from "./settle.ts";

/** Why a party cannot arrive any more. */
export const DROPPED = "has dropped";
export const DISPOSED = "was disposed";
const SILENT = "is gone: it did not speak for longer than its lease";
const REPLACED = "is gone: its seat was given to another";
const CUT_OFF = "is gone: its Redis client was closed";

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

/** Says what a party knows to be true, and hears what has happened. */
export class Voice {
  readonly session: string = crypto.randomUUID();
  readonly known: Knowledge;
  /** The last phase that the party arrived in, as it was told. */
  arrivedIn = -1;
  /** Why it cannot arrive any more. */
  left: string | undefined;
  hasSeat = false;
  /** The actions that run here. */
  readonly runs: ActionRuns;
  readonly #engine: Engine;
  readonly #settings: PartySettings;
  /** Those who wait: each is asked when something has changed, and returns `true` when it is done. */
  readonly #waiters = new Set<() => boolean>();
  readonly #heartbeat: ReturnType<typeof setInterval>;
  /** How many calls keep the event loop alive. */
  #calls = 0;
  /** Whether a look is on its way, and whether another is to follow. */
  #looks = false;
  #looksAgain = false;
  #ended = false;

  constructor(engine: Engine, settings: PartySettings) {
    const { parties, action, lease } = settings;
    this.#engine = engine;
    this.#settings = settings;
    this.known = new Knowledge(parties, action === undefined ? 0 : 1);
    this.runs = new ActionRuns(action, () => this.look());
    this.#heartbeat = setInterval(() => this.look(), lease / 3);
    this.#heartbeat.unref();
  }

  /** How messages call the party. */
  get who(): string {
    const { name } = this.#settings;
    return name === undefined ? "a handle" : JSON.stringify(name);
  }

  /** Whether it lost its seat, and not by its own doing. */
  get isGone(): boolean {
    return this.left !== undefined && this.left !== DROPPED && this.left !== DISPOSED;
  }

  get whyNot(): DOMException {
    return invalidState(`${this.who} ${this.left ?? DISPOSED}`);
  }

  #facts(missing: boolean): Facts {
    const { name, lease } = this.#settings;
    const isParty = this.hasSeat || this.left === undefined;
    return {
      ...this.known.facts,
      session: this.session,
      name: isParty ? name : undefined,
      lease,
      nonce: nonce(),
      arrived: this.arrivedIn,
      acted: this.runs.acted,
      missing,
    };
  }

  /** Says what is true and what is asked for, until it is answered. */
  async say(request: Request, missing = false): Promise<Reply> {
    let reply: Reply;
    try {
      const facts = () => this.#facts(missing);
      reply = await this.#engine.state(request, facts, () => this.known.all);
    } catch (error) {
      if (!this.#engine.isCutOff || this.#ended) throw error;
      this.leave(CUT_OFF);
      this.changed();
      throw this.whyNot;
    }
    this.known.learn(reply);
    if (reply.gone !== undefined) this.leave(reply.gone === "lost" ? SILENT : REPLACED);
    this.changed();
    return reply;
  }

  /** Restates what is true, and learns what has happened. Nobody waits for it, so it may fail. */
  async look(): Promise<void> {
    this.#looksAgain = true;
    if (this.#looks) return;
    this.#looks = true;
    while (this.#looksAgain && !this.#ended) {
      this.#looksAgain = false;
      await this.say({ verb: "look" }).catch(() => {});
    }
    this.#looks = false;
  }

  /** Takes what was published. */
  hear(text: string): void {
    const news = readNews(text);
    if (news === undefined || news.hello !== undefined || this.#ended) return;
    if (this.known.hear(news, this.hasSeat ? this.session : undefined)) this.changed();
    else this.look();
  }

  /** It has no seat any more. The first reason stays. */
  leave(why: string): void {
    this.left ??= why;
    this.hasSeat = false;
  }

  /** Asks all who wait, and starts or stops the action. */
  changed(): void {
    this.runs.update(this.known, this.hasSeat ? this.#settings.name : undefined);
    for (const check of this.#waiters) if (check()) this.#waiters.delete(check);
  }

  addWaiter(check: () => boolean): () => void {
    if (!check()) this.#waiters.add(check);
    return () => this.#waiters.delete(check);
  }

  /** Keeps the event loop alive for as long as a call takes. */
  async during<T>(call: () => Promise<T>): Promise<T> {
    if (this.#calls++ === 0) this.#heartbeat.ref();
    try {
      return await call();
    } finally {
      if (--this.#calls === 0) this.#heartbeat.unref();
    }
  }

  /** Ends what it holds. */
  async end(): Promise<void> {
    this.#ended = true;
    await within(ANSWER_TIMEOUT, this.#engine.close());
    clearInterval(this.#heartbeat);
  }
}
