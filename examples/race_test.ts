// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * A race condition that shows in every run: a barrier fixes the order in which the parties come.
 *
 *     deno test examples/race_test.ts
 *
 * The code under test has a seam where a real program waits for its database. The test puts a barrier there: nobody
 * writes before everybody has read.
 *
 * @module
 */

import { strictEqual } from "node:assert";
import { AsyncBarrier } from "../mod.ts";

interface Account {
  balance: number;
}

/** Has the bug: a deposit that comes between reading and writing is lost. */
async function deposit(account: Account, amount: number, seam: () => Promise<unknown>) {
  const seen = account.balance;
  await seam();
  account.balance = seen + amount;
}

/** Mends it: writes only over what it has read, else it tries again. */
async function depositSafely(account: Account, amount: number, seam: () => Promise<unknown>) {
  for (;;) {
    const seen = account.balance;
    await seam();
    if (account.balance !== seen) continue;
    account.balance = seen + amount;
    return;
  }
}

/** Has three customers deposit 10 each, and returns the balance. */
async function depositTogether(how: typeof deposit): Promise<number> {
  const account = { balance: 0 };
  const barrier = new AsyncBarrier(3);
  // A customer who is done drops. So one who tries again waits only for those who try again, too.
  const customer = (name: string) => barrier.run(name, (me) => how(account, 10, () => me.wait()));
  await Promise.all(["Ann", "Bob", "Cyd"].map(customer));
  return account.balance;
}

Deno.test("deposit() loses all but one of three that come together, 1,000 times of 1,000", async () => {
  for (let i = 0; i < 1_000; i++) strictEqual(await depositTogether(deposit), 10);
});

Deno.test("depositSafely() loses none, 1,000 times of 1,000", async () => {
  for (let i = 0; i < 1_000; i++) strictEqual(await depositTogether(depositSafely), 30);
});
