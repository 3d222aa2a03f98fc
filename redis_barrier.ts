// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * A barrier for processes of any machine, which meet through Redis or Valkey. Each {@linkcode RedisBarrier} is a party with
 * a name. There is no server of ours and no maker: every party states the same key and the same number of parties.
 *
 * It runs on Deno, Node (20 or later) and Bun, with Redis 6.2 or later or Valkey, by a URL, ioredis or node-redis.
 *
 * @example A party
 * ```ts ignore
 * import { RedisBarrier } from "@rendezvous/barrier/redis";
 *
 * await using barrier = await RedisBarrier.connect("redis://127.0.0.1:6379", {
 *   key: "resize, run 42",
 *   parties: 3,
 *   name: "resize-1",
 *   timeout: 60_000,
 * });
 * await barrier.wait();
 * // All three have come.
 * await barrier.arriveAndDrop();
 * ```
 *
 * ### What a party states
 *
 * A party states facts that stay true: who it is, which phase it knows to be open, the last phase that it arrived in. It
 * states them in each call and each third of its lease. Redis runs one script that takes the facts and answers how the
 * barrier stands; what has happened is published, so that nobody has to ask. A phase costs one request and one message for
 * each party.
 *
 * **Where Redis loses data** (a restart without its disk, a failover to a replica that is behind, `FLUSHALL`) the parties
 * teach it what they know. That takes time, and never passes a phase early: a phase passes when as many parties as there
 * must be have a seat and have arrived, and each believes a pass only if it had its seat then. A failover that loses a break
 * can have parties disagree: who was told that a phase broke stays told so, while the others may pass it when all of them
 * have arrived.
 *
 * **Leases.** A party that does not speak for its `lease` is lost: the barrier breaks and names it, when another speaks next,
 * so within a lease and a third. It speaks while its event loop turns; a computation that blocks it for longer than that
 * looks like a death. When nobody has spoken for long, Redis was away, and all leases are extended by that time. A party
 * that was lost and wakes is told so (`InvalidStateError`), and cannot arrive; a phase that passed with it before stays
 * passed. Who never came breaks nothing: only a `timeout` ends that, and the error says `and 2 that never came`.
 *
 * **While Redis cannot be reached** calls wait for it. A timeout or signal frees its own caller at most a second later, and
 * breaks the phase for the others when Redis is back, unless they have passed it by then. A party that alone is cut off is
 * lost when its lease ends, and told so when it reaches Redis again: give its waits a timeout.
 *
 * **The action** is stated by all parties or by none. It is run by the party with the smallest name (by bytes) of those that
 * arrived and did not drop, at most once a phase. If that party is lost, the phase breaks. While it runs its action, it can
 * drop only after that. Where all have dropped, nobody runs it.
 *
 * ### In Redis
 *
 * All keys of a barrier begin with `barrier:{KEY}`, are in one slot of a cluster, and expire a day after anybody last spoke,
 * or ten leases if that is longer. To look at a barrier that hangs:
 *
 * ```sh
 * redis-cli HGETALL 'barrier:{KEY}'                          # phase, parties, who runs the action, why it is broken
 * redis-cli HGETALL 'barrier:{KEY}:seats'                    # who has come: name, number:session, no session if gone
 * redis-cli ZRANGE 'barrier:{KEY}:arrivals' 0 -1 WITHSCORES  # 2048 * the last phase that each arrived in, + its rank
 * redis-cli ZRANGE 'barrier:{KEY}:leases' 0 -1 WITHSCORES    # when the lease of each ends, in ms since 1970
 * redis-cli HGETALL 'barrier:{KEY}:history'                  # the last phases that broke, and why
 * redis-cli SUBSCRIBE 'barrier:{KEY}:news'                   # what happens
 * ```
 *
 * Set `maxmemory-policy noeviction`: what is evicted is lost data. Persistence is not needed. A user of an ACL needs the keys
 * `~barrier:*`, the channels `&barrier:*`, and `+@scripting +@hash +@sortedset +del +pexpire +time +publish +subscribe
 * +info`. Whoever can write these keys can break, pass or confuse the barrier.
 *
 * ### Connections and permissions
 *
 * A client that you bring is never closed, never reconfigured, and gets no listener; messages come by a duplicate of it, which
 * is closed with the barrier. A URL opens one connection by ioredis (in RESP2, a second for the messages); ioredis is an
 * optional peer dependency. Our own connections keep no event loop alive; yours does as you have it.
 *
 * Deno's permissions are those that the client asks for: `--allow-net=HOST:PORT`, and for ioredis `--allow-env`, for node-redis
 * `--allow-env=REDIS_DEBUG_MAINTENANCE`.
 *
 * ### Errors
 *
 * What connecting fails with is an `Error` that begins with "Redis cannot be used", with the `code` of the system
 * (`"ECONNREFUSED"`, `"ENOENT"`) or of Redis (`"WRONGPASS"`, `"NOAUTH"`, `"NOPERM"`), and the client's error as its `cause`. A
 * client of yours that waits for its engine ends in a `TimeoutError` after `connectTimeout`.
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

/**
 * A party of a barrier that is kept in Redis.
 *
 * **How a wait ends** is as with `AsyncBarrier`: a phase passes for all its parties or breaks for all of them, as long as
 * Redis loses no break. It also breaks, with the reason `"lost"` and its name, when the lease of a party ends.
 *
 * **What a cancelled wait leaves behind.** No timer and no listener. With `onCancel: "break"` the barrier is broken for
 * all. With `"withdraw"` the arrival is taken back.
 *
 * **The event loop** is kept alive only by what somebody awaits. A process that ends without
 * {@linkcode RedisBarrier.arriveAndDrop} or the end of its scope is a lost party.
 *
 * **The numbers of a phase** are `parties - 1` for the first to `0` for the last. Where Redis loses data in the middle of a
 * phase some may be there twice, `0` among them: what must be done just once is for the action.
 *
 * @example Survivors go on without who was lost
 * ```ts ignore
 * import { BrokenBarrierError, RedisBarrier } from "@rendezvous/barrier/redis";
 *
 * await using barrier = await RedisBarrier.connect("redis://127.0.0.1:6379", {
 *   key: `resize, run ${Deno.args[0]}`,
 *   parties: 3,
 *   lease: 5_000,
 * });
 * for (let round = 0; round < 10; round++) {
 *   // … work …
 *   try {
 *     await barrier.wait();
 *   } catch (error) {
 *     if (!(error instanceof BrokenBarrierError) || error.reason !== "lost") throw error;
 *     // Each survivor says this; the first does it.
 *     await barrier.reset(error.phase, { dropLost: true });
 *   }
 * }
 * await barrier.arriveAndDrop();
 * ```
 */
export class RedisBarrier implements AsyncDisposable {
  readonly #party: RedisParty;

  private constructor(party: RedisParty) {
    this.#party = party;
  }

  /**
   * Connects, and takes a seat.
   *
   * @example With a client of your own
   * ```ts ignore
   * import { RedisBarrier } from "@rendezvous/barrier/redis";
   * import { createClient } from "redis";
   *
   * const client = createClient({ url: "redis://127.0.0.1:6379" });
   * await client.connect();
   * const barrier = await RedisBarrier.connect(client, { key: "run 42", parties: 3 });
   * await barrier.wait();
   * await barrier.arriveAndDrop();
   * await barrier[Symbol.asyncDispose]();
   * client.destroy(); // yours is for you to close
   * ```
   *
   * @param redis A URL (`redis://`, `rediss://` or the path of a Unix socket), which takes ioredis; or a client of ioredis or
   *   node-redis.
   * @param options The key of the barrier and the number of parties, which all state alike; the name of this party, its
   *   action, a timeout in ms for its waits, its lease, what to connect with.
   * @returns The party, connected.
   * @throws {TypeError} If `redis` or an option is of the wrong type, or `redis` is a text that is neither a URL of Redis nor
   *   an absolute path.
   * @throws {RangeError} If `parties` is not an integer from 1 to 1023, the key is not 1 to 256 characters of UTF-8 without braces, the
   *   name is not 1 to 64 bytes long, the lease is not 100 ms to a day, or a timeout is negative or NaN.
   * @throws {DOMException} An `InvalidStateError` if other parties state another number of parties or another action, if no
   *   seat is free or the name is in use; a `TimeoutError` if Redis does not answer in time; a `NotSupportedError` if it is
   *   older than 6.2 or nothing that it publishes comes in.
   * @throws {Error} With a `code` where Redis cannot be used: see the module's documentation. With `code`
   *   `"ERR_MODULE_NOT_FOUND"` if a URL is given and there is no ioredis.
   * @throws The signal's reason if it aborts.
   */
  static async connect(
    redis: string | URL | RedisClient,
    options: RedisBarrierOptions,
  ): Promise<RedisBarrier> {
    checkRedis(redis);
    return new RedisBarrier(await connect(redis, readSettings(options)));
  }

  /**
   * Arrives, and waits until all parties have.
   *
   * @param options Timeout in ms, signal, and what a cancellation does to the others.
   * @returns How many parties were still to come when this one arrived: `parties - 1` for the first, `0` for the last.
   * @throws {TypeError} If an option is of the wrong type. Nothing has arrived then.
   * @throws {RangeError} If the timeout is negative or NaN: nothing has arrived then. Or if Redis lost data, and it is not
   *   known whether the phase passed with this party.
   * @throws {BrokenBarrierError} If the barrier is broken, or breaks while this party waits.
   * @throws {DOMException} A `TimeoutError` if the timeout passes first, an `InvalidStateError` if this party has arrived
   *   in this phase already, has dropped, was disposed, or is gone: its lease ended, or another has its seat.
   * @throws The signal's reason if it aborts.
   */
  async wait(options?: WaitOptions): Promise<number> {
    return await this.#party.wait(readWait(options, this.#party.timeout));
  }

  /**
   * Arrives without waiting, for a party that the others need but which need not wait for them. Together with
   * {@linkcode RedisBarrier.waitFor} it makes a wait of two halves, with work in between.
   *
   * @returns The phase that it arrived in.
   * @throws {BrokenBarrierError} If the barrier is broken.
   * @throws {DOMException} An `InvalidStateError` if this party has arrived in this phase already, has dropped, was
   *   disposed, or is gone.
   */
  async arrive(): Promise<number> {
    return await this.#party.arrive();
  }

  /**
   * Arrives for the last time: the phase need not wait for this party, and later phases do without it. Where Redis loses
   * that, the others wait for it until its lease ends, and are told that it is gone: never do they pass early.
   *
   * @returns The phase that it arrived in.
   * @throws {BrokenBarrierError} If the barrier is broken. The party has not dropped then.
   * @throws {DOMException} An `InvalidStateError` if this party has arrived in this phase already, has dropped, was
   *   disposed, or is gone.
   */
  async arriveAndDrop(): Promise<number> {
    return await this.#party.arriveAndDrop();
  }

  /**
   * Waits until a phase has passed. It never counts as an arrival, and its own timeout or signal breaks nothing.
   *
   * @param phase The phase to wait for, from 0.
   * @param options Timeout in ms, and signal.
   * @throws {TypeError} If `phase` or an option is of the wrong type.
   * @throws {RangeError} If `phase` is not an integer of at least 0, the timeout is negative or NaN, or how that phase
   *   ended is not known any more.
   * @throws {BrokenBarrierError} If that phase broke, or one before it breaks.
   * @throws {DOMException} A `TimeoutError` if the timeout passes first, an `InvalidStateError` if this party was
   *   disposed before the phase ended.
   * @throws The signal's reason if it aborts first.
   */
  async waitFor(phase: number, options?: WaitForOptions): Promise<void> {
    checkPhase("wait for a phase", phase, MAX_PHASE);
    await this.#party.waitFor(phase, readWatch("wait for a phase", options));
  }

  /**
   * Waits until the barrier is not broken: until somebody has reset it.
   *
   * @param options Timeout in ms, and signal.
   * @throws {TypeError} If an option is of the wrong type.
   * @throws {RangeError} If the timeout is negative or NaN.
   * @throws {DOMException} A `TimeoutError` if the timeout passes first, an `InvalidStateError` if this party was disposed.
   * @throws The signal's reason if it aborts first.
   */
  async ready(options?: WaitForOptions): Promise<void> {
    await this.#party.ready(readWatch("wait for a barrier", options));
  }

  /**
   * Is always refused: a Redis that loses a registration would wait for fewer parties, and pass a phase early. State all
   * parties from the start, and have those that are not needed drop.
   *
   * @param count How many, an integer of at least 1.
   * @returns Nothing: it throws.
   * @throws {TypeError} If `count` is not a number.
   * @throws {RangeError} If `count` is not an integer of at least 1.
   * @throws {DOMException} A `NotSupportedError`; an `InvalidStateError` if this party was disposed.
   */
  async register(count: number = 1): Promise<number> {
    checkInteger("register parties", "count", count, 1);
    return await this.#party.register(count);
  }

  /**
   * Breaks the barrier for all: who waits gets a {@linkcode BrokenBarrierError} with reason `"aborted"`. Nothing happens
   * where it is broken already, nor by a party that was disposed.
   *
   * @param reason Its text, of which 1,000 characters cross, becomes the `cause` of the errors.
   */
  async abort(reason?: unknown): Promise<void> {
    await this.#party.abort(reason);
  }

  /**
   * Makes the barrier usable again for all, and frees the seats of those who are gone for replacements.
   *
   * @param phase The phase whose break is to be mended, the `phase` of the error: where that was mended already,
   *   nothing happens. Without it, whatever breaks the barrier is mended, and parties that wait are freed.
   * @param options Whether to go on without the parties that are gone.
   * @returns The names of the parties that were gone, whose seats are free now, or dropped. None if there was nothing to
   *   mend: of several who mend the same break, one gets the names.
   * @throws {TypeError} If `phase` or an option is of the wrong type.
   * @throws {RangeError} If `phase` is not an integer of at least 0.
   * @throws {DOMException} An `InvalidStateError` if this party was disposed.
   */
  async reset(phase?: number, options?: ResetOptions): Promise<string[]> {
    return await this.#party.reset(phase, readReset(phase, options));
  }

  /**
   * Asks how the barrier stands. A party that was disposed tells how it stood last.
   *
   * @returns A snapshot.
   */
  async status(): Promise<Snapshot> {
    return await this.#party.status();
  }

  /**
   * What this party is called where it is missing or lost.
   *
   * @returns Its name.
   */
  get name(): string {
    return this.#party.name!;
  }

  /**
   * How many parties must arrive to complete a phase. A snapshot, as Redis last told.
   *
   * @returns The number of parties.
   */
  get parties(): number {
    return this.#party.snapshot.parties;
  }

  /**
   * How many parties have arrived in the open phase; if it is broken, had when it broke. A snapshot, as Redis last told:
   * nobody is told of each arrival.
   *
   * @returns The number of parties that have arrived.
   */
  get arrived(): number {
    return this.#party.snapshot.arrived;
  }

  /**
   * The lowest phase that has not ended, from 0. A snapshot, as Redis last told.
   *
   * @returns The phase.
   */
  get phase(): number {
    return this.#party.snapshot.phase;
  }

  /**
   * Whether the barrier is broken, and so refuses arrivals. A snapshot, as Redis last told.
   *
   * @returns `true` if it is broken.
   */
  get broken(): boolean {
    return this.#party.snapshot.broken;
  }

  /**
   * The names of the parties that have not arrived, of those that ever came. A snapshot: what
   * {@linkcode RedisBarrier.status} or an error last told of this phase, and empty where they told nothing.
   *
   * @returns Their names.
   */
  get missing(): string[] {
    return [...this.#party.snapshot.missing];
  }

  /**
   * Leaves for good, and ends the connections that are ours. A party that has not dropped breaks the barrier with the reason
   * `"aborted"` and its name, so that nobody waits for it; where Redis does not answer within a second, its lease does that.
   * Doing it twice does no more.
   *
   * @returns A promise that resolves when nothing is left behind.
   */
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
