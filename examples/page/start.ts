// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * Starts parties: a worker for each, or a task for each.
 *
 * @module
 */

import type { AsyncBarrier, Barrier } from "../../mod.ts";
import { type Controls, factsOf, type News, type Pace, takePart } from "./party.ts";
import type { Command, Start } from "./worker.ts";

/** A party that was started, as the page sees it. */
export interface Party {
  /** Keeps it in its work, or lets it go on. */
  pause(paused: boolean): void;
  /** Ends it at once. It says no word to the others: the barrier must notice. */
  kill(): void;
}

/** Starts a worker that joins the barrier. */
export function startWorker(
  barrier: Barrier,
  name: string,
  pace: Pace,
  tell: (news: News) => void,
): Party {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  const { promise: ended, resolve: end, reject: fail } = Promise.withResolvers<void>();
  worker.onmessage = ({ data }: MessageEvent<News>) => tell(data);
  worker.onerror = (event) => {
    event.preventDefault();
    const error = new Error(event.message || "its script could not be loaded");
    tell({ type: "ended", error: factsOf(error) });
    worker.terminate();
    fail(error);
  };
  // If it ends before it has joined, this frees the others. Once it has joined, its own end does.
  barrier.expect(name, ended);
  worker.postMessage({ handle: barrier, name, pace } satisfies Start);
  return {
    pause: (paused) => worker.postMessage({ paused } satisfies Command),
    kill() {
      worker.terminate();
      end();
    },
  };
}

/** Starts a task that joins the barrier. */
export function startTask(
  barrier: AsyncBarrier,
  name: string,
  pace: Pace,
  tell: (news: News) => void,
): Party {
  const controls: Controls = { paused: false, ended: false };
  const { promise: killed, reject: kill } = Promise.withResolvers<never>();
  // A task cannot be ended from outside as a thread can: so it throws, also while it waits.
  barrier.run(name, (me) => Promise.race([takePart(me, pace, controls, tellOn), killed]))
    .catch((error) => tellOn({ type: "ended", error: factsOf(error) }));

  function tellOn(news: News): void {
    if (!controls.ended) tell(news);
  }
  return {
    pause(paused) {
      controls.paused = paused;
    },
    kill() {
      controls.ended = true;
      kill(new Error("killed"));
    },
  };
}
