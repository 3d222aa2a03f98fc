// Copyright 2026 the Rendezvous authors. MIT license.

import { type BreakReason, REASONS } from "../_common/errors.ts";

/*
 * The state of a barrier in shared memory: one word of 64 bits, so that every transition is one
 * compare-exchange. Only pure functions are here.
 *
 *   bits    name        holds
 *    0-9    remaining   parties that have yet to arrive; while broken: how many parties are gone
 *   10-19   parties     how many parties there are
 *   20-22   reason      0, or why the barrier is broken
 *     23    running     all parties of `phase` have arrived and its action runs; arrivals count for the next
 *   24-63   phase       the lowest phase that has not ended
 *
 * Where the last party drops behind a running action, `remaining` is 1 of no parties: it has filled the next phase,
 * which is to be told from nobody having come.
 *
 * Phases only grow, and a phase ends once: by passing, which moves the phase on, or by breaking, which sets the
 * reason and leaves the phase until a reset moves it on. So two equal states mean the same, whatever happened
 * between, and an arrival whose exchange succeeds counts in just the phase that was read. At 100 ns a phase, 2^40
 * phases last 30 hours; in the last 256 of them nobody arrives.
 *
 * A state is handled as two halves of 32 bits, as JavaScript is slow at 64.
 */
export interface State {
  readonly low: number;
  readonly high: number;
}

const COUNT_MASK = 0x3ff;
const PARTIES_SHIFT = 10;
const PARTY = 1 << PARTIES_SHIFT;
const PARTIES_MASK = COUNT_MASK << PARTIES_SHIFT;
const REASON_SHIFT = 20;
const REASON_MASK = 7 << REASON_SHIFT;
const RUNNING = 1 << 23;
const PHASE_SHIFT = 24;
const LOW_PHASES = 1 << 32 - PHASE_SHIFT;

/** The bits of the low half that change when a phase ends, however, or its action starts. */
export const ENDING_MASK = -1 << REASON_SHIFT;

/** The last phase that may be asked for. */
export const MAX_PHASE = 2 ** 40 - 1;

/** The reasons by their codes. With the last two the barrier is over: no reset mends it. */
const CODES: readonly (BreakReason | undefined)[] = [undefined, ...REASONS, "aborted", "lost"];
const OVER = 6;

/** The first state of a barrier. */
export function initialState(parties: number): State {
  return { low: parties << PARTIES_SHIFT | parties, high: 0 };
}

/** How many parties have yet to arrive in the phase that arrivals count for. Not to be asked while broken. */
export function remainingOf({ low }: State): number {
  return low & COUNT_MASK;
}

/** How many parties are gone, while broken. */
export function goneOf({ low }: State): number {
  return low & COUNT_MASK;
}

/** How many parties there are. */
export function partiesOf({ low }: State): number {
  return low >>> PARTIES_SHIFT & COUNT_MASK;
}

/** Why the barrier is broken, if it is. */
export function reasonOf({ low }: State): BreakReason | undefined {
  return CODES[(low & REASON_MASK) >>> REASON_SHIFT];
}

/** Whether the barrier is broken. */
export function isBroken({ low }: State): boolean {
  return (low & REASON_MASK) !== 0;
}

/** Whether the barrier is over: broken for good. */
export function isOver({ low }: State): boolean {
  return (low & REASON_MASK) >>> REASON_SHIFT >= OVER;
}

/** Whether an action runs, or ran when the barrier broke. */
export function isRunning({ low }: State): boolean {
  return (low & RUNNING) !== 0;
}

/** The lowest phase that has not ended. */
export function phaseOf({ low, high }: State): number {
  return (high >>> 0) * LOW_PHASES + (low >>> PHASE_SHIFT);
}

/** The phase that arrivals count for. */
export function arrivalPhaseOf(state: State): number {
  return phaseOf(state) + (state.low & RUNNING ? 1 : 0);
}

/** How many have arrived: all while the action runs. Not to be asked while broken. */
export function arrivedOf(state: State): number {
  return isRunning(state) ? partiesOf(state) : partiesOf(state) - remainingOf(state);
}

/** Whether no transition leads to this state: somebody has written over it. */
export function isCorrupt({ low }: State): boolean {
  return (low & REASON_MASK) === 0 && (low & COUNT_MASK) > (low >>> PARTIES_SHIFT & COUNT_MASK) &&
    !isDeserted(low);
}

/** Whether the last 256 phases have begun: nobody arrives in them. */
export function isExhausted({ high }: State): boolean {
  return high === -1;
}

/** Whether a party that has not arrived can: not broken, somebody is still to come, and phases are left. */
export function isOpen({ low, high }: State): boolean {
  return (low & REASON_MASK) === 0 && (low & COUNT_MASK) !== 0 && (low & PARTIES_MASK) !== 0 &&
    high !== -1;
}

/** Whether an arrival would be the last of its phase, and no other phase is in the way. */
export function isLast({ low }: State): boolean {
  return (low & (COUNT_MASK | RUNNING)) === 1;
}

/** After an arrival. After the last one the phase has passed, or its action runs. */
export function afterArrival(state: State, dropping: 0 | 1, hasAction: boolean): State {
  const after = { low: state.low - 1 - dropping * PARTY, high: state.high };
  if (!isLast(state)) {
    return (after.low & PARTIES_MASK) === 0 ? { low: after.low | 1, high: after.high } : after;
  }
  const full = refilled(after);
  return hasAction ? { low: full.low | RUNNING, high: full.high } : nextPhase(full);
}

/** After an arrival was taken back. */
export function afterWithdrawal({ low, high }: State): State {
  return { low: low + 1, high };
}

/** After the action has ended: the phase has passed. If the next has filled meanwhile, its action runs. */
export function afterAction(state: State): State {
  const next = behindAction(state);
  const isFull = partiesOf(state) === 0 ? isDeserted(state.low) : remainingOf(state) === 0;
  if (!isFull) return next;
  const full = refilled(next);
  return { low: full.low | RUNNING, high: full.high };
}

/** The next phase, which fills while an action runs. */
export function behindAction(state: State): State {
  return nextPhase({ low: state.low & ~RUNNING, high: state.high });
}

/** After parties were registered. */
export function afterRegistration(state: State, count: number): State {
  const remaining = isBroken(state) ? 0 : isDeserted(state.low) ? count - 1 : count;
  return { low: state.low + count * PARTY + remaining, high: state.high };
}

/** After a break, by which `gone` parties are gone. */
export function afterBreak(state: State, reason: BreakReason, gone: 0 | 1): State {
  return { low: state.low & ~COUNT_MASK | codeOf(reason) | gone, high: state.high };
}

/** After one more party is gone while the barrier is broken. */
export function afterLoss({ low, high }: State): State {
  return { low: low + 1, high };
}

/** After a reset: the phase that broke is left, and the one that filled behind its action. */
export function afterReset(state: State, dropLost: boolean): State {
  const dropped = dropLost ? Math.min(goneOf(state), partiesOf(state)) : 0;
  let next = refilled({ low: state.low - dropped * PARTY, high: state.high });
  next = nextPhase({ low: next.low & ~(RUNNING | REASON_MASK), high: next.high });
  return isRunning(state) ? nextPhase(next) : next;
}

/** After the end of a barrier that is not broken. */
export function afterEnd(state: State, reason: "aborted" | "lost"): State {
  const over = reason === "aborted" ? OVER : OVER + 1;
  return { low: state.low & ~COUNT_MASK | over << REASON_SHIFT, high: state.high };
}

/** After corruption was found: broken, and empty. */
export function afterCorruption(state: State): State {
  return { low: state.low & ~(COUNT_MASK | REASON_MASK) | codeOf("lost"), high: state.high };
}

/** The code of a reason, in its place. */
function codeOf(reason: BreakReason): number {
  return CODES.indexOf(reason) << REASON_SHIFT;
}

/** Whether the last party has dropped behind a running action. */
function isDeserted(low: number): boolean {
  return (low & ~(-1 << PHASE_SHIFT)) === (RUNNING | 1);
}

function refilled(state: State): State {
  return { low: state.low & ~COUNT_MASK | partiesOf(state), high: state.high };
}

function nextPhase({ low, high }: State): State {
  const next = low + (1 << PHASE_SHIFT) | 0;
  return { low: next, high: next >>> PHASE_SHIFT === 0 ? high + 1 | 0 : high };
}
