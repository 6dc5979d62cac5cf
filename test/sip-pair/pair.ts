// Edge and core in one process, joined by in-memory links, with a scripted registrar on loopback TCP and clients on
// in-memory streams. Time of the transaction layer is real; wall-clock time steps by hand.
import { randomBytes, randomUUID } from 'node:crypto';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { duplexPair, type Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { CoreSip, type CoreSipOptions, type MediaAnchor, type SipNode } from '../../core/sip/index.ts';
import { EdgeSip, type EdgeSipOptions } from '../../edge/sip/index.ts';
import { systemClock } from '../../sip/index.ts';
import { answerBinding } from '../../turn/index.ts';
import { Actor } from './dialogue.ts';
import { certificate } from './test-certificate.ts';

const keepalive = { pingIntervalMs: 1500, deadAfterMs: 4000 };
const linkWait = {
  linkWaitMs: 10_000,
  linkKeepMs: 600_000,
  maxLinkWaiting: 100,
  maxLinkWaitingPerOwner: 8,
  maxLinkWaitingBytes: 100_000,
};
const lineRates = { maxRefusalLinesPerSecond: 1000, maxRecordLinesPerSecond: 1000 };

function stun(request: Buffer, source: { address: string; port: number }): Buffer | undefined {
  return answerBinding(request, source);
}

/** Media that only marks what it was given, so that a dialogue can show which way a description went. */
export class MarkingAnchor implements MediaAnchor {
  readonly events: string[] = [];
  refuse: { status: 488 | 500 | 503; text: string } | undefined;
  openSessions = 0;

  open(call: { callId: string; key: string }) {
    this.openSessions += 1;
    this.events.push(`open ${call.key}`);
    const hand = (what: string) => (from: string, sdp: Buffer) => {
      this.events.push(`${what} from ${from}`);
      const { refuse } = this;
      if (refuse !== undefined) {
        return Promise.reject(
          Object.assign(new Error(refuse.text), { code: 'x', sipStatus: refuse.status, text: refuse.text }),
        );
      }
      return Promise.resolve(Buffer.from(sdp.toString().replace('s=', `s=${what} of ${from}, was `)));
    };
    return {
      offer: hand('offer'),
      answer: hand('answer'),
      rollback: () => void this.events.push('rollback'),
      connected: () => undefined,
      iceCallType: () => 'none',
      close: (reason: string) => {
        this.openSessions -= 1;
        this.events.push(`close: ${reason}`);
      },
      status: () => ({}),
    };
  }
}

export interface PairOptions {
  readonly edge?: Partial<EdgeSipOptions>;
  readonly core?: Partial<CoreSipOptions>;
  readonly nodes?: (registrar: SipNode) => readonly SipNode[];
  readonly domains?: readonly string[];
  readonly cores?: readonly string[];
}

/** One line of a log: who wrote it, its text, its fields. */
export interface LogLine {
  readonly who: string;
  readonly text: string;
  readonly [field: string]: unknown;
}

/** A whole pair and what a test wants to see of it. */
export interface Pair {
  readonly edge: EdgeSip;
  readonly cores: ReadonlyMap<string, CoreSip>;
  readonly core: CoreSip;
  readonly media: MarkingAnchor;
  readonly counts: Map<string, number>;
  readonly edgeRefusals: string[];
  /** What both told their logs at info. */
  readonly lines: readonly LogLine[];
  readonly coreRefusals: string[];
  readonly registrarPort: number;
  readonly corePorts: { tcp: number; tls: number | undefined };
  /** Milliseconds of core's wall clock. */
  nowMs: number;
  /** A fresh client connection. */
  client(name?: string, address?: string, port?: number): Actor;
  /** The next connection that core opens to the registrar. */
  registrar(): Promise<Actor>;
  /** From now on every connection to the registrar answers each request with this status by itself. */
  answerAll(status: string): { stop(): void };
  /** Both ends of the link between edge and one core; joins again when called again. */
  link(core?: string): { cut(): void };
  close(): Promise<void>;
}

export async function openPair(options: PairOptions = {}): Promise<Pair> {
  const media = new MarkingAnchor();
  const counts = new Map<string, number>();
  const count = (event: string, reason?: string): void => {
    const key = reason === undefined ? event : `${event} ${reason}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  };
  const lines: LogLine[] = [];
  const noted = (who: string) => ({
    info: (fields: object, text: string) => void lines.push({ who, text, ...fields }),
    warn: () => undefined,
  });
  const edgeRefusals: string[] = [];
  const coreRefusals: string[] = [];
  const registrars: Actor[] = [];
  const waiting: ((actor: Actor) => void)[] = [];
  const server: Server = createServer({ noDelay: true }, (socket) => {
    const actor = new Actor('registrar', socket);
    const wake = waiting.shift();
    if (wake === undefined) registrars.push(actor);
    else wake(actor);
    open.add(actor);
  });
  const open = new Set<Actor>();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const registrarPort = (server.address() as AddressInfo).port;
  const node: SipNode = {
    name: 'cm1.example.com',
    addresses: ['127.0.0.1'],
    transport: 'tcp',
    port: registrarPort,
    zone: 'CEtcp-cm1.example.com',
  };
  const nodes = options.nodes?.(node) ?? [node];
  const domains = options.domains ?? ['example.com'];

  const edge = new EdgeSip({
    listen: { host: '127.0.0.1', port: 0 },
    certificate,
    name: 'edge1',
    announced: { host: 'edge.example.com', port: 5061 },
    aliases: [],
    zones: [{ name: 'inside', zoneId: 3 }],
    clientZoneId: undefined,
    hopCount: 15,
    maxConnections: 100,
    maxConnectionsPerAddress: 50,
    maxHandshakes: 20,
    maxUnproven: 20,
    maxMessageBytes: 32_768,
    maxHeaderLines: 128,
    maxMessagesPerSecond: 1000,
    maxPendingPerConnection: 64,
    maxPendingUnproven: 8,
    maxQueueBytes: 262_144,
    maxQueueBytesUnproven: 65_536,
    maxUnacknowledged: 4,
    maxTransactions: 10_000,
    handshakeTimeoutMs: 5000,
    firstMessageTimeoutMs: 18_000,
    unprovenTimeoutMs: 120_000,
    idleTimeoutMs: 900_000,
    closeTimeoutMs: 200,
    setupTimeoutMs: 180_000,
    rehomeAfterMs: 10_000,
    maxRehomedPerSecond: 100,
    ...linkWait,
    ...lineRates,
    linkKeepalive: keepalive,
    clock: systemClock,
    random: randomBytes,
    randomUuid: randomUUID,
    answerStun: stun,
    log: noted('edge'),
    count,
    onRefused: (kind, address) => void edgeRefusals.push(`${kind} ${address}`),
    ...options.edge,
  });

  const cores = new Map<string, CoreSip>();
  const names = options.cores ?? ['core1'];
  let corePorts: Pair['corePorts'] = { tcp: 0, tls: undefined };
  const pair = { nowMs: 1_000_000 };
  for (const name of names) {
    const core = new CoreSip({
      name,
      announced: { host: '10.15.20.10', tcpPort: 5060, tlsPort: 5061 },
      listen: { host: '127.0.0.1', tcpPort: 0, tlsPort: 0 },
      tls: undefined,
      authorities: undefined,
      requireNodeCertificate: false,
      insidePeers: 'nodes',
      nodes: () => nodes,
      servedDomains: () => domains,
      pathHeaders: false,
      requireRegistration: true,
      policy: undefined,
      tokens: undefined,
      digest: undefined,
      hopCount: 15,
      maxMessageBytes: 32_768,
      maxHeaderLines: 128,
      maxQueueBytes: 262_144,
      maxTransactions: 10_000,
      maxRegistrations: 1000,
      maxRegistrationsPerConnection: 16,
      maxRegistrationsPerUser: 50,
      maxDialogs: 1000,
      maxCallsPerUser: 4,
      maxUsagesPerUser: 8,
      maxInsideConnections: 100,
      connectTimeoutMs: 2000,
      closeTimeoutMs: 200,
      setupTimeoutMs: 180_000,
      ...linkWait,
      ...lineRates,
      acknowledgeTimeoutMs: 40_000,
      maxSilenceMs: 21_600_000,
      lingerMs: 32_000,
      avoidNodeMs: 10_000,
      expiryGraceMs: 10_000,
      linkKeepalive: keepalive,
      nodeKeepalive: undefined,
      media,
      passesIce: () => false,
      store: undefined,
      clock: systemClock,
      wallClock: () => pair.nowMs,
      random: randomBytes,
      randomUuid: randomUUID,
      answerStun: stun,
      log: noted('core'),
      count,
      onRefused: (kind, source) => void coreRefusals.push(`${kind} ${source}`),
      ...options.core,
    });
    corePorts = await core.listen();
    cores.set(name, core);
  }
  const first = cores.get(names[0] ?? '');
  if (first === undefined) throw new Error('a pair needs a core');

  const built: Pair = Object.assign(pair, {
    edge,
    cores,
    core: first,
    media,
    counts,
    edgeRefusals,
    lines,
    coreRefusals,
    registrarPort,
    corePorts,
    client(name = 'phone', address = '198.51.100.7', port = 40_000) {
      const [ours, theirs] = duplexPair();
      edge.takeClient(theirs, address, port);
      const actor = new Actor(name, ours);
      open.add(actor);
      return actor;
    },
    registrar() {
      const next = registrars.shift();
      return next === undefined
        ? new Promise<Actor>((resolve) => waiting.push(resolve))
        : Promise.resolve(next);
    },
    answerAll(status: string) {
      let isOn = true;
      for (const actor of open) if (actor.name === 'registrar') void answerEach(actor, status, () => isOn);
      return { stop: () => void (isOn = false) };
    },
    link(name = names[0] ?? '') {
      const [atEdge, atCore] = duplexPair();
      edge.onSip(asLink(atEdge), { name, zone: 'inside', zoneId: 3 });
      cores.get(name)?.onSip(asLink(atCore), { name: 'edge1', zone: 'inside', zoneId: 3 });
      return {
        cut() {
          atEdge.destroy();
          atCore.destroy();
        },
      };
    },
    async close() {
      for (const actor of open) actor.close();
      await edge.close('test over');
      for (const core of cores.values()) await core.close('test over');
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  });
  for (const name of names) built.link(name);
  return built;
}

async function answerEach(actor: Actor, status: string, isOn: () => boolean): Promise<void> {
  while (isOn() && !actor.isClosed) {
    const request = await actor.receive();
    const head = request.split('\r\n\r\n')[0] ?? '';
    const copied = head.split('\r\n').filter((line) => /^(Via|From|To|Call-ID|CSeq):/i.test(line));
    if (copied.length > 0)
      actor.send(`SIP/2.0 ${status}\r\n${copied.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`);
  }
}

/** A link needs no more of a TLS socket than a stream and its far address. */
export function asLink(stream: Duplex): TLSSocket {
  return Object.assign(stream, { remoteAddress: '10.9.9.9', remotePort: 29_001 }) as unknown as TLSSocket;
}
