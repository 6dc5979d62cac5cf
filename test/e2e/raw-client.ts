// A client that says whatever bytes it is told through the edge's real doors, and keeps what comes back.
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type Company, EDGE_NAME } from './company.ts';

export interface RawClient {
  readonly socket: Socket;
  /** Everything received so far, one character per byte. */
  text(): string;
  /** Resolves with everything received once `pattern` is in it; rejects when the door closes before. */
  until(pattern: RegExp): Promise<string>;
  /** Everything received until the door closed. */
  readonly closed: Promise<string>;
}

/** A TLS client of a door, its handshake done. The certificate is verified as a phone would. */
export async function dialTls(company: Company, port: number): Promise<RawClient> {
  const where = { host: company.at.edge, port, localAddress: company.at.stranger };
  const socket = connectTls({ ...where, servername: EDGE_NAME, ca: company.publicAuthority });
  const client = wrap(socket);
  await Promise.race([once(socket, 'secureConnect'), client.closed]);
  return client;
}

/** A TCP client that has not spoken yet. */
export async function dialTcp(company: Company, port: number): Promise<RawClient> {
  const socket = connectTcp({ host: company.at.edge, port, localAddress: company.at.stranger });
  const client = wrap(socket);
  await Promise.race([once(socket, 'connect'), client.closed]);
  return client;
}

function wrap(socket: Socket): RawClient {
  let text = '';
  const looks = new Set<() => void>();
  socket.setNoDelay(true);
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    for (const look of looks) look();
  });
  const closed = new Promise<string>((resolve) => socket.once('close', () => resolve(text)));
  return {
    socket,
    text: () => text,
    closed,
    until: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (!pattern.test(text)) return;
          looks.delete(look);
          resolve(text);
        };
        looks.add(look);
        void closed.then(() => reject(new Error(`closed before ${String(pattern)}: ${text.slice(-300)}`)));
        look();
      }),
  };
}
