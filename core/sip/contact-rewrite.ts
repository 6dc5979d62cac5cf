// The Contact of a REGISTER as the registrar sees it: core's own address with the client's kept in `orig-hostport`,
// and the way back. RFC 3261 §10.2, mra-wire §3.3. Userinfo, other URI parameters and all header parameters stay byte
// for byte. Trust: the contact is the client's; the URI that comes back is only ever a key to a binding.
//
//   <sip:7514@172.16.84.136:58980;transport=tls>;video
//   <sip:7514@10.15.20.10:5060;transport=tcp;orig-hostport=172.16.84.136:58980>;video
import { findParam, paramValue, printUri, type Param, type SipUri } from '../../sip/index.ts';
import { uriKeyOf } from './binding-table.ts';

/** Core's address as a node reaches it. */
export interface InsideAddress {
  readonly host: string;
  readonly port: number;
  readonly transport: 'tcp' | 'tls';
}

const hostportParam = 'orig-hostport';
const disambiguatorParam = 'orig-n';

/** What the registrar must send back for this contact to be found again. */
export function contactKey(contact: SipUri): string {
  return keyOf(contact.user, printHostport(contact));
}

/** The rewritten contact URI; `disambiguator` tells equal contacts of several owners apart. */
export function rewriteContact(contact: SipUri, inside: InsideAddress, disambiguator: number): string {
  const params: Param[] = contact.params.filter((param) => !isOurs(param.name));
  const transport = findParam(params, 'transport');
  const replaced = { name: transport?.name ?? 'transport', value: inside.transport };
  if (transport === undefined) params.push(replaced);
  else params[params.indexOf(transport)] = replaced;
  params.push({ name: hostportParam, value: printHostport(contact) });
  if (disambiguator > 0) params.push({ name: disambiguatorParam, value: String(disambiguator) });
  return printUri({ ...contact, scheme: 'sip', host: inside.host, port: inside.port, params });
}

/** The key of a rewritten contact that came back as Request-URI, or undefined when it is not one. */
export function keyOfRewritten(uri: SipUri): string | undefined {
  const hostport = paramValue(uri.params, hostportParam);
  if (hostport === undefined) return undefined;
  const disambiguator = paramValue(uri.params, disambiguatorParam) ?? '0';
  if (!/^\d{1,2}$/.test(disambiguator)) return undefined;
  return uriKeyOf(keyOf(uri.user, hostport), Number(disambiguator));
}

function keyOf(user: string | undefined, hostport: string): string {
  return `${user ?? ''}|${hostport.toLowerCase()}`;
}

function printHostport(uri: SipUri): string {
  return uri.port === undefined ? uri.host : `${uri.host}:${uri.port}`;
}

/** A client that sends our own parameters back must not choose what they say. */
function isOurs(name: string): boolean {
  const lower = name.toLowerCase();
  return lower === hostportParam || lower === disambiguatorParam;
}
