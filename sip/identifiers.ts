// Branches, tags and Call-IDs that this side makes. RFC 3261 §8.1.1.4, §8.1.1.7, §19.3: globally unique and, because
// whoever guesses one can forge messages into a call, 128 bits (tags 64) from the randomness that is passed in.

import { hash } from 'node:crypto';
import type { SipMessage } from './message.ts';
import { MAGIC_COOKIE } from './via.ts';

/** Cryptographic random bytes. */
export type RandomBytes = (count: number) => Buffer;

/** A new branch; `suffix` (a loop hash, a token) is appended after a dot. */
export function createBranch(random: RandomBytes, suffix?: string): string {
  const unique = MAGIC_COOKIE + random(16).toString('hex');
  return suffix === undefined ? unique : `${unique}.${suffix}`;
}

export function createTag(random: RandomBytes): string {
  return random(8).toString('hex');
}

export function createCallId(random: RandomBytes, host?: string): string {
  const unique = random(16).toString('hex');
  return host === undefined ? unique : `${unique}@${host}`;
}

/** A tag that is the same for each retransmission of a request, for answers without state (RFC 3261 §8.2.7). */
export function statelessTag(request: SipMessage): string {
  const { headers } = request;
  return hash('sha1', `${headers.get('via')}\n${headers.get('call-id')}\n${headers.get('cseq')}`).slice(
    0,
    16,
  );
}
