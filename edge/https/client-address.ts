// A client's address as text, and the key under which its connections are counted.
import { isIPv6 } from 'node:net';

/** The address without the IPv6 spelling of IPv4 (RFC 4291 §2.5.5.2). */
export function plainAddress(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  return mapped?.[1] ?? address;
}

/** One customer is one IPv4 address or one IPv6 /64: whoever has one address of it has them all. */
export function addressKey(address: string): string {
  if (!isIPv6(address)) return address;
  const [before = '', after = ''] = address.split('%', 1)[0]?.split('::') ?? [];
  const head = before === '' ? [] : before.split(':');
  const tail = after === '' ? [] : after.split(':');
  const groups = address.includes('::')
    ? [...head, ...Array<string>(8 - head.length - tail.length).fill('0'), ...tail]
    : head;
  return `${groups.slice(0, 4).join(':')}::/64`;
}
