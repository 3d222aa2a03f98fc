// What a strict compiler must take, and what it must refuse. Nobody runs it.

import {
  AsyncBarrier,
  type AsyncBarrierOptions,
  Barrier,
  type BarrierHandle,
  type BreakReason,
  BrokenBarrierError,
} from "@rendezvous/barrier";
import {
  ProcessBarrier,
  ProcessBarrierServer,
  type ProcessBarrierStatus,
} from "@rendezvous/barrier/process";

import {
  RedisBarrier,
  type RedisBarrierOptions,
  type RedisClient,
} from "@rendezvous/barrier/redis";

const options: AsyncBarrierOptions = { action: (signal) => signal.aborted, timeout: undefined };

export async function tasks(signal: AbortSignal): Promise<string | undefined> {
  using barrier = new AsyncBarrier(2, options);
  try {
    const left: number = await barrier.wait({ signal, onCancel: "withdraw" });
    await barrier.run("a", (me: AsyncBarrier) => me.wait());
    return `${left} of ${barrier.missing.join()}`;
  } catch (error) {
    if (!(error instanceof BrokenBarrierError)) throw error;
    const reason: BreakReason = error.reason;
    const gone: string[] = barrier.reset(error.phase, { dropLost: true });
    return reason === "lost" ? gone[0] : error.party;
  }
}

export async function workers(handle: BarrierHandle): Promise<number> {
  using mine: Disposable = new Barrier(3, { buffer: new SharedArrayBuffer(Barrier.byteLength(3)) });
  using barrier = await Barrier.join(handle, { name: "a" });
  void mine;
  return barrier.wait({ timeout: 10 }) + await Barrier.from(barrier.buffer).waitAsync();
}

export async function processes(): Promise<ProcessBarrierStatus> {
  await using server = await ProcessBarrierServer.listen({ parties: 2 });
  await using barrier: AsyncDisposable & ProcessBarrier = await ProcessBarrier.connect(server.path);
  barrier.waitSync();
  return await server.status();
}

export async function machines(client: RedisClient): Promise<string[]> {
  const shared: RedisBarrierOptions = { key: "run 42", parties: 2, name: undefined };
  await using barrier: AsyncDisposable & RedisBarrier = await RedisBarrier.connect(client, shared);
  const url = new URL("redis://127.0.0.1");
  await using other = await RedisBarrier.connect(url, { ...shared, lease: 5_000 });
  await Promise.all([barrier.wait({ timeout: 10 }), other.arriveAndDrop()]);
  return [...(await barrier.status()).missing];
}

export function misuse(barrier: Barrier): void {
  // @ts-expect-error: parties are a number
  new AsyncBarrier("2");
  // @ts-expect-error: no such option
  barrier.wait({ timeOut: 10 });
  // @ts-expect-error: a wait that blocks heeds no signal
  barrier.wait({ signal: new AbortController().signal });
  // @ts-expect-error: the interface has no such member
  barrier.party;
  // @ts-expect-error: all state how many parties there are
  RedisBarrier.connect("redis://127.0.0.1", { key: "run 42" });
  // @ts-expect-error: no client of Redis
  RedisBarrier.connect(new Map(), { key: "run 42", parties: 2 });
  // @ts-expect-error: who connects is no server
  new ProcessBarrier("path");
}
