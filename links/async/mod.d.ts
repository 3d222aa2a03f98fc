export interface DelayOptions {
  signal?: AbortSignal;
  persistent?: boolean;
}

export interface DeadlineOptions {
  signal?: AbortSignal;
}

export interface PollOptions {
  signal?: AbortSignal;
  interval?: number;
}

export function abortable<T>(p: Promise<T>, signal: AbortSignal): Promise<T>;
export function abortable<T>(
  p: AsyncIterable<T>,
  signal: AbortSignal,
): AsyncGenerator<T>;

export function deadline<T>(
  p: Promise<T>,
  ms: number,
  options?: DeadlineOptions,
): Promise<T>;

export function delay(ms: number, options?: DelayOptions): Promise<void>;

export function poll<T>(
  fn: () => T,
  isDone: (result: Awaited<T>) => boolean,
  options?: PollOptions,
): Promise<Awaited<T>>;

export function pooledMap<T, R>(
  poolLimit: number,
  array: Iterable<T> | AsyncIterable<T>,
  iteratorFn: (data: T) => Promise<R>,
): AsyncIterableIterator<R>;
