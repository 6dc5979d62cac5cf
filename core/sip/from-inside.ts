// A request from call control for a client (RFC 3261 §16.4, §16.5; RFC 3327; mra-wire §3.3): finds the connection by
// our Route, by our Path or by the rewritten contact, and names it to the edge. Trust: the sender is a discovered
// node; it reaches registered clients and nothing else.
import { parseSipUri, type SipRequest } from '../../sip/index.ts';
import {
  isLooped,
  loopHash,
  popRoutePair,
  routeUri,
  takeHop,
  topRoute,
  type HopSide,
} from '../../sip/hop/index.ts';
import type { Binding, BindingTable, FlowRef } from './binding-table.ts';
import { keyOfRewritten } from './contact-rewrite.ts';
import { belongsTo, type Dialog, type DialogTable } from './dialog-table.ts';
import { answeredHere } from './from-client.ts';
import { isCoreHost, type CoreHop } from './hop-identity.ts';
import type { EdgeLink, Outgoing } from './outgoing.ts';
import { bindingOfPath } from './register.ts';
import { isRefusal, refuse, type Refusal } from './verdict.ts';

export interface FromInsideContext {
  readonly hop: CoreHop;
  readonly bindings: BindingTable;
  readonly dialogs: DialogTable;
  readonly linkTo: (edge: string) => EdgeLink | undefined;
  readonly nowMs: () => number;
}

interface Found {
  readonly binding: Binding | undefined;
  readonly dialog: Dialog | undefined;
}

/** Where a node's request goes. Edits it in place; throws SipParseError. */
export function routeFromInside(
  request: SipRequest,
  cameFrom: HopSide,
  zone: string,
  context: FromInsideContext,
): Outgoing | Refusal | typeof answeredHere {
  const { hop, bindings, dialogs, linkTo, nowMs } = context;
  if (isToUs(request, hop)) return answeredHere;
  const hash = loopHash(request);
  if (isLooped(request, hop.edgeSide.host, [hop.edgeSide.port], hash)) return refuse(482, 'loop');
  if (!takeHop(request, hop.hopCount)) return refuse(483, 'hops');
  const found = find(request, context);
  if (isRefusal(found)) return found;
  const { binding, dialog } = found;
  const flow = binding === undefined ? flowOfDialog(dialog, bindings) : bindings.newestFlow(binding);
  if (flow === undefined) return refuse(480, 'no-binding');
  const link = linkTo(flow.edge);
  if (link === undefined) return { ...refuse(480, 'edge-down'), ...(dialog && { dialog }) };
  if (dialog !== undefined) dialogs.touch(dialog, nowMs());
  // What the edge of this leg recorded, and whatever else a client may have put into the route set, ends here.
  request.headers.set('Route', flowRoute(flow));
  const aor = dialog?.aor ?? binding?.aor ?? '';
  const owner = { aor, bindingId: binding?.id ?? dialog?.bindingId ?? '', flow };
  return {
    request,
    from: 'inside',
    targets: [{ kind: 'edge', link }],
    owner,
    dialog,
    loopHash: hash,
    edge: link.peer,
    cameFrom,
    nodeZone: isNodeZone(zone) ? zone : (binding?.node ?? ''),
  };
}

/** The connection that a dialog's device has registered over since it lost its own, else the one it had. */
export function flowOfDialog(dialog: Dialog, bindings: BindingTable): FlowRef;
export function flowOfDialog(dialog: Dialog | undefined, bindings: BindingTable): FlowRef | undefined;
export function flowOfDialog(dialog: Dialog | undefined, bindings: BindingTable): FlowRef | undefined {
  return dialog && (bindings.flowOfDevice(dialog) ?? dialog.flow);
}

/** Whether a zone is one that discovery made; other inside peers have none to call back on. */
function isNodeZone(zone: string): boolean {
  return zone.startsWith('CE') && zone !== 'CEself';
}

/** The Route that names one client connection to its edge. */
export function flowRoute(flow: FlowRef): string {
  return `<sip:${flow.token}@${flow.edge}:7001;transport=tls;lr>`;
}

function isToUs(request: SipRequest, hop: CoreHop): boolean {
  const { uri } = request;
  if (request.method !== 'OPTIONS' || uri.kind !== 'sip' || uri.user !== undefined) return false;
  return isCoreHost(hop, uri.host) && keyOfRewritten(uri) === undefined;
}

function find(request: SipRequest, context: FromInsideContext): Found | Refusal {
  const found = findByRoute(request, context) ?? findByContact(request, context);
  if (!isRefusal(found)) restoreTarget(request, context);
  return found;
}

/** Our Route names a dialog, our Path a binding. A Route of anybody else is not for us to follow. */
function findByRoute(request: SipRequest, context: FromInsideContext): Found | Refusal | undefined {
  const { hop, bindings } = context;
  const route = topRoute(request.headers);
  if (route === undefined) return undefined;
  const uri = routeUri(route);
  if (uri === undefined || !isCoreHost(hop, uri.host)) return refuse(403, 'route-refused');
  const path = bindingOfPath(uri);
  const pair = path === undefined ? popRoutePair(request.headers, () => true) : undefined;
  if (pair === undefined) request.headers.removeFirst('Route');
  if (path !== undefined) return bound(bindings.byId(path));
  return pair === undefined ? undefined : findDialog(request, pair, context);
}

function findDialog(
  request: SipRequest,
  pair: { proxyCallId: string; binding: string | undefined },
  { dialogs, bindings }: FromInsideContext,
): Found | Refusal {
  const dialog = dialogs.get(pair.proxyCallId);
  const binding = bindings.byId(dialog?.bindingId ?? pair.binding ?? '');
  if (dialog === undefined) {
    // Unknown since a restart: the media of a call is gone, a subscription goes on.
    const isCall = request.method === 'INVITE' || request.method === 'UPDATE' || request.method === 'PRACK';
    return isCall ? refuse(481, 'dialog-mismatch') : bound(binding);
  }
  const { callId, from, to } = request;
  const isMember = belongsTo(dialog, { callId, fromTag: from.tag, toTag: to.tag }, !dialog.isClientCaller);
  return isMember ? { binding, dialog } : refuse(481, 'dialog-mismatch');
}

function findByContact(request: SipRequest, { hop, bindings }: FromInsideContext): Found | Refusal {
  const { uri } = request;
  if (uri.kind !== 'sip' || !isCoreHost(hop, uri.host)) return refuse(404, 'no-binding');
  const key = keyOfRewritten(uri);
  return key === undefined ? refuse(404, 'no-binding') : bound(bindings.byUriKey(key));
}

function bound(binding: Binding | undefined): Found | Refusal {
  return binding === undefined ? refuse(480, 'no-binding') : { binding, dialog: undefined };
}

/** A rewritten contact in the Request-URI becomes the client's own again, byte for byte. */
function restoreTarget(request: SipRequest, { hop, bindings }: FromInsideContext): void {
  const { uri } = request;
  if (uri.kind !== 'sip' || !isCoreHost(hop, uri.host)) return;
  const key = keyOfRewritten(uri);
  const contact = key === undefined ? undefined : bindings.byUriKey(key)?.contact;
  if (contact === undefined) return;
  const own = parseSipUri(contact);
  // §19.1.1: a Request-URI carries no headers part.
  request.uriText = own.headers === undefined ? contact : contact.slice(0, contact.indexOf('?'));
}
