// Copyright 2026 the Rendezvous authors. MIT license.
// deno-lint-ignore-file no-console -- printing is what it is for

/**
 * Processes each work for a random time, reach the barrier, wait for each other, and go on together. Run it:
 *
 *     deno run -A process_demo.ts --help
 *
 * It runs itself once more for each process, as `process_demo.ts party TASK`, with no permission but to reach
 * the barrier. The parties print what they do; what the timeline needs they tell in lines of JSON on stderr.
 *
 * @module
 */

import { delay } from "@std/async";
import { ProcessBarrier, ProcessBarrierServer } from "./process_barrier.ts";

/** What a party is told to do. */
interface Task {
  path: string;
  party: number;
  /** How long it works in each phase, in seconds. */
  work: number[];
  /** The party is to be killed: it never gets done with its work. */
  doomed: boolean;
}

/** What a party tells of itself, at a time in ms since 1970. */
interface Event {
  what: "works" | "reached" | "passed" | "stopped" | "killed";
  at: number;
  why?: string;
}

interface Options {
  processes: number;
  phases: number;
  seed: number;
  kill?: number;
  timeline: boolean;
}

if (import.meta.main) {
  const [role, task] = Deno.args;
  Deno.exitCode = role === "party" ? await takePart(JSON.parse(task!)) : await main();
}

/** One party, in a process of its own. Returns its exit status. */
async function takePart({ path, party, work, doomed }: Task): Promise<number> {
  const name = `Process ${party}`;
  try {
    await using barrier = await ProcessBarrier.connect(path, { name });
    for (const seconds of work) {
      console.log(`${name} is working for ${seconds.toFixed(2)} seconds.`);
      tell("works");
      await delay(seconds * 1_000);
      if (doomed) await barrier.waitFor(barrier.phase);
      console.log(`${name} reached the barrier.`);
      tell("reached");
      await barrier.wait();
      console.log(`${name} passed the barrier and continues working.`);
      tell("passed");
    }
    return 0;
  } catch (error) {
    tell("stopped", (error as Error).message);
    return 1;
  }
}

function tell(what: Event["what"], why?: string): void {
  const event: Event = { what, at: now() };
  console.error(JSON.stringify(why === undefined ? event : { ...event, why }));
}

function now(): number {
  return performance.timeOrigin + performance.now();
}

/** The parent of the parties. Returns the exit status. */
async function main(): Promise<number> {
  const options = await readOptions(Deno.args);
  if (typeof options === "number") return options;
  const { processes, kill, timeline } = options;
  const work = await workTimes(options);
  await using server = await ProcessBarrierServer.listen({ parties: processes });
  const children: Deno.ChildProcess[] = [];
  let interrupted = 0;
  const interrupt = (status: number) => () => {
    interrupted ||= status;
    for (const child of children) stop(child);
  };
  const signals = [
    ["SIGHUP", interrupt(129)],
    ["SIGINT", interrupt(130)],
    ["SIGTERM", interrupt(143)],
  ] as const;
  for (const [signal, handler] of signals) Deno.addSignalListener(signal, handler);
  try {
    for (const [party, seconds] of work.entries()) {
      children.push(spawn({ path: server.path, party, work: seconds, doomed: party === kill }));
    }
    const runs = children.map((child, party) =>
      follow(child, party, async ({ what }) => {
        if (party !== kill || what !== "works") return;
        // It goes when it alone still works, and all others wait for it.
        while (server.arrived < processes - 1 && !server.broken) await delay(5);
        stop(child);
      })
    );
    const histories = await Promise.all(runs);
    if (interrupted) return interrupted;
    if (timeline) console.log(draw(histories, terminalWidth()));
    return histories.every((history) => history.at(-1)?.what === "passed") ? 0 : 1;
  } finally {
    for (const child of children) stop(child);
    for (const [signal, handler] of signals) Deno.removeSignalListener(signal, handler);
  }
}

/** The options; an exit status where there is nothing to do. */
async function readOptions(args: string[]): Promise<Options | number> {
  // Imported here, as the parties have no use for it.
  const { Command, CommanderError, InvalidArgumentError } = await import("commander");
  const integer = (min: number, max: number) => (text: string) => {
    const value = Number(text);
    if (/^-?\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be an integer from ${min} to ${max}.`);
  };
  const command = new Command("process_demo.ts")
    .description("Processes work for a random time, meet at a barrier, and go on together.")
    .option("-n, --processes <N>", "how many processes", integer(1, 256), 4)
    .option("-p, --phases <K>", "how often they meet", integer(1, 1_000), 1)
    .option("-s, --seed <S>", "for work times that can be repeated", integer(0, 2 ** 31 - 1))
    .option("-k, --kill <I>", "kill process I by SIGKILL before it arrives", integer(0, 255))
    .option("--no-timeline", "draw no timeline of the run")
    .showHelpAfterError("(--help shows the options)")
    .exitOverride();
  try {
    const options = command.parse(args, { from: "user" }).opts<Options>();
    if (options.kill !== undefined && options.kill >= options.processes) {
      const last = options.processes - 1;
      command.error(`error: option '--kill' must be an integer from 0 to ${last}: ${options.kill}`);
    }
    return { ...options, seed: options.seed ?? Math.floor(Math.random() * 2 ** 31) };
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
}

/** How long each process works in each phase: 0.10 to 1.00 seconds. */
async function workTimes({ processes, phases, seed }: Options): Promise<number[][]> {
  const { xoroshiro128plus } = await import("pure-rand/generator/xoroshiro128plus");
  const { uniformInt } = await import("pure-rand/distribution/uniformInt");
  const random = xoroshiro128plus(seed);
  const seconds = () => uniformInt(random, 10, 100) / 100;
  return Array.from({ length: processes }, () => Array.from({ length: phases }, seconds));
}

function spawn(task: Task): Deno.ChildProcess {
  const directory = task.path.slice(0, task.path.lastIndexOf("/"));
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      `--allow-read=${directory}`,
      `--allow-write=${directory}`,
      `--allow-net=unix:${task.path}`,
      import.meta.filename!,
      "party",
      JSON.stringify(task),
    ],
    stdin: "null",
    stdout: "inherit",
    stderr: "piped",
  }).spawn();
}

function stop(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // It has ended already.
  }
}

/** Follows a party to its end, and returns what it went through. */
async function follow(
  child: Deno.ChildProcess,
  party: number,
  onEvent: (event: Event) => Promise<void>,
): Promise<Event[]> {
  const history: Event[] = [];
  for await (const line of lines(child.stderr)) {
    const event = parse(line);
    if (event === undefined) {
      console.error(line);
      continue;
    }
    history.push(event);
    if (event.what === "stopped") console.error(`Process ${party} stopped: ${event.why}`);
    onEvent(event);
  }
  const { signal } = await child.status;
  if (signal !== null) history.push({ what: "killed", at: now() });
  return history;
}

function parse(line: string): Event | undefined {
  try {
    const event = JSON.parse(line);
    return typeof event?.what === "string" ? event : undefined;
  } catch {
    return undefined;
  }
}

async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
  if (rest !== "") yield rest;
}

function terminalWidth(): number {
  return Deno.stdout.isTerminal() ? Deno.consoleSize().columns : 80;
}

/** Draws a row a process: what it did from the first event to the last. */
function draw(histories: Event[][], width: number): string {
  const times = histories.flat().map((event) => event.at);
  const start = Math.min(...times);
  const seconds = Math.max(0.001, (Math.max(...times) - start) / 1_000);
  const label = `Process ${histories.length - 1} `.length;
  const columns = Math.max(10, width - label - 1);
  const column = (at: number) => Math.round((at - start) / 1_000 / seconds * (columns - 1));
  const rows = histories.map((history, party) => {
    const cells: string[] = Array(columns).fill(" ");
    for (const [i, { what, at }] of history.entries()) {
      const fill = { works: "█", reached: "░", passed: " ", stopped: " ", killed: " " }[what];
      cells.fill(fill, column(at), column(history[i + 1]?.at ?? at));
    }
    // Marks last, so that no fill hides one.
    for (const { what, at } of history) {
      const mark = { works: "", reached: "", passed: "│", stopped: "×", killed: "✗" }[what];
      if (mark !== "") cells[column(at)] = mark;
    }
    return `Process ${party}`.padEnd(label) + cells.join("").trimEnd();
  });
  const end = `${seconds.toFixed(2)} s`;
  const axis = " ".repeat(label) + "0" + end.padStart(columns - 1);
  return [
    "",
    ...rows,
    axis,
    "█ works  ░ waits  │ passes the barrier  × is told it broke  ✗ is killed",
  ]
    .join("\n");
}
