// One request under way through core: its server transaction and all it has touched.
import type { ClientTransaction, ServerTransaction } from '../../sip/index.ts';
import type { LinkWaiter } from '../../sip/hop/index.ts';
import type { Exchange } from './call-media.ts';
import type { Dialog } from './dialog-table.ts';
import type { Outgoing } from './outgoing.ts';

export interface Passage {
  readonly server: ServerTransaction;
  readonly outgoing: Outgoing;
  readonly exchange: Exchange | undefined;
  /** The dialog it made or is in. */
  readonly dialog: Dialog | undefined;
  readonly isFirst: boolean;
  readonly proxyCallId: string;
  nextTarget: number;
  client: ClientTransaction | undefined;
  isCancelled: boolean;
  /** How it waited for a link before it was sent. */
  readonly waiter: LinkWaiter | undefined;
}

/** Whether the dialog's caller sent this request. */
export function isFromCaller(dialog: Dialog, outgoing: Outgoing): boolean {
  return (outgoing.from === 'client') === dialog.isClientCaller;
}

/** Methods whose messages may carry an offer or an answer (RFC 3261 §13, RFC 3262, RFC 3311). */
export function carriesMedia(method: string): boolean {
  return method === 'INVITE' || method === 'UPDATE' || method === 'PRACK';
}

/** Why a call is over when this BYE ended it. */
export function hungUpBy({ from }: Outgoing): string {
  return from === 'client' ? 'hung up by the client' : 'hung up by the far end';
}
