// Two processes meet, and the one that starts them serves. Prints what each wait gave.
// deno-lint-ignore-file no-console

import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { ProcessBarrier, ProcessBarrierServer } from "@rendezvous/barrier/process";

const [, , path, name] = process.argv;
if (path === undefined) await serve();
else await meet();

async function serve() {
  const server = await ProcessBarrierServer.listen({ parties: 2 });
  try {
    const waits = await Promise.all(["a", "b"].map((name) => start(server, name)));
    console.log(JSON.stringify(waits.sort()));
  } finally {
    await server[Symbol.asyncDispose]();
  }
}

/** Starts a party, and returns what its wait gave. */
async function start(server, name) {
  const args = [fileURLToPath(import.meta.url), server.path, name];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  server.expect(name, once(child, "exit"));
  let output = "";
  for await (const text of child.stdout.setEncoding("utf8")) output += text;
  return Number(output);
}

async function meet() {
  const barrier = await ProcessBarrier.connect(path, { name });
  console.log(await barrier.wait());
  await barrier.arriveAndDrop();
  await barrier[Symbol.asyncDispose]();
}
