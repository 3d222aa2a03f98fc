// Copyright 2026 the Rendezvous authors. MIT license.

/** The sentence for a bad argument: "Cannot DO x as y must be Z: current value is V". */
export function cannot(doing: string, rule: string, shown: string | number): string {
  return `Cannot ${doing} as ${rule}: current value is ${shown}`;
}

function wrongType(doing: string, rule: string, value: unknown): TypeError {
  return new TypeError(cannot(doing, rule, show(value)));
}

/** Checks that options, where there are any, are an object. */
export function checkOptions(doing: string, value: unknown): void {
  if (value !== undefined && (typeof value !== "object" || value === null)) {
    throw wrongType(doing, "options must be an object", value);
  }
}

/** Checks that an option which this method cannot heed is not given. */
export function checkAbsent(
  doing: string,
  options: object | undefined,
  name: string,
  rule: string,
): void {
  const value = (options as Record<string, unknown> | undefined)?.[name];
  if (value !== undefined) throw wrongType(doing, rule, value);
}

/** Checks that `value` is an integer from `min` to `max`. */
export function checkInteger(
  doing: string,
  name: string,
  value: unknown,
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
): asserts value is number {
  if (typeof value !== "number") throw wrongType(doing, `${name} must be a number`, value);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(cannot(doing, `${name} must be an integer from ${min} to ${max}`, value));
  }
}

/** Checks that `value` is a duration in ms, `Infinity` included. */
export function checkTimeout(
  doing: string,
  value: unknown,
  name: string = "timeout",
): asserts value is number {
  if (typeof value !== "number") throw wrongType(doing, `${name} must be a number`, value);
  if (!(value >= 0)) throw new RangeError(cannot(doing, `${name} must be 0 ms or more`, value));
}

/** Checks that `value` is an abort signal, or nothing. */
export function checkSignal(
  doing: string,
  value: unknown,
): asserts value is AbortSignal | undefined {
  if (value !== undefined && !(value instanceof AbortSignal)) {
    throw wrongType(doing, "signal must be an AbortSignal", value);
  }
}

/** Checks that `value` is one of `choices`. */
export function checkChoice(
  doing: string,
  name: string,
  value: unknown,
  choices: readonly string[],
): void {
  if (choices.includes(value as string)) return;
  const allowed = choices.map((choice) => `"${choice}"`).join(" or ");
  throw wrongType(doing, `${name} must be ${allowed}`, value);
}

/** Checks that `value` is a boolean, or nothing. */
export function checkBoolean(doing: string, name: string, value: unknown): void {
  if (value !== undefined && typeof value !== "boolean") {
    throw wrongType(doing, `${name} must be a boolean`, value);
  }
}

/** Checks that `value` is a function. */
export function checkFunction(doing: string, name: string, value: unknown): void {
  if (typeof value !== "function") throw wrongType(doing, `${name} must be a function`, value);
}

/** Checks that `value` is a promise, or something like it. */
export function checkPromise(doing: string, name: string, value: unknown): void {
  if (typeof (value as PromiseLike<unknown> | null | undefined)?.then !== "function") {
    throw wrongType(doing, `${name} must be a promise`, value);
  }
}

/** The longest name of a party, in bytes of UTF-8. */
export const MAX_NAME = 64;

/** Checks that `value` is the name of a party. */
export function checkName(doing: string, value: unknown): asserts value is string {
  if (typeof value !== "string") throw wrongType(doing, "name must be a string", value);
  const bytes = new TextEncoder().encode(value).length;
  if (bytes === 0 || bytes > MAX_NAME) {
    const rule = `name must be 1 to ${MAX_NAME} bytes of UTF-8`;
    throw new RangeError(cannot(doing, rule, `${bytes} bytes`));
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
