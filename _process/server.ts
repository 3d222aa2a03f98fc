// Copyright 2026 the Rendezvous authors. MIT license.

import { checkName, checkType } from "../_common/checks.ts";
import { brokenError, invalidState } from "../_common/errors.ts";
import { SharedParty } from "../_memory/shared_party.ts";
import { MAX_PARTIES } from "../_memory/layout.ts";
import { Connection } from "./connection.ts";
import { Coordinator, type Joined, type ServerSettings } from "./coordinator.ts";
import { Member } from "./member.ts";
import {
  checkVersion,
  encodeError,
  MAX_REQUEST,
  MEMORY_VERSION,
  type Message,
} from "./protocol.ts";
import type { Stream } from "./platform.ts";
import { turn } from "./turn.ts";
import type { UnixSocket } from "./unix_socket.ts";

/** How long a connection may take to join, in ms. */
const JOIN_TIMEOUT = 10_000;

/**
 * How many connections may be about to join: as many as there can be parties, and then some. One more, and the oldest
 * of them is closed.
 */
const MAX_UNJOINED = 2 * MAX_PARTIES;

/** How long the server waits for a file descriptor before it tries to accept again, in ms. */
const ACCEPT_PAUSE = 50;

/** After how many turns of the event loop in which nobody came or went all who had are known to be let in. */
const QUIET_TURNS = 3;

/** The most turns for that, however many come and go. */
const MAX_TURNS = 1_000;

/** Who has joined: a party on the socket, or one in the memory, of whom the connection tells only that it lives. */
interface Peer extends Joined {
  readonly member: Member | undefined;
  /** Whether it has asked for anything since. */
  hasAsked: boolean;
}

/** Accepts connections, and seats those who join. */
export class Server {
  readonly coordinator: Coordinator;
  readonly #socket: UnixSocket;
  /** The connections that have not joined, oldest first, and the timer of each. */
  readonly #unjoined = new Map<Connection, ReturnType<typeof setTimeout>>();
  readonly #joined = new Map<Connection, Peer>();
  /** How many have connected, joined or gone. */
  #changes = 0;
  #closing = false;

  constructor(socket: UnixSocket, settings: ServerSettings) {
    this.coordinator = new Coordinator(settings);
    this.#socket = socket;
    this.#acceptAll();
  }

  get path(): string {
    return this.#socket.path;
  }

  /** Whether there are parties whose arrivals go through the memory. */
  get sharesMemory(): boolean {
    return [...this.#joined.values()].some(({ member }) => member === undefined);
  }

  async #acceptAll(): Promise<void> {
    while (!this.#closing) {
      try {
        const conn = await this.#socket.listener.accept();
        if (this.#closing) conn.close();
        else this.#onConnection(conn);
      } catch {
        if (this.#closing) return;
        // No file descriptor was free. The parties have theirs. Whoever comes now must wait.
        await new Promise((resolve) => setTimeout(resolve, ACCEPT_PAUSE));
      }
    }
  }

  #onConnection(conn: Stream): void {
    this.#changes++;
    const connection = new Connection(conn, MAX_REQUEST, {
      message: (message) => this.#take(connection, message),
      numbers: ([id]) => this.#takeWait(connection, id ?? 0),
      invalid: (why) => this.#dismiss(connection, new TypeError(why)),
      end: () => this.#onEnd(connection),
    });
    this.#unjoined.set(connection, setTimeout(() => this.#hurry(connection), JOIN_TIMEOUT));
    if (this.#unjoined.size > MAX_UNJOINED) {
      const oldest: Connection = this.#unjoined.keys().next().value!;
      this.#dismiss(oldest, invalidState("Too many connections have not joined"));
    }
  }

  #take(connection: Connection, message: Message): void {
    const joined = this.#joined.get(connection);
    if (joined === undefined) return this.#greet(connection, message);
    if (message.do === "vacate" && !joined.hasAsked) {
      return this.#vacate(connection, joined, message);
    }
    joined.hasAsked = true;
    if (joined.member !== undefined) joined.member.take(message);
    else this.#dismiss(connection, invalidState("This party is in the memory"));
  }

  #takeWait(connection: Connection, id: number): void {
    const joined = this.#joined.get(connection);
    if (joined?.member === undefined) {
      return this.#dismiss(connection, invalidState("This connection has no party on the socket"));
    }
    joined.hasAsked = true;
    joined.member.takeWait(id);
  }

  /** Answers somebody who has not joined. */
  #greet(connection: Connection, message: Message): void {
    const { id, do: verb, version } = message;
    if (verb === "memory") {
      const place = version === MEMORY_VERSION ? this.coordinator.place : undefined;
      return connection.send({ id, ok: place ?? null });
    }
    try {
      if (verb !== "join") throw invalidState("This connection has not joined");
      checkVersion(version);
      const ok = this.#join(connection, message);
      connection.send({ id, ok, state: this.coordinator.barrier.outcomes.counts });
    } catch (error) {
      connection.send({ id, error: encodeError(error) });
      connection.finish();
    }
  }

  #join(connection: Connection, { name, memory }: Message): Message {
    if (name !== undefined) checkName("join", name);
    if (memory !== undefined) checkType("join", "memory", memory, "boolean");
    const { coordinator } = this;
    if (memory && coordinator.place === undefined) {
      throw invalidState("This server shares no memory");
    }
    const joined = coordinator.join(name as string | undefined);
    const { seat } = joined;
    const member = memory
      ? undefined
      : new Member(coordinator, connection, new SharedParty(coordinator.barrier, seat));
    if (memory) coordinator.share();
    this.#changes++;
    clearTimeout(this.#unjoined.get(connection));
    this.#unjoined.delete(connection);
    this.#joined.set(connection, { ...joined, member, hasAsked: false });
    const { timeout } = coordinator.barrier.memory;
    return {
      name: seat.name,
      timeout: timeout === Infinity ? null : timeout,
      missing: coordinator.barrier.outcomes.snapshot.missing,
      seat: memory ? seat : undefined,
    };
  }

  /** Takes back that somebody has joined, who was told too late. */
  #vacate(connection: Connection, joined: Joined, { id }: Message): void {
    this.#changes++;
    try {
      this.coordinator.vacate(joined, () => this.catchUp());
      connection.send({ id, ok: null });
    } catch (error) {
      connection.send({ id, error: encodeError(error) });
    }
    connection.finish();
  }

  /** Ends a connection that has not joined in time, unless its line is there already: this thread may have been busy. */
  async #hurry(connection: Connection): Promise<void> {
    await this.catchUp();
    if (!this.#unjoined.has(connection)) return;
    this.#dismiss(connection, invalidState(`Nobody has joined within ${JOIN_TIMEOUT} ms`));
  }

  /** Ends a connection, and says why. */
  #dismiss(connection: Connection, why: Error): void {
    connection.send({ end: encodeError(why) });
    connection.finish();
  }

  #onEnd(connection: Connection): void {
    this.#changes++;
    clearTimeout(this.#unjoined.get(connection));
    this.#unjoined.delete(connection);
    const joined = this.#joined.get(connection);
    this.#joined.delete(connection);
    if (joined === undefined) return;
    if (joined.member !== undefined) joined.member.end();
    else this.coordinator.lose(joined.seat);
  }

  /** Keeps a seat for a party of that name, and breaks the barrier if `ended` settles before it has joined. */
  expect(name: string, ended: PromiseLike<unknown>): void {
    this.coordinator.expect(name, ended, () => this.catchUp());
  }

  /** Lets in who queued up, and takes note of who is gone: all that had happened when this was called. */
  async catchUp(): Promise<void> {
    let quiet = 0;
    for (let turns = 0; quiet < QUIET_TURNS && turns < MAX_TURNS && !this.#closing; turns++) {
      const before = this.#changes;
      await turn();
      quiet = this.#changes === before ? quiet + 1 : 0;
    }
  }

  /** Ends the barrier, tells all, and leaves nothing behind. */
  async close(): Promise<void> {
    this.#closing = true;
    const { coordinator } = this;
    coordinator.end();
    // The waits have ended by that: their answers go first.
    await turn();
    const { outcomes } = coordinator.barrier;
    const { counts } = outcomes;
    const over = brokenError(outcomes.endingOf(counts.phase)!);
    const end = { end: encodeError(over), broken: coordinator.recentBreaks(), state: counts };
    const connections = [...this.#joined.keys(), ...this.#unjoined.keys()];
    await Promise.all(connections.map((connection) => {
      connection.send(end);
      return connection.hangUp();
    }));
    await this.#socket.close();
    await coordinator.close();
  }
}
