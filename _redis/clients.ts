// Copyright 2026 the Rendezvous authors. MIT license.

/* What is used of a client of Redis: ioredis and node-redis in one shape. */

import { show } from "../_common/checks.ts";

/** What is used of a client of ioredis, a `Redis` or a `Cluster`. */
export interface IoredisClient {
  /** Runs a script that Redis knows. */
  evalsha(digest: string, keys: number, ...args: string[]): Promise<unknown>;
  /** Runs a script. */
  eval(script: string, keys: number, ...args: string[]): Promise<unknown>;
  /** Makes another client with the same options: for what is published. */
  duplicate(...args: never[]): unknown;
  /** `"end"` once it is closed. */
  readonly status: string;
}

/** What is used of a client of node-redis, of one engine or of a cluster. */
export interface NodeRedisClient {
  /** Runs a script that Redis knows. */
  evalSha(
    digest: string,
    options: { keys: string[]; arguments: string[] },
  ): Promise<unknown>;
  /** Runs a script. */
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
  /** Makes another client with the same options: for what is published. */
  duplicate(...args: never[]): unknown;
  /** Whether it was connected, and has not been closed. */
  readonly isOpen: boolean;
}

/** A client of Redis: of ioredis or node-redis. */
export type RedisClient = IoredisClient | NodeRedisClient;

/** A connection by which a barrier states facts and hears news. */
export interface Connection {
  /** Whether it has been closed for good, by whoever made it. */
  readonly isClosed: boolean;
  connect(): Promise<void>;
  evalsha(digest: string, keys: string[], args: string[]): Promise<unknown>;
  eval(script: string, keys: string[], args: string[]): Promise<unknown>;
  /** Calls `hear` with each message, and `ready` whenever it has subscribed again. */
  subscribe(channel: string, hear: (text: string) => void, ready: () => void): Promise<void>;
  /** From now on it keeps no event loop alive. */
  unref(): void;
  /** Ends what was made here; not what the caller brought. Resolves when nothing is left. */
  close(): Promise<void>;
}

/** What is used of a connection of ioredis that is ours. */
interface OwnIoredis extends IoredisClient {
  connect(): Promise<void>;
  subscribe(channel: string): Promise<unknown>;
  on(event: string, listener: (...args: never[]) => void): unknown;
  disconnect(): void;
  duplicate(options?: object): OwnIoredis;
  readonly options: { protocol?: number; enableReadyCheck?: boolean };
  readonly stream?: { unref?(): void; destroy?(): void };
  readonly isCluster?: boolean;
}

/** What is used of a connection of node-redis that is ours. */
interface OwnNodeRedis {
  connect(): Promise<unknown>;
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>;
  on(event: string, listener: (...args: never[]) => void): unknown;
  unref?(): void;
  destroy(): void;
}

function has<Name extends string>(value: unknown, ...names: Name[]): boolean {
  return names.every((name) => typeof (value as Record<Name, unknown>)[name] === "function");
}

/** How a URL or the path of a socket begins. ioredis takes what else there is for a host, or a path. */
const ADDRESS = /^(rediss?:\/\/|\/)/i;

/** Checks that this is a URL or a client. */
export function checkRedis(redis: unknown): asserts redis is string | URL | RedisClient {
  if (typeof redis === "string" || redis instanceof URL) {
    if (ADDRESS.test(String(redis))) return;
    // It is not shown: there may be a password in it.
    throw new TypeError(
      'Cannot connect as a URL must begin with "redis://" or "rediss://", the path of a socket with "/"',
    );
  }
  const isClient = typeof redis === "object" && redis !== null && has(redis, "eval", "duplicate") &&
    (has(redis, "evalsha") || has(redis, "evalSha"));
  if (isClient) return;
  throw new TypeError(
    "Cannot connect as redis must be a URL, or a client of ioredis or node-redis: " +
      `current value is ${show(redis)}`,
  );
}

/** A connection to a URL, or by the client of the caller. `lease` is how long the party may be silent, in ms. */
export async function open(
  redis: string | URL | RedisClient,
  lease: number,
): Promise<Connection> {
  if (typeof redis === "string" || redis instanceof URL) {
    return new UrlConnection(await importIoredis(), String(redis), lease);
  }
  if ("evalsha" in redis) return new IoredisConnection(redis as OwnIoredis);
  return new NodeRedisConnection(redis as NodeRedisClient);
}

type IoredisClass = new (url: string, options: object) => OwnIoredis;

async function importIoredis(): Promise<IoredisClass> {
  try {
    return (await import("ioredis")).Redis as unknown as IoredisClass;
  } catch (cause) {
    // Deno says which permission is missing: ioredis reads the environment.
    if ((cause as Error).name === "NotCapable") throw cause;
    const message = "A URL needs the package ioredis, which cannot be imported: " +
      "npm install ioredis, or deno add npm:ioredis";
    throw Object.assign(new Error(message, { cause }), { code: "ERR_MODULE_NOT_FOUND" });
  }
}

/** What both kinds of connections by ioredis share. */
function subscribeIoredis(
  client: OwnIoredis,
  channel: string,
  hear: (text: string) => void,
): Promise<unknown> {
  client.on("message", (from: string, text: string) => {
    if (from === channel) hear(text);
  });
  return client.subscribe(channel);
}

function unrefIoredis(client: OwnIoredis | undefined): void {
  const unref = () => void client?.stream?.unref?.();
  unref();
  client?.on("connect", unref);
}

/** Ends a connection at once: what was said has been answered, or never will be. */
async function closeIoredis(client: OwnIoredis | undefined): Promise<void> {
  if (client === undefined || client.status === "end") return;
  // One that is about to connect again just does not.
  const isConnected = client.status === "ready" || client.status === "connect";
  const ended = new Promise<void>((resolve) => client.on("end", resolve));
  client.disconnect();
  client.stream?.destroy?.();
  if (isConnected) await ended;
}

/** Without what the caller chose for its own client, a subscription waits until it is there. */
const PATIENT = {
  lazyConnect: false,
  enableOfflineQueue: true,
  maxRetriesPerRequest: null,
  disconnectTimeout: 0,
};

class IoredisConnection implements Connection {
  readonly #client: OwnIoredis;
  #subscriber: OwnIoredis | undefined;

  constructor(client: OwnIoredis) {
    this.#client = client;
  }

  get isClosed(): boolean {
    return this.#client.status === "end";
  }

  async connect(): Promise<void> {}

  evalsha(digest: string, keys: string[], args: string[]): Promise<unknown> {
    return this.#client.evalsha(digest, keys.length, ...keys, ...args);
  }

  eval(script: string, keys: string[], args: string[]): Promise<unknown> {
    return this.#client.eval(script, keys.length, ...keys, ...args);
  }

  async subscribe(
    channel: string,
    hear: (text: string) => void,
    ready: () => void,
  ): Promise<void> {
    const client = this.#client;
    const subscriber = client.isCluster ? client.duplicate() : client.duplicate(PATIENT);
    this.#subscriber = subscriber;
    subscriber.on("error", () => {});
    await subscribeIoredis(subscriber, channel, hear);
    subscriber.on("ready", ready);
  }

  unref(): void {
    unrefIoredis(this.#subscriber);
  }

  async close(): Promise<void> {
    await closeIoredis(this.#subscriber);
  }
}

/** A client of our own. In RESP3 its connection carries the messages, too; in RESP2 these need a second one. */
class UrlConnection implements Connection {
  readonly #client: OwnIoredis;
  readonly #connection: IoredisConnection;
  #isConnected = false;
  #error: unknown;

  constructor(Redis: IoredisClass, url: string, lease: number) {
    // Whoever cannot reach an engine that others reach must come back before its lease ends.
    const longest = Math.min(lease / 10, 1_000);
    this.#client = new Redis(url, {
      ...PATIENT,
      lazyConnect: true,
      // Who cannot connect is told at once. Who could once tries again until the barrier is closed.
      retryStrategy: (attempt: number) =>
        this.#isConnected ? Math.min(attempt * 50, longest) : null,
    });
    this.#client.on("error", (error: unknown) => this.#error = error);
    this.#connection = new IoredisConnection(this.#client);
  }

  get isClosed(): boolean {
    return this.#connection.isClosed;
  }

  async connect(): Promise<void> {
    try {
      await this.#client.connect();
    } catch (error) {
      throw this.#error ?? error;
    }
    this.#isConnected = true;
    // From now on an engine that still reads its disk says so to each statement, which is made again soon. The client would
    // wait for a second.
    this.#client.options.enableReadyCheck = false;
  }

  evalsha(digest: string, keys: string[], args: string[]): Promise<unknown> {
    return this.#connection.evalsha(digest, keys, args);
  }

  eval(script: string, keys: string[], args: string[]): Promise<unknown> {
    return this.#connection.eval(script, keys, args);
  }

  async subscribe(
    channel: string,
    hear: (text: string) => void,
    ready: () => void,
  ): Promise<void> {
    const client = this.#client;
    if (client.options.protocol !== 3) {
      return await this.#connection.subscribe(channel, hear, ready);
    }
    await subscribeIoredis(client, channel, hear);
    client.on("ready", ready);
  }

  unref(): void {
    unrefIoredis(this.#client);
    this.#connection.unref();
  }

  async close(): Promise<void> {
    await Promise.all([this.#connection.close(), closeIoredis(this.#client)]);
  }
}

class NodeRedisConnection implements Connection {
  readonly #client: NodeRedisClient;
  #subscriber: OwnNodeRedis | undefined;

  constructor(client: NodeRedisClient) {
    this.#client = client;
  }

  get isClosed(): boolean {
    return !this.#client.isOpen;
  }

  async connect(): Promise<void> {}

  evalsha(digest: string, keys: string[], args: string[]): Promise<unknown> {
    return this.#client.evalSha(digest, { keys, arguments: args });
  }

  eval(script: string, keys: string[], args: string[]): Promise<unknown> {
    return this.#client.eval(script, { keys, arguments: args });
  }

  async subscribe(
    channel: string,
    hear: (text: string) => void,
    ready: () => void,
  ): Promise<void> {
    const subscriber = this.#client.duplicate() as OwnNodeRedis;
    this.#subscriber = subscriber;
    subscriber.on("error", () => {});
    await subscriber.connect();
    await subscriber.subscribe(channel, hear);
    subscriber.on("ready", ready);
  }

  unref(): void {
    this.#subscriber?.unref?.();
  }

  close(): Promise<void> {
    try {
      this.#subscriber?.destroy();
    } catch {
      // It has been closed.
    }
    return Promise.resolve();
  }
}
