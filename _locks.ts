// Copyright 2026 the Rendezvous authors. MIT license.

/** What is used of Web Locks: the types of some platforms lack them. */
export interface Locks {
  request(
    name: string,
    options: { signal?: AbortSignal },
    granted: () => unknown,
  ): Promise<unknown>;
  query(): Promise<{ held?: { name?: string }[] }>;
}

/** Web Locks, where the platform has them. A lock is freed when the worker that holds it ends, however. */
export const locks = (globalThis.navigator as { locks?: Locks } | undefined)?.locks;

/** Takes a lock, and returns the function that frees it. */
export async function hold(locks: Locks, name: string): Promise<() => void> {
  const held = Promise.withResolvers<void>();
  const freed = Promise.withResolvers<void>();
  locks.request(name, {}, () => {
    held.resolve();
    return freed.promise;
  }).catch(held.reject);
  await held.promise;
  return freed.resolve;
}
