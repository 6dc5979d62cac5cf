// A client's request on its way to core: RFC 3261 §16.3 to §16.6 at the outer hop. Decides the core by the Route of
// get_edge_config (mra-wire §1.5), takes off what a client may not say, and writes our Via, Record-Route and the flow
// token. The arrival was stamped on receipt. Trust: everything in the request is the client's word; nothing here allows it anything, core decides.
import { findParam, type SipRequest } from '../../sip/index.ts';
import {
  flowHeader,
  isLooped,
  loopHash,
  makesDialog,
  popRoutePair,
  pushRecordRoutes,
  pushVia,
  routeUri,
  stripPrivileged,
  takeHop,
  topRoute,
} from '../../sip/hop/index.ts';
import type { CoreChooser, CoreWish } from './core-choice.ts';
import type { CoreLink } from './core-link.ts';
import { isEdgeHost, type EdgeHop } from './hop-identity.ts';
import { refuse, type EdgeVerdict } from './verdict.ts';

/** What the proxy knows of the connection a request came on. */
export interface ClientFlow {
  readonly token: string;
  readonly address: string;
  readonly port: number;
  /** Name of the core this client used last. */
  core: string | undefined;
}

/** Told how many privileged lines a client's message held. */
export type StripNote = (lines: number) => void;

/** Where a client's request goes, edited in place; with `mayWait`, not to a core that never heard of it. Throws SipParseError on a malformed Route or Via. */
export function routeFromClient(
  request: SipRequest,
  flow: ClientFlow,
  hop: EdgeHop,
  cores: CoreChooser,
  onStripped: StripNote,
  mayWait: boolean,
): EdgeVerdict {
  const { uri } = request;
  if (isToUs(request, hop)) return { kind: 'answer', status: 200 };
  if (uri.kind === 'other' && uri.scheme !== 'tel') return refuse(416, 'scheme');
  const hash = loopHash(request);
  if (isLooped(request, hop.inside.host, [hop.inside.port], hash)) return refuse(482, 'loop');
  if (!takeHop(request, hop.hopCount)) return refuse(483, 'hops');
  const stripped = stripPrivileged(request, 'client');
  if (stripped > 0) onStripped(stripped);
  const wish = takeRoutes(request, hop);
  if (wish === undefined) return refuse(403, 'bad-route');
  const choice = cores.choose(wish, flow.core, request.method === 'REGISTER', mayWait);
  if (choice.kind === 'unknown-zone') return refuse(404, 'unknown-zone', 'No Such Zone');
  if (choice.kind === 'none-up') return { ...refuse(503, 'no-core'), retryAfterSeconds: 5 };
  flow.core = choice.link.peer.name;
  writeHop(request, flow, hop, choice.link, hash);
  return { kind: 'forward', request, transport: choice.link.transport };
}

/** OPTIONS that names edge itself and no user: answered here, before anything is kept. */
function isToUs(request: SipRequest, hop: EdgeHop): boolean {
  const { uri } = request;
  if (request.method !== 'OPTIONS' || uri.kind !== 'sip' || uri.user !== undefined) return false;
  return isEdgeHost(hop, uri.host);
}

/**
 * Takes our own pair (in a dialog) and the `directed` Route off; what core recorded stays for core to judge.
 * Undefined when a `zone-id` is no number.
 */
function takeRoutes(request: SipRequest, hop: EdgeHop): CoreWish | undefined {
  if (popRoutePair(request.headers, (uri) => isEdgeHost(hop, uri.host)) === undefined)
    dropOwnRoute(request, hop);
  const route = topRoute(request.headers);
  const uri = route === undefined ? undefined : routeUri(route);
  if (uri === undefined) return { zoneId: undefined, coreName: undefined };
  const coreName = uri.host.toLowerCase();
  if (findParam(uri.params, 'directed') === undefined) return { zoneId: undefined, coreName };
  request.headers.removeFirst('Route');
  const zone = findParam(uri.params, 'zone-id')?.value;
  if (zone === undefined) return { zoneId: undefined, coreName };
  return /^\d{1,9}$/.test(zone) ? { zoneId: Number(zone), coreName } : undefined;
}

/** A plain Route that names edge: how a phone that knows us as its outbound proxy says it. RFC 3261 §16.4: MUST be removed. */
function dropOwnRoute(request: SipRequest, hop: EdgeHop): void {
  const route = topRoute(request.headers);
  const uri = route === undefined ? undefined : routeUri(route);
  if (uri === undefined || !isEdgeHost(hop, uri.host)) return;
  if (findParam(uri.params, 'directed') === undefined) request.headers.removeFirst('Route');
}

function writeHop(request: SipRequest, flow: ClientFlow, hop: EdgeHop, link: CoreLink, hash: string): void {
  const { headers } = request;
  const proxyCallId = hop.randomUuid();
  if (makesDialog(request.method) && request.to.tag === undefined) {
    pushRecordRoutes(headers, proxyCallId, hop.outside, hop.inside);
  }
  pushVia(headers, {
    transport: 'TLS',
    host: hop.inside.host,
    port: hop.inside.port,
    egressZone: link.peer.zone,
    branch: hop.branches.next(hash),
    proxyCallId,
  });
  headers.append(flowHeader, flow.token);
}
