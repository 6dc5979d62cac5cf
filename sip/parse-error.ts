// The one error a parser of this room throws, and what the peer may be told about it.
// RFC 3261 §8.2, §16.3, §21.4.1. It carries no bytes of the message: the reason is one of our own sentences.

import type { SipRequest } from './message.ts';

/** Words a refused message is counted under: a closed set, never text of the peer. */
export type ParseFault =
  | 'start-line'
  | 'version'
  | 'line-end'
  | 'folding'
  | 'header-name'
  | 'header-count'
  | 'header-size'
  | 'missing-header'
  | 'duplicate-header'
  | 'content-length'
  | 'body'
  | 'cseq'
  | 'via'
  | 'address'
  | 'uri'
  | 'max-forwards'
  | 'value'
  | 'too-long'
  | 'not-sip';

/**
 * A message, or a part of one, that does not obey the grammar or a limit.
 * `status` is what a request is answered with; a response with this fault is dropped.
 * `request` is set when enough of the request was read (Via, From, To, Call-ID, CSeq lines) to answer it.
 */
export class SipParseError extends Error {
  override readonly name = 'SipParseError';
  readonly code: ParseFault;
  readonly status: number;
  readonly reason: string;
  request: SipRequest | undefined;

  constructor(code: ParseFault, reason: string, status = 400) {
    super(`${status} ${reason}`);
    this.code = code;
    this.status = status;
    this.reason = reason;
  }
}
