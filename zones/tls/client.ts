// Core's end of the SIP and XMPP links: dials an edge, judges its certificate, waits for the edge's verdict on ours.
import type { Socket } from 'node:net';
import { type TLSSocket, connect } from 'node:tls';
import type { Clock } from '../clock.ts';
import { type DialOptions, dial } from '../dial.ts';
import { LinkError } from '../link-error.ts';
import type { TraversalZone } from '../zone-file.ts';
import { checkPeer } from './peer-check.ts';
import { type TlsPlane, alpnOf, tlsContext } from './profile.ts';
import { readVerdict } from './verdict.ts';

export interface TlsLinkClientOptions {
  readonly plane: TlsPlane;
  readonly dial: DialOptions;
  readonly edgeName: string;
  readonly zone: TraversalZone;
  /** From TCP connection to the edge's verdict. */
  readonly handshakeTimeoutMs: number;
  readonly clock: Clock;
}

/** Resolves with a socket on which the named edge has accepted us. Rejects with `LinkError`. */
export async function connectTlsLink(options: TlsLinkClientOptions): Promise<TLSSocket> {
  const tcp = await dial(options.dial);
  const socket = connect({
    ...tlsContext(options.zone),
    ...alpnOf(options.plane),
    socket: tcp,
    servername: options.edgeName,
    rejectUnauthorized: false, // judged by checkPeer, where the refusal gets its words
    checkServerIdentity: () => undefined,
  });
  let words = 'edge ended the connection during the TLS handshake';
  socket.on('error', (error) => {
    words = handshakeWords(error);
  });
  const fail = (reason: string): void => {
    words = reason;
    socket.destroy();
  };
  const { handshakeTimeoutMs, clock } = options;
  const cancel = clock.after(handshakeTimeoutMs, () =>
    fail(`no TLS handshake within ${handshakeTimeoutMs / 1000} s`),
  );
  const aborted = (): void => fail('this side is shutting down');
  options.dial.signal.addEventListener('abort', aborted);
  try {
    await secured(socket, tcp, () => words);
    const check = checkPeer(socket, [options.edgeName]);
    if (!check.ok) throw new LinkError('identity', check.words);
    await readVerdict(socket);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    cancel();
    options.dial.signal.removeEventListener('abort', aborted);
  }
}

function secured(socket: TLSSocket, tcp: Socket, words: () => string): Promise<void> {
  return new Promise((resolve, reject) => {
    const closed = (): void => reject(new LinkError('closed', words()));
    tcp.once('close', closed);
    socket.once('close', closed);
    socket.once('secureConnect', () => {
      tcp.off('close', closed);
      socket.off('close', closed);
      resolve();
    });
  });
}

function handshakeWords(error: Error): string {
  const code = 'code' in error ? String(error.code) : '';
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG')
    return 'edge does not speak TLS there: is another product listening on this port?';
  if (code === 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' || code === 'ERR_SSL_UNSUPPORTED_PROTOCOL')
    return 'edge does not speak TLS 1.3 there: is another product listening on this port?';
  if (code === 'ECONNRESET') return 'edge ended the connection during the TLS handshake';
  return `TLS with edge failed (${code || error.message})`;
}
