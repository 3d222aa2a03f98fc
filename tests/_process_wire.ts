// Copyright 2026 the Rendezvous authors. MIT license.

// JSON for what it has no word for, so that a party in another process can be told wrong things too.

/** The text of a value. What `refer` gives a number stands for that number there. */
export function encode(value: unknown, refer: (value: unknown) => number | undefined = none) {
  return JSON.stringify(value, (_, item) => {
    if (item === undefined) return { $: "undefined" };
    if (typeof item === "bigint") return { $: "bigint", text: `${item}` };
    if (typeof item === "number" && !Number.isFinite(item)) return { $: "number", text: `${item}` };
    const key = refer(item);
    return key === undefined ? item : { $: "reference", key };
  });
}

export function decode(text: string, resolve: (key: number) => unknown = none): unknown {
  return revive(JSON.parse(text), resolve);
}

// deno-lint-ignore no-explicit-any -- whatever there is
function revive(item: any, resolve: (key: number) => unknown): unknown {
  if (typeof item !== "object" || item === null) return item;
  switch (item.$) {
    case "undefined":
      return undefined;
    case "bigint":
      return BigInt(item.text);
    case "number":
      return Number(item.text);
    case "reference":
      return resolve(item.key);
  }
  for (const [name, member] of Object.entries(item)) item[name] = revive(member, resolve);
  return item;
}

function none(): undefined {}
