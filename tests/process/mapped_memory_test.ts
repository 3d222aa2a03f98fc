// Copyright 2026 the Rendezvous authors. MIT license.

import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { MappedMemory, unsupportedReason } from "../../_process/mapped_memory.ts";
import { BarrierMemory, byteLengthFor } from "../../_memory/layout.ts";
import { ProcessBarrier, ProcessBarrierServer } from "../../process_barrier.ts";
import {
  failure,
  inMemory,
  join,
  listen,
  namesIn,
  temporary,
  test,
  turn,
  unshared,
} from "./_helpers.ts";

function testMemory(
  name: string,
  body: (scope: AsyncDisposableStack) => Promise<void> | void,
): void {
  test(inMemory(name), body, { ignore: unshared !== undefined });
}

/** A memory for the scope. */
function create(scope: AsyncDisposableStack, size = 4_096): MappedMemory {
  const memory = MappedMemory.create(size);
  scope.defer(() => memory.close());
  return memory;
}

testMemory("MappedMemory.open() sees what the other side writes", (scope) => {
  const memory = create(scope);
  const other = MappedMemory.open(memory.place);
  new Int32Array(memory.buffer)[7] = 42;
  assertEquals(new Int32Array(other.buffer)[7], 42);
  assertEquals(other.buffer.byteLength, 4_096);
  other.close();
  other.close();
  assertEquals(other.buffer.byteLength, 0);
  assertEquals(new Int32Array(memory.buffer)[7], 42);
});

testMemory("MappedMemory.open() refuses a file that can be cut short", async (scope) => {
  const path = `${await temporary(scope)}/file`;
  using file = await Deno.open(path, { create: true, read: true, write: true });
  await file.truncate(4_096);
  // Any file of this process will do: it is found by its name.
  let place: string | undefined;
  for await (const { name } of Deno.readDir("/proc/self/fd")) {
    const target = await Deno.readLink(`/proc/self/fd/${name}`).catch(() => "");
    if (target === path) place = `/proc/${Deno.pid}/fd/${name}`;
  }
  assertThrows(() => MappedMemory.open(place!), DOMException, "is not sealed");
});

testMemory("MappedMemory.open() refuses memory that can be cut short", (scope) => {
  const libc = Deno.dlopen("libc.so.6", {
    memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
    ftruncate: { parameters: ["i32", "i64"], result: "i32" },
    close: { parameters: ["i32"], result: "i32" },
  });
  scope.defer(() => libc.close());
  const allowSealing = 2;
  const file = libc.symbols.memfd_create(new TextEncoder().encode("foreign\0"), allowSealing);
  scope.defer(() => void libc.symbols.close(file));
  assertEquals(libc.symbols.ftruncate(file, 4_096n), 0);
  const place = `/proc/${Deno.pid}/fd/${file}`;
  assertThrows(() => MappedMemory.open(place), DOMException, "is not sealed");
});

testMemory("MappedMemory.open() refuses whatever is no place of a memory", async (scope) => {
  const path = `${await temporary(scope)}/file`;
  await Deno.writeTextFile(path, "x".repeat(4_096));
  for (const place of [path, "", "/proc/self/mem", "/dev/zero", "/proc/1/fd/../../mem"]) {
    assertThrows(() => MappedMemory.open(place), DOMException, "is no place of a memory");
  }
  const gone = MappedMemory.create(4_096);
  const { place } = gone;
  gone.close();
  assertThrows(() => MappedMemory.open(place), DOMException);
});

testMemory("MappedMemory wakes who sleeps in another mapping of it", async (scope) => {
  const memory = create(scope);
  const other = MappedMemory.open(memory.place);
  let woken = false;
  const sleeping = memory.parking.waitAsync(3, 0).then(() => woken = true);
  await turn();
  assert(!woken);
  new Int32Array(other.buffer)[3] = 1;
  other.parking.notify(3);
  await sleeping;
  // It does not sleep where the word has changed.
  await memory.parking.waitAsync(3, 0);
  memory.parking.wait(3, 0, 60_000);
  other.close();
});

testMemory(
  "MappedMemory.create() refuses the seventeenth of a process, and is as before then",
  () => {
    const memories = Array.from({ length: 16 }, () => MappedMemory.create(4_096));
    assertThrows(() => MappedMemory.create(4_096), DOMException, "16");
    assert(unsupportedReason() !== undefined);
    for (const memory of memories) memory.close();
    assertEquals(unsupportedReason(), undefined);
  },
);

testMemory(
  "ProcessBarrier.connect() stays on the socket where memory cannot be had",
  async (scope) => {
    const server = await listen(scope, { parties: 2 });
    const used = Array.from({ length: 15 }, () => MappedMemory.create(4_096));
    const barrier = await join(scope, server.path);
    assertEquals((await barrier.status()).transport, "socket");
    const error = await failure(
      ProcessBarrier.connect(server.path, { transport: "shared-memory" }),
    ) as DOMException;
    assertEquals(error.name, "NotSupportedError");
    for (const memory of used) memory.close();
    const other = await join(scope, server.path);
    assertEquals((await other.status()).transport, "shared-memory");
    await Promise.all([barrier.wait(), other.wait()]);
  },
);

testMemory("ProcessBarrier.connect() maps no memory of a foreign server unseen", async (scope) => {
  const path = `${await temporary(scope)}/socket`;
  using listener = Deno.listen({ transport: "unix", path });
  const barrier = create(scope, byteLengthFor(8));
  const settings = { hasAction: false, timeout: Infinity };
  const { id } = BarrierMemory.initialize(barrier.buffer, 0, 8, settings);
  const empty = create(scope);
  const places: unknown[] = [
    null,
    7,
    {},
    { path: "/etc/passwd", id },
    { path: "/dev/zero", id },
    { path: `/proc/${Deno.pid}/fd/0`, id },
    { path: empty.place, id },
    { path: barrier.place, id: "another" },
  ];
  for (const place of places) {
    const serving = (async () => {
      using conn = await listener.accept();
      await conn.read(new Uint8Array(100));
      await conn.write(new TextEncoder().encode(JSON.stringify({ id: 1, ok: place }) + "\n"));
      while (await conn.read(new Uint8Array(100)) !== null);
    })();
    const error = await failure(ProcessBarrier.connect(path, { transport: "shared-memory" }));
    assertInstanceOf(error, DOMException, JSON.stringify(place));
    assertEquals(error.name, "NotSupportedError");
    await serving;
  }
});

testMemory("ProcessBarrierServer gives all memory back", async () => {
  const before = (await namesIn("/proc/self/fd")).length;
  for (let round = 0; round < 20; round++) {
    await using server = await ProcessBarrierServer.listen({ parties: 2, action: () => {} });
    await using a = await ProcessBarrier.connect(server.path);
    await using b = await ProcessBarrier.connect(server.path);
    await Promise.all([a.wait(), b.wait()]);
  }
  assertEquals(unsupportedReason(), undefined);
  const after = (await namesIn("/proc/self/fd")).length;
  assert(after <= before + 2, `${before} files before, ${after} after`);
});

testMemory("ProcessBarrier survives a memory that is written over", async (scope) => {
  const server = await listen(scope, { parties: 2 });
  const a = await join(scope, server.path);
  const b = await join(scope, server.path);
  let place: string | undefined;
  for await (const { name } of Deno.readDir("/proc/self/fd")) {
    const target = await Deno.readLink(`/proc/self/fd/${name}`).catch(() => "");
    if (target.startsWith("/memfd:barrier")) place = `/proc/${Deno.pid}/fd/${name}`;
  }
  const vandal = MappedMemory.open(place!);
  for (const value of [0, -1, 0x5a5a5a5a, 0x7fffffff]) {
    new Int32Array(vandal.buffer).fill(value);
    for (const barrier of [a, b]) {
      barrier.status().catch(() => {});
      await barrier.arrive().catch(() => {});
      await barrier.waitFor(0, { timeout: 0 }).catch(() => {});
    }
    await server.status().catch(() => {});
    await server.reset().catch(() => {});
  }
  vandal.close();
});
