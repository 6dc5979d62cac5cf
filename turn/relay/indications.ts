// Send and Data indications (RFC 8656 §11): bytes ↔ payload and peer. Indications carry no integrity; what a Send may
// do is bounded by the permissions that authenticated requests have made.
import type { TransportAddress } from '../ip-address.ts';
import { ATTRIBUTE, StunError } from '../stun-attribute.ts';
import { readXorAddress, xorAddressAttribute } from '../stun-values.ts';
import { findAttribute, METHOD, parseStun, printStun } from '../stun.ts';
import { unknownAttributes } from '../server/unknown-attributes.ts';

/** First 16 bits of a Send indication: method 6, class indication. */
const SEND_INDICATION_TYPE = 0x0016;

/** True when a STUN message is a Send indication, which belongs to the data path. */
export function isSendIndication(bytes: Buffer): boolean {
  return bytes.length >= 2 && bytes.readUInt16BE(0) === SEND_INDICATION_TYPE;
}

/**
 * Payload and peer of a Send indication; undefined when it is malformed, lacks one of the two, or has an attribute
 * that must be understood and is not. DONT-FRAGMENT cannot be obeyed here, so it discards the message too (§11.2).
 */
export function readSendIndication(
  bytes: Buffer,
): { readonly payload: Buffer; readonly peer: TransportAddress } | undefined {
  try {
    const message = parseStun(bytes);
    if (!isSendIndication(bytes) || unknownAttributes(message, false).length > 0) return undefined;
    const peer = findAttribute(message, ATTRIBUTE.xorPeerAddress);
    const payload = findAttribute(message, ATTRIBUTE.data);
    if (peer === undefined || payload === undefined) return undefined;
    return { payload, peer: readXorAddress(peer, message.transactionId) };
  } catch (error) {
    if (error instanceof StunError) return undefined;
    throw error;
  }
}

/** A Data indication: what a peer sent that has no channel. */
export function printDataIndication(payload: Buffer, peer: TransportAddress, transactionId: Buffer): Buffer {
  const attributes = [
    xorAddressAttribute(ATTRIBUTE.xorPeerAddress, peer, transactionId),
    { type: ATTRIBUTE.data, value: payload },
  ];
  return printStun({ class: 'indication', method: METHOD.data, transactionId, attributes });
}
