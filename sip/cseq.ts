// CSeq and RAck, RFC 3261 §20.16, RFC 3262 §7.2.

import { isToken, parseDecimal, skipBlank } from './characters.ts';
import { SipParseError } from './parse-error.ts';

/** Largest sequence number a request may carry: below 2^31 (RFC 3261 §8.1.1.5). */
export const MAX_CSEQ = 0x7fff_ffff;

export interface CSeq {
  readonly number: number;
  readonly method: string;
}

/** What a PRACK acknowledges: the RSeq and the CSeq of the provisional response. */
export interface RAck extends CSeq {
  readonly rseq: number;
}

/** Parses `1*DIGIT LWS Method`. Throws SipParseError. */
export function parseCSeq(text: string): CSeq {
  const digits = blankAt(text, 0);
  const number = parseDecimal(text, 0, digits);
  const method = text.slice(skipBlank(text, digits));
  if (number < 0 || number > MAX_CSEQ || !isToken(method)) throw new SipParseError('cseq', 'Malformed CSeq');
  return { number, method };
}

/** Parses `1*DIGIT LWS 1*DIGIT LWS Method`. Throws SipParseError. */
export function parseRAck(text: string): RAck {
  const digits = blankAt(text, 0);
  const rseq = parseDecimal(text, 0, digits);
  if (rseq < 1 || rseq > 0xffff_ffff) throw new SipParseError('cseq', 'Malformed RAck');
  return { rseq, ...parseCSeq(text.slice(skipBlank(text, digits))) };
}

function blankAt(text: string, at: number): number {
  while (at < text.length && text.charCodeAt(at) !== 0x20 && text.charCodeAt(at) !== 0x09) at++;
  return at;
}
