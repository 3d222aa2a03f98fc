// Copyright 2026 the Rendezvous authors. MIT license.

import { engine, shareEngine } from "../_helpers/engine.ts";
import { contract } from "../contract/contract.ts";
import { clients, redis } from "./_adapter.ts";

const server = shareEngine();

for (const kind of clients) contract(redis(kind, () => server.path, engine.missing));
