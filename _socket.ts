// Copyright 2026 the Rendezvous authors. MIT license.

/** The place of a Unix socket: to take it, to leave nothing there, and to connect to it. */

import { cannot, show } from "./_check.ts";

/** How long it waits before it tries again to lock the place of its socket, in ms, and how long in all. */
const LOCK_PAUSE = 5;
const LOCK_PATIENCE = 1_000;

/** The longest path of a socket, in bytes: what `sockaddr_un` holds on Linux; macOS has 4 less. */
const MAX_PATH = Deno.build.os === "darwin" ? 103 : 107;

/** Where a server listens, and how to stop that and leave nothing there. */
export interface Socket {
  path: string;
  listener: Deno.Listener;
  vacate: () => Promise<void>;
}

/** Listens at `path`, or in a new directory that only this user may enter. */
export async function occupy(path: string | undefined): Promise<Socket> {
  if (path !== undefined) {
    checkPath("listen", path);
    return await exclusively(path, async () => {
      await clear(path);
      const listener = bind(path);
      const inode = await inodeOf(path);
      return { path, listener, vacate: () => vacate(path, listener, inode) };
    });
  }
  const directory = await Deno.makeTempDir({ prefix: "barrier-" });
  try {
    const path = `${directory}/socket`;
    checkPath("listen", path);
    const listener = bind(path);
    const vacate = () => {
      listener.close();
      return remove(directory);
    };
    return { path, listener, vacate };
  } catch (error) {
    await remove(directory);
    throw error;
  }
}

function bind(path: string): Deno.Listener {
  return Deno.listen({ transport: "unix", path });
}

/** Removes a socket that nobody listens at, and nothing else. */
async function clear(path: string): Promise<void> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  if (!info.isSocket) {
    throw new Deno.errors.AlreadyExists(
      cannot("listen", "path must be free or a socket", show(path)),
    );
  }
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return await remove(path);
    throw error;
  }
  throw new Deno.errors.AddrInUse(
    cannot("listen", "no other server must listen at path", show(path)),
  );
}

/**
 * Does something while no other server comes or goes at that path: between finding a stale socket and
 * replacing it, another server could take the place, and lose it. A lock of the file system ends with its
 * process, so none is left behind; of one whose process stands still, nobody waits for ever.
 */
async function exclusively<T>(path: string, act: () => Promise<T>): Promise<T> {
  const lockPath = `${path}.lock`;
  for (let left = LOCK_PATIENCE; left > 0; left -= LOCK_PAUSE) {
    using file = await Deno.open(lockPath, { create: true, write: true });
    // Whoever had the lock before has removed the file: another may hold the lock of a new one.
    if (!await file.tryLock(true) || (await file.stat()).ino !== await inodeOf(lockPath)) {
      await pause(LOCK_PAUSE);
      continue;
    }
    try {
      return await act();
    } finally {
      await remove(lockPath);
    }
  }
  throw new Deno.errors.AddrInUse(
    cannot("listen", "no other server must come or go at path", show(path)),
  );
}

/** Stops listening, and leaves nothing at that path but what is not ours. */
async function vacate(
  path: string,
  listener: Deno.Listener,
  inode: number | null,
): Promise<void> {
  let closed = false;
  const close = async () => {
    const found = await inodeOf(path);
    const foreign = found !== null && found !== inode;
    // A listener that is closed removes what is at its path, in its own time and whosever it is.
    const kept = `${path}.${crypto.randomUUID()}`;
    if (foreign) await Deno.link(path, kept);
    listener.close();
    closed = true;
    for (let i = 0; i < 100 && await inodeOf(path) !== null; i++) await pause(10);
    if (foreign) await Deno.rename(kept, path);
    else await remove(path);
  };
  try {
    await exclusively(path, close);
  } catch {
    // The whole directory is gone, or somebody keeps its lock: this server ends all the same.
    if (!closed) listener.close();
  }
}

/** Removes what may be gone already. */
async function remove(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function inodeOf(path: string): Promise<number | null> {
  try {
    return (await Deno.lstat(path)).ino;
  } catch {
    return null;
  }
}

export async function dial(path: string): Promise<Deno.Conn> {
  try {
    return await Deno.connect({ transport: "unix", path });
  } catch (error) {
    const { NotFound, ConnectionRefused } = Deno.errors;
    for (const Refusal of [NotFound, ConnectionRefused]) {
      if (error instanceof Refusal) {
        throw new Refusal(cannot("connect", "a server must listen at path", show(path)), {
          cause: error,
        });
      }
    }
    throw error;
  }
}

export function checkPath(doing: string, path: unknown): asserts path is string {
  if (typeof path !== "string") {
    throw new TypeError(`Cannot ${doing} as path must be a string`);
  }
  const bytes = new TextEncoder().encode(path).length;
  if (bytes === 0 || bytes > MAX_PATH) {
    throw new RangeError(
      cannot(doing, `path must be 1 to ${MAX_PATH} bytes long`, `${bytes} bytes`),
    );
  }
}
