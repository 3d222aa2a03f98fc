// Copyright 2026 the Rendezvous authors. MIT license.

import { AsyncBarrier } from "../../barrier.ts";
import { quiet } from "../_helpers/harness.ts";
import type { Adapter, Fixture, Party } from "./adapter.ts";
import { names, promptParty } from "./fixture.ts";

function handleOf(barrier: AsyncBarrier, name?: string): Party {
  return promptParty(barrier, name, {
    wait: (options) => quiet(barrier.wait(options)),
    waitFor: (phase, options) => quiet(barrier.waitFor(phase, options)),
    ready: (options) => quiet(barrier.ready(options)),
  });
}

/** The tasks of one event loop: with the maker's handle, or each with one that joined. */
export function tasks(kind: "one handle" | "joined"): Adapter {
  const joined = kind === "joined";
  return {
    title: (member, behaviour) =>
      `AsyncBarrier${/^[a-z]/.test(member) ? "." : ""}${member} ${behaviour} [${kind}]`,
    // A number of which the next is not safe is no bound that anybody meets.
    most: Number.MAX_SAFE_INTEGER,
    can: {
      signal: true,
      names: joined,
      unnamed: joined,
      dispose: joined,
      lose: false,
      expect: false,
      maker: true,
      register: true,
      renumber: true,
    },
    make: async (parties, options, alone = false) => {
      const barrier = new AsyncBarrier(parties, options);
      const nextName = names();
      const fixture: Fixture = {
        host: handleOf(barrier),
        unnamed: handleOf(barrier),
        parties: [],
        join: (options) =>
          Promise.try(() => {
            if (!joined) return fixture.host as Party;
            const wanted = options === undefined ? {} : options;
            if (typeof wanted !== "object" || wanted === null) {
              return handleOf(barrier.join(wanted));
            }
            const name = "name" in wanted ? wanted.name : nextName();
            return handleOf(barrier.join({ ...wanted, name }), name);
          }),
        [Symbol.asyncDispose]: () => Promise.try(() => barrier[Symbol.dispose]()),
      };
      if (alone) return fixture;
      for (let i = 0; i < parties; i++) {
        fixture.parties.push(joined ? await fixture.join() : fixture.host as Party);
      }
      return fixture;
    },
  };
}
