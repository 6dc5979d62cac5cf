// From the edge's configuration to the options of its TURN server. Peers are judged by where they are: every address of
// this machine is denied except the relayed ones and the media ports, which meet each other here without leaving.
import { randomBytes, randomInt } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Count, Log } from '../../admin/index.ts';
import { TURN_LIMITS } from '../../config/index.ts';
import type { EdgeConfig, Secret } from '../../config/index.ts';
import { createCredentials, loadTurnBinding, openRelay, PeerPolicy } from '../../turn/index.ts';
import type {
  CredentialOptions,
  OwnAddress,
  RelayAddress,
  TurnGuard,
  TurnListener,
  TurnServer,
  TurnServerOptions,
} from '../../turn/index.ts';
import { every, systemClock } from '../../zones/index.ts';
import { DOOR_CIPHERS, DOOR_GROUPS } from '../door-tls.ts';
import { isFirstOfStun, type OtherProtocol } from '../https/index.ts';

/** Options of the TURN server; undefined while it is not enabled. @throws IpRangeError naming an entry that is none. */
export function turnServerOptions(
  config: EdgeConfig,
  guard: TurnGuard | undefined,
  observers: { readonly log: Log; readonly count: Count },
): TurnServerOptions | undefined {
  const { turn, certificate } = config;
  if (!turn.enabled) return undefined;
  const relayAddresses = relayAddressesOf(config);
  const ofPeers = turn.peers.map(({ announce, address }) => ({ announced: announce, reachable: address }));
  const own = [...relayAddresses.map(reachableOf), ...ofPeers];
  const binding = loadTurnBinding();
  if ('missing' in binding) {
    observers.log.warn(
      { reason: binding.missing },
      'TURN has no DTLS and no TCP allocations: its compiled parts are missing',
    );
  }
  return {
    ...observers,
    machine: { ...machineOptions(config, relayAddresses), guard },
    createEngine: (events) => {
      const options = { ...TURN_LIMITS, maxRelays: turn.maxAllocations, own, events, every: everyMs };
      const { engine, what } = openRelay(options, config.media.engine);
      observers.log.info({ engine: engine.kind }, what);
      return engine;
    },
    listeners: listenersOf(config, !('missing' in binding)),
    dtls:
      'missing' in binding
        ? undefined
        : {
            binding,
            identity: {
              cert: certificate.chain.reveal(),
              key: certificate.key.reveal(),
              ciphers: DOOR_CIPHERS,
              groups: DOOR_GROUPS,
            },
            mtu: TURN_LIMITS.dtlsMtuBytes,
            bufferBytes: TURN_LIMITS.listenerBufferBytes,
          },
    tcpRelays:
      turn.tcpAllocations && !('missing' in binding) ? { own, boundSocket: binding.tcpSocket } : undefined,
    tls: {
      cert: certificate.chain.reveal(),
      key: certificate.key.reveal(),
      ecdhCurve: DOOR_GROUPS,
      ciphers: DOOR_CIPHERS,
      minVersion: 'TLSv1.2',
    },
    stream: {
      ...TURN_LIMITS,
      maxConnections: turn.maxConnections,
      maxConnectionsPerAddress: turn.maxConnectionsPerAddress,
      maxQueueBytes: turn.maxQueue,
    },
    tickMs: TURN_LIMITS.tickMs,
    now: () => systemClock.now(),
    every: everyMs,
  };
}

function everyMs(ms: number, work: () => void): () => void {
  return every(systemClock, ms, work);
}

/** TURN at the port of HTTPS (RFC 7443), where the configuration wants it. */
export function turnAtHttps({ turn }: EdgeConfig, server: TurnServer | undefined): OtherProtocol | undefined {
  if (server === undefined || !turn.shareHttpsPort) return undefined;
  return {
    alpn: ['stun.turn', 'stun.nat-discovery'],
    beginsWith: isFirstOfStun,
    take: (socket) => server.adopt(socket),
  };
}

function machineOptions(
  config: EdgeConfig,
  relayAddresses: readonly RelayAddress[],
): TurnServerOptions['machine'] {
  const { turn } = config;
  return {
    ...TURN_LIMITS,
    realm: turn.realm,
    credentials: createCredentials(credentialOptions(config)),
    answersUnauthenticatedBinding: turn.unauthenticatedBinding,
    relayAddresses,
    firstRelayPort: turn.relayPorts.first,
    lastRelayPort: turn.relayPorts.last,
    maxLifetimeMs: turn.maxLifetime,
    maxAgeMs: turn.maxAge,
    maxAllocations: turn.maxAllocations,
    maxAllocationsPerUser: turn.maxAllocationsPerUser,
    maxAllocationsPerDeployment: turn.maxAllocationsPerDeployment,
    maxPeerConnections: turn.maxPeerConnections,
    acceptsRfc5766Channels: turn.rfc5766Channels,
    refusalsPerSecondPerAddress: turn.refusalsPerSecondPerAddress,
    alternates: [
      ...turn.peers.map(({ announce, port }) => ({ address: announce, port })),
      ...turn.alternates,
    ],
    policy: peerPolicy(config, relayAddresses),
    randomBytes,
    randomBelow: (limit) => randomInt(limit),
  };
}

function credentialOptions({ turn }: EdgeConfig): CredentialOptions {
  return {
    realm: turn.realm,
    users: turn.users.map(({ name, password, deployment }) => ({
      username: name,
      password: lineOf(password),
      deployment,
    })),
    secrets: turn.secrets.map(({ secret, deployment }) => ({ secret: lineOf(secret), deployment })),
    tokens: turn.tokens && {
      serverName: turn.tokens.serverName,
      keys: turn.tokens.keys.map(({ kid, key, algorithm, deployment }) => ({
        kid,
        key: Buffer.from(lineOf(key), 'base64'),
        algorithm,
        deployment,
      })),
    },
    maxTtlSeconds: turn.maxCredentialLifetime / 1000,
    clockSkewSeconds: turn.clockSkew / 1000,
    wallSeconds: () => Math.trunc(systemClock.wall() / 1000),
  };
}

/** A secret out of a file ends in a line break that is not part of it. */
function lineOf(secret: Secret): string {
  return secret.reveal().replace(/\r?\n$/, '');
}

function relayAddressesOf({ announce, listen, turn }: EdgeConfig): RelayAddress[] {
  const { external } = listen;
  const first: RelayAddress = {
    family: isIPv6(external) ? 6 : 4,
    bound: external,
    announced: announce ?? external,
  };
  if (turn.relayIpv6 === undefined || first.family === 6) return [first];
  return [first, { family: 6, bound: turn.relayIpv6, announced: turn.relayIpv6 }];
}

/** A socket at the wildcard address is reached from this machine by loopback. */
function reachableOf({ bound, announced }: RelayAddress): OwnAddress {
  const reachable = bound === '0.0.0.0' ? '127.0.0.1' : bound === '::' ? '::1' : bound;
  return { announced, reachable };
}

function peerPolicy(config: EdgeConfig, relayAddresses: readonly RelayAddress[]): PeerPolicy {
  const { listen, media, turn } = config;
  const interfaces = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  return new PeerPolicy({
    allow: turn.allow,
    deny: turn.deny,
    ownAddresses: [
      ...interfaces.map(({ address }) => address),
      ...relayAddresses.map(({ bound }) => bound),
      ...turn.peers.map(({ address }) => address),
      listen.internal,
      listen.external,
    ],
    relayAddresses: [
      ...relayAddresses.map(({ announced }) => announced),
      ...turn.peers.map(({ announce }) => announce),
    ],
    ownPorts: [turn.relayPorts, media.ports],
  });
}

function listenersOf({ listen, turn }: EdgeConfig, hasDtls: boolean): TurnListener[] {
  const at = (port: number) => ({ address: listen.external, port });
  return [
    ...(turn.udp ? [{ transport: 'udp' as const, bind: at(turn.port) }] : []),
    ...(turn.tcp ? [{ transport: 'tcp' as const, bind: at(turn.port) }] : []),
    ...(turn.dtls && hasDtls ? [{ transport: 'dtls' as const, bind: at(turn.tlsPort) }] : []),
    ...(turn.tls ? [{ transport: 'tls' as const, bind: at(turn.tlsPort) }] : []),
  ];
}
