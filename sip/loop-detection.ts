// Loops, spirals and hop count of a proxy: RFC 3261 §16.3 steps 3 and 4, §16.6 steps 3 and 8, RFC 5393 §4.2.
// A proxy puts `loopHash` into the branch it makes (createBranch's suffix). A request that comes back with one of our
// branches and the same hash would be routed the same way again: a loop. Another hash: a spiral, which is allowed.

import { hash } from 'node:crypto';
import type { SipRequest } from './message.ts';
import type { Via } from './via.ts';

/** Headers that routing may depend on besides the Request-URI (RFC 5393 §4.2.1). Topmost Via must not be among them. */
const ROUTING_HEADERS = ['route', 'proxy-require', 'proxy-authorization'] as const;

/** 16 hex digits over all that decides where a request goes, taken as received, before any of our edits. */
export function loopHash(request: SipRequest): string {
  const { from, to, callId, cseq } = request;
  const parts = [request.uriText, from.tag ?? '', to.tag ?? '', callId, String(cseq.number)];
  for (const name of ROUTING_HEADERS) parts.push(...request.headers.getAll(name));
  return hash('sha1', parts.join('\n')).slice(0, 16);
}

/** Whether a Via that `isOurs` recognises (by sent-by) carries this hash in its branch. */
export function hasLooped(request: SipRequest, isOurs: (via: Via) => boolean, loop: string): boolean {
  return request.vias.some((via) => via.branch?.endsWith(`.${loop}`) === true && isOurs(via));
}

/**
 * Takes one hop off Max-Forwards; false when none was left (answer 483). A missing header becomes `maxHops`, a larger
 * one is cut to it: Expressway's hop count of 15 bounds what a loop can cost.
 */
export function takeHop(request: SipRequest, maxHops: number): boolean {
  const hops = request.maxForwards;
  if (hops === 0) return false;
  request.headers.set('Max-Forwards', String(hops === undefined ? maxHops : Math.min(hops - 1, maxHops)));
  return true;
}
