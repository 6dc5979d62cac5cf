// A TURN server on loopback for tests: real sockets, ports of the system's choice, every default of the product.
import { randomBytes, randomInt } from 'node:crypto';
import { loadTurnBinding } from './native/binding.ts';
import { PeerPolicy, type PeerPolicyOptions } from './policy/peer-policy.ts';
import { openRelay } from './relay/system-relay.ts';
import { createCredentials, type CredentialOptions } from './server/credentials.ts';
import type { RelayAddress, TurnMachineOptions } from './server/turn-options.ts';
import { TurnServer, type TurnServerOptions, type TurnStreamOptions } from './turn-server.ts';

const binding = loadTurnBinding();

export const TEST_REALM = 'TANDBERG';
export const TEST_USER = { username: 'alice', password: 'wonderland', deployment: 'default' };
export const FOUR: RelayAddress = { family: 4, bound: '127.0.0.1', announced: '127.0.0.1' };

export interface TestServerChanges {
  readonly machine?: Partial<TurnMachineOptions>;
  readonly credentials?: Partial<CredentialOptions>;
  readonly policy?: Partial<PeerPolicyOptions>;
  readonly server?: Partial<TurnServerOptions>;
  readonly stream?: Partial<TurnStreamOptions>;
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer };
  readonly engine?: 'native' | 'portable';
  /** How announced addresses are reached. */
  readonly own?: readonly { readonly announced: string; readonly reachable: string }[];
}

/** Credentials of the tests. */
export function testCredentials(changes: Partial<CredentialOptions> = {}) {
  return createCredentials({
    realm: TEST_REALM,
    users: [TEST_USER],
    secrets: [],
    tokens: undefined,
    maxTtlSeconds: 86_400,
    clockSkewSeconds: 30,
    wallSeconds: () => Math.trunc(Date.now() / 1000),
    ...changes,
  });
}

/** Machine options with the product's defaults. */
export function testMachineOptions(changes: TestServerChanges = {}): TurnMachineOptions {
  const machine = changes.machine ?? {};
  const relayAddresses = machine.relayAddresses ?? [FOUR];
  const ports = { first: machine.firstRelayPort ?? 24_000, last: machine.lastRelayPort ?? 29_999 };
  return {
    realm: TEST_REALM,
    credentials: testCredentials(changes.credentials),
    nonceLifetimeMs: 600_000,
    answersUnauthenticatedBinding: false,
    relayAddresses,
    firstRelayPort: ports.first,
    lastRelayPort: ports.last,
    portQuarantineMs: 5_000,
    maxBindTries: 8,
    defaultLifetimeMs: 600_000,
    maxLifetimeMs: 3_600_000,
    maxAgeMs: 86_400_000,
    permissionLifetimeMs: 300_000,
    channelLifetimeMs: 600_000,
    reservationMs: 30_000,
    maxAllocations: 1_800,
    maxAllocationsPerUser: 1_000,
    maxAllocationsPerDeployment: 1_800,
    maxPermissionsPerAllocation: 64,
    maxChannelsPerAllocation: 64,
    acceptsRfc5766Channels: false,
    maxRefusalRatio: 5,
    refusalsPerSecondPerAddress: 1_000,
    alternates: [],
    supportsTcpRelays: true,
    connectTimeoutMs: 30_000,
    bindTimeoutMs: 30_000,
    maxConnectionsPerAllocation: 16,
    maxPeerConnections: 1_000,
    supportsDontFragment: false,
    randomBytes,
    randomBelow: (limit) => randomInt(limit),
    policy: new PeerPolicy({
      allow: [],
      deny: [],
      ownAddresses: relayAddresses.flatMap(({ bound, announced }) => [bound, announced]),
      relayAddresses: relayAddresses.map(({ announced }) => announced),
      ownPorts: [ports],
      ...changes.policy,
    }),
    ...machine,
  };
}

/** A server that is not listening yet. */
export function testServer(changes: TestServerChanges = {}): TurnServer {
  const quiet = (): void => undefined;
  return new TurnServer({
    machine: testMachineOptions(changes),
    createEngine: (events) =>
      openRelay(
        {
          own: changes.own ?? [],
          listenerBufferBytes: 4 * 1024 * 1024,
          relayBufferBytes: 256 * 1024,
          maxRelays: 6_000,
          controlsPerSecond: 50,
          sweepMs: 1_000,
          events,
          every,
        },
        changes.engine,
      ).engine,
    listeners: [{ transport: 'udp', bind: { address: '127.0.0.1', port: 0 } }],
    tcpRelays: 'missing' in binding ? undefined : { own: changes.own ?? [], boundSocket: binding.tcpSocket },
    tls: changes.tls,
    dtls:
      'missing' in binding || changes.tls === undefined
        ? undefined
        : {
            binding,
            identity: {
              cert: changes.tls.cert.toString(),
              key: changes.tls.key.toString(),
              ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256',
              groups: 'X25519:P-256',
            },
            mtu: 1_232,
            bufferBytes: 1024 * 1024,
          },
    stream: {
      maxConnections: 10_000,
      maxConnectionsPerAddress: 1_000,
      maxHandshakes: 512,
      handshakeTimeoutMs: 10_000,
      unprovenTimeoutMs: 30_000,
      maxUnprovenFrameBytes: 2_048,
      maxFrameBytes: 65_556,
      maxQueueBytes: 256 * 1024,
      ...changes.stream,
    },
    tickMs: 1_000,
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    count: quiet,
    now: () => performance.now(),
    every,
    ...changes.server,
  });
}

function every(ms: number, work: () => void): () => void {
  const timer = setInterval(work, ms);
  return () => clearInterval(timer);
}
