// Copyright 2026 the Rendezvous authors. MIT license.

import {
  cannot,
  checkInteger,
  checkName,
  checkOptions,
  checkSignal,
  checkTimeout,
  checkType,
  show,
} from "../_common/checks.ts";
import { type AsyncBarrierOptions, readBarrier } from "../_common/options.ts";
import type { ConnectSettings } from "./connect.ts";
import { nonce } from "./messages.ts";
import { MAX_PARTIES } from "./script.ts";

/** How long connecting may take by default, in ms. */
const CONNECT_TIMEOUT = 10_000;

/** How long a party may be silent by default, in ms. */
const LEASE = 10_000;

/** The shortest lease, in ms: below that a busy event loop looks like a death. */
const MIN_LEASE = 100;

/** The longest lease, in ms: a day. */
const MAX_LEASE = 86_400_000;

/** The longest key, in characters. */
const MAX_KEY = 256;

/** Options for `RedisBarrier.connect`. */
export interface RedisBarrierOptions extends AsyncBarrierOptions {
  /**
   * What the barrier is called in Redis: 1 to 256 characters of UTF-8, without braces. It names **one run** of a job: parties of an
   * old run must never meet those of a new one, so put the run's id into it.
   */
  key: string;
  /** How many parties meet, an integer from 1 to 1023. All state the same. */
  parties: number;
  /**
   * What to call this party where it is missing or gone: 1 to 64 bytes of UTF-8, unique in the barrier.
   *
   * @default {"the process id and a random part"}
   */
  name?: string | undefined;
  /**
   * How long connecting may take, in ms.
   *
   * @default {10000}
   */
  connectTimeout?: number | undefined;
  /**
   * How long this party may be silent before it counts as lost, in ms: 100 ms to a day. It speaks each third of that, while
   * its event loop turns. All parties should state the same.
   *
   * @default {10000}
   */
  lease?: number | undefined;
  /**
   * Cancels connecting when it aborts.
   *
   * @default {undefined}
   */
  signal?: AbortSignal | undefined;
}

/** Checks the options, and puts defaults in the place of those that are not given. */
export function readSettings(options: RedisBarrierOptions): ConnectSettings {
  // They are no option here: without them there is no key and there are no parties.
  checkOptions("connect", options ?? null);
  const { key, parties, connectTimeout = CONNECT_TIMEOUT, lease = LEASE, signal } = options;
  checkKey(key);
  checkInteger("connect", "parties", parties, 1, MAX_PARTIES);
  const { action, timeout } = readBarrier("connect", options);
  const { name = `${processId()}-${nonce()}` } = options;
  checkName("connect", name);
  checkTimeout("connect", connectTimeout, "connectTimeout");
  checkType("connect", "lease", lease, "number");
  if (!(lease >= MIN_LEASE && lease <= MAX_LEASE)) {
    const rule = `lease must be ${MIN_LEASE} to ${MAX_LEASE} ms`;
    throw new RangeError(cannot("connect", rule, show(lease)));
  }
  checkSignal("connect", signal);
  return {
    key,
    parties,
    action,
    timeout,
    name,
    connectTimeout,
    lease,
    signal,
  };
}

function checkKey(key: unknown): asserts key is string {
  checkType("connect", "key", key, "string");
  // UTF-8 has no lone surrogates: different keys would become one.
  if (key.length > 0 && key.length <= MAX_KEY && !/[{}\p{Surrogate}]/u.test(key)) return;
  const rule = `key must be 1 to ${MAX_KEY} characters without braces and lone surrogates`;
  throw new RangeError(cannot("connect", rule, show(key)));
}

function processId(): number {
  return (globalThis as { process?: { pid?: number } }).process?.pid ?? 0;
}
