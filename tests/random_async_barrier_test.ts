// Copyright 2026 the Rendezvous authors. MIT license.

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { AsyncBarrier } from "../mod.ts";
import { FakeTime } from "./_fake_time.ts";
import { test, turn, UnhandledRejections } from "./_harness.ts";
import { Model } from "./_model.ts";
import {
  Action,
  type Happening,
  happening,
  Ledger,
  microtasks,
  Names,
  type Operation,
  operation,
  optionsOf,
  parameters,
  type Setting,
  setting,
  Signals,
} from "./_random.ts";

type Step = Operation | Happening;

interface Program {
  setting: Setting;
  /** What comes together goes on without a microtask in between. */
  steps: Step[][];
}

const step = fc.oneof({ weight: 4, arbitrary: operation }, { weight: 1, arbitrary: happening });

const program: fc.Arbitrary<Program> = fc.record({
  setting,
  steps: fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { maxLength: 20 }),
});

class Run {
  readonly #names = new Names();
  readonly #ledger = new Ledger(this.#names);
  readonly #signals = new Signals(this.#names);
  readonly #time: FakeTime;
  readonly #action: Action;
  readonly #barrier: AsyncBarrier;
  readonly #model: Model;

  constructor(setting: Setting, time: FakeTime) {
    this.#time = time;
    this.#action = new Action(setting.action, this.#names.know);
    const { real, model } = optionsOf(setting, this.#action);
    this.#barrier = new AsyncBarrier(setting.parties, real);
    this.#model = new Model(model);
  }

  async program(steps: readonly Step[][]): Promise<void> {
    for (const together of steps) {
      for (const step of together) {
        await this.#step(step);
        this.#look();
      }
      await this.#settle();
    }
    // Whatever is pending has a reason, and that is taken away now.
    await this.#step({ do: "abort", why: true });
    for (;;) {
      await this.#settle();
      if (!this.#model.acting) break;
      await this.#step({ do: "end", throws: false });
    }
    assertEquals(this.#time.pending, 0, "timers at the end");
    for (const [name, count] of Object.entries(this.#signals.listeners)) {
      assertEquals(count, 0, `listeners of ${name} at the end`);
    }
  }

  async #step(step: Step): Promise<void> {
    const barrier = this.#barrier;
    const model = this.#model;
    switch (step.do) {
      case "wait": {
        const { wish } = step;
        if (wish === undefined) return this.#enter("wait()", model.wait(), barrier.wait());
        const granted = this.#grant(wish);
        const real = barrier.wait(granted.real);
        return this.#enter(Deno.inspect(step), model.wait(granted.model), real);
      }
      case "watch": {
        const phase = Math.max(0, model.phase + step.ahead);
        const granted = this.#grant(step.wish);
        const real = barrier.waitFor(phase, granted.real);
        return this.#enter(Deno.inspect(step), model.watch(phase, granted.model), real);
      }
      case "arrive":
        return this.#enter("arrive()", model.arrive(), Promise.try(() => barrier.arrive()));
      case "drop":
        return this.#enter(
          "arriveAndDrop()",
          model.arrive(undefined, true),
          Promise.try(() => barrier.arriveAndDrop()),
        );
      case "register": {
        const real = Promise.try(() => barrier.register(step.count));
        return this.#enter("register()", model.register(step.count), real);
      }
      case "abort": {
        const [why, name] = step.why ? this.#names.make("why") : [];
        return this.#enter("abort()", model.abort(name), Promise.try(() => barrier.abort(why)));
      }
      case "reset":
        return this.#enter("reset()", model.reset(), Promise.try(() => barrier.reset()));
      case "cancel": {
        const name = this.#signals.abort(step.which);
        if (name !== undefined) model.cancel(name);
        return;
      }
      case "tick":
        this.#time.tick(step.ms);
        return model.tick(step.ms);
      case "end":
        if (!model.acting) return;
        model.endAction(this.#action.end(step.throws));
        // An async action has ended only when its promise has told so.
        return await this.#settle();
    }
  }

  #grant(wish: Parameters<Signals["grant"]>[0]) {
    const granted = this.#signals.grant(wish);
    for (const name of this.#signals.aborted) this.#model.cancel(name);
    return granted;
  }

  #enter(...entry: Parameters<Ledger["enter"]>): void {
    this.#ledger.enter(...entry);
  }

  /** Compares what is to be seen at once. */
  #look(): void {
    const { parties, arrived, phase, broken } = this.#barrier;
    const model = this.#model;
    assertEquals({ parties, arrived, phase, broken, actions: this.#action.runs.length }, {
      parties: model.parties,
      arrived: model.arrived,
      phase: model.phase,
      broken: model.broken,
      actions: model.actions,
    });
    assertEquals(this.#time.pending, model.timers, "timers");
    for (const [name, count] of Object.entries(this.#signals.listeners)) {
      assertEquals(count, model.listeners(name), `listeners of ${name}`);
    }
  }

  async #settle(): Promise<void> {
    await microtasks();
    this.#look();
    this.#ledger.check();
  }
}

async function run({ setting, steps }: Program): Promise<void> {
  using unhandled = new UnhandledRejections();
  using time = new FakeTime();
  await new Run(setting, time).program(steps);
  await turn();
  assertEquals(unhandled.reasons, []);
}

test("AsyncBarrier() does in random programs what its contract says", async () => {
  await fc.assert(fc.asyncProperty(program, run), parameters(1_500));
}, { deadline: 600_000 });
