// What waits while its client cannot be reached: BYE and ACK of call control, and BYEs of core's own. A refused BYE would
// be lost, and its call would stay up at the other end (docs/decisions/0043).
import type { ServerTransaction, SipRequest } from '../../sip/index.ts';
import type { LinkWait, LinkWaiter } from '../../sip/hop/index.ts';
import type { Dialog } from './dialog-table.ts';
import { sendBye, type HangUpOptions } from './hang-up.ts';
import type { Refusal } from './verdict.ts';

/** What a BYE of our own is counted as while it waits; it is made anew when it goes. */
const ownByeBytes = 1024;

export interface HeldRequestsOptions extends HangUpOptions {
  readonly linkWait: LinkWait;
}

/** Tries a request again; it may wait anew with the same waiter. */
type Retry = (again: LinkWaiter) => void;

export class HeldRequests {
  readonly #options: HeldRequestsOptions;

  constructor(options: HeldRequestsOptions) {
    this.#options = options;
  }

  /** A BYE that cannot reach the client now; false when it may not wait. `late` answers its sender. */
  bye(
    server: ServerTransaction,
    refusal: Refusal,
    waiter: LinkWaiter | undefined,
    { retry, late }: { readonly retry: Retry; readonly late: () => void },
  ): boolean {
    const { request } = server;
    if (request.method !== 'BYE') return false;
    const again: LinkWaiter = waiter ?? {
      owner: refusal.dialog?.aor ?? request.callId,
      bytes: request.print().length,
      retry: () => retry(again),
      late,
    };
    return this.#options.linkWait.hold(again);
  }

  /** The callee's 2xx comes again for 32 s; an ACK kept for the link spares both ends the wait. */
  ack(ack: SipRequest, waiter: LinkWaiter | undefined, retry: Retry): boolean {
    const again: LinkWaiter = waiter ?? {
      owner: ack.callId,
      bytes: ack.print().length,
      retry: () => retry(again),
      late: () => undefined,
    };
    return this.#options.linkWait.hold(again);
  }

  /** Core's own BYE to one end of a call, now or when its client can be reached. */
  ownBye(dialog: Dialog, end: 'caller' | 'callee', reason: string, waiter?: LinkWaiter): void {
    const again: LinkWaiter = waiter ?? {
      owner: dialog.aor,
      bytes: ownByeBytes,
      retry: () => this.ownBye(dialog, end, reason, again),
      late: () => undefined,
    };
    sendBye(dialog, end, reason, this.#options, () => void this.#options.linkWait.hold(again));
  }
}
