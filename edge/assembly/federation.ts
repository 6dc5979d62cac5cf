// From the edge's configuration to the options of the federation door. Where a partner's server may be is judged as TURN judges
// its peers: special-purpose ranges, every address of this machine and the peers of the links are denied.
import { randomBytes } from 'node:crypto';
import { Resolver, lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Count, Log } from '../../admin/index.ts';
import type { BanList } from '../../auth/index.ts';
import { FEDERATION_LIMITS, XMPP_LIMITS } from '../../config/index.ts';
import type { EdgeConfig } from '../../config/index.ts';
import { PeerPolicy } from '../../turn/index.ts';
import { systemClock } from '../../zones/index.ts';
import type { EdgeFederationOptions, PartnerDns } from '../xmpp/federation/index.ts';
import { noteBreach } from './bans.ts';

const ID_BYTES = 16;
const SECRET_BYTES = 32;
/** What DNS says when there is nothing, as opposed to when it fails. */
const NOTHING_THERE: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA']);

/** Options of the federation door; undefined when it is off. */
export function edgeFederationOptions(
  config: EdgeConfig,
  around: { readonly bans: BanList; readonly openLink: EdgeFederationOptions['openLink'] },
  observers: { readonly log: Log; readonly count: Count },
): EdgeFederationOptions | undefined {
  const { edge, listen, xmpp } = config;
  const { federation } = xmpp;
  if (!xmpp.enabled || !federation.enabled) return undefined;
  const { chain, key } = federation.certificate ?? config.certificate;
  const policy = targetPolicy(config);
  return {
    ...observers,
    ...FEDERATION_LIMITS,
    host: listen.external,
    port: federation.port,
    name: edge.name,
    certificate: { chain: chain.reveal(), key: key.reveal() },
    authorities: federation.authorities?.reveal(),
    dialbackSecret: federation.dialbackSecret?.reveal().trim() ?? randomBytes(SECRET_BYTES).toString('hex'),
    admits: (address) => around.bans.find({ kind: 'address', address }) === undefined,
    onRefused: (reason, address) => noteBreach(around.bans, 'xmpp-protocol', address, reason),
    maxConnections: federation.maxConnections,
    maxConnectionsPerAddress: federation.maxConnectionsPerAddress,
    maxOutgoing: federation.maxStreams,
    maxQuestions: Math.ceil(federation.maxStreams * FEDERATION_LIMITS.questionShare),
    maxPairsPerConnection: federation.maxPairsPerConnection,
    limits: {
      ...XMPP_LIMITS,
      session: { ...XMPP_LIMITS.session, maxElementLength: federation.maxStanza },
      signInTimeoutMs: federation.signInTimeout,
      idleTimeoutMs: federation.idleTimeout,
    },
    maxBytesPerSecond: federation.maxRate,
    burstBytes: federation.maxRate * XMPP_LIMITS.burstSeconds,
    dns: partnerDns(federation.dnsServers),
    isAllowedTarget: (address) => policy.judge(address).allowed,
    openLink: around.openLink,
    clock: systemClock,
    newId: () => randomBytes(ID_BYTES).toString('base64url'),
    random: Math.random,
  };
}

function targetPolicy({ listen, traversalZones, xmpp: { federation } }: EdgeConfig): PeerPolicy {
  const interfaces = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  const pair = traversalZones.flatMap(({ edges }) => edges.map(({ address }) => address));
  const own = [...interfaces.map(({ address }) => address), listen.internal, listen.external, ...pair];
  return new PeerPolicy({
    allow: federation.allowTargets,
    deny: federation.denyTargets,
    ownAddresses: own.filter((address) => isIP(address) !== 0),
    relayAddresses: [],
    ownPorts: [],
  });
}

/** Questions to name servers; the addresses of a host by the system's own way unless servers are named. */
function partnerDns(servers: readonly string[]): PartnerDns {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  if (servers.length > 0) resolver.setServers(servers);
  const four = (host: string): Promise<string[]> => orNothing(resolver.resolve4(host));
  const six = (host: string): Promise<string[]> => orNothing(resolver.resolve6(host));
  return {
    services: async (name) =>
      (await orNothing(resolver.resolveSrv(name))).map((record) => ({ ...record, host: record.name })),
    addresses: async (host) => {
      if (servers.length > 0) return (await Promise.all([four(host), six(host)])).flat();
      return (await orNothing(lookup(host, { all: true }))).map(({ address }) => address);
    },
  };
}

function orNothing<T>(answer: Promise<T[]>): Promise<T[]> {
  return answer.catch((error: NodeJS.ErrnoException) => {
    if (NOTHING_THERE.has(error.code ?? '')) return [];
    throw error;
  });
}
