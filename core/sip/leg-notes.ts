// What core remembers of a dialog's two ends, so that it could hang up by itself (RFC 3261 §12.1, §12.2.1).
import type { SipMessage, SipRequest, SipResponse } from '../../sip/index.ts';
import { pairIdOf } from '../../sip/hop/index.ts';
import type { Dialog, DialogLeg } from './dialog-table.ts';

/** The two ends as the dialog-forming request shows them; `isInsideCaller`: the caller's Route set is kept. */
export function firstLegs(
  request: SipRequest,
  isInsideCaller: boolean,
): { caller: DialogLeg; callee: DialogLeg } {
  return {
    caller: {
      address: request.headers.get('From') ?? '',
      target: targetOf(request),
      routes: isInsideCaller ? request.headers.getAll('Record-Route') : [],
      cseq: request.cseq.number,
    },
    callee: { address: request.headers.get('To') ?? '', target: undefined, routes: [], cseq: 0 },
  };
}

/** A 2xx names the callee: its tag, its target and the way to it. */
export function noteAnswer(dialog: Dialog, response: SipResponse): void {
  const { callee } = dialog.legs;
  callee.address = response.headers.get('To') ?? callee.address;
  callee.target = targetOf(response) ?? callee.target;
  if (!dialog.isClientCaller) return; // a client is reached by its connection
  const own = response
    .addresses('Record-Route')
    .findIndex((route) => route.uri.kind === 'sip' && pairIdOf(route.uri) === dialog.proxyCallId);
  callee.routes = own <= 0 ? [] : response.headers.getAll('Record-Route').slice(0, own).reverse();
}

/** A request inside the dialog moves its sender's CSeq and, when it refreshes the target, the Contact. */
export function noteRequest(dialog: Dialog, request: SipRequest, isFromCaller: boolean): void {
  const leg = isFromCaller ? dialog.legs.caller : dialog.legs.callee;
  leg.cseq = Math.max(leg.cseq, request.cseq.number);
  if (request.method === 'INVITE' || request.method === 'UPDATE')
    leg.target = targetOf(request) ?? leg.target;
}

function targetOf(message: SipMessage): string | undefined {
  const { contacts } = message;
  return contacts === '*' ? undefined : contacts[0]?.uriText;
}

/** Seconds a 2xx gives its dialog: Expires of a subscription, Session-Expires of a call (RFC 6665, RFC 4028). */
export function silenceMsOf(response: SipResponse): number | undefined {
  const session = /^\s*(\d{1,9})/.exec(response.headers.get('Session-Expires') ?? '')?.[1];
  const seconds = session === undefined ? response.expires : Number(session);
  return seconds === undefined ? undefined : (seconds + graceSeconds) * 1000;
}

/** A refresh may be late by one transaction. */
const graceSeconds = 64;
