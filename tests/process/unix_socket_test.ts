// Copyright 2026 the Rendezvous authors. MIT license.

import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import { connectTo, listenAt, type UnixSocket } from "../../_process/unix_socket.ts";
import { Actor, exists, namesIn, temporary, test, until } from "./_helpers.ts";

const never = new AbortController().signal;

/** Closes a socket, with whoever has connected. */
async function close(socket: UnixSocket): Promise<void> {
  await socket.close();
}

/** What an ended server leaves: a socket at which nobody listens. */
async function leaveStale(path: string): Promise<void> {
  const listener = Deno.listen({ transport: "unix", path: `${path}.left` });
  await Deno.link(`${path}.left`, path);
  listener.close();
}

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  const error = await assertRejects(() => promise, Error);
  return (error as { code?: string }).code;
}

async function modeOf(path: string): Promise<number> {
  return (await Deno.lstat(path)).mode! & 0o777;
}

test("listenAt() makes a directory that only the user may enter, and leaves nothing", async () => {
  const socket = await listenAt(undefined);
  const directory = socket.path.slice(0, socket.path.lastIndexOf("/"));
  assertEquals(await modeOf(directory), 0o700);
  assertEquals(await modeOf(socket.path), 0o600);
  await close(socket);
  assertFalse(await exists(directory));
});

test("listenAt() gives a socket at a path mode 0600, whatever the umask", async (scope) => {
  const path = `${await temporary(scope)}/socket`;
  const actor = new Actor(scope);
  await actor.do("umask", 0);
  await actor.do("listen", { parties: 1, path });
  assertEquals(await modeOf(path), 0o600);
});

test("listenAt() leaves nothing but what was there", async (scope) => {
  const directory = await temporary(scope);
  const socket = await listenAt(`${directory}/socket`);
  assertEquals(await namesIn(directory), ["socket"]);
  await close(socket);
  assertEquals(await namesIn(directory), []);
});

test("listenAt() makes a relative path absolute, so that chdir changes nothing", async (scope) => {
  const directory = await temporary(scope);
  const actor = new Actor(scope);
  await actor.do("chdir", directory);
  assertEquals(await actor.do("listen", { parties: 1, path: "socket" }), `${directory}/socket`);
  await actor.do("chdir", "/");
  (await connectTo(`${directory}/socket`, never)).close();
  await actor.do("closeServer");
  assertFalse(await exists(`${directory}/socket`));
});

test("listenAt() replaces a stale socket", async (scope) => {
  const path = `${await temporary(scope)}/socket`;
  await leaveStale(path);
  const socket = await listenAt(path);
  (await connectTo(path, never)).close();
  await close(socket);
});

test("listenAt() steals no socket that is live", async (scope) => {
  const path = `${await temporary(scope)}/socket`;
  const socket = await listenAt(path);
  assertEquals(await codeOf(listenAt(path)), "EADDRINUSE");
  (await connectTo(path, never)).close();
  await close(socket);
  // It is free again.
  await close(await listenAt(path));
});

test("listenAt() gives a stale path to one of many servers that want it", async (scope) => {
  const directory = await temporary(scope);
  const actors = Array.from({ length: 4 }, () => new Actor(scope));
  for (let round = 0; round < 10; round++) {
    const path = `${directory}/socket-${round}`;
    await leaveStale(path);
    const tries = await Promise.allSettled(
      actors.map((actor) => actor.do("listen", { parties: 1, path })),
    );
    assertEquals(tries.filter(({ status }) => status === "fulfilled").length, 1);
    (await connectTo(path, never)).close();
    await actors[tries.findIndex(({ status }) => status === "fulfilled")]!.do("closeServer");
  }
  assertEquals(await namesIn(directory), []);
});

test("listenAt() leaves any other file alone", async (scope) => {
  const directory = await temporary(scope);
  const path = `${directory}/file`;
  await Deno.writeTextFile(path, "mine");
  assertEquals(await codeOf(listenAt(path)), "EEXIST");
  await Deno.symlink(path, `${directory}/link`);
  assertEquals(await codeOf(listenAt(`${directory}/link`)), "EEXIST");
  await Deno.mkdir(`${directory}/directory`);
  assertEquals(await codeOf(listenAt(`${directory}/directory`)), "EEXIST");
  assertEquals(await Deno.readTextFile(path), "mine");
});

test("listenAt() hangs at no FIFO and follows no symlink beside its path", async (scope) => {
  const directory = await temporary(scope);
  for (const suffix of ["lock", "new"]) {
    const path = `${directory}/${suffix}`;
    await new Deno.Command("mkfifo", { args: [`${path}.${suffix}`] }).output();
    if (suffix === "lock") await close(await listenAt(path));
    else assertEquals(await codeOf(listenAt(path)), "EEXIST");
    assert((await Deno.lstat(`${path}.${suffix}`)).isFifo);
    const target = `${directory}/target`;
    await Deno.symlink(target, `${path}2.${suffix}`);
    if (suffix === "lock") await close(await listenAt(`${path}2`));
    else assertEquals(await codeOf(listenAt(`${path}2`)), "EEXIST");
    assertFalse(await exists(target));
  }
});

test("listenAt() takes the place of a server that died while it was about to listen", async (scope) => {
  const path = `${await temporary(scope)}/socket`;
  await leaveStale(`${path}.new`);
  await close(await listenAt(path));
  assertFalse(await exists(`${path}.new`));
});

test("listenAt() leaves alone what somebody has put in the place of its socket", async (scope) => {
  const path = `${await temporary(scope)}/socket`;
  const socket = await listenAt(path);
  await Deno.remove(path);
  await Deno.writeTextFile(path, "mine");
  await close(socket);
  assertEquals(await Deno.readTextFile(path), "mine");
});

test("listenAt() refuses a path that is too long, and one that is none", async () => {
  await assertRejects(() => listenAt("/tmp/" + "x".repeat(200)), RangeError);
  await assertRejects(() => listenAt(""), RangeError);
  await assertRejects(() => listenAt(1 as never), TypeError);
});

test("listenAt() fails at once where there is no such directory", async (scope) => {
  const directory = await temporary(scope);
  assertEquals(await codeOf(listenAt(`${directory}/none/socket`)), "ENOENT");
});

test("Deno.exit() leaves no socket behind", async (scope) => {
  const actor = new Actor(scope);
  const path = await actor.do<string>("listen", { parties: 1 });
  actor.do("exit", 3);
  assertEquals((await actor.status).code, 3);
  assertFalse(await exists(path.slice(0, path.lastIndexOf("/"))));
});

for (const signal of ["SIGINT", "SIGKILL"] as const) {
  test(`listenAt() sweeps what a server left that ended by ${signal}`, async (scope) => {
    const TMPDIR = await temporary(scope);
    const first = new Actor(scope, { TMPDIR });
    const path = await first.do<string>("listen", { parties: 1 });
    first.kill(signal);
    await first.status;
    assert(await exists(path));
    await new Actor(scope, { TMPDIR }).do("listen", { parties: 1 });
    assertFalse(await exists(path.slice(0, path.lastIndexOf("/"))));
  });
}

test("listenAt() sweeps what a server left that ended by an unhandled rejection", async (scope) => {
  const TMPDIR = await temporary(scope);
  const first = new Actor(scope, { TMPDIR });
  const path = await first.do<string>("listen", { parties: 1 });
  first.do("reject");
  await first.status;
  await new Actor(scope, { TMPDIR }).do("listen", { parties: 1 });
  assertFalse(await exists(path));
});

test("listenAt() sweeps nothing else", async (scope) => {
  const TMPDIR = await temporary(scope);
  const live = new Actor(scope, { TMPDIR });
  const path = await live.do<string>("listen", { parties: 1 });
  const kept = [path];
  const make = async (name: string, mode: number, files: string[]) => {
    const directory = `${TMPDIR}/${name}`;
    await Deno.mkdir(directory, { mode });
    for (const file of files) {
      if (file === "socket") await leaveStale(`${directory}/socket`);
      else await Deno.writeTextFile(`${directory}/${file}`, "mine");
      kept.push(`${directory}/${file}`);
    }
    if (files.length === 0) kept.push(directory);
  };
  await make("barrier-0123456789abcdef", 0o755, ["socket"]);
  await make("barrier-1123456789abcdef", 0o700, ["socket", "other"]);
  await make("barrier-2123456789abcdef", 0o700, []);
  await make("barrier-mine", 0o700, ["socket"]);
  await new Actor(scope, { TMPDIR }).do("listen", { parties: 1 });
  for (const path of kept) assert(await exists(path), path);
});

test("connectTo() tells with a code why nobody is there", async (scope) => {
  const path = `${await temporary(scope)}/socket`;
  assertEquals(await codeOf(connectTo(path, never)), "ENOENT");
  await leaveStale(path);
  assertEquals(await codeOf(connectTo(path, never)), "ECONNREFUSED");
});

test("connectTo() tries again while the queue of the server is full", async (scope) => {
  const path = `${await temporary(scope)}/socket`;
  using listener = Deno.listen({ transport: "unix", path });
  using stack = new DisposableStack();
  const isFull = async () => {
    try {
      stack.use(await Deno.connect({ transport: "unix", path }));
      return false;
    } catch (error) {
      assertEquals((error as { code?: string }).code, "EAGAIN");
      return true;
    }
  };
  await until(isFull, "a full queue");
  const controller = new AbortController();
  const given = connectTo(path, controller.signal);
  const late = connectTo(path, never);
  controller.abort("enough");
  assertEquals(await given.catch((error) => error), "enough");
  stack.use(await listener.accept());
  stack.adopt(await late, (stream) => stream.close());
});
