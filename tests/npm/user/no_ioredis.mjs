// A program that has no ioredis. Prints what it is told.
// deno-lint-ignore-file no-console

import { RedisBarrier } from "@rendezvous/barrier/redis";

try {
  await RedisBarrier.connect("redis://127.0.0.1:1", { key: "run 42", parties: 2 });
} catch (error) {
  console.log(error.code);
  console.log(error.message.replace(/.*imported: /, ""));
}
