// Copyright 2026 the Rendezvous authors. MIT license.

// Rounds of strikes: processes meet through Redis while processes, connections and engines fail. Each round has a key of its
// own, and is all in one seed, but for the moments at which things happen.

import { delay } from "@std/async";
import type { Pool, ProcessActor } from "../chaos/actors.ts";
import { isReplaced, judge } from "../chaos/judge.ts";
import { Log, Random, Reader } from "../chaos/log.ts";
import { ANSWER_TIMEOUT } from "../../_redis/settle.ts";
import { RedisBarrier } from "../../redis_barrier.ts";
import { Engine } from "../_helpers/engine.ts";
import { Proxy } from "../_helpers/proxy.ts";

/** How long a party may be silent, in ms, and how long a fault lasts that must not, or may, be taken for a death. */
const LEASE = 1_000;
const SHORT = 0.15 * LEASE;
const LONG = 1.6 * LEASE;

/** How often the log is read, in ms. */
const PAUSE = 4;

const PARTIES = 3;

/** What a round is made of. */
export interface Setting {
  engine: Engine;
  directory: string;
  pool: Pool<ProcessActor>;
  figures: Figures;
  /** How long nothing may happen before somebody is taken to wait for ever, in ms. */
  watchdog: number;
  /** A script that is not what it should be. */
  mutation?: [from: string, to: string];
}

/** What came of rounds. */
export class Figures {
  rounds = 0;
  strikes: Record<string, number> = {};
  told: Record<string, number> = {};
  /** Where the engine had lost data: phases of which parties were told different ends, and what else was odd. */
  disagreements = 0;
  oddities = 0;
  lost = 0;
  starved = 0;
  slowest = 0;

  get total(): number {
    return Object.values(this.strikes).reduce((sum, count) => sum + count, 0);
  }

  toString(): string {
    const list = (counts: Record<string, number>) =>
      Object.entries(counts).sort().map(([what, count]) => `${what} ${count}`).join(", ");
    return `${this.rounds} rounds, ${this.total} strikes (${list(this.strikes)}); told: ` +
      `${list(this.told)}; ${this.lost} parties lost; ${this.starved} starved; ` +
      `after data was lost: ${this.disagreements} disagreements, ${this.oddities} oddities; ` +
      `slowest to be told: ${this.slowest} ms`;
  }
}

/** A party that takes part: its process, and its way to the engine. */
interface Member {
  name: string;
  actor: ProcessActor;
  proxy: Proxy;
  /** The round goes on until it has left: others may wait for it. */
  isNeeded: boolean;
  hasJoined?: boolean;
  /** Whether it may be taken for lost. */
  isGone: boolean;
}

/** A fault; `false` if there was nobody to strike. What is not awaited goes on beside what strikes next. */
type Strike = (round: Round) => Promise<boolean | void> | boolean | void;

export const STRIKES: Record<string, Strike> = {
  "party killed": (round) => round.kill(),
  "party stopped past its lease": (round) =>
    round.harm(LONG, true, ({ actor }) => actor.signal("SIGSTOP"), ({ actor }) => {
      actor.signal("SIGCONT");
    }),
  "party stopped for a while": (round) =>
    round.harm(SHORT, false, ({ actor }) => actor.signal("SIGSTOP"), ({ actor }) => {
      actor.signal("SIGCONT");
    }),
  "black hole past the lease": (round) =>
    round.harm(LONG, true, ({ proxy }) => proxy.hole(), ({ proxy }) => proxy.heal()),
  "black hole for a while": (round) =>
    round.harm(SHORT, false, ({ proxy }) => proxy.hole(), ({ proxy }) => proxy.heal()),
  "connection cut": (round) => round.harm(0, false, ({ proxy }) => proxy.cut()),
  "all connections cut": (round) => round.proxies.forEach((proxy) => proxy.cut()),
  "name used twice": (round) => round.useTwice(),
  "engine killed, back with its data": ({ engine }) => engine.restart(),
  "engine killed, back with nothing": async (round) => {
    round.dataLost = true;
    await round.engine.restart({ empty: true });
  },
  "engine down longer than a lease": async (round) => {
    await round.engine.kill();
    await round.pause(LONG);
    await round.engine.restart();
  },
  "engine stopped longer than a lease": async (round) => {
    await round.engine.pause();
    await round.pause(LONG);
    round.engine.resume();
  },
  "failover to a stale replica": (round) => round.failOver(),
  "FLUSHALL": async (round) => {
    round.dataLost = true;
    await round.engine.cli("FLUSHALL");
  },
  "SCRIPT FLUSH": async (round) => void await round.engine.cli("SCRIPT", "FLUSH"),
};

class Round implements AsyncDisposable {
  /** The engine that the parties reach. */
  engine: Engine;
  dataLost = false;
  readonly problems: string[] = [];
  readonly #random: Random;
  readonly #log: Log;
  readonly #key: string;
  readonly #setting: Setting;
  readonly #path: string;
  readonly #reader: Reader;
  readonly #scope = new AsyncDisposableStack();
  /** Those that have been told to take part, and have not ended or left. */
  readonly #members = new Map<string, Member>();
  readonly #later: Promise<void>[] = [];
  readonly #target: number;
  /** Whether those that are lost are replaced. Otherwise the others go on without them. */
  readonly #replaces: boolean;
  readonly #hasAction: boolean;
  #added = 0;
  /** How many are to be started, and when. */
  #missing = PARTIES;
  #due = 0;
  #lost = 0;
  #lastChange = performance.now();

  constructor(seed: number, setting: Setting) {
    this.#setting = setting;
    this.engine = setting.engine;
    this.#random = new Random(seed);
    this.#key = `strikes ${seed}`;
    this.#path = `${setting.directory}/log-${seed}`;
    this.#log = this.#scope.use(new Log(this.#path, "host"));
    this.#reader = this.#scope.use(new Reader(this.#path));
    this.#replaces = this.#random.chance(60);
    this.#hasAction = this.#random.chance(30);
    this.#target = 20 + this.#random.upTo(180);
  }

  get proxies(): Proxy[] {
    return [...this.#members.values()].map(({ proxy }) => proxy);
  }

  /** Whether nothing has happened for so long that nothing will. */
  get #isHung(): boolean {
    return performance.now() - this.#lastChange > this.#setting.watchdog;
  }

  /** Has somebody take part. Those that begin are waited for; who replaces somebody may find no seat. */
  async #start(): Promise<void> {
    const isFirst = this.#added < PARTIES;
    const name = `p${this.#added++}`;
    const proxy = await Proxy.start(this.#scope, this.engine.port);
    const actor = this.#setting.pool.take();
    this.#members.set(name, { name, actor, proxy, isNeeded: isFirst, isGone: false });
    actor.start({
      log: this.#path,
      name,
      seed: this.#random.upTo(1e9),
      target: this.#target,
      dropLost: this.#replaces ? 0 : 100,
      hasAction: this.#hasAction,
      place: {
        url: `redis://127.0.0.1:${proxy.port}`,
        key: this.#key,
        seats: PARTIES,
        lease: LEASE,
        mutation: this.#setting.mutation,
      },
    });
  }

  /** Reads what has happened. */
  #read(): void {
    for (const entry of this.#reader.read()) {
      const member = this.#members.get(entry.who);
      if (member === undefined) continue;
      // To be turned away again and again is no change.
      if (entry.what === "joined") member.isNeeded = member.hasJoined = true;
      if (entry.what === "told" && member.hasJoined) this.#lastChange = performance.now();
      if (isReplaced(entry) && member.hasJoined && !member.isGone) this.#missing++;
      if (entry.what !== "left") continue;
      this.#members.delete(entry.who);
      member.actor.name = undefined;
      if (!member.hasJoined && !member.isGone) this.#missing++;
    }
  }

  async pause(ms: number): Promise<void> {
    const end = performance.now() + ms;
    while (performance.now() < end && !this.#isHung) {
      await delay(PAUSE);
      this.#read();
    }
  }

  /** Somebody to strike: if it may be the end of that party, one of those that others survive. */
  #victim(isFatal: boolean): Member | undefined {
    if (isFatal && this.#lost === PARTIES - 1) return undefined;
    const all = [...this.#members.values()].filter(({ hasJoined, isGone }) => hasJoined && !isGone);
    const victim = this.#random.pick(all);
    if (victim === undefined || !isFatal) return victim;
    victim.isGone = true;
    this.#lost++;
    if (this.#replaces) this.#missing++;
    return victim;
  }

  kill(): boolean {
    const victim = this.#victim(true);
    if (victim === undefined) return false;
    this.#log.write({ what: "gone", how: "killed" }, victim.name);
    victim.actor.kill();
    this.#members.delete(victim.name);
    return true;
  }

  /** Strikes a party for a while; `isFatal`: for so long that it is taken for lost, if the engine is there. */
  harm(
    ms: number,
    isFatal: boolean,
    begin: (member: Member) => void,
    end: (member: Member) => void = () => {},
  ): boolean {
    const victim = this.#victim(isFatal);
    if (victim === undefined) return false;
    const { name } = victim;
    this.#log.write(isFatal ? { what: "gone", how: "asleep" } : { what: "stopped" }, name);
    begin(victim);
    this.#later.push(delay(ms).then(() => end(victim)));
    return true;
  }

  /** Tries to join by a name that is in use. */
  async useTwice(): Promise<boolean> {
    const victim = this.#victim(false);
    if (victim === undefined) return false;
    const { name } = victim;
    const action = this.#hasAction ? { action: () => {} } : {};
    const options = { key: this.#key, parties: PARTIES, name, lease: LEASE, ...action };
    try {
      const barrier = await RedisBarrier.connect(this.engine.url, options);
      this.#read();
      // An engine that has lost its data takes anybody, until somebody tells it more.
      if (this.#members.has(name) && !this.dataLost) {
        this.problems.push(`${name} could be used twice`);
      }
      this.#log.write({ what: "gone", how: "disposed" }, name);
      await barrier[Symbol.asyncDispose]();
    } catch (error) {
      const { name: kind } = error as Error;
      if (kind !== "InvalidStateError") this.problems.push(`a name used twice: ${error}`);
    }
    return true;
  }

  /** Has a replica take over that lacks what happened last. */
  async failOver(): Promise<void> {
    const options = { replicaOf: this.engine, durable: true };
    const replica = await Engine.start(this.#scope, options);
    await replica.synced();
    await replica.promote();
    await this.pause(this.#random.upTo(60));
    this.dataLost = true;
    this.engine = replica;
    for (const proxy of this.proxies) {
      proxy.target = replica.port;
      proxy.cut();
    }
  }

  /** Strikes at most so often, until all have left. */
  async run(strikes: number): Promise<void> {
    const { figures } = this.#setting;
    let due = performance.now() + this.#random.upTo(200);
    for (;; await this.pause(PAUSE)) {
      this.#read();
      const isOver = this.#missing < PARTIES &&
        ![...this.#members.values()].some(({ isNeeded }) => isNeeded);
      if (this.#isHung || isOver && this.#added >= PARTIES) break;
      while (this.#missing > 0 && performance.now() > this.#due) {
        this.#missing--;
        await this.#start();
        // Who finds no seat is not tried again at once.
        if (this.#added >= PARTIES) this.#due = performance.now() + 50;
      }
      if (strikes === 0 || performance.now() < due) continue;
      const name = this.#random.pick(Object.keys(STRIKES));
      if (await STRIKES[name]!(this) !== false) {
        strikes--;
        figures.strikes[name] = (figures.strikes[name] ?? 0) + 1;
      }
      due = performance.now() + this.#random.pick([0, 20, 200]);
    }
    await Promise.all(this.#later);
    // They still look for a seat, and nobody leaves one.
    for (const { name, actor, isNeeded } of this.#members.values()) {
      if (isNeeded) continue;
      this.#log.write({ what: "gone", how: "killed" }, name);
      actor.kill();
    }
  }

  /** What is wrong with it. */
  judge(): string[] {
    this.#read();
    const { entries } = this.#reader;
    const { figures } = this.#setting;
    const { problems, disagreements, told, slowest } = judge(entries, {
      dataLost: this.dataLost,
      hasAction: this.#hasAction,
      answerTimeout: 0.9 * ANSWER_TIMEOUT,
    });
    figures.rounds++;
    figures.slowest = Math.max(figures.slowest, slowest);
    for (const [what, count] of Object.entries(told)) {
      figures.told[what] = (figures.told[what] ?? 0) + count;
    }
    figures.lost += this.#lost;
    figures.starved += entries.filter(({ what }) => what === "starved").length;
    if (this.dataLost) {
      const twoWays = disagreements.filter((text) => text.includes("ended in two ways")).length;
      figures.disagreements += twoWays;
      figures.oddities += disagreements.length - twoWays;
    }
    if (this.#isHung) {
      problems.push(
        `nothing happened for ${this.#setting.watchdog} ms: ${[...this.#members.keys()]}`,
      );
    }
    return [...this.problems, ...problems];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#setting.pool.tidy();
    await this.#scope.disposeAsync();
  }
}

/** Plays a round with at most so many strikes, and tells what is wrong with it. Its log is `log-SEED`. */
export async function play(seed: number, strikes: number, setting: Setting): Promise<string[]> {
  await using round = new Round(seed, setting);
  await round.run(strikes);
  return round.judge();
}
