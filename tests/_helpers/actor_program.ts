// Copyright 2026 the Rendezvous authors. MIT license.

// A process of any runtime that does what it is told by lines of JSON on stdin, and answers by lines of JSON on stdout.
// See Actor in tests/process/_helpers.ts.

import process from "node:process";
import { createInterface } from "node:readline";
import { BrokenBarrierError } from "../../barrier.ts";

export type Verbs = Record<string, (...args: never[]) => unknown>;

/** Does what `verbs` say. */
export function serve(verbs: Verbs): void {
  const lines = createInterface({ input: process.stdin });
  const all: Verbs = {
    exit: (code: number) => process.exit(code),
    /** Reads no more, so that the process ends if nothing else keeps it alive. */
    rest() {
      lines.close();
      process.stdin.removeAllListeners("end");
      process.stdin.unref();
    },
    ...verbs,
  };

  async function answer(line: string): Promise<void> {
    const { id, verb, args } = JSON.parse(line);
    let reply: object;
    try {
      reply = { id, value: await all[verb]!(...args as never[]) };
    } catch (error) {
      const { name, message, code } = error as Error & { code?: string };
      const { reason, phase, party } = error instanceof BrokenBarrierError ? error : {} as never;
      reply = { id, error: { name, message, code, reason, phase, party } };
    }
    process.stdout.write(JSON.stringify(reply) + "\n");
  }

  lines.on("line", answer);
  process.stdin.on("end", () => process.exit());
}

/** Calls a method, or gets a property. */
export function callOrGet(target: object, member: string, args: unknown[]): unknown {
  const value = Reflect.get(target, member);
  return typeof value === "function" ? value.apply(target, args) : value;
}
