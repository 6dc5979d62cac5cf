// IP addresses as bytes and as text (RFC 4291 §2.2, canonical text of RFC 5952).
// One canonical form before any decision: an IPv4-mapped IPv6 address becomes plain IPv4.
import { isIPv4, isIPv6 } from 'node:net';

/** A transport address. `address` is canonical text without brackets or zone. */
export interface TransportAddress {
  readonly address: string;
  readonly port: number;
}

/** Four or sixteen bytes of an address given as text, or undefined when it is not an address (names, zones). */
export function addressBytes(text: string): Buffer | undefined {
  if (isIPv4(text)) return Buffer.from(text.split('.').map(Number));
  if (!isIPv6(text) || text.includes('%')) return undefined;
  return ipv6Bytes(text);
}

function ipv6Bytes(text: string): Buffer {
  const dotted = text.lastIndexOf(':') + 1;
  const tail = text.includes('.') ? [...Buffer.from(text.slice(dotted).split('.').map(Number))] : [];
  const groupsText = tail.length > 0 ? text.slice(0, dotted).replace(/([^:]):$/, '$1') : text;
  const [head = '', rest] = groupsText.split('::');
  const before = groupBytes(head);
  const after = [...groupBytes(rest ?? ''), ...tail];
  const out = Buffer.alloc(16);
  out.set(before, 0);
  out.set(after, rest === undefined ? before.length : 16 - after.length);
  return out;
}

function groupBytes(text: string): number[] {
  return text
    .split(':')
    .filter((group) => group !== '')
    .flatMap((group) => {
      const value = Number.parseInt(group, 16);
      return [value >> 8, value & 0xff];
    });
}

/** Canonical text of four or sixteen bytes; IPv4-mapped bytes print as IPv4. */
export function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  if (isIpv4Mapped(bytes)) return bytes.subarray(12).join('.');
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2));
  const { start, length } = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}

/** The one text form of an address: lower case, shortest IPv6, IPv4-mapped as IPv4. Undefined if it is none. */
export function canonicalAddress(text: string): string | undefined {
  const bytes = addressBytes(text);
  return bytes === undefined ? undefined : addressText(bytes);
}

function isIpv4Mapped(bytes: Buffer): boolean {
  return bytes.readUInt32BE(0) === 0 && bytes.readUInt32BE(4) === 0 && bytes.readUInt32BE(8) === 0xffff;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}
