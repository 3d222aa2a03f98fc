// Copyright 2026 the Rendezvous authors. MIT license.

/** A Redis of the tests' own: at a Unix socket in a directory of its own, without a port, and never the system's. */

import process from "node:process";
import { spawn } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { connect } from "node:net";
import { turn } from "../_helpers/harness.ts";

/** A program of the PATH. */
function onPath(name: string): string | undefined {
  return (process.env.PATH ?? "").split(":").map((directory) => `${directory}/${name}`)
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

const program = onPath("redis-server") ?? onPath("valkey-server");

/** Why there is no Redis to test with, if there is none. */
export const noRedis: string | undefined = program === undefined
  ? "neither redis-server nor valkey-server is found"
  : undefined;

/** A server that runs. */
export interface TestRedis extends AsyncDisposable {
  /** Its socket, which clients take for a URL. */
  readonly path: string;
  readonly pid: number;
}

/** Starts a server. It ends with its scope, and when this process does. */
export async function startRedis(...settings: string[]): Promise<TestRedis> {
  const directory = mkdtempSync(`${tmpdir()}/rendezvous-redis-`);
  const path = `${directory}/socket`;
  const args = ["--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no"];
  const child = spawn(program!, [...args, "--dir", directory, ...settings], { stdio: "ignore" });
  const ended = new Promise<void>((resolve) => child.on("exit", () => resolve()));
  const kill = () => child.kill("SIGKILL");
  process.on("exit", kill);
  const stop = async () => {
    process.off("exit", kill);
    kill();
    await ended;
    rmSync(directory, { recursive: true });
  };
  const answers = () =>
    new Promise<boolean>((resolve) => {
      const socket = connect(path);
      const done = (ok: boolean) => (socket.destroy(), resolve(ok));
      socket.on("connect", () => done(true)).on("error", () => done(false));
    });
  while (!await answers()) {
    if (child.exitCode !== null) {
      await stop();
      throw new Error(`redis-server ended with ${child.exitCode}`);
    }
    await turn();
  }
  return { path, pid: child.pid!, [Symbol.asyncDispose]: stop };
}
