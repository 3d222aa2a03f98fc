// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * A party in a thread of its own. It blocks in `wait()`.
 *
 * @module
 */

import { Barrier, type BarrierHandle } from "../../mod.ts";
import { type Controls, factsOf, type News, type Pace, takePart } from "./party.ts";

/** What the page posts first. */
export interface Start {
  handle: BarrierHandle;
  name: string;
  pace: Pace;
}

/** What it posts later. */
export type Command = Pick<Controls, "paused">;

const controls: Controls = { paused: false, ended: false };
const tell = (news: News) => self.postMessage(news);

self.onmessage = async ({ data }: MessageEvent<Start | Command>) => {
  if (!("handle" in data)) {
    controls.paused = data.paused;
    return;
  }
  const { handle, name, pace } = data;
  try {
    await takePart(await Barrier.join(handle, { name }), pace, controls, tell);
  } catch (error) {
    tell({ type: "ended", error: factsOf(error) });
    self.close(); // which frees the others
  }
};
