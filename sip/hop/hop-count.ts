// Max-Forwards at a proxy (RFC 3261 §16.3 step 3, §16.6 step 3). Stricter than the RFC: a count above `most` is
// lowered to it, because nothing behind this pair is that many hops away and a loop should die soon.
import type { SipRequest } from '../message.ts';

/** Counts the hop; false when none is left and the request must be answered 483. */
export function takeHop(request: SipRequest, most: number): boolean {
  const hops = request.maxForwards;
  if (hops === 0) return false;
  request.headers.set('Max-Forwards', String(Math.min(hops ?? most, most) - 1));
  return true;
}
