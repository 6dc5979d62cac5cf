// The BYE that core sends by itself when a call can no longer work: media lost for good, an answer that cannot be used,
// a call never acknowledged. RFC 3261 §15.1.1: as the other end would have sent it, inside the same dialog.
import { createRequest, parseNameAddr, type HeaderPair, type SipRequest } from '../../sip/index.ts';
import type { Dialog } from './dialog-table.ts';
import { flowRoute } from './from-inside.ts';

/** The BYE towards one end, without Via on top; undefined when that end is not known well enough yet. */
export function byeTo(
  dialog: Dialog,
  end: 'caller' | 'callee',
  via: string,
  reason: string,
): SipRequest | undefined {
  const { caller, callee } = dialog.legs;
  const [to, from] = end === 'caller' ? [caller, callee] : [callee, caller];
  if (to.target === undefined || tagOf(to.address) === undefined || tagOf(from.address) === undefined)
    return undefined;
  from.cseq += 1;
  const isToClient = (end === 'caller') === dialog.isClientCaller;
  const routes = isToClient ? [flowRoute(dialog.flow)] : to.routes;
  const headers: HeaderPair[] = routes.map((route) => ['Route', route] as const);
  headers.push(['Reason', `SIP;cause=500;text="${reason}"`]);
  return createRequest({
    method: 'BYE',
    uri: to.target,
    via,
    from: from.address,
    to: to.address,
    callId: dialog.callId,
    cseq: from.cseq,
    headers,
  });
}

function tagOf(address: string): string | undefined {
  return parseNameAddr(address).tag;
}
