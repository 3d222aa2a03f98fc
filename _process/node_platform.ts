// Copyright 2026 the Rendezvous authors. MIT license.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  readFileSync,
  rmdirSync,
  statSync,
  unlinkSync,
} from "node:fs";
import { mkdir, opendir } from "node:fs/promises";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname } from "node:path";
import process from "node:process";
import { withResolvers } from "../_common/platform.ts";
import { type FileInfo, type Listener, type Platform, type Stream, TEMPORARY } from "./platform.ts";
import { codeOf } from "./system_error.ts";

/** How many connections the system keeps for a server that is busy. */
const BACKLOG = 1_024;

/** A line of `/proc/net/unix` of a socket that listens, and where that was made. */
const LISTENS = /^(?:\S+ +){3}00010000 (?:\S+ +){3}(.*)$/;

/** The system, as Node and Bun have it. */
export const nodePlatform: Platform = {
  listen,
  connect,
  makeTemporaryDirectory,
  async *namesIn(directory) {
    yield* await opendir(directory);
  },
  lstat,
  chmod: chmodSync,
  link: linkSync,
  remove: (path) => lstatSync(path).isDirectory() ? rmdirSync(path) : unlinkSync(path),
  umask,
  mayReach: () => true,
  addExitListener,
  removeExitListener,
};

async function listen(path: string): Promise<Listener> {
  const server = createServer({ allowHalfOpen: true });
  const listener = new NodeListener(server);
  // Exclusive: in a worker of node:cluster the primary process would make the socket, with its own umask.
  server.listen({ path, backlog: BACKLOG, exclusive: true });
  try {
    await once(server, "listening");
  } catch (error) {
    // Node says that, too, where there is no such directory.
    if (codeOf(error) === "EACCES") statSync(dirname(path));
    throw error;
  }
  return listener;
}

async function connect(path: string): Promise<Stream> {
  const socket = createConnection({ path, allowHalfOpen: true });
  try {
    await once(socket, "connect");
  } catch (error) {
    // Bun says "ECONNREFUSED" of a queue that is full, too. So that nobody takes a live socket for stale:
    const isVague = process.versions.bun !== undefined && codeOf(error) === "ECONNREFUSED";
    if (!isVague || !isListening(path)) throw error;
    throw Object.assign(new Error(`connect EAGAIN ${path}`, { cause: error }), { code: "EAGAIN" });
  }
  return new NodeStream(socket);
}

/** Whether Linux knows of a socket that listens and was made for `path`. */
function isListening(path: string): boolean {
  try {
    const lines = readFileSync("/proc/net/unix", "utf8").split("\n");
    const places = lines.flatMap((line) => LISTENS.exec(line)?.[1] ?? []);
    const made = places.filter((place) => place === path + TEMPORARY).length;
    // One that still has that name does not listen at `path` yet.
    const waiting = existsSync(path + TEMPORARY) ? 1 : 0;
    return places.includes(path) || made > waiting;
  } catch {
    return false;
  }
}

async function makeTemporaryDirectory(prefix: string): Promise<string> {
  const path = `${tmpdir()}/${prefix}${randomBytes(8).toString("hex")}`;
  await mkdir(path, { mode: 0o700 });
  return path;
}

function lstat(path: string): FileInfo {
  const info = lstatSync(path);
  const { ino, uid, mode } = info;
  return { isSocket: info.isSocket(), isDirectory: info.isDirectory(), ino, uid, mode };
}

function umask(mask: number): number | undefined {
  try {
    return process.umask(mask);
  } catch {
    // A worker may not.
    return undefined;
  }
}

/** Who is called at the end of the process. They share one listener: Node warns of more than ten. */
const exitListeners = new Set<() => void>();

function onExit(): void {
  for (const run of exitListeners) run();
}

function addExitListener(run: () => void): void {
  if (exitListeners.size === 0) process.on("exit", onExit);
  exitListeners.add(run);
}

function removeExitListener(run: () => void): void {
  exitListeners.delete(run);
  if (exitListeners.size === 0) process.off("exit", onExit);
}

/** Connections that wait to be accepted, or who waits for one. */
class NodeListener implements Listener {
  readonly #server: Server;
  readonly #waiting: NodeStream[] = [];
  #accepting: { resolve(stream: Stream): void; reject(error: Error): void } | undefined;

  constructor(server: Server) {
    this.#server = server;
    server.on("connection", (socket) => this.#onConnection(new NodeStream(socket)));
    // That no file descriptor is free, say. Node hangs up on who comes then; the server goes on.
    server.on("error", () => {});
  }

  #onConnection(stream: NodeStream): void {
    if (this.#accepting === undefined) this.#waiting.push(stream);
    else this.#accepting.resolve(stream);
    this.#accepting = undefined;
  }

  accept(): Promise<Stream> {
    const stream = this.#waiting.shift();
    if (stream !== undefined) return Promise.resolve(stream);
    const { promise, resolve, reject } = withResolvers<Stream>();
    this.#accepting = { resolve, reject };
    return promise;
  }

  close(): void {
    this.#server.close();
    for (const stream of this.#waiting.splice(0)) stream.close();
    this.#accepting?.reject(new Error("The listener is closed"));
  }
}

/** A connection. */
class NodeStream implements Stream {
  readonly #socket: Socket;
  #ended = false;
  /** Wakes who reads: there is something to read, or nothing will come. */
  #wake = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    const end = () => {
      this.#ended = true;
      this.#wake();
    };
    socket.on("readable", () => this.#wake());
    socket.on("end", end);
    socket.on("close", end);
    // Who writes is told, and who reads comes to the end.
    socket.on("error", () => {});
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    const socket = this.#socket;
    while (socket.readableLength === 0) {
      if (this.#ended) return null;
      // So that the socket looks for more, and tells of its end.
      socket.read(0);
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const bytes: Uint8Array = socket.read(Math.min(buffer.length, socket.readableLength));
    buffer.set(bytes);
    return bytes.length;
  }

  write(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => error ? reject(error) : resolve(bytes.length));
    });
  }

  closeWrite(): Promise<void> {
    return new Promise((resolve) => this.#socket.end(() => resolve()));
  }

  close(): void {
    this.#socket.destroy();
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }
}
