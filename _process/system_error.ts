// Copyright 2026 the Rendezvous authors. MIT license.

/*
 * The errors of listening and connecting: alike on every runtime, with a `code` that has one meaning. What the system
 * says beside these is passed on as it is.
 */

import { show } from "../_common/checks.ts";

type Words = Record<string, (path: string) => string>;

/** Why nobody can listen at a path. */
const LISTENING = {
  EADDRINUSE: (path) => `Another server listens at ${path}`,
  EEXIST: (path) => `There is something else than a socket at ${path}`,
  ENOENT: (path) => `There is no such directory for a socket at ${path}`,
  EACCES: (path) => `This user may not make a socket at ${path}`,
} satisfies Words;

/** Why nobody can connect to a path. */
const CONNECTING = {
  ENOENT: (path) => `No server listens at ${path}: there is no such file`,
  ECONNREFUSED: (path) => `No server listens at ${path}: it has ended`,
  EACCES: (path) => `This user may not connect to ${path}`,
  ECONNRESET: (path) =>
    `The server at ${path} hung up before it answered: it has ended, or it is not a barrier server`,
  EPROTO: (path) => `What listens at ${path} is not a barrier server`,
} satisfies Words;

/** The error of who cannot listen. */
export function listenError(code: keyof typeof LISTENING, path: string): Error {
  return withCode(code, LISTENING[code](show(path)));
}

/** The error of who cannot connect; `more` says why. */
export function connectError(code: keyof typeof CONNECTING, path: string, more = ""): Error {
  return withCode(code, CONNECTING[code](show(path)) + more);
}

/** Says what an error of the system means to who listens. */
export function explainListening(error: unknown, path: string): unknown {
  return explain(error, LISTENING, path);
}

/** Says what an error of the system means to who connects. */
export function explainConnecting(error: unknown, path: string): unknown {
  return explain(error, CONNECTING, path);
}

/** The code of an error, if it has one. */
export function codeOf(error: unknown): string | undefined {
  return (error as { code?: string }).code;
}

function explain(cause: unknown, words: Words, path: string): unknown {
  const code = codeOf(cause);
  const say = code === undefined ? undefined : words[code];
  return say === undefined ? cause : Object.assign(withCode(code!, say(show(path))), { cause });
}

function withCode(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
