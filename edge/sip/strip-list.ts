// Header lines that a client may not send and that never leave edge towards core: what only a trusted element may
// assert, and our own. Taken off after the canonical parse, so that blanks, folds, case and compact forms cannot hide
// one (T-050).
import type { SipMessage } from '../../sip/index.ts';

/** The header in which edge tells core the connection that a request came from. */
export const flowHeader = 'X-Viaduct-Flow';

/** Route sets are made by hops: a client's own would draw later requests elsewhere (T-060). */
const routing = new Set(['record-route', 'path', 'service-route']);

/** P- headers that RFC 3325, 5009, 6050 and 7315 let a user agent send. */
const ofUserAgents = new Set([
  'p-preferred-identity',
  'p-preferred-service',
  'p-early-media',
  'p-access-network-info',
]);

/** Removes what a client may not say; returns how many lines went. A response keeps the route set it echoes. */
export function stripPrivileged(message: SipMessage): number {
  return message.headers.stripWhere(message.kind === 'request' ? isPrivileged : isAsserted);
}

function isPrivileged(key: string): boolean {
  return routing.has(key) || isAsserted(key);
}

function isAsserted(key: string): boolean {
  return key.startsWith('x-viaduct-') || (key.startsWith('p-') && !ofUserAgents.has(key));
}
