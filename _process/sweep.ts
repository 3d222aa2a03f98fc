// Copyright 2026 the Rendezvous authors. MIT license.

/*
 * Servers that ended by a signal leave the directories behind that they had made for their sockets. The next one
 * removes them: with the permissions it has, and only what is this user's and looks just so.
 */

/** What `Deno.makeTempDir` makes of our prefix: up to 16 digits, as it writes no leading zeros. */
const NAME = /^barrier-[0-9a-f]{1,16}$/;

/** How many directories a server looks at, so that listening takes no longer for what others left. */
const MAX_SWEPT = 256;

/** Removes what ended servers left beside `own`, the directory of a new one. */
export async function sweep(own: string): Promise<void> {
  const parent = own.slice(0, own.lastIndexOf("/"));
  if (!mayReach(parent)) return;
  try {
    const { uid } = await Deno.lstat(own);
    let looked = 0;
    for await (const { name } of Deno.readDir(parent)) {
      const directory = `${parent}/${name}`;
      if (!NAME.test(name) || directory === own) continue;
      if (++looked > MAX_SWEPT) return;
      if (await isLeft(directory, uid)) await removeSocket(directory);
    }
  } catch {
    // What cannot be swept stays.
  }
}

/** Whether all that is needed is granted: nobody is asked for it. */
function mayReach(path: string): boolean {
  const needed: Deno.PermissionDescriptor[] = [
    { name: "read", path },
    { name: "write", path },
    { name: "net" },
  ];
  return needed.every((one) => Deno.permissions.querySync(one).state === "granted");
}

/** Whether a directory is one that a server of this user made, which no longer listens. */
async function isLeft(directory: string, uid: number | null): Promise<boolean> {
  try {
    const info = await Deno.lstat(directory);
    const isOurs = info.isDirectory && info.uid === uid && (info.mode! & 0o777) === 0o700;
    if (!isOurs) return false;
    const names = [];
    for await (const { name, isSymlink } of Deno.readDir(directory)) {
      if (isSymlink) return false;
      names.push(name);
    }
    return names.length === 1 && names[0] === "socket" && await isRefused(`${directory}/socket`);
  } catch {
    return false;
  }
}

/** Whether there is a socket at which nobody listens: a server gives it this name only when it listens. */
async function isRefused(path: string): Promise<boolean> {
  if (!(await Deno.lstat(path)).isSocket) return false;
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return false;
  } catch (error) {
    return error instanceof Deno.errors.ConnectionRefused;
  }
}

async function removeSocket(directory: string): Promise<void> {
  try {
    await Deno.remove(`${directory}/socket`);
    await Deno.remove(directory);
  } catch {
    // Another server sweeps, too.
  }
}
