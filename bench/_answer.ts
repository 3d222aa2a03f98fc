// Copyright 2026 the Rendezvous authors. MIT license.

/** Does as often as each line of the input says, and answers each with a line. */
export async function answer(run: (phases: number) => Promise<void> | void): Promise<void> {
  const decoder = new TextDecoder();
  const met = new TextEncoder().encode("met\n");
  for await (const chunk of Deno.stdin.readable) {
    await run(Number(decoder.decode(chunk)));
    await Deno.stdout.write(met);
  }
}
