// One media section on edge: client ports on one side, channels of a link on the other, flows between.
// Trusts no packet: until core names a token, nothing a client port hears goes anywhere but the probe channel, and
// nothing is sent to anybody. An opaque stream, whose packets nobody can check, follows the address that the
// session's SRTP has proven.
import type { BoundPair, FlowId, LinkId, MediaEngine, PortId } from '../../media/index.ts';
import type { TransportAddress } from '../../turn/index.ts';
import type { OpenRequest } from '../../zones/media-link/index.ts';
import type { EdgeMediaOptions } from './edge-media-options.ts';

export type Component = 'rtp' | 'rtcp';

interface Half {
  readonly port: PortId;
  readonly toCore: FlowId;
  readonly toClient: FlowId;
  client: TransportAddress | undefined;
}

export class EdgeStream {
  readonly request: OpenRequest;
  readonly ports: BoundPair;
  readonly #engine: MediaEngine;
  #dscp = 0;
  readonly #halves = new Map<Component, Half>();

  constructor(
    request: OpenRequest,
    ports: BoundPair,
    link: LinkId,
    engine: MediaEngine,
    options: EdgeMediaOptions,
  ) {
    this.request = request;
    this.ports = ports;
    this.#engine = engine;
    try {
      this.#halves.set('rtp', this.#openHalf(link, 'rtp', ports.rtp, options));
      if (ports.rtcp !== undefined) {
        this.#halves.set('rtcp', this.#openHalf(link, 'rtcp', ports.rtcp, options));
      }
    } catch (error) {
      this.closeFlows();
      throw error;
    }
  }

  #openHalf(link: LinkId, component: Component, port: PortId, options: EdgeMediaOptions): Half {
    const { content, channels } = this.request;
    const channel = component === 'rtp' ? channels.rtp : channels.rtcp;
    const probeChannel = component === 'rtp' ? channels.rtpProbe : channels.rtcpProbe;
    this.#dscp = options.dscp[this.request.kind];
    const output = { kind: 'channel', link, channel, dscp: this.#dscp } as const;
    const { maxPendingSources: maxSources, probePacketsPerSecond: packetsPerSecond } = options;
    const toCore = this.#engine.addFlow({
      input: { kind: 'port', port, accept: { kind: 'none' } },
      content,
      probe: content !== 'opaque' ? { link, channel: probeChannel, maxSources, packetsPerSecond } : undefined,
      unprotect: [],
      rtp: output,
      rtcp: output,
      idleAfterMs: options.idleAfterMs,
    });
    try {
      const input = { kind: 'channel', link, channel, tokened: false } as const;
      const toClient = this.#engine.addFlow({
        input,
        content,
        unprotect: [],
        idleAfterMs: options.idleAfterMs,
      });
      return { port, toCore, toClient, client: undefined };
    } catch (error) {
      this.#engine.removeFlow(toCore);
      throw error;
    }
  }

  /** Flows by which the engine names this stream in its events. */
  flows(): FlowId[] {
    return [...this.#halves.values()].flatMap((half) => [half.toCore, half.toClient]);
  }

  /** Core has checked a tag of this source. Resolves the address, or undefined when the token is forgotten. */
  latch(component: Component, token: number): TransportAddress | undefined {
    const half = this.#halves.get(component);
    const source = half && this.#engine.tokenSource(half.toCore, token);
    if (half === undefined || source === undefined || this.request.content === 'opaque') return undefined;
    this.#engine.changeFlow(half.toCore, { accept: { kind: 'exact', source } });
    this.#sendTo(half, source);
    return source;
  }

  /** An opaque stream takes packets from this address, any port; where to send is learned from the first of them. */
  follow(address: string): void {
    const half = this.#halves.get('rtp');
    if (half === undefined || this.request.content !== 'opaque') return;
    this.#engine.changeFlow(half.toCore, { accept: { kind: 'address', address } });
    if (half.client?.address !== address) this.#sendTo(half, undefined);
  }

  /** The engine took an opaque packet from a new port of the followed address. */
  sourceSeen(flow: FlowId, source: TransportAddress): void {
    for (const half of this.#halves.values()) if (half.toCore === flow) this.#sendTo(half, source);
  }

  #sendTo(half: Half, remote: TransportAddress | undefined): void {
    half.client = remote;
    const output = remote && ({ kind: 'port', port: half.port, remote, dscp: this.#dscp } as const);
    this.#engine.changeFlow(half.toClient, { rtp: output, rtcp: output });
  }

  closeFlows(): void {
    for (const flow of this.flows()) this.#engine.removeFlow(flow);
    this.#halves.clear();
  }

  /** The path, node by node, with what each has taken and dropped. */
  status(): object {
    return [...this.#halves].map(([component, half]) => ({
      component,
      path: `client ${half.client === undefined ? '(unproven)' : `${half.client.address}:${half.client.port}`} ⇄ port ${
        component === 'rtp' ? this.ports.pair.rtp : this.ports.pair.rtcp
      } ⇄ channel ${component === 'rtp' ? this.request.channels.rtp : this.request.channels.rtcp}`,
      toCore: this.#engine.counters(half.toCore),
      toClient: this.#engine.counters(half.toClient),
    }));
  }
}
