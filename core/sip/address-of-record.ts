// Canonical addresses of record (RFC 3261 §10.3 step 5): user unescaped, host in lower case, no parameters, no port.
import { unescapeUri, type NameAddr } from '../../sip/index.ts';

/** `user@host`, or undefined for an address that is no SIP user. */
export function addressOfRecord(address: NameAddr): string | undefined {
  const { uri } = address;
  if (uri.kind !== 'sip' || uri.user === undefined) return undefined;
  return `${unescapeUri(uri.user)}@${uri.host.toLowerCase()}`;
}

/** Whether two addresses of record name one user; `isOurHost` says which other hosts mean the same enterprise. */
export function isSameUser(
  claimed: string,
  registered: string,
  isOurHost: (host: string) => boolean,
): boolean {
  if (claimed === registered) return true;
  const at = claimed.lastIndexOf('@');
  const registeredAt = registered.lastIndexOf('@');
  if (claimed.slice(0, at) !== registered.slice(0, registeredAt)) return false;
  return isOurHost(claimed.slice(at + 1));
}
