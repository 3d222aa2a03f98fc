// Copyright 2026 the Rendezvous authors. MIT license.

/** The sentence for a bad argument: "Cannot DO x as y must be Z: current value is V". */
export function cannot(doing: string, rule: string, shown: string | number): string {
  return `Cannot ${doing} as ${rule}: current value is ${shown}`;
}

/** Throws the sentence for a bad argument, unless it is `ok`. */
function check(
  ok: boolean,
  doing: string,
  rule: string,
  value: unknown,
  Class: typeof TypeError | typeof RangeError = TypeError,
): void {
  if (!ok) throw new Class(cannot(doing, rule, show(value)));
}

/** What `typeof` tells of a type. */
interface Types {
  number: number;
  string: string;
  boolean: boolean;
  // deno-lint-ignore ban-types -- what `typeof` tells
  function: Function;
}

/** Checks that `value` is of a type. */
export function checkType<Name extends keyof Types>(
  doing: string,
  name: string,
  value: unknown,
  type: Name,
): asserts value is Types[Name] {
  // deno-lint-ignore valid-typeof -- Types has valid ones only
  check(typeof value === type, doing, `${name} must be a ${type}`, value);
}

/** Checks that options, where there are any, are an object. */
export function checkOptions(doing: string, value: unknown): void {
  const ok = value === undefined || typeof value === "object" && value !== null;
  check(ok, doing, "options must be an object", value);
}

/** Checks that an option which this method cannot heed is not given. */
export function checkAbsent(
  doing: string,
  options: object | undefined,
  name: string,
  rule: string,
): void {
  const value = (options as Record<string, unknown> | undefined)?.[name];
  check(value === undefined, doing, rule, value);
}

/** Checks that `value` is an integer from `min` to `max`. */
export function checkInteger(
  doing: string,
  name: string,
  value: unknown,
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
): asserts value is number {
  checkType(doing, name, value, "number");
  const ok = Number.isInteger(value) && value >= min && value <= max;
  check(ok, doing, `${name} must be an integer from ${min} to ${max}`, value, RangeError);
}

/** Checks that `value` is a duration in ms, `Infinity` included. */
export function checkTimeout(
  doing: string,
  value: unknown,
  name: string = "timeout",
): asserts value is number {
  checkType(doing, name, value, "number");
  check(value >= 0, doing, `${name} must be 0 ms or more`, value, RangeError);
}

/** Checks that `value` is an abort signal, or nothing. */
export function checkSignal(
  doing: string,
  value: unknown,
): asserts value is AbortSignal | undefined {
  const ok = value === undefined || value instanceof AbortSignal;
  check(ok, doing, "signal must be an AbortSignal", value);
}

/** Checks that `value` is one of `choices`. */
export function checkChoice(
  doing: string,
  name: string,
  value: unknown,
  choices: readonly string[],
): void {
  const allowed = choices.map((choice) => `"${choice}"`).join(" or ");
  check(choices.includes(value as string), doing, `${name} must be ${allowed}`, value);
}

/** Checks that `value` is a promise, or something like it. */
export function checkPromise(doing: string, name: string, value: unknown): void {
  check(isThenable(value), doing, `${name} must be a promise`, value);
}

/** The longest name of a party, in bytes of UTF-8. */
export const MAX_NAME = 64;

/** Checks that `value` is the name of a party. */
export function checkName(doing: string, value: unknown): asserts value is string {
  checkType(doing, "name", value, "string");
  const bytes = new TextEncoder().encode(value).length;
  // UTF-8 has no lone surrogates: different names would become one.
  const isLone = /\p{Surrogate}/u.test(value);
  if (bytes === 0 || bytes > MAX_NAME || isLone) {
    const rule = `name must be 1 to ${MAX_NAME} bytes of UTF-8`;
    throw new RangeError(
      cannot(doing, rule, isLone ? "text with a lone surrogate" : `${bytes} bytes`),
    );
  }
}

/** How any value is shown in a message: never by calling its own code. */
export function show(value: unknown): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}…` : value);
    case "object":
      return value === null ? "null" : "an object";
    case "function":
      return "a function";
    case "bigint":
      return `${value}n`;
    default:
      return String(value);
  }
}

/** Whether `value` is a promise, or something like it. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === "function";
}
