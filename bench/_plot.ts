// Copyright 2026 the Rendezvous authors. MIT license.

import type { Figures } from "./_measure.ts";
import { load } from "./_packages.ts";

/** The figures of a group, as `results.json` has them. */
export interface Result {
  title: string;
  reach: "tasks" | "workers" | "processes";
  parties: number;
  hogs: number;
  contenders: Figures[];
}

/** What is measured at a number of parties, as `growth.json` has it. */
export interface Point {
  barrier: string;
  parties: number;
  nsAPhase: number;
  nsAParty: number;
  bytesAParty: number;
}

/** The greys of a light page, and what stands for each on a dark one. */
const GREYS = { "#1f2328": "#f0f6fc", "#59636e": "#9198a1", "#d1d9e0": "#3d444d" };
const [TEXT, FAINT, LINES] = Object.keys(GREYS) as [string, string, string];

/** Colours that stand out on white and on black. */
const OURS = ["#e5534b", "#e8833a", "#d4a72c"];
const PEERS = ["#3a87d8", "#2f9e75", "#a371f7", "#5bb0c4", "#8a8f3c", "#c470a9"];

const NS_LABEL = "datum.value >= 1e9 ? datum.value / 1e9 + ' s' : " +
  "datum.value >= 1e6 ? datum.value / 1e6 + ' ms' : " +
  "datum.value >= 1e3 ? datum.value / 1e3 + ' µs' : datum.value + ' ns'";
const BYTES_LABEL =
  "datum.value >= 1048576 ? datum.value / 1048576 + ' MiB' : datum.value >= 1024 ? datum.value / 1024 + ' KiB' : datum.value + ' B'";

/** Draws what a phase costs, each kind of party in a panel of its own. */
export function drawResults(results: Result[]): Promise<string> {
  const calm = results.filter(({ hogs }) => hogs === 0);
  const panels = (["tasks", "workers", "processes"] as const).map((reach) =>
    panel(`${reach[0]!.toUpperCase()}${reach.slice(1)}`, calm.filter((it) => it.reach === reach))
  );
  const busy = results.filter(({ hogs, reach }) => hogs > 0 && reach === "workers");
  panels.push(panel("Workers, beside two busy processes", busy));
  return draw({
    columns: 2,
    spacing: { column: 20, row: 25 },
    resolve: { scale: { color: "independent", shape: "independent" } },
    concat: panels,
  });
}

function panel(title: string, results: Result[]) {
  const values = results.flatMap(({ parties, contenders }) =>
    contenders.map(({ name, kind, median }) => ({ parties, name, kind, median }))
  );
  const names = new Map(values.map(({ name, kind }) => [name, kind]));
  let ours = 0;
  let peers = 0;
  const range = [...names.values()].map((kind) =>
    kind === "ours" ? OURS[ours++] : kind === "peer" ? PEERS[peers++] : FAINT
  );
  const isOurs = "datum.kind === 'ours'";
  return {
    title,
    width: 210,
    height: 250,
    data: { values },
    encoding: {
      x: {
        field: "parties",
        type: "ordinal",
        title: "parties",
        axis: { labelAngle: 0, format: "," },
      },
      y: {
        field: "median",
        type: "quantitative",
        title: null,
        scale: { type: "log", domain: [30, 1e9], nice: false },
        axis: { values: [100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9], labelExpr: NS_LABEL },
      },
      color: {
        field: "name",
        type: "nominal",
        title: null,
        sort: null,
        scale: { domain: [...names.keys()], range },
      },
    },
    layer: [
      {
        mark: "line",
        encoding: {
          strokeWidth: { condition: { test: isOurs, value: 3 }, value: 1.2 },
          strokeDash: {
            condition: { test: "datum.kind === 'floor'", value: [3, 3] },
            value: [1, 0],
          },
        },
      },
      {
        mark: { type: "point", filled: true, opacity: 1 },
        encoding: {
          size: { condition: { test: isOurs, value: 80 }, value: 40 },
          shape: {
            field: "name",
            type: "nominal",
            sort: null,
            scale: { domain: [...names.keys()] },
          },
        },
      },
    ],
  };
}

/** Draws how long it takes from the last call to the last release. */
export function drawLatency(results: Result[]): Promise<string> {
  return draw({ ...panel("From the last call to the last release", results), width: 300 });
}

/** Draws how time and memory grow with the parties. */
export function drawGrowth(points: Point[]): Promise<string> {
  const barriers = [...new Set(points.map(({ barrier }) => barrier))];
  const y = (
    field: keyof Point,
    title: string,
    labelExpr: string,
    values: number[],
    domain?: number[],
  ) => ({
    title,
    width: 190,
    height: 220,
    encoding: {
      x: {
        field: "parties",
        type: "quantitative",
        title: "parties",
        scale: { type: "log" },
        axis: { format: ",", labelFlush: false, values: [1, 10, 100, 1_000, 10_000] },
      },
      y: {
        field,
        type: "quantitative",
        title: null,
        scale: { type: "log", ...(domain && { domain }) },
        axis: { labelExpr, values },
      },
      color: {
        field: "barrier",
        type: "nominal",
        title: null,
        scale: { domain: barriers, range: [OURS[0]!, PEERS[0]!, PEERS[1]!] },
        legend: { orient: "bottom", direction: "horizontal" },
      },
    },
    mark: { type: "line", strokeWidth: 2, point: { size: 35 } },
  });
  const decades = [10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];
  const sizes = [256, 2 ** 12, 2 ** 16, 2 ** 20, 2 ** 24];
  return draw({
    data: { values: points },
    spacing: 30,
    hconcat: [
      y("nsAPhase", "Time of a phase", NS_LABEL, decades),
      y("nsAParty", "Time of a phase, per party", NS_LABEL, decades),
      y("bytesAParty", "Memory, per party", BYTES_LABEL, sizes, [256, 2 ** 24]),
    ],
  });
}

async function draw(spec: object): Promise<string> {
  const { compile } = await load("vega-lite");
  const { parse, View } = await load("vega");
  const { spec: vega } = compile({
    ...spec,
    background: "transparent",
    config: {
      font: "system-ui, sans-serif",
      view: { stroke: null },
      title: { color: TEXT, fontSize: 13, anchor: "start" },
      axis: {
        labelColor: FAINT,
        titleColor: FAINT,
        titleFontWeight: "normal",
        gridColor: LINES,
        domainColor: LINES,
        tickColor: LINES,
      },
      legend: { labelColor: TEXT, labelFontSize: 11, labelLimit: 0, symbolOpacity: 1 },
    },
  });
  const svg = await new View(parse(vega), { renderer: "none" }).toSVG();
  const rules = Object.entries(GREYS).flatMap(([light, dark]) => [
    `[fill="${light}"]{fill:${dark}}`,
    `[stroke="${light}"]{stroke:${dark}}`,
  ]);
  const style = `<style>@media (prefers-color-scheme:dark){${rules.join("")}}</style>`;
  return svg.replace(/^<svg[^>]*>/, `$&${style}`) + "\n";
}
