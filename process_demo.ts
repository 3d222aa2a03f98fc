// Copyright 2026 the Rendezvous authors. MIT license.
// deno-lint-ignore-file no-console

/**
 * Processes each work for a random time, reach the barrier, wait for each other, and go on together. Run it on Deno, Node
 * (from 22.18) or Bun:
 *
 *     deno run -A process_demo.ts --help
 *     node process_demo.ts --help
 *     bun process_demo.ts --help
 *
 * It runs itself once more for each process, as `process_demo.ts party TASK`, in Deno with no permission but to reach the
 * barrier. The parties print what they do. What the timeline needs they tell in lines of JSON on stderr.
 *
 * Without `--redis` it imports nothing but this library and what every runtime brings along, so that nothing is
 * downloaded. Node runs it as it is: so there is no `using` here, which Node 22 does not know, and no syntax but types that
 * Node could not just leave out.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ProcessBarrier, ProcessBarrierServer } from "./process_barrier.ts";
import type * as redisModule from "./redis_barrier.ts";

const REDIS = new URL("./redis_barrier.ts", import.meta.url).href;

/** Where the barrier is. */
type Place = { path: string } | { redis: string; key: string };

/** What a party is told to do. */
interface Task {
  place: Place;
  parties: number;
  party: number;
  /** How long it works in each phase, in ms. */
  work: number[];
  /** The party is to be killed: it never gets done with its work. */
  doomed: boolean;
}

/** What a party tells of itself, at a time in ms since 1970. */
interface Event {
  what: "works" | "reached" | "passed" | "stopped" | "killed" | "failed";
  at: number;
  why?: string | undefined;
}

/** The process of a party. */
interface Child {
  running: ChildProcess;
  ended: Promise<{ code: number | null; signal: string | null }>;
}

interface Options {
  processes: number;
  phases: number;
  seed: number;
  kill: number | undefined;
  timeline: boolean;
  /** The URL of a Redis server; empty for a server of its own. */
  redis: string | undefined;
}

/** Where the parties of a run meet. */
interface Host {
  place: Place;
  /** Frees the others if this party ends before it came. What it went through is known when it has ended. */
  expect(name: string, child: Child, history: Promise<Event[]>): void;
  close(): Promise<void>;
}

const HELP = `Usage: process_demo.ts [options]

Processes work for a random time, meet at a barrier, and go on together.

  -n, --processes <N>  how many processes, from 1 to 256 (default: 4)
  -p, --phases <K>     how often they meet, from 1 to 1000 (default: 1)
  -s, --seed <S>       for work times that can be repeated
  -k, --kill <I>       kill process I before it arrives
      --redis [URL]    meet through Redis, such as redis://localhost:6380; without
                       a URL through a redis-server that runs for this only
      --no-timeline    draw no timeline of the run
  -h, --help           show this help`;

const SIGNALS = [["SIGHUP", 129], ["SIGINT", 130], ["SIGTERM", 143]] as const;

const LEGEND = {
  works: ["█", "works"],
  reached: ["░", "waits"],
  passed: ["│", "passes the barrier"],
  stopped: ["×", "is told that it broke"],
  killed: ["✗", "is killed"],
  failed: ["!", "fails"],
} as const;

/** What lasts until the next event. The others are marks. */
const FILLS = new Set<Event["what"]>(["works", "reached"]);

const args = process.argv.slice(2);
const isParty = args[0] === "party" && args.length > 1;
process.exitCode = isParty ? await takePart(JSON.parse(args[1]!)) : await main(args);

/** One party, in a process of its own. Returns its exit status. */
async function takePart({ place, parties, party, work, doomed }: Task): Promise<number> {
  const name = nameOf(party);
  let barrier: ProcessBarrier | redisModule.RedisBarrier | undefined;
  try {
    barrier = await connect(place, parties, name);
    for (const ms of work) {
      console.log(`${name} is working for ${(ms / 1_000).toFixed(2)} seconds.`);
      tell("works");
      await delay(ms);
      if (doomed) {
        for (;;) {
          const { arrived, broken } = await barrier.status();
          if (arrived === parties - 1 || broken) break;
          await delay(5);
        }
        tell("doomed");
        await barrier.waitFor(barrier.phase);
      }
      console.log(`${name} reached the barrier.`);
      tell("reached");
      await barrier.wait();
      console.log(`${name} passed the barrier and continues working.`);
      tell("passed");
    }
    await barrier.arriveAndDrop();
    return 0;
  } catch (error) {
    tell("stopped", (error as Error).message);
    return 1;
  } finally {
    await barrier?.[Symbol.asyncDispose]();
  }
}

async function connect(
  place: Place,
  parties: number,
  name: string,
): Promise<ProcessBarrier | redisModule.RedisBarrier> {
  // However many start at the same time: it waits for its turn.
  if ("path" in place) {
    return await ProcessBarrier.connect(place.path, { name, connectTimeout: Infinity });
  }
  // By an address that is not known before: what stands here is downloaded in any case.
  const { RedisBarrier }: typeof redisModule = await import(REDIS);
  return await RedisBarrier.connect(place.redis, { key: place.key, parties, name, lease: 3_000 });
}

function nameOf(party: number): string {
  return `Process ${party}`;
}

/** `doomed`: all others have arrived, so that it can be killed. */
function tell(what: Event["what"] | "doomed", why?: string): void {
  console.error(JSON.stringify({ what, at: now(), why }));
}

function now(): number {
  return performance.timeOrigin + performance.now();
}

/** The parent of the parties. Returns the exit status. */
async function main(args: string[]): Promise<number> {
  let options: Options | undefined;
  try {
    options = readOptions(args);
  } catch (error) {
    console.error(`error: ${(error as Error).message}\n(--help shows the options)`);
    return 2;
  }
  if (options === undefined) {
    console.log(HELP);
    return 0;
  }
  // The listeners for signals come first and go last: so a signal leaves nothing behind at any moment.
  const children: Child[] = [];
  let interrupted = 0;
  const listeners = SIGNALS.map(([signal, status]) => {
    const interrupt = () => {
      interrupted ||= status;
      children.forEach(stop);
    };
    process.on(signal, interrupt);
    return () => process.off(signal, interrupt);
  });
  let host: Host | undefined;
  try {
    host = await listen(options);
    const histories = await meet(options, host, children, () => interrupted > 0);
    if (interrupted) return interrupted;
    if (options.timeline) console.log(`\n${draw(histories, terminalWidth())}`);
    return report(histories);
  } catch (error) {
    if (options.redis === undefined) throw error;
    if (interrupted) return interrupted;
    console.error(`error: ${(error as Error).message}`);
    return 1;
  } finally {
    await host?.close();
    for (const remove of listeners) remove();
  }
}

async function listen({ processes: parties, redis }: Options): Promise<Host> {
  if (redis !== undefined) return await useRedis(redis, parties);
  const server = await ProcessBarrierServer.listen({ parties });
  return {
    place: { path: server.path },
    expect: (name, { ended }) => server.expect(name, ended),
    close: () => server[Symbol.asyncDispose](),
  };
}

/** Parties that meet through Redis. Nobody owns the barrier there. */
async function useRedis(url: string, parties: number): Promise<Host> {
  const engine = url === "" ? await startRedis() : { url, close: async () => {} };
  const key = `process_demo:${randomUUID()}`;
  const aborting: Promise<void>[] = [];
  const abort = async (name: string) => {
    // Its place is free, and whoever has it can abort.
    const barrier = await connect({ redis: engine.url, key }, parties, name);
    await barrier.abort(new Error(`${name} never came`));
    await barrier[Symbol.asyncDispose]();
  };
  return {
    place: { redis: engine.url, key },
    expect(name, _, history) {
      const watching = history.then(async (events) => {
        if (events.every(({ what }) => what !== "works")) await abort(name);
      });
      watching.catch(() => {}); // Nobody can be told.
      aborting.push(watching);
    },
    async close() {
      await Promise.allSettled(aborting);
      await engine.close();
    },
  };
}

/** A server for this run only. */
async function startRedis(): Promise<{ url: string; close(): Promise<void> }> {
  const directory = await mkdtemp(`${tmpdir()}/process_demo-`);
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  const options = { dir: directory, bind: "127.0.0.1", port, save: "", appendonly: "no" };
  const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, `${value}`]);
  const server = spawn("redis-server", flags, { stdio: ["ignore", "pipe", "inherit"] });
  const isStarted = await once(server, "spawn").then(() => true, () => false);
  const close = async () => {
    if (isStarted && server.kill("SIGKILL")) await once(server, "exit");
    await rm(directory, { recursive: true, force: true });
  };
  for await (const line of isStarted ? createInterface({ input: server.stdout }) : []) {
    if (line.includes("Ready to accept connections")) {
      server.stdout.resume(); // Whatever else it says.
      console.log(`A redis-server runs for this at ${url}.`);
      return { url, close };
    }
  }
  await close();
  throw new Error("No redis-server can be started here: install one, or give a URL");
}

function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const server = createServer().once("error", reject).listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo;
    server.close(() => resolve(port));
  });
  return promise;
}

/** Starts the parties, and returns what each went through. */
async function meet(
  { processes, phases, seed, kill }: Options,
  host: Host,
  children: Child[],
  isInterrupted: () => boolean,
): Promise<Event[][]> {
  const histories: Promise<Event[]>[] = [];
  try {
    for (let party = 0; party < processes && !isInterrupted(); party++) {
      const work = Array.from({ length: phases }, (_, phase) => workTime(seed, party, phase));
      const { place } = host;
      const child = start({ place, parties: processes, party, work, doomed: party === kill });
      children.push(child);
      // At once: of a child that ends before, Node throws away what it said.
      const history = follow(child, ({ what, why }) => {
        if (what === "stopped" && !isInterrupted()) {
          console.error(`${nameOf(party)} stopped: ${why}`);
        }
      });
      history.catch(() => {}); // Told below.
      host.expect(nameOf(party), child, history);
      histories.push(history);
      await delay(0); // Lets in who is ready, and signals.
    }
    return await Promise.all(histories);
  } finally {
    children.forEach(stop);
  }
}

/** Reads the options; nothing if help is wanted. */
function readOptions(args: string[]): Options | undefined {
  const { values } = parseArgs({
    // The one option whose value may be left out.
    args: args.map((arg, i) =>
      arg === "--redis" && !args[i + 1]?.includes("://") ? "--redis=" : arg
    ),
    options: {
      processes: { type: "string", short: "n", default: "4" },
      phases: { type: "string", short: "p", default: "1" },
      seed: { type: "string", short: "s" },
      kill: { type: "string", short: "k" },
      "no-timeline": { type: "boolean", default: false },
      redis: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return undefined;
  const integer = (name: "processes" | "phases" | "seed" | "kill", min: number, max: number) => {
    const text = values[name];
    if (text === undefined) return undefined;
    if (/^\d+$/.test(text) && +text >= min && +text <= max) return +text;
    throw new RangeError(`option '--${name}' must be an integer from ${min} to ${max}: ${text}`);
  };
  const processes = integer("processes", 1, 256)!;
  return {
    processes,
    phases: integer("phases", 1, 1_000)!,
    seed: integer("seed", 0, 2 ** 31 - 1) ?? Math.floor(Math.random() * 2 ** 31),
    kill: integer("kill", 0, processes - 1),
    timeline: !values["no-timeline"],
    redis: values.redis,
  };
}

/** How long a process works in a phase: 100 to 1,000 ms. */
function workTime(seed: number, party: number, phase: number): number {
  const random = createHash("sha256").update(`${seed} ${party} ${phase}`).digest().readUInt32BE();
  return 100 + 10 * (random % 91);
}

/** Starts a party. */
function start(task: Task): Child {
  const program = [fileURLToPath(import.meta.url), "party", JSON.stringify(task)];
  const stdio = ["ignore", "inherit", "pipe"] as const;
  const running = spawn(process.execPath, [...flags(task.place), ...program], {
    stdio: [...stdio],
  });
  const ended = once(running, "exit").then(([code, signal]) => ({ code, signal }));
  return { running, ended };
}

/** What the runtime of a party is started with. */
function flags(place: Place): string[] {
  if (!("Deno" in globalThis)) return process.execArgv;
  const flags = ["run", "--quiet", "--no-prompt"];
  if ("redis" in place) {
    const { hostname, port } = new URL(place.redis);
    // To import by an address that is not known before is to read.
    const read = `--allow-read=${fileURLToPath(new URL(".", import.meta.url))}`;
    return [...flags, read, "--allow-env", `--allow-net=${hostname}:${port || 6379}`];
  }
  const directory = place.path.slice(0, place.path.lastIndexOf("/"));
  return [
    ...flags,
    ...[`--allow-read=${directory}`, `--allow-write=${directory}`],
    `--allow-net=unix:${place.path}`,
  ];
}

function stop({ running }: Child): void {
  running.kill("SIGKILL");
}

/** Follows a party to its end, and returns what it went through. */
async function follow(
  { running, ended }: Child,
  onEvent: (event: Event) => void,
): Promise<Event[]> {
  const history: Event[] = [];
  for await (const line of createInterface({ input: running.stderr! })) {
    if (line.startsWith('{"what":')) {
      const event: Event | { what: "doomed" } = JSON.parse(line);
      if (event.what === "doomed") {
        running.kill("SIGKILL");
        continue;
      }
      history.push(event);
      onEvent(event);
    } else {
      console.error(line);
    }
  }
  const { code, signal } = await ended;
  const isKnown = code === 0 || history.at(-1)?.what === "stopped";
  if (signal !== null || !isKnown) history.push({ what: signal ? "killed" : "failed", at: now() });
  return history;
}

/** Says on stderr who is lost, and how many were told of it. Returns the exit status. */
function report(histories: Event[][]): number {
  const parties = Map.groupBy(histories.keys(), (party) => histories[party]!.at(-1)?.what);
  const partiesThat = (what: Event["what"]) => parties.get(what) ?? [];
  const lost = [...partiesThat("killed"), ...partiesThat("failed")].map(nameOf);
  const others = histories.length - lost.length;
  const told = `Told: ${partiesThat("stopped").length} of ${others} others.`;
  if (lost.length > 0) {
    console.error(`Lost: ${lost.join(", ")}. ${others > 0 ? told : "There is nobody to tell."}`);
  }
  return partiesThat("passed").length === histories.length ? 0 : 1;
}

/** In columns: what the environment says, else what the terminal says. */
function terminalWidth(): number {
  return Number(process.env.COLUMNS) || process.stdout.columns || 80;
}

/** Draws a row for each process: what it did from the first event to the last. */
function draw(histories: Event[][], width: number): string {
  const events = histories.flat();
  const times = events.map(({ at }) => at);
  const start = Math.min(...times);
  const duration = Math.max(1, Math.max(...times) - start);
  const label = `${nameOf(histories.length - 1)} `.length;
  const columns = Math.max(10, width - label - 1);
  const column = (at: number) => Math.round((at - start) / duration * (columns - 1));
  const rows = histories.map((history, party) => {
    const cells: string[] = Array(columns).fill(" ");
    for (const [i, { what, at }] of history.entries()) {
      if (FILLS.has(what)) {
        cells.fill(LEGEND[what][0], column(at), column(history[i + 1]?.at ?? at));
      }
    }
    // Marks last, so that no fill hides one.
    for (const { what, at } of history) {
      if (!FILLS.has(what)) cells[column(at)] = LEGEND[what][0];
    }
    return nameOf(party).padEnd(label) + cells.join("").trimEnd();
  });
  const axis = " ".repeat(label) + "0" + `${(duration / 1_000).toFixed(2)} s`.padStart(columns - 1);
  const happened = new Set(events.map(({ what }) => what));
  const legend = Object.entries(LEGEND).filter(([what]) => happened.has(what as Event["what"]));
  return [...rows, axis, ...flow(legend.map(([_, entry]) => entry.join(" ")), width)].join("\n");
}

/** Sets entries in lines of at most `width` columns. */
function flow(entries: string[], width: number): string[] {
  const lines: string[] = [];
  for (const entry of entries) {
    const longer = `${lines.at(-1) ?? ""}  ${entry}`;
    if (lines.length > 0 && longer.length < width) lines[lines.length - 1] = longer;
    else lines.push(entry);
  }
  return lines;
}
