// Matching messages to transactions, RFC 3261 §17.1.3 and §17.2.3, within the scope of a transport (transport.ts).
// Matching by RFC 2543 rules is refused: it needs guesses about who sent what.

import type { SipRequest, SipResponse } from './message.ts';

/** Key of the server transaction a request belongs to; `method` INVITE for the ACK or CANCEL of one. */
export function serverKey(request: SipRequest, scope: string, method = request.method): string {
  const { branch, host, port } = request.topVia;
  return `${scope} ${method} ${branch} ${host.toLowerCase()}:${port ?? ''}`;
}

/** Key of the client transaction that sent a request, or that a response answers. */
export function clientKey(message: SipRequest | SipResponse, scope: string): string {
  return `${scope} ${message.cseq.method} ${message.topVia.branch}`;
}
