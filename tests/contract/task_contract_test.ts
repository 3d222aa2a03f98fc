// Copyright 2026 the Rendezvous authors. MIT license.

import { contract } from "./contract.ts";
import { tasks } from "./task_adapter.ts";

contract(tasks("one handle"));
contract(tasks("joined"));
