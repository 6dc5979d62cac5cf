// Double record-routing (RFC 3261 §16.6 step 4, RFC 5658): a hop that joins two networks writes two Record-Route
// values that share one id, one per side, and takes both away when they come back as Route.
//
//   Record-Route: <sip:proxy-call-id=32c76cef-…@edge.example.com:7001;transport=tls;lr>   (the side it sends to)
//   Record-Route: <sip:proxy-call-id=32c76cef-…@edge.example.com:5061;transport=tls;lr>   (the side it came from)
//
// Trust: a Route that comes back was in the hands of a peer; taking it away is harmless, what it names is looked up.
import type { HeaderList } from '../header-list.ts';
import { parseNameAddr, type NameAddr } from '../name-addr.ts';
import { paramValue } from '../params.ts';
import type { SipUri } from '../uri.ts';

const idPrefix = 'proxy-call-id=';

/** Methods whose requests make a dialog and are therefore record-routed (RFC 3261 §12, RFC 6665, RFC 3515). */
export function makesDialog(method: string): boolean {
  return method === 'INVITE' || method === 'SUBSCRIBE' || method === 'REFER';
}

/** One side of a hop as peers on that side reach it. */
export interface HopSide {
  readonly host: string;
  readonly port: number;
  readonly transport: 'tcp' | 'tls';
}

/** What a pair of Route values told when it came back. */
export interface PoppedPair {
  readonly proxyCallId: string;
  /** The parameter `binding` of whichever value carried it. */
  readonly binding: string | undefined;
}

/** Puts the pair on top; `binding` goes into the value that the callee's side keeps. */
export function pushRecordRoutes(
  headers: HeaderList,
  proxyCallId: string,
  cameFrom: HopSide,
  goesTo: HopSide,
  binding?: string,
): void {
  headers.prepend('Record-Route', recordRoute(proxyCallId, cameFrom, binding));
  headers.prepend('Record-Route', recordRoute(proxyCallId, goesTo, binding));
}

function recordRoute(proxyCallId: string, side: HopSide, binding: string | undefined): string {
  const tail = binding === undefined ? '' : `;binding=${binding}`;
  return `<sip:${idPrefix}${proxyCallId}@${side.host}:${side.port};transport=${side.transport};lr${tail}>`;
}

/** The topmost Route, or undefined; throws SipParseError when it is malformed. */
export function topRoute(headers: HeaderList): NameAddr | undefined {
  const value = headers.first('Route');
  return value === undefined ? undefined : parseNameAddr(value);
}

/** The URI of a Route when it is a sip: URI. */
export function routeUri(route: NameAddr): SipUri | undefined {
  return route.uri.kind === 'sip' ? route.uri : undefined;
}

/** The id in a Route that a record-routing hop of ours made, or undefined. */
export function pairIdOf(uri: SipUri): string | undefined {
  return uri.user?.startsWith(idPrefix) === true ? uri.user.slice(idPrefix.length) : undefined;
}

/**
 * Takes away the topmost Route and the next when it shares its id, provided `isOwn` says the first is of this hop.
 * Undefined, and nothing changed, when it is not.
 */
export function popRoutePair(headers: HeaderList, isOwn: (uri: SipUri) => boolean): PoppedPair | undefined {
  const uri = topSipUri(headers);
  const proxyCallId = uri === undefined ? undefined : pairIdOf(uri);
  if (uri === undefined || proxyCallId === undefined || !isOwn(uri)) return undefined;
  headers.removeFirst('Route');
  const next = topSipUri(headers);
  const isPair = next !== undefined && pairIdOf(next) === proxyCallId;
  if (isPair) headers.removeFirst('Route');
  const binding =
    paramValue(uri.params, 'binding') ?? (isPair ? paramValue(next.params, 'binding') : undefined);
  return { proxyCallId, binding };
}

function topSipUri(headers: HeaderList): SipUri | undefined {
  const route = topRoute(headers);
  return route === undefined ? undefined : routeUri(route);
}
