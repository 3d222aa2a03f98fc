// Copyright 2026 the Rendezvous authors. MIT license.

import { nodeModule, nodeProcess } from "../_common/platform.ts";
import { JOINS, MAKER_THREAD } from "../_memory/layout.ts";
import type { SharedBarrier } from "../_memory/shared_barrier.ts";
import {
  announce,
  cannotNotice,
  endLife,
  type Life,
  type Liveness,
  newLife,
  stopWatching,
  type Watch,
} from "./liveness.ts";

/*
 * Lives as MessagePorts: in Node and Bun (in Deno such a port does not close). The worker sends one end of a channel to the
 * thread of the maker, whose number is in the memory, and keeps the other. When the worker ends, however, the end at the
 * maker is closed. The message is on its way before the worker takes a seat, and stays so if it dies then (I9).
 */

/** What is used of node:worker_threads. */
interface WorkerThreads {
  isMainThread: boolean;
  threadId: number;
  /** Since Node 20.19 and 22.5. It resolves when the message has been received, which nobody need wait for. */
  postMessageToThread(thread: number, message: unknown, transfer: Transferable[]): Promise<void>;
}

/** A port that need not keep an event loop alive. */
type Port = MessagePort & { unref(): void };

/** What the maker is sent, under this key, among messages of others. */
const KEY = "@rendezvous/barrier";

interface Begun {
  /** That of the barrier. */
  readonly id: string;
  readonly life: number;
  readonly port: MessagePort;
}

const { isMainThread, threadId, postMessageToThread } = nodeModule<WorkerThreads>(
  "node:worker_threads",
);

/** Lives as MessagePorts, where those can tell. */
export const ports: Liveness | undefined = postMessageToThread === undefined
  ? undefined
  : { begin, watch: (barrier) => isReachable() ? new PortWatch(barrier) : refuseAll(barrier) };

/** The ports of the lives in this thread: one that is collected would be closed. */
const kept = new Set<Port>();

/** The watches in this thread, by the ids of their barriers: one listener serves them all. */
const watches = new Map<string, PortWatch>();

/** No thread has this number. */
const NOBODY = -1;

// deno-lint-ignore require-await -- an error is a rejection
async function begin(barrier: SharedBarrier): Promise<Life> {
  const { words, id } = barrier.memory;
  const life = newLife(barrier);
  const { port1, port2 } = new MessageChannel();
  const port = port1 as Port;
  port.unref();
  const release = () => {
    port.close();
    kept.delete(port);
  };
  try {
    if (!send(words[MAKER_THREAD]!, { id, life, port: port2 })) throw cannotNotice();
    announce(barrier);
  } catch (error) {
    release();
    throw error;
  }
  kept.add(port);
  return { life, release };
}

/**
 * Sends a port to a thread, and does not wait until it is there: `false` if this thread is cut off from the others. So is
 * a worker of Bun that was not started by node:worker_threads: nothing that it sends leaves it.
 */
function send(thread: number, begun: Begun): boolean {
  const { port } = begun;
  // It fails where the thread of the maker has ended: then nobody is left who would notice anything.
  postMessageToThread!(thread, { [KEY]: begun }, [port]).catch(() => {});
  try {
    // What has left this thread cannot leave it again.
    structuredClone(port, { transfer: [port] });
    return false;
  } catch {
    return true;
  }
}

let reachable: boolean | undefined = isMainThread || undefined;

/** Whether other threads can send something to this one. */
function isReachable(): boolean {
  if (reachable === undefined) {
    const { port1, port2 } = new MessageChannel();
    reachable = send(NOBODY, { id: "", life: 0, port: port2 });
    port1.close();
  }
  return reachable;
}

/** Has nobody join from another thread. */
function refuseAll({ memory: { words } }: SharedBarrier): undefined {
  Atomics.or(words, JOINS, 1);
}

function onMessage(message: unknown): void {
  const begun = Object(message)[KEY] as Begun | undefined;
  if (begun === undefined) return;
  const watch = watches.get(begun.id);
  if (watch === undefined) begun.port.close();
  else watch.add(begun.life, begun.port as Port);
}

class PortWatch implements Watch {
  readonly #barrier: SharedBarrier;
  readonly #open = new Set<Port>();
  #closed = 0;
  #forgotten = false;

  constructor(barrier: SharedBarrier) {
    this.#barrier = barrier;
    const { words, id } = barrier.memory;
    words[MAKER_THREAD] = threadId!;
    if (watches.size === 0) nodeProcess()!.on("workerMessage", onMessage);
    watches.set(id, this);
  }

  add(life: number, port: Port): void {
    this.#open.add(port);
    port.unref();
    port.addEventListener("close", () => {
      // Closed by this watch: whoever ends now is no party of this barrier any more.
      if (!this.#open.delete(port)) return;
      this.#closed++;
      endLife(this.#barrier, life);
      this.#closeIfIdle();
    });
  }

  forget(): void {
    this.#forgotten = true;
    this.#closeIfIdle();
  }

  #closeIfIdle(): void {
    if (this.#forgotten && stopWatching(this.#barrier, 2 * this.#closed)) this.close();
  }

  close(): void {
    const { words, id } = this.#barrier.memory;
    Atomics.or(words, JOINS, 1);
    if (watches.delete(id) && watches.size === 0) nodeProcess()!.off("workerMessage", onMessage);
    for (const port of this.#open) {
      this.#open.delete(port);
      port.close();
    }
  }
}
