// Copyright 2026 the Rendezvous authors. MIT license.

/*
 * Memory that processes share, where Deno may call the system: on Linux, with `--allow-ffi`.
 *
 * The memory is a file without a name, of the process that creates it. Others open it by its place under `/proc`,
 * which only the same user may. So nothing is left behind whoever is killed. The file is sealed: nobody can cut it
 * short under those who have mapped it, which would kill them.
 */

import { show } from "../_common/checks.ts";
import type { Parking } from "../_memory/parking.ts";
import { isDeno, isGranted } from "./platform.ts";

const LIBC = "libc.so.6";

/** The number of the system call `futex`, by architecture. */
const FUTEX: Partial<Record<string, bigint>> = { "x86_64": 202n, "aarch64": 98n };
const FUTEX_WAIT = 0;
const FUTEX_WAKE = 1;
const ALL = 0x7fffffff;

const O_RDWR = 2;
const O_NOCTTY = 0o400;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const SEEK_END = 2;
const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_FAILED = 2n ** 64n - 1n;
const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
const F_GET_SEALS = 1034;
const F_SEAL_SEAL = 1;
const F_SEAL_SHRINK = 2;
const F_SEAL_GROW = 4;
const SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW;

/** The only places that a memory is opened at, whatever a server says. */
const PLACE = /^\/proc\/\d+\/fd\/\d+$/;

/** The most that is mapped, in bytes, whatever a server hands out. */
const MAX_SIZE = 16 * 1024 * 1024;

/**
 * How many of them a process may hold. One that sleeps off the event loop takes a thread of those that the runtime
 * has for calls that block, 32 in Deno: with all of them asleep, no file could be read, and nobody would arrive any
 * more.
 */
const MAX_MEMORIES = 16;

/**
 * After how long a thread that sleeps looks whether the process that owns the memory lives, in ms. Nothing else tells
 * a thread that is blocked. One whose event loop runs is told at once, by the end of its connection.
 */
const OWNER_CHECK = 250;

function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text + "\0");
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

/** Why this process cannot share memory, if it cannot. Nobody is asked for the permission. */
export function unsupportedReason(): string | undefined {
  if (!isDeno) return "it needs Deno";
  const { os, arch } = Deno.build;
  if (os !== "linux" || FUTEX[arch] === undefined) {
    return `it needs Linux on x86-64 or arm64, and this is ${os} on ${arch}`;
  }
  if (!isGranted({ name: "ffi" })) return "it needs --allow-ffi";
  if (users >= MAX_MEMORIES) return `this process shares ${users} already, the most it may`;
}

/** The error of whoever asks for shared memory where that cannot be had. */
export function notShared(why: string): DOMException {
  return new DOMException(`Memory cannot be shared: ${why}`, "NotSupportedError");
}

/** Memory that processes share. */
export class MappedMemory {
  readonly buffer: ArrayBuffer;
  /** How its parties sleep and wake each other. */
  readonly parking: Parking;
  /** Is called by a thread that is blocked, when the process that owns the memory is gone. */
  onOwnerGone: (() => void) | undefined;
  readonly #address: Deno.PointerObject;
  readonly #file: number;
  #closed = false;

  private constructor(file: number, size: number) {
    const address = libc!.symbols.mmap(null, BigInt(size), PROT_READ_WRITE, MAP_SHARED, file, 0n);
    if (address === null || Deno.UnsafePointer.value(address) === MAP_FAILED) {
      throw notShared("it cannot be mapped");
    }
    this.#address = address;
    this.#file = file;
    this.buffer = Deno.UnsafePointerView.getArrayBuffer(address, size);
    this.parking = this.#parking();
  }

  /** Creates it, filled with zeros. */
  static create(size: number): MappedMemory {
    return MappedMemory.#from(
      (libc) => libc.memfd_create(cString("barrier"), MFD_CLOEXEC | MFD_ALLOW_SEALING),
      (libc, file) => {
        const made = file >= 0 && libc.ftruncate(file, BigInt(size)) === 0 &&
          libc.fcntl(file, F_ADD_SEALS, SEALS) === 0 && libc.flock(file, LOCK_EX | LOCK_NB) === 0;
        if (!made) throw notShared("the system has no memfd");
        return new MappedMemory(file, size);
      },
    );
  }

  /** Opens what another process has created, and told the place of. */
  static open(place: string): MappedMemory {
    if (!PLACE.test(place)) throw notShared(`${show(place)} is no place of a memory`);
    return MappedMemory.#from(
      (libc) => libc.open(cString(place), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0),
      (libc, file) => {
        if (file < 0) throw notShared(`${show(place)} is out of reach`);
        // Only a memfd has seals. Sealed like this, it cannot be cut short while it is mapped here.
        const seals = libc.fcntl(file, F_GET_SEALS, 0);
        const fixed = F_SEAL_SHRINK | F_SEAL_GROW;
        if (seals < 0 || (seals & fixed) !== fixed) {
          throw notShared("the file of the server is not sealed");
        }
        const size = Number(libc.lseek(file, 0n, SEEK_END));
        if (size <= 0 || size > MAX_SIZE) throw notShared(`it has ${size} bytes`);
        return new MappedMemory(file, size);
      },
    );
  }

  /** Makes it from a file, and closes what was opened if it cannot be. */
  static #from(
    open: (libc: Symbols) => number,
    make: (libc: Symbols, file: number) => MappedMemory,
  ): MappedMemory {
    const why = unsupportedReason();
    if (why !== undefined) throw notShared(why);
    try {
      libc ??= openLibrary();
    } catch (cause) {
      throw Object.assign(notShared(`the system has no ${LIBC}`), { cause });
    }
    users++;
    const file = open(libc.symbols);
    try {
      return make(libc.symbols, file);
    } catch (error) {
      if (file >= 0) libc.symbols.close(file);
      closeLibrary();
      throw error;
    }
  }

  /** Where other processes open it. */
  get place(): string {
    return `/proc/${Deno.pid}/fd/${this.#file}`;
  }

  /** Gives it back. Whoever still looks there gets an error. No thread of this process may sleep there. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const size = BigInt(this.buffer.byteLength);
    // Detached, so that nobody reads what is no longer there.
    this.buffer.transfer();
    libc!.symbols.munmap(this.#address, size);
    libc!.symbols.close(this.#file);
    closeLibrary();
  }

  /** The process that created it holds a lock on it, which the system frees when that process ends. */
  #isOwnerGone(): boolean {
    if (libc!.symbols.flock(this.#file, LOCK_SH | LOCK_NB) !== 0) return false;
    libc!.symbols.flock(this.#file, LOCK_UN);
    return true;
  }

  #parking(): Parking {
    const { futex, futexAsync, sched_yield } = libc!.symbols;
    const number = FUTEX[Deno.build.arch]!;
    const start = Deno.UnsafePointer.value(this.#address);
    const places = new Map<number, Deno.PointerValue>();
    const placeOf = (word: number) => {
      let place = places.get(word);
      if (place === undefined) {
        place = Deno.UnsafePointer.create(start + BigInt(4 * word));
        places.set(word, place);
      }
      return place;
    };
    const time = new BigInt64Array(2);
    return {
      keepsAlive: true,
      wait: (word, value, timeout) => {
        const ms = Math.min(timeout, OWNER_CHECK);
        time[0] = 0n;
        time[1] = BigInt(Math.trunc(ms * 1e6));
        const result = futex(number, placeOf(word), FUTEX_WAIT, value, time, null, 0);
        if (result !== 0n && this.onOwnerGone !== undefined && this.#isOwnerGone()) {
          this.onOwnerGone();
        }
      },
      waitAsync: (word, value) =>
        futexAsync(number, placeOf(word), FUTEX_WAIT, value, null, null, 0),
      notify: (word) => void futex(number, placeOf(word), FUTEX_WAKE, ALL, null, null, 0),
      yield: () => void sched_yield(),
    };
  }
}

function closeLibrary(): void {
  if (--users > 0) return;
  libc!.close();
  libc = undefined;
}
