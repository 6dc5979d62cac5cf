// A request from core on its way to one client connection: the top Route names it by its flow token (RFC 5626 §5.3)
// and nothing else can. Trust: core is authenticated; still only a live token of this process reaches a client, and
// core learns at once (430) that a connection is gone.
import { type SipRequest, type SipTransport } from '../../sip/index.ts';
import {
  isLooped,
  loopHash,
  makesDialog,
  pushRecordRoutes,
  pushVia,
  routeUri,
  takeHop,
  topRoute,
} from '../../sip/hop/index.ts';
import type { CoreIdentity } from './core-link.ts';
import { isEdgeHost, type EdgeHop } from './hop-identity.ts';
import { refuse, type EdgeVerdict } from './verdict.ts';

/** Looks a flow token up: the connection, or why there is none. */
export type FindFlow = (token: string) => SipTransport | 'gone' | 'forged';

/** Where the request came in: the link's far address as the socket has it. */
export interface LinkArrival {
  readonly peer: CoreIdentity;
  readonly address: string;
  readonly port: number;
}

/** Where core's request goes, edited in place. Throws SipParseError on a malformed Route or Via. */
export function routeFromCore(request: SipRequest, hop: EdgeHop, find: FindFlow): EdgeVerdict {
  const { headers, uri } = request;
  const route = topRoute(headers);
  const flow = route === undefined ? undefined : routeUri(route);
  if (flow === undefined || !isEdgeHost(hop, flow.host)) {
    const isPing = request.method === 'OPTIONS' && uri.kind === 'sip' && isEdgeHost(hop, uri.host);
    return isPing && route === undefined ? { kind: 'answer', status: 200 } : refuse(403, 'bad-route');
  }
  const transport = find(flow.user ?? '');
  if (transport === 'gone') return refuse(430, 'flow-gone');
  if (transport === 'forged') return refuse(430, 'flow-forged');
  const hash = loopHash(request);
  if (isLooped(request, hop.outside.host, [hop.outside.port], hash)) return refuse(482, 'loop');
  if (!takeHop(request, hop.hopCount)) return refuse(483, 'hops');
  headers.removeFirst('Route');
  writeHop(request, hop, hash);
  return { kind: 'forward', request, transport };
}

function writeHop(request: SipRequest, hop: EdgeHop, hash: string): void {
  const { headers } = request;
  const proxyCallId = hop.randomUuid();
  if (makesDialog(request.method) && request.to.tag === undefined) {
    pushRecordRoutes(headers, proxyCallId, hop.inside, hop.outside);
  }
  pushVia(headers, {
    transport: 'TLS',
    host: hop.outside.host,
    port: hop.outside.port,
    egressZone: hop.clientZone,
    branch: hop.branches.next(hash),
    proxyCallId,
  });
}
