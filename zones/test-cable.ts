// A TCP cable between core and edge that a test can cut or silently freeze: a half-open peer without root rights.
// Not part of the product.
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';

export class Cable {
  readonly #server;
  readonly #sockets = new Set<Socket>();
  readonly #to: number;
  #frozen = false;

  constructor(to: number) {
    this.#to = to;
    this.#server = createServer((near) => this.#join(near));
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  /** Swallows everything both ways from now on; connections stay. New ones are accepted and swallowed too. */
  freeze(): void {
    this.#frozen = true;
  }

  thaw(): void {
    this.#frozen = false;
  }

  /** Ends all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(near: Socket): void {
    const far = connect(this.#to, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from);
      from.on('error', () => undefined);
      from.on('data', (chunk: Buffer) => {
        if (this.#frozen) return;
        if (!to.write(chunk)) from.pause();
      });
      to.on('drain', () => from.resume());
      from.on('close', () => {
        this.#sockets.delete(from);
        if (!this.#frozen) to.destroy();
      });
    }
  }
}
