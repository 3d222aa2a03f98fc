// Copyright 2026 the Rendezvous authors. MIT license.

// The contract, as a program for other runtimes: server and parties in one process. See runtimes_test.ts.

import { contract } from "../contract/contract.ts";
import { connections } from "./_adapter.ts";

contract(connections("socket"));
