// Copyright 2026 the Rendezvous authors. MIT license.

/*
 * Servers that ended by a signal leave the directories behind that they had made for their sockets. The next one
 * removes them: with the permissions it has, and only what is this user's and looks just so.
 */

import { platform } from "./platform.ts";
import { codeOf } from "./system_error.ts";

/** The name of such a directory begins with this. */
export const TEMPORARY_PREFIX = "barrier-";

/** All of its name: up to 16 digits, as Deno writes no leading zeros. */
const NAME = new RegExp(`^${TEMPORARY_PREFIX}[0-9a-f]{1,16}$`);

/** How many directories a server looks at, so that listening takes no longer for what others left. */
const MAX_SWEPT = 256;

/** Removes what ended servers left beside `own`, the directory of a new one. */
export async function sweep(own: string): Promise<void> {
  const parent = own.slice(0, own.lastIndexOf("/"));
  if (!platform.mayReach(parent)) return;
  try {
    const { uid } = platform.lstat(own);
    let looked = 0;
    for await (const { name } of platform.namesIn(parent)) {
      const directory = `${parent}/${name}`;
      if (!NAME.test(name) || directory === own) continue;
      if (++looked > MAX_SWEPT) return;
      if (await isLeft(directory, uid)) removeSocket(directory);
    }
  } catch {
    // What cannot be swept stays.
  }
}

/** Whether a directory is one that a server of this user made, which no longer listens. */
async function isLeft(directory: string, uid: number | null): Promise<boolean> {
  try {
    const info = platform.lstat(directory);
    const isOurs = info.isDirectory && info.uid === uid && (info.mode! & 0o777) === 0o700;
    if (!isOurs) return false;
    const names = [];
    for await (const { name } of platform.namesIn(directory)) names.push(name);
    return names.length === 1 && names[0] === "socket" && await isRefused(`${directory}/socket`);
  } catch {
    return false;
  }
}

/** Whether there is a socket at which nobody listens: a server gives it this name only when it listens. */
async function isRefused(path: string): Promise<boolean> {
  if (!platform.lstat(path).isSocket) return false;
  try {
    (await platform.connect(path)).close();
    return false;
  } catch (error) {
    return codeOf(error) === "ECONNREFUSED";
  }
}

function removeSocket(directory: string): void {
  try {
    platform.remove(`${directory}/socket`);
    platform.remove(directory);
  } catch {
    // Another server sweeps, too.
  }
}
