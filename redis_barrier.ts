// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * A barrier for processes of any machine, which meet through Redis or Valkey.
 *
 * @module
 */

import { checkInteger } from "./_common/checks.ts";
import {
  type AsyncBarrierOptions,
  type BarrierAction,
  type BlockingWaitForOptions,
  type BlockingWaitOptions,
  checkPhase,
  readReset,
  readWait,
  readWatch,
  type ResetOptions,
  type WaitForOptions,
  type WaitOptions,
} from "./_common/options.ts";
import {
  type BreakReason,
  BrokenBarrierError,
  type BrokenBarrierErrorOptions,
} from "./_common/errors.ts";
import { inspect, type Snapshot } from "./_common/snapshot.ts";
import {
  checkRedis,
  type IoredisClient,
  type NodeRedisClient,
  type RedisClient,
} from "./_redis/clients.ts";
import { connect } from "./_redis/connect.ts";
import type { RedisParty } from "./_redis/redis_party.ts";
import { readSettings, type RedisBarrierOptions } from "./_redis/settings.ts";

export {
  type AsyncBarrierOptions,
  type BarrierAction,
  type BlockingWaitForOptions,
  type BlockingWaitOptions,
  type BreakReason,
  BrokenBarrierError,
  type BrokenBarrierErrorOptions,
  type IoredisClient,
  type NodeRedisClient,
  type RedisBarrierOptions,
  type RedisClient,
  type ResetOptions,
  type Snapshot,
  type WaitForOptions,
  type WaitOptions,
};

/** The last phase that a number can name and count up from. */
const MAX_PHASE = 2 ** 40;

/** A party of a barrier that is kept in Redis. */
export class RedisBarrier implements AsyncDisposable {
  readonly #party: RedisParty;

  private constructor(party: RedisParty) {
    this.#party = party;
  }

  /** Connects and takes a seat. */
  static async connect(
    redis: string | URL | RedisClient,
    options: RedisBarrierOptions,
  ): Promise<RedisBarrier> {
    checkRedis(redis);
    return new RedisBarrier(await connect(redis, readSettings(options)));
  }

  /** Arrives, and waits until all parties have. */
  async wait(options?: WaitOptions): Promise<number> {
    return await this.#party.wait(readWait(options, this.#party.timeout));
  }

  /** Arrives without waiting. */
  async arrive(): Promise<number> {
    return await this.#party.arrive();
  }

  /** Arrives for the last time. */
  async arriveAndDrop(): Promise<number> {
    return await this.#party.arriveAndDrop();
  }

  /** Waits until a phase has passed. */
  async waitFor(phase: number, options?: WaitForOptions): Promise<void> {
    checkPhase("wait for a phase", phase, MAX_PHASE);
    await this.#party.waitFor(phase, readWatch("wait for a phase", options));
  }

  /** Waits until the barrier is not broken. */
  async ready(options?: WaitForOptions): Promise<void> {
    await this.#party.ready(readWatch("wait for a barrier", options));
  }

  /** Is refused. */
  async register(count: number = 1): Promise<number> {
    checkInteger("register parties", "count", count, 1);
    return await this.#party.register(count);
  }

  /** Breaks the barrier for all. */
  async abort(reason?: unknown): Promise<void> {
    await this.#party.abort(reason);
  }

  /** Makes the barrier usable again. */
  async reset(phase?: number, options?: ResetOptions): Promise<string[]> {
    return await this.#party.reset(phase, readReset(phase, options));
  }

  /** Asks how the barrier stands. */
  async status(): Promise<Snapshot> {
    return await this.#party.status();
  }

  /** What this party is called. */
  get name(): string {
    return this.#party.name!;
  }

  /** How many parties must arrive to complete a phase. */
  get parties(): number {
    return this.#party.snapshot.parties;
  }

  /** How many parties have arrived. */
  get arrived(): number {
    return this.#party.snapshot.arrived;
  }

  /** The lowest phase that has not ended. */
  get phase(): number {
    return this.#party.snapshot.phase;
  }

  /** Whether the barrier is broken. */
  get broken(): boolean {
    return this.#party.snapshot.broken;
  }

  /** The names of the parties that have not arrived. */
  get missing(): string[] {
    return [...this.#party.snapshot.missing];
  }

  /** Leaves for good. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#party.close();
  }

  /**
   * How `console.log` shows it on Node and Bun.
   *
   * @returns Its class, arrivals and phase, or why it is broken.
   */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return inspect("RedisBarrier", this.#party.snapshot);
  }
}
