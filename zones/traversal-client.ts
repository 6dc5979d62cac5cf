// Core's half of a traversal zone: dials every edge, on each plane by itself, and keeps at it. It listens on nothing.
import type { Duplex } from 'node:stream';
import { ControlStream } from './control/channel.ts';
import type { DialOptions, PortRange } from './dial.ts';
import { LinkError } from './link-error.ts';
import { type LinkOptions, controlOptions } from './link-options.ts';
import type { EdgePeer, PeerIdentity, Plane, TraversalClient } from './peer.ts';
import { connectSsh } from './ssh/client.ts';
import { nativeBindingLoaded } from './ssh/ssh2-internals.ts';
import { type BackoffOptions, type SupervisedLink, Supervisor } from './supervisor.ts';
import { connectTlsLink } from './tls/client.ts';
import { endWords } from './tls/end-words.ts';
import type { TlsPlane } from './tls/profile.ts';
import { type TraversalZone, checkRenewal } from './zone-file.ts';
import { StatusBoard } from './zone-status.ts';

export interface TraversalClientOptions extends LinkOptions {
  /** Edge opened a channel: serve HTTP/1.1 on it. The receiver owns it. */
  readonly onHttp: (channel: Duplex, peer: PeerIdentity) => void;
  /** Address of this machine to dial from; undefined lets the system choose. */
  readonly localAddress: string | undefined;
  /** Source ports that the inner firewall expects; undefined lets the system choose. */
  readonly sshSourcePorts: PortRange | undefined;
  readonly sipSourcePorts: PortRange | undefined;
  readonly connectTimeoutMs: number;
  readonly backoff: BackoffOptions;
  /** 0 ≤ random() < 1; for jitter and source ports, nothing secret. */
  readonly random: () => number;
}

type Edge = LinkOptions['zone']['edges'][number];

/** Builds core's half; nothing is dialled before `start()`. */
export function createTraversalClient(options: TraversalClientOptions): TraversalClient {
  return new CoreLinks(options);
}

class CoreLinks implements TraversalClient {
  readonly #options: TraversalClientOptions;
  readonly #board: StatusBoard;
  #zone: TraversalZone;
  readonly #supervisors: readonly Supervisor[];
  readonly #live = new Map<string, EdgePeer>();

  constructor(options: TraversalClientOptions) {
    const { zone, status, clock, log, onXmpp } = options;
    this.#options = options;
    this.#zone = zone;
    const names = zone.edges.map((edge) => edge.name);
    this.#board = new StatusBoard(zone, names, 'not dialled yet', status, clock, log, onXmpp !== undefined);
    this.#supervisors = zone.edges.flatMap((edge) => [
      this.#supervise(edge, 'https', (signal) => this.#openSsh(edge, signal)),
      this.#supervise(edge, 'sip', (signal) =>
        this.#openTls(edge, 'sip', options.sipSourcePorts, options.onSip, signal),
      ),
      ...(onXmpp === undefined
        ? []
        : [
            this.#supervise(edge, 'xmpp', (signal) => this.#openTls(edge, 'xmpp', undefined, onXmpp, signal)),
          ]),
    ]);
  }

  start(): void {
    const native = nativeBindingLoaded();
    const fields = { zone: this.#options.zone.name, sshNativeBinding: native };
    if (native) this.#options.log.info(fields, 'dialling the edges of the zone');
    else
      this.#options.log.warn(
        fields,
        'dialling the edges of the zone; ssh2 runs without its compiled binding, at a third of the speed',
      );
    for (const supervisor of this.#supervisors) supervisor.start();
  }

  async close(reason: string): Promise<void> {
    await Promise.all(this.#supervisors.map((supervisor) => supervisor.close(reason)));
  }

  edges(): readonly EdgePeer[] {
    return [...this.#live.values()];
  }

  status(): ReturnType<TraversalClient['status']> {
    return this.#board.all();
  }

  reportMedia(peerName: string, status: { state: 'up' | 'down' | 'connecting'; cause: string }): void {
    this.#board.set(peerName, 'media', status.state, status.cause);
  }

  renew(zone: TraversalZone): void {
    checkRenewal(this.#options.zone, zone);
    this.#zone = zone;
    this.#board.renew(zone);
  }

  #supervise(
    edge: Edge,
    plane: Plane,
    connect: (signal: AbortSignal) => Promise<SupervisedLink>,
  ): Supervisor {
    const { backoff, clock, random, count } = this.#options;
    return new Supervisor({
      connect,
      backoff,
      clock,
      random,
      onState: (state, words, error) => {
        if (error) count('link-failed', error.code);
        this.#board.set(edge.name, plane, state, words);
      },
    });
  }

  /** Resolves once the edge's hello has been read; until then the link does not count. */
  async #openSsh(edge: Edge, signal: AbortSignal): Promise<SupervisedLink> {
    const { zone, timing, limits, clock, log, count, onHttp } = this.#options;
    const peer = this.#identity(edge.name);
    const link = await connectSsh({
      dial: this.#dial(edge, zone.ports.ssh, this.#options.sshSourcePorts, signal),
      edge,
      coreName: zone.self.name,
      key: zone.identity.sshKey,
      loginTimeoutMs: timing.loginTimeoutMs,
      channels: limits.channels,
      watch: { deadAfterMs: timing.deadAfterMs, maxQueuedBytes: limits.maxQueuedBytes, clock },
      clock,
      log,
      count,
      onHttp: (channel) => onHttp(channel, peer),
    });
    await this.#hello(edge, peer, link);
    return { ended: link.closed, close: (words) => link.close(words) };
  }

  #hello(edge: Edge, peer: PeerIdentity, link: Awaited<ReturnType<typeof connectSsh>>): Promise<void> {
    return new Promise((resolve, reject) => {
      const control: ControlStream = new ControlStream(link.control, peer, controlOptions(this.#options), {
        onReady: (hello) => {
          this.#board.setHello(edge.name, hello.configHash);
          this.#live.set(edge.name, { identity: peer, control });
          resolve();
          this.#options.onPeerUp(peer);
        },
        onMeasured: (rttMs, skewMs) => this.#board.setMeasured(edge.name, rttMs, skewMs),
        onBroken: (words) => link.close(words),
      });
      void link.closed.then((words) => {
        control.linkClosed();
        reject(new LinkError('closed', words));
        if (this.#live.get(edge.name)?.control !== control) return;
        this.#live.delete(edge.name);
        this.#board.forget(edge.name);
        this.#options.onPeerDown(peer, words);
      });
    });
  }

  async #openTls(
    edge: Edge,
    plane: TlsPlane,
    sourcePorts: PortRange | undefined,
    onSocket: LinkOptions['onSip'],
    signal: AbortSignal,
  ): Promise<SupervisedLink> {
    const { timing, clock } = this.#options;
    const zone = this.#zone;
    const socket = await connectTlsLink({
      plane,
      dial: this.#dial(edge, zone.ports[plane], sourcePorts, signal),
      edgeName: edge.name,
      zone,
      handshakeTimeoutMs: timing.loginTimeoutMs,
      clock,
    });
    let words: string | undefined;
    const ended = new Promise<string>((resolve) =>
      socket.once('close', () => resolve(words ?? endWords(socket))),
    );
    onSocket(socket, this.#identity(edge.name));
    return {
      ended,
      close: (reason) => {
        words = reason;
        socket.destroy();
      },
    };
  }

  #dial(edge: Edge, port: number, sourcePorts: PortRange | undefined, signal: AbortSignal): DialOptions {
    const { localAddress, connectTimeoutMs, random } = this.#options;
    return {
      host: edge.address,
      port,
      localAddress,
      sourcePorts,
      timeoutMs: connectTimeoutMs,
      signal,
      random,
    };
  }

  #identity(name: string): PeerIdentity {
    return { name, zone: this.#options.zone.name, zoneId: this.#options.zone.id };
  }
}
