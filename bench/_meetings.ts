// Copyright 2026 the Rendezvous authors. MIT license.

import { type Meeting, program } from "./_program.ts";
import type { Role } from "./_worker.ts";

/** The checkout of the library that this file belongs to, as a URL. */
export const HERE: string = import.meta.resolve("../");

/** Tasks that await what `wait` returns. */
export function tasks(parties: number, wait: () => Promise<unknown>): Meeting {
  async function task(phases: number) {
    for (let phase = 0; phase < phases; phase++) await wait();
  }
  return {
    async run(phases) {
      await Promise.all(Array.from({ length: parties }, () => task(phases)));
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Workers that meet, or play ping-pong, at a place in memory. */
export async function workers(parties: number, role: Omit<Role, "index">): Promise<Meeting> {
  const url = new URL("./_worker.ts", import.meta.url);
  const team = Array.from({ length: parties }, () => new Worker(url, { type: "module" }));
  const tell = (message: (index: number) => Role | number) =>
    Promise.all(team.map((worker, index) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      worker.onmessage = () => resolve();
      worker.onerror = (event) => reject(new Error(event.message));
      worker.postMessage(message(index));
      return promise;
    }));
  await tell((index) => ({ ...role, index }));
  return {
    async run(phases) {
      await tell(() => phases);
    },
    [Symbol.asyncDispose]() {
      for (const worker of team) worker.terminate();
      return Promise.resolve();
    },
  };
}

/** Deno processes of a checkout that meet at a `ProcessBarrier`. */
export async function processes(
  parties: number,
  checkout: string,
  transport: "shared-memory" | "socket",
  wait: "wait" | "waitSync",
): Promise<Meeting> {
  const { ProcessBarrierServer }: typeof import("../process_barrier.ts") = await import(
    `${checkout}process_barrier.ts`
  );
  await using scope = new AsyncDisposableStack();
  const server = scope.use(await ProcessBarrierServer.listen({ parties }));
  const team = Array.from(
    { length: parties },
    () => scope.use(deno("./_process.ts", checkout, server.path, transport, wait)),
  );
  const all = scope.move();
  return {
    async run(phases) {
      await Promise.all(team.map((party) => party.run(phases)));
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** Starts a program of this folder, which needs none of the packages of its `deno.json`. */
export function deno(script: string, ...args: string[]): Meeting {
  const path = new URL(script, import.meta.url).pathname;
  return program(Deno.execPath(), "run", "-A", "--no-config", "--quiet", path, ...args);
}
