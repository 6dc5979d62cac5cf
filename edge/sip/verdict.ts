// What becomes of a request at edge: sent on, answered here, or (an ACK that has nowhere to go) dropped.
import type { SipRequest, SipTransport } from '../../sip/index.ts';

/** Why a request was not sent on: the closed set that is counted and told to intrusion protection. */
export type EdgeRefusal =
  | 'hops'
  | 'loop'
  | 'scheme'
  | 'unknown-zone'
  | 'no-core'
  | 'bad-route'
  | 'flow-forged'
  | 'flow-gone'
  | 'rate'
  | 'malformed'
  | 'banned'
  | 'busy';

/** The request as it goes on, ready to print, and over which transport. */
export interface Forward {
  readonly kind: 'forward';
  readonly request: SipRequest;
  readonly transport: SipTransport;
}

export interface Answer {
  readonly kind: 'answer';
  readonly status: number;
  readonly reason?: string;
  /** Absent: an answer that is no refusal (OPTIONS). */
  readonly refusal?: EdgeRefusal;
  readonly retryAfterSeconds?: number;
}

export type EdgeVerdict = Forward | Answer;

/** An answer that refuses. */
export function refuse(status: number, refusal: EdgeRefusal, reason?: string): Answer {
  return reason === undefined
    ? { kind: 'answer', status, refusal }
    : { kind: 'answer', status, refusal, reason };
}
