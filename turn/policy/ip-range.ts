// Ranges of IP addresses written `198.51.100.0/24`, `2001:db8::/32` or as one address. A range that is not exactly
// that refuses to be made and names itself: a silently ignored entry would open what the operator closed (T-006).
import { addressBytes } from '../ip-address.ts';

/** A range of addresses; four bytes for IPv4, sixteen for IPv6. */
export interface IpRange {
  readonly text: string;
  readonly bytes: Buffer;
  readonly bits: number;
}

/** An entry of a list that is not a range. The message names the entry and says what is allowed. */
export class IpRangeError extends Error {
  readonly code = 'bad-range';
  readonly entry: string;
  constructor(entry: string, why: string) {
    super(`${JSON.stringify(entry)} is not a range of addresses: ${why}`);
    this.name = 'IpRangeError';
    this.entry = entry;
  }
}

/** Parses ADDRESS or ADDRESS/BITS. Bits below the prefix must be zero. @throws IpRangeError */
export function parseIpRange(text: string): IpRange {
  const [address = '', length, ...rest] = text.split('/');
  const bytes = addressBytes(address);
  if (bytes === undefined || rest.length > 0)
    throw new IpRangeError(text, 'ADDRESS or ADDRESS/BITS is allowed');
  const most = bytes.length * 8;
  if (length !== undefined && !/^(0|[1-9]\d{0,2})$/.test(length)) {
    throw new IpRangeError(text, `the prefix is a whole number, 0 to ${most}`);
  }
  const bits = length === undefined ? most : Number(length);
  if (bits > most) throw new IpRangeError(text, `the prefix is at most ${most}`);
  const range = { text, bytes, bits };
  if (bytes.some((byte, index) => (byte & ~maskByte(bits, index) & 0xff) !== 0)) {
    throw new IpRangeError(text, 'bits are set to the right of the prefix');
  }
  return range;
}

function maskByte(bits: number, index: number): number {
  const kept = Math.max(0, Math.min(8, bits - index * 8));
  return (0xff << (8 - kept)) & 0xff;
}

/** True when the address (four or sixteen bytes) lies in the range; families never match each other. */
export function inRange(range: IpRange, address: Buffer): boolean {
  if (range.bytes.length !== address.length) return false;
  const whole = range.bits >> 3;
  if (whole > 0 && range.bytes.compare(address, 0, whole, 0, whole) !== 0) return false;
  const rest = range.bits & 7;
  return rest === 0 || ((range.bytes[whole]! ^ address[whole]!) & maskByte(range.bits, whole)) === 0;
}
