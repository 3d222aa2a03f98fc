// Copyright 2026 the Rendezvous authors. MIT license.

import type { Machine } from "./_machine.ts";
import type { Result } from "./_plot.ts";

const BEGIN = "<!-- figures: written by `deno task bench:peers` -->\n";
const REDIS_BEGIN = "<!-- figures: written by `deno task bench:redis` -->\n";
const END = "<!-- end of figures -->\n";

/** Puts the figures of a run in place of those of another. */
export function replaceFigures(readme: string, machine: Machine, results: Result[]): string {
  return replace(readme, BEGIN, figures(machine, results));
}

/** The same for those of `redis.ts`. */
export function replaceLatencies(readme: string, machine: Machine, results: Result[]): string {
  const unit = "µs from the last call to the last release, medians";
  return replace(readme, REDIS_BEGIN, `${facts(machine, unit)}\n${table(results)}\n`);
}

function replace(readme: string, marker: string, text: string): string {
  const begin = readme.indexOf(marker);
  const end = readme.indexOf(END, begin);
  if (begin < 0 || end < begin) throw new Error("Cannot find the place of the figures");
  return readme.slice(0, begin + marker.length) + text + readme.slice(end);
}

function facts(
  { date, processor, hardwareThreads, kernel, versions }: Machine,
  unit: string,
): string {
  // A list, as a paragraph would be wrapped by the formatter.
  const facts = [
    `${date.slice(0, 10)}, Deno ${versions.deno}`,
    `${processor}, ${hardwareThreads} hardware threads`,
    kernel,
    unit,
  ];
  return `\n${facts.map((fact) => `- ${fact}\n`).join("")}`;
}

function figures(machine: Machine, all: Result[]) {
  let text = facts(machine, "µs a phase, medians");
  for (const hogs of [0, 2]) {
    for (const reach of ["tasks", "workers", "processes"] as const) {
      const results = all.filter((result) => result.hogs === hogs && result.reach === reach);
      if (results.length === 0) continue;
      const title = `${reach[0]!.toUpperCase()}${reach.slice(1)}`;
      text += `\n### ${title}${hogs > 0 ? ", beside two busy processes" : ""}\n\n`;
      text += table(results);
    }
  }
  return `${text}\n`;
}

/** One row for each contender, one column for each number of parties. */
function table(results: Result[]): string {
  const names = new Set(results.flatMap(({ contenders }) => contenders.map(({ name }) => name)));
  const rows = [["", ...results.map(({ parties }) => `${parties.toLocaleString("en")} parties`)]];
  for (const name of names) {
    const cells = results.map(({ contenders }) => {
      const found = contenders.find((contender) => contender.name === name);
      return found === undefined ? "" : microseconds(found.median);
    });
    rows.push([name, ...cells]);
  }
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  const line = (row: string[]) => `| ${row.join(" | ")} |\n`;
  const [header, ...body] = rows.map((row) =>
    line(row.map((cell, i) => i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
  );
  const rule = widths.map((width, i) => i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`);
  return header + line(rule) + body.join("");
}

/** Three digits, or all of a larger number. */
function microseconds(ns: number): string {
  const number = ns / 1e3;
  return number >= 100 ? Math.round(number).toLocaleString("en") : number.toPrecision(3);
}
