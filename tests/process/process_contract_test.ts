// Copyright 2026 the Rendezvous authors. MIT license.

import { contract } from "../contract/contract.ts";
import { connections } from "./_adapter.ts";

contract(connections("socket"));
contract(connections("shared-memory"));
contract(connections("shared-memory", "socket"));
