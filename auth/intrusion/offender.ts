// Who a failure is laid to. The narrowest thing that is known: a user at an address, a device, and only then an address.
// A user alone is never shut out: the name was only claimed, and whoever claims it elsewhere would lock its owner out. An IPv6
// address counts as its /64, which is what one household or host has.
import { isIPv4, isIPv6 } from 'node:net';
import { foldUser } from '../user-id.ts';

export type Offender =
  | {
      readonly kind: 'user';
      readonly deployment: string;
      readonly user: string;
      /** Where the client was; empty when edge does not say. */
      readonly address: string;
    }
  /** One connection or registered device at one edge. */
  | { readonly kind: 'device'; readonly edge: string; readonly device: string }
  | { readonly kind: 'address'; readonly address: string };

/** The key under which an offender is counted and shut out; also what an operator names to let it in again. */
export function offenderId(offender: Offender): string {
  switch (offender.kind) {
    case 'user':
      return `user:${offender.deployment}:${foldUser(offender.user)}@${addressKey(offender.address)}`;
    case 'device':
      return `device:${offender.edge}:${offender.device}`;
    default:
      return `address:${addressKey(offender.address)}`;
  }
}

/** An IPv4 address that a socket of both families shows as IPv6 (RFC 4291 §2.5.5.2), as what it is. */
export function plainAddress(address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
}

/** `ipv4`, `ipv6` or neither. */
export function addressFamily(address: string): 'ipv4' | 'ipv6' | undefined {
  if (isIPv4(address)) return 'ipv4';
  return isIPv6(address) ? 'ipv6' : undefined;
}

/** An IPv4 address as it is, an IPv6 address as its /64. */
function addressKey(from: string): string {
  const address = plainAddress(from);
  if (!isIPv6(address)) return address;
  const groups = new URL(`http://[${address.split('%')[0]}]/`).hostname.slice(1, -1).split('::');
  const [head = '', tail = ''] = groups;
  const front = head === '' ? [] : head.split(':');
  const back = tail === '' ? [] : tail.split(':');
  const zeros = groups.length === 1 ? 0 : 8 - front.length - back.length;
  return `${[...front, ...Array.from({ length: zeros }, () => '0'), ...back].slice(0, 4).join(':')}::/64`;
}
