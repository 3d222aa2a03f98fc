// Copyright 2026 the Rendezvous authors. MIT license.

// Rounds of chaos. Each has a barrier of its own and is all in one seed, but for the moments at which things happen.

import { delay } from "@std/async";
import { Barrier } from "../../barrier.ts";
import { ProcessBarrierServer } from "../../process_barrier.ts";
import { type Actor, type Pool, ProcessActor, type WorkerActor } from "./actors.ts";
import { judge, type Rules } from "./judge.ts";
import { type Doing, type Entry, Log, Random, Reader } from "./log.ts";
import { type Plan, toldBy } from "./party.ts";

/** How long nothing may happen before somebody is taken to wait for ever, in ms. */
const WATCHDOG = 30_000;

/** How long a log may be, in lines: a round has some thousand. One that goes on for ever is no better than one that hangs. */
const MAX_LINES = 50_000;

/** How often the log is read, in ms. */
const PAUSE = 4;

/** What an action may do. */
const ACTIONS = ["action throws", "action hangs", "action is late", "action aborts"];

/** What came of rounds. */
export class Figures {
  rounds = 0;
  faults: Record<string, number> = {};
  told: Record<string, number> = {};
  lost = 0;
  slowest = 0;

  fault(kind: string): void {
    this.faults[kind] = (this.faults[kind] ?? 0) + 1;
  }

  toString(): string {
    const list = (counts: Record<string, number>) =>
      Object.entries(counts).sort().map(([what, count]) => `${what} ${count}`).join(", ");
    return `${this.rounds} rounds; faults: ${list(this.faults)}; told: ${list(this.told)}; ` +
      `${this.lost} parties lost; slowest to be told: ${this.slowest} ms`;
  }
}

/** What is used of a barrier where it was made. */
type Host = Pick<Barrier | ProcessBarrierServer, "parties" | "broken" | "phase"> & {
  abort(): void | Promise<void>;
  reset(): unknown;
  register(): number | Promise<number>;
  expect(name: string, ended: PromiseLike<unknown>): void;
};

/** One round: its log, and who takes part. */
class Round<T extends Actor> implements Disposable {
  readonly random: Random;
  readonly log: Log;
  readonly #reader: Reader;
  readonly #path: string;
  readonly #pool: Pool<T>;
  readonly #figures: Figures;
  /** Those who have a seat, as far as is known, or are about to. */
  readonly #living = new Set<string>();
  /** Those who have not ended, and have not said that they left. */
  readonly #busy = new Set<string>();
  readonly #stopped = new Map<ProcessActor, number>();
  #plan: Omit<Plan, "log" | "name" | "seed"> = { target: 0, place: { parties: 0 } };
  #added = 0;
  #calls = 0;
  #lastChange = performance.now();

  constructor(seed: number, directory: string, pool: Pool<T>, figures: Figures) {
    this.random = new Random(seed);
    this.#path = `${directory}/log-${seed}`;
    this.log = new Log(this.#path, "host");
    this.#reader = new Reader(this.#path);
    this.#pool = pool;
    this.#figures = figures;
  }

  plan(plan: Omit<Plan, "log" | "name" | "seed">): void {
    this.#plan = plan;
  }

  get busy(): number {
    return this.#busy.size;
  }

  /** Has somebody take part. */
  start(name: string = `p${this.#added++}`, more: Partial<Plan> = {}): T {
    const actor = this.#pool.take();
    const { blocking } = actor;
    const seed = this.random.upTo(1e9);
    this.#living.add(name);
    this.#busy.add(name);
    actor.start({ ...this.#plan, log: this.#path, name, seed, blocking, ...more });
    return actor;
  }

  /** Starts a party, maybe one that is expected; one of those may die before it joins. */
  #add(host: Host, transports: readonly ("socket" | "shared-memory")[]): void {
    const { random } = this;
    const more: Partial<Plan> = { mayRegister: random.chance(15) };
    if ("path" in this.#plan.place) {
      more.place = { ...this.#plan.place, transport: random.pick(transports) };
    }
    if (random.chance(30)) more.ends = random.pick(["disposed", "ended", "dropped"] as const);
    const name = `p${this.#added++}`;
    const { ended } = this.#pool.take();
    try {
      if (random.chance(40)) {
        host.expect(name, ended);
        if (random.chance(15)) more.ends = "unborn";
      }
    } catch {
      // There is no seat: nor will there be one when it joins, maybe.
    }
    this.start(name, more);
  }

  /** Reads what has happened. */
  read(): Entry[] {
    const entries = this.#reader.read();
    for (const entry of entries) {
      // To be turned away again and again is no change.
      if (entry.what === "told" && entry.kind !== "refused") this.#lastChange = performance.now();
      const actor = this.#pool.find(entry.who);
      if (entry.what === "left" && actor !== undefined) actor.name = undefined;
      if (entry.what === "gone" || entry.what === "left") this.#living.delete(entry.who);
      if (entry.what === "left" || entry.what === "gone" && entry.how !== "disposed") {
        this.#busy.delete(entry.who);
      }
      if (entry.what !== "gone" || entry.how === "disposed" || actor === undefined) continue;
      actor.dead = true;
      if (entry.how === "unborn") actor.kill();
    }
    for (const [actor, until] of this.#stopped) {
      if (performance.now() > until) this.#resume(actor);
    }
    return entries;
  }

  #resume(actor: ProcessActor): void {
    this.#stopped.delete(actor);
    actor.signal("SIGCONT");
  }

  /** Whether nothing has happened for so long that nothing will. */
  get isHung(): boolean {
    return performance.now() - this.#lastChange > WATCHDOG || this.#isEndless;
  }

  get #isEndless(): boolean {
    return this.#reader.entries.length > MAX_LINES;
  }

  /** Waits until a condition holds, or for ever. */
  async until(condition: (entries: Entry[]) => boolean): Promise<void> {
    while (!condition(this.read()) && !this.isHung) await delay(PAUSE);
  }

  /** Kills or stops somebody. */
  harm(how: "kill" | "stop", spared?: Actor): void {
    const name = this.random.pick([...this.#living].filter((name) => name !== spared?.name));
    const actor = name === undefined ? undefined : this.#pool.find(name);
    // Nothing ends a worker in Deno that is blocked.
    if (actor === undefined || actor.dead) return;
    if (how === "stop" && actor instanceof ProcessActor) {
      this.log.write({ what: "stopped" }, name);
      actor.signal("SIGSTOP");
      this.#stopped.set(actor, performance.now() + this.random.upTo(120));
    } else if (actor instanceof ProcessActor || !actor.blocking) {
      this.kill(actor);
    }
  }

  kill(actor: Actor): void {
    if (actor.name === "server") this.log.write({ what: "over", how: "killed" }, "server");
    this.log.write({ what: "gone", how: "killed" }, actor.name);
    actor.kill();
  }

  async #call(does: Doing, run: () => unknown): Promise<void> {
    const id = this.#calls++;
    this.log.write({ what: "call", id, does, from: 0, may: ["mend any", "be refused"] });
    try {
      await run();
      this.log.write({ what: "told", id, kind: "done" });
    } catch (error) {
      this.log.write({ what: "told", id, ...toldBy(error) });
    }
  }

  /** Disturbs the parties, and replaces them, until all have left. */
  async run(host: Host, transports: readonly ("socket" | "shared-memory")[] = []): Promise<void> {
    const { random } = this;
    let faults = random.upTo(5);
    let kills = 2;
    let due = performance.now() + random.upTo(40);
    for (;; await delay(PAUSE)) {
      this.read();
      const living = this.#living.size;
      if (this.isHung || this.busy === 0 && host.parties === 0) return;
      if (living === 0 && host.broken) await this.#call("reset", () => host.reset());
      if (host.parties > living) this.#add(host, transports);
      if (faults === 0 || performance.now() < due) continue;
      due = performance.now() + random.upTo(40);
      faults--;
      const kind = random.pick(["kill", "kill", "stop", "stop", "abort", "reset", "register"]);
      if (kind === "abort") await this.#call("abort", () => host.abort());
      else if (kind === "reset") await this.#call("reset", () => host.reset());
      else if (kind === "register" && host.phase < this.#plan.target) {
        await this.#call("register", () => host.register());
      } else if (kind === "stop" || kind === "kill" && kills-- > 0) this.harm(kind);
    }
  }

  /** An action that fails or hangs at times, before all meet once more. */
  action(host: () => Host): (signal: AbortSignal) => Promise<void> {
    return async (signal) => {
      if (host().phase >= this.#plan.target) return;
      const dice = this.random.upTo(19);
      const how = ACTIONS[dice];
      if (how !== undefined) this.#figures.fault(how);
      if (dice === 0) throw new Error("the action fails");
      if (dice === 1) await new Promise(() => {});
      if (dice === 3) await host().abort();
      if (how === "action is late") {
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      }
      if (how === undefined && dice < 10) await delay(this.random.upTo(3));
    };
  }

  /** What is wrong with it. */
  finish(rules: Rules = {}): string[] {
    this.read();
    for (const actor of [...this.#stopped.keys()]) this.#resume(actor);
    const log = this.#reader.entries;
    if (this.#isEndless) return [`it goes on for ever: ${[...this.#busy]}`];
    const { problems, told, slowest } = judge(log, rules);
    const figures = this.#figures;
    figures.rounds++;
    figures.slowest = Math.max(figures.slowest, slowest);
    for (const [what, count] of Object.entries(told)) {
      figures.told[what] = (figures.told[what] ?? 0) + count;
    }
    for (const entry of log) {
      if (entry.what === "gone" && entry.how !== "disposed") figures.lost++;
      if (entry.what === "gone") figures.fault(`party ${entry.how}`);
      if (entry.what === "over") figures.fault(`maker ${entry.how}`);
      if (entry.what === "stopped") figures.fault("stopped");
      if (entry.what !== "call") continue;
      if (["abort", "reset", "register", "drop"].includes(entry.does)) figures.fault(entry.does);
      for (const how of entry.may ?? []) if (!/refused|any/.test(how)) figures.fault(how);
    }
    if (this.isHung) problems.push(`nothing happened for ${WATCHDOG} ms: ${[...this.#busy]}`);
    return problems;
  }

  [Symbol.dispose](): void {
    this.log[Symbol.dispose]();
    this.#reader[Symbol.dispose]();
  }
}

type Kind<T extends Actor> = (round: Round<T>) => Promise<Rules | void>;

/** Parties in processes, or a server there: through the socket, through memory, or some through each. */
function pickTransports(random: Random) {
  return random.pick([["socket"], ["shared-memory"], ["socket", "shared-memory"]] as const);
}

function settingsOf<T extends Actor>(round: Round<T>, host: () => Host) {
  const hasAction = round.random.chance(40);
  return {
    rules: { hasAction },
    barrier: hasAction ? { action: round.action(host), timeout: 250 } : {},
    plan: {
      target: 4 + round.random.upTo(12),
      dropLost: round.random.pick([0, 0, 50, 100]),
      hasAction,
      ...hasAction && { patience: 100 },
    },
  };
}

/** Processes whose server is here. */
export const processes: Kind<ProcessActor> = async (round) => {
  const parties = 3 + round.random.upTo(1);
  const { barrier, plan, rules } = settingsOf(round, (): Host => server);
  await using server = await ProcessBarrierServer.listen({ parties, ...barrier });
  round.plan({ ...plan, place: { path: server.path, transport: "socket" } });
  await round.run(server, pickTransports(round.random));
  return rules;
};

/** Processes whose server is a process, too, which is disposed or killed. */
export const servers: Kind<ProcessActor> = async (round) => {
  const { random } = round;
  const parties = 3;
  let path: string | undefined;
  const server = round.start("server", { place: { parties } });
  await round.until((entries) => {
    for (const entry of entries) if (entry.what === "listening") path = entry.path;
    return path !== undefined;
  });
  const transports = pickTransports(random);
  // Those who go on without the lost come to an end by themselves, if all have joined before.
  const toTheEnd = random.chance(50);
  for (let i = 0; i < parties; i++) {
    const place = { path: path!, transport: random.pick(transports) };
    const ends = random.chance(20) ? random.pick(["disposed", "ended"] as const) : undefined;
    const target = toTheEnd ? 8 : 200;
    round.start(undefined, { target, place, dropLost: 100, ...ends && { ends } });
  }
  let missing = toTheEnd ? parties : 1;
  const count = (entries: Entry[]) => entries.filter(({ what }) => what === "joined").length;
  if (toTheEnd || random.chance(80)) {
    await round.until((entries) => (missing -= count(entries)) <= 0);
  }
  for (let harms = random.upTo(2) + (toTheEnd ? 1 : 0); harms > 0; harms--) {
    await delay(random.upTo(30));
    round.read();
    round.harm(random.pick(["kill", "stop", "stop"]), toTheEnd ? server : undefined);
  }
  if (toTheEnd) await round.until(() => round.busy === (server.dead ? 0 : 1));
  await delay(random.upTo(60));
  if (!server.dead && random.chance(50)) server.tell("stop");
  else if (!server.dead) round.kill(server);
  await round.until(() => round.busy === 0);
};

/** Workers that have joined. */
export const workers: Kind<WorkerActor> = async (round) => {
  const parties = 3 + round.random.upTo(1);
  const { barrier: options, plan, rules } = settingsOf(round, (): Host => barrier);
  using barrier = new Barrier(parties, options);
  const { buffer, byteOffset } = barrier;
  round.plan({ ...plan, place: { buffer, byteOffset } });
  await round.run(barrier);
  return rules;
};

/** More workers than parties, without names, until the barrier ends. */
export const crowds: Kind<WorkerActor> = async (round) => {
  const parties = 2 + round.random.upTo(1);
  const target = 30 + round.random.upTo(100);
  using barrier = new Barrier(parties);
  const { buffer, byteOffset } = barrier;
  round.plan({ target, place: { buffer, byteOffset }, unnamed: true });
  for (let i = 0; i < parties + 2; i++) round.start();
  await round.until(() => barrier.phase >= target);
  round.log.write({ what: "over", how: "disposed" });
  barrier[Symbol.dispose]();
  await round.until(() => round.busy === 0);
  return { unnamed: parties };
};

/** Plays a round, and tells what is wrong with it. */
export async function play<T extends Actor>(
  kind: Kind<T>,
  seed: number,
  directory: string,
  pool: Pool<T>,
  figures: Figures,
): Promise<string[]> {
  using round = new Round(seed, directory, pool, figures);
  const rules = await kind(round) ?? {};
  const problems = round.finish(rules);
  await pool.tidy();
  return problems;
}
