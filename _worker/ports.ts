// Copyright 2026 the Rendezvous authors. MIT license.

import { nodeModule, nodeProcess } from "../_common/platform.ts";
import { JOINS } from "../_memory/layout.ts";
import type { SharedBarrier } from "../_memory/shared_barrier.ts";
import { announce, cannotNotice, type Life, type Liveness, type Lives, Watch } from "./liveness.ts";

/*
 * Lives as MessagePorts: in Node and Bun (in Deno such a port does not close). The life of a party is the number of its
 * thread plus 1, which its seat says: 0 is nobody's. The maker sends one end of a channel there and keeps the other,
 * which closes when the thread ends, however, or lets go of its end.
 *
 * The maker sends, not the worker: what a worker sends just before it ends is lost, together with the port. A port that
 * is sent to a thread that ends before it reads it closes as well.
 *
 * Nobody listens for messages of these ports, so they keep no event loop alive.
 */

/** What is used of node:worker_threads. */
interface WorkerThreads {
  isMainThread: boolean;
  threadId: number;
  /** Since Node 20.19 and 22.5. It rejects with FAILED if there is no such thread, or it does not listen. */
  postMessageToThread(thread: number, message: unknown, transfer: Transferable[]): Promise<void>;
}

const FAILED = "ERR_WORKER_MESSAGING_FAILED";

/** Under this key a thread is sent a port, among messages of others. */
const KEY = "@rendezvous/barrier";

/** What a thread is sent. */
interface PortMessage {
  /** That of the barrier. */
  readonly id: string;
  readonly port: MessagePort;
}

const { isMainThread, threadId, postMessageToThread } = nodeModule<WorkerThreads>(
  "node:worker_threads",
);

/** Lives as MessagePorts, where those can tell. */
export const ports: Liveness | undefined = postMessageToThread === undefined ? undefined : {
  // deno-lint-ignore require-await -- an error is a rejection
  begin: async (barrier) => begin(barrier),
  watch: (barrier) =>
    isReachable() ? new Watch(barrier, (ended) => new Ports(barrier, ended)) : refuseAll(barrier),
};

/** By the ids of their barriers: how many parties are in this thread, and the ports by which it is watched. */
const joined = new Map<string, { parties: number; ports: Set<MessagePort> }>();

/** Begins to listen for those who watch this thread. */
function begin(barrier: SharedBarrier): Life {
  if (!isReachable()) throw cannotNotice();
  const { id } = barrier.memory;
  // The first, as one that throws keeps the message from those behind it.
  if (joined.size === 0) nodeProcess()!.prependListener("workerMessage", onMessage);
  const here = joined.get(id) ?? { parties: 0, ports: new Set() };
  joined.set(id, here);
  here.parties++;
  let released = false;
  const release = () => {
    if (released) return;
    released = true;
    if (--here.parties > 0) return;
    for (const port of here.ports) port.close();
    joined.delete(id);
    if (joined.size === 0) nodeProcess()!.off("workerMessage", onMessage);
  };
  // No life is 0, that of the main thread neither.
  return { life: threadId! + 1, announce: () => announce(barrier), release };
}

function onMessage(message: unknown): void {
  const watching = Object(message)[KEY] as PortMessage | undefined;
  if (watching === undefined) return;
  const { id, port } = watching;
  const here = joined.get(id);
  if (here === undefined) port.close();
  else here.ports.add(port);
}

/** Whether a port has left this thread. */
function hasLeft(port: MessagePort): boolean {
  try {
    structuredClone(port, { transfer: [port] });
    return false;
  } catch {
    return true;
  }
}

let reachable: boolean | undefined = isMainThread || undefined;

/**
 * Whether this thread and the others reach each other. A worker of Bun that was not started by node:worker_threads is cut
 * off: nothing that it sends leaves it.
 */
function isReachable(): boolean {
  if (reachable === undefined) {
    const { port1, port2 } = new MessageChannel();
    // No thread has that number.
    postMessageToThread!(-1, port2, [port2]).catch(() => {});
    reachable = hasLeft(port2);
    port1.close();
  }
  return reachable;
}

/** Has nobody join from another thread. */
function refuseAll({ memory: { words } }: SharedBarrier): undefined {
  Atomics.or(words, JOINS, 1);
}

class Ports implements Lives {
  readonly #barrier: SharedBarrier;
  readonly #ended: (life: number) => void;
  /** The lives that are watched; without a port those who are about to be asked again. */
  readonly #watched = new Map<number, MessagePort | undefined>();
  #closed = false;

  constructor(barrier: SharedBarrier, ended: (life: number) => void) {
    this.#barrier = barrier;
    this.#ended = ended;
  }

  get size(): number {
    return this.#watched.size;
  }

  look(): boolean {
    for (const life of this.#barrier.seats.lives()) {
      // This thread need not be watched: the watch ends with it.
      if (life !== threadId! + 1 && !this.#watched.has(life)) this.#watch(life, false);
    }
    return false;
  }

  /**
   * Watches a life.
   *
   * @param doubted Whether its thread seemed to have ended. It may live: it has left and joined again, or the main thread
   *   had not heard of it yet. So it is asked twice, and nobody may have joined in between.
   */
  #watch(life: number, doubted: boolean): void {
    const { words, id } = this.#barrier.memory;
    const joins = Atomics.load(words, JOINS);
    const { port1, port2 } = new MessageChannel();
    this.#watched.set(life, port1);
    const doubt = () => {
      if (this.#closed || this.#watched.get(life) !== port1) return;
      port1.close();
      if (doubted && Atomics.load(words, JOINS) === joins) {
        this.#watched.delete(life);
        this.#ended(life);
      } else {
        this.#watched.set(life, undefined);
        setTimeout(() => this.#ask(life), 0);
      }
    };
    port1.addEventListener("close", doubt);
    const watching: PortMessage = { id, port: port2 };
    postMessageToThread!(life - 1, { [KEY]: watching }, [port2]).catch(({ code }) => {
      if (code === FAILED) doubt();
    });
  }

  /** Watches a life again that seemed to have ended, if it still has a seat. */
  #ask(life: number): void {
    if (this.#closed) return;
    if (this.#barrier.seats.lives().has(life)) return this.#watch(life, true);
    this.#watched.delete(life);
    this.#ended(life);
  }

  close(): void {
    this.#closed = true;
    for (const port of this.#watched.values()) port?.close();
    this.#watched.clear();
  }
}
