// Copyright 2026 the Rendezvous authors. MIT license.

// A party with no permission but those that the documentation lists: `_permitted.ts CLIENT URL NAME`. It meets one other,
// closes what is its own, and has nothing more to do.

import process from "node:process";
import { RedisBarrier } from "../../redis_barrier.ts";

const [kind, url, name] = process.argv.slice(2) as [string, string, string];
const options = { key: "permitted", parties: 2, name };

if (kind === "node-redis") {
  const { createClient } = await import("redis");
  const client = createClient({ url });
  client.on("error", (error) => process.stderr.write(`${error}\n`));
  await client.connect();
  await meet(await RedisBarrier.connect(client, options));
  client.destroy();
} else {
  await meet(await RedisBarrier.connect(url, options));
}

async function meet(barrier: RedisBarrier): Promise<void> {
  await barrier.wait();
  await barrier.arriveAndDrop();
  await barrier[Symbol.asyncDispose]();
  process.stdout.write("met\n");
}
