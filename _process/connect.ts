// Copyright 2026 the Rendezvous authors. MIT license.

import { arm } from "../_common/cancellation.ts";
import { show } from "../_common/checks.ts";
import { withResolvers } from "../_common/platform.ts";
import { BarrierMemory } from "../_memory/layout.ts";
import type { Seat } from "../_memory/seats.ts";
import { type Answer, Client, type LastLine, resultOf } from "./client.ts";
import { CLOSE_TIMEOUT } from "./connection.ts";
import { MappedMemory, notShared, unsupportedReason } from "./mapped_memory.ts";
import { MemoryParty } from "./memory_party.ts";
import type { ProcessParty, Transport } from "./process_party.ts";
import {
  countOf,
  decodeError,
  MEMORY_VERSION,
  type Message,
  objectOf,
  VERSION,
} from "./protocol.ts";
import type { Stream } from "./platform.ts";
import { SocketParty } from "./socket_party.ts";
import { connectError } from "./system_error.ts";
import { connectTo } from "./unix_socket.ts";

/** How to connect: options checked and complete. */
export interface ConnectSettings {
  name: string | undefined;
  timeout: number | undefined;
  connectTimeout: number;
  signal: AbortSignal | undefined;
  transport: "auto" | Transport;
}

/** The memory of the server, opened. */
interface Opened {
  mapped: MappedMemory;
  memory: BarrierMemory;
}

/** Connects to a server and takes a seat. */
export async function connect(path: string, settings: ConnectSettings): Promise<ProcessParty> {
  const { connectTimeout, signal, transport } = settings;
  signal?.throwIfAborted();
  const why = transport === "shared-memory" ? unsupportedReason() : undefined;
  if (why !== undefined) throw notShared(why);
  const controller = new AbortController();
  const disarm = arm(connectTimeout, signal, (why) => {
    const timeout = `The server at ${show(path)} did not answer within ${connectTimeout} ms`;
    controller.abort(
      why === "aborted" ? signal!.reason : new DOMException(timeout, "TimeoutError"),
    );
  });
  try {
    const conn = await connectTo(path, controller.signal);
    return await new Joining(path, conn, controller.signal).join(settings);
  } finally {
    disarm();
  }
}

/** A connection on its way to be a party. */
class Joining {
  readonly #path: string;
  readonly #signal: AbortSignal;
  readonly #client: Client;
  #party: SocketParty | MemoryParty | undefined;
  /** How the barrier stood, as was told last. */
  #state: unknown;
  #last: { line: LastLine; invalid: string | undefined } | undefined;

  constructor(path: string, conn: Stream, signal: AbortSignal) {
    this.#path = path;
    this.#signal = signal;
    this.#client = new Client(conn, {
      state: (state) => {
        this.#state = state;
        if (this.#party instanceof SocketParty) this.#party.onState(state);
      },
      end: (line, invalid) => {
        this.#last = { line, invalid };
        if (this.#party instanceof SocketParty) this.#party.onServerEnd(line);
        else this.#party?.onServerGone();
      },
    });
  }

  async join({ name, timeout, transport }: ConnectSettings): Promise<ProcessParty> {
    let opened: Opened | undefined;
    let asked = false;
    try {
      // Before it takes a seat: that may fail.
      if (transport !== "socket") opened = await this.#openMemory(transport);
      const request: Message = { do: "join", version: VERSION, name };
      if (opened !== undefined) request.memory = true;
      // It may have been cancelled before there was a connection.
      this.#signal.throwIfAborted();
      asked = true;
      const told = objectOf(await this.#ask(request));
      const { name: given } = told;
      if (typeof given !== "string") throw this.#notAServer("it gave no name");
      const serverTimeout = typeof told.timeout === "number" ? told.timeout : Infinity;
      const party = opened === undefined
        ? this.#socketParty(given, told, timeout ?? serverTimeout, serverTimeout)
        : this.#memoryParty(opened, told, timeout ?? serverTimeout);
      this.#party = party;
      // The server may have ended in the same moment.
      if (this.#last !== undefined) throw this.#whyEnded();
      return party;
    } catch (error) {
      if (asked && this.#signal.aborted) await this.#vacate();
      opened?.mapped.close();
      await this.#client.close();
      throw error;
    }
  }

  /** Gives a seat back that the server may have given, or may yet give when it goes on. */
  async #vacate(): Promise<void> {
    const disarm = arm(CLOSE_TIMEOUT, undefined, () => this.#client.close());
    await this.#client.ask({ do: "vacate" });
    disarm();
  }

  #socketParty(
    name: string,
    { missing }: Message,
    timeout: number,
    serverTimeout: number,
  ): SocketParty {
    const told = { name, timeout, missing };
    return new SocketParty(this.#client, told, serverTimeout, this.#state);
  }

  #memoryParty({ mapped, memory }: Opened, told: Message, timeout: number): MemoryParty {
    const seat = decodeSeat(told);
    if (seat === undefined) throw this.#notAServer("it gave no seat");
    return new MemoryParty(this.#client, mapped, memory, seat, timeout);
  }

  /** Opens the memory of the server; nothing if that cannot be had, and need not. */
  async #openMemory(transport: "auto" | Transport): Promise<Opened | undefined> {
    const why = unsupportedReason();
    if (why !== undefined) {
      if (transport === "auto") return undefined;
      throw notShared(why);
    }
    const place = await this.#ask({ do: "memory", version: MEMORY_VERSION });
    try {
      if (place === null) throw notShared("the server shares none");
      const { path, id } = objectOf(place);
      return open(String(path), String(id));
    } catch (error) {
      if (transport === "auto") return undefined;
      throw error;
    }
  }

  /** Asks, unless connecting is cancelled. */
  async #ask(request: Message): Promise<unknown> {
    const { promise, resolve } = withResolvers<Answer | "cancelled">();
    const cancel = () => resolve("cancelled");
    this.#signal.addEventListener("abort", cancel);
    if (this.#signal.aborted) cancel();
    this.#client.ask(request).then(resolve);
    const answer = await promise;
    this.#signal.removeEventListener("abort", cancel);
    if (answer === "cancelled") throw this.#signal.reason;
    if (answer === "ended") throw this.#whyEnded();
    return resultOf(answer);
  }

  #whyEnded(): Error {
    const { line, invalid } = this.#last!;
    if (line !== undefined) return decodeError(line.end);
    if (invalid !== undefined) return this.#notAServer(invalid);
    return connectError("ECONNRESET", this.#path);
  }

  #notAServer(why: string): Error {
    return connectError("EPROTO", this.#path, `: ${why}`);
  }
}

function open(path: string, id: string): Opened {
  const mapped = MappedMemory.open(path);
  const memory = BarrierMemory.find(mapped.buffer, 0);
  if (memory?.id === id) return { mapped, memory };
  mapped.close();
  throw notShared("the file of the server is another barrier");
}

function decodeSeat({ name, seat }: Message): Seat | undefined {
  const { index, generation } = objectOf(seat);
  const known = typeof name === "string" && typeof index === "number" &&
    typeof generation === "number";
  return known ? { name, index: countOf(index), generation, life: 0 } : undefined;
}
