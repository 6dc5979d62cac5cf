// What core says by itself when a call can no longer work: media lost for good, an answer that cannot be used, a call
// never acknowledged. RFC 3261 §13.2.2.4, §15.1.1: ACK and BYE as the other end would have sent them.
import {
  createRequest,
  parseNameAddr,
  type ClientFailure,
  type HeaderPair,
  type SipRequest,
  type SipResponse,
} from '../../sip/index.ts';
import type { Dialog } from './dialog-table.ts';
import type { BindingTable } from './binding-table.ts';
import { flowOfDialog, flowRoute } from './from-inside.ts';
import type { HopSender } from './hop-sender.ts';
import type { NodeDirectory } from './node-directory.ts';
import type { EdgeLink, Target } from './outgoing.ts';

export interface HangUpOptions {
  readonly sender: HopSender;
  readonly directory: NodeDirectory;
  readonly bindings: BindingTable;
  readonly linkTo: (edge: string) => EdgeLink | undefined;
}

/**
 * Sends BYE to one end, as far as that end is known; `onNoLink` when the link to its edge is down or goes down, or when
 * the client's own connection is gone.
 */
export function sendBye(
  dialog: Dialog,
  end: 'caller' | 'callee',
  reason: string,
  options: HangUpOptions,
  onNoLink: () => void = () => undefined,
): void {
  if (isClientEnd(dialog, end)) dialog.flow = flowOfDialog(dialog, options.bindings);
  const target = targetOf(dialog, end, options);
  if (target === undefined) return isClientEnd(dialog, end) ? onNoLink() : undefined;
  const via = options.sender.ownVia(target);
  const headers: HeaderPair[] = [['Reason', `SIP;cause=500;text="${reason}"`]];
  const bye = inDialog('BYE', dialog, end, via, headers);
  if (bye === undefined) return;
  const onFailure = (failure: ClientFailure): void => {
    if (failure === 'transport' && target.kind === 'edge') onNoLink();
  };
  const onResponse = (response: SipResponse): void => {
    if (response.status === 430 && target.kind === 'edge') onNoLink();
  };
  options.sender.send(bye, target, { onResponse, onFailure });
}

/** Acknowledges a callee's 2xx that the caller will never see. */
export function sendOwnAck(dialog: Dialog, options: HangUpOptions): void {
  const target = targetOf(dialog, 'callee', options);
  if (target === undefined) return;
  const ack = inDialog('ACK', dialog, 'callee', options.sender.ownVia(target), []);
  if (ack !== undefined) options.sender.transportTo(target).send(ack.print());
}

/** A request to one end; undefined when that end is not known well enough yet. An ACK keeps the INVITE's number. */
function inDialog(
  method: 'ACK' | 'BYE',
  dialog: Dialog,
  end: 'caller' | 'callee',
  via: string,
  extra: readonly HeaderPair[],
): SipRequest | undefined {
  const { caller, callee } = dialog;
  if (callee === undefined) return undefined;
  const [to, from] = end === 'caller' ? [caller, callee] : [callee, caller];
  if (to.target === undefined || tagOf(to.address) === undefined || tagOf(from.address) === undefined) {
    return undefined;
  }
  if (method === 'BYE') from.cseq += 1;
  const routes = isClientEnd(dialog, end) ? [flowRoute(dialog.flow)] : (to.routes ?? []);
  return createRequest({
    method,
    uri: to.target,
    via,
    from: from.address,
    to: to.address,
    callId: dialog.callId,
    cseq: from.cseq,
    headers: [...routes.map((route) => ['Route', route] as const), ...extra],
  });
}

function targetOf(
  dialog: Dialog,
  end: 'caller' | 'callee',
  { directory, linkTo }: HangUpOptions,
): Target | undefined {
  if (isClientEnd(dialog, end)) {
    const link = linkTo(dialog.flow.edge);
    return link && { kind: 'edge', link };
  }
  const node = directory.byZone(dialog.nodeZone);
  return node && { kind: 'node', node };
}

function isClientEnd(dialog: Dialog, end: 'caller' | 'callee'): boolean {
  return (end === 'caller') === dialog.isClientCaller;
}

function tagOf(address: string): string | undefined {
  return parseNameAddr(address).tag;
}
