// Copyright 2026 the Rendezvous authors. MIT license.
// deno-lint-ignore-file no-console -- a campaign tells what it did

// Random strikes on parties, connections and engines. REDIS_STRIKES=N has it strike so often, and BARRIER_SEED=S has it
// begin elsewhere.

import { assert, assertEquals } from "@std/assert";
import { Pool, ProcessActor } from "../chaos/actors.ts";
import { Engine, engine } from "../_helpers/engine.ts";
import { test } from "../_helpers/harness.ts";
import { Figures, play, type Setting } from "./_strikes.ts";

const SEED = Number(Deno.env.get("BARRIER_SEED") ?? 1);
const STRIKES = Number(Deno.env.get("REDIS_STRIKES") ?? 20);

const ignore = engine.missing ?? (Deno.build.os === "linux" ? undefined : "it needs signals");

async function setUp(scope: AsyncDisposableStack): Promise<Setting> {
  const directory = await Deno.makeTempDir({ prefix: "rendezvous-strikes-" });
  return {
    directory,
    engine: await Engine.start(scope, { durable: true }),
    pool: scope.use(new Pool(() => new ProcessActor(false, true))),
    figures: new Figures(),
    watchdog: 30_000,
  };
}

test(
  "RedisBarrier keeps its contract when parties, connections and engines fail",
  async (scope) => {
    const setting = await setUp(scope);
    const { directory, figures } = setting;
    scope.defer(() => console.log(`${figures}`));
    for (let seed = SEED; figures.total < STRIKES; seed++) {
      const strikes = Math.min(STRIKES - figures.total, 1 + seed % 4);
      const problems = await play(seed, strikes, setting);
      if (problems.length > 0) {
        const list = [`${directory}/log-${seed}`, ...problems.slice(0, 8)].join("\n  ");
        const again = `BARRIER_SEED=${seed} REDIS_STRIKES=${strikes} deno task strikes`;
        throw new Error(`${list}\n${again}`);
      }
    }
    await Deno.remove(directory, { recursive: true });
  },
  { ignore, deadline: 30_000 + STRIKES * 10_000 },
);

test("the judge of strikes notices a script that releases one party early", async (scope) => {
  const mutation = [
    "count(b.phase) >= b.parties do",
    "count(b.phase) >= b.parties - 1 do",
  ] as const;
  // It is left to itself: who was released early leaves the others waiting.
  const setting: Setting = { ...await setUp(scope), mutation: [...mutation], watchdog: 2_000 };
  let problems: string[] = [];
  // In some rounds all have begun to arrive by the time that the first passes.
  for (let seed = 1; seed <= 10 && !problems.some((text) => text.includes("early")); seed++) {
    problems = await play(seed, 0, setting);
  }
  await Deno.remove(setting.directory, { recursive: true });
  assert(problems.some((text) => text.includes("early")), problems.join("\n"));
  assertEquals(setting.figures.total, 0);
}, { ignore });
