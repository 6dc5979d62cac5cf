// Edge's half of a traversal zone: listens for the zone's cores on 2222 (SSH: web requests and control), 7001 (SIP)
// and, when messaging is on, 7400 (XMPP), and knows which of them are there. It dials nobody.
import { Admission, type AdmissionOptions } from './admission.ts';
import { ControlStream } from './control/channel.ts';
import { type LinkOptions, controlOptions } from './link-options.ts';
import type {
  ControlChannel,
  CorePeer,
  PeerIdentity,
  StrangerWatch,
  TraversalServer,
  ZonePlugs,
} from './peer.ts';
import { knowCores, type KnownCores } from './known-cores.ts';
import { type EdgeSshLink, SshServer } from './ssh/server.ts';
import { nativeBindingLoaded } from './ssh/ssh2-internals.ts';
import type { TlsPlane } from './tls/profile.ts';
import { TlsLinkServer } from './tls/server.ts';
import { type TraversalZone, checkRenewal } from './zone-file.ts';
import { StatusBoard } from './zone-status.ts';

export interface TraversalServerOptions extends LinkOptions {
  /** Address of the edge's inner network card. */
  readonly host: string;
  readonly sshPort: number;
  readonly sipPort: number;
  readonly xmppPort: number;
  readonly admission: AdmissionOptions;
  /** Left out: every stranger is heard. */
  readonly strangers?: StrangerWatch | undefined;
  /** Bytes a peer may send before it has logged in on SSH. */
  readonly maxStrangerBytes: number;
  /** New SSH keys after this many bytes or this long. */
  readonly rekeyBytes: number;
  readonly rekeyIntervalMs: number;
}

/** Builds edge's half; nothing listens before `listen()`. */
export function createTraversalServer(options: TraversalServerOptions): TraversalServer {
  return new EdgeLinks(options);
}

const WAITING = 'this core has not connected yet';

class EdgeLinks implements TraversalServer {
  readonly #options: TraversalServerOptions;
  readonly #board: StatusBoard;
  readonly #ssh: SshServer;
  readonly #strangers: KnownCores;
  readonly #sip: TlsLinkServer;
  readonly #xmpp: TlsLinkServer | undefined;
  readonly #live = new Map<string, { link: EdgeSshLink; peer: CorePeer }>();

  constructor(options: TraversalServerOptions) {
    const { zone, timing, limits, clock, log, count } = options;
    this.#options = options;
    const names = zone.cores.map((core) => core.name);
    this.#strangers = knowCores(options.strangers);
    this.#board = new StatusBoard(
      zone,
      names,
      WAITING,
      options.status,
      clock,
      log,
      options.onXmpp !== undefined,
    );
    this.#ssh = new SshServer({
      host: options.host,
      port: options.sshPort,
      hostKey: zone.identity.sshKey,
      cores: zone.cores,
      loginGraceMs: timing.loginTimeoutMs,
      maxStrangerBytes: options.maxStrangerBytes,
      rekeyBytes: options.rekeyBytes,
      rekeyIntervalMs: options.rekeyIntervalMs,
      answerTimeoutMs: timing.requestTimeoutMs,
      channels: limits.channels,
      watch: { deadAfterMs: timing.deadAfterMs, maxQueuedBytes: limits.maxQueuedBytes, clock },
      admission: new Admission(options.admission, clock),
      strangers: this.#strangers,
      clock,
      log,
      count,
      onLink: (link) => {
        this.#strangers.know(link.address);
        this.#sshUp(link);
      },
      onRefused: (core, words) =>
        this.#board.explain(core, 'https', `refused a login as this core: ${words}`),
    });
    this.#sip = this.#tlsServer('sip', options.sipPort, options.onSip);
    const { onXmpp } = options;
    this.#xmpp = onXmpp && this.#tlsServer('xmpp', options.xmppPort, onXmpp);
  }

  async listen(): Promise<void> {
    try {
      await Promise.all([this.#ssh.listen(), this.#sip.listen(), this.#xmpp?.listen()]);
    } catch (error) {
      await this.close('could not listen');
      throw error;
    }
    const native = nativeBindingLoaded();
    const fields = { ...this.addresses(), zone: this.#options.zone.name, sshNativeBinding: native };
    if (native) this.#options.log.info(fields, 'listening for the cores of the zone');
    else
      this.#options.log.warn(
        fields,
        'listening for the cores of the zone; ssh2 runs without its compiled binding, at a third of the speed',
      );
  }

  async close(reason: string): Promise<void> {
    for (const { link } of this.#live.values()) link.close(reason);
    await Promise.all([this.#ssh.close(), this.#sip.close(), this.#xmpp?.close()]);
  }

  cores(): readonly CorePeer[] {
    return [...this.#live.values()].map(({ peer }) => peer);
  }

  status(): ReturnType<TraversalServer['status']> {
    return this.#board.all();
  }

  reportMedia(peerName: string, status: { state: 'up' | 'down' | 'connecting'; cause: string }): void {
    this.#board.set(peerName, 'media', status.state, status.cause);
  }

  renew(zone: TraversalZone): void {
    checkRenewal(this.#options.zone, zone);
    this.#sip.renew(zone);
    this.#xmpp?.renew(zone);
    this.#board.renew(zone);
  }

  addresses(): { ssh: number; sip: number; xmpp: number } {
    return { ssh: this.#ssh.port, sip: this.#sip.port, xmpp: this.#xmpp?.port ?? 0 };
  }

  #tlsServer(plane: TlsPlane, port: number, onSocket: ZonePlugs['onSip']): TlsLinkServer {
    const { host, zone, timing, admission, clock, log, count } = this.#options;
    return new TlsLinkServer({
      plane,
      host,
      port,
      zone,
      handshakeTimeoutMs: timing.loginTimeoutMs,
      admission: new Admission(admission, clock),
      admits: (address) => this.#strangers.admits(address),
      log,
      count,
      onLink: (socket, core) => {
        this.#board.set(core, plane, 'up', '');
        onSocket(socket, this.#identity(core));
      },
      onRefused: (core, words) =>
        this.#board.explain(core, plane, `refused a connection as this core: ${words}`),
      onGone: (core, words) => this.#board.set(core, plane, 'down', words),
    });
  }

  /** A core logged in; it counts as present once its hello has been read. */
  #sshUp(link: EdgeSshLink): void {
    const identity = this.#identity(link.core);
    const control: ControlStream = new ControlStream(link.control, identity, controlOptions(this.#options), {
      onReady: (hello) => {
        this.#board.setHello(link.core, hello.configHash);
        this.#present(link, identity, control);
      },
      onMeasured: (rttMs, skewMs) => this.#board.setMeasured(link.core, rttMs, skewMs),
      onBroken: (words) => link.close(words),
    });
    void link.closed.then((words) => {
      control.linkClosed();
      this.#gone(link, words);
    });
  }

  #present(link: EdgeSshLink, identity: PeerIdentity, control: ControlChannel): void {
    const older = this.#live.get(link.core);
    if (older) this.#absent(older.link, 'replaced by a newer connection of the same core');
    this.#live.set(link.core, { link, peer: { identity, control, openHttp: () => link.openHttp() } });
    older?.link.close('replaced by a newer connection of the same core');
    this.#board.set(link.core, 'https', 'up', '');
    this.#options.onPeerUp(identity);
  }

  #gone(link: EdgeSshLink, words: string): void {
    if (this.#live.get(link.core)?.link === link) this.#absent(link, words);
    else if (!this.#live.has(link.core)) this.#board.set(link.core, 'https', 'down', words);
  }

  #absent(link: EdgeSshLink, words: string): void {
    this.#live.delete(link.core);
    this.#board.forget(link.core);
    this.#board.set(link.core, 'https', 'down', words);
    this.#options.onPeerDown(this.#identity(link.core), words);
  }

  #identity(name: string): PeerIdentity {
    return { name, zone: this.#options.zone.name, zoneId: this.#options.zone.id };
  }
}
