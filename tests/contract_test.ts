// Copyright 2026 the Rendezvous authors. MIT license.

import { tasks, threads } from "./_adapters.ts";
import { contract } from "./_contract.ts";

contract(tasks);
contract(threads("async", "async"));
contract(threads("blocking", "blocking"));
contract(threads("async and blocking", "async", "blocking"));
contract(threads("blocking and async", "blocking", "async"));
