// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * Conway's Game of Life on a board whose edges meet. Knows nothing of workers.
 *
 * @module
 */

/** A board: its cells row by row, 1 where one lives. */
export interface Board {
  width: number;
  height: number;
  cells: Uint8Array;
}

/** Computes the rows from `first` to before `last` of the next generation. */
export function evolve({ width, height, cells }: Board, next: Board, first: number, last: number) {
  for (let y = first; y < last; y++) {
    for (let x = 0; x < width; x++) {
      const alive = cells[y * width + x];
      let sum = 0;
      for (let dy = height - 1; dy <= height + 1; dy++) {
        for (let dx = width - 1; dx <= width + 1; dx++) {
          sum += cells[((y + dy) % height) * width + (x + dx) % width]!;
        }
      }
      // The sum counts the cell itself.
      next.cells[y * width + x] = sum === 3 || (sum === 4 && alive) ? 1 : 0;
    }
  }
}

/** Draws two rows of cells in each line. */
export function draw({ width, height, cells }: Board): string {
  const lines: string[] = [];
  for (let y = 0; y < height; y += 2) {
    const pairs = Array.from({ length: width }, (_, x) => {
      return " ▀▄█"[cells[y * width + x]! + 2 * cells[(y + 1) * width + x]!];
    });
    lines.push(pairs.join("").trimEnd());
  }
  return lines.join("\n");
}
