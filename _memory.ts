// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * Memory that processes share, where Deno may call the system: on Linux, with `--allow-ffi`.
 *
 * The memory is a file without a name, of the process that creates it: others open it by its place under
 * `/proc`, which only the same user may. So nothing is left behind whoever is killed, and as the file is sealed
 * nobody can cut it short under those who have mapped it, which would kill them.
 *
 * @module
 */

import { cannot, show } from "./_check.ts";
import { type Sleeper, threads } from "./_shared_barrier.ts";

const LIBC = "libc.so.6";

/** The number of the system call `futex`, by architecture. */
const FUTEX: Partial<Record<string, bigint>> = { "x86_64": 202n, "aarch64": 98n };
const FUTEX_WAIT = 0;
const FUTEX_WAKE = 1;

const O_RDWR = 2;
const O_CLOEXEC = 0o2000000;
const O_NONBLOCK = 0o4000;
const O_NOCTTY = 0o400;
const SEEK_END = 2;
const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
const SEALS = 1 | 2 | 4; // No more seals, no shrinking, no growing.

const ID_WORDS = 4;

/**
 * How many of them a process may hold. One that sleeps off the event loop takes a thread of those that the
 * runtime has for calls that block, 32 in Deno: with all of them asleep, no file could be read, and nobody
 * would arrive any more.
 */
const MAX_MEMORIES = 16;

/**
 * After how long a thread that sleeps looks whether the process that owns the memory lives, in ms. Nothing else
 * tells a thread that is blocked; one whose event loop runs is told at once, by the end of its connection.
 */
const OWNER_CHECK = 250;

/**
 * How often a waiter looks again at once before it lets others run: where all may run at the same time, for what a
 * phase takes if they do; else not at all.
 */
const PAUSES = 100;

const pause: () => void = "pause" in Atomics ? () => Atomics.pause() : () => {};

const encoder = new TextEncoder();

function cString(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text + "\0");
}

function openLibrary() {
  const futex = ["i64", "pointer", "i32", "i32", "buffer", "pointer", "i32"] as const;
  return Deno.dlopen(
    LIBC,
    {
      memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
      fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
      ftruncate: { parameters: ["i32", "i64"], result: "i32" },
      open: { parameters: ["buffer", "i32", "i32"], result: "i32" },
      lseek: { parameters: ["i32", "i64", "i32"], result: "i64" },
      flock: { parameters: ["i32", "i32"], result: "i32" },
      close: { parameters: ["i32"], result: "i32" },
      mmap: { parameters: ["pointer", "usize", "i32", "i32", "i32", "i64"], result: "pointer" },
      munmap: { parameters: ["pointer", "usize"], result: "i32" },
      sched_yield: { parameters: [], result: "i32" },
      futex: { name: "syscall", parameters: futex, result: "i64" },
      futexAsync: { name: "syscall", parameters: futex, result: "i64", nonblocking: true },
    } as const,
  );
}

type Symbols = ReturnType<typeof openLibrary>["symbols"];

let libc: ReturnType<typeof openLibrary> | undefined;
let users = 0;

/** Why this process cannot share memory, if it cannot. */
export function whyNot(): Error | undefined {
  const { os, arch } = Deno.build;
  if (os !== "linux" || FUTEX[arch] === undefined) {
    const rule = "the platform must be Linux on x86-64 or arm64";
    return new Deno.errors.NotSupported(cannot("share memory", rule, `${os} on ${arch}`));
  }
  const { state } = Deno.permissions.querySync({ name: "ffi" });
  if (state !== "granted") {
    return new Deno.errors.NotCapable(cannot("share memory", "--allow-ffi must be granted", state));
  }
  if (users >= MAX_MEMORIES) {
    const rule = `a process must hold at most ${MAX_MEMORIES} barriers and parties that do`;
    return new Deno.errors.NotSupported(cannot("share memory", rule, users));
  }
}

/** Memory that processes share, and how they sleep and wake there. Its last words are its identity. */
export class Memory {
  readonly words: Int32Array<ArrayBuffer>;
  readonly sleeper: Sleeper;
  /** Where the others find it, and by what they know it. */
  readonly path: string;
  readonly id: string;
  /** Is called by a thread that sleeps, when the process that owns the memory is gone. */
  orphaned: (() => void) | undefined;
  readonly #address: Deno.PointerObject;
  readonly #file: number;
  #closed = false;

  private constructor(path: string, file: number, bytes: number) {
    const address = libc!.symbols.mmap(null, BigInt(bytes), PROT_READ_WRITE, MAP_SHARED, file, 0n);
    if (address === null || Deno.UnsafePointer.value(address) === 2n ** 64n - 1n) {
      throw new Deno.errors.NotSupported("Cannot share memory as it must be possible to map it");
    }
    this.#address = address;
    this.#file = file;
    this.words = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(address, bytes));
    this.sleeper = this.#sleeper();
    this.path = path;
    if (path === "") {
      crypto.getRandomValues(this.words.subarray(-ID_WORDS));
      this.path = `/proc/${Deno.pid}/fd/${file}`;
    }
    const id = new Uint8Array(this.words.buffer).slice(-4 * ID_WORDS);
    this.id = id.toHex();
  }

  /** Creates it, with that many words of zero. */
  static create(words: number): Memory {
    const bytes = bytesOf(words);
    return Memory.#over(
      (libc) => libc.memfd_create(cString("barrier"), MFD_CLOEXEC | MFD_ALLOW_SEALING),
      (libc, file) => {
        const made = file >= 0 && libc.ftruncate(file, BigInt(bytes)) === 0 &&
          libc.fcntl(file, F_ADD_SEALS, SEALS) === 0 && libc.flock(file, LOCK_EX | LOCK_NB) === 0;
        if (made) return new Memory("", file, bytes);
        throw new Deno.errors.NotSupported("Cannot share memory as the system must have memfd");
      },
    );
  }

  /** Opens what another process created, and told the place and identity of. */
  static open(path: string, id: string, words: number): Memory {
    const bytes = bytesOf(words);
    const flags = O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    return Memory.#over((libc) => libc.open(cString(path), flags, 0), (libc, file) => {
      if (file < 0) {
        const rule = "the memory of the server must be within reach";
        throw new Deno.errors.NotFound(cannot("share memory", rule, show(path)));
      }
      const length = libc.lseek(file, 0n, SEEK_END);
      if (length !== BigInt(bytes)) {
        const rule = `the file must be ${bytes} bytes long`;
        throw new Deno.errors.InvalidData(cannot("share memory", rule, String(length)));
      }
      const memory = new Memory(path, file, bytes);
      if (memory.id === id) return memory;
      memory.#unmap();
      const rule = "the file must be the memory of the server";
      throw new Deno.errors.InvalidData(cannot("share memory", rule, show(path)));
    });
  }

  /** Makes it of a file, and closes what was opened if it cannot be. */
  static #over(
    open: (libc: Symbols) => number,
    make: (libc: Symbols, file: number) => Memory,
  ): Memory {
    const refusal = whyNot();
    if (refusal !== undefined) throw refusal;
    try {
      libc ??= openLibrary();
    } catch (cause) {
      const rule = `the system must have ${LIBC}`;
      throw new Deno.errors.NotSupported(`Cannot share memory as ${rule}`, { cause });
    }
    users++;
    const file = open(libc.symbols);
    try {
      return make(libc.symbols, file);
    } catch (error) {
      if (file >= 0) libc.symbols.close(file);
      leave();
      throw error;
    }
  }

  /** Gives it back. Whoever still looks there gets an error. No thread of this process may sleep there. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#unmap();
    libc!.symbols.close(this.#file);
    leave();
  }

  #unmap(): void {
    const { byteLength } = this.words;
    // Detached, so that no stray look can reach what is no longer there.
    this.words.buffer.transfer();
    libc!.symbols.munmap(this.#address, BigInt(byteLength));
  }

  /** The process that created it holds a lock on it, which the system frees when that process ends. */
  #isOrphaned(): boolean {
    if (libc!.symbols.flock(this.#file, LOCK_SH | LOCK_NB) !== 0) return false;
    libc!.symbols.flock(this.#file, LOCK_UN);
    return true;
  }

  #sleeper(): Sleeper {
    const { futex, futexAsync, sched_yield } = libc!.symbols;
    const number = FUTEX[Deno.build.arch]!;
    const start = Deno.UnsafePointer.value(this.#address);
    const places: Deno.PointerValue[] = [];
    const placeOf = (word: number) =>
      places[word] ??= Deno.UnsafePointer.create(start + BigInt(4 * word));
    const time = new BigInt64Array(2);
    return {
      pause(turn, parties) {
        if (parties <= threads && turn < PAUSES) pause();
        else sched_yield();
        return true;
      },
      wait: (word, value, timeout) => {
        const ms = Math.min(timeout, OWNER_CHECK);
        time[0] = BigInt(Math.trunc(ms / 1e3));
        time[1] = BigInt(Math.trunc(ms % 1e3 * 1e6));
        const result = futex(number, placeOf(word), FUTEX_WAIT, value, time, null, 0);
        if (result !== 0n && this.orphaned !== undefined && this.#isOrphaned()) this.orphaned();
      },
      waitAsync: (word, value) =>
        futexAsync(number, placeOf(word), FUTEX_WAIT, value, null, null, 0),
      notify: (word) => void futex(number, placeOf(word), FUTEX_WAKE, 0x7fffffff, null, null, 0),
    };
  }
}

function bytesOf(words: number): number {
  return 4 * (words + ID_WORDS);
}

function leave(): void {
  if (--users > 0) return;
  libc!.close();
  libc = undefined;
}
