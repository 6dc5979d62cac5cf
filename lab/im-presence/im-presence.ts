// The embedded IM and Presence node: as much of RFC 6120 and 6121 as two people need to see each other and to chat. TLS first,
// SASL with the enterprise's passwords and tokens, binding, contact list, presence, messages, rooms; and the SOAP login. What
// proves the product is the interop tests; this is for the newcomer. Keeps nothing of a message that nobody is there to read.
import { createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import {
  answerBeforeTls,
  printHeader,
  printStreamError,
  StreamError,
  type StreamEvent,
  type StreamLimits,
  StreamParser,
} from '../../xmpp/index.ts';
import type { IssuedCertificate } from '../authority/authority.ts';
import type { Enterprise } from '../unified-cm/enterprise.ts';
import { ChatRooms } from './chat-rooms.ts';
import { ChatSession, type ChatRoom } from './chat-session.ts';
import { Credentials } from './credentials.ts';
import { createSoapLogin } from './soap-login.ts';

export interface ImPresenceOptions {
  readonly enterprise: Enterprise;
  readonly address: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
  /** Port of the SOAP login. */
  readonly soapPort: number;
  readonly certificate: IssuedCertificate;
  /** Asks Unified CM whose access token it is. */
  readonly userOfToken: (token: string) => string | undefined;
}

export interface ImPresence {
  readonly port: number;
  readonly soapPort: number;
  close(): Promise<void>;
}

const LIMITS: StreamLimits = { maxElementLength: 65_536, maxDepth: 32, maxAttributes: 32, maxElements: 1024 };

/** Resolves once it listens. */
export async function startImPresence(options: ImPresenceOptions): Promise<ImPresence> {
  const { address, certificate, enterprise } = options;
  const context = createSecureContext({
    cert: certificate.chain,
    key: certificate.key,
    minVersion: 'TLSv1.2',
  });
  const sockets = new Set<Socket>();
  const { domain, users } = enterprise;
  const room: ChatRoom = { domain, users, sessions: new Set(), rooms: new ChatRooms(domain) };
  const credentials = new Credentials(enterprise, options.userOfToken);
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
    awaitTls(socket, enterprise.domain, () => {
      const secured = new TLSSocket(socket, { isServer: true, secureContext: context });
      secured.on('error', () => socket.destroy());
      serve(secured, new ChatSession(room, credentials));
    });
  });
  const soap = createSoapLogin(credentials, certificate);
  await listening(server, options.port, address);
  await listening(soap, options.soapPort, address);
  return {
    port: portOf(server),
    soapPort: portOf(soap),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      soap.closeAllConnections();
      await Promise.all([server, soap].map((one) => new Promise((resolve) => one.close(resolve))));
    },
  };
}

function portOf(server: Server): number {
  const bound = server.address();
  return typeof bound === 'object' && bound !== null ? bound.port : 0;
}

function listening(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve());
  });
}

/** Before TLS: header and starttls, nothing else. */
function awaitTls(socket: Socket, domain: string, onTls: () => void): void {
  const onEvent = (event: StreamEvent): void => {
    for (const action of answerBeforeTls(event, 'lab', domain)) {
      if (action.kind === 'write') socket.write(action.text);
      else if (action.kind === 'end') socket.end();
      else {
        socket.removeAllListeners('data');
        onTls();
      }
    }
  };
  const parser = new StreamParser(LIMITS);
  socket.on('data', (chunk: Buffer) => guarded(socket, () => parser.write(chunk, onEvent)));
}

function serve(socket: TLSSocket, session: ChatSession): void {
  let parser = new StreamParser(LIMITS);
  session.onWrite = (text) => void socket.write(text);
  const onEvent = (event: StreamEvent): void => {
    if (event.kind === 'open') {
      socket.write(printHeader({ from: session.domain, id: 'lab', lang: 'en' }) + session.features());
    } else if (event.kind === 'close') {
      socket.end('</stream:stream>');
    } else if (session.handle(event) === 'restart') {
      parser = new StreamParser(LIMITS);
    }
  };
  socket.on('data', (chunk: Buffer) => guarded(socket, () => parser.write(chunk, onEvent)));
  socket.once('close', () => session.leave());
}

function guarded(socket: Socket, run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof StreamError)) throw error;
    socket.end(printStreamError(error.condition, error.message));
  }
}
