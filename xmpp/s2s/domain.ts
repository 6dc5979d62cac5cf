// Domains and addresses between servers (RFC 7622), in the one form in which they are compared: ASCII, lower case, at least
// one dot, no address of a machine. An internationalised domain federates under its A-label; its other spelling is
// refused, because two servers may fold it differently.

/** Two domains that exchange stanzas, in the direction of the stanzas. */
export interface DomainPair {
  readonly from: string;
  readonly to: string;
}

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const MAX_DOMAIN_LENGTH = 253;
const MAX_PART_BYTES = 1023;
/** RFC 7622 §3.3.1: what a localpart never holds; besides that, no space and no control character. */
const NEVER_IN_LOCALPART = /["&'/:<>@\s\p{Cc}]/u;

/** The domain as it is compared; undefined when it is none that federates. */
export function canonicalDomain(text: string | undefined): string | undefined {
  if (text === undefined || text.length > MAX_DOMAIN_LENGTH) return undefined;
  const lower = text.toLowerCase();
  const labels = lower.split('.');
  if (labels.length < 2 || !labels.every((label) => LABEL.test(label))) return undefined;
  // A last label of digits is an IPv4 address in some spelling, never a domain (RFC 3696 §2).
  return /^\d+$/.test(labels.at(-1) ?? '') ? undefined : lower;
}

/** The domain of `local@domain/resource` (RFC 7622 §3.2); undefined when the address is malformed. */
export function domainOf(address: string | undefined): string | undefined {
  if (address === undefined) return undefined;
  const slash = address.indexOf('/');
  const bare = slash < 0 ? address : address.slice(0, slash);
  if (slash >= 0 && !isPart(address.slice(slash + 1))) return undefined;
  const at = bare.indexOf('@');
  if (at < 0) return canonicalDomain(bare);
  const local = bare.slice(0, at);
  if (!isPart(local) || NEVER_IN_LOCALPART.test(local)) return undefined;
  return canonicalDomain(bare.slice(at + 1));
}

/** One string for a pair, to find it by. */
export function pairKey({ from, to }: DomainPair): string {
  return `${from} ${to}`;
}

function isPart(text: string): boolean {
  return text !== '' && Buffer.byteLength(text) <= MAX_PART_BYTES;
}
