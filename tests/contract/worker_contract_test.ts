// Copyright 2026 the Rendezvous authors. MIT license.

import { contract } from "./contract.ts";
import { threads } from "./worker_adapter.ts";

contract(threads("unnamed", "async"));
contract(threads("unnamed", "blocking"));
contract(threads("joined", "async"));
contract(threads("joined", "blocking"));
contract(threads("joined", "async", "blocking"));
