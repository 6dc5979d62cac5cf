// The Binding method (RFC 8489 §2, §6.3.1) as a pure function: request bytes and source in, answer bytes out.
// Used on SIP connections (RFC 5626 §4.4.2) and UDP sockets. Keeps nothing; the answer to an unauthenticated
// request (at most 2.4 times 20 bytes, plus UNKNOWN-ATTRIBUTES) never exceeds 44 bytes or thrice the request.
import type { TransportAddress } from './ip-address.ts';
import { ATTRIBUTE, StunError } from './stun-attribute.ts';
import { checkFingerprint } from './stun-integrity.ts';
import { errorCodeAttribute, unknownAttributesAttribute, xorAddressAttribute } from './stun-values.ts';
import { METHOD, parseStun, printStun, type StunMessage } from './stun.ts';

/** Comprehension-required attributes that a Binding server without credentials may meet and ignore. */
const UNDERSTOOD = new Set<number>([
  ATTRIBUTE.mappedAddress,
  ATTRIBUTE.username,
  ATTRIBUTE.messageIntegrity,
  ATTRIBUTE.messageIntegritySha256,
  ATTRIBUTE.xorMappedAddress,
  ATTRIBUTE.priority,
  ATTRIBUTE.useCandidate,
]);
const MAX_UNKNOWN_LISTED = 8;

/**
 * Answers a Binding request with XOR-MAPPED-ADDRESS of `source`.
 * Undefined means silence: malformed bytes, an indication, a response, another method, a wrong fingerprint
 * (§6.3: discard). Never throws.
 */
export function answerBinding(bytes: Buffer, source: TransportAddress): Buffer | undefined {
  const message = parseOrUndefined(bytes);
  if (message === undefined || message.class !== 'request' || message.method !== METHOD.binding) {
    return undefined;
  }
  const fingerprint = checkFingerprint(message);
  if (fingerprint === 'invalid') return undefined;
  return answer(message, source, fingerprint === 'valid');
}

function answer(message: StunMessage, source: TransportAddress, fingerprint: boolean): Buffer | undefined {
  const { transactionId, method } = message;
  const unknown = unknownTypes(message);
  if (unknown.length > 0) {
    const attributes = [errorCodeAttribute(420, 'Unknown Attribute'), unknownAttributesAttribute(unknown)];
    return printStun({ class: 'error', method, transactionId, attributes }, { fingerprint });
  }
  try {
    const mapped = xorAddressAttribute(ATTRIBUTE.xorMappedAddress, source, transactionId);
    return printStun({ class: 'success', method, transactionId, attributes: [mapped] }, { fingerprint });
  } catch (error) {
    if (error instanceof StunError) return undefined; // the transport gave no usable address
    throw error;
  }
}

function unknownTypes(message: StunMessage): number[] {
  return message.attributes
    .map((attribute) => attribute.type)
    .filter((type) => type < 0x8000 && !UNDERSTOOD.has(type))
    .slice(0, MAX_UNKNOWN_LISTED);
}

function parseOrUndefined(bytes: Buffer): StunMessage | undefined {
  try {
    return parseStun(bytes);
  } catch (error) {
    if (error instanceof StunError) return undefined;
    throw error;
  }
}
