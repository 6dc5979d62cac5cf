// Fixtures for tests of this room: a freshly paired zone on loopback, and options with intervals short enough for a
// test. Not part of the product.
import type { TLSSocket } from 'node:tls';
import { parse } from 'yaml';
import { Admission } from './admission.ts';
import { systemClock } from './clock.ts';
import type { Count, LinkLog, PeerIdentity } from './peer.ts';
import { type Pair, createPair } from './pair/pair.ts';
import type { SshClientOptions } from './ssh/client.ts';
import type { SshServerOptions } from './ssh/server.ts';
import type { TraversalClientOptions } from './traversal-client.ts';
import type { TraversalServerOptions } from './traversal-server.ts';
import { type TraversalZone, resolveZone, zoneFileSchema } from './zone-file.ts';

export const EDGE = 'edge.example.com';
export const CORE = 'core.inside';

export function pairForTest(change: Partial<Parameters<typeof createPair>[0]> = {}): Promise<Pair> {
  return createPair({
    zoneName: 'inside',
    zoneId: 1,
    edges: [{ name: EDGE, address: '127.0.0.1' }],
    cores: [{ name: CORE }],
    days: 365,
    now: Date.now(),
    ...change,
  });
}

export function zoneOf(pair: Pair, name: string): TraversalZone {
  const file = zoneFileSchema.parse(parse(pair.files.find((entry) => entry.name === name)?.yaml ?? ''));
  return resolveZone(file, file['traversal-zone'].identity);
}

export const silentLog: LinkLog = { info: () => {}, warn: () => {}, error: () => {}, debug: () => {} };

/** Events with their words, and promises for the next one of a kind. */
export class Recorder {
  readonly seen: string[] = [];
  readonly sockets: TLSSocket[] = [];
  readonly counts = new Map<string, number>();
  #waiting: { event: string; resolve: () => void }[] = [];

  record(event: string): void {
    this.seen.push(event);
    const due = this.#waiting.filter((waiting) => event.startsWith(waiting.event));
    this.#waiting = this.#waiting.filter((waiting) => !due.includes(waiting));
    for (const waiting of due) waiting.resolve();
  }

  /** Resolves when an event that begins so happens, from now on. */
  next(event: string): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ event, resolve }));
  }

  readonly count: Count = (event, reason) => {
    const key = reason === undefined ? event : `${event} ${reason}`;
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
    this.record(`count ${key}`);
  };

  plugs() {
    return {
      onSip: (socket: TLSSocket, peer: PeerIdentity) => {
        socket.on('error', () => undefined);
        this.sockets.push(socket);
        this.record(`sip ${peer.name}`);
      },
      onPeerUp: (peer: PeerIdentity) => this.record(`up ${peer.name}`),
      onPeerDown: (peer: PeerIdentity, reason: string) => this.record(`down ${peer.name}: ${reason}`),
      controlHandlers: {},
      count: this.count,
      log: silentLog,
    };
  }
}

const links = {
  timing: { loginTimeoutMs: 3000, pingIntervalMs: 60, deadAfterMs: 400, requestTimeoutMs: 1000 },
  limits: {
    channels: {
      maxChannels: 1100,
      maxReceivedBytes: 4 * 1024 * 1024,
      maxReceivedBytesInAll: 64 * 1024 * 1024,
      socketPauseBytes: 1024 * 1024,
    },
    maxQueuedBytes: 16 * 1024 * 1024,
    maxControlQueuedBytes: 1024 * 1024,
    maxOutstandingRequests: 64,
    maxHandledRequests: 64,
  },
  status: { clockWarnMs: 10_000, expiryWarnDays: 30, configHash: 'same' },
  software: 'test',
  clock: systemClock,
};

export function serverOptions(
  zone: TraversalZone,
  recorder: Recorder,
  change: Partial<TraversalServerOptions> = {},
): TraversalServerOptions {
  return {
    ...links,
    ...recorder.plugs(),
    zone,
    host: '127.0.0.1',
    sshPort: 0,
    sipPort: 0,
    xmppPort: 0,
    admission: {
      maxPending: 32,
      maxPendingPerAddress: 16,
      perAddressPerSecond: 100,
      perAddressBurst: 100,
      maxAddresses: 64,
    },
    maxStrangerBytes: 16 * 1024,
    rekeyBytes: 1024 ** 3,
    rekeyIntervalMs: 3_600_000,
    ...change,
  };
}

/** Core's options; its zone's ports become those on which the test's edge listens. */
export function clientOptions(
  zone: TraversalZone,
  ports: { ssh: number; sip: number },
  recorder: Recorder,
  change: Partial<TraversalClientOptions> = {},
): TraversalClientOptions {
  return {
    ...links,
    ...recorder.plugs(),
    zone: { ...zone, ports: { ...zone.ports, ...ports } },
    onHttp: (channel) => channel.on('data', (chunk: Buffer) => channel.write(chunk)),
    localAddress: undefined,
    sshSourcePorts: undefined,
    sipSourcePorts: undefined,
    connectTimeoutMs: 1000,
    backoff: { firstMs: 20, maxMs: 100, goodAfterMs: 1000 },
    random: () => 0.5,
    ...change,
  };
}

const watch = { deadAfterMs: 60_000, maxQueuedBytes: 16 * 1024 * 1024, clock: systemClock };

/** The SSH listener alone, without the zone above it. */
export function sshServerOptions(
  zone: TraversalZone,
  recorder: Recorder,
  change: Partial<SshServerOptions> = {},
): SshServerOptions {
  return {
    host: '127.0.0.1',
    port: 0,
    hostKey: zone.identity.sshKey,
    cores: zone.cores,
    loginGraceMs: 3000,
    maxStrangerBytes: 16 * 1024,
    rekeyBytes: 1024 ** 3,
    rekeyIntervalMs: 3_600_000,
    answerTimeoutMs: 1000,
    channels: links.limits.channels,
    watch,
    admission: new Admission(serverOptions(zone, recorder).admission, systemClock),
    clock: systemClock,
    log: silentLog,
    count: recorder.count,
    onLink: () => recorder.record('link'),
    onRefused: () => {},
    ...change,
  };
}

/** The SSH dialler alone; it echoes on HTTP channels. */
export function sshClientOptions(
  zone: TraversalZone,
  port: number,
  change: Partial<SshClientOptions> = {},
): SshClientOptions {
  const { signal } = new AbortController();
  return {
    dial: {
      host: '127.0.0.1',
      port,
      localAddress: undefined,
      sourcePorts: undefined,
      timeoutMs: 1000,
      signal,
      random: Math.random,
    },
    edge: zone.edges[0]!,
    coreName: CORE,
    key: zone.identity.sshKey,
    loginTimeoutMs: 3000,
    channels: links.limits.channels,
    watch,
    clock: systemClock,
    log: silentLog,
    count: () => {},
    onHttp: (channel) => channel.on('data', (chunk: Buffer) => channel.write(chunk)),
    ...change,
  };
}
