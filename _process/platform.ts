// Copyright 2026 the Rendezvous authors. MIT license.

/*
 * What processes need of the system, as Deno has it, and as Node and Bun have it.
 *
 * The modules of Node would do in Deno, too. There they double the time that a party takes to start, their sockets stop
 * accepting for good when no file descriptor is free, and a socket that cannot be written any more loses what its peer
 * said before. So Deno loads none of them.
 */

/** A server makes its socket at the path with this: see unix_socket.ts. */
export const TEMPORARY = ".new";

/** A connection, as bytes that come and go. */
export interface Stream {
  /** Reads what has come into a buffer. Resolves to its length, or to `null` at the end. */
  read(buffer: Uint8Array): Promise<number | null>;
  /**
   * Writes, and resolves to how many bytes the system has taken. In Node and Bun a connection ends that can be written no
   * more, and what its peer said before is lost unless it has been read.
   */
  write(bytes: Uint8Array): Promise<number>;
  /** Ends its own side: the peer reads to the end. */
  closeWrite(): Promise<void>;
  /** Ends both sides at once. */
  close(): void;
  /** Lets it keep the event loop alive, as it does at first. */
  ref(): void;
  /** Lets it keep the event loop alive no more. */
  unref(): void;
}

/** What listens at a path. */
export interface Listener {
  /** Resolves to the next connection. Rejects if none can be had now, or the listener was closed. */
  accept(): Promise<Stream>;
  /** Stops listening, and removes whatever is at that path. */
  close(): void;
}

/** What there is at a path, itself and not what it links to. */
export interface FileInfo {
  isSocket: boolean | null;
  isDirectory: boolean;
  /** On a file system it belongs to this file only. */
  ino: number | null;
  uid: number | null;
  mode: number | null;
}

/** The system, as a runtime has it. What fails has a `code` such as `"ENOENT"`. */
export interface Platform {
  /** Listens at a path. The socket is there when this returns, and listens when the promise resolves. */
  listen(path: string): Promise<Listener>;
  connect(path: string): Promise<Stream>;
  /** Makes a directory that only this user may enter, of the name `prefix` with up to 16 hexadecimal digits. */
  makeTemporaryDirectory(prefix: string): Promise<string>;
  namesIn(directory: string): AsyncIterable<{ name: string }>;
  lstat(path: string): FileInfo;
  chmod(path: string, mode: number): void;
  link(path: string, to: string): void;
  /** Removes a file or an empty directory. */
  remove(path: string): void;
  /** Sets the umask. Returns what it was, or nothing where this program may not set it. */
  umask(mask: number): number | undefined;
  /** Whether this program may read and write in a directory, and connect to the sockets there. */
  mayReach(directory: string): boolean;
  /** Calls `run` when the process ends, unless a signal ends it. */
  addExitListener(run: () => void): void;
  removeExitListener(run: () => void): void;
}

/** Whether this is Deno, rather than Node or Bun. */
export const isDeno: boolean = "Deno" in globalThis;

/** Where relative paths begin. */
export function workingDirectory(): string {
  return isDeno ? Deno.cwd() : globalThis.process.cwd();
}

/** The name of the operating system: "linux", "darwin" or another. */
export function operatingSystem(): string {
  return isDeno ? Deno.build.os : globalThis.process.platform;
}

/** Whether a permission is granted. Deno would ask its user for one that is not, and nobody is to be asked. */
export function isGranted(permission: { name: string; path?: string; kind?: string }): boolean {
  return Deno.permissions.querySync(permission as Deno.PermissionDescriptor).state === "granted";
}

const denoPlatform: Platform = {
  // deno-lint-ignore require-await -- what fails rejects
  listen: async (path) => Deno.listen({ transport: "unix", path }),
  connect: (path) => Deno.connect({ transport: "unix", path }),
  makeTemporaryDirectory: (prefix) => Deno.makeTempDir({ prefix }),
  namesIn: (directory) => Deno.readDir(directory),
  lstat: (path) => Deno.lstatSync(path),
  chmod: (path, mode) => Deno.chmodSync(path, mode),
  link: (path, to) => Deno.linkSync(path, to),
  remove: (path) => Deno.removeSync(path),
  umask: (mask) => isGranted({ name: "sys", kind: "umask" }) ? Deno.umask(mask) : undefined,
  mayReach: (path) =>
    isGranted({ name: "read", path }) && isGranted({ name: "write", path }) &&
    isGranted({ name: "net" }),
  addExitListener: (run) => globalThis.addEventListener("unload", run),
  removeExitListener: (run) => globalThis.removeEventListener("unload", run),
};

/** The system, as this runtime has it, once `loadPlatform` has resolved. */
export let platform: Platform;

/** Loads what this runtime needs. */
export async function loadPlatform(): Promise<void> {
  platform ??= isDeno ? denoPlatform : (await import("./node_platform.ts")).nodePlatform;
}
