// Copyright 2026 the Rendezvous authors. MIT license.

import { Barrier, type JoinOptions } from "../../barrier.ts";
import { quiet } from "../_helpers/harness.ts";
import { Thread } from "../_helpers/thread.ts";
import type { WorkerKind } from "../_helpers/worker.ts";
import type { Adapter, Fixture, Host, Party } from "./adapter.ts";
import { fill, names, promptParty } from "./fixture.ts";

/** How a party of a `Barrier` waits: in this thread, or blocking a worker, of the kind that is the first here if not said. */
type Way = "async" | "blocking" | WorkerKind;

function handleOf(barrier: Barrier, name?: string): Party & Host {
  const party = promptParty(barrier, name, {
    wait: (options) => quiet(barrier.waitAsync(options)),
    waitFor: (phase, options) => quiet(barrier.waitForAsync(phase, options)),
    ready: (options) => quiet(barrier.readyAsync(options)),
  });
  const expect: Host["expect"] = (name, ended) => {
    return quiet(Promise.try(() => barrier.expect(name, ended)));
  };
  return { ...party, expect };
}

function partyOf(thread: Thread, name?: string): Party {
  return {
    name,
    wait: (options) => thread.call("wait", options),
    waitFor: (phase, options) => thread.call("waitFor", phase, options),
    ready: (options) => thread.call("ready", options),
    arrive: () => thread.call("arrive"),
    arriveAndDrop: () => thread.call("arriveAndDrop"),
    register: (count) => thread.call("register", count),
    abort: (reason) => thread.call("abort", reason),
    reset: (phase, options) => thread.call("reset", phase, options),
    dispose: () => thread.call("dispose"),
    state: () => thread.call("state"),
  };
}

/** Parties of a `Barrier`, who wait in these ways by turns, with names or without. */
export function threads(kind: "joined" | "unnamed", ...ways: [Way, ...Way[]]): Adapter {
  const joined = kind === "joined";
  const places = { async: "one thread", blocking: "workers" };
  const [way] = ways;
  const where = ways.length > 1 ? "mixed" : way in places ? places[way as "async"] : way;
  return {
    title: (member, behaviour) => {
      const shown = ways[0] === "async"
        ? member.replace(/(wait|waitFor|ready)\(/, "$1Async(")
        : member;
      const dot = /^[a-z]/.test(shown) ? "." : "";
      return `Barrier${dot}${shown} ${behaviour} [${kind}, ${where}]`;
    },
    most: Barrier.MAX_PARTIES,
    can: {
      signal: ways[0] === "async",
      names: joined,
      unnamed: joined,
      dispose: true,
      lose: joined && ways[0] !== "async",
      expect: joined,
      maker: true,
      register: true,
      renumber: false,
    },
    make: async (parties, options = {}, alone = false) => {
      const barrier = new Barrier(parties, options);
      const used = new Map<Party, Thread>();
      const nextName = names();
      let made = 0;
      const take = async (options: JoinOptions | undefined, name: string | undefined) => {
        const way = ways[made++ % ways.length]!;
        if (way === "async") {
          const handle = joined
            ? await Barrier.join(barrier, options)
            : Barrier.from(barrier, options);
          return handleOf(handle, name);
        }
        const kind = way === "blocking" ? undefined : way;
        const thread = joined
          ? await Thread.join(barrier, options, kind)
          : await Thread.from(barrier, options as { timeout?: number }, kind);
        const party = partyOf(thread, name);
        used.set(party, thread);
        return party;
      };
      const fixture: Fixture = {
        host: handleOf(barrier),
        unnamed: handleOf(barrier),
        parties: [],
        join(options) {
          const wanted = options ?? {};
          if (!joined || options === null || typeof wanted !== "object") {
            return take(options, undefined);
          }
          const name = "name" in wanted ? wanted.name : nextName();
          return take({ ...wanted, name }, name);
        },
        lose: (party) => Promise.try(() => used.get(party)!.end("close")),
        async [Symbol.asyncDispose]() {
          barrier[Symbol.dispose]();
          // Even if the barrier wakes nobody.
          const words = new Int32Array(barrier.buffer);
          for (const word of words.keys()) Atomics.notify(words, word);
          await Promise.all([...used.values()].map((thread) => thread.giveBack()));
        },
      };
      return alone ? fixture : await fill(fixture, parties);
    },
  };
}
