// Copyright 2026 the Rendezvous authors. MIT license.

import { arm } from "../_common/cancellation.ts";
import {
  BrokenBarrierError,
  brokenError,
  forgotten,
  invalidState,
  textOf,
} from "../_common/errors.ts";
import type { Waiting, Watching } from "../_common/options.ts";
import type { Counts, Snapshot } from "../_common/snapshot.ts";
import { HISTORY_SLOTS } from "../_memory/layout.ts";
import { type Answer, type Client, type LastLine, resultOf } from "./client.ts";
import { CLOSE_TIMEOUT } from "./connection.ts";
import type { ProcessParty } from "./process_party.ts";
import {
  Cancelled,
  countOf,
  decodeCounts,
  decodeError,
  isBySignal,
  type Message,
  namesOf,
  objectOf,
} from "./protocol.ts";

/** Why a party asks no more. */
interface End {
  readonly why: string;
  /** The errors of the phases that broke, of the last ones; nothing where nobody has told them. */
  readonly breaks: readonly unknown[] | undefined;
  /** Whether the server has died: then nobody knows what it did with what it had been asked. */
  readonly died: boolean;
}

/** A party whose arrivals go over the connection. The server decides, measures its timeouts, and tells the outcome. */
export class SocketParty implements ProcessParty {
  readonly transport = "socket";
  readonly name: string;
  readonly timeout: number;
  readonly #client: Client;
  /** The timeout of a wait for which none is told. */
  readonly #serverTimeout: number;
  #counts: Counts = { parties: 0, arrived: 0, phase: 0, broken: false, reason: undefined };
  #missing: readonly string[];
  #end: End | undefined;
  #closing: Promise<void> | undefined;

  constructor(
    client: Client,
    { name, timeout, missing }: { name: string; timeout: number; missing: unknown },
    serverTimeout: number,
    state: unknown,
  ) {
    this.#client = client;
    this.name = name;
    this.timeout = timeout;
    this.#serverTimeout = serverTimeout;
    this.#counts = decodeCounts(state) ?? this.#counts;
    this.#missing = namesOf(missing);
  }

  /** An answer tells how the barrier stands. */
  onState(state: unknown): void {
    const counts = decodeCounts(state) ?? this.#counts;
    // The names that were told are those of another phase.
    if (counts.phase !== this.#counts.phase) this.#missing = [];
    this.#counts = counts;
  }

  /** The server has ended, or is gone. */
  onServerEnd(last: LastLine): void {
    const told = last === undefined ? undefined : decodeError(last.end);
    const why = told === undefined
      ? "the server is gone"
      : told instanceof BrokenBarrierError
      ? "its server has ended it"
      : told.message;
    const breaks = Array.isArray(last?.broken) ? last.broken : undefined;
    this.#end = { why, breaks, died: breaks === undefined };
    const broken = objectOf(
      breaks?.find((broken) => objectOf(broken).phase === this.#counts.phase),
    );
    if (broken.missing !== undefined) this.#missing = namesOf(broken.missing);
    if (!this.#counts.broken) this.#counts = { ...this.#counts, broken: true, reason: "lost" };
  }

  get counts(): Counts {
    return this.#counts;
  }

  get snapshot(): Snapshot {
    return { ...this.#counts, missing: this.#missing };
  }

  async status(): Promise<Snapshot> {
    if (this.#isOpen) {
      const answer = await this.#client.ask({ do: "status" });
      if (answer !== "ended") this.#missing = namesOf(objectOf(resultOf(answer)).missing);
    }
    return this.snapshot;
  }

  async wait({ timeout, signal, onCancel }: Waiting): Promise<number> {
    const isUsual = signal === undefined && onCancel === "break" && timeout === this.#serverTimeout;
    if (isUsual && this.#isOpen) return countOf(this.#resultOf(await this.#client.askWait()));
    const request: Message = { do: "wait" };
    // JSON has no Infinity: it makes that null.
    if (timeout !== this.#serverTimeout) request.timeout = timeout;
    if (onCancel !== "break") request.onCancel = onCancel;
    return countOf(await this.#ask(request, signal));
  }

  async arrive(): Promise<number> {
    return countOf(await this.#ask({ do: "arrive" }));
  }

  async arriveAndDrop(): Promise<number> {
    return countOf(await this.#ask({ do: "drop" }));
  }

  async waitFor(phase: number, { timeout, signal }: Watching): Promise<void> {
    const request = { do: "waitFor", phase, timeout };
    const answer = this.#isOpen ? await this.#client.ask(request, signal) : "ended";
    if (answer === "ended") this.#checkPassed(phase);
    else this.#resultOf(answer, signal);
  }

  async ready({ timeout, signal }: Watching): Promise<void> {
    await this.#ask({ do: "ready", timeout }, signal);
  }

  async register(count: number): Promise<number> {
    return countOf(await this.#ask({ do: "register", count }));
  }

  async abort(reason: unknown): Promise<void> {
    if (!this.#isOpen) return;
    const answer = await this.#client.ask(
      reason === undefined ? { do: "abort" } : { do: "abort", reason: textOf(reason) },
    );
    if (answer !== "ended") resultOf(answer);
  }

  async reset(phase: number | undefined, dropLost: boolean): Promise<string[]> {
    return namesOf(await this.#ask({ do: "reset", phase, dropLost }));
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    if (this.#end !== undefined) return await this.#client.close();
    // A server that stands still tells nothing: the end of the connection will tell it that this party is gone.
    const disarm = arm(CLOSE_TIMEOUT, undefined, () => this.#client.close());
    const answer = await this.#client.ask({ do: "leave" });
    disarm();
    const breaks = answer !== "ended" && "ok" in answer ? answer.ok : undefined;
    this.#end ??= {
      why: this.#whyClosed,
      breaks: Array.isArray(breaks) ? breaks : undefined,
      died: false,
    };
    await this.#client.close();
  }

  get #isOpen(): boolean {
    return this.#end === undefined && this.#closing === undefined;
  }

  get #whyClosed(): string {
    return `${JSON.stringify(this.name)} was disposed`;
  }

  async #ask(request: Message, signal?: AbortSignal): Promise<unknown> {
    if (!this.#isOpen) throw this.#whyNot();
    return this.#resultOf(await this.#client.ask(request, signal), signal);
  }

  /** What an answer gives; if it is an error, or there is none, it throws that. */
  #resultOf(answer: Answer, signal?: AbortSignal): unknown {
    if (answer === "ended") {
      // A server that ends answers all that it has done. One that dies does not.
      const died = this.#closing === undefined && this.#end!.died;
      throw died ? this.#brokenByDeath() : this.#whyNot();
    }
    if ("ok" in answer) return answer.ok;
    const error = decodeError(answer.error);
    if (error instanceof BrokenBarrierError && error.phase === this.#counts.phase) {
      this.#missing = error.missing;
    }
    const isOwn = error instanceof Cancelled && signal !== undefined || isBySignal(error, signal);
    throw isOwn ? signal!.reason : error;
  }

  #whyNot(): DOMException {
    return invalidState(
      this.#closing === undefined ? `This barrier is over: ${this.#end!.why}` : this.#whyClosed,
    );
  }

  #brokenByDeath(): BrokenBarrierError {
    const { arrived, parties, phase } = this.#counts;
    return brokenError({ reason: "lost", phase, arrived, parties, note: this.#end!.why });
  }

  /** Throws if a phase did not pass, as far as that is known here now that nobody can be asked. */
  #checkPassed(phase: number): void {
    const open = this.#counts.phase;
    const breaks = this.#end?.breaks;
    const from = Math.min(phase, open);
    const broken = breaks?.find((broken) => {
      const { phase: at } = objectOf(broken);
      return typeof at === "number" && at >= from && at <= phase;
    });
    if (broken !== undefined) throw decodeError(broken);
    if (phase < open) {
      if (breaks === undefined || phase < open - HISTORY_SLOTS) throw forgotten(phase);
    } else if (this.#closing === undefined) {
      throw this.#brokenByDeath();
    } else {
      throw invalidState(`${this.#whyClosed} before phase ${phase} ended`);
    }
  }
}
