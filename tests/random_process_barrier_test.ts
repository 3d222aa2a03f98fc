// Copyright 2026 the Rendezvous authors. MIT license.

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { ProcessBarrier, ProcessBarrierServer } from "../process_barrier.ts";
import { FakeTime } from "./_fake_time.ts";
import { test, turn, UnhandledRejections, within } from "./_harness.ts";
import { type Seat, SeatedModel, type Ticket } from "./_model.ts";
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

type Step =
  /** What a party asks for together goes out in one go. */
  | { do: "ask"; who: number; operations: Operation[] }
  | { do: "serve"; operation: Operation }
  | { do: "connect" }
  | { do: "lost" | "left"; who: number }
  | Happening;

interface Program {
  setting: Setting;
  steps: Step[];
}

const who = fc.nat(5);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 14,
    arbitrary: fc.record({
      do: fc.constant("ask" as const),
      who,
      operations: fc.array(operation, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("serve" as const),
      operation: operation.filter((operation) =>
        ["abort", "register", "reset", "watch"].includes(operation.do)
      ),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ do: "connect" as const }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom("lost" as const, "left" as const), who }),
  },
  { weight: 4, arbitrary: happening },
);

const program: fc.Arbitrary<Program> = fc.record({
  setting,
  steps: fc.array(step, { maxLength: 40 }),
});

/** Connects, and tells what it connected with and when the server has ended that. */
async function dial(path: string, name: string) {
  const connect = Deno.connect;
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  let conn: Deno.UnixConn | undefined;
  Object.assign(Deno, {
    connect: async (options: Deno.UnixConnectOptions) => {
      const dialled = conn = await connect(options);
      const read = dialled.read.bind(dialled);
      dialled.read = async (buffer) => {
        let count: number | null = null;
        try {
          return count = await read(buffer);
        } finally {
          if (count === null) end();
        }
      };
      return dialled;
    },
  });
  try {
    const options = { name, transport: "socket" } as const;
    return { barrier: await ProcessBarrier.connect(path, options), conn: conn!, ended };
  } finally {
    Object.assign(Deno, { connect });
  }
}

interface Party {
  barrier: ProcessBarrier;
  conn: Deno.UnixConn;
  /** When the server has ended the connection. */
  ended: Promise<void>;
  seat: Seat;
  signals: Signals;
  tickets: Ticket[];
}

class Run {
  readonly #names: Names;
  readonly #ledger: Ledger;
  /** Those that the server's own watches use. */
  readonly #signals: Signals;
  readonly #time: FakeTime;
  readonly #action: Action;
  readonly #server: ProcessBarrierServer;
  readonly #model: SeatedModel;
  #parties: Party[] = [];
  #connected = 0;

  private constructor(
    server: ProcessBarrierServer,
    model: SeatedModel,
    action: Action,
    time: FakeTime,
    names: Names,
  ) {
    this.#server = server;
    this.#model = model;
    this.#action = action;
    this.#time = time;
    this.#names = names;
    this.#ledger = new Ledger(names);
    this.#signals = new Signals(names);
  }

  static async start(setting: Setting, time: FakeTime): Promise<Run> {
    const names = new Names({ texts: true });
    const action = new Action(setting.action, names.know);
    const { real, model } = optionsOf(setting, action);
    const server = await ProcessBarrierServer.listen({ parties: setting.parties, ...real });
    return new Run(server, new SeatedModel(model), action, time, names);
  }

  async program({ parties }: Setting, steps: readonly Step[]): Promise<void> {
    for (let i = 0; i < parties; i++) await this.#step({ do: "connect" });
    for (const step of steps) {
      await this.#step(step);
      await this.#settle();
    }
    // Whatever is pending has a reason, and that is taken away now.
    await this.#step({ do: "serve", operation: { do: "abort", why: true } });
    for (;;) {
      await this.#settle();
      if (!this.#model.acting) break;
      await this.#step({ do: "end", throws: false });
    }
    for (const signals of [this.#signals, ...this.#parties.map(({ signals }) => signals)]) {
      for (const [name, count] of Object.entries(signals.listeners)) {
        assertEquals(count, 0, `listeners of ${name} at the end`);
      }
    }
  }

  async end(): Promise<void> {
    for (const { barrier } of this.#parties) await barrier[Symbol.asyncDispose]();
    let ended = false;
    const ending = this.#server[Symbol.asyncDispose]().finally(() => ended = true);
    // The server lets the answers that are due go first, for 0 ms.
    while (!ended) {
      this.#time.tick(0);
      await turn();
    }
    await ending;
    assertEquals(this.#time.pending, 0, "timers at the end");
  }

  async #step(step: Step): Promise<void> {
    const model = this.#model;
    switch (step.do) {
      case "ask": {
        const party = this.#party(step.who);
        if (party === undefined) return;
        for (const operation of step.operations) this.#ask(party, operation);
        // Once it has its answer, so has everybody else what follows from it: see `#settle`.
        return void await party.barrier.status();
      }
      case "serve":
        return this.#serve(step.operation);
      case "connect":
        return await this.#connect();
      case "lost":
      case "left": {
        const party = this.#party(step.who);
        if (party !== undefined) await this.#end(party, step.do);
        return;
      }
      case "tick":
        this.#time.tick(step.ms);
        return model.tick(step.ms);
      case "end":
        if (model.acting) model.endAction(this.#action.end(step.throws));
    }
  }

  #party(who: number): Party | undefined {
    return this.#parties[who % this.#parties.length];
  }

  async #connect(): Promise<void> {
    const name = `member ${this.#connected++}`;
    const seat = this.#model.connect(name);
    let refusal: string | undefined;
    try {
      const dialled = await dial(this.#server.path, name);
      const signals = new Signals(this.#names);
      this.#parties.push({ ...dialled, seat: seat!, signals, tickets: [] });
    } catch (error) {
      refusal = this.#names.judge(error);
    }
    assertEquals(refusal, seat === undefined ? "RangeError" : undefined, `${name} connects`);
  }

  async #end(party: Party, how: "lost" | "left"): Promise<void> {
    const pending = party.tickets.filter(({ outcome }) => outcome === undefined);
    this.#model.end(party.seat, how);
    // What it still waits for it cannot be told.
    for (const ticket of pending) ticket.outcome = "broken";
    this.#parties.splice(this.#parties.indexOf(party), 1);
    if (how === "left") return await party.barrier[Symbol.asyncDispose]();
    await party.conn.closeWrite();
    await within(party.ended, "a lost connection");
    await microtasks();
  }

  #ask(party: Party, operation: Operation): void {
    const { barrier, seat, signals } = party;
    const model = this.#model;
    // The last arrival of a phase waits while the action of the phase before runs: when it comes then depends on
    // more than the model knows. That has a test of its own.
    const arrives = ["wait", "arrive", "drop"].includes(operation.do);
    if (arrives && model.acting && model.toCome === 1) return;
    const enter = (ticket: Ticket, real: Promise<unknown>) => {
      party.tickets.push(ticket);
      this.#ledger.enter(`${seat.name}: ${Deno.inspect(operation)}`, ticket, real);
    };
    switch (operation.do) {
      case "wait": {
        if (operation.wish === undefined) return enter(model.wait({}, seat), barrier.wait());
        const granted = signals.grant(operation.wish);
        for (const name of signals.aborted) model.cancel(name);
        // Whoever has dropped is no party, and whether its signal may still break the barrier is not said.
        if (granted.real.signal?.aborted && !model.seats.includes(seat)) return;
        return enter(model.wait(granted.model, seat), barrier.wait(granted.real));
      }
      case "watch": {
        const phase = Math.max(0, model.phase + operation.ahead);
        const granted = signals.grant(operation.wish);
        for (const name of signals.aborted) model.cancel(name);
        return enter(model.watch(phase, granted.model), barrier.waitFor(phase, granted.real));
      }
      case "arrive":
        return enter(model.arrive(seat), barrier.arrive());
      case "drop":
        return enter(model.arrive(seat, true), barrier.arriveAndDrop());
      case "register":
        return enter(model.register(operation.count), barrier.register(operation.count));
      case "abort": {
        const [why, name] = operation.why ? this.#names.make("why") : [];
        return enter(model.abort(name), barrier.abort(why));
      }
      case "reset":
        return enter(model.reset(), barrier.reset());
      case "cancel": {
        const name = signals.abort(operation.which);
        if (name !== undefined) model.cancel(name);
      }
    }
  }

  #serve(operation: Operation): void {
    const server = this.#server;
    const model = this.#model;
    const enter = (ticket: Ticket, real: Promise<unknown>) =>
      this.#ledger.enter(`server: ${Deno.inspect(operation)}`, ticket, real);
    switch (operation.do) {
      case "watch": {
        const phase = Math.max(0, model.phase + operation.ahead);
        const granted = this.#signals.grant(operation.wish);
        for (const name of this.#signals.aborted) model.cancel(name);
        return enter(model.watch(phase, granted.model), server.waitFor(phase, granted.real));
      }
      case "register":
        return enter(model.register(operation.count), server.register(operation.count));
      case "abort": {
        const [why, name] = operation.why ? this.#names.make("why") : [];
        return enter(model.abort(name), server.abort(why));
      }
      case "reset":
        return enter(model.reset(), server.reset());
    }
  }

  /**
   * Compares all there is. An answer comes after those that were sent before it on the same connection: one
   * round trip for everybody, and all that the server had settled has arrived.
   */
  async #settle(): Promise<void> {
    await microtasks();
    const statuses = await within(
      Promise.all(this.#parties.map(({ barrier }) => barrier.status())),
      "the status",
    );
    await microtasks();
    const { parties, arrived, phase, broken } = this.#model;
    const missing = [...this.#model.missing];
    for (const real of [...this.#parties.map(({ barrier }) => barrier), this.#server]) {
      const expected = { parties, arrived, phase, broken };
      const seen = {
        parties: real.parties,
        arrived: real.arrived,
        phase: real.phase,
        broken: real.broken,
      };
      assertEquals(seen, expected, real.constructor.name);
    }
    if (!broken) {
      for (const real of [...statuses, this.#server]) {
        assertEquals(real.missing, missing, "missing");
      }
    }
    assertEquals(this.#action.runs.length, this.#model.actions, "actions");
    this.#ledger.check();
  }
}

async function run({ setting, steps }: Program): Promise<void> {
  using unhandled = new UnhandledRejections();
  using time = new FakeTime();
  const run = await Run.start(setting, time);
  let passed = false;
  try {
    await run.program(setting, steps);
    passed = true;
  } finally {
    // What went wrong first is what is told.
    await (passed ? run.end() : run.end().catch(() => {}));
  }
  await turn();
  assertEquals(unhandled.reasons, []);
}

test("ProcessBarrier() does in random programs what its contract says", async () => {
  await fc.assert(fc.asyncProperty(program, run), parameters(400));
}, { deadline: 600_000 });
