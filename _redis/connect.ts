// Copyright 2026 the Rendezvous authors. MIT license.

import { arm } from "../_common/cancellation.ts";
import { withResolvers } from "../_common/platform.ts";
import { type Connection, open, type RedisClient } from "./clients.ts";
import { Engine, Keys } from "./engine.ts";
import { readNews } from "./messages.ts";
import { redisError, unsupported } from "./redis_error.ts";
import { RedisParty } from "./redis_party.ts";
import { SCRIPT } from "./script.ts";
import type { PartySettings } from "./voice.ts";

/** What connecting takes, checked and complete. */
export interface ConnectSettings extends PartySettings {
  key: string;
  /** In ms. */
  connectTimeout: number;
  signal: AbortSignal | undefined;
}

/** The oldest Redis that will do. */
const OLDEST = [6, 2] as const;

/** Connects and joins. Without a name it only watches. `script` is for tests. */
export async function connect(
  redis: string | URL | RedisClient,
  settings: ConnectSettings,
  script: string = SCRIPT,
): Promise<RedisParty> {
  const { signal, connectTimeout } = settings;
  signal?.throwIfAborted();
  const { promise: cancelled, reject } = withResolvers<never>();
  const attempt = new Attempt(settings, script);
  const disarm = arm(connectTimeout, signal, (why) => {
    reject(why === "aborted" ? signal!.reason : attempt.tooLate);
  });
  const connecting = attempt.run(redis);
  try {
    return await Promise.race([connecting, cancelled]);
  } catch (error) {
    await attempt.end();
    throw error;
  } finally {
    disarm();
  }
}

/** One attempt to connect, and all that must end with it if it fails. */
class Attempt {
  readonly #settings: ConnectSettings;
  readonly #script: string;
  #connection: Connection | undefined;
  #party: RedisParty | undefined;
  #ended = false;
  /** Whether it has answered, and what it published was not heard. */
  #isDeaf = false;

  constructor(settings: ConnectSettings, script: string) {
    this.#settings = settings;
    this.#script = script;
  }

  async run(redis: string | URL | RedisClient): Promise<RedisParty> {
    const connection = await open(redis, this.#settings.lease);
    this.#connection = connection;
    try {
      return await this.#join(connection);
    } catch (error) {
      // What it opened since it was cancelled: the engine may have answered late.
      if (this.#ended) await connection.close();
      throw error instanceof DOMException ? error : redisError(error);
    }
  }

  async #join(connection: Connection): Promise<RedisParty> {
    this.#checkWanted();
    await connection.connect();
    const keys = new Keys(this.#settings.key);
    const engine = await Engine.create(connection, keys, this.#script);
    this.#checkWanted();
    const session = crypto.randomUUID();
    const { promise: heard, resolve } = withResolvers<void>();
    const hear = (text: string) => {
      if (readNews(text)?.hello === session) resolve();
      this.#party?.hear(text);
    };
    await connection.subscribe(keys.channel, hear, () => this.#party?.look());
    checkVersion(await engine.hello(session));
    // Nobody joins who does not hear: it would learn of a pass by its heartbeat only.
    this.#isDeaf = true;
    await heard;
    this.#isDeaf = false;
    this.#checkWanted();
    this.#party = new RedisParty(engine, this.#settings);
    await this.#party.join();
    connection.unref();
    return this.#party;
  }

  get tooLate(): DOMException {
    return this.#isDeaf
      ? unsupported("Redis answers, but nothing of what it publishes comes in by this client")
      : new DOMException(
        `Redis did not answer within ${this.#settings.connectTimeout} ms`,
        "TimeoutError",
      );
  }

  #checkWanted(): void {
    if (this.#ended) throw unsupported("Connecting was cancelled");
  }

  async end(): Promise<void> {
    this.#ended = true;
    await (this.#party === undefined ? this.#connection?.close() : this.#party.vacate());
  }
}

function checkVersion(version: string): void {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isOld = major < OLDEST[0] || major === OLDEST[0] && minor < OLDEST[1];
  // An engine that does not say has an administrator who knows.
  if (version !== "" && isOld) {
    throw unsupported(`Redis ${OLDEST.join(".")} or later is needed: this is ${version}`);
  }
}
