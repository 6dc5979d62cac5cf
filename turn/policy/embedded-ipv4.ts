// IPv4 addresses that an IPv6 address carries inside, in every encoding that some router or stack unwraps. A policy
// that looks at the outer form alone can be walked round with any of them (T-002). Pure functions of sixteen bytes.
import { inRange, parseIpRange } from './ip-range.ts';

interface Encoding {
  readonly range: ReturnType<typeof parseIpRange>;
  /** Where four bytes of IPv4 lie, and whether they are stored inverted. */
  readonly places: readonly { readonly offset: number; readonly inverted: boolean }[];
}

const encoding = (
  range: string,
  ...places: readonly (readonly [offset: number, inverted: boolean])[]
): Encoding => ({
  range: parseIpRange(range),
  places: places.map(([offset, inverted]) => ({ offset, inverted })),
});

const ENCODINGS: readonly Encoding[] = [
  encoding('::/96', [12, false]), // IPv4-compatible, RFC 4291 §2.5.5.1
  encoding('::ffff:0:0/96', [12, false]), // IPv4-mapped, RFC 4291 §2.5.5.2
  encoding('::ffff:0:0:0/96', [12, false]), // IPv4-translated, RFC 2765 §2.1
  encoding('64:ff9b::/96', [12, false]), // NAT64, RFC 6052 §2.1
  encoding('2002::/16', [2, false]), // 6to4, RFC 3056 §2
  encoding('2001::/32', [4, false], [12, true]), // Teredo server and client, RFC 4380 §4
];

/** Interface identifiers 0000:5efe and 0200:5efe of ISATAP under any prefix (RFC 5214 §6.1). */
function isIsatap(bytes: Buffer): boolean {
  return (bytes.readUInt32BE(8) & 0xfdffffff) >>> 0 === 0x00005efe;
}

/** `::` and `::1` are themselves, not IPv4-compatible forms of 0.0.0.0 and 0.0.0.1 (RFC 4291 §2.5.5.1). */
function isUnspecifiedOrLoopback(bytes: Buffer): boolean {
  return bytes.subarray(0, 15).every((byte) => byte === 0) && bytes[15]! <= 1;
}

/** Each IPv4 address (four bytes) inside an address; empty for IPv4 and for plain IPv6. */
export function embeddedIpv4(bytes: Buffer): Buffer[] {
  if (bytes.length !== 16 || isUnspecifiedOrLoopback(bytes)) return [];
  const found = ENCODINGS.filter(({ range }) => inRange(range, bytes)).flatMap(({ places }) =>
    places.map(({ offset, inverted }) => ipv4At(bytes, offset, inverted)),
  );
  return isIsatap(bytes) ? [...found, ipv4At(bytes, 12, false)] : found;
}

function ipv4At(bytes: Buffer, offset: number, inverted: boolean): Buffer {
  const inner = Buffer.from(bytes.subarray(offset, offset + 4));
  return inverted ? Buffer.from(inner.map((byte) => byte ^ 0xff)) : inner;
}
