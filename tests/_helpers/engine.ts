// Copyright 2026 the Rendezvous authors. MIT license.

/**
 * Redis servers of their own for tests: on a free port of the loopback and at a Unix socket, in a temporary directory, ended
 * with the scope. On Linux they end with the test runner, too, however that ends.
 *
 * @module
 */

import { until, within } from "./harness.ts";
import { findFile, type Program, program } from "./programs.ts";
import { suspend } from "./suspend.ts";

/** The engines that can be tested here. */
export const [redis, valkey] = ["redis-server", "valkey-server"].map((name) =>
  program(name, findFile(name), "the system may have a package")
) as [Program, Program];

/** The engine that most tests use, and why they are ignored, if they are. */
export const engine: Program = redis.path === undefined && valkey.path !== undefined
  ? valkey
  : redis;

export interface EngineOptions {
  /** Which one: {@linkcode engine} unless told otherwise. */
  program?: Program;
  password?: string;
  /** Certificates by {@linkcode certificates}: then it speaks TLS only. */
  tls?: Certificates;
  /** It is a node of a cluster. */
  cluster?: boolean;
  /** It begins as a replica of this one. */
  replicaOf?: Engine;
  /** It writes to its disk before it answers, so that it loses nothing when it is killed. */
  durable?: boolean;
}

export interface Certificates {
  ca: string;
  cert: string;
  key: string;
}

/** A server. It can be killed, started again on the same port, and stopped for a while. */
export class Engine implements AsyncDisposable {
  readonly port: number;
  readonly directory: string;
  readonly options: EngineOptions;
  #child: Deno.ChildProcess | undefined;
  #output: Promise<string> = Promise.resolve("");

  private constructor(port: number, directory: string, options: EngineOptions) {
    this.port = port;
    this.directory = directory;
    this.options = { ...options };
  }

  /** Starts one, and waits until it answers. */
  static async start(scope: AsyncDisposableStack, options: EngineOptions = {}): Promise<Engine> {
    const directory = await Deno.makeTempDir({ prefix: "rendezvous-engine-" });
    scope.defer(() => Deno.remove(directory, { recursive: true }));
    for (let attempt = 0;; attempt++) {
      const engine = new Engine(freePort(), directory, options);
      try {
        await engine.#run();
        return scope.use(engine);
      } catch (error) {
        // Somebody else may have taken the port meanwhile.
        await engine[Symbol.asyncDispose]();
        if (attempt === 4) throw error;
      }
    }
  }

  /** Its socket, which clients take for a URL. */
  get path(): string {
    return `${this.directory}/socket`;
  }

  get url(): string {
    const { password, tls } = this.options;
    const user = password === undefined ? "" : `:${encodeURIComponent(password)}@`;
    return `${tls === undefined ? "redis" : "rediss"}://${user}127.0.0.1:${this.port}`;
  }

  async #run(): Promise<void> {
    const { program = engine, password, tls, cluster, replicaOf, durable } = this.options;
    const port = String(this.port);
    const args = [
      ...tls === undefined ? ["--port", port] : ["--port", "0", "--tls-port", port],
      ...["--bind", "127.0.0.1", "--unixsocket", this.path],
      ...["--dir", this.directory, "--save", ""],
      ...["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"],
      ...durable ? ["--appendonly", "yes", "--appendfsync", "always"] : ["--appendonly", "no"],
      ...password === undefined ? [] : ["--requirepass", password, "--masterauth", password],
      ...cluster ? ["--cluster-enabled", "yes", "--cluster-port", String(freePort())] : [],
      ...replicaOf === undefined ? [] : ["--replicaof", "127.0.0.1", String(replicaOf.port)],
    ];
    if (tls !== undefined) {
      args.push("--tls-cert-file", tls.cert, "--tls-key-file", tls.key);
      args.push("--tls-ca-cert-file", tls.ca, "--tls-auth-clients", "no");
    }
    // Whoever kills the test runner ends it, too.
    const setpriv = Deno.build.os === "linux" ? findFile("setpriv") : undefined;
    const [command, ...rest] = [
      ...setpriv === undefined ? [] : [setpriv, "--pdeathsig", "KILL"],
      ...[program.path!, ...args],
    ];
    this.#child = new Deno.Command(command!, {
      args: rest,
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#output = new Response(this.#child.stdout).text();
    let ended = false;
    const { status, pid } = this.#child;
    status.then(() => ended = true);
    const answers = async () => {
      if (ended) throw new Error(`The engine has ended: ${await this.#output}`);
      const info = await this.cli("INFO").catch(() => "");
      // Not somebody else; and it has read what is on its disk.
      return info.includes(`process_id:${pid}\r`) && info.includes("loading:0\r");
    };
    await until(answers, `an engine answers on port ${port}`);
  }

  /** What `redis-cli` prints for a command. An answer that is an error is thrown. */
  async cli(...command: string[]): Promise<string> {
    const { program = engine, password, tls } = this.options;
    const child = new Deno.Command(program.path!.replace(/server$/, "cli"), {
      args: [
        ...["-e", "-h", "127.0.0.1", "-p", String(this.port)],
        ...tls === undefined ? [] : ["--tls", "--cacert", tls.ca],
        ...command,
      ],
      env: password === undefined ? {} : { REDISCLI_AUTH: password },
      stdin: "null",
    });
    const { success, stdout, stderr } = await within(child.output(), command.join(" "));
    const [text, error] = [stdout, stderr].map((bytes) =>
      new TextDecoder().decode(bytes).trimEnd()
    );
    if (success) return text!;
    // It reads its disk, or what a primary sends.
    if (error!.startsWith("LOADING")) return await this.cli(...command);
    throw new Error(`${text}${error}`);
  }

  /** Stops it: connections stay, and nobody is answered. */
  pause(): Promise<void> {
    return suspend(this.#child!.pid);
  }

  resume(): void {
    this.#child!.kill("SIGCONT");
  }

  /** Ends it at once. Without `durable` its data is lost. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined) return;
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await within(child.status, "the end of an engine");
    await this.#output;
  }

  /** Starts it again on its port, with what is on its disk, or with nothing. */
  async restart({ empty = false }: { empty?: boolean } = {}): Promise<void> {
    await this.kill();
    if (empty) {
      for (const { name } of await Array.fromAsync(Deno.readDir(this.directory))) {
        await Deno.remove(`${this.directory}/${name}`, { recursive: true });
      }
    }
    await this.#run();
  }

  /** Waits until this replica has all that its primary has. */
  async synced(): Promise<void> {
    const primary = this.options.replicaOf!;
    const offset = async (engine: Engine, field: string) => {
      const info = await engine.cli("INFO", "replication");
      return new RegExp(`^${field}:(.*)\r`, "m").exec(info)?.[1];
    };
    await until(async () => {
      if (await offset(this, "master_link_status") !== "up") return false;
      const all = await offset(primary, "master_repl_offset");
      return all === await offset(this, "slave_repl_offset");
    }, "the replica has caught up");
  }

  /** Makes a primary of this replica, with what it has now. */
  async promote(): Promise<void> {
    await this.cli("REPLICAOF", "NO", "ONE");
    delete this.options.replicaOf;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

/** An engine that the tests of a file share. Nobody may kill it. */
export function shareEngine(): Pick<Engine, "path"> {
  const scope = new AsyncDisposableStack();
  let shared: Engine;
  Deno.test.beforeAll(async () => {
    if (engine.missing === undefined) shared = await Engine.start(scope);
  });
  Deno.test.afterAll(() => scope.disposeAsync());
  return {
    get path() {
      return shared.path;
    },
  };
}

/** A port of the loopback that nobody listens on. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  return port === 6379 ? freePort() : port;
}

/** A cluster of three nodes that share the slots. */
export async function startCluster(scope: AsyncDisposableStack): Promise<Engine[]> {
  const nodes = await Promise.all([0, 1, 2].map(() => Engine.start(scope, { cluster: true })));
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
  await nodes[0]!.cli("--cluster", "create", ...addresses, "--cluster-yes");
  for (const node of nodes) {
    const isReady = async () => (await node.cli("CLUSTER", "INFO")).includes("cluster_state:ok");
    await until(isReady, "the cluster is ready");
  }
  return nodes;
}

/** A certificate for the loopback, which is its own authority. */
export async function certificates(scope: AsyncDisposableStack): Promise<Certificates> {
  const directory = await Deno.makeTempDir({ prefix: "rendezvous-certificates-" });
  scope.defer(() => Deno.remove(directory, { recursive: true }));
  const [cert, key] = [`${directory}/cert.pem`, `${directory}/key.pem`];
  const { success, stderr } = await new Deno.Command("openssl", {
    args: [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
      ...["-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", cert],
      ...["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
    ],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return { ca: cert, cert, key };
}
