// Copyright 2026 the Rendezvous authors. MIT license.

/** A program, and how it is called. */
export interface Program {
  path: string;
  args: string[];
  env?: Record<string, string>;
}

/** Where the tests are run. */
export interface Runtime {
  name: string;
  /** A page reports to a server. */
  isPage: boolean;
  /** The program that opens `target`, a module or the address of a page; what is missing if there is none. */
  find(target: string, scope: AsyncDisposableStack): Promise<Program | string>;
}

const cache = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`;
const PACKAGES = `${cache}/rendezvous-barrier/runtimes`;
const SPECIFIERS = [20, 22, 24, 26].map((major) => `node${major}@npm:node@${major}`)
  .concat("bun@1.4.5");

/** Installs the runtimes that the npm registry has. */
export async function install(): Promise<void> {
  await Deno.mkdir(PACKAGES, { recursive: true });
  const { success } = await new Deno.Command("npm", {
    args: ["install", "--prefix", PACKAGES, "--no-audit", "--no-fund", ...SPECIFIERS],
    stdout: "null",
  }).output();
  if (!success) throw new Error("npm could not install the runtimes");
}

/** The first of these files that is there; a name without a directory is looked for on PATH. */
function first(...files: string[]): string | undefined {
  const directories = (Deno.env.get("PATH") ?? "").split(":");
  return files.flatMap((file) => {
    return file.includes("/") ? [file] : directories.map((directory) => `${directory}/${file}`);
  }).find((file) => {
    try {
      return Deno.statSync(file).isFile;
    } catch {
      return false;
    }
  });
}

async function temporary(scope: AsyncDisposableStack): Promise<string> {
  const directory = await Deno.makeTempDir({ prefix: "barrier-everywhere-" });
  scope.defer(() => Deno.remove(directory, { recursive: true }));
  return directory;
}

async function node(major: number, module: string): Promise<Program | string> {
  const path = first(`${PACKAGES}/node_modules/node${major}/bin/node`);
  if (path !== undefined) return { path, args: [module] };
  const onPath = first("node");
  if (onPath !== undefined) {
    const { stdout } = await new Deno.Command(onPath, { args: ["--version"] }).output();
    const version = new TextDecoder().decode(stdout);
    if (version.startsWith(`v${major}.`)) return { path: onPath, args: [module] };
  }
  return "it is neither on PATH nor installed by `deno task everywhere --install`";
}

/** Ends a program that may have ended: a Ctrl-C in a terminal ends all at once. */
export function kill(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch {
    // It has ended.
  }
}

/** A display of its own, as WebKitGTK needs one. */
async function display(xvfb: string, scope: AsyncDisposableStack): Promise<string> {
  const server = new Deno.Command(xvfb, {
    args: ["-displayfd", "1", "-nolisten", "tcp"],
    stdout: "piped",
    stderr: "null",
  }).spawn();
  scope.defer(async () => {
    kill(server, "SIGTERM");
    await server.stdout.cancel();
    await server.status;
  });
  const reader = server.stdout.getReader();
  const { value } = await reader.read();
  reader.releaseLock();
  return `:${new TextDecoder().decode(value).trim()}`;
}

function program(name: string, find: Runtime["find"]): Runtime {
  return { name, isPage: false, find };
}

function page(name: string, find: Runtime["find"]): Runtime {
  return { name, isPage: true, find };
}

/** All runtimes. Where a page has a profile, it is a new one. */
export const runtimes: Runtime[] = [
  program("Deno", (module) => {
    const args = ["run", "--quiet", "-A", "--no-check", module];
    return Promise.resolve({ path: Deno.execPath(), args });
  }),
  ...[20, 22, 24, 26].map((major) => program(`Node ${major}`, (module) => node(major, module))),
  program("Bun", (module) => {
    const path = first(`${PACKAGES}/node_modules/.bin/bun`, "bun");
    return Promise.resolve(path === undefined ? "there is no bun" : { path, args: [module] });
  }),
  page("Chromium", async (url, scope) => {
    const path = first("chromium", "chromium-browser", "google-chrome");
    if (path === undefined) return "there is no chromium";
    const profile = `--user-data-dir=${await temporary(scope)}`;
    return { path, args: ["--headless=new", "--no-sandbox", "--disable-gpu", profile, url] };
  }),
  page("Firefox", async (url, scope) => {
    const path = first("firefox-esr", "firefox");
    if (path === undefined) return "there is no firefox";
    const args = ["--headless", "--no-remote", "--profile", await temporary(scope), url];
    return { path, args };
  }),
  page("WebKit", async (url, scope) => {
    const { arch } = Deno.build;
    const path = first(
      `/usr/lib/${arch}-linux-gnu/webkit2gtk-4.1/MiniBrowser`,
      `/usr/lib/${arch}-linux-gnu/webkit2gtk-4.0/MiniBrowser`,
    );
    const xvfb = first("Xvfb");
    if (path === undefined || xvfb === undefined) return "there is no MiniBrowser, or no Xvfb";
    return {
      path,
      args: [url],
      env: {
        DISPLAY: await display(xvfb, scope),
        HOME: await temporary(scope),
        // Off by default, as in no release of Safari.
        JSC_useSharedArrayBuffer: "1",
        WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: "1",
      },
    };
  }),
];
