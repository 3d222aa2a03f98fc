// Copyright 2026 the Rendezvous authors. MIT license.

import type { AsyncBarrier, Barrier } from "../../barrier.ts";
import type { ProcessBarrier } from "../../process_barrier.ts";
import type { RedisBarrier } from "../../redis_barrier.ts";
import { quiet } from "../_helpers/harness.ts";
import type { Fixture, Party } from "./adapter.ts";

/** The party of a handle that does all at once, but for what waits. */
export function promptParty(
  barrier: AsyncBarrier | Barrier,
  name: string | undefined,
  waits: Pick<Party, "wait" | "waitFor" | "ready">,
): Party {
  const call = <T>(method: () => T) => quiet(Promise.try(method));
  return {
    name,
    ...waits,
    arrive: () => call(() => barrier.arrive()),
    arriveAndDrop: () => call(() => barrier.arriveAndDrop()),
    register: (count) => call(() => barrier.register(count)),
    abort: (reason) => call(() => barrier.abort(reason)),
    reset: (phase, options) => call(() => barrier.reset(phase, options)),
    dispose: () => call(() => barrier[Symbol.dispose]()),
    state: () => {
      const { parties, arrived, phase, broken, missing } = barrier;
      return Promise.resolve({ parties, arrived, phase, broken, missing });
    },
  };
}

/** The party of a handle whose members are promises. */
export function promisedParty(barrier: ProcessBarrier | RedisBarrier): Party {
  return {
    name: barrier.name,
    wait: (options) => quiet(barrier.wait(options)),
    waitFor: (phase, options) => quiet(barrier.waitFor(phase, options)),
    ready: (options) => quiet(barrier.ready(options)),
    arrive: () => quiet(barrier.arrive()),
    arriveAndDrop: () => quiet(barrier.arriveAndDrop()),
    register: (count) => quiet(barrier.register(count)),
    abort: (reason) => quiet(barrier.abort(reason)),
    reset: (phase, options) => quiet(barrier.reset(phase, options)),
    dispose: () => quiet(barrier[Symbol.asyncDispose]()),
    state: async () => {
      const { parties, arrived, phase, broken, missing } = await barrier.status();
      return { parties, arrived, phase, broken, missing };
    },
  };
}

/** Names in the order of joining: "a", "b", … */
export function names(): () => string {
  let next = 0;
  return () => String.fromCharCode("a".charCodeAt(0) + next++);
}

/** Has so many parties join. Nothing is left where one cannot. */
export async function fill(fixture: Fixture, parties: number): Promise<Fixture> {
  try {
    for (let i = 0; i < parties; i++) fixture.parties.push(await fixture.join());
  } catch (error) {
    await fixture[Symbol.asyncDispose]();
    throw error;
  }
  return fixture;
}
