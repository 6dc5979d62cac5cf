// Federation at core, put together: the door for servers inside, the streams that edges bring, and a road for each pair of domains.
import { createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createHash } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import {
  certificateNames,
  type Covers,
  coversDomain,
  type DomainPair,
  IncomingConnection,
  isOurKey,
  pairKey,
  type PairPolicy,
  type ServerStanza,
  TlsAcceptor,
} from '../../../xmpp/s2s/index.ts';
import {
  type ControlChannel,
  FEDERATION_POLICY,
  FederationRules,
  FROM_PARTNER_PATH,
  type PeerIdentity,
  TO_PARTNER_PATH,
} from '../../../zones/index.ts';
import type { CoreFederationOptions } from './federation-options.ts';
import { FromEdge } from './from-edge.ts';
import { InsideServers } from './inside-servers.ts';
import { type OnwardListener, type OnwardStream, StanzaRoad } from './stanza-road.ts';
import { ThroughEdge } from './through-edge.ts';

export interface CoreFederationStatus {
  readonly domains: readonly string[];
  /** Streams of edges, `partner ours` each. */
  readonly fromEdges: readonly string[];
  /** Connections of servers inside. */
  readonly insideConnections: number;
  readonly roads: readonly { readonly from: string; readonly to: string; readonly state: string }[];
}

interface Road {
  readonly pair: DomainPair;
  readonly road: StanzaRoad;
}

export class CoreFederation {
  readonly #options: CoreFederationOptions;
  readonly #rules: FederationRules;
  readonly #inside: InsideServers;
  readonly #outside: ThroughEdge;
  readonly #acceptor: TlsAcceptor;
  readonly #server: Server;
  /** Dialback keys towards the servers inside are made of this; it lives as long as the process. */
  readonly #secret: string;
  readonly #roads = new Map<string, Road>();
  readonly #fromEdges = new Set<FromEdge>();
  readonly #connections = new Map<Socket, IncomingConnection>();
  /** Roads that have taken stanzas of what is being read. */
  readonly #unflushed = new Set<StanzaRoad>();
  #isClosing = false;

  constructor(options: CoreFederationOptions) {
    const { certificate, domains, newId } = options;
    this.#options = options;
    this.#rules = new FederationRules(options.policy);
    this.#secret = createHash('sha256').update(newId()).update(newId()).digest('hex');
    this.#inside = new InsideServers({ ...options, dialbackSecret: this.#secret });
    this.#outside = new ThroughEdge(options);
    const trusts = new Set(domains.flatMap(({ nodes }) => nodes.map(({ trust }) => trust)));
    const authorities = [...trusts].filter((one) => one !== undefined);
    this.#acceptor = new TlsAcceptor({
      minVersion: 'TLSv1.2',
      cert: certificate.chain,
      key: certificate.key,
      ...(authorities.length === 0 ? {} : { ca: authorities }),
    });
    this.#server = createServer({ noDelay: true, keepAlive: true }, (raw) => this.#accept(raw));
  }

  /** Opens the door for servers inside; resolves with the bound port. */
  listen(): Promise<number> {
    const { host, port, count } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', reject);
        this.#server.on('error', () => count('door-error'));
        const bound = this.#server.address();
        resolve(typeof bound === 'object' && bound !== null ? bound.port : port);
      });
    });
  }

  async close(reason: string): Promise<void> {
    this.#isClosing = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const { road } of this.#roads.values()) road.close();
    for (const stream of this.#fromEdges) stream.end('system-shutdown');
    for (const connection of this.#connections.values()) connection.end('system-shutdown', reason);
    await closed;
  }

  /** An edge is there: it learns who may federate. Roads that rested may go. */
  peerUp(control: ControlChannel): void {
    control.notify(FEDERATION_POLICY, this.#options.policy);
    for (const { road } of this.#roads.values()) road.wake();
  }

  /** A stream of an edge on the XMPP link; false when its path is none of federation. */
  onStream(link: Duplex, path: string, peer: PeerIdentity): boolean {
    if (path === FROM_PARTNER_PATH) {
      this.#fromEdge(link, peer);
      return true;
    }
    if (!path.startsWith(TO_PARTNER_PATH)) return false;
    if (!this.#outside.adopt(link, path.slice(TO_PARTNER_PATH.length), peer.name)) {
      this.#options.count('stream-unasked');
      link.destroy();
    }
    return true;
  }

  status(): CoreFederationStatus {
    return {
      domains: this.#options.policy.domains,
      fromEdges: [...this.#fromEdges].map(({ pair }) => pair),
      insideConnections: this.#connections.size,
      roads: [...this.#roads.values()].map(({ pair, road }) => ({ ...pair, state: road.state })),
    };
  }

  #fromEdge(link: Duplex, peer: PeerIdentity): void {
    const { count, edgeLimits, log, maxFrameBytes, maxStreams } = this.#options;
    if (this.#fromEdges.size >= maxStreams) {
      count('streams-full');
      return void link.destroy();
    }
    const stream: FromEdge = new FromEdge(link, {
      limits: edgeLimits,
      maxFrameBytes,
      count,
      isAllowed: ({ from, to }) => this.#rules.serves(to) && this.#rules.termsOf(from) !== undefined,
      send: (stanza, resume) => this.#send(stanza, resume),
      onRead: () => this.#flush(),
      onOpen: (pair) => {
        log.info({ partner: pair.from, domain: pair.to, edge: peer.name }, 'partner connected');
        this.#roads.get(pairKey({ from: pair.to, to: pair.from }))?.road.wake();
      },
      onOver: () => this.#fromEdges.delete(stream),
    });
    this.#fromEdges.add(stream);
  }

  /** A server inside connects to us as if we were the partner. */
  #accept(raw: Socket): void {
    const options = this.#options;
    const { count, maxConnections, maxPairsPerConnection, maxQuestionsPerConnection } = options;
    raw.on('error', () => undefined); // told again by 'close'
    if (this.#connections.size >= maxConnections) {
      count('connection-refused', 'connections');
      return void raw.destroy();
    }
    const connection: IncomingConnection = new IncomingConnection(
      raw,
      {
        ...options,
        name: options.policy.domains[0] ?? '',
        maxPairs: maxPairsPerConnection,
        maxQuestions: maxQuestionsPerConnection,
        serves: (domain) => this.#rules.termsOf(domain) !== undefined,
        policyOf: (pair) => this.#policyInside(pair),
        isOurKey: (question) => isOurKey(this.#secret, question),
        secure: (socket, onSecure) => this.#acceptor.secure(socket, onSecure),
        judge: async (socket) => this.#covers(socket),
        verify: (question) => this.#inside.verify(question),
        rate: { take: () => 0 },
      },
      {
        onSecured: () => undefined,
        onProven: (_pair, by) => count('inside-proven', by),
        onStanza: (stanza) => {
          if (!this.#send(stanza, () => connection.resume())) connection.pause();
        },
        onRead: () => this.#flush(),
        onOver: () => this.#connections.delete(raw),
      },
    );
    this.#connections.set(raw, connection);
  }

  /** Dialback inside is sound: the question goes over verified TLS to a configured node. */
  #policyInside({ from, to }: DomainPair): PairPolicy {
    if (this.#rules.termsOf(to) === undefined) return 'unknown';
    return this.#rules.serves(from) ? 'dialback' : 'denied';
  }

  #covers(socket: TLSSocket): Covers {
    const certificate = socket.getPeerX509Certificate();
    if (!socket.authorized || certificate === undefined) return () => false;
    const names = certificateNames(certificate.raw);
    return (domain) =>
      coversDomain(names, domain) ||
      this.#inside.nodesOf(domain).some(({ name }) => coversDomain(names, name.toLowerCase()));
  }

  /** False: stop; `resume` will be called. */
  #send(stanza: ServerStanza, resume: () => void): boolean {
    const road = this.#roadOf(stanza);
    if (road === undefined) return true;
    this.#unflushed.add(road);
    if (road.send(stanza)) return true;
    road.whenOpen(resume);
    return false;
  }

  #flush(): void {
    for (const road of this.#unflushed) road.flush();
    this.#unflushed.clear();
  }

  #roadOf({ from, to }: DomainPair): StanzaRoad | undefined {
    const pair = { from, to }; // of a stanza nothing else is kept
    if (this.#isClosing) return undefined;
    const key = pairKey(pair);
    const known = this.#roads.get(key);
    if (known !== undefined) return known.road;
    if (this.#roads.size >= this.#options.maxRoads && !this.#forgetIdle()) {
      this.#options.count('roads-full');
      return undefined;
    }
    const open = (listener: OnwardListener): OnwardStream =>
      (this.#rules.serves(pair.to) ? this.#inside : this.#outside).open(pair, listener);
    const bounce = (stanza: ServerStanza): void => {
      const back = this.#roadOf(stanza);
      back?.send(stanza);
      back?.flush();
    };
    const road = new StanzaRoad({ ...this.#options, pair, open, bounce });
    this.#roads.set(key, { pair, road });
    return road;
  }

  #forgetIdle(): boolean {
    for (const [key, { road }] of this.#roads) {
      if (road.isIdle) return this.#roads.delete(key);
    }
    return false;
  }
}
