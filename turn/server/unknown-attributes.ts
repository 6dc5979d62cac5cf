// Which comprehension-required attributes the TURN server knows (RFC 8489 §14, RFC 8656 §18): the rest is answered 420
// and listed (RFC 8489 §6.3.1). DONT-FRAGMENT is known only where the engine can obey it (RFC 8656 §7.2 step 4).
import { ATTRIBUTE } from '../stun-attribute.ts';
import type { StunMessage } from '../stun.ts';

const FIRST_OPTIONAL = 0x8000;
const MAX_LISTED = 8;

const KNOWN = new Set<number>([
  ATTRIBUTE.mappedAddress,
  ATTRIBUTE.username,
  ATTRIBUTE.messageIntegrity,
  ATTRIBUTE.channelNumber,
  ATTRIBUTE.lifetime,
  ATTRIBUTE.xorPeerAddress,
  ATTRIBUTE.data,
  ATTRIBUTE.realm,
  ATTRIBUTE.nonce,
  ATTRIBUTE.requestedAddressFamily,
  ATTRIBUTE.evenPort,
  ATTRIBUTE.requestedTransport,
  ATTRIBUTE.messageIntegritySha256,
  ATTRIBUTE.passwordAlgorithm,
  ATTRIBUTE.userhash,
  ATTRIBUTE.reservationToken,
  ATTRIBUTE.priority,
  ATTRIBUTE.useCandidate,
  ATTRIBUTE.connectionId,
  ATTRIBUTE.accessToken,
]);

/** Types of the attributes that must be understood and are not; at most eight. */
export function unknownAttributes(message: StunMessage, supportsDontFragment: boolean): number[] {
  return message.attributes
    .map(({ type }) => type)
    .filter((type) => type < FIRST_OPTIONAL && !KNOWN.has(type))
    .filter((type) => type !== ATTRIBUTE.dontFragment || !supportsDontFragment)
    .slice(0, MAX_LISTED);
}
