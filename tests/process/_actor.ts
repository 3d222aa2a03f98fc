// Copyright 2026 the Rendezvous authors. MIT license.

// A process of any runtime that does what it is told by lines of JSON on stdin, and answers by lines of JSON on stdout.
// It may own a server and be a party. See Actor in _helpers.ts.

import process from "node:process";
import { createInterface } from "node:readline";
import {
  BrokenBarrierError,
  ProcessBarrier,
  type ProcessBarrierOptions,
  ProcessBarrierServer,
  type ProcessBarrierServerOptions,
} from "../../process_barrier.ts";

let server: ProcessBarrierServer;
let barrier: ProcessBarrier;

const verbs: Record<string, (...args: never[]) => unknown> = {
  async listen(options: ProcessBarrierServerOptions & { hangs?: boolean }) {
    const { hangs, ...rest } = options;
    if (hangs) rest.action = () => new Promise(() => {});
    server = await ProcessBarrierServer.listen(rest);
    return server.path;
  },
  async connect(path: string, options: ProcessBarrierOptions) {
    barrier = await ProcessBarrier.connect(path, options);
    return barrier.name;
  },
  server: (member: string, ...args: unknown[]) => callOrGet(server, member, args),
  barrier: (member: string, ...args: unknown[]) => callOrGet(barrier, member, args),
  closeServer: () => server[Symbol.asyncDispose](),
  closeBarrier: () => barrier[Symbol.asyncDispose](),
  exit: (code: number) => process.exit(code),
  reject: () => void Promise.reject(new Error("nobody handles this")),
  chdir: (path: string) => process.chdir(path),
  umask: (mask: number) => process.umask(mask),
  /** Reads no more, so that the process ends if nothing else keeps it alive. */
  rest() {
    lines.close();
    process.stdin.removeAllListeners("end");
    process.stdin.unref();
  },
};

function callOrGet(target: object, member: string, args: unknown[]): unknown {
  const value = Reflect.get(target, member);
  return typeof value === "function" ? value.apply(target, args) : value;
}

async function answer(line: string): Promise<void> {
  const { id, verb, args } = JSON.parse(line);
  let reply: object;
  try {
    reply = { id, value: await verbs[verb]!(...args as never[]) };
  } catch (error) {
    const { name, message, code } = error as Error & { code?: string };
    const { reason, phase, party } = error instanceof BrokenBarrierError ? error : {} as never;
    reply = { id, error: { name, message, code, reason, phase, party } };
  }
  process.stdout.write(JSON.stringify(reply) + "\n");
}

const lines = createInterface({ input: process.stdin });
lines.on("line", answer);
process.stdin.on("end", () => process.exit());
