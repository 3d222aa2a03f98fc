// Copyright 2026 the Rendezvous authors. MIT license.

/*
 * The place of a Unix socket: to take it, to leave nothing there, and to connect to it.
 *
 * A server binds at PATH.new, gives that its mode, and links it to PATH only then. This has four uses:
 *
 * - Whoever can connect to PATH finds a socket that listens, and that only this user may use.
 * - Of several servers that want PATH one has PATH.new at a time. Only that one removes a stale socket, so it never
 *   removes the live one of another. A link replaces nothing.
 * - PATH.new listens, too. So what a server left there that died in between is known to be stale.
 * - A listener that is closed removes what is at its name, in its own time and whosever it is. That is PATH.new:
 *   who loses it tries again.
 */

import { cannot, show } from "../_common/checks.ts";
import {
  type Listener,
  loadPlatform,
  operatingSystem,
  platform,
  type Stream,
  TEMPORARY,
  workingDirectory,
} from "./platform.ts";
import { codeOf, explainConnecting, explainListening, listenError } from "./system_error.ts";
import { sweep, TEMPORARY_PREFIX } from "./sweep.ts";

/** How long a server tries to get the place of its socket while others come and go there, and how often, in ms. */
const BIND_TIMEOUT = 2_000;
const BIND_PAUSE = 5;

/** How long a client waits before it tries again at a server whose queue is full, in ms. */
const CONNECT_PAUSE = 10;

/** The longest path of a socket, in bytes: what `sockaddr_un` holds on Linux; macOS has 4 less. */
const MAX_PATH = (operatingSystem() === "darwin" ? 103 : 107) - TEMPORARY.length;

/** Checks the path of a socket. */
export function checkPath(doing: string, path: unknown): asserts path is string {
  if (typeof path !== "string") {
    throw new TypeError(cannot(doing, "path must be a string", show(path)));
  }
  const bytes = new TextEncoder().encode(path).length;
  if (bytes === 0 || bytes > MAX_PATH) {
    throw new RangeError(
      cannot(doing, `path must be 1 to ${MAX_PATH} bytes long`, `${bytes} bytes`),
    );
  }
}

/** A socket that listens. */
export interface UnixSocket {
  /** Where it listens: an absolute path. */
  readonly path: string;
  readonly listener: Listener;
  /** Stops listening, and leaves nothing there. */
  close(): Promise<void>;
}

/** Listens at `path`, or in a new directory that only this user may enter. */
export async function listenAt(path: string | undefined): Promise<UnixSocket> {
  if (path !== undefined) {
    checkPath("listen", path);
    // Later the working directory may be another.
    const absolute = path.startsWith("/") ? path : `${workingDirectory()}/${path}`;
    checkPath("listen", absolute);
    await loadPlatform();
    return await bind(absolute, undefined);
  }
  await loadPlatform();
  const directory = await platform.makeTemporaryDirectory(TEMPORARY_PREFIX);
  try {
    checkPath("listen", `${directory}/socket`);
    await sweep(directory);
    return await bind(`${directory}/socket`, directory);
  } catch (error) {
    platform.remove(directory);
    throw error;
  }
}

/** Listens at `path`. At its end it removes `directory`, too. */
async function bind(path: string, directory: string | undefined): Promise<UnixSocket> {
  const listener = await listenExclusively(path);
  const inode = inodeOf(path);
  const remove = () => {
    // Somebody may have removed it, and put something else there.
    if (inodeOf(path) === inode) removeIfThere(path);
    if (directory !== undefined) removeIfThere(directory);
  };
  // A program that ends itself does so without an end of scopes.
  platform.addExitListener(remove);
  return {
    path,
    listener,
    // deno-lint-ignore require-await -- a failure rejects
    async close() {
      platform.removeExitListener(remove);
      remove();
      listener.close();
    },
  };
}

async function listenExclusively(path: string): Promise<Listener> {
  const temporary = path + TEMPORARY;
  for (let left = BIND_TIMEOUT; left > 0; left -= BIND_PAUSE) {
    const listener = await listenPrivately(temporary).catch((error) => {
      throw explainListening(error, path);
    });
    if (listener === undefined) {
      // Another server is about to listen here, unless it has died.
      if ((await lookAt(temporary)).kind === "stale") removeIfThere(temporary);
      else await pause(BIND_PAUSE);
      continue;
    }
    const inode = inodeOf(temporary);
    try {
      const found = await lookAt(path);
      if (found.kind === "live") throw listenError("EADDRINUSE", path);
      if (replace(path, found.inode, temporary, inode)) return listener;
      listener.close();
    } catch (error) {
      listener.close();
      throw error;
    } finally {
      if (inodeOf(temporary) === inode) removeIfThere(temporary);
    }
  }
  throw listenError("EADDRINUSE", path);
}

/** Listens at a new place that only this user may use; nothing if it is not free. */
async function listenPrivately(path: string): Promise<Listener | undefined> {
  let listener: Listener | undefined;
  try {
    listener = await listenMasked(path);
    platform.chmod(path, 0o600);
    return listener;
  } catch (error) {
    listener?.close();
    const isTaken = codeOf(error) === (listener === undefined ? "EADDRINUSE" : "ENOENT");
    if (isTaken) return undefined;
    throw error;
  }
}

/** Listens at a new place, where nobody else can connect before it has its mode. */
function listenMasked(path: string): Promise<Listener> {
  // All of the process has this umask: so it is set for no longer than the call that makes the socket.
  const mask = platform.umask(0o077);
  try {
    return platform.listen(path);
  } finally {
    if (mask !== undefined) platform.umask(mask);
  }
}

/** What is at a path. */
type Found = { kind: "nothing"; inode: null } | { kind: "stale" | "live"; inode: number | null };

/** Looks whether somebody listens at a socket. Anything else than a socket is an error. */
async function lookAt(path: string): Promise<Found> {
  try {
    const { isSocket, ino: inode } = platform.lstat(path);
    if (!isSocket) throw listenError("EEXIST", path);
    return { kind: await isListening(path) ? "live" : "stale", inode };
  } catch (error) {
    if (codeOf(error) === "ENOENT") return { kind: "nothing", inode: null };
    throw error;
  }
}

async function isListening(path: string): Promise<boolean> {
  try {
    (await platform.connect(path)).close();
    return true;
  } catch (error) {
    // A queue that is full is somebody's.
    if (codeOf(error) === "EAGAIN") return true;
    if (codeOf(error) === "ECONNREFUSED") return false;
    throw error;
  }
}

/** Puts the socket in its place, instead of a stale one; `false` if either is no longer what it was. */
function replace(
  path: string,
  stale: number | null,
  temporary: string,
  inode: number | null,
): boolean {
  if (inodeOf(temporary) !== inode || inodeOf(path) !== stale) return false;
  if (stale !== null) removeIfThere(path);
  try {
    platform.link(temporary, path);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST" || codeOf(error) === "ENOENT") return false;
    throw error;
  }
}

/** Removes a file or an empty directory that may be gone already. */
function removeIfThere(path: string): void {
  try {
    platform.remove(path);
  } catch {
    // Whoever cannot remove it can still end.
  }
}

function inodeOf(path: string): number | null {
  try {
    return platform.lstat(path).ino;
  } catch {
    return null;
  }
}

/** Connects to a server. While its queue is full it tries again, until `signal` aborts. */
export async function connectTo(path: string, signal: AbortSignal): Promise<Stream> {
  await loadPlatform();
  for (;;) {
    signal.throwIfAborted();
    try {
      return await platform.connect(path);
    } catch (error) {
      if (codeOf(error) !== "EAGAIN") throw explainConnecting(error, path);
    }
    await pause(CONNECT_PAUSE);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
