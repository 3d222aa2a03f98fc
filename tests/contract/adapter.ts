// Copyright 2026 the Rendezvous authors. MIT license.

import type { JoinOptions, ResetOptions, WaitForOptions, WaitOptions } from "../../barrier.ts";

/** What any barrier shows of itself. */
export interface State {
  parties: number;
  arrived: number;
  phase: number;
  broken: boolean;
  missing: readonly string[];
}

/** All that can be done with a barrier without arriving. */
export interface Handle {
  waitFor(phase: number, options?: WaitForOptions): Promise<void>;
  ready(options?: WaitForOptions): Promise<void>;
  register(count?: number): Promise<number>;
  abort(reason?: unknown): Promise<void>;
  reset(phase?: number, options?: ResetOptions): Promise<string[]>;
  dispose(): Promise<void>;
  state(): Promise<State>;
}

/** Who made the barrier. */
export interface Host extends Handle {
  /** Where a party can be expected. */
  expect?(name: string, ended: PromiseLike<unknown>): Promise<void>;
}

/** A party. What one is told, it does in that order; while it waits, it need not listen. */
export interface Party extends Handle {
  /** Its name, if it has one. */
  name?: string | undefined;
  wait(options?: WaitOptions): Promise<number>;
  arrive(): Promise<number>;
  arriveAndDrop(): Promise<number>;
}

/** A barrier, and its parties. */
export interface Fixture extends AsyncDisposable {
  host: Host;
  /** As many as the barrier was made for. */
  parties: Party[];
  /** One more handle: with a name, where parties have names. */
  join(options?: JoinOptions): Promise<Party>;
  /** A party without a name, beside those that have one. */
  unnamed?: Party;
  /** Takes a party away without a word. */
  lose?(party: Party): Promise<void>;
}

export interface MakeOptions {
  action?: ((signal: AbortSignal) => unknown) | undefined;
  timeout?: number | undefined;
}

/** What a kind of barrier can do, and its parties. */
export interface Abilities {
  /** The first party can be given a signal. */
  signal: boolean;
  /** Parties have names. */
  names: boolean;
  /** A party without a name can be there beside them. */
  unnamed: boolean;
  /** A party has a handle of its own, which can be disposed. */
  dispose: boolean;
  /** It is noticed when a party is gone. */
  lose: boolean;
  /** A party can be expected. */
  expect: boolean;
  /** There is a maker, whose handle ends the barrier, and whose action and timeout are those of all. */
  maker: boolean;
  /** Parties can be added. */
  register: boolean;
  /** The numbers of a phase are a permutation even when a party withdrew or was registered. */
  renumber?: boolean;
}

/** A kind of barrier. */
export interface Adapter {
  /** The name of a test, from a member such as `.wait()`. */
  title(member: string, behaviour: string): string;
  /** Makes one; only its host if `alone`. */
  make(parties: number, options?: MakeOptions, alone?: boolean): Promise<Fixture>;
  /** The most parties. */
  most: number;
  /** What the others are told when the maker ends the barrier. */
  over?: string;
  can: Abilities;
  /** Why it cannot be tested here, if it cannot. */
  ignored?: string | undefined;
}
