// What core remembers of a dialog's two ends, so that it could hang up by itself (RFC 3261 §12.1, §12.2.1).
import type { SipMessage, SipRequest, SipResponse } from '../../sip/index.ts';
import { pairIdOf } from '../../sip/hop/index.ts';
import { learnCallee, type Dialog, type DialogLeg } from './dialog-table.ts';

/** The caller as the dialog-forming request shows it; an inside caller's Route set is kept. */
export function callerLeg(request: SipRequest, isInside: boolean): DialogLeg {
  return {
    address: request.headers.get('From') ?? '',
    target: targetOf(request),
    routes: isInside ? request.headers.getAll('Record-Route') : [],
    cseq: request.cseq.number,
  };
}

/** A response to the first request names a callee: its tag, its target and the way to it. */
export function noteAnswer(dialog: Dialog, response: SipResponse): void {
  const { tag } = response.to;
  const callee = tag === undefined ? undefined : learnCallee(dialog, tag);
  if (callee === undefined) return;
  callee.address = response.headers.get('To') ?? callee.address;
  callee.target = targetOf(response) ?? callee.target;
  if (response.isSuccess) dialog.callee = callee;
  // A client is reached by its connection; an inside callee by what stands above our own pair.
  if (!dialog.isClientCaller) callee.routes = [];
  else if (response.headers.has('Record-Route')) callee.routes = routesAbove(dialog.proxyCallId, response);
}

function routesAbove(proxyCallId: string, response: SipResponse): readonly string[] {
  const own = response
    .addresses('Record-Route')
    .findIndex((route) => route.uri.kind === 'sip' && pairIdOf(route.uri) === proxyCallId);
  return own <= 0 ? [] : response.headers.getAll('Record-Route').slice(0, own).reverse();
}

/** A request inside the dialog moves its sender's CSeq and, when it refreshes the target, the Contact. */
export function noteRequest(dialog: Dialog, request: SipRequest, isFromCaller: boolean): void {
  const leg = isFromCaller ? dialog.caller : dialog.callees.get(request.from.tag ?? '');
  if (leg === undefined) return;
  leg.cseq = Math.max(leg.cseq, request.cseq.number);
  if (refreshesTarget(request.method)) leg.target = targetOf(request) ?? leg.target;
}

/** A 2xx inside the dialog refreshes the target of who answered. */
export function noteRefresh(dialog: Dialog, response: SipResponse, isFromCaller: boolean): void {
  if (!refreshesTarget(response.cseq.method)) return;
  const leg = isFromCaller ? dialog.caller : dialog.callees.get(response.to.tag ?? '');
  if (leg !== undefined) leg.target = targetOf(response) ?? leg.target;
}

/** RFC 3261 §12.2, RFC 3311 §5.1, RFC 6665 §4.4.1. */
function refreshesTarget(method: string): boolean {
  return method === 'INVITE' || method === 'UPDATE' || method === 'SUBSCRIBE' || method === 'NOTIFY';
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
