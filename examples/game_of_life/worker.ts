// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * A worker of `game_of_life.ts`: computes some rows of each generation.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import { Barrier, type BarrierHandle } from "../../mod.ts";
import { type Board, evolve } from "./rules.ts";

/** What a worker gets. */
export interface Task {
  barrier: BarrierHandle;
  name: string;
  /** The board, and one for the next generation: in memory that all workers share. */
  boards: [Board, Board];
  generations: number;
  /** Its rows: from the first to before the last. */
  rows: [first: number, last: number];
}

self.onmessage = async ({ data }: MessageEvent<Task>) => {
  let [board, next] = data.boards;
  using barrier = await Barrier.join(data.barrier, { name: data.name });
  for (let generation = 0; generation < data.generations; generation++) {
    evolve(board, next, ...data.rows);
    // One wait is enough: nobody writes into `board` before all have read it, as writing begins in the next round.
    barrier.wait();
    [board, next] = [next, board];
  }
  barrier.arriveAndDrop();
  self.postMessage("done");
  self.close();
};
