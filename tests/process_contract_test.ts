// Copyright 2026 the Rendezvous authors. MIT license.

import { contract } from "./_contract.ts";
import { connections, subprocesses } from "./_process_adapters.ts";

contract(connections("socket"));
contract(connections("shared-memory"));
contract(subprocesses(["socket"]));
contract(subprocesses(["shared-memory"]));
contract(subprocesses(["shared-memory"], { blocks: true }));
contract(subprocesses(["shared-memory", "socket"]));
