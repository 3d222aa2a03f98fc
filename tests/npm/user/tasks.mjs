// Two tasks meet, twice. Prints what each wait gave.
// deno-lint-ignore-file no-console

import { AsyncBarrier } from "@rendezvous/barrier";

const barrier = new AsyncBarrier(2);
for (let phase = 0; phase < 2; phase++) {
  console.log(JSON.stringify(await Promise.all([barrier.wait(), barrier.wait()])));
}
