// Copyright 2026 the Rendezvous authors. MIT license.
// deno-lint-ignore-file no-console

/**
 * Conway's Game of Life on four workers: each computes a quarter of the rows, in memory that all share. They meet once
 * in each generation.
 *
 *     deno run --allow-read examples/game_of_life.ts
 *
 * At the end the board is compared with that of a run without workers.
 *
 * @module
 */

import { Barrier } from "../mod.ts";
import { type Board, draw, evolve } from "./game_of_life/rules.ts";
import type { Task } from "./game_of_life/worker.ts";

const WIDTH = 64;
const HEIGHT = 32;
const GENERATIONS = 300;
const WORKERS = 4;

/** The R-pentomino: five cells that keep changing for long. */
const START = [[1, 0], [2, 0], [0, 1], [1, 1], [1, 2]] as const;

function newBoard(): Board {
  const cells = new Uint8Array(new SharedArrayBuffer(WIDTH * HEIGHT));
  return { width: WIDTH, height: HEIGHT, cells };
}

function newBoards(): [Board, Board] {
  const board = newBoard();
  for (const [x, y] of START) board.cells[(HEIGHT / 2 + y) * WIDTH + WIDTH / 2 + x] = 1;
  return [board, newBoard()];
}

/** Computes all generations in this thread. */
function runHere(): Board {
  let [board, next] = newBoards();
  for (let generation = 0; generation < GENERATIONS; generation++) {
    evolve(board, next, 0, HEIGHT);
    [board, next] = [next, board];
  }
  return board;
}

/** Computes all generations on workers. */
async function runOnWorkers(): Promise<Board> {
  using barrier = new Barrier(WORKERS);
  const boards = newBoards();
  const running = Array.from({ length: WORKERS }, (_, i) => {
    const name = `rows of worker ${i}`;
    const rows: Task["rows"] = [i * HEIGHT / WORKERS, (i + 1) * HEIGHT / WORKERS];
    return start(barrier, { barrier, name, boards, generations: GENERATIONS, rows });
  });
  await Promise.all(running);
  return boards[GENERATIONS % 2]!;
}

function start(barrier: Barrier, task: Task): Promise<void> {
  const worker = new Worker(new URL("./game_of_life/worker.ts", import.meta.url), {
    type: "module",
  });
  const ended = new Promise<void>((resolve, reject) => {
    worker.onmessage = () => resolve();
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(`${task.name}: ${event.message}`));
    };
  });
  barrier.expect(task.name, ended);
  worker.postMessage(task);
  return ended;
}

const board = await runOnWorkers();
const expected = runHere();
const living = board.cells.reduce((sum, cell) => sum + cell);
console.log(draw(board));
console.log(`Generation ${GENERATIONS}: ${living} cells live.`);
if (draw(board) !== draw(expected)) throw new Error("The workers and one thread do not agree");
console.log(`${WORKERS} workers and one thread agree.`);
