// Writes core's own headers into a request and sends it as a transaction over the connection of its target
// (RFC 3261 §16.6 steps 4, 8 and 10). Everything that goes out through core goes through here.
import type { ClientTransaction, SipRequest, SipTransport, TransactionLayer } from '../../sip/index.ts';
import { pushRecordRoutes, pushVia, type HopSide } from '../../sip/hop/index.ts';
import type { CoreHop } from './hop-identity.ts';
import type { SipNode } from './node-directory.ts';
import type { Outgoing, Target } from './outgoing.ts';

export interface HopSenderOptions {
  readonly hop: CoreHop;
  readonly setupTimeoutMs: number;
  /** The connection to a node, opened when there is none. */
  readonly connectionTo: (node: SipNode) => SipTransport;
  /** A request to this node was never answered. */
  readonly suspect: (node: SipNode) => void;
  /** The way out and straight back in, for route sets that pass core twice. */
  readonly selfConnection: () => SipTransport;
}

/** What hears the answers to a request. */
export type SenderHandlers = Parameters<TransactionLayer['request']>[2];

export class HopSender {
  readonly #options: HopSenderOptions;
  #layer: TransactionLayer | undefined;

  constructor(options: HopSenderOptions) {
    this.#options = options;
  }

  /** The layer that requests go out through; set once. */
  useLayer(layer: TransactionLayer): void {
    this.#layer = layer;
  }

  newCallId(): string {
    return this.#options.hop.randomUuid();
  }

  /** Our Via, and with `records` our pair of Record-Routes. */
  writeHop(
    request: SipRequest,
    outgoing: Outgoing,
    target: Target,
    proxyCallId: string,
    records: boolean,
  ): void {
    const side = this.#sideTowards(target);
    if (records) {
      const binding = outgoing.owner.bindingId === '' ? undefined : outgoing.owner.bindingId;
      pushRecordRoutes(request.headers, proxyCallId, outgoing.cameFrom, side, binding);
    }
    pushVia(request.headers, {
      transport: side.transport === 'tcp' ? 'TCP' : 'TLS',
      host: side.host,
      port: side.port,
      egressZone: zoneOf(target),
      branch: this.#options.hop.branches.next(outgoing.loopHash),
      proxyCallId,
    });
  }

  send(request: SipRequest, target: Target, handlers: SenderHandlers): ClientTransaction {
    if (this.#layer === undefined) throw new Error('sender without its transaction layer');
    const { setupTimeoutMs } = this.#options;
    return this.#layer.request(request, this.transportTo(target), handlers, { timerCMs: setupTimeoutMs });
  }

  /** Sends an ACK: it belongs to no transaction. */
  sendAck(outgoing: Outgoing): void {
    const [target] = outgoing.targets;
    if (target === undefined) return;
    this.writeHop(outgoing.request, outgoing, target, this.newCallId(), false);
    this.transportTo(target).send(outgoing.request.print());
  }

  transportTo(target: Target): SipTransport {
    if (target.kind === 'edge') return target.link.transport;
    return target.kind === 'node' ? this.#options.connectionTo(target.node) : this.#options.selfConnection();
  }

  /** The Via of a request that core makes itself. */
  ownVia(target: Target): string {
    const { hop } = this.#options;
    const side = this.#sideTowards(target);
    const sentBy = `SIP/2.0/${side.transport.toUpperCase()} ${side.host}:${side.port}`;
    const branch = hop.branches.next('00000000');
    return `${sentBy};egress-zone=${zoneOf(target)};branch=${branch};proxy-call-id=${hop.randomUuid()};rport`;
  }

  #sideTowards(target: Target): HopSide {
    const { hop } = this.#options;
    if (target.kind === 'edge') return hop.edgeSide;
    return hop.inside[target.kind === 'node' ? target.node.transport : 'tcp'];
  }
}

function zoneOf(target: Target): string {
  if (target.kind === 'edge') return target.link.peer.zone;
  return target.kind === 'node' ? target.node.zone : 'CEself';
}
