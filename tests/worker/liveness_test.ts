// Copyright 2026 the Rendezvous authors. MIT license.

import { assertEquals } from "@std/assert";
import { BarrierMemory, byteLengthFor, JOINS, LIVES, roomFor } from "../../_memory/layout.ts";
import { SharedBarrier } from "../../_memory/shared_barrier.ts";
import { atomicsParking } from "../../_worker/atomics_parking.ts";
import { locks as liveness } from "../../_worker/locks.ts";
import { test, turn, until } from "../_helpers/harness.ts";

interface Locks {
  query(): Promise<unknown>;
  request(name: string, granted: () => unknown): Promise<unknown>;
}

/** A barrier for two, of which nobody is the maker. */
function make(): SharedBarrier {
  const room = roomFor(2);
  const memory = BarrierMemory.initialize(new SharedArrayBuffer(byteLengthFor(room)), 0, room, {
    hasAction: false,
    timeout: Infinity,
  });
  const words = memory.words as Int32Array<SharedArrayBuffer>;
  const barrier = new SharedBarrier(memory, atomicsParking(words));
  barrier.initialize(2);
  return barrier;
}

test("A watch by locks notices who takes a seat and ends while the locks are listed", async (scope) => {
  const barrier = make();
  const { words } = barrier.memory;
  const { locks } = navigator as unknown as { locks: Locks };
  const original = locks.query.bind(locks);
  scope.defer(() => void Reflect.deleteProperty(locks, "query"));
  // A worker has announced its life. It ends, and so frees its lock, before these are listed.
  locks.query = () => {
    Reflect.deleteProperty(locks, "query");
    barrier.seats.join("gone", 1);
    return original();
  };
  Atomics.store(words, LIVES, 1);
  Atomics.store(words, JOINS, 2);
  const watch = liveness!.watch(barrier)!;
  scope.defer(() => watch.close());
  await until(() => barrier.outcomes.snapshot.broken, "the end is noticed");
  assertEquals(barrier.outcomes.endingOf(0)?.party, "gone");
});

test("A watch by locks takes nobody for lost who takes a lock and a seat while the locks are listed", async (scope) => {
  const barrier = make();
  const { words, id } = barrier.memory;
  const { locks } = navigator as unknown as { locks: Locks };
  const original = locks.query.bind(locks);
  scope.defer(() => void Reflect.deleteProperty(locks, "query"));
  const end = Promise.withResolvers<void>();
  scope.defer(() => end.resolve());
  const listed = Promise.withResolvers<void>();
  // A worker has begun its life, and no more. It goes on when the locks have been listed.
  locks.query = async () => {
    Reflect.deleteProperty(locks, "query");
    const list = await original();
    const held = Promise.withResolvers<void>();
    locks.request(`@rendezvous/barrier ${id} 1`, () => {
      held.resolve();
      return end.promise;
    });
    await held.promise;
    barrier.seats.join("late", 1);
    listed.resolve();
    return list;
  };
  Atomics.store(words, LIVES, 1);
  const watch = liveness!.watch(barrier)!;
  scope.defer(() => watch.close());
  await listed.promise;
  for (let i = 0; i < 5; i++) await turn();
  assertEquals(barrier.outcomes.snapshot.broken, false);

  // Once it has announced itself, its end is noticed.
  Atomics.add(words, JOINS, 2);
  Atomics.notify(words, JOINS);
  for (let i = 0; i < 5; i++) await turn();
  assertEquals(barrier.outcomes.snapshot.broken, false);
  end.resolve();
  await until(() => barrier.outcomes.snapshot.broken, "the end is noticed");
  assertEquals(barrier.outcomes.endingOf(0)?.party, "late");
});
