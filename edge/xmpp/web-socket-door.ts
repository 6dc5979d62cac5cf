// The WebSocket side of the messaging door (RFC 6455, RFC 7395): takes a connection over from the HTTPS door and answers its
// request. Pages of other sites are kept out by Origin (RFC 6455 §10.2): what a browser names must be on the operator's list.
// Messages are bounded, compression is never agreed to, a message in many fragments ends the connection.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { HeaderList } from '../../http/index.ts';

export interface WebSocketDoorOptions {
  readonly maxMessageBytes: number;
  /** `https://chat.example.com`; a request that names none comes from no browser and passes. */
  readonly origins: readonly string[];
}

/** RFC 7395 §3.1. */
const PROTOCOL = 'xmpp';
const MAX_FRAGMENTS = 64;
const MAX_BUFFERED_CHUNKS = 1024;

export class WebSocketDoor {
  readonly #server: WebSocketServer;
  readonly #origins: ReadonlySet<string>;

  constructor({ maxMessageBytes, origins }: WebSocketDoorOptions) {
    this.#origins = new Set(origins.map((origin) => origin.toLowerCase()));
    const limits = {
      maxPayload: maxMessageBytes,
      maxFragments: MAX_FRAGMENTS,
      maxBufferedChunks: MAX_BUFFERED_CHUNKS,
    };
    this.#server = new WebSocketServer({
      ...limits,
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      handleProtocols: (offered) => (offered.has(PROTOCOL) ? PROTOCOL : false),
    });
  }

  /** Answers the request; `onOpen` gets the WebSocket. Otherwise says why not and calls `onRefused`. */
  accept(
    headers: HeaderList,
    socket: Duplex,
    handlers: { readonly onOpen: (socket: WebSocket) => void; readonly onRefused: (reason: string) => void },
  ): void {
    const refuse = (status: string, reason: string): void => {
      handlers.onRefused(reason);
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () =>
        socket.destroy(),
      );
    };
    const origin = headers.get('origin');
    if (
      headers.all('origin').length > 1 ||
      (origin !== undefined && !this.#origins.has(origin.toLowerCase()))
    )
      return refuse('403 Forbidden', 'origin');
    const protocols = headers.all('sec-websocket-protocol').join(',');
    if (!protocols.split(',').some((name) => name.trim() === PROTOCOL))
      return refuse('400 Bad Request', 'protocol');
    const names = ['sec-websocket-key', 'sec-websocket-version'] as const;
    const request = {
      method: 'GET',
      headers: {
        upgrade: 'websocket',
        'sec-websocket-protocol': protocols,
        ...Object.fromEntries(names.map((name) => [name, headers.get(name)])),
      },
    };
    // ws reads these two members and no other.
    this.#server.handleUpgrade(
      request as unknown as IncomingMessage,
      socket,
      Buffer.alloc(0),
      handlers.onOpen,
    );
  }
}
