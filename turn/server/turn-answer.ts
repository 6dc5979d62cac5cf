// Answers of the TURN server as values: success, refusal with the RFC's code, silence. Each refusal has one reason
// word from a closed set for its counter; codes and phrases are those of RFC 8489 §14.8, RFC 8656 §19, RFC 8016 §3.2,
// RFC 6062 §6.3.
import type { StunAttribute } from '../stun-attribute.ts';
import { errorCodeAttribute } from '../stun-values.ts';
import type { TurnAction } from './turn-input.ts';

const PHRASE = {
  300: 'Try Alternate',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  405: 'Mobility Forbidden',
  420: 'Unknown Attribute',
  437: 'Allocation Mismatch',
  438: 'Stale Nonce',
  440: 'Address Family not Supported',
  441: 'Wrong Credentials',
  442: 'Unsupported Transport Protocol',
  443: 'Peer Address Family Mismatch',
  446: 'Connection Already Exists',
  447: 'Connection Timeout or Failure',
  486: 'Allocation Quota Reached',
  500: 'Server Error',
  508: 'Insufficient Capacity',
} as const;

export type TurnErrorCode = keyof typeof PHRASE;

/** Why a request was refused: the whole set, so that a counter stays bounded. */
export type RefusalReason =
  | 'no-integrity'
  | 'incomplete-credentials'
  | 'wrong-realm'
  | 'stale-nonce'
  | 'password-algorithm'
  | 'unknown-user'
  | 'expired'
  | 'lifetime-too-long'
  | 'bad-integrity'
  | 'unknown-attribute'
  | 'unknown-method'
  | 'malformed'
  | 'no-allocation'
  | 'allocation-exists'
  | 'wrong-owner'
  | 'transport'
  | 'family'
  | 'special-purpose'
  | 'own-address'
  | 'denied-range'
  | 'bad-channel'
  | 'channel-limit'
  | 'permission-limit'
  | 'user-quota'
  | 'deployment-quota'
  | 'allocation-limit'
  | 'ports-exhausted'
  | 'bind-failed'
  | 'reservation'
  | 'mobility'
  | 'bad-token'
  | 'connection-exists'
  | 'connection-limit'
  | 'no-connection'
  | 'peer-unreachable';

export interface TurnRefusal {
  readonly kind: 'refused';
  readonly code: TurnErrorCode;
  readonly reason: RefusalReason;
  readonly attributes: readonly StunAttribute[];
}

/** What a request ended in. `pending`: the answer follows when the relay is open. */
export type TurnOutcome =
  | {
      readonly kind: 'success';
      readonly attributes: readonly StunAttribute[];
      /** Done once the answer is on its way. */
      readonly afterwards?: TurnAction;
    }
  | { readonly kind: 'pending' }
  | TurnRefusal;

/** A refusal with its code, counter word and further attributes. */
export function refuse(
  code: TurnErrorCode,
  reason: RefusalReason,
  attributes: readonly StunAttribute[] = [],
): TurnRefusal {
  return { kind: 'refused', code, reason, attributes };
}

export function succeed(...attributes: readonly StunAttribute[]): TurnOutcome {
  return { kind: 'success', attributes };
}

/** ERROR-CODE of a code, with its phrase unless bytes must be saved. */
export function errorCode(code: TurnErrorCode, withPhrase = true): StunAttribute {
  return errorCodeAttribute(code, withPhrase ? PHRASE[code] : '');
}
