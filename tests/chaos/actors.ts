// Copyright 2026 the Rendezvous authors. MIT license.

import type { Plan } from "./party.ts";

const PARTY = import.meta.resolve("./party.ts");

/** A worker or a process that takes one plan after the other. */
export interface Actor {
  /** Whom it is in this round, if it is busy. */
  name: string | undefined;
  dead: boolean;
  /** Settles when it has ended, however. */
  readonly ended: Promise<unknown>;
  readonly blocking: boolean;
  start(plan: Plan): void;
  kill(): void;
}

export class ProcessActor implements Actor {
  name: string | undefined;
  dead = false;
  readonly blocking: boolean;
  readonly ended: Promise<unknown>;
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;

  /** `packages`: whether it needs those of `deno.json`. */
  constructor(blocking: boolean, packages: boolean = false) {
    this.blocking = blocking;
    const flags = packages ? ["--no-check"] : ["--no-config", "--no-lock"];
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", ...flags, new URL(PARTY).pathname],
      stdin: "piped",
      stdout: "null",
      stderr: "inherit",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#input.closed.catch(() => {});
    this.ended = this.#child.status.then(async () => {
      this.dead = true;
      await this.#input.close().catch(() => {});
    });
  }

  start(plan: Plan): void {
    this.name = plan.name;
    this.tell(plan);
  }

  tell(what: unknown): void {
    this.#input.write(new TextEncoder().encode(JSON.stringify(what) + "\n")).catch(() => {});
  }

  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#send(signal);
  }

  kill(): void {
    this.dead = true;
    this.#send("SIGKILL");
  }

  #send(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch {
      // It has ended.
    }
  }
}

export class WorkerActor implements Actor {
  name: string | undefined;
  dead = false;
  readonly blocking: boolean;
  readonly ended: Promise<unknown>;
  readonly #worker = new Worker(PARTY, { type: "module" });
  #end!: () => void;

  constructor(blocking: boolean) {
    this.blocking = blocking;
    this.ended = new Promise<void>((resolve) => this.#end = resolve);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      // Whoever throws has logged that it will. All else would be missed there.
      this.#end();
    };
  }

  start(plan: Plan): void {
    this.name = plan.name;
    this.#worker.postMessage(plan);
  }

  kill(): void {
    this.dead = true;
    this.#worker.terminate();
    this.#end();
  }
}

/** Those who are at hand. Whoever is dead is replaced when somebody is needed. */
export class Pool<T extends Actor> implements AsyncDisposable {
  readonly actors: T[] = [];
  readonly #make: (blocking: boolean) => T;
  #made = 0;

  constructor(make: (blocking: boolean) => T) {
    this.#make = make;
  }

  /** Somebody who is idle. Every third blocks where it can. */
  take(): T {
    const idle = this.actors.find(({ name, dead }) => name === undefined && !dead);
    if (idle !== undefined) return idle;
    const made = this.#make(this.#made++ % 3 === 2);
    this.actors.push(made);
    return made;
  }

  find(name: string): T | undefined {
    return this.actors.find((actor) => actor.name === name);
  }

  /** Has nobody left who is dead or busy. */
  async tidy(): Promise<void> {
    for (const actor of this.actors.splice(0)) {
      if (actor.name === undefined && !actor.dead) this.actors.push(actor);
      else {
        actor.kill();
        await actor.ended;
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const actor of this.actors) actor.kill();
    for (const { ended } of this.actors) await ended;
  }
}
