// Header lines that a client may not send and that never reach call control from one: what only a trusted element may
// assert (RFC 3325 §6), the ways that only hops write, and our own. Edge takes them off a client's messages, core off
// those of an edge, which may be captured (T-145). After the canonical parse, so that blanks, folds, case and compact
// forms cannot hide one (T-050).
import type { SipMessage } from '../message.ts';

/** The header in which edge tells core the connection that a request came from. */
export const flowHeader = 'X-Viaduct-Flow';

/** Who sent a message: the second has put its own Record-Route into a request. */
export type Sender = 'client' | 'edge';

/** Ways of registrations are made by hops: a client's own would draw later requests elsewhere (T-060). */
const ways = new Set(['path', 'service-route']);

/** P- headers that RFC 3325, 5009, 6050 and 7315 let a user agent send. */
const ofUserAgents = new Set([
  'p-preferred-identity',
  'p-preferred-service',
  'p-early-media',
  'p-access-network-info',
]);

/** Removes what `sender` may not say; returns how many lines went. A response keeps the route set it echoes. */
export function stripPrivileged(message: SipMessage, sender: Sender): number {
  const { headers } = message;
  if (message.kind === 'response') return headers.stripWhere(isAsserted);
  const mayRecord = sender === 'edge';
  return headers.stripWhere(
    (key) => isAsserted(key) || ways.has(key) || (key === 'record-route' && !mayRecord),
  );
}

function isAsserted(key: string): boolean {
  return key.startsWith('x-viaduct-') || (key.startsWith('p-') && !ofUserAgents.has(key));
}
