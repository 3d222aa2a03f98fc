// Copyright 2026 the Rendezvous authors. MIT license.

// An actor that may own a server and be a party. See Actor in _helpers.ts.

import process from "node:process";
import {
  ProcessBarrier,
  type ProcessBarrierOptions,
  ProcessBarrierServer,
  type ProcessBarrierServerOptions,
} from "../../process_barrier.ts";
import { callOrGet, serve } from "../_helpers/actor_program.ts";

let server: ProcessBarrierServer;
let barrier: ProcessBarrier;

serve({
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
  reject: () => void Promise.reject(new Error("nobody handles this")),
  chdir: (path: string) => process.chdir(path),
  umask: (mask: number) => process.umask(mask),
});
