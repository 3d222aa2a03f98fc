// Copyright 2026 the Rendezvous authors. MIT license.

// What only pages show. See main.ts for who loads it.

import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { AsyncBarrier, Barrier, type BrokenBarrierError } from "../../barrier.ts";
import { failure, test } from "../_helpers/harness.ts";
import { Thread } from "../_helpers/thread.ts";

/** A page of the same origin within this one, with a library of its own. */
interface Frame {
  src: string;
  onload: (event: unknown) => void;
  contentWindow: { Barrier: typeof Barrier };
  remove(): void;
}

const { document } = globalThis as unknown as {
  document: { createElement(name: "iframe"): Frame; body: { append(frame: Frame): void } };
};

/** For a page whose memory is shared with its workers. */
export function isolatedPage(): void {
  test("Barrier.wait() and its kin throw a TypeError in the main thread of a page, before they arrive", async () => {
    using barrier = new Barrier(1);
    using member = await Barrier.join(barrier, { name: "a" });
    for (const handle of [barrier, member]) {
      for (const call of [() => handle.wait(), () => handle.waitFor(0), () => handle.ready()]) {
        assertThrows(call, TypeError, "Cannot block this thread");
      }
    }
    assertEquals([barrier.arrived, barrier.phase], [0, 0]);
    assertEquals(await member.waitAsync(), 0);
  });

  test("Barrier.join() disturbs no other page of the origin", async (scope) => {
    const frame = document.createElement("iframe");
    scope.defer(() => frame.remove());
    const loaded = new Promise((resolve) => frame.onload = resolve);
    frame.src = "/frame";
    document.body.append(frame);
    await loaded;
    const other = frame.contentWindow;
    const barriers = [new Barrier(2), new other.Barrier(2), new Barrier(2), new other.Barrier(2)];
    const members = await Promise.all(barriers.map((barrier) => {
      return Thread.join({ buffer: barrier.buffer, byteOffset: 0 }, { name: "a" });
    }));
    scope.defer(async () => {
      for (const member of members) await member.giveBack();
    });
    scope.defer(() => barriers.forEach((barrier) => barrier[Symbol.dispose]()));
    for (const [i, barrier] of barriers.entries()) {
      members[i]!.terminate();
      const { reason, party } = await failure(barrier.waitForAsync(0)) as BrokenBarrierError;
      assertEquals([reason, party], ["lost", "a"]);
      // All that are left are as they were.
      for (const rest of barriers.slice(i + 1)) assertEquals(rest.broken, false);
    }
  });
}

/** For one that is not. */
export function plainPage(): void {
  test("Barrier() and from() name the headers that a page without shared memory lacks", async () => {
    const headers = [
      "Cross-Origin-Opener-Policy: same-origin",
      "Cross-Origin-Embedder-Policy: require-corp",
    ];
    for (const header of headers) {
      assertStringIncludes(assertThrows(() => new Barrier(2), TypeError).message, header);
      assertStringIncludes(
        assertThrows(() => Barrier.from({} as never), TypeError).message,
        header,
      );
      await assertRejects(() => Barrier.join({} as never), TypeError, header);
    }
    assertEquals(Barrier.byteLength(2) % 64, 0);
  });

  test("AsyncBarrier needs no shared memory", async () => {
    const barrier = new AsyncBarrier(2);
    const waiting = barrier.wait();
    assertEquals([await barrier.wait(), await waiting], [0, 1]);
  });
}
