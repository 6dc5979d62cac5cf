// STUN codec: bytes ↔ message, RFC 8489 §5 (header), §14 (attributes). No memory, no sockets.
// Trusts nothing; a message is parsed only when its lengths agree with the datagram to the last byte (T-014).
// Integrity and fingerprint are separate questions: see stun-integrity.ts. Attribute values: stun-values.ts.
import {
  fingerprintAttribute,
  integrityAttribute,
  type IntegrityAlgorithm,
  type IntegrityKey,
} from './stun-integrity.ts';
import { ATTRIBUTE, StunError, type StunAttribute } from './stun-attribute.ts';

/** The four classes of RFC 8489 §5. */
export type StunClass = 'request' | 'indication' | 'success' | 'error';

/** Methods by the RFC's name (RFC 8489 §18.2, RFC 8656 §17, RFC 6062 §6.1). */
export const METHOD = {
  binding: 0x001,
  allocate: 0x003,
  refresh: 0x004,
  send: 0x006,
  data: 0x007,
  createPermission: 0x008,
  channelBind: 0x009,
  connect: 0x00a,
  connectionBind: 0x00b,
  connectionAttempt: 0x00c,
} as const;

export const MAGIC_COOKIE = 0x2112a442;
export const HEADER_BYTES = 20;

/** More attributes than any real message has; bounds work for a hostile 64 KiB message of empty attributes. */
const MAX_ATTRIBUTES = 64;
const MAX_BODY_BYTES = 0xfffc;

/** A parsed message. `raw` is what integrity is computed over; attributes after integrity that RFC 8489 §14.5
 *  says to ignore are not listed. */
export interface StunMessage {
  readonly class: StunClass;
  readonly method: number;
  readonly transactionId: Buffer;
  readonly attributes: readonly StunAttribute[];
  readonly raw: Buffer;
}

/** What `printStun` needs: a message without `raw`, integrity and fingerprint. */
export interface StunDraft {
  readonly class: StunClass;
  readonly method: number;
  readonly transactionId: Buffer;
  readonly attributes: readonly StunAttribute[];
}

export interface PrintOptions {
  readonly integrity?: { readonly algorithm: IntegrityAlgorithm; readonly key: IntegrityKey };
  readonly fingerprint?: boolean;
}

const CLASS_BITS: Readonly<Record<StunClass, number>> = {
  request: 0x000,
  indication: 0x010,
  success: 0x100,
  error: 0x110,
};
const CLASSES: readonly StunClass[] = ['request', 'indication', 'success', 'error'];

/** Cheap test on the first eight bytes: top bits 00, the magic cookie, a length that is a multiple of four. */
export function looksLikeStun(bytes: Uint8Array): boolean {
  return (
    bytes.length >= HEADER_BYTES &&
    bytes[0]! < 0x40 &&
    bytes[4] === 0x21 &&
    bytes[5] === 0x12 &&
    bytes[6] === 0xa4 &&
    bytes[7] === 0x42 &&
    (bytes[3]! & 3) === 0
  );
}

/**
 * Parses one whole message.
 *
 *  0                   1                   2                   3
 * |0 0|  type: class bits C1 C0 in method | length without header |
 * |                  magic cookie 0x2112A442                      |
 * |                  transaction id, 96 bits                      |
 * | attribute type | attribute length | value, padded to 4 bytes  | …
 *
 * Throws only `StunError`. Unknown comprehension-required attributes are the caller's business.
 */
export function parseStun(bytes: Buffer): StunMessage {
  if (bytes.length < HEADER_BYTES) throw new StunError('too-short');
  if (!looksLikeStun(bytes)) throw new StunError('not-stun');
  if (bytes.readUInt16BE(2) !== bytes.length - HEADER_BYTES) throw new StunError('length-mismatch');
  const type = bytes.readUInt16BE(0);
  return {
    class: CLASSES[((type >> 4) & 1) | ((type >> 7) & 2)]!,
    method: (type & 0x000f) | ((type & 0x00e0) >> 1) | ((type & 0x3e00) >> 2),
    transactionId: bytes.subarray(8, HEADER_BYTES),
    attributes: parseAttributes(bytes),
    raw: bytes,
  };
}

function parseAttributes(bytes: Buffer): StunAttribute[] {
  const attributes: StunAttribute[] = [];
  let sealed = 0; // 1 after MESSAGE-INTEGRITY, 2 after -SHA256: what may still follow shrinks (§14.5, §14.6)
  for (let offset = HEADER_BYTES; offset < bytes.length;) {
    if (attributes.length >= MAX_ATTRIBUTES) throw new StunError('too-many-attributes');
    if (offset + 4 > bytes.length) throw new StunError('attribute-overruns');
    const type = bytes.readUInt16BE(offset);
    const length = bytes.readUInt16BE(offset + 2);
    const end = offset + 4 + length;
    const next = end + (-length & 3);
    if (next > bytes.length) throw new StunError('attribute-overruns');
    checkSeal(type, length, next === bytes.length);
    if (mayFollow(sealed, type)) attributes.push({ type, value: bytes.subarray(offset + 4, end) });
    if (type === ATTRIBUTE.messageIntegrity && sealed === 0) sealed = 1;
    if (type === ATTRIBUTE.messageIntegritySha256) sealed = 2;
    offset = next;
  }
  return attributes;
}

function mayFollow(sealed: number, type: number): boolean {
  if (sealed === 0 || type === ATTRIBUTE.fingerprint) return true;
  return sealed === 1 && type === ATTRIBUTE.messageIntegritySha256;
}

/** Integrity and fingerprint have one legal size each and FINGERPRINT one legal place (§14.5 to §14.7). */
function checkSeal(type: number, length: number, last: boolean): void {
  if (type === ATTRIBUTE.messageIntegrity && length !== 20) throw new StunError('bad-integrity-length');
  if (type === ATTRIBUTE.messageIntegritySha256 && (length < 16 || length > 32 || length % 4 !== 0)) {
    throw new StunError('bad-integrity-length');
  }
  if (type === ATTRIBUTE.fingerprint && (length !== 4 || !last)) throw new StunError('bad-fingerprint-place');
}

/** Prints a message; integrity and then FINGERPRINT are appended in the order §14.7 asks. Padding is zero. */
export function printStun(draft: StunDraft, options: PrintOptions = {}): Buffer {
  if (draft.transactionId.length !== 12) throw new StunError('too-short');
  let bytes: Buffer = Buffer.concat([Buffer.alloc(HEADER_BYTES), ...draft.attributes.map(printAttribute)]);
  bytes.writeUInt16BE(typeField(draft.class, draft.method), 0);
  bytes.writeUInt32BE(MAGIC_COOKIE, 4);
  draft.transactionId.copy(bytes, 8);
  setLength(bytes, bytes.length);
  const { integrity } = options;
  if (integrity) bytes = append(bytes, integrityAttribute(bytes, integrity.algorithm, integrity.key));
  if (options.fingerprint) bytes = append(bytes, fingerprintAttribute(bytes));
  return bytes;
}

function typeField(kind: StunClass, method: number): number {
  return (method & 0x00f) | ((method & 0x070) << 1) | ((method & 0xf80) << 2) | CLASS_BITS[kind];
}

function printAttribute(attribute: StunAttribute): Buffer {
  const { length } = attribute.value;
  if (length > MAX_BODY_BYTES) throw new StunError('too-long');
  const bytes = Buffer.alloc(4 + length + (-length & 3));
  bytes.writeUInt16BE(attribute.type, 0);
  bytes.writeUInt16BE(length, 2);
  attribute.value.copy(bytes, 4);
  return bytes;
}

function append(bytes: Buffer, attribute: StunAttribute): Buffer {
  const longer = Buffer.concat([bytes, printAttribute(attribute)]);
  setLength(longer, longer.length);
  return longer;
}

function setLength(bytes: Buffer, total: number): void {
  if (total - HEADER_BYTES > MAX_BODY_BYTES) throw new StunError('too-long');
  bytes.writeUInt16BE(total - HEADER_BYTES, 2);
}

/** First attribute of a type, or undefined. RFC 8489 §14: only the first occurrence counts. */
export function findAttribute(message: StunMessage, type: number): Buffer | undefined {
  return message.attributes.find((attribute) => attribute.type === type)?.value;
}
