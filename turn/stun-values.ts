// Values of STUN attributes: addresses (RFC 8489 §14.1, §14.2), ERROR-CODE (§14.8), UNKNOWN-ATTRIBUTES (§14.13).
// Each reader checks the exact length and throws only StunError.
import { addressBytes, addressText, type TransportAddress } from './ip-address.ts';
import { ATTRIBUTE, StunError, type StunAttribute } from './stun-attribute.ts';

const COOKIE = Buffer.from([0x21, 0x12, 0xa4, 0x42]);

/** An XOR-…-ADDRESS attribute: | 0 | family 1 or 2 | port ^ cookie | address ^ (cookie, transaction id) |. */
export function xorAddressAttribute(
  type: number,
  source: TransportAddress,
  transactionId: Buffer,
): StunAttribute {
  const address = addressBytes(source.address);
  if (address === undefined) throw new StunError('bad-address');
  const plain = address.length === 16 && addressText(address).includes('.') ? address.subarray(12) : address;
  const value = Buffer.alloc(4 + plain.length);
  value[1] = plain.length === 4 ? 1 : 2;
  value.writeUInt16BE(source.port ^ 0x2112, 2);
  value.set(xor(plain, transactionId), 4);
  return { type, value };
}

/** Reads an XOR-…-ADDRESS value. */
export function readXorAddress(value: Buffer, transactionId: Buffer): TransportAddress {
  const bytes = checkedAddress(value);
  return { address: addressText(xor(bytes, transactionId)), port: value.readUInt16BE(2) ^ 0x2112 };
}

/** MAPPED-ADDRESS and its kin without XOR, as ALTERNATE-SERVER has it (RFC 8489 §14.15). */
export function mappedAddressAttribute(type: number, { address, port }: TransportAddress): StunAttribute {
  const bytes = addressBytes(address);
  if (bytes === undefined) throw new StunError('bad-address');
  const head = Buffer.from([0, bytes.length === 4 ? 1 : 2, port >> 8, port & 0xff]);
  return { type, value: Buffer.concat([head, bytes]) };
}

/** Reads MAPPED-ADDRESS, which old servers still answer. */
export function readMappedAddress(value: Buffer): TransportAddress {
  return { address: addressText(checkedAddress(value)), port: value.readUInt16BE(2) };
}

function checkedAddress(value: Buffer): Buffer {
  const wanted = value[1] === 1 ? 8 : value[1] === 2 ? 20 : -1;
  if (value.length !== wanted) throw new StunError('bad-address');
  return value.subarray(4);
}

function xor(address: Buffer, transactionId: Buffer): Buffer {
  const out = Buffer.from(address);
  for (let index = 0; index < out.length; index++) {
    out[index]! ^= index < 4 ? COOKIE[index]! : transactionId[index - 4]!;
  }
  return out;
}

/** ERROR-CODE with the RFC's reason phrase. */
export function errorCodeAttribute(code: number, phrase: string): StunAttribute {
  const text = Buffer.from(phrase, 'utf8').subarray(0, 509);
  const head = Buffer.from([0, 0, Math.trunc(code / 100), code % 100]);
  return { type: ATTRIBUTE.errorCode, value: Buffer.concat([head, text]) };
}

/** Reads ERROR-CODE: class 3 to 6, number 0 to 99. */
export function readErrorCode(value: Buffer): { code: number; phrase: string } {
  const hundreds = (value[2] ?? 0) & 7;
  const rest = value[3] ?? 100;
  if (value.length < 4 || hundreds < 3 || hundreds > 6 || rest > 99) throw new StunError('bad-error-code');
  return { code: hundreds * 100 + rest, phrase: value.toString('utf8', 4) };
}

/** UNKNOWN-ATTRIBUTES: the 16-bit types one after another. */
export function unknownAttributesAttribute(types: readonly number[]): StunAttribute {
  const value = Buffer.alloc(types.length * 2);
  types.forEach((type, index) => value.writeUInt16BE(type, index * 2));
  return { type: ATTRIBUTE.unknownAttributes, value };
}
