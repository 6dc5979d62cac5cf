// Call routing between registered devices: a record-routing proxy that keeps transactions (RFC 3261 §16), since
// the lab's phones and core speak TCP and TLS only. One relay serves every node of the cluster. It hands REGISTER
// to the registrar, finds callees by directory number and follows Route and Contact for everything inside a call.
// Bounded: `maxTransactions`; beyond that, 503.
import {
  type Clock,
  createAck,
  createBranch,
  createCancel,
  createResponse,
  isLooseRoute,
  type NameAddr,
  SipParseError,
  type SipRequest,
  type SipResponse,
  type SipUri,
  uriTransport,
} from '../../sip/index.ts';
import { type CallControlNode, type Enterprise } from './enterprise.ts';
import { type Registrar } from './registrar.ts';

/** A connection to a device or to core, as the relay sees it. */
export interface RelayPeer {
  /** The node whose door or socket this is. */
  readonly node: CallControlNode;
  readonly transport: 'tcp' | 'tls';
  /** This node's listening port for the transport: what it writes into Via and Record-Route. */
  readonly localPort: number;
  readonly isOpen: boolean;
  send(bytes: Buffer): boolean;
}

/** Finds an open connection to an address or makes one. Rejects when nobody answers there. */
export type Reach = (
  target: { host: string; port: number; transport: 'tcp' | 'tls' },
  from: CallControlNode,
) => Promise<RelayPeer>;

export interface CallRelayOptions {
  readonly enterprise: Enterprise;
  readonly registrar: Registrar;
  readonly reach: Reach;
  readonly clock: Clock;
  readonly random: (bytes: number) => Buffer;
  readonly maxTransactions: number;
  /** Longest wait for a final answer; an INVITE waits `ringMs`. */
  readonly answerMs: number;
  readonly ringMs: number;
}

interface Relayed {
  readonly upstream: RelayPeer;
  readonly received: SipRequest;
  readonly sent: SipRequest;
  downstream: RelayPeer | undefined;
  timer: ReturnType<Clock['setTimer']> | undefined;
}

const dialogForming = new Set(['INVITE', 'SUBSCRIBE', 'REFER']);
/** How long a finished INVITE is remembered, for late 2xx and their ACK (RFC 6026). */
const afterglowMs = 5_000;

export class CallRelay {
  readonly #options: CallRelayOptions;
  /** By the branch this relay wrote. */
  readonly #relayed = new Map<string, Relayed>();

  constructor(options: CallRelayOptions) {
    this.#options = options;
  }

  /** Takes one message from a connection. */
  async handle(message: SipRequest | SipResponse, from: RelayPeer): Promise<void> {
    if (message.kind === 'response') {
      this.#relayResponse(message);
      return;
    }
    try {
      await this.#handleRequest(message, from);
    } catch (error) {
      if (!(error instanceof SipParseError)) throw error;
      this.#answer(message, from, 400, error.reason);
    }
  }

  /** Forgets every transaction and its timer. */
  close(): void {
    for (const branch of this.#relayed.keys()) this.#forget(branch);
  }

  async #handleRequest(request: SipRequest, from: RelayPeer): Promise<void> {
    switch (request.method) {
      case 'REGISTER':
        from.send(this.#options.registrar.handle(request, this.#options.clock.now()).print());
        return;
      case 'CANCEL':
        this.#cancel(request, from);
        return;
      case 'ACK':
        // The ACK of a refusal ends here (§17.2.3: it has the INVITE's branch); that of a 2xx goes on.
        if (this.#find(request, from) === undefined) await this.#relay(request, from);
        return;
      default:
        await this.#relay(request, from);
    }
  }

  // §16.3 to §16.6.
  async #relay(request: SipRequest, from: RelayPeer): Promise<void> {
    const hops = request.maxForwards ?? 70;
    if (hops === 0) return this.#answer(request, from, 483);
    if (this.#relayed.size >= this.#options.maxTransactions) return this.#answer(request, from, 503);
    const sent = request.clone();
    sent.headers.set('Max-Forwards', String(hops - 1));
    while (this.#isOwnRoute(sent.routes[0])) sent.headers.removeFirst('route');
    const verdict = this.#aim(sent);
    if (verdict !== undefined) return this.#answer(request, from, verdict);
    const next = sent.routes[0]?.uri ?? sent.uri;
    if (next.kind !== 'sip') return this.#answer(request, from, 416);
    await this.#forward(request, sent, next, from);
  }

  /** Points a request for one of our numbers at its contact; returns a status when it goes no further. */
  #aim(request: SipRequest): number | undefined {
    const { uri } = request;
    if (request.routes.length > 0 || uri.kind !== 'sip' || !this.#isOwnHost(uri)) return undefined;
    if (uri.user === undefined) return request.method === 'OPTIONS' ? 200 : 404;
    const device = this.#options.enterprise.devices.find((one) => one.directoryNumber === uri.user);
    if (device === undefined) return 404;
    const binding = this.#options.registrar.lookUp(device.directoryNumber, this.#options.clock.now())[0];
    if (binding === undefined) return 480;
    request.uriText = binding.uri;
    if (binding.path.length > 0) request.headers.setAll('Route', binding.path);
    return undefined;
  }

  async #forward(request: SipRequest, sent: SipRequest, next: SipUri, from: RelayPeer): Promise<void> {
    const transport = uriTransport(next) === 'tls' ? 'tls' : 'tcp';
    const branch = createBranch(this.#options.random);
    if (request.method !== 'ACK') this.#remember(branch, request, sent, from);
    if (request.method === 'INVITE') this.#answer(request, from, 100);
    try {
      const port = next.port ?? (transport === 'tls' ? 5061 : 5060);
      const to = await this.#options.reach({ host: next.host, port, transport }, from.node);
      const via = `SIP/2.0/${transport.toUpperCase()} ${to.node.address}:${to.localPort}`;
      sent.headers.prepend('Via', `${via};branch=${branch}`);
      if (dialogForming.has(request.method)) recordRoute(sent, from, to);
      const relayed = this.#relayed.get(branch);
      if (relayed !== undefined) relayed.downstream = to;
      to.send(sent.print());
    } catch {
      this.#forget(branch);
      this.#answer(request, from, 503);
    }
  }

  #relayResponse(response: SipResponse): void {
    const relayed = this.#relayed.get(response.topVia.branch ?? '');
    if (relayed === undefined || response.status === 100) return;
    const branch = response.topVia.branch ?? '';
    if (!response.isProvisional) this.#finish(branch, relayed, response);
    const onward = response.clone();
    onward.headers.removeFirst('via');
    if (onward.headers.has('via')) relayed.upstream.send(onward.print());
  }

  #finish(branch: string, relayed: Relayed, response: SipResponse): void {
    if (relayed.received.method !== 'INVITE') return this.#forget(branch);
    if (!response.isSuccess) relayed.downstream?.send(createAck(relayed.sent, response).print());
    this.#restartTimer(branch, relayed, afterglowMs, () => this.#forget(branch));
  }

  #cancel(request: SipRequest, from: RelayPeer): void {
    const relayed = this.#find(request, from);
    if (relayed === undefined) return this.#answer(request, from, 481);
    this.#answer(request, from, 200);
    if (relayed.downstream !== undefined) relayed.downstream.send(createCancel(relayed.sent).print());
  }

  /** The INVITE that a CANCEL or ACK of the same branch is about (§9.2, §17.2.3). */
  #find(request: SipRequest, from: RelayPeer): Relayed | undefined {
    const branch = request.topVia.branch;
    for (const relayed of this.#relayed.values()) {
      const isSame = relayed.upstream === from && relayed.received.topVia.branch === branch;
      if (isSame && relayed.received.method === 'INVITE') return relayed;
    }
    return undefined;
  }

  #remember(branch: string, received: SipRequest, sent: SipRequest, upstream: RelayPeer): void {
    const relayed: Relayed = { upstream, received, sent, downstream: undefined, timer: undefined };
    const isInvite = received.method === 'INVITE';
    this.#relayed.set(branch, relayed);
    this.#restartTimer(branch, relayed, isInvite ? this.#options.ringMs : this.#options.answerMs, () => {
      if (isInvite) relayed.downstream?.send(createCancel(relayed.sent).print());
      this.#answer(received, upstream, 408);
      this.#forget(branch);
    });
  }

  #restartTimer(branch: string, relayed: Relayed, delayMs: number, expired: () => void): void {
    if (relayed.timer !== undefined) this.#options.clock.clearTimer(relayed.timer);
    relayed.timer = this.#options.clock.setTimer(() => {
      if (this.#relayed.get(branch) === relayed) expired();
    }, delayMs);
  }

  #forget(branch: string): void {
    const relayed = this.#relayed.get(branch);
    if (relayed?.timer !== undefined) this.#options.clock.clearTimer(relayed.timer);
    this.#relayed.delete(branch);
  }

  #answer(request: SipRequest, to: RelayPeer, status: number, reason?: string): void {
    if (request.method === 'ACK') return;
    const toTag = status === 100 ? {} : { toTag: this.#options.random(8).toString('hex') };
    to.send(createResponse(request, status, reason, toTag).print());
  }

  #isOwnRoute(route: NameAddr | undefined): boolean {
    return route?.uri.kind === 'sip' && isLooseRoute(route.uri) && this.#isOwnHost(route.uri);
  }

  #isOwnHost(uri: SipUri): boolean {
    const { domain, nodes } = this.#options.enterprise;
    const host = uri.host.toLowerCase();
    return host === domain || nodes.some((node) => node.address === host || node.name === host);
  }
}

// One Record-Route when both sides are reached the same way, else one per side, the onward one on top (RFC 5658).
function recordRoute(request: SipRequest, from: RelayPeer, to: RelayPeer): void {
  const sides = [from, to].map(
    ({ node, localPort, transport }) => `<sip:${node.address}:${localPort};transport=${transport};lr>`,
  );
  for (const side of new Set(sides)) request.headers.prepend('Record-Route', side);
}
