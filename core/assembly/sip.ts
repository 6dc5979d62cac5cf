// From core's configuration to the options of the SIP plane.
import { randomBytes, randomUUID } from 'node:crypto';
import type { Count, Log } from '../../admin/index.ts';
import { isSimpleToken, type SimpleTokens, type Tokens } from '../../auth/index.ts';
import type { DigestDoor } from '../../auth/digest/digest-door.ts';
import { SIP_LIMITS, STORE_LIMITS } from '../../config/index.ts';
import type { CoreConfig } from '../../config/index.ts';
import { systemClock } from '../../sip/index.ts';
import { answerBinding } from '../../turn/index.ts';
import { BEARER_CHALLENGE, type CoreSipOptions, type MediaAnchor, type SipNode } from '../sip/index.ts';
import { edgeAddresses } from './https.ts';
import { insideAuthorities } from './clusters.ts';
import { dialPolicy } from './dial-policy.ts';
import type { CoreState } from './state.ts';

interface Surroundings {
  readonly nodes: () => readonly SipNode[];
  readonly media: MediaAnchor;
  readonly tokens: Tokens | undefined;
  readonly digest: DigestDoor | undefined;
  readonly simpleTokens: SimpleTokens | undefined;
  readonly state: CoreState;
  readonly log: Log;
  readonly count: Count;
}

/** The token judge of the SIP door; which deployment a token is of is compared with the node it is bound for. */
function judgeOf({ tokens, simpleTokens }: Surroundings): CoreSipOptions['tokens'] {
  if (simpleTokens === undefined) return tokens && ((token) => tokens.check(undefined, token, 'sip'));
  return (token) => {
    if (tokens === undefined || isSimpleToken(token)) return simpleTokens.check(undefined, token, 'sip');
    return tokens.check(undefined, token, 'sip');
  };
}

/** Who asks a phone without a token for proof; in place of call control where the configuration says so. */
function digestOf(config: CoreConfig, { digest: door, tokens, simpleTokens, count }: Surroundings) {
  if (door === undefined) return undefined;
  const isTokenOffered = tokens !== undefined || simpleTokens !== undefined;
  const publicNames = new Map(edgeAddresses(config).map(({ peer, address }) => [peer, address]));
  return {
    door,
    realmOf: ({ name }: { readonly name: string }) => publicNames.get(name) ?? name,
    otherChallenges: isTokenOffered ? [BEARER_CHALLENGE] : [],
    failed: () => count('register-refused', 'digest'),
  };
}

/** Options of the SIP plane. */
export function coreSipOptions(config: CoreConfig, around: Surroundings): CoreSipOptions {
  const { core, links, sip, traversalZones } = config;
  const ports = { host: sip.address, tcpPort: sip.tcpPort, tlsPort: sip.tlsPort };
  const domains = config.domains.map(({ name }) => name);
  const { certificate } = sip;
  return {
    log: around.log,
    count: around.count,
    nodes: around.nodes,
    media: around.media,
    passesIce: () => config.media.icePassthrough,
    name: traversalZones[0]?.self.name ?? core.name,
    announced: ports,
    listen: ports,
    tls: certificate && { chain: certificate.chain.reveal(), key: certificate.key.reveal() },
    authorities: insideAuthorities(config),
    requireNodeCertificate: sip.requireNodeCertificate,
    insidePeers: sip.insidePeers,
    servedDomains: () => domains,
    pathHeaders: sip.pathHeaders,
    requireRegistration: sip.requireRegistration,
    policy: dialPolicy(config),
    tokens: judgeOf(around),
    digest: digestOf(config, around),
    hopCount: sip.hopCount,
    maxMessageBytes: sip.maxMessage,
    maxHeaderLines: SIP_LIMITS.maxHeaderLines,
    maxQueueBytes: SIP_LIMITS.maxLinkQueueBytes,
    maxTransactions: SIP_LIMITS.maxTransactions,
    maxRegistrations: sip.maxRegistrations,
    maxRegistrationsPerUser: sip.maxRegistrationsPerUser,
    maxRegistrationsPerConnection: SIP_LIMITS.maxRegistrationsPerConnection,
    maxDialogs: SIP_LIMITS.maxDialogs,
    maxCallsPerUser: sip.maxCallsPerUser,
    maxUsagesPerUser: SIP_LIMITS.maxUsagesPerUser,
    maxInsideConnections: SIP_LIMITS.maxInsideConnections,
    connectTimeoutMs: sip.connectTimeout,
    closeTimeoutMs: SIP_LIMITS.closeTimeoutMs,
    setupTimeoutMs: sip.setupTimeout,
    ...SIP_LIMITS.linkWait,
    ...SIP_LIMITS.lines,
    acknowledgeTimeoutMs: SIP_LIMITS.acknowledgeTimeoutMs,
    maxSilenceMs: SIP_LIMITS.maxSilenceMs,
    lingerMs: SIP_LIMITS.lingerMs,
    avoidNodeMs: SIP_LIMITS.avoidNodeMs,
    expiryGraceMs: SIP_LIMITS.expiryGraceMs,
    linkKeepalive: { pingIntervalMs: links.pingInterval, deadAfterMs: links.deadAfter },
    nodeKeepalive: undefined,
    store: around.state.store.namespace('bindings', {
      maxEntries: sip.maxRegistrations,
      maxEntryLength: STORE_LIMITS.maxEntryLength,
      whenFull: 'refuse',
      durable: true,
    }),
    clock: systemClock,
    // A jump of the wall clock must not end registrations (T-151): the date at start, moved on by the monotonic clock.
    wallClock: () => performance.timeOrigin + performance.now(),
    random: randomBytes,
    randomUuid: randomUUID,
    answerStun: answerBinding,
    onRefused: () => undefined,
  };
}
