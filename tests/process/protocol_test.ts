// Copyright 2026 the Rendezvous authors. MIT license.

import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import {
  Cancelled,
  checkVersion,
  countOf,
  decodeCounts,
  decodeError,
  encodeError,
  isBySignal,
  namesOf,
  objectOf,
  VERSION,
} from "../../_process/protocol.ts";
import { BrokenBarrierError } from "../../process_barrier.ts";

/** What comes out at the other side. */
function cross(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

const HOSTILE = [undefined, null, 7, "text", [], {}, true, [[]], { phase: {} }, { reason: 7 }];

Deno.test("decodeError() gives what encodeError() was given", () => {
  const errors = [
    new TypeError("a"),
    new RangeError("b"),
    new DOMException("c", "TimeoutError"),
    new DOMException("d", "InvalidStateError"),
    new Cancelled("e"),
    new Error("f"),
    new BrokenBarrierError("g", { reason: "reset", phase: 3 }),
    new BrokenBarrierError("h", {
      reason: "lost",
      phase: 2 ** 40 - 1,
      arrived: 1,
      parties: 3,
      missing: ["a", 'b"\n'],
      party: "a",
      cause: "why",
    }),
  ];
  for (const error of errors) {
    const decoded = decodeError(cross(encodeError(error)));
    assertEquals([decoded.constructor, decoded.name], [error.constructor, error.name]);
    assertEquals({ ...decoded, message: decoded.message, cause: decoded.cause }, {
      ...error,
      message: error.message,
      cause: error.cause,
    });
  }
});

Deno.test("encodeError() takes only the text of a cause", () => {
  const cause = new Error("why");
  const { cause: told } = encodeError(
    new BrokenBarrierError("a", { reason: "aborted", phase: 0, cause }),
  );
  assertEquals(told, "why");
});

Deno.test("decodeError() takes whatever is told", () => {
  for (const told of HOSTILE) assertInstanceOf(decodeError(told), Error);
  for (const bad of HOSTILE) {
    const error = decodeError({
      name: "BrokenBarrierError",
      message: bad,
      reason: bad,
      phase: bad,
      arrived: bad,
      parties: bad,
      missing: bad,
      party: bad,
      cause: bad,
    });
    assertInstanceOf(error, BrokenBarrierError);
    assertEquals([error.reason, error.missing], ["lost", []]);
  }
});

Deno.test("decodeCounts(), namesOf(), countOf() and objectOf() take whatever is told", () => {
  for (const told of HOSTILE) {
    const counts = decodeCounts(told);
    assert(counts === undefined || counts.phase === 0);
    assertEquals(namesOf(told), []);
    assertEquals(typeof objectOf(told), "object");
    assertEquals(countOf(told), told === 7 ? 7 : 0);
  }
  assertEquals(namesOf(["a", 7, "b"]), ["a", "b"]);
  assertEquals([-1, 1.5, NaN, Infinity, "7"].map(countOf), [0, 0, 0, 0, 0]);
  assertEquals(decodeCounts({ parties: 3, arrived: 2, phase: 1, reason: "reset" }), {
    parties: 3,
    arrived: 2,
    phase: 1,
    broken: true,
    reason: "reset",
  });
});

Deno.test("checkVersion() says which version it wants, and which it got", () => {
  checkVersion(VERSION);
  for (const [version, shown] of [[1, "1"], ["2", '"2"'], [undefined, "undefined"]]) {
    assertThrows(() => checkVersion(version), RangeError, `current value is ${shown}`);
  }
});

Deno.test("isBySignal() tells an error of this signal from another", () => {
  const error = new BrokenBarrierError("a", { reason: "aborted", phase: 0, cause: "why" });
  assert(isBySignal(error, AbortSignal.abort("why")));
  assert(!isBySignal(error, AbortSignal.abort("other")));
  assert(!isBySignal(error, new AbortController().signal));
  assert(!isBySignal(error, undefined));
  assert(!isBySignal(new Error("why"), AbortSignal.abort("why")));
});
