// Copyright 2026 the Rendezvous authors. MIT license.

interface Timer {
  at: number;
  run: () => void;
}

/** Puts `setTimeout` and `clearTimeout` under the control of a test, until it is disposed of. */
export class FakeTime implements Disposable {
  readonly #real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };
  readonly #timers = new Map<number, Timer>();
  #now = 0;
  #lastId = 0;

  constructor() {
    Object.assign(globalThis, {
      setTimeout: (run: (...args: unknown[]) => void, delay = 0, ...args: unknown[]) => {
        // As the platform has it: a delay of more than 32 bits fires at once.
        const wait = delay > 2 ** 31 - 1 ? 0 : delay;
        this.#timers.set(++this.#lastId, { at: this.#now + wait, run: () => run(...args) });
        return this.#lastId;
      },
      clearTimeout: (id?: number) => void this.#timers.delete(id!),
    });
  }

  /** How many timers are pending. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Lets `ms` pass: runs the timers that are due, those first that are due first. */
  tick(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const [first] = [...this.#timers].sort(([, a], [, b]) => a.at - b.at);
      if (first === undefined || first[1].at > end) break;
      const [id, timer] = first;
      this.#timers.delete(id);
      this.#now = timer.at;
      timer.run();
    }
    this.#now = end;
  }

  [Symbol.dispose](): void {
    Object.assign(globalThis, this.#real);
  }
}
