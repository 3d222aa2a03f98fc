// Copyright 2026 the Rendezvous authors. MIT license.

// A party, in a worker or in a process of its own: it takes one plan after the other, from messages or from lines, and
// does what its numbers say until the barrier is where the plan ends. What it does and is told, it logs.

import { Barrier, type BarrierHandle, BrokenBarrierError } from "../../barrier.ts";
import { ProcessBarrier, ProcessBarrierServer } from "../../process_barrier.ts";
import type { ResetOptions, WaitForOptions, WaitOptions } from "../../process_barrier.ts";
import type { RedisBarrier } from "../../redis_barrier.ts";
import { type Call, type Doing, Log, Random, type Told } from "./log.ts";

export interface Plan {
  log: string;
  name: string;
  seed: number;
  /** From this phase on it meets the others once more, and drops. */
  target: number;
  /** A barrier; or of how many parties a server is to be that it becomes. */
  place: BarrierHandle | { path: string; transport: "socket" | "shared-memory" } | RedisPlace | {
    parties: number;
  };
  blocking?: boolean;
  /** In how many of 100 resets it goes on without the lost. */
  dropLost?: number;
  hasAction?: boolean;
  /** How long it waits for a phase before it may abort that, in ms: where an action may hang. */
  patience?: number;
  /** Whether it may register others, and how it may end. */
  mayRegister?: boolean;
  ends?: "unborn" | "disposed" | "ended" | "dropped";
  unnamed?: boolean;
}

/** A barrier of Redis. */
export interface RedisPlace {
  url: string;
  key: string;
  seats: number;
  /** In ms. */
  lease: number;
  /** What stands in the script, and what shall stand there: to see whether that is noticed. */
  mutation?: [from: string, to: string] | undefined;
}

interface Handle {
  readonly barrier: Barrier | ProcessBarrier | RedisBarrier;
  wait(options?: WaitOptions): number | Promise<number>;
  waitFor(phase: number, options: WaitForOptions): void | Promise<void>;
  ready(options: WaitForOptions): void | Promise<void>;
  reset(phase?: number, options?: ResetOptions): void | Promise<void>;
  leave(): void | Promise<void>;
}

async function enter(
  { place, name, blocking = false, unnamed, hasAction }: Plan,
  log: Log,
): Promise<Handle> {
  if ("path" in place) {
    const barrier = await ProcessBarrier.connect(place.path, { name, transport: place.transport });
    const blocks = blocking && place.transport === "shared-memory";
    return {
      barrier,
      wait: (options) => blocks ? barrier.waitSync(options) : barrier.wait(options),
      waitFor: (phase, options) => barrier.waitFor(phase, options),
      ready: (options) => barrier.ready(options),
      reset: (phase, options) => barrier.reset(phase, options).then(() => {}),
      leave: () => barrier[Symbol.asyncDispose](),
    };
  }
  if ("url" in place) {
    const { enterRedis } = await import("./redis_party.ts");
    const onAction = (phase: number) => log.write({ what: "acts", phase });
    const barrier = await enterRedis(place, name, hasAction ? onAction : undefined);
    return {
      barrier,
      wait: (options) => barrier.wait(options),
      waitFor: (phase, options) => barrier.waitFor(phase, options),
      ready: (options) => barrier.ready(options),
      reset: (phase, options) => barrier.reset(phase, options).then(() => {}),
      leave: () => barrier[Symbol.asyncDispose](),
    };
  }
  const handle = place as BarrierHandle;
  const barrier = unnamed ? Barrier.from(handle) : await Barrier.join(handle, { name });
  return {
    barrier,
    wait: (options) => blocking ? barrier.wait(options) : barrier.waitAsync(options),
    waitFor: (phase, options) =>
      blocking ? barrier.waitFor(phase, options) : barrier.waitForAsync(phase, options),
    ready: (options) => blocking ? barrier.ready(options) : barrier.readyAsync(options),
    reset: (phase, options) => void barrier.reset(phase, options),
    leave: () => barrier[Symbol.dispose](),
  };
}

const WHY = "it had enough";

/** What an error tells. */
export function toldBy(error: unknown, phases = 0): Told {
  if (error === WHY) return { kind: "cancelled", why: "aborted" };
  if (error instanceof BrokenBarrierError) {
    const { phase, reason, party, parties } = error;
    const detailed = parties > 0;
    return { kind: "broken", phase, reason, detailed, ...party !== undefined && { party } };
  }
  const { name, message } = error as Error;
  if (name === "TimeoutError") {
    const [, phase] = /^Phase (\d+) timed out/.exec(message) ?? [];
    return { kind: "cancelled", why: "timeout", ...phase && { phase: Number(phase) } };
  }
  const isFull = name === "RangeError" && message.includes("at most");
  if (name === "InvalidStateError" || isFull) return { kind: "refused", text: message };
  if (name === "RangeError" && message.includes("no longer known")) {
    return { kind: "forgotten", phases };
  }
  return { kind: "failed", text: String(error) };
}

const DEEDS = [
  ...Array(6).fill("wait"),
  ...["wait in haste", "withdraw", "withdraw", "signal", "signal", "split", "split", "split"],
  ...["ahead", "ahead", "abort", "reset", "register", "end", "end"],
] as string[];

/** One party, from its joining until it has left. */
class Party {
  readonly #plan: Plan;
  readonly #log: Log;
  readonly #random: Random;
  readonly #die: () => Promise<void>;
  #handle!: Handle;
  #lastId = 0;

  constructor(plan: Plan, log: Log, die: () => Promise<void>) {
    this.#plan = plan;
    this.#log = log;
    this.#random = new Random(plan.seed);
    this.#die = die;
  }

  get #phase(): number {
    return this.#handle?.barrier.phase ?? 0;
  }

  async #call<T>(
    does: Doing,
    run: () => T | Promise<T>,
    told: (value: T) => Told = () => ({ kind: "done" }),
    may?: Call["may"],
    from = this.#phase,
  ): Promise<Told> {
    const id = ++this.#lastId;
    this.#log.write({ what: "call", id, does, from, may });
    let outcome: Told;
    try {
      outcome = told(await run());
    } catch (error) {
      outcome = toldBy(error, this.#phase - from);
    }
    this.#log.write({ what: "told", id, ...outcome });
    return outcome;
  }

  async live(): Promise<void> {
    const { ends, hasAction, unnamed, place } = this.#plan;
    if (ends === "unborn") return await this.#end("unborn");
    const joined = await this.#call(
      "join",
      async () => {
        this.#handle = await enter(this.#plan, this.#log);
      },
      undefined,
      "url" in place ? ["be refused", "fail"] : ["be refused"],
    );
    if (joined.kind !== "done") return;
    // While an action runs, arrivals count for the next phase.
    const phase = this.#handle.barrier.phase + (hasAction ? 1 : 0);
    const transport = "path" in place ? place.transport : undefined;
    this.#log.write({ what: "joined", phase, ...transport && { transport } });
    while (await this.#step());
    if (!unnamed) await this.#call("leave", () => this.#handle.leave());
  }

  /** One deed; `false` if it was the last. */
  async #step(): Promise<boolean> {
    const { barrier } = this.#handle;
    const { target, blocking, unnamed, mayRegister, ends, patience } = this.#plan;
    const deed = barrier.phase < target || unnamed ? this.#random.pick(DEEDS) : "last";
    const timeout = this.#random.upTo(20);
    // With an action that may hang, a wait has the timeout of the barrier.
    const usual: Call["may"] = patience === undefined ? [] : ["time out"];
    if (deed === "abort" && this.#random.chance(40)) {
      return this.#goesOn(
        await this.#call("abort", () => barrier.abort(WHY), undefined, ["abort"]),
      );
    }
    if (deed === "reset" && this.#random.chance(40)) {
      return this.#goesOn(
        await this.#call("reset", () => this.#reset(), undefined, ["mend any"]),
      );
    }
    if (unnamed || deed === "split" || deed === "ahead") return await this.#arriveAndWait(deed);
    if (deed === "register" && mayRegister) {
      this.#plan.mayRegister = false;
      // There is room for so many.
      const register = async () => void await barrier.register();
      await this.#call("register", register, undefined, ["be refused"]);
      return true;
    }
    if (deed === "end" && ends !== undefined) {
      if (ends === "dropped") return !await this.#drop();
      const waiting = this.#random.chance(50) && !blocking ? this.#wait(usual) : undefined;
      if (waiting) await new Promise((resolve) => setTimeout(resolve, timeout));
      await this.#end(ends);
      await this.#call("leave", () => this.#handle.leave());
      await waiting;
      return false;
    }
    if (deed === "wait in haste") return await this.#wait(["time out"], { timeout });
    if (deed === "withdraw") {
      return await this.#wait(["withdraw", "time out"], { timeout, onCancel: "withdraw" });
    }
    if (deed === "signal" && !blocking) {
      const controller = new AbortController();
      const timer = setTimeout(() => controller.abort(WHY), timeout);
      if (timeout === 0) controller.abort(WHY);
      const { signal } = controller;
      const withdraws = this.#random.chance(30);
      const goesOn = withdraws
        ? await this.#wait(["withdraw", "abort", ...usual], { signal, onCancel: "withdraw" })
        : await this.#wait(["abort", ...usual], { signal });
      clearTimeout(timer);
      return goesOn;
    }
    if (deed !== "last") return await this.#wait(usual);
    // All meet once more. Then each drops.
    let passed = false;
    const goesOn = await this.#wait(usual, undefined, () => passed = true);
    return passed ? !await this.#drop() : goesOn;
  }

  async #wait(may: Call["may"], options?: WaitOptions, onPass = () => {}): Promise<boolean> {
    const from = this.#handle.barrier.phase;
    const told = await this.#call("wait", () => this.#handle.wait(options), (index) => {
      return { kind: "passed", from, to: this.#handle.barrier.phase - 1, index };
    }, may);
    if (told.kind === "passed") onPass();
    return await this.#mend(told);
  }

  async #arriveAndWait(deed: string): Promise<boolean> {
    const { barrier } = this.#handle;
    const phases: number[] = [];
    for (const may of deed === "ahead" ? [[], ["be refused" as const]] : [[]]) {
      // Without a name it never arrives twice: others need not come again.
      if (phases.length > 0 && this.#plan.unnamed) break;
      const told = await this.#call("arrive", () => barrier.arrive(), (phase) => {
        return { kind: "arrived", phase };
      }, may);
      if (told.kind === "arrived") phases.push(told.phase);
      else if (phases.length === 0) return await this.#mend(told);
    }
    let goesOn = true;
    for (const phase of phases) {
      for (let again = true; goesOn && again;) {
        const timeout = this.#plan.patience ?? (this.#random.chance(20) ? 5 : Infinity);
        const wait = () => this.#handle.waitFor(phase, { timeout });
        const onPass = (): Told => ({ kind: "passed", from: phase, to: phase });
        const told = await this.#call("waitFor", wait, onPass, undefined, phase);
        goesOn = await this.#mend(told);
        again = told.kind === "cancelled";
        if (again && this.#plan.patience !== undefined && this.#random.chance(50)) {
          await this.#call("abort", () => barrier.abort(WHY), undefined, ["abort"]);
        }
      }
    }
    return goesOn;
  }

  /** Mends what broke, or leaves that to others for a while. */
  async #mend(told: Told): Promise<boolean> {
    if (told.kind === "broken") {
      const { phase } = told;
      const mended = this.#random.chance(30)
        ? await this.#call("ready", () => this.#handle.ready({ timeout: 20 }))
        : { kind: "cancelled" as const };
      if (mended.kind === "cancelled") {
        const reset = () => this.#reset(phase);
        told = await this.#call("reset", reset, undefined, undefined, phase);
      } else told = mended;
    }
    return this.#goesOn(told);
  }

  #reset(phase?: number): void | Promise<void> {
    const dropLost = this.#random.chance(this.#plan.dropLost ?? 0);
    return this.#handle.reset(phase, { dropLost });
  }

  /** A barrier that is over refuses everything. */
  #goesOn(told: Told): boolean {
    return told.kind !== "refused" && told.kind !== "failed";
  }

  /** Arrives for the last time; `false` if the barrier was broken first. */
  async #drop(): Promise<boolean> {
    const told = await this.#call("drop", () => this.#handle.barrier.arriveAndDrop(), (phase) => {
      return { kind: "arrived", phase };
    });
    return told.kind === "arrived" || !await this.#mend(told);
  }

  /** Ends without a word, or is about to be disposed. */
  async #end(how: "unborn" | "disposed" | "ended"): Promise<void> {
    this.#log.write({ what: "gone", how });
    if (how !== "disposed") await this.#die();
  }
}

/** Is a server until it is told to end. */
async function serve({ log: path, name, place }: Plan, until: Promise<unknown>): Promise<void> {
  using log = new Log(path, name);
  const { parties } = place as { parties: number };
  const server = await ProcessBarrierServer.listen({ parties });
  log.write({ what: "listening", path: server.path });
  await until;
  log.write({ what: "over", how: "disposed" });
  await server[Symbol.asyncDispose]();
  log.write({ what: "left" });
}

async function follow(plan: Plan, die: () => unknown): Promise<void> {
  using log = new Log(plan.log, plan.name);
  using _ = "url" in plan.place ? watchStarving(log, plan.place.lease) : undefined;
  const forever = new Promise<void>(() => {});
  await new Party(plan, log, async () => (die(), await forever)).live();
  log.write({ what: "left" });
}

/** Sees whether the event loop stands still for so long that the party may be taken for lost. */
function watchStarving(log: Log, lease: number): Disposable {
  let last = Date.now();
  const timer = setInterval(() => {
    const now = Date.now();
    if (now - last > lease / 2) log.write({ what: "starved" });
    last = now;
  }, lease / 10);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

async function* lines(): AsyncGenerator<string> {
  let rest = "";
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}

if (import.meta.main && "postMessage" in globalThis) {
  const scope = globalThis as unknown as { close(): void };
  addEventListener("message", (event) => {
    const { data: plan } = event as MessageEvent<Plan>;
    const doThrow = () => setTimeout(() => Promise.reject("a worker ends on purpose"));
    follow(plan, plan.seed % 2 === 0 ? () => scope.close() : doThrow);
  });
} else if (import.meta.main) {
  let stop = () => {};
  for await (const line of lines()) {
    const plan: Plan | "stop" = JSON.parse(line);
    if (plan === "stop") stop();
    else if ("parties" in plan.place) {
      serve(plan, new Promise<void>((resolve) => stop = resolve));
    } else await follow(plan, () => Deno.exit());
  }
}
