// Copyright 2026 the Rendezvous authors. MIT license.

// A program that calls one member, prints what that gives, and has nothing more to do: `_ends.ts SOCKET KEY NAME MEMBER`.

import process from "node:process";
import { RedisBarrier } from "../../redis_barrier.ts";

const [path, key, name, member] = process.argv.slice(2) as [string, string, string, string];
const barrier = await RedisBarrier.connect(path, { key, parties: 2, lease: 1_500, name });
process.stdout.write(`${await barrier[member as "wait"]()}\n`);
