// A client's request that an edge handed over: who it is, whether he may, and where it goes (RFC 3261 §16.3 to §16.5).
// Trust: the edge is authenticated, what it carries is not. Every request but REGISTER needs a connection over which
// a registration was granted (T-054, T-055), speaks as the registered user, and goes to discovered nodes only (T-060,
// T-064).
import { parseNameAddr, parseUri, type SipRequest, type SipUri } from '../../sip/index.ts';
import {
  flowHeader,
  isLooped,
  loopHash,
  pairIdOf,
  popRoutePair,
  routeUri,
  stripPrivileged,
  takeHop,
  topRoute,
} from '../../sip/hop/index.ts';
import { addressOfRecord, isSameUser } from './address-of-record.ts';
import type { Binding, BindingTable, FlowRef } from './binding-table.ts';
import { belongsTo, type Dialog, type DialogTable } from './dialog-table.ts';
import type { EdgeIdentity } from './edge-identity.ts';
import { isCoreHost, type CoreHop } from './hop-identity.ts';
import type { NodeDirectory, Wanted } from './node-directory.ts';
import type { Outgoing, Owner, Target } from './outgoing.ts';
import type { DigestJudge } from './register-digest.ts';
import type { TokenJudge } from './register-token.ts';
import { isRefusal, refuse, type Refusal } from './verdict.ts';

const maxTokenLength = 64;

export interface FromClientContext {
  readonly hop: CoreHop;
  readonly bindings: BindingTable;
  readonly dialogs: DialogTable;
  readonly directory: NodeDirectory;
  /** False lets unregistered connections and foreign From values pass: for a lab only. */
  readonly requireRegistration: boolean;
  /** The deployment's dial policy: undefined lets the request go (T-064). `isOurs`: a node, or a domain that we serve. */
  readonly policy:
    | ((
        request: SipRequest,
        aor: string,
        isOurs: (host: string) => boolean,
      ) => { status: number; reason: string } | undefined)
    | undefined;
  /** Judges the bearer token that a REGISTER carries; undefined: call control alone does. */
  readonly tokens: TokenJudge | undefined;
  /** Asks a REGISTER without a token for proof; undefined: call control does. */
  readonly digest: DigestJudge | undefined;
  readonly nowMs: () => number;
  readonly count: (event: string, reason?: string) => void;
}

/** Core answers this request itself: OPTIONS that names it. */
export const answeredHere: unique symbol = Symbol('answered here');

/** Where a client's request goes. Edits it in place; throws SipParseError. */
export function routeFromClient(
  request: SipRequest,
  edge: EdgeIdentity,
  context: FromClientContext,
): Outgoing | Refusal | typeof answeredHere {
  const { hop } = context;
  const flow = takeFlow(request, edge);
  if (flow === undefined) return refuse(400, 'no-flow');
  if (stripPrivileged(request, 'edge') > 0) context.count('privileged-header-stripped');
  if (isToUs(request, hop)) return answeredHere;
  const hash = loopHash(request);
  const ports = [hop.inside.tcp.port, hop.inside.tls.port];
  if (isLooped(request, hop.inside.tcp.host, ports, hash)) return refuse(482, 'loop');
  if (!takeHop(request, hop.hopCount)) return refuse(483, 'hops');
  const dialog = takeDialog(request, flow, context);
  if (dialog !== undefined && isRefusal(dialog)) return dialog;
  const owner = ownerOf(request, flow, dialog, context);
  if (isRefusal(owner)) return owner;
  const astray = dialog === undefined ? undefined : keepToDialog(request, dialog, context);
  if (astray !== undefined) return astray;
  const targets = targetsOf(request, owner, dialog, context);
  if (isRefusal(targets)) return targets;
  const denied =
    dialog === undefined || request.method === 'REFER'
      ? context.policy?.(request, owner.aor, (host) => isKnownHost(host, context) || isCoreHost(hop, host))
      : undefined;
  if (denied !== undefined) return refuse(denied.status, 'policy', denied.reason);
  const cameFrom = hop.edgeSide;
  return { request, from: 'client', targets, owner, dialog, loopHash: hash, edge, cameFrom, nodeZone: '' };
}

function takeFlow(request: SipRequest, edge: EdgeIdentity): FlowRef | undefined {
  const [token, second] = request.headers.getAll(flowHeader);
  if (token === undefined || second !== undefined) return undefined;
  request.headers.delete(flowHeader);
  return token.length <= maxTokenLength && /^[\w-]+$/.test(token) ? { edge: edge.name, token } : undefined;
}

function isToUs(request: SipRequest, hop: CoreHop): boolean {
  const { uri } = request;
  return (
    request.method === 'OPTIONS' && uri.kind === 'sip' && uri.user === undefined && isCoreHost(hop, uri.host)
  );
}

/** Takes our own Route values off; finds the dialog that they name and checks that the client is in it. */
function takeDialog(
  request: SipRequest,
  flow: FlowRef,
  context: FromClientContext,
): Dialog | Refusal | undefined {
  const { hop, dialogs, bindings, nowMs } = context;
  const pair = popRoutePair(request.headers, (uri) => isCoreHost(hop, uri.host));
  if (pair === undefined) dropOwnRoute(request, hop);
  const dialog = pair === undefined ? undefined : dialogs.get(pair.proxyCallId);
  if (dialog === undefined) return undefined;
  const { callId, from, to } = request;
  const tags = { callId, fromTag: from.tag, toTag: to.tag };
  if (!belongsTo(dialog, tags, dialog.isClientCaller)) return refuse(481, 'dialog-mismatch');
  const isSameFlow = dialog.flow.edge === flow.edge && dialog.flow.token === flow.token;
  const isOwner = isSameFlow || [...bindings.ofFlow(flow)].some((binding) => binding.aor === dialog.aor);
  if (!isOwner) return refuse(403, 'dialog-mismatch');
  dialog.flow = flow;
  dialogs.touch(dialog, nowMs());
  return dialog;
}

/**
 * Inside a dialog the way and the target are those that its other end gave (RFC 3261 §12.2.1.1), not the client's to
 * choose: a differing route set is put right, a target on another host is refused unless routing would allow it (T-060).
 */
function keepToDialog(request: SipRequest, dialog: Dialog, context: FromClientContext): Refusal | undefined {
  const own = dialog.isClientCaller ? dialog.caller : dialog.callees.get(request.from.tag ?? '');
  const far = dialog.isClientCaller ? dialog.callees.get(request.to.tag ?? '') : dialog.caller;
  if (
    own !== undefined &&
    own.address !== '' &&
    parseNameAddr(own.address).uriText !== request.from.uriText
  ) {
    return refuse(403, 'from-mismatch');
  }
  const given = request.headers.getAll('Route');
  if (far?.routes === undefined) return keepToNodes(request, given, context);
  const { routes, target } = far;
  if (given.length !== routes.length || given.some((value, index) => value !== routes[index])) {
    context.count('route-set-restored');
    request.headers.setAll('Route', routes);
  }
  const { uri } = request;
  if (uri.kind !== 'sip' || request.uriText === target) return undefined;
  const known = target === undefined ? undefined : parseUri(target);
  const isSame =
    known?.kind === 'sip' && known.host.toLowerCase() === uri.host.toLowerCase() && known.port === uri.port;
  return isSame || isKnownHost(uri.host, context) ? undefined : refuse(403, 'target-refused');
}

/** An end that has not said its way (a notifier that overtook the 2xx) is reached at a node or not at all. */
function keepToNodes(
  request: SipRequest,
  given: readonly string[],
  context: FromClientContext,
): Refusal | undefined {
  const hosts = given.map((value) => routeUri(parseNameAddr(value))?.host ?? '');
  if (hosts.length > 1 || !hosts.every((host) => isKnownHost(host, context)))
    return refuse(403, 'route-refused');
  const { uri } = request;
  return uri.kind !== 'sip' || isKnownHost(uri.host, context) ? undefined : refuse(403, 'target-refused');
}

/**
 * Whether a request of a dialog unknown since a restart may follow its one Route: its target is a node or a domain that
 * we serve. A BYE may name any: it begins nothing, and the call that it ends would otherwise hang.
 */
function isRoutable({ method, uri, headers }: SipRequest, context: FromClientContext): boolean {
  if (uri.kind !== 'sip' || headers.getAll('Route').length > 1) return false;
  return method === 'BYE' || isKnownHost(uri.host, context);
}

function isKnownHost(host: string, { directory }: FromClientContext): boolean {
  return directory.isNode(host) || directory.serves(host);
}

/** A plain Route that names core (get_edge_config's, when an edge left it on) has done its work here. */
function dropOwnRoute(request: SipRequest, hop: CoreHop): void {
  const uri = topSipRoute(request);
  if (uri !== undefined && isCoreHost(hop, uri.host) && pairIdOf(uri) === undefined) {
    request.headers.removeFirst('Route');
  }
}

function ownerOf(
  request: SipRequest,
  flow: FlowRef,
  dialog: Dialog | undefined,
  context: FromClientContext,
): Owner | Refusal {
  if (dialog !== undefined) return { aor: dialog.aor, bindingId: dialog.bindingId, flow };
  const claimed = addressOfRecord(request.from);
  if (request.method === 'REGISTER') return { aor: claimed ?? '', bindingId: '', flow };
  const binding = bindingOf(claimed, flow, context);
  if (binding !== undefined) return { aor: binding.aor, bindingId: binding.id, flow };
  if (!context.requireRegistration) return { aor: claimed ?? flow.token, bindingId: '', flow };
  const isRegistered = [...context.bindings.ofFlow(flow)].length > 0;
  return isRegistered
    ? refuse(403, 'from-mismatch', 'From Is Not The Registered User')
    : refuse(403, 'not-registered');
}

/** The binding on this connection whose user the request claims to be from. */
function bindingOf(
  claimed: string | undefined,
  flow: FlowRef,
  context: FromClientContext,
): Binding | undefined {
  if (claimed === undefined) return undefined;
  const { directory, hop } = context;
  const isOurs = (host: string): boolean =>
    directory.serves(host) || directory.isNode(host) || isCoreHost(hop, host);
  for (const binding of context.bindings.ofFlow(flow)) {
    if (isSameUser(claimed, binding.aor, isOurs)) return binding;
  }
  return undefined;
}

function targetsOf(
  request: SipRequest,
  owner: Owner,
  dialog: Dialog | undefined,
  context: FromClientContext,
): readonly Target[] | Refusal {
  const route = topRoute(request.headers);
  if (route !== undefined) {
    const uri = routeUri(route);
    // Out of a dialog nobody but us has put a Route there with right.
    if (uri === undefined || request.to.tag === undefined) return refuse(403, 'route-refused');
    if (dialog === undefined && !isRoutable(request, context)) return refuse(403, 'target-refused');
    if (isCoreHost(context.hop, uri.host)) return passesTwice(uri, request, context);
    return nodesFor(
      { ...wantedOf(request, owner, context), host: uri.host, port: uri.port },
      dialog,
      context,
    );
  }
  // A call whose core has restarted has lost its media: better told than silent.
  const isOfCall = request.method === 'INVITE' || request.method === 'UPDATE' || request.method === 'PRACK';
  if (dialog === undefined && request.to.tag !== undefined && isOfCall) return refuse(481, 'dialog-mismatch');
  const { uri } = request;
  if (uri.kind === 'sip')
    return nodesFor(
      { ...wantedOf(request, owner, context), host: uri.host, port: uri.port },
      dialog,
      context,
    );
  if (uri.scheme !== 'tel') return refuse(416, 'scheme');
  return homeNodes(wantedOf(request, owner, context), context);
}

/** Through core again, into the other client's leg of the same call: only where that leg is known. */
function passesTwice(
  uri: SipUri,
  request: SipRequest,
  { dialogs }: FromClientContext,
): readonly Target[] | Refusal {
  const other = dialogs.get(pairIdOf(uri) ?? '');
  return other?.callId === request.callId ? [{ kind: 'self' }] : refuse(403, 'route-refused');
}

function wantedOf(request: SipRequest, owner: Owner, context: FromClientContext): Wanted {
  const home = context.bindings.byId(owner.bindingId)?.node;
  return { host: '', port: undefined, bearer: carriesBearer(request), homeZone: home };
}

/** Nodes for a host; in a dialog of ours, its own node for hosts beyond it. Else nothing outside discovery. */
function nodesFor(
  wanted: Wanted,
  dialog: Dialog | undefined,
  context: FromClientContext,
): readonly Target[] | Refusal {
  const { directory, nowMs } = context;
  const nodes = directory.candidates(wanted, nowMs());
  if (nodes.length > 0) return nodes.map((node) => ({ kind: 'node', node }));
  const own = dialog === undefined ? undefined : directory.byZone(dialog.nodeZone);
  if (own !== undefined) return [{ kind: 'node', node: own }];
  return directory.serves(wanted.host)
    ? { ...refuse(503, 'node-down'), retryAfterSeconds: 5 }
    : refuse(404, 'target-refused');
}

/** A telephone number has no host: the user's own node routes it. */
function homeNodes(wanted: Wanted, { directory, nowMs }: FromClientContext): readonly Target[] | Refusal {
  const nodes = directory.anyNode(wanted, nowMs());
  return nodes.length === 0 ? refuse(503, 'node-down') : nodes.map((node) => ({ kind: 'node', node }));
}

function carriesBearer(request: SipRequest): boolean {
  return (
    isBearer(request.headers.get('Authorization')) || isBearer(request.headers.get('Proxy-Authorization'))
  );
}

function isBearer(credentials: string | undefined): boolean {
  return credentials?.slice(0, 7).toLowerCase() === 'bearer ';
}

function topSipRoute(request: SipRequest): SipUri | undefined {
  const route = topRoute(request.headers);
  return route === undefined ? undefined : routeUri(route);
}
