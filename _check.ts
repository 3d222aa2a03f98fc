// Copyright 2026 the Rendezvous authors. MIT license.

/** The limit of a 32-bit timer in ms: a longer delay would fire at once. */
export const MAX_DELAY = 2 ** 31 - 1;

/** The sentence of every refusal: "Cannot DO x as y must be Z: current value is V". */
export function cannot(doing: string, rule: string, shown: string | number): string {
  return `Cannot ${doing} as ${rule}: current value is ${shown}`;
}

/** Checks that options, where there are any, are an object. */
export function checkOptions(doing: string, value: unknown): void {
  if (value !== undefined && (typeof value !== "object" || value === null)) {
    throw new TypeError(cannot(doing, "options must be an object", show(value)));
  }
}

/** Checks that `value` is an integer from `min` to `max`. */
export function checkInteger(
  doing: string,
  name: string,
  value: unknown,
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
): asserts value is number {
  if (typeof value !== "number") {
    throw new TypeError(cannot(doing, `${name} must be a number`, show(value)));
  }
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(
      cannot(doing, `${name} must be an integer from ${min} to ${max}`, value),
    );
  }
}

/** Checks that `value` is a duration in ms, `Infinity` included. */
export function checkTimeout(
  doing: string,
  value: unknown,
): asserts value is number {
  if (typeof value !== "number") {
    throw new TypeError(cannot(doing, "timeout must be a number", show(value)));
  }
  if (!(value >= 0)) {
    throw new RangeError(cannot(doing, "timeout must be 0 ms or more", value));
  }
}

/** Checks that `value` is an abort signal, or nothing. */
export function checkSignal(
  doing: string,
  value: unknown,
): asserts value is AbortSignal | undefined {
  if (value !== undefined && !(value instanceof AbortSignal)) {
    throw new TypeError(
      cannot(doing, "signal must be an AbortSignal", show(value)),
    );
  }
}

/** Checks that `value` is one of `choices`. */
export function checkChoice(
  doing: string,
  name: string,
  value: unknown,
  choices: readonly string[],
): void {
  if (!choices.includes(value as string)) {
    const allowed = choices.map((choice) => `"${choice}"`).join(" or ");
    throw new TypeError(cannot(doing, `${name} must be ${allowed}`, show(value)));
  }
}

/** Checks that a barrier may have that many parties, some of whom are to be registered. */
export function checkMost(parties: number, most: number): void {
  if (parties > most) {
    throw new RangeError(cannot("register parties", `parties must be at most ${most}`, parties));
  }
}

/** Checks that `value` is the name of a party. */
export function checkName(doing: string, value: unknown): asserts value is string {
  if (typeof value !== "string") {
    throw new TypeError(cannot(doing, "name must be a string", show(value)));
  }
  if (value.length === 0 || value.length > 100) {
    const length = `${value.length} characters`;
    throw new RangeError(cannot(doing, "name must be 1 to 100 characters long", length));
  }
}

/** Checks that `value` is a function, or nothing. */
export function checkAction(doing: string, value: unknown): void {
  if (value !== undefined && typeof value !== "function") {
    throw new TypeError(
      cannot(doing, "action must be a function", show(value)),
    );
  }
}

/** How any value is shown in a message: never by calling its own code. */
export function show(value: unknown): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value);
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
