// Copyright 2026 the Rendezvous authors. MIT license.

/// <reference lib="deno.worker" />

/** A worker that joins the barrier that it is sent first, and then does what it is told. */

import { Barrier } from "../mod.ts";

let barrier: Barrier | undefined;

self.onmessage = async ({ data }) => {
  if (barrier === undefined) {
    barrier = await Barrier.join(data.barrier, data.name === undefined ? {} : { name: data.name });
    self.postMessage("joined");
    return;
  }
  switch (data) {
    case "wait":
      try {
        self.postMessage(barrier.wait());
      } catch (error) {
        self.postMessage(String(error));
      }
      break;
    case "drop":
      self.postMessage(barrier.arriveAndDrop());
      break;
    case "dispose":
      barrier[Symbol.dispose]();
      self.postMessage("disposed");
      break;
    case "close":
      self.close();
      break;
    case "throw":
      // In a task of its own, so that it is the worker's error.
      setTimeout(() => {
        throw new Error("on purpose");
      });
  }
};
