// Copyright 2026 the Rendezvous authors. MIT license.

import {
  bun,
  chromium,
  findFile,
  firefox,
  nodes,
  type Program as Tool,
} from "../_helpers/programs.ts";

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

async function temporary(scope: AsyncDisposableStack): Promise<string> {
  const directory = await Deno.makeTempDir({ prefix: "barrier-everywhere-" });
  scope.defer(() => Deno.remove(directory, { recursive: true }));
  return directory;
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

function program({ name, path, missing }: Tool): Runtime {
  const find = (module: string) => Promise.resolve(missing ?? { path: path!, args: [module] });
  return { name, isPage: false, find };
}

function page({ name, path, missing }: Tool, args: (profile: string) => string[]): Runtime {
  const find: Runtime["find"] = async (url, scope) => {
    if (missing !== undefined) return missing;
    const profile = await temporary(scope);
    // Chromium leaves a directory among the temporary ones when a signal ends it.
    return { path: path!, args: [...args(profile), url], env: { TMPDIR: profile } };
  };
  return { name, isPage: true, find };
}

/** All runtimes. Where a page has a profile, it is a new one. */
export const runtimes: Runtime[] = [
  {
    name: "Deno",
    isPage: false,
    find: (module) => {
      const args = ["run", "--quiet", "-A", "--no-check", module];
      return Promise.resolve({ path: Deno.execPath(), args });
    },
  },
  ...nodes.map(program),
  program(bun),
  page(chromium, (profile) => {
    return ["--headless=new", "--no-sandbox", "--disable-gpu", `--user-data-dir=${profile}`];
  }),
  page(firefox, (profile) => ["--headless", "--no-remote", "--profile", profile]),
  {
    name: "WebKit",
    isPage: true,
    find: async (url, scope) => {
      const { arch } = Deno.build;
      const path = findFile(
        `/usr/lib/${arch}-linux-gnu/webkit2gtk-4.1/MiniBrowser`,
        `/usr/lib/${arch}-linux-gnu/webkit2gtk-4.0/MiniBrowser`,
      );
      const xvfb = findFile("Xvfb");
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
    },
  },
];
