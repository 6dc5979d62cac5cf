// Core's end of the XMPP link: the HTTP/2 server, although it dialled. Hands over each stream that edge opens.
import { isIP } from 'node:net';
import {
  performServerHandshake,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { LinkError } from '../link-error.ts';
import { type LifeOptions, watchSession } from './life.ts';
import { CLIENT_ADDRESS } from './client-address.ts';
import { WINDOWS } from './windows.ts';

export interface CoreEndOptions extends LifeOptions {
  readonly maxSessions: number;
  /** A session begins; `path` says of what kind. The receiver owns the stream, whose errors are listened to. */
  readonly onSession: (stream: Duplex, path: string, address: string | undefined) => void;
}

/** Clients that go away together take their streams along; this is no attack between pinned peers. */
const RESETS = 100_000;

/** Serves an authenticated 7400 connection until it ends. */
export function serveCoreEnd(socket: TLSSocket, options: CoreEndOptions): void {
  socket.on('error', () => undefined); // told again by 'close'
  const session: ServerHttp2Session = performServerHandshake(socket, {
    maxSessionMemory: WINDOWS.maxSessionMegabytes,
    streamResetBurst: RESETS,
    streamResetRate: RESETS,
    settings: {
      maxConcurrentStreams: options.maxSessions,
      initialWindowSize: WINDOWS.streamBytes,
      maxFrameSize: WINDOWS.frameBytes,
    },
  });
  session.on('error', () => undefined);
  session.setLocalWindowSize(WINDOWS.linkBytes);
  session.once('close', () => socket.destroy());
  session.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on('error', () => undefined); // told again by 'close'
    stream.respond({ ':status': 200 });
    options.onSession(stream, headers[':path'] ?? '', addressIn(headers));
  });
  watchSession(session, options, (words) => {
    session.destroy();
    socket.destroy(new LinkError('closed', words));
  });
}

/** Told like on the HTTPS plane; it serves counting of failures and the log, and opens nothing. */
function addressIn({ [CLIENT_ADDRESS]: value }: IncomingHttpHeaders): string | undefined {
  return typeof value === 'string' && isIP(value) !== 0 ? value : undefined;
}
