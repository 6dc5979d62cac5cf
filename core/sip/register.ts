// REGISTER through core (RFC 3261 §10.2, mra-wire §3.3): rewrites each Contact to core's own address, or puts core into
// Path (RFC 3327), and turns the registrar's 2xx into bindings. Credentials and challenges pass untouched. Trust: the
// contact is the client's claim; only the registrar's answer grants it.
import {
  parseSipUri,
  type NameAddr,
  type SipRequest,
  type SipResponse,
  type SipUri,
} from '../../sip/index.ts';
import { addressOfRecord } from './address-of-record.ts';
import type { BindingSlot, BindingTable, FlowRef } from './binding-table.ts';
import { contactKey, keyOfRewritten, rewriteContact } from './contact-rewrite.ts';
import { isCoreHost, type CoreHop } from './hop-identity.ts';
import type { SipNode } from './node-directory.ts';
import { refuse, type Refusal } from './verdict.ts';

/** Contacts in one REGISTER; phones send one per line. */
const maxContacts = 8;
/** When neither the registrar nor the client said how long (RFC 3261 §10.2). */
const defaultExpiresSeconds = 3600;
/** No binding outlives a day without a refresh, whatever was granted. */
const maxExpiresSeconds = 86_400;

/** A REGISTER under way. End it by exactly one `settleRegister` or `dropRegister`. */
export interface RegisterPlan {
  readonly aor: string;
  readonly flow: FlowRef;
  readonly node: SipNode;
  readonly sequence: number;
  /** `Contact: *`: all of the owner's contacts. */
  readonly isWildcard: boolean;
  readonly contacts: readonly PlannedContact[];
}

interface PlannedContact {
  readonly slot: BindingSlot;
  readonly contact: string;
  readonly key: string;
  readonly askedSeconds: number | undefined;
}

export interface RegisterContext {
  readonly table: BindingTable;
  readonly hop: CoreHop;
  /** Path instead of rewritten contacts. */
  readonly pathHeaders: boolean;
  /** How long a refresh may be late. */
  readonly expiryGraceMs: number;
}

/** Edits `request` for `node` and claims its contacts. Throws SipParseError on a malformed Contact. */
export function planRegister(
  request: SipRequest,
  flow: FlowRef,
  node: SipNode,
  context: RegisterContext,
): RegisterPlan | Refusal {
  const aor = addressOfRecord(request.to);
  if (aor === undefined) return refuse(400, 'malformed', 'To Names No User');
  const { contacts } = request;
  const base = { aor, flow, node, sequence: context.table.nextSequence() };
  if (contacts === '*') return { ...base, isWildcard: true, contacts: [] };
  if (contacts.length > maxContacts) return refuse(400, 'registration-limit', 'Too Many Contacts');
  const planned: PlannedContact[] = [];
  for (const address of contacts) {
    const one = planContact(address, aor, request, context);
    if (one === undefined || !context.table.fitsFlow(flow, one.slot, planned.length)) {
      release(one === undefined ? planned : [...planned, one], context.table);
      return { ...refuse(503, 'registration-limit'), retryAfterSeconds: 30 };
    }
    planned.push(one);
  }
  writeContacts(request, contacts, planned, node, context);
  return { ...base, isWildcard: false, contacts: planned };
}

function planContact(
  address: NameAddr,
  aor: string,
  request: SipRequest,
  { table, hop }: RegisterContext,
): PlannedContact | undefined {
  const uri = parseSipUri(address.uriText);
  // A client that hands back what the 200 showed it means the binding behind it.
  const known = isCoreHost(hop, uri.host) ? keyOfRewritten(uri) : undefined;
  const bound = known === undefined ? undefined : table.byUriKey(known);
  const contact = bound?.aor === aor ? bound.contact : address.uriText;
  const key = contactKey(contact === address.uriText ? uri : parseSipUri(contact));
  const slot = table.claim(key, aor, deviceOf(address));
  const asked = seconds(address.param('expires')) ?? request.expires;
  return slot && { slot, contact, key, askedSeconds: asked };
}

/** RFC 5626 §4.1, §4.2: a device and, where it keeps several connections, which of them. Empty when it does not say. */
function deviceOf(address: NameAddr): string {
  const instance = address.param('+sip.instance');
  if (instance === undefined) return '';
  const connection = address.param('reg-id') ?? address.param('x-cisco-reg-id');
  return connection === undefined ? instance : `${instance} ${connection}`;
}

function writeContacts(
  request: SipRequest,
  addresses: readonly NameAddr[],
  planned: readonly PlannedContact[],
  node: SipNode,
  { hop, pathHeaders }: RegisterContext,
): void {
  const inside = hop.inside[node.transport];
  const [first] = planned;
  if (first === undefined) return; // a query: no Contact
  if (pathHeaders) {
    const transport = `transport=${inside.transport};lr`;
    request.headers.prepend(
      'Path',
      `<sip:${pathUser(first.slot.id)}@${inside.host}:${inside.port};${transport}>`,
    );
    return;
  }
  const values = request.headers.getAll('Contact');
  const rewritten = planned.map((one, index) => {
    const uri = rewriteContact(parseSipUri(one.contact), inside, one.slot.disambiguator);
    return withUri(values[index] ?? '', addresses[index], uri);
  });
  if (rewritten.length === 1) request.headers.replaceFirst('Contact', rewritten[0] ?? '');
  else request.headers.setAll('Contact', rewritten);
}

/** The value with another URI, every other byte as it was where that is certain. */
function withUri(value: string, address: NameAddr | undefined, uri: string): string {
  if (address === undefined) return value;
  const bracketed = `<${address.uriText}>`;
  const at = value.indexOf(bracketed);
  if (at < 0 || value.indexOf(bracketed, at + 1) >= 0) return address.withUri(uri).print();
  return `${value.slice(0, at)}<${uri}>${value.slice(at + bracketed.length)}`;
}

const pathPrefix = 'binding=';

/** The userinfo by which a Path of ours names a binding. */
export function pathUser(bindingId: string): string {
  return `${pathPrefix}${bindingId}`;
}

/** The binding that a Route made of our Path names, or undefined. */
export function bindingOfPath(uri: SipUri): string | undefined {
  return uri.user?.startsWith(pathPrefix) === true ? uri.user.slice(pathPrefix.length) : undefined;
}

/** Ends a REGISTER that granted and removed nothing: refused, challenged, or never sent. */
export function dropRegister(plan: RegisterPlan, table: BindingTable): void {
  release(plan.contacts, table);
}

/** Applies a 2xx. `nowMs` is wall-clock time, because bindings outlive the process. */
export function settleRegister(
  plan: RegisterPlan,
  response: SipResponse,
  { table, pathHeaders, expiryGraceMs }: RegisterContext,
  nowMs: number,
): void {
  if (plan.isWildcard) table.unbindAor(plan.aor, plan.sequence);
  const granted = grantsOf(response, pathHeaders);
  for (const one of plan.contacts) {
    const expires = expiresOf(one, response, granted, pathHeaders);
    const expiresAtMs = nowMs + expires * 1000 + expiryGraceMs;
    const grant = { contact: one.contact, node: plan.node.zone, flow: plan.flow, expiresAtMs };
    table.settle(one.slot, plan.sequence, expires > 0 ? grant : undefined, nowMs);
  }
}

/** Lists what the registrar says is bound: key of the contact → its own expires parameter, or NaN without one. */
function grantsOf(response: SipResponse, pathHeaders: boolean): Map<string, number> | undefined {
  if (!response.headers.has('Contact')) return undefined;
  const granted = new Map<string, number>();
  const { contacts } = response;
  for (const address of contacts === '*' ? [] : contacts) {
    const { uri } = address;
    if (uri.kind !== 'sip') continue;
    const key = pathHeaders ? contactKey(uri) : keyOfRewritten(uri);
    if (key !== undefined) granted.set(key, seconds(address.param('expires')) ?? Number.NaN);
  }
  return granted;
}

/** Seconds the contact is registered for; 0 when it is not. The per-contact parameter comes first (RFC 3261 §10.2.4). */
function expiresOf(
  one: PlannedContact,
  response: SipResponse,
  granted: Map<string, number> | undefined,
  pathHeaders: boolean,
): number {
  if (one.askedSeconds === 0) return 0;
  const own = granted?.get(pathHeaders ? one.key : one.slot.uriKey);
  if (granted !== undefined && own === undefined) return 0;
  const chosen = own === undefined || Number.isNaN(own) ? response.expires : own;
  return Math.min(chosen ?? one.askedSeconds ?? defaultExpiresSeconds, maxExpiresSeconds);
}

function seconds(value: string | undefined): number | undefined {
  return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}

function release(contacts: readonly PlannedContact[], table: BindingTable): void {
  for (const one of contacts) table.release(one.slot);
}
