// Fixture for tests of this room: a door on loopback with a fresh identity, and a core that is a real
// HttpServerConnection at the far end of a duplex pair. Not part of the product.
import { duplexPair, type Duplex } from 'node:stream';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import {
  Deadlines,
  HeaderList,
  HttpServerConnection,
  type ServerExchange,
  type ServerLimits,
  USUAL_METHODS,
} from '../../http/index.ts';
import { createAuthority, issueIdentity } from '../../zones/pair/certificate.ts';
import type { CoreLink, HttpsDoorOptions } from './door-options.ts';
import { createHttpsDoor, type HttpsDoor } from './https-door.ts';

export const EDGE_NAME = 'edge.example.com';

export const limits: ServerLimits = {
  maxHeadBytes: 32_768,
  maxTargetBytes: 8192,
  maxHeaders: 100,
  maxHeaderNameBytes: 256,
  methods: USUAL_METHODS,
  maxBodyBytes: 1_000_000,
  idleMs: 60_000,
  headMs: 10_000,
  bodyMs: 30_000,
  minBodyBytes: 1024,
  writeMs: 30_000,
  lingerBytes: 65_536,
  lingerMs: 2000,
  maxBufferedBytes: 262_144,
  maxRequests: 100_000,
};

/** One request as core saw it. */
export interface SeenByCore {
  readonly exchange: ServerExchange;
  readonly lines: readonly string[];
}

/** A core whose answers the test gives. */
export class TestCore implements CoreLink {
  readonly identity = { name: 'core.inside' };
  readonly seen: SeenByCore[] = [];
  readonly aborted: string[] = [];
  readonly channels: Duplex[] = [];
  readonly connections: HttpServerConnection[] = [];
  answer: (exchange: ServerExchange) => void = (exchange) =>
    exchange.respond({ status: 200, reasonPhrase: 'OK', headers: new HeaderList() }, 'from core');
  openFails = false;
  readonly #events = new Set<() => void>();

  openHttp(): Promise<Duplex> {
    if (this.openFails) return Promise.reject(new Error('link closed'));
    const [edgeEnd, coreEnd] = duplexPair();
    this.channels.push(coreEnd);
    const connection = new HttpServerConnection(coreEnd, {
      limits: { ...limits, maxHeadBytes: 65_536, maxBodyBytes: Number.MAX_SAFE_INTEGER },
      deadlines: new Deadlines(() => 0),
      serverName: 'CE_C ECS',
      onRequest: (exchange) => this.#onRequest(exchange),
      onRefused: () => undefined,
      onClose: () => this.#tell(),
    });
    this.connections.push(connection);
    return Promise.resolve(edgeEnd);
  }

  /** Resolves once `check` holds, looking after each event at core. */
  until(check: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!check()) return;
        this.#events.delete(look);
        resolve();
      };
      this.#events.add(look);
      look();
    });
  }

  #onRequest(exchange: ServerExchange): void {
    const { method, target, host, headers } = exchange.request;
    this.seen.push({
      exchange,
      lines: [`${method} ${target}`, `Host: ${host}`, ...headers.print().trimEnd().split('\r\n')],
    });
    exchange.onAbort = (reason) => {
      this.aborted.push(reason.reason);
      this.#tell();
    };
    this.answer(exchange);
    this.#tell();
  }

  #tell(): void {
    for (const look of this.#events) look();
  }
}

/** What the door logged and counted. */
export interface DoorRecord {
  readonly lines: Record<string, unknown>[];
  readonly counts: Map<string, number>;
  readonly refused: string[];
}

export const identity = await (async () => {
  const validity = { from: Date.now(), days: 2 };
  const authority = await createAuthority('test', validity);
  const { certificate, key } = await issueIdentity(authority, EDGE_NAME, validity);
  return { cert: certificate, key };
})();

export interface Rig {
  readonly door: HttpsDoor;
  readonly core: TestCore;
  readonly record: DoorRecord;
  readonly clock: { now: number };
}

/** A listening door in front of one core. */
export async function openDoor(changed: Partial<HttpsDoorOptions> = {}): Promise<Rig> {
  const core = new TestCore();
  const record: DoorRecord = { lines: [], counts: new Map(), refused: [] };
  const clock = { now: 0 };
  let uuids = 0;
  const door = createHttpsDoor({
    address: '127.0.0.1',
    port: 0,
    tls: {
      identity,
      groups: 'X25519MLKEM768:X25519:P-256',
      ciphers: '',
      minVersion: 'TLSv1.2',
      clientAuthorities: undefined,
    },
    edgeName: 'edge-1',
    hostNames: [EDGE_NAME],
    admission: { maxConnections: 100, maxConnectionsPerAddress: 50, maxHandshakes: 20, handshakeMs: 5000 },
    client: limits,
    core: { ...limits, responseMs: 60_000, maxInterim: 8 },
    channels: { maxChannels: 20, maxWaiting: 20, waitMs: 5000, idleMs: 60_000 },
    retryAfterSeconds: 7,
    sweepMs: 3_600_000,
    other: undefined,
    cores: () => [core],
    webSocket: undefined,
    admits: () => true,
    refused: (_address, reason) => record.refused.push(reason),
    log: { info: (fields) => record.lines.push({ ...fields }), warn: () => undefined },
    count: (event, reason = '') => {
      const key = `${event} ${reason}`.trim();
      record.counts.set(key, (record.counts.get(key) ?? 0) + 1);
    },
    now: () => clock.now,
    newUuid: () => `uuid-${++uuids}`,
    ...changed,
  });
  await door.listen();
  return { door, core, record, clock };
}

/** A client that sends bytes and reads text. */
export interface RawClient {
  readonly socket: TLSSocket;
  /** Everything received so far. */
  readonly text: () => string;
  readonly until: (pattern: RegExp) => Promise<string>;
  /** Everything received until the door closed. */
  readonly closed: Promise<string>;
}

export async function dial(
  door: HttpsDoor,
  options: Pick<ConnectionOptions, 'servername' | 'cert' | 'key' | 'session'> = {},
): Promise<RawClient> {
  const socket = connect({
    host: '127.0.0.1',
    port: door.port,
    servername: EDGE_NAME,
    rejectUnauthorized: false,
    ...options,
  });
  socket.on('error', () => undefined);
  let text = '';
  const looks = new Set<() => void>();
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    for (const look of looks) look();
  });
  const closed = new Promise<string>((resolve) => socket.on('close', () => resolve(text)));
  await new Promise((resolve) => socket.once('secureConnect', resolve));
  const until = (pattern: RegExp): Promise<string> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!pattern.test(text)) return;
        looks.delete(look);
        resolve(text);
      };
      looks.add(look);
      look();
    });
  return { socket, text: () => text, until, closed };
}
