// Copyright 2026 the Rendezvous authors. MIT license.

import { whyNot } from "../_memory.ts";
import {
  ProcessBarrier,
  ProcessBarrierServer,
  type ProcessBarrierTransport,
} from "../process_barrier.ts";
import { Child } from "./_child.ts";
import type { Adapter, Fixture, Host, Party } from "./_contract.ts";
import { quiet, within } from "./_harness.ts";
import { decode, encode } from "./_process_wire.ts";
import { type PackedError, unpack } from "./_wire.ts";

/** The parties of a fixture, named in their order, so that a message can be told from any other. */
function nameOf(number: number): string {
  return `member ${number}`;
}

function hostOf(server: ProcessBarrierServer): Host {
  return {
    waitFor: (phase, options) => quiet(server.waitFor(phase, options)),
    register: (count) => quiet(server.register(count)),
    abort: (reason) => quiet(server.abort(reason)),
    reset: () => quiet(server.reset()),
    state: () => {
      const { parties, arrived, phase, broken } = server;
      return Promise.resolve({ parties, arrived, phase, broken });
    },
  };
}

interface Member extends Party, AsyncDisposable {}

/** What the arrivals of a party go through, where it is to be tested. */
export type Transport = Exclude<ProcessBarrierTransport, "auto">;

/** Why memory cannot be shared here, if it cannot. */
export const unshared: string | undefined = whyNot()?.message;

function processes(
  name: string,
  { transports, blocks = false }: { transports: ProcessBarrierTransport[]; blocks?: boolean },
  connect: (path: string, name: string) => Promise<Member>,
  lose?: (party: Party) => Promise<void>,
): Adapter {
  return {
    title: (member, behaviour) => `ProcessBarrier${member} ${behaviour} [${name}]`,
    ignored: transports.includes("shared-memory") ? unshared : undefined,
    can: {
      signal: !blocks,
      asyncAction: true,
      renumber: true,
      cause: "text",
      names: true,
      lose: lose !== undefined,
    },
    most: 1_023,
    make: async (parties, options = {}) => {
      const scope = new AsyncDisposableStack();
      const server = scope.use(await ProcessBarrierServer.listen({ parties, ...options }));
      let connected = 0;
      const join = async () => scope.use(await connect(server.path, nameOf(connected++)));
      const fixture: Fixture = {
        host: hostOf(server),
        parties: [],
        join,
        ...(lose && { lose }),
        [Symbol.asyncDispose]: () => scope.disposeAsync(),
      };
      try {
        fixture.parties = await Promise.all(Array.from({ length: parties }, join));
      } catch (error) {
        await scope.disposeAsync();
        throw error;
      }
      return fixture;
    },
  };
}

/** Server and parties in one process. */
export const connections = (transport: ProcessBarrierTransport): Adapter =>
  processes(`one process, ${transport}`, { transports: [transport] }, async (path, name) => {
    const barrier = await ProcessBarrier.connect(path, { name, transport });
    return {
      name,
      wait: (options) => quiet(barrier.wait(options)),
      waitFor: (phase, options) => quiet(barrier.waitFor(phase, options)),
      arrive: () => quiet(barrier.arrive()),
      arriveAndDrop: () => quiet(barrier.arriveAndDrop()),
      register: (count) => quiet(barrier.register(count)),
      abort: (reason) => quiet(barrier.abort(reason)),
      reset: () => quiet(barrier.reset()),
      dispose: () => quiet(barrier[Symbol.asyncDispose]()),
      state: async () => {
        const { parties, arrived, phase, broken } = await barrier.status();
        return { parties, arrived, phase, broken };
      },
      [Symbol.asyncDispose]: () => barrier[Symbol.asyncDispose](),
    };
  });

/** Each party in a process of its own, which may do no more than reach the barrier. */
export function subprocesses(
  transports: [Transport, ...Transport[]],
  { blocks = false }: { blocks?: boolean } = {},
): Adapter {
  let connected = 0;
  return processes(
    `subprocesses, ${transports.join(" and ")}${blocks ? ", blocking" : ""}`,
    { transports, blocks },
    async (path, name) => {
      const transport = transports[connected++ % transports.length];
      const party = await ProcessParty.connect(path, name, transport);
      if (blocks) party.wait = (options) => party.call("waitSync", options);
      return party;
    },
    async (party) => {
      const { child } = party as ProcessParty;
      child.kill();
      await child.ended();
    },
  );
}

/** The arguments to run a script that may reach the barrier at `path`, and nothing else. */
export function confined(
  script: string,
  path: string,
  transport: Transport = "socket",
): string[] {
  const directory = path.slice(0, path.lastIndexOf("/"));
  return [
    "run",
    "--quiet",
    "--no-prompt",
    `--allow-read=${directory}`,
    `--allow-write=${directory}`,
    `--allow-net=unix:${path}`,
    ...(transport === "shared-memory" ? ["--allow-ffi"] : []),
    new URL(script, import.meta.url).pathname,
  ];
}

interface Answer {
  id: number;
  value?: unknown;
  error?: PackedError;
  thrown?: unknown;
}

/** A party in a process of its own. */
export class ProcessParty implements Member {
  readonly name: string;
  readonly child: Child;
  readonly #signals: AbortSignal[] = [];
  #lastId = 0;

  private constructor(name: string, child: Child) {
    this.name = name;
    this.child = child;
  }

  static async connect(
    path: string,
    name: string,
    transport: Transport = "socket",
  ): Promise<ProcessParty> {
    const child = new Child(confined("./_process_party.ts", path, transport));
    try {
      const party = new ProcessParty(name, child);
      await party.call("connect", path, name, transport);
      return party;
    } catch (error) {
      await child[Symbol.asyncDispose]();
      throw error;
    }
  }

  call<T>(operation: string, ...args: readonly unknown[]): Promise<T> {
    const id = ++this.#lastId;
    this.child.send(encode({ id, operation, args }, (value) => this.#refer(value)));
    return quiet(this.#answer(id) as Promise<T>);
  }

  async #answer(id: number): Promise<unknown> {
    const start = encode({ id }).slice(0, -1) + ",";
    const line = await this.child.line((line) => line.startsWith(start), `answer ${id}`);
    const answer = decode(line) as Answer;
    if (answer.error !== undefined) throw unpack(answer.error);
    if ("thrown" in answer) throw answer.thrown;
    return answer.value;
  }

  /** The number that stands for a signal there. */
  #refer(value: unknown): number | undefined {
    if (!(value instanceof AbortSignal)) return undefined;
    const key = this.#signals.push(value);
    const tell = () => void this.call("signal", key, value.reason);
    if (value.aborted) tell();
    else value.addEventListener("abort", tell, { once: true });
    return key;
  }

  wait: Party["wait"] = (options) => this.call("wait", options);
  waitFor: Party["waitFor"] = (phase, options) => this.call("waitFor", phase, options);
  arrive: Party["arrive"] = () => this.call("arrive");
  arriveAndDrop: Party["arriveAndDrop"] = () => this.call("arriveAndDrop");
  register: Party["register"] = (count) => this.call("register", count);
  abort: Party["abort"] = (reason) => this.call("abort", reason);
  reset: Party["reset"] = () => this.call("reset");
  dispose: Party["dispose"] = () => this.call("dispose");
  state: Party["state"] = () => this.call("state");

  async [Symbol.asyncDispose](): Promise<void> {
    await within(this.child[Symbol.asyncDispose](), `the end of "${this.name}"`);
  }
}
