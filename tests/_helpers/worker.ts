// Copyright 2026 the Rendezvous authors. MIT license.

type WorkerThreads = typeof import("node:worker_threads");

const { process } = globalThis as {
  process?: { getBuiltinModule?(name: string): WorkerThreads; exit(): void };
};
const nodeThreads = process?.getBuiltinModule?.("node:worker_threads");

/** Whether this is the main thread of a page. */
export const isPage: boolean = "document" in globalThis;

/** How a worker is started: by which class, and whether it gets its barrier with a message or at once. */
export type WorkerKind = "Worker" | "node:worker_threads" | "workerData";

const webKinds: WorkerKind[] = "Worker" in globalThis ? ["Worker"] : [];
const nodeKinds: WorkerKind[] = nodeThreads === undefined
  ? []
  : ["node:worker_threads", "workerData"];

/** The kinds that this runtime has. First the one that is meant where none is said: in Bun a `Worker` cannot join. */
export const workerKinds: readonly WorkerKind[] = "Bun" in globalThis
  ? [...nodeKinds, ...webKinds]
  : [...webKinds, ...nodeKinds];

/** A worker of any kind, as who started it sees it. */
export interface StartedWorker {
  post(message: unknown): void;
  terminate(): void;
}

/** Starts a worker, which gets `first` at once where it is started with `workerData`. */
export function startWorker<Message>(
  url: string,
  onMessage: (message: Message) => void,
  onError: (error: Error) => void,
  kind: WorkerKind = workerKinds[0]!,
  first?: unknown,
): StartedWorker {
  if (kind === "Worker") {
    const worker = new Worker(url, { type: "module" });
    worker.onmessage = ({ data }) => onMessage(data);
    worker.onerror = (event) => {
      event.preventDefault();
      onError(new Error(event.message));
    };
    return {
      post: (message) => worker.postMessage(message),
      terminate: () => worker.terminate(),
    };
  }
  const workerData = { isNodeWorker: true, first };
  const worker = new nodeThreads!.Worker(new URL(url), { workerData });
  worker.on("message", onMessage);
  worker.on("error", (error) => onError(new Error(String(error))));
  return {
    post: (message) => worker.postMessage(message),
    terminate: () => void worker.terminate(),
  };
}

/** What a worker of any kind has of whoever started it. */
export interface ParentOfWorker {
  post(message: unknown): void;
  listen<Message>(listener: (message: Message) => void): void;
  /** Ends this worker. */
  close(): void;
}

/** That of this worker. */
export function parentOfWorker(): ParentOfWorker {
  const { parentPort, workerData } = nodeThreads ?? {};
  if (workerData?.isNodeWorker) {
    return {
      post: (message) => parentPort!.postMessage(message),
      listen(listener) {
        parentPort!.on("message", listener);
        if (workerData.first !== undefined) listener(workerData.first);
      },
      close: () => process!.exit(),
    };
  }
  const scope = globalThis as unknown as Worker & { close(): void };
  return {
    post: (message) => scope.postMessage(message),
    listen: (listener) => scope.onmessage = ({ data }) => listener(data),
    close: () => scope.close(),
  };
}
