// Copyright 2026 the Rendezvous authors. MIT license.

import config from "./deno.json" with { type: "json" };

/** A package that only the benchmarks need, as it is called in the `deno.json` of this folder. */
export type Package = keyof typeof config.imports;

/** What is used of each. */
interface Exports {
  "@esfx/async-barrier": {
    AsyncBarrier: new (parties: number) => { signalAndWait(): Promise<void> };
  };
  "async-barrier": { default: (parties: number) => () => Promise<void> };
  "vega": {
    parse(spec: object): object;
    View: new (dataflow: object, options: { renderer: "none" }) => { toSVG(): Promise<string> };
  };
  "vega-lite": { compile(spec: object): { spec: object } };
}

/**
 * Loads a package that only the benchmarks need. No import names one, so that the checks of the whole project, which
 * know only its own `deno.json`, pass without them, and nobody downloads them but who runs a benchmark.
 */
export async function load<Name extends Package>(
  name: Name,
): Promise<Exports[Name]> {
  return await import(name as string);
}

/** The version of a package. */
export function versionOf(name: Package): string {
  return config.imports[name].replace(/.*@/, "");
}
