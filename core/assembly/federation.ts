// From core's configuration to the options of federation: a federated domain is served by the IM and Presence nodes of the
// deployment of the users' domain that it is or lies below.
import { randomBytes } from 'node:crypto';
import type { Count, Log } from '../../admin/index.ts';
import { FEDERATION_LIMITS, XMPP_LIMITS } from '../../config/index.ts';
import type { CoreConfig } from '../../config/index.ts';
import { systemClock } from '../../zones/index.ts';
import type { ControlChannel } from '../../zones/index.ts';
import type { CoreFederationOptions } from '../xmpp/federation/index.ts';
import type { Resolve } from './resolver.ts';
import { imPresenceNodes, MAX_STANZA_OF_EDGES } from './xmpp.ts';

const ID_BYTES = 16;

/** Options of federation; undefined when it is off. */
export function coreFederationOptions(
  config: CoreConfig,
  around: { readonly resolve: Resolve; readonly edges: () => readonly ControlChannel[] },
  observers: { readonly log: Log; readonly count: Count },
): CoreFederationOptions | undefined {
  const { sip, xmpp } = config;
  const { federation } = xmpp;
  const { certificate } = federation;
  if (!xmpp.enabled || !federation.enabled || certificate === undefined) return undefined;
  return {
    ...observers,
    ...around,
    ...FEDERATION_LIMITS,
    policy: policyOf(federation),
    domains: federation.domains.map((name) => ({
      name,
      nodes: imPresenceNodes(config, deploymentOf(config, name)),
    })),
    host: federation.address ?? sip.address,
    port: federation.port,
    nodePort: federation.nodePort,
    certificate: { chain: certificate.chain.reveal(), key: certificate.key.reveal() },
    limits: {
      ...XMPP_LIMITS,
      session: XMPP_LIMITS.server,
      signInTimeoutMs: federation.signInTimeout,
      idleTimeoutMs: federation.idleTimeout,
    },
    edgeLimits: {
      ...XMPP_LIMITS.session,
      maxElementLength: MAX_STANZA_OF_EDGES * XMPP_LIMITS.printedAnew,
    },
    maxConnections: federation.maxConnections,
    maxStreams: federation.maxStreams,
    maxRoads: federation.maxPairs,
    maxWaitingBytes: federation.maxWaiting,
    retryFirstMs: federation.retryFirst,
    retryMostMs: federation.retryMost,
    idleTimeoutMs: federation.idleTimeout,
    dialTimeoutMs: federation.dialTimeout,
    avoidNodeMs: xmpp.avoidNode,
    clock: systemClock,
    newId: () => randomBytes(ID_BYTES).toString('base64url'),
  };
}

function policyOf({
  denied,
  domains,
  mode,
  partners,
}: CoreConfig['xmpp']['federation']): CoreFederationOptions['policy'] {
  return {
    domains: [...domains],
    denied: [...denied],
    mode,
    partners: partners.map(({ name, subdomains, dialback, route }) => ({
      name,
      subdomains,
      dialback,
      ...(route === undefined ? {} : { route }),
    })),
  };
}

/** The deployment of the longest users' domain that a federated domain is or lies below. */
function deploymentOf({ domains }: CoreConfig, name: string): string {
  const above = domains.filter((one) => name === one.name || name.endsWith(`.${one.name}`));
  const [nearest] = above.toSorted((a, b) => b.name.length - a.name.length);
  return nearest?.deployment ?? '';
}
