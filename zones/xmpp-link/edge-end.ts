// Edge's end of the XMPP link: the HTTP/2 client, although it was dialled. Opens one stream for each session.
import { connect, constants, type ClientHttp2Session } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { LinkError } from '../link-error.ts';
import { type LifeOptions, watchSession } from './life.ts';
import { CLIENT_PATH } from './paths.ts';
import { CLIENT_ADDRESS } from './client-address.ts';
import { WINDOWS } from './windows.ts';

export interface EdgeEndOptions extends LifeOptions {
  readonly coreName: string;
  readonly maxSessions: number;
  /** The link is gone, with all its streams. */
  readonly onEnd: () => void;
}

/** The sessions' way to one core. */
export interface XmppLink {
  readonly coreName: string;
  /** Streams open now. */
  readonly sessions: number;
  /** A stream for a new session; `path` says of what kind, `address` where the client is. @throws LinkError `busy` or `closed`. */
  open(path?: string, address?: string): Duplex;
  close(words: string): void;
}

/** Takes over an authenticated 7400 connection. */
export function openEdgeEnd(socket: TLSSocket, options: EdgeEndOptions): XmppLink {
  socket.on('error', () => undefined); // told again by 'close'
  const session = connect('https://core.invalid', {
    createConnection: () => socket,
    maxSessionMemory: WINDOWS.maxSessionMegabytes,
    settings: { enablePush: false, initialWindowSize: WINDOWS.streamBytes, maxFrameSize: WINDOWS.frameBytes },
    peerMaxConcurrentStreams: options.maxSessions,
  });
  session.on('error', () => undefined);
  session.once('connect', () => session.setLocalWindowSize(WINDOWS.linkBytes));
  session.once('close', () => {
    socket.destroy();
    options.onEnd();
  });
  const link = new EdgeEnd(session, socket, options);
  watchSession(session, options, (words) => link.close(words));
  return link;
}

class EdgeEnd implements XmppLink {
  readonly #session: ClientHttp2Session;
  readonly #socket: TLSSocket;
  readonly #options: EdgeEndOptions;
  #open = 0;

  constructor(session: ClientHttp2Session, socket: TLSSocket, options: EdgeEndOptions) {
    this.#session = session;
    this.#socket = socket;
    this.#options = options;
  }

  get coreName(): string {
    return this.#options.coreName;
  }

  get sessions(): number {
    return this.#open;
  }

  open(path = CLIENT_PATH, address?: string): Duplex {
    if (this.#session.closed || this.#session.destroyed)
      throw new LinkError('closed', 'the XMPP link is closed');
    if (this.#open >= this.#options.maxSessions) throw new LinkError('busy', 'the XMPP link is full');
    const { HTTP2_HEADER_METHOD, HTTP2_HEADER_PATH } = constants;
    const stream = this.#session.request({
      [HTTP2_HEADER_METHOD]: 'POST',
      [HTTP2_HEADER_PATH]: path,
      ...(address === undefined ? {} : { [CLIENT_ADDRESS]: address }),
    });
    this.#open += 1;
    stream.on('error', () => undefined); // told again by 'close'
    stream.once('close', () => {
      this.#open -= 1;
    });
    return stream;
  }

  close(words: string): void {
    this.#session.destroy();
    this.#socket.destroy(new LinkError('closed', words));
  }
}
