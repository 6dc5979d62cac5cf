// The TURN server put together: machine, relay engine, doors. Carries out the machine's actions and tells it what
// happened; decides nothing. Owns every socket from listen to close; one timer, the machine's tick.
import type { TlsOptions, TLSSocket } from 'node:tls';
import type { ClientLine } from './doors/client-line.ts';
import { StreamAdmission, type StreamAdmissionLimits } from './doors/stream-admission.ts';
import { StreamConnection } from './doors/stream-connection.ts';
import { StreamConnections } from './doors/stream-connections.ts';
import { StreamDoor } from './doors/stream-door.ts';
import type { TurnFrame } from './doors/turn-framer.ts';
import { DtlsDoor, type DtlsDoorOptions } from './dtls/dtls-door.ts';
import type { TransportAddress } from './ip-address.ts';
import { isSendIndication } from './relay/indications.ts';
import {
  RelayEngineError,
  type ClientEnd,
  type RelayEngine,
  type RelayEvents,
} from './relay/relay-engine.ts';
import type {
  AllocationId,
  ClientPath,
  ConnectionId,
  TurnAction,
  TurnEvent,
  TurnInput,
} from './server/turn-input.ts';
import { TurnMachine } from './server/turn-machine.ts';
import type { TurnMachineOptions } from './server/turn-options.ts';
import { TcpRelays, type TcpRelayOptions } from './tcp/tcp-relays.ts';
import { describeAllocation, type AllocationStatus } from './turn-status.ts';

export interface TurnLog {
  debug(fields: object, text: string): void;
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

export interface TurnListener {
  readonly transport: 'udp' | 'tcp' | 'tls' | 'dtls';
  readonly bind: TransportAddress;
}

export interface TurnStreamOptions extends StreamAdmissionLimits {
  readonly handshakeTimeoutMs: number;
  readonly unprovenTimeoutMs: number;
  readonly maxUnprovenFrameBytes: number;
  readonly maxFrameBytes: number;
  readonly maxQueueBytes: number;
}

export interface TurnServerOptions {
  readonly machine: Omit<TurnMachineOptions, 'supportsDontFragment' | 'supportsTcpRelays'>;
  readonly createEngine: (events: RelayEvents) => RelayEngine;
  readonly listeners: readonly TurnListener[];
  /** Needed by listeners of `dtls`. */
  readonly dtls: Pick<DtlsDoorOptions, 'binding' | 'identity' | 'mtu' | 'bufferBytes'> | undefined;
  /** What TCP allocations need; undefined: they are answered 442. */
  readonly tcpRelays: Pick<TcpRelayOptions, 'own' | 'boundSocket'> | undefined;
  /** Needed by listeners of `tls`. */
  readonly tls: TlsOptions | undefined;
  readonly stream: TurnStreamOptions;
  readonly tickMs: number;
  readonly log: TurnLog;
  readonly count: (event: string, reason?: string, times?: number) => void;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Calls `work` each `ms`; returns what ends it. */
  readonly every: (ms: number, work: () => void) => () => void;
}

const MAX_SHOWN = 200;
const COOKIE_SECRET_BYTES = 32;

/** A client's 5-tuple over UDP knows its listener. */
interface UdpPath extends ClientPath {
  readonly listener: number;
}

export class TurnServer {
  readonly #options: TurnServerOptions;
  readonly #machine: TurnMachine;
  readonly #engine: RelayEngine;
  readonly #tcpRelays: TcpRelays | undefined;
  readonly #admission: StreamAdmission;
  readonly #connections: StreamConnections;
  readonly #doors: StreamDoor[] = [];
  readonly #dtlsDoors: DtlsDoor[] = [];
  readonly #lines = new Map<string, ClientLine>();
  readonly #lineOf = new Map<AllocationId, ClientLine>();
  #bound: TurnListener[] = [];
  #lastKey = 0;
  #usage: 'normal' | 'high' | 'full' = 'normal';
  #stopTicking: (() => void) | undefined;
  #closed = false;

  /** @throws TypeError, IpRangeError for options that cannot be served. */
  constructor(options: TurnServerOptions) {
    this.#options = options;
    this.#admission = new StreamAdmission(
      options.stream,
      (address) => options.machine.guard?.admits(address, undefined) !== false,
    );
    this.#connections = new StreamConnections({
      ...options.stream,
      admission: this.#admission,
      now: options.now,
      nextKey: () => `stream ${++this.#lastKey}`,
      onOpen: (connection) => this.#lines.set(connection.path.key, connection),
      onFrame: (connection, frame) => this.#lineFrame(connection, frame),
      onClose: (connection, reason) => this.#lineClosed(connection, reason),
      onRefused: (reason) => options.count('turn-stream-refused', reason),
    });
    this.#engine = options.createEngine({
      onControl: (listener, remote, bytes) => {
        const path: UdpPath = { key: udpKey(listener, remote), transport: 'udp', remote, listener };
        this.#feed({ type: 'message', path, bytes });
      },
      onStray: (reason, packets) => options.count('turn-stray', reason, packets),
      onFailure: (where, code) => this.#socketFailed(where, code),
    });
    const { supportsDontFragment } = this.#engine;
    const supportsTcpRelays = options.tcpRelays !== undefined;
    this.#machine = new TurnMachine({ ...options.machine, supportsDontFragment, supportsTcpRelays });
    this.#tcpRelays = options.tcpRelays && this.#newTcpRelays(options.tcpRelays);
  }

  #newTcpRelays(options: Pick<TcpRelayOptions, 'own' | 'boundSocket'>): TcpRelays {
    return new TcpRelays({
      ...options,
      newConnectionId: () => this.#machine.newConnectionId(),
      events: {
        onArrived: (allocation, connection, peer) =>
          this.#feed({ type: 'peer-arrived', allocation, connection, peer }),
        onConnected: (connection) => this.#feed({ type: 'peer-connected', connection }),
        onFailed: (connection) => this.#feed({ type: 'peer-failed', connection }),
        onClosed: (connection) => this.#feed({ type: 'peer-closed', connection }),
      },
    });
  }

  /** Opens every listener; rejects with the first failure, with nothing left open. */
  async listen(): Promise<readonly TurnListener[]> {
    try {
      for (const listener of this.#options.listeners) {
        this.#bound.push({ ...listener, bind: await this.#listenAt(listener) });
      }
    } catch (error) {
      await this.close('a listener could not be opened');
      throw error;
    }
    this.#stopTicking = this.#options.every(this.#options.tickMs, () => this.#tick());
    return this.#bound;
  }

  async close(reason: string): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopTicking?.();
    this.#options.log.info({ reason, ...this.#machine.sizes() }, 'TURN server closes');
    this.#connections.close();
    for (const door of this.#dtlsDoors) door.close();
    this.#tcpRelays?.close();
    await Promise.all([...this.#doors.map((door) => door.close()), this.#engine.close()]);
  }

  /** Serves a TLS connection that came in through a door of HTTPS and speaks TURN (RFC 7443). */
  adopt(socket: TLSSocket): void {
    this.#connections.adopt(socket);
  }

  /** What the operator sees. */
  status(): object {
    const { maxAllocations } = this.#options.machine;
    return {
      engine: this.#engine.kind,
      listeners: this.#bound.map(({ transport, bind }) => `${transport} ${bind.address}:${bind.port}`),
      usage: this.#usage,
      maxAllocations,
      streams: this.#admission.connections,
      ...this.#machine.sizes(),
      /** The oldest, as many as a page can show. */
      relays: this.allocations().slice(0, MAX_SHOWN),
    };
  }

  /** Each allocation: user, client, peers, bytes, age. */
  allocations(): AllocationStatus[] {
    const now = this.#options.now();
    return [...this.#machine.allocations()].map((allocation) =>
      describeAllocation(
        allocation,
        this.#engine.counters(allocation.id),
        this.#tcpRelays?.counters(allocation.id),
        now,
      ),
    );
  }

  /** What grows with use: what a leak test reads. */
  sizes(): Readonly<Record<string, number>> {
    const { relays } = this.#engine.sizes();
    const tcp = this.#tcpRelays?.sizes() ?? { relays: 0, peers: 0, leaving: 0 };
    return {
      ...this.#machine.sizes(),
      relays,
      tcpRelays: tcp.relays,
      tcpPeers: tcp.peers,
      tcpLeaving: tcp.leaving,
      streams: this.#lines.size,
      streamOf: this.#lineOf.size,
    };
  }

  async #listenAt({ transport, bind }: TurnListener): Promise<TransportAddress> {
    if (transport === 'udp') return (await this.#engine.openListener(bind)).bound;
    if (transport === 'dtls') return this.#listenDtls(bind);
    const { stream, tls, count } = this.#options;
    if (transport === 'tls' && tls === undefined) throw new TypeError('a TLS listener needs a certificate');
    const door = new StreamDoor({
      bind,
      tls: transport === 'tls' ? tls : undefined,
      connections: this.#connections,
      handshakeTimeoutMs: stream.handshakeTimeoutMs,
      onHandshakeOver: () => this.#admission.handshakeOver(),
      onHandshakeFailed: () => count('turn-stream-refused', 'handshake'),
    });
    this.#doors.push(door);
    return door.listen();
  }

  #listenDtls(bind: TransportAddress): Promise<TransportAddress> {
    const { dtls, stream, now, count, machine } = this.#options;
    if (dtls === undefined) throw new TypeError('a DTLS listener needs a certificate and the compiled part');
    const door = new DtlsDoor({
      ...dtls,
      bind,
      cookieSecret: machine.randomBytes(COOKIE_SECRET_BYTES),
      admission: this.#admission,
      handshakeTimeoutMs: stream.handshakeTimeoutMs,
      unprovenTimeoutMs: stream.unprovenTimeoutMs,
      now,
      nextKey: () => `dtls ${++this.#lastKey}`,
      onOpen: (association) => this.#lines.set(association.path.key, association),
      onFrame: (association, frame) => this.#lineFrame(association, frame),
      onClose: (association, reason) => this.#lineClosed(association, reason),
      onRefused: (reason) => count('turn-dtls-refused', reason),
      onFailure: (code) => this.#socketFailed('listener', code),
    });
    this.#dtlsDoors.push(door);
    return door.listen();
  }

  #lineFrame(line: ClientLine, { kind, bytes }: TurnFrame): void {
    if (kind === 'stun' && !isSendIndication(bytes)) {
      return this.#feed({ type: 'message', path: line.path, bytes });
    }
    if (line.allocation === undefined) this.#options.count('turn-stray', 'no-allocation');
    else this.#engine.fromStream(line.allocation, bytes);
  }

  #lineClosed(line: ClientLine, reason: string): void {
    this.#options.count('turn-stream-closed', reason);
    this.#lines.delete(line.path.key);
    if (line.allocation !== undefined) this.#lineOf.delete(line.allocation);
    this.#feed({ type: 'path-closed', path: line.path });
  }

  #tick(): void {
    const now = this.#options.now();
    this.#connections.sweep(now);
    for (const door of this.#dtlsDoors) door.sweep(now);
    this.#feed({ type: 'tick' });
  }

  #feed(input: TurnInput): void {
    if (this.#closed) return;
    for (const action of this.#machine.handle(input, this.#options.now())) this.#perform(action);
  }

  #perform(action: TurnAction): void {
    switch (action.type) {
      case 'reply':
        return this.#reply(action.path, action.bytes);
      case 'open-relay':
        void this.#openRelay(action);
        return;
      case 'close-relay':
        return this.#closeRelay(action);
      case 'permit':
        return this.#engine.permit(action.allocation, action.address, action.ports);
      case 'forbid':
        return this.#engine.forbid(action.allocation, action.address);
      case 'bind-channel':
        return this.#engine.bindChannel(action.allocation, action.channel, action.peer);
      case 'unbind-channel':
        return this.#engine.unbindChannel(action.allocation, action.channel);
      case 'move-client':
        return this.#moveClient(action.allocation, action.path);
      case 'dial-peer':
        return this.#tcpRelays?.dial(action.allocation, action.connection, action.peer);
      case 'close-peer':
        return this.#tcpRelays?.closePeer(action.connection);
      case 'join-peer':
        return this.#joinPeer(action.connection, action.path);
      case 'event':
        return this.#event(action.event);
      case 'count':
        this.#options.count(`turn-${action.event}`, action.reason);
    }
  }

  #reply(path: ClientPath, bytes: Buffer): void {
    if (isUdp(path)) this.#engine.sendControl(path.listener, path.remote, bytes);
    else this.#lines.get(path.key)?.sendControl(bytes);
  }

  /** The client's stream is TURN no longer: it is the peer's (RFC 6062 §5.4). */
  #joinPeer(connection: ConnectionId, path: ClientPath): void {
    const stream = this.#lines.get(path.key);
    if (!(stream instanceof StreamConnection)) return this.#tcpRelays?.closePeer(connection);
    const { socket, rest } = stream.release();
    this.#tcpRelays?.join(connection, socket, rest);
  }

  async #openRelay({
    allocation,
    path,
    relays,
    transport,
  }: Extract<TurnAction, { type: 'open-relay' }>): Promise<void> {
    try {
      if (transport === 'tcp') await this.#tcpRelays?.open(allocation, relays);
      else await this.#engine.open({ allocation, relays, client: this.#clientEnd(path) });
    } catch (error) {
      if (!(error instanceof RelayEngineError)) throw error;
      this.#options.log.warn({ code: error.code, reason: error.message }, 'relay cannot be opened');
      const code = error.code === 'address-in-use' ? 'address-in-use' : 'bind-failed';
      return this.#feed({ type: 'relay-failed', allocation, code });
    }
    this.#attach(allocation, path);
    this.#feed({ type: 'relay-opened', allocation });
  }

  #closeRelay({ allocation, family }: Extract<TurnAction, { type: 'close-relay' }>): void {
    this.#engine.closeRelay(allocation, family);
    this.#tcpRelays?.closeRelay(allocation, family);
    if (family !== undefined) return;
    this.#lineOf.get(allocation)?.setAllocation(undefined);
    this.#lineOf.delete(allocation);
  }

  #moveClient(allocation: AllocationId, path: ClientPath): void {
    this.#lineOf.get(allocation)?.setAllocation(undefined);
    this.#lineOf.delete(allocation);
    this.#engine.setClient(allocation, this.#clientEnd(path));
    this.#attach(allocation, path);
  }

  #attach(allocation: AllocationId, path: ClientPath): void {
    const line = this.#lines.get(path.key);
    if (line === undefined) return;
    line.setAllocation(allocation);
    this.#lineOf.set(allocation, line);
  }

  #clientEnd(path: ClientPath): ClientEnd {
    if (isUdp(path)) return { kind: 'udp', listener: path.listener, remote: path.remote };
    const line = this.#lines.get(path.key);
    return { kind: 'stream', send: (bytes) => line?.sendData(bytes) ?? false };
  }

  #event(event: TurnEvent): void {
    const { log, count } = this.#options;
    count('turn-event', event.kind === 'usage' ? `usage-${event.level}` : event.kind);
    if (event.kind !== 'usage') return log.info(event, `relay ${event.kind}`);
    this.#usage = event.level;
    if (event.level === 'normal') log.info(event, 'TURN allocations are back below the warning mark');
    else if (event.level === 'high') log.warn(event, 'TURN allocations reached 80 % of the limit');
    else log.error(event, 'TURN allocations reached the limit: new clients are sent elsewhere or refused');
  }

  #socketFailed(where: 'listener' | 'relay' | 'engine', code: string): void {
    this.#options.count('turn-socket-error', where);
    if (where === 'engine') {
      return this.#options.log.error(
        { code },
        "the TURN relay's thread ended; another has taken up its sockets",
      );
    }
    this.#options.log.debug({ where, code }, 'TURN socket error');
  }
}

function isUdp(path: ClientPath): path is UdpPath {
  return path.transport === 'udp';
}

function udpKey(listener: number, { address, port }: TransportAddress): string {
  return `udp ${listener} ${address} ${port}`;
}
