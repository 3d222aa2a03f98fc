// Copyright 2026 the Rendezvous authors. MIT license.

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { BrokenBarrierError } from "../../barrier.ts";
import type { Adapter, Party } from "../contract/adapter.ts";
import { FakeTime } from "../_helpers/fake_time.ts";
import { CountingController, quiet, turn } from "../_helpers/harness.ts";
import { type Call, type Does, type Holder, Model, type Wish } from "./model.ts";

/**
 * `BARRIER_RUNS` random programs, and those of `BARRIER_SEED`: a failure prints its seed. The usual run is the same
 * each time; another seed is another search.
 */
export function parameters<T>(runs: number): fc.Parameters<T> {
  return {
    numRuns: Number(Deno.env.get("BARRIER_RUNS") ?? runs),
    seed: Number(Deno.env.get("BARRIER_SEED") ?? 1),
  };
}

interface RandomWish {
  timeout?: number;
  /** A signal of its own, the one that was used last, or a new one that has aborted. */
  signal?: "new" | "again" | "aborted";
  onCancel?: "break" | "withdraw";
}

/** What happens. `who` picks a handle, the maker's among them. */
type Step =
  | { do: "wait"; who: number; wish: RandomWish }
  | { do: "arrive" | "drop" | "dispose"; who: number }
  | { do: "watch"; who: number; ahead: number; wish: RandomWish }
  | { do: "ready"; who: number; wish: RandomWish }
  | { do: "register"; who: number; count: number }
  | { do: "abort"; who: number; why: boolean }
  | { do: "reset"; who: number; ahead: number | undefined; dropLost: boolean }
  | { do: "join" }
  | { do: "cancel"; which: number }
  | { do: "tick"; ms: number }
  | { do: "end"; throws: boolean };

export interface Program {
  parties: number;
  joined: number;
  timeout: number | undefined;
  action: Does[] | undefined;
  steps: Step[];
}

const who = fc.nat(9);
const timeout = fc.constantFrom(0, 10, 20, 30, Infinity);
const signal = fc.constantFrom(
  "new" as const,
  "new" as const,
  "again" as const,
  "aborted" as const,
);
const onCancel = fc.constantFrom("break" as const, "withdraw" as const);
function wish(timed: boolean): fc.Arbitrary<RandomWish> {
  const optional = { requiredKeys: [] } as { requiredKeys: [] };
  const wishes: fc.Arbitrary<RandomWish> = timed
    ? fc.record({ timeout, signal, onCancel }, optional)
    : fc.record({ signal, onCancel }, optional);
  return fc.oneof({ weight: 2, arbitrary: fc.constant<RandomWish>({}) }, wishes);
}

/** Random programs; without timeouts where time is not under the control of the test. */
export function programs(timed = true): fc.Arbitrary<Program> {
  const step = <T extends Step["do"]>(weight: number, name: T, fields: object = {}) => ({
    weight,
    arbitrary: fc.record({ do: fc.constant(name), ...fields }) as unknown as fc.Arbitrary<Step>,
  });
  const steps = [
    step(12, "wait", { who, wish: wish(timed) }),
    step(6, "arrive", { who }),
    step(2, "drop", { who }),
    step(1, "dispose", { who }),
    step(3, "watch", { who, ahead: fc.integer({ min: -3, max: 2 }), wish: wish(timed) }),
    step(2, "ready", { who, wish: wish(timed) }),
    step(1, "register", { who, count: fc.integer({ min: 1, max: 2 }) }),
    step(2, "abort", { who, why: fc.boolean() }),
    step(4, "reset", {
      who,
      ahead: fc.constantFrom(undefined, undefined, -1, 0, 0, 1, 2),
      dropLost: fc.boolean(),
    }),
    step(2, "join"),
    step(2, "cancel", { which: fc.nat(5) }),
    ...(timed ? [step(3, "tick", { ms: fc.constantFrom(5, 10, 20) })] : []),
    step(4, "end", { throws: fc.constantFrom(false, false, true) }),
  ];
  const does = fc.constantFrom<Does[]>("returns", "throws", "hangs", "hangs");
  return fc.record({
    parties: fc.integer({ min: 1, max: 4 }),
    joined: fc.nat(4),
    timeout: timed ? fc.constantFrom(undefined, undefined, 15) : fc.constant(undefined),
    action: fc.option(fc.array(does, { minLength: 1, maxLength: 6 }), { nil: undefined }),
    steps: fc.array(fc.oneof(...steps), { maxLength: 40 }),
  });
}

/** What may have become of a promise, as the model puts it. */
function outcomeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then((value) => `gives ${value}`, (error) => {
    if (error instanceof BrokenBarrierError) {
      const { reason, phase, arrived, parties, missing, party, cause } = error;
      const why = cause instanceof Error ? cause.message : cause;
      return `broken: ${reason}, ${why}, in ${phase}, ${arrived} of ${parties} arrived, ` +
        `missing ${[...missing].sort()}, by ${party}`;
    }
    return error instanceof Error ? error.name : `throws ${error}`;
  });
}

/** Lets all run that needs no timer and no message. */
async function microtasks(): Promise<void> {
  for (let i = 0; i < 50; i++) await null;
}

/**
 * Does to a barrier and to the model what a program says, and compares after each step.
 *
 * @param remote The barrier is reached over a connection: then what follows from a step takes its time, which is not
 *   under the control of the test, and who has left is asked no more.
 */
export async function run(adapter: Adapter, program: Program, remote = false): Promise<void> {
  const { parties, action, steps } = program;
  using time = remote ? undefined : new FakeTime();
  const ends: PromiseWithResolvers<void>[] = [];
  const does = (run: number): Does => action![run % action!.length]!;
  let runs = 0;
  const real = (): unknown => {
    const now = does(runs++);
    if (now === "throws") throw new Error("action");
    if (now === "returns") return;
    ends.push(Promise.withResolvers());
    return ends.at(-1)!.promise;
  };
  const options = { timeout: program.timeout, action: action && real };
  await using fixture = await adapter.make(parties, options, true);
  const model = new Model(parties, {
    timeout: program.timeout ?? Infinity,
    action: action && does,
    renumbers: adapter.can.renumber === true,
  });

  const maker: Holder = { dropped: false, disposed: false };
  const holders: Holder[] = [maker];
  // Where parties have names, the maker is none.
  const handles = [fixture.unnamed ?? fixture.host] as Party[];
  const signals: CountingController[] = [];
  const calls: { call: Call; real: { outcome?: string }; what: string }[] = [];
  let joined = 0;

  async function join(): Promise<void> {
    if (!adapter.can.names) return;
    const holder: Holder = { name: `${joined++}`, dropped: false, disposed: false };
    const handle = await fixture.join({ name: holder.name }).catch(() => undefined);
    assertEquals(handle !== undefined, model.join(holder), "who joined");
    if (handle === undefined) return;
    holders.push(holder);
    handles.push(handle);
  }
  function wishOf({ signal, ...rest }: RandomWish) {
    if (signal === undefined) return { model: rest as Wish, real: rest };
    if (signal !== "again" || signals.length === 0) signals.push(new CountingController());
    const index = signals.length - 1;
    if (signal === "aborted") abort(index);
    const name = `signal ${index}`;
    return { model: { ...rest, signal: name }, real: { ...rest, signal: signals[index]!.signal } };
  }
  function abort(index: number): void {
    model.cancel(`signal ${index}`);
    signals[index]!.abort(`signal ${index}`);
  }
  function take(step: Step): { call: Call; promise: Promise<unknown> } | undefined {
    const index = "who" in step ? step.who % holders.length : 0;
    const [holder, handle] = [holders[index]!, handles[index]!];
    const { phase } = model.shown;
    if (remote && holder.disposed) return undefined;
    if (handle === fixture.host && ["wait", "arrive", "drop"].includes(step.do)) return undefined;
    switch (step.do) {
      case "wait": {
        const wish = wishOf(step.wish);
        return { call: model.wait(holder, wish.model), promise: handle.wait(wish.real) };
      }
      case "arrive":
        return { call: model.arrive(holder), promise: handle.arrive() };
      case "drop":
        // Where there is no maker, a party that runs the action drops when that has ended, and none runs it if none is left.
        if (!adapter.can.maker && (model.isRunning || action && model.parties === 1)) {
          return undefined;
        }
        return { call: model.arrive(holder, true), promise: handle.arriveAndDrop() };
      case "dispose":
        // The maker's end is the end of the program.
        if (holder === maker) return undefined;
        // Over a connection, what it waits for without being a party ends with it.
        if (remote && model.isWatching(holder)) return undefined;
        return { call: model.dispose(holder), promise: handle.dispose() };
      case "watch": {
        const watched = Math.max(0, phase + step.ahead);
        const { onCancel: _, ...rest } = step.wish;
        const wish = wishOf(rest);
        const call = model.watch(holder, watched, wish.model);
        return { call, promise: handle.waitFor(watched, wish.real) };
      }
      case "ready": {
        const { onCancel: _, ...rest } = step.wish;
        const wish = wishOf(rest);
        return { call: model.ready(holder, wish.model), promise: handle.ready(wish.real) };
      }
      case "register":
        // There is room for 8 everywhere.
        if (model.parties + step.count > 8 || !adapter.can.register) return undefined;
        return { call: model.register(holder, step.count), promise: handle.register(step.count) };
      case "abort": {
        const why = step.why ? "why" : undefined;
        return { call: model.abort(holder, why), promise: handle.abort(why) };
      }
      case "reset": {
        const at = step.ahead === undefined ? undefined : Math.max(0, phase + step.ahead);
        const { dropLost } = step;
        const call = model.reset(holder, at, dropLost);
        const names = handle.reset(at, { dropLost }).then((names) => names.sort());
        return { call, promise: quiet(names) };
      }
      case "cancel":
        if (signals.length > 0) abort(step.which % signals.length);
        return undefined;
      case "tick":
        model.tick(step.ms);
        time!.tick(step.ms);
        return undefined;
      case "end": {
        // It may have been cancelled: then its end changes nothing.
        const end = ends.pop();
        if (end === undefined) return undefined;
        if (model.isRunning) model.endAction(step.throws);
        if (step.throws) end.reject(new Error("action"));
        else end.resolve();
        ends.length = 0;
        return undefined;
      }
    }
  }
  function compare({ call, real, what }: (typeof calls)[number]): void {
    const { kind, phase, outcome } = call;
    // What breaks behind an action breaks with it: a watcher is told of either.
    if (kind === "watch" && outcome?.startsWith("broken")) {
      if (real.outcome === "RangeError" && phase + 16 <= model.shown.phase) return;
      const parts = /^broken: (\w+), .* in (\d+),/;
      const [told, wanted] = [real.outcome ?? "", outcome].map((text) => parts.exec(text));
      const near = Number(wanted![2]) - Number(told?.[2]);
      assertEquals([told?.[1], near === 0 || near === 1], [wanted![1], true], what);
      return;
    }
    assertEquals(real.outcome, outcome, what);
  }
  async function check(what: string): Promise<void> {
    if (!remote) {
      await microtasks();
      return await compareAll(what);
    }
    // An answer comes after all that was said before on its connection.
    for (const handle of handles) await handle.state().catch(() => {});
    const deadline = performance.now() + 5_000;
    for (;;) {
      try {
        return await compareAll(what);
      } catch (error) {
        if (performance.now() > deadline) throw error;
        await turn();
      }
    }
  }
  async function compareAll(what: string): Promise<void> {
    for (const call of calls) compare({ ...call, what: `${what}: ${call.what}` });
    const { missing, ...state } = await fixture.host.state();
    const { missing: wanted, ...shown } = model.shown;
    assertEquals(state, shown, what);
    assertEquals([...missing].sort(), [...wanted].sort(), what);
    assertEquals(runs, model.runs, `${what}: runs of the action`);
    if (time !== undefined) assertEquals(time.pending, model.timers, `${what}: timers`);
    const listeners = signals.reduce((sum, signal) => sum + signal.listeners, 0);
    assertEquals(listeners, model.listeners, `${what}: listeners`);
  }

  for (let i = 0; i < Math.min(program.joined, parties); i++) await join();
  for (const [i, step] of steps.entries()) {
    const what = `step ${i}, ${Deno.inspect(step)}`;
    if (step.do === "join") await join();
    else {
      const taken = take(step);
      if (taken !== undefined) {
        const real: { outcome?: string } = {};
        outcomeOf(taken.promise).then((outcome) => real.outcome = outcome);
        calls.push({ call: taken.call, real, what });
      }
    }
    await check(what);
  }
  for (const end of ends) end.resolve();
  if (adapter.can.maker) {
    model.dispose(maker);
    await fixture.host.dispose();
  } else {
    // Nobody's end is that of the barrier: who waits for its reset is freed by that, and who waits by its break.
    for (const way of ["reset", "abort", "reset"] as const) {
      if (way === "reset") model.reset(maker, undefined, false);
      else model.abort(maker, undefined);
      await fixture.host[way]();
    }
  }
  await check("the end");
  for (const { call, what } of calls) assertEquals(call.outcome !== undefined, true, what);
}
