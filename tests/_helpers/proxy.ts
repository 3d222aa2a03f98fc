// Copyright 2026 the Rendezvous authors. MIT license.

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/**
 * A network that can fail: it forwards what comes to a port of the loopback to another one, until it is cut, or is a
 * black hole, which closes nothing and forwards nothing.
 */
export class Proxy implements AsyncDisposable {
  /** Where it forwards to. Connections that there are stay where they are. */
  target: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isHole = false;

  private constructor(target: number) {
    this.target = target;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  static async start(scope: AsyncDisposableStack, target: number): Promise<Proxy> {
    const proxy = new Proxy(target);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return scope.use(proxy);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  #accept(near: Socket): void {
    const far = connect(this.target, "127.0.0.1");
    for (const [one, other] of [[near, far], [far, near]] as const) {
      this.#sockets.add(one);
      one.setNoDelay(true);
      one.on("error", () => {}); // What is closed is told by "close".
      one.on("data", (bytes) => other.write(bytes));
      one.on("close", () => {
        this.#sockets.delete(one);
        other.destroy();
      });
      if (this.#isHole) one.pause();
    }
  }

  /** Closes all connections. New ones are welcome. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Forwards nothing any more, and closes nothing. New connections are taken, and led nowhere. */
  hole(): void {
    this.#isHole = true;
    for (const socket of this.#sockets) socket.pause();
  }

  /** Goes on: what was sent meanwhile is forwarded. */
  heal(): void {
    this.#isHole = false;
    for (const socket of this.#sockets) socket.resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.cut();
    await closed;
  }
}
