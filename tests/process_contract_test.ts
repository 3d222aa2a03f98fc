// Copyright 2026 the Rendezvous authors. MIT license.

import { contract } from "./_contract.ts";
import { connections, subprocesses } from "./_process_adapters.ts";

contract(connections);
contract(subprocesses);
