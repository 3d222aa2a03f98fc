// Copyright 2026 the Rendezvous authors. MIT license.

import { until } from "./harness.ts";

/** Stops a process by SIGSTOP, and waits until all its threads stand still. */
export async function suspend(pid: number): Promise<void> {
  Deno.kill(pid, "SIGSTOP");
  const isStopped = async () => {
    const states = [];
    for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) {
      const stat = await Deno.readTextFile(`/proc/${pid}/task/${name}/stat`);
      states.push(stat.slice(stat.lastIndexOf(")") + 2)[0]);
    }
    return states.every((state) => state === "T");
  };
  await until(isStopped, "all threads stopped");
}
