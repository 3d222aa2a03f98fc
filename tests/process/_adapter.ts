// Copyright 2026 the Rendezvous authors. MIT license.

import {
  ProcessBarrier,
  type ProcessBarrierOptions,
  ProcessBarrierServer,
} from "../../process_barrier.ts";
import type { Adapter, Fixture, Host } from "../contract/adapter.ts";
import { fill, names, promisedParty } from "../contract/fixture.ts";
import { quiet, unshared } from "./_helpers.ts";

type Transport = "socket" | "shared-memory";

function hostOf(server: ProcessBarrierServer): Host {
  return {
    waitFor: (phase, options) => quiet(server.waitFor(phase, options)),
    ready: (options) => quiet(server.ready(options)),
    register: (count) => quiet(server.register(count)),
    abort: (reason) => quiet(server.abort(reason)),
    reset: (phase, options) => quiet(server.reset(phase, options)),
    dispose: () => quiet(server[Symbol.asyncDispose]()),
    expect: (name, ended) => quiet(Promise.try(() => server.expect(name, ended))),
    state: () => {
      const { parties, arrived, phase, broken, missing } = server;
      return Promise.resolve({ parties, arrived, phase, broken, missing });
    },
  };
}

/** Server and parties in one process, by these transports in turns. */
export function connections(...transports: [Transport, ...Transport[]]): Adapter {
  return {
    title: (member, behaviour) => {
      const dot = /^[a-z]/.test(member) ? "." : "";
      return `ProcessBarrier${dot}${member} ${behaviour} [${transports.join(" and ")}]`;
    },
    most: 1_023,
    over: "the server was disposed",
    can: {
      signal: true,
      names: true,
      unnamed: false,
      dispose: true,
      lose: false,
      expect: true,
      maker: true,
      register: true,
    },
    ignored: transports.includes("shared-memory") ? unshared : undefined,
    make: async (parties, options, alone = false) => {
      const scope = new AsyncDisposableStack();
      const server = scope.use(await ProcessBarrierServer.listen({ parties, ...options }));
      const nextName = names();
      let made = 0;
      const fixture: Fixture = {
        host: hostOf(server),
        parties: [],
        async join(options) {
          const transport = transports[made++ % transports.length]!;
          const wanted: ProcessBarrierOptions = options === undefined ? {} : options;
          if (typeof wanted !== "object" || wanted === null) {
            return promisedParty(await ProcessBarrier.connect(server.path, wanted));
          }
          const name = "name" in wanted ? wanted.name : nextName();
          return promisedParty(
            scope.use(await connect(server.path, { ...wanted, name, transport })),
          );
        },
        [Symbol.asyncDispose]: () => scope.disposeAsync(),
      };
      return alone ? fixture : await fill(fixture, parties);
    },
  };
}

/** Connects. That a server is no longer there is how one learns that its barrier is over. */
async function connect(path: string, options: ProcessBarrierOptions): Promise<ProcessBarrier> {
  try {
    return await ProcessBarrier.connect(path, options);
  } catch (error) {
    if ((error as { code?: string }).code !== "ENOENT") throw error;
    throw new DOMException("The server is gone", "InvalidStateError");
  }
}
