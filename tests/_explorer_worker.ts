// Copyright 2026 the Rendezvous authors. MIT license.

// A thread that performs a party of the explorer, and waits for its turn before each operation. See
// _explorer_threads.ts.

import { type Ask, load, Party, real, type Result, SUSPENDED } from "./_explorer_party.ts";
import { scenarios } from "./_explorer_scenarios.ts";
import { CONTROLLER, LEAVE, type Order, PARTY, put, take, TURN } from "./_explorer_threads.ts";

// deno-lint-ignore no-explicit-any -- the compiler takes this for a window
const worker = globalThis as any;

worker.onmessage = async ({ data }: { data: Order }) => {
  const library = await load(data.url);
  worker.postMessage("loaded");
  const { mailbox, name } = data;
  if (mailbox === undefined) return;
  const turn = new Int32Array(mailbox);
  const scenario = scenarios.find((scenario) => scenario.name === name)!;
  const party = new Party(library, scenario, {
    ...data,
    ask: (op) => {
      hand({ op, standing: party.standing });
      if (real.load(turn, TURN) === LEAVE) throw SUSPENDED;
      return take<Result>(mailbox);
    },
  });
  party.play();
  hand({ op: undefined, standing: party.standing });

  function hand(ask: Ask) {
    put(mailbox!, ask);
    if (real.compareExchange(turn, TURN, PARTY, CONTROLLER) === LEAVE) return;
    real.notify(turn, TURN);
    // It may be woken late, by the notify of the turn before.
    while (real.load(turn, TURN) === CONTROLLER) real.wait(turn, TURN, CONTROLLER);
  }
};
