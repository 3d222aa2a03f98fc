// Copyright 2026 the Rendezvous authors. MIT license.

import { AsyncBarrier, Barrier } from "../mod.ts";
import type { Adapter, Fixture, MakeOptions, Party } from "./_contract.ts";
import { quiet } from "./_harness.ts";
import { Thread } from "./_thread.ts";

/** The tasks of one event loop. */
export const tasks: Adapter = {
  title: (member, behaviour) => `AsyncBarrier${member} ${behaviour}`,
  can: { signal: true, asyncAction: true, renumber: true, cause: "value", names: false },
  // A number of which the next is not safe is no bound that anybody meets.
  most: Number.MAX_SAFE_INTEGER,
  make: (parties, options) =>
    Promise.try(() => {
      const barrier = new AsyncBarrier(parties, options);
      const party = partyOf(barrier, barrier.wait.bind(barrier), barrier.waitFor.bind(barrier));
      return {
        host: party,
        parties: Array(parties).fill(party),
        join: () => Promise.resolve(party),
        [Symbol.asyncDispose]: () => Promise.try(() => barrier.abort()),
      };
    }),
};

/** How a party of a `Barrier` waits. */
type Way = "async" | "blocking";

/** Parties of a `Barrier`, who wait in these ways by turns. */
export function threads(name: string, ...ways: [Way, ...Way[]]): Adapter {
  return {
    title: (member, behaviour) => {
      const shown = ways[0] === "async" ? member.replace(/(wait|waitFor)\(/, "$1Async(") : member;
      return `Barrier${shown} ${behaviour} [${name}]`;
    },
    can: {
      signal: ways[0] === "async",
      asyncAction: false,
      renumber: false,
      cause: "nothing",
      names: false,
    },
    most: Barrier.MAX_PARTIES,
    make: async (parties, options = {}) => {
      const barrier = new Barrier(parties, options);
      const used: Thread[] = [];
      const fixture: Fixture = {
        host: handleOf(barrier),
        parties: [],
        async join() {
          const way = ways[fixture.parties.length % ways.length];
          const party = way === "async"
            ? handleOf(Barrier.from(barrier, options))
            : await threadOf(barrier, options, used);
          fixture.parties.push(party);
          return party;
        },
        async [Symbol.asyncDispose]() {
          barrier.abort();
          // Even if the barrier wakes nobody.
          const words = new Int32Array(barrier.buffer);
          for (const word of words.keys()) Atomics.notify(words, word);
          await Promise.all(used.map((thread) => thread.giveBack()));
        },
      };
      try {
        for (let i = 0; i < parties; i++) await fixture.join();
      } catch (error) {
        await fixture[Symbol.asyncDispose]();
        throw error;
      }
      return fixture;
    },
  };
}

function handleOf(barrier: Barrier): Party {
  return partyOf(barrier, barrier.waitAsync.bind(barrier), barrier.waitForAsync.bind(barrier));
}

function partyOf(
  barrier: AsyncBarrier | Barrier,
  wait: AsyncBarrier["wait"],
  waitFor: AsyncBarrier["waitFor"],
): Party {
  return {
    wait: (options) => quiet(wait(options)),
    waitFor: (phase, options) => quiet(waitFor(phase, options)),
    arrive: () => quiet(Promise.try(() => barrier.arrive())),
    arriveAndDrop: () => quiet(Promise.try(() => barrier.arriveAndDrop())),
    register: (count) => quiet(Promise.try(() => barrier.register(count))),
    abort: (reason) => quiet(Promise.try(() => barrier.abort(reason))),
    reset: () => quiet(Promise.try(() => barrier.reset())),
    dispose: () => quiet(Promise.try(() => barrier[Symbol.dispose]())),
    state: () => {
      const { parties, arrived, phase, broken } = barrier;
      return Promise.resolve({ parties, arrived, phase, broken });
    },
  };
}

async function threadOf(
  barrier: Barrier,
  { action, timeout }: MakeOptions,
  used: Thread[],
): Promise<Party> {
  const options = { ...(action && { action }), ...(timeout !== undefined && { timeout }) };
  const thread = await Thread.take(barrier, options);
  used.push(thread);
  return {
    wait: (options) => thread.call("wait", options),
    waitFor: (phase, options) => thread.call("waitFor", phase, options),
    arrive: () => thread.call("arrive"),
    arriveAndDrop: () => thread.call("arriveAndDrop"),
    register: (count) => thread.call("register", count),
    abort: (reason) => thread.call("abort", reason),
    reset: () => thread.call("reset"),
    dispose: () => thread.call("dispose"),
    state: () => thread.call("state"),
  };
}
