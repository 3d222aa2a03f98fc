// Four workers meet, blocking. Each writes its cell before, and adds up all cells after. Prints what each wait gave,
// and the sums.
// deno-lint-ignore-file no-console

import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { Barrier } from "@rendezvous/barrier";

if (isMainThread) {
  const barrier = new Barrier(4);
  const cells = new Int32Array(new SharedArrayBuffer(16));
  const answers = await Promise.all([0, 1, 2, 3].map((index) => {
    const worker = new Worker(new URL(import.meta.url));
    return new Promise((resolve, reject) => {
      worker.once("error", reject);
      worker.once("message", resolve);
      // The barrier is posted by itself, as the documentation says that it can be.
      worker.postMessage({ cells, index });
      worker.postMessage(barrier);
    });
  }));
  console.log(JSON.stringify(answers.map(([left]) => left).sort()));
  console.log(JSON.stringify(answers.map(([, sum]) => sum)));
} else {
  parentPort.once("message", ({ cells, index }) => {
    cells[index] = index + 1;
    parentPort.once("message", (handle) => {
      const left = Barrier.from(handle).wait();
      parentPort.postMessage([left, cells.reduce((a, b) => a + b)]);
    });
  });
}
