// Values of TURN attributes (RFC 8656 §18, RFC 8489 §14): numbers, families, text. Each reader checks the exact length
// and throws only StunError; addresses are in stun-values.ts.
import { StunError, type StunAttribute } from './stun-attribute.ts';

export type AddressFamily = 4 | 6;

/** A 32-bit number: LIFETIME. */
export function uint32Attribute(type: number, value: number): StunAttribute {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return { type, value: bytes };
}

export function readUint32(value: Buffer): number {
  if (value.length !== 4) throw new StunError('bad-value');
  return value.readUInt32BE();
}

/** CHANNEL-NUMBER: | channel | 0 |; the reserved bits are ignored (§18.1). */
export function readChannelNumber(value: Buffer): number {
  if (value.length !== 4) throw new StunError('bad-value');
  return value.readUInt16BE();
}

/** REQUESTED-TRANSPORT: | protocol | 0 | 0 | 0 | (§18.8). */
export function readProtocol(value: Buffer): number {
  if (value.length !== 4) throw new StunError('bad-value');
  return value[0]!;
}

/** REQUESTED-ADDRESS-FAMILY and its kin: | family | 0 | 0 | 0 | (§18.6); undefined for a family nobody knows. */
export function readFamily(value: Buffer): AddressFamily | undefined {
  if (value.length !== 4) throw new StunError('bad-value');
  return value[0] === 1 ? 4 : value[0] === 2 ? 6 : undefined;
}

/** ADDRESS-ERROR-CODE: | family | 0 | class | number | (§18.12), without phrase. */
export function addressErrorAttribute(type: number, family: AddressFamily, code: number): StunAttribute {
  const bytes = [family === 4 ? 1 : 2, 0, Math.trunc(code / 100), code % 100];
  return { type, value: Buffer.from(bytes) };
}

/** EVEN-PORT: true when the next port shall be reserved (§18.7). */
export function readEvenPort(value: Buffer): boolean {
  if (value.length !== 1) throw new StunError('bad-value');
  return (value[0]! & 0x80) !== 0;
}

export function textAttribute(type: number, text: string): StunAttribute {
  return { type, value: Buffer.from(text, 'utf8') };
}

/** USERNAME, REALM and NONCE: text of at most `maxBytes`, valid UTF-8. */
export function readText(value: Buffer, maxBytes: number): string {
  if (value.length === 0 || value.length > maxBytes) throw new StunError('bad-value');
  const text = value.toString('utf8');
  if (text.includes('\ufffd')) throw new StunError('bad-value');
  return text;
}
