// Copyright 2026 the Rendezvous authors. MIT license.

// The contract, as a program for other runtimes: all parties in one process. The argument is the socket of the engine.

import process from "node:process";
import { contract } from "../contract/contract.ts";
import { clients, redis } from "./_adapter.ts";

for (const kind of clients) contract(redis(kind, () => process.argv[2]!));
