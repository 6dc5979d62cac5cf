// Where the server of a partner's domain is: a static route, else SRV of XMPP and of XMPP over TLS together (RFC 6120 §3.2,
// XEP-0368), else the domain itself at 5269. DNS is the partner's and may lie: every address is judged before it is dialled,
// in all its forms, and nobody is led inside (T-086).
import { isIP } from 'node:net';
import type { PartnerTerms } from '../../../zones/index.ts';
import type { ServerTarget } from '../../../xmpp/s2s/index.ts';
import type { EdgeFederationOptions, PartnerDns, ServiceRecord } from './federation-options.ts';

export interface TargetOptions extends Pick<EdgeFederationOptions, 'isAllowedTarget' | 'random' | 'count'> {
  readonly dns: PartnerDns;
}

interface Service extends ServiceRecord {
  readonly isDirectTls: boolean;
}

const DEFAULT_PORT = 5269;
/** Services and, of each, addresses that are tried. */
const MAX_SERVICES = 6;
const MAX_ADDRESSES = 3;

/** Targets in the order in which they are to be tried; none when the domain has no server that may be dialled. Rejects when DNS fails. */
export async function partnerTargets(
  domain: string,
  route: PartnerTerms['route'],
  options: TargetOptions,
): Promise<readonly ServerTarget[]> {
  if (route !== undefined) return routeTargets(route, options);
  const targets: ServerTarget[] = [];
  for (const service of await servicesOf(domain, options))
    targets.push(...(await judgedTargets(service, options)));
  return targets;
}

/** An address that the operator wrote down is believed; a name is looked up and judged like any other. */
async function routeTargets(
  { host, port }: NonNullable<PartnerTerms['route']>,
  options: TargetOptions,
): Promise<readonly ServerTarget[]> {
  if (isIP(host) !== 0) return [{ address: host, port, isDirectTls: false }];
  return judgedTargets({ host, port, priority: 0, weight: 0, isDirectTls: false }, options);
}

async function servicesOf(domain: string, { dns, random }: TargetOptions): Promise<readonly Service[]> {
  const [plain, direct] = await Promise.all([
    dns.services(`_xmpp-server._tcp.${domain}`),
    dns.services(`_xmpps-server._tcp.${domain}`),
  ]);
  const all = [
    ...plain.map((one) => ({ ...one, isDirectTls: false })),
    ...direct.map((one) => ({ ...one, isDirectTls: true })),
  ];
  if (all.length === 0)
    return [{ host: domain, port: DEFAULT_PORT, priority: 0, weight: 0, isDirectTls: false }];
  // RFC 2782: the target "." says that the service is decidedly not there.
  return inOrder(
    all.filter(({ host, port }) => host !== '' && host !== '.' && port > 0),
    random,
  ).slice(0, MAX_SERVICES);
}

/** Lowest priority first; among equals by weight and chance (RFC 2782). */
function inOrder(services: readonly Service[], random: () => number): readonly Service[] {
  const left = services.toSorted((a, b) => a.priority - b.priority);
  const ordered: Service[] = [];
  while (left.length > 0) {
    const first = left[0]?.priority;
    const equals = left.filter(({ priority }) => priority === first);
    const chosen = byWeight(equals, random);
    ordered.push(chosen);
    left.splice(left.indexOf(chosen), 1);
  }
  return ordered;
}

function byWeight(equals: readonly Service[], random: () => number): Service {
  let point = random() * equals.reduce((sum, { weight }) => sum + weight + 1, 0);
  return equals.find(({ weight }) => (point -= weight + 1) < 0) ?? equals[0]!;
}

async function judgedTargets(
  { host, port, isDirectTls }: Service,
  { dns, isAllowedTarget, count }: TargetOptions,
): Promise<readonly ServerTarget[]> {
  const addresses = isIP(host) === 0 ? await dns.addresses(host) : [host];
  const allowed = addresses.filter((address) => isAllowedTarget(address));
  if (allowed.length < addresses.length) count('target-refused');
  return allowed.slice(0, MAX_ADDRESSES).map((address) => ({ address, port, isDirectTls }));
}
