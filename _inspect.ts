// Copyright 2026 the Rendezvous authors. MIT license.

/** How a barrier is shown: `AsyncBarrier { 2/3 arrived, phase 7 }`. */
export function inspect(
  name: string,
  { arrived, parties, phase }: { arrived: number; parties: number; phase: number },
  broken: string | undefined,
): string {
  const state = broken === undefined ? `${arrived}/${parties} arrived` : `broken: ${broken}`;
  return `${name} { ${state}, phase ${phase} }`;
}
