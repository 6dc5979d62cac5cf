// Header fields of an answer on its way out: nothing that leads a client past the lane or tells it of hosts it need not
// know (T-113). Redirects to known nodes become lanes; to anywhere else they are withheld unless the operator named the
// host as one that clients may be sent to.
import type { HeaderList } from '../../http/index.ts';
import { type Lane, printLane } from '../../zones/lane.ts';

export interface RedirectRules {
  /** The lane of the request that is answered. */
  readonly lane: Extract<Lane, { kind: 'proxy' }>;
  /** The canonical target inside that was asked for. */
  readonly target: string;
  /** True for a host that clients may ask for through a lane. */
  readonly isKnown: (host: string) => boolean;
  /** Hosts on the outside to which redirects may lead; folded. */
  readonly redirectHosts: ReadonlySet<string>;
}

/** Fields that speak for the whole origin, which to the client is the edge, or lead elsewhere. */
const neverOut = new Set([
  'alt-svc',
  'refresh',
  'strict-transport-security',
  'public-key-pins',
  'clear-site-data',
  'service-worker-allowed',
  'x-auth',
]);

/** Changes `headers` in place; returns how many redirects were withheld. */
export function makeOutwardHeaders(headers: HeaderList, rules: RedirectRules): number {
  headers.removeWhere(
    (name, value) => neverOut.has(name) || (name === 'set-cookie' && /^\s*x-auth\s*=/i.test(value)),
  );
  return (
    rewriteOne(headers, 'location', 'Location', rules) +
    rewriteOne(headers, 'content-location', 'Content-Location', rules)
  );
}

function rewriteOne(headers: HeaderList, lower: string, name: string, rules: RedirectRules): number {
  const values = headers.all(lower);
  if (values.length === 0) return 0;
  headers.remove(lower);
  const value = values.length === 1 ? outwardUrl(values[0] ?? '', rules) : undefined;
  if (value === undefined) return 1;
  headers.append(name, value);
  return 0;
}

/** The URL as the client must use it: a path on the edge, or an outside URL that is permitted. */
function outwardUrl(text: string, rules: RedirectRules): string | undefined {
  const { lane } = rules;
  const asked = `${lane.protocol}://${authority(lane.host)}:${lane.port}${rules.target}`;
  const url = URL.canParse(text, asked) ? new URL(text, asked) : undefined;
  if (url === undefined || url.username !== '' || url.password !== '') return undefined;
  const protocol = url.protocol.slice(0, -1);
  if (protocol !== 'https' && protocol !== 'http') return undefined;
  const host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
  if (rules.isKnown(host)) {
    const port = url.port === '' ? { https: 443, http: 80 }[protocol] : Number(url.port);
    const segment = printLane({ kind: 'proxy', domain: lane.domain, protocol, host, port });
    return `/${segment}${url.pathname}${url.search}${url.hash}`;
  }
  return rules.redirectHosts.has(host) && protocol === 'https' ? url.href : undefined;
}

function authority(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
