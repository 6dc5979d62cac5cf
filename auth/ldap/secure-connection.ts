// A verified TLS connection to a directory: from the first byte (ldaps) or after StartTLS (RFC 4513 §3), then handed to
// the LDAP client as the only one it may use. We start TLS ourselves because a client that does it in place can be
// given the beginning of an answer before TLS and its rest within, and because ours would dial anew, in clear text,
// when the connection is lost between StartTLS and the password (both seen in ldapts 9.2).
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { Client } from 'ldapts';

/** One directory server. */
export interface DirectoryServer {
  /** `ldaps`: TLS at once. `ldap`: StartTLS; there is no way to go on without it. */
  readonly protocol: 'ldaps' | 'ldap';
  /** Name or address, which the certificate must cover. */
  readonly host: string;
  readonly port: number;
}

export interface SecureConnectionOptions {
  readonly server: DirectoryServer;
  /** Where to connect. */
  readonly address: string;
  /** PEM; undefined: the system's authorities. */
  readonly authority: string | undefined;
  /** Ends everything on this connection with its reason. */
  readonly signal: AbortSignal;
  /** Bytes a server may send in the life of one connection. */
  readonly maxBytes: number;
}

/** RFC 4511 §4.14. */
const START_TLS = '1.3.6.1.4.1.1466.20037';

/** Rejects with the error of the step that failed. */
export async function openSecureConnection(options: SecureConnectionOptions): Promise<TLSSocket> {
  const { server, address, signal } = options;
  const socket = connectTcp({ host: address, port: server.port });
  const abort = (): void => void socket.destroy(signal.reason as Error);
  signal.addEventListener('abort', abort, { once: true });
  socket.once('close', () => signal.removeEventListener('abort', abort));
  try {
    await event(socket, 'connect');
    if (server.protocol === 'ldap') await startTls(socket);
    return await secure(socket, options);
  } catch (error) {
    socket.destroy();
    throw signal.aborted ? signal.reason : error;
  }
}

/** Asks for TLS with a client of its own, which then forgets the socket: what came too early stays with it. */
async function startTls(socket: Socket): Promise<void> {
  const client = new Client({ url: 'ldap://directory', createConnection: () => socket });
  await client.exop(START_TLS);
  for (const name of ['data', 'end', 'close', 'error', 'timeout']) socket.removeAllListeners(name);
  socket.pause();
}

async function secure(socket: Socket, options: SecureConnectionOptions): Promise<TLSSocket> {
  const { server, authority, maxBytes } = options;
  const tls = connectTls({
    socket,
    host: server.host,
    ...(isIP(server.host) === 0 ? { servername: server.host } : {}),
    ...(authority === undefined ? {} : { ca: authority }),
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
  });
  await event(tls, 'secureConnect');
  let received = 0;
  tls.on('data', (piece: Buffer) => {
    received += piece.length;
    if (received > maxBytes) tls.destroy(new Error(`more than ${maxBytes} bytes in answer to one question`));
  });
  return tls;
}

/** Waits for `name`; rejects on error and on close before it. The socket keeps a listener for later errors. */
function event(socket: Socket, name: 'connect' | 'secureConnect'): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.on('error', reject);
  socket.once('close', () => reject(new Error('the server closed the connection')));
  socket.once(name, () => resolve());
  return promise;
}
