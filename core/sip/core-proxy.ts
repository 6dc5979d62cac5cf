// The transaction user at core: takes each request through its decision (from-client, from-inside), its dialog, its
// media and its hop headers, sends it to one target after the other, and carries the responses back (RFC 3261 §16.6,
// §16.7; one branch at a time). Dialog identifiers stay end to end; only session descriptions are core's own.
import type {
  ClientFailure,
  HeaderPair,
  ServerTransaction,
  SipRequest,
  SipResponse,
  SipTransport,
  TransactionLayer,
  TransactionUser,
} from '../../sip/index.ts';
import {
  flowHeader,
  makesDialog,
  stripPrivileged,
  type HopSide,
  type LinkWait,
  type LinkWaiter,
} from '../../sip/hop/index.ts';
import { CallMedia } from './call-media.ts';
import { openDialog, type DialogOpening } from './dialog-opening.ts';
import type { Dialog } from './dialog-table.ts';
import type { EdgeIdentity } from './edge-identity.ts';
import { answeredHere, routeFromClient, type FromClientContext } from './from-client.ts';
import { routeFromInside, type FromInsideContext } from './from-inside.ts';
import { sendBye, sendOwnAck, type HangUpOptions } from './hang-up.ts';
import { HeldRequests } from './held-requests.ts';
import { HopSender, type HopSenderOptions } from './hop-sender.ts';
import { noteAnswer, noteRefresh, noteRequest, silenceMsOf } from './leg-notes.ts';
import { MediaRefusals } from './media-refusals.ts';
import type { Outgoing, Target } from './outgoing.ts';
import { carriesMedia, hungUpBy, isFromCaller, type Passage } from './passage.ts';
import { forwardRegister, type RegisterPassageOptions } from './register-passage.ts';
import { isReadable, passBack, replyFailure, retryAfter } from './responses.ts';
import { isRefusal, refuse, type CoreRefusal, type Refusal } from './verdict.ts';

/** Where a message came in. */
export type Origin =
  | { readonly kind: 'edge'; readonly peer: EdgeIdentity }
  | { readonly kind: 'node'; readonly side: HopSide; readonly zone: string };

export interface CoreProxyOptions
  extends FromClientContext, FromInsideContext, HopSenderOptions, DialogOpening {
  /** Where BYE and ACK for a client wait while the link to its edge is down. */
  readonly linkWait: LinkWait;
  /** Whether the link to some edge is down: only then an ACK is worth a copy. */
  readonly isLinkMissing: () => boolean;
  readonly pathHeaders: boolean;
  readonly expiryGraceMs: number;
  readonly count: (event: string, reason?: string) => void;
  /** A refusal, and the edge and flow token (or `inside`) it was given to, for bans. */
  readonly onRefused: (kind: CoreRefusal, source: string) => void;
}

export class CoreProxy implements TransactionUser {
  readonly #options: CoreProxyOptions;
  readonly #sender: HopSender;
  readonly #registering: RegisterPassageOptions;
  readonly #hangingUp: HangUpOptions;
  readonly #held: HeldRequests;
  readonly #mediaRefusals: MediaRefusals;
  readonly #origins = new Map<string, Origin>();
  readonly #ringing = new WeakMap<ServerTransaction, Passage>();

  constructor(options: CoreProxyOptions) {
    this.#options = options;
    this.#sender = new HopSender(options);
    this.#hangingUp = { ...options, sender: this.#sender };
    this.#held = new HeldRequests({ ...this.#hangingUp, linkWait: options.linkWait });
    this.#mediaRefusals = new MediaRefusals({
      ...options,
      deliver: (passage, response) => this.#deliver(passage, response),
      endFirst: (passage, reason) => this.#endFirst(passage, reason),
      dismiss: (dialog, response, reason) => this.#dismiss(dialog, response, reason),
      hangUp: (dialog, reason) => this.hangUp(dialog, reason),
    });
    this.#registering = {
      ...options,
      sender: this.#sender,
      table: options.bindings,
      refuse: (server, refusal) => this.#refuse(server, refusal),
    };
  }

  /** The layer that this proxy is the user of; set once. */
  useLayer(layer: TransactionLayer): void {
    this.#sender.useLayer(layer);
  }

  enter(transport: SipTransport, origin: Origin): void {
    this.#origins.set(transport.id, origin);
  }

  leave(transport: SipTransport): void {
    this.#origins.delete(transport.id);
  }

  onRequest(server: ServerTransaction): void {
    const origin = this.#origins.get(server.transport.id);
    if (origin !== undefined) this.#take(server, origin, undefined);
  }

  /** `waiter` is how the request waited before, when it did. */
  #take(server: ServerTransaction, origin: Origin, waiter: LinkWaiter | undefined): void {
    const outgoing = this.#route(server.request.clone(), origin);
    if (outgoing === answeredHere) return void server.reply(200);
    if (isRefusal(outgoing)) {
      if (outgoing.refusal === 'edge-down' && this.#holdBye(server, origin, outgoing, waiter)) return;
      return this.#refuse(server, outgoing);
    }
    if (outgoing.request.method === 'REGISTER') return forwardRegister(server, outgoing, this.#registering);
    this.#begin(server, outgoing, waiter);
  }

  /** A BYE that cannot reach the client now waits; false when it may not. */
  #holdBye(
    server: ServerTransaction,
    origin: Origin,
    refusal: Refusal,
    waiter: LinkWaiter | undefined,
  ): boolean {
    return this.#held.bye(server, refusal, waiter, {
      retry: (again) => this.#take(server, origin, again),
      late: () => this.#endLate(server, refusal),
    });
  }

  /** The link has not returned: the sender is answered and the call ended here; its BYE goes on when the link does. */
  #endLate(server: ServerTransaction, refusal: Refusal): void {
    const { dialogs, nowMs } = this.#options;
    if (refusal.dialog !== undefined)
      dialogs.end(refusal.dialog, 'hung up by the far end while the link was down', nowMs());
    this.#refuse(server, refusal);
  }

  onAck(ack: SipRequest, transport: SipTransport): void {
    const origin = this.#origins.get(transport.id);
    if (origin !== undefined) this.#takeAck(ack, origin, undefined);
  }

  #takeAck(ack: SipRequest, origin: Origin, waiter: LinkWaiter | undefined): void {
    const original = this.#options.isLinkMissing() ? ack.clone() : undefined;
    const outgoing = this.#route(ack, origin);
    if (outgoing === answeredHere) return;
    if (isRefusal(outgoing)) {
      const mayWait = original !== undefined && outgoing.refusal === 'edge-down';
      if (
        mayWait &&
        this.#held.ack(original, waiter, (again) => this.#takeAck(original.clone(), origin, again))
      )
        return;
      return this.#note(outgoing, ack, origin);
    }
    const { dialog } = outgoing;
    if (dialog !== undefined) this.#options.dialogs.acknowledge(dialog, this.#options.nowMs());
    if (dialog?.media === undefined) return this.#sender.sendAck(outgoing);
    const exchange = CallMedia.exchange('ACK', outgoing.from);
    dialog.media.fromRequest(ack, exchange, (refused) => {
      // The ACK goes in any case: without it the callee would retransmit its 2xx and give up.
      this.#sender.sendAck(outgoing);
      if (refused !== undefined) this.hangUp(dialog, 'Unusable Answer');
    });
  }

  onCancel(invite: ServerTransaction, cancel: SipRequest): void {
    const passage = this.#ringing.get(invite);
    if (passage === undefined) return;
    const reasons = cancel.headers.getAll('Reason').map((value) => ['Reason', value] as const);
    this.#cancel(passage, reasons);
  }

  #cancel(passage: Passage, reasons: readonly HeaderPair[]): void {
    passage.isCancelled = true;
    passage.client?.cancel(reasons); // not sent yet: #tryNext answers 487 when its turn comes
  }

  /** Ends a call from here: CANCEL while it rings, BYE to both ends as far as they are known. */
  hangUp(dialog: Dialog, reason: string): void {
    if (dialog.state === 'ended') return;
    this.#options.count('hung-up');
    dialog.cancel?.();
    for (const end of ['caller', 'callee'] as const) this.#held.ownBye(dialog, end, reason);
    this.#options.dialogs.end(dialog, reason, this.#options.nowMs());
  }

  /** The link to an edge is down: it has told its clients 503 for what they began, so that stops ringing inside. */
  linkLost(edge: string): void {
    for (const dialog of this.#options.dialogs.all()) {
      if (dialog.isClientCaller && dialog.edge.name === edge) dialog.cancel?.();
    }
  }

  #route(request: SipRequest, origin: Origin): Outgoing | Refusal | typeof answeredHere {
    if (origin.kind === 'edge') return routeFromClient(request, origin.peer, this.#options);
    return routeFromInside(request, origin.side, origin.zone, this.#options);
  }

  #begin(server: ServerTransaction, outgoing: Outgoing, waiter: LinkWaiter | undefined): void {
    const { request } = outgoing;
    const isFirst = makesDialog(request.method) && request.to.tag === undefined;
    const proxyCallId = this.#sender.newCallId();
    const dialog = isFirst ? openDialog(outgoing, proxyCallId, this.#options) : outgoing.dialog;
    if (dialog !== undefined && isRefusal(dialog)) return this.#refuse(server, dialog);
    // Over, a subscription, or no dialog at all: a description would pass without our hands on it.
    if (carriesMedia(request.method) && dialog?.media === undefined)
      return this.#refuse(server, refuse(481, 'dialog-mismatch'));
    if (dialog !== undefined && !isFirst) noteRequest(dialog, request, isFromCaller(dialog, outgoing));
    const media = dialog?.media;
    const exchange = media === undefined ? undefined : CallMedia.exchange(request.method, outgoing.from);
    const passage: Passage = {
      server,
      outgoing,
      exchange,
      dialog,
      isFirst,
      proxyCallId,
      nextTarget: 0,
      client: undefined,
      isCancelled: false,
      waiter,
    };
    if (request.method === 'INVITE') this.#ringing.set(server, passage);
    if (isFirst && dialog !== undefined) dialog.cancel = () => this.#cancel(passage, []);
    if (media === undefined || exchange === undefined || !carriesMedia(request.method))
      return this.#tryNext(passage);
    media.fromRequest(request, exchange, (refused) => {
      if (refused === undefined) this.#tryNext(passage);
      else this.#mediaRefusals.request(passage, refused);
    });
  }

  #tryNext(passage: Passage): void {
    const { server, outgoing, isFirst, proxyCallId } = passage;
    const target = outgoing.targets[passage.nextTarget];
    passage.nextTarget += 1;
    if (passage.isCancelled) {
      this.#endFirst(passage, 'cancelled');
      return void server.reply(487);
    }
    if (target === undefined) return this.#giveUp(passage, 503);
    const isLast = passage.nextTarget >= outgoing.targets.length;
    const request = isLast ? outgoing.request : outgoing.request.clone();
    this.#sender.writeHop(request, outgoing, target, proxyCallId, isFirst);
    passage.client = this.#sender.send(request, target, {
      onResponse: (response) => this.#onResponse(passage, target, response),
      onFailure: (failure) => this.#onFailure(passage, target, failure),
    });
  }

  #onResponse(passage: Passage, target: Target, response: SipResponse): void {
    if (response.status === 100) return;
    if (!isReadable(response)) return this.#unreadable(passage, response);
    if (target.kind === 'node' && response.status >= 200) this.#options.directory.answered(target.node);
    const hasMore = passage.nextTarget < passage.outgoing.targets.length;
    if (response.status === 503 && hasMore && !passage.isCancelled) return this.#tryNext(passage);
    if (response.status === 430 && target.kind === 'edge') return this.#flowGone(passage);
    if (target.kind === 'edge') {
      if (stripPrivileged(response, 'edge') > 0) this.#options.count('privileged-header-stripped');
      this.#restoreRecordRoute(passage, response);
    }
    const { dialog, exchange } = passage;
    if (dialog !== undefined && passage.isFirst && response.status < 300) noteAnswer(dialog, response);
    if (dialog?.state === 'ended' && passage.isFirst && response.isSuccess)
      return this.#tooLate(passage, dialog, response);
    if (dialog?.media === undefined || exchange === undefined || !carriesMedia(exchange.method)) {
      return this.#deliver(passage, response);
    }
    dialog.media.fromResponse(response, exchange, (refused) => {
      if (refused === undefined) this.#deliver(passage, response);
      else this.#mediaRefusals.answer(passage, response, refused);
    });
  }

  #deliver(passage: Passage, response: SipResponse): void {
    this.#noteOutcome(passage, response);
    passBack(passage.server, response, this.#options.count);
  }

  /** What a final response means for the dialog. */
  #noteOutcome({ dialog, isFirst, outgoing }: Passage, response: SipResponse): void {
    if (dialog === undefined || response.status < 200) return;
    const { dialogs, nowMs } = this.#options;
    const { method } = outgoing.request;
    if (isFirst && !response.isSuccess) return dialogs.end(dialog, `refused ${response.status}`, nowMs());
    if (isFirst) return dialogs.accept(dialog, silenceMsOf(response), nowMs());
    if (response.isSuccess) noteRefresh(dialog, response, !isFromCaller(dialog, outgoing));
    const isGone = response.status === 481 || response.status === 408;
    const isOver =
      method === 'BYE' ? response.status !== 401 && response.status !== 407 : isGone && method === 'INVITE';
    if (isOver) dialogs.end(dialog, method === 'BYE' ? hungUpBy(outgoing) : 'gone', nowMs());
    else if (response.isSuccess && method !== 'NOTIFY')
      dialogs.accept(dialog, silenceMsOf(response), nowMs());
  }

  #onFailure(passage: Passage, target: Target, failure: ClientFailure): void {
    this.#failed(target, failure);
    if (failure === 'transport' && target.kind === 'edge' && this.#holdAgain(passage, 'edge-down')) return;
    const hasMore = passage.nextTarget < passage.outgoing.targets.length;
    if (hasMore && !passage.isCancelled) return this.#tryNext(passage);
    this.#giveUp(passage, failure === 'timeout' ? 408 : 503);
  }

  /** A BYE whose link died before its answer: whether it got there is not known, and a second one does no harm. */
  #holdAgain({ server, dialog, waiter }: Passage, why: 'edge-down' | 'no-binding'): boolean {
    const origin = this.#origins.get(server.transport.id);
    if (origin === undefined) return false;
    return this.#holdBye(server, origin, { ...refuse(480, why), ...(dialog && { dialog }) }, waiter);
  }

  #giveUp(passage: Passage, status: 408 | 503): void {
    const { dialog, exchange, server } = passage;
    if (exchange !== undefined) dialog?.media?.failed(exchange);
    this.#endFirst(passage, 'no answer');
    this.#endAfterBye(passage);
    replyFailure(server, status === 408 ? 'timeout' : 'transport');
  }

  #endAfterBye({ outgoing, dialog }: Passage): void {
    if (outgoing.request.method !== 'BYE' || dialog === undefined) return;
    this.#options.dialogs.end(dialog, hungUpBy(outgoing), this.#options.nowMs());
  }

  /** A response that cannot be read in full: a final one fails the request, others are dropped. */
  #unreadable(passage: Passage, response: SipResponse): void {
    this.#options.count('response-unreadable');
    if (response.status < 200) return;
    const { exchange, dialog, server } = passage;
    if (exchange !== undefined) dialog?.media?.failed(exchange);
    this.#endFirst(passage, 'unreadable answer');
    this.#endAfterBye(passage);
    server.reply(502);
  }

  /** A callee answered a call that has been given up: it is acknowledged and hung up. */
  #tooLate({ server }: Passage, dialog: Dialog, response: SipResponse): void {
    this.#dismiss(dialog, response, 'Too Late');
    server.reply(487);
  }

  #dismiss(dialog: Dialog, response: SipResponse, reason: string): void {
    if (dialog.kind !== 'call') return;
    noteAnswer(dialog, response);
    sendOwnAck(dialog, this.#hangingUp);
    sendBye(dialog, 'callee', reason, this.#hangingUp);
  }

  #endFirst({ isFirst, dialog }: Passage, reason: string): void {
    if (isFirst && dialog !== undefined) this.#options.dialogs.end(dialog, reason, this.#options.nowMs());
  }

  /**
   * The edge no longer has the connection: what was registered over it ends, and the registrar hears 480; a BYE waits for
   * its device to come back, for as long as one whose link is down.
   */
  #flowGone(passage: Passage): void {
    this.#options.count('flow-gone');
    this.#options.bindings.dropFlow(passage.outgoing.owner.flow);
    if (this.#holdAgain(passage, 'no-binding')) return;
    const { exchange, dialog, server } = passage;
    if (exchange !== undefined) dialog?.media?.failed(exchange);
    this.#endFirst(passage, 'client gone');
    this.#endAfterBye(passage);
    server.reply(480);
  }

  /** Only its own route set may come back from a client: what it echoes otherwise is put right (T-060). */
  #restoreRecordRoute({ client, isFirst }: Passage, response: SipResponse): void {
    if (!isFirst || client === undefined || response.status >= 300) return;
    const sent = client.request.headers.getAll('Record-Route');
    const echoed = response.headers.getAll('Record-Route');
    // The edge's pair was pushed after ours, so it stands above; below it everything must be as we sent it.
    const below = echoed.slice(-sent.length);
    if (echoed.length === sent.length + 2 && below.every((value, index) => value === sent[index])) return;
    if (echoed.length === 0 && response.status < 200) return;
    this.#options.count('record-route-restored');
    response.headers.setAll('Record-Route', sent);
  }

  #failed(target: Target, failure: ClientFailure): void {
    this.#options.count('request-failed', failure);
    if (target.kind !== 'node') return;
    this.#options.directory.failed(target.node, this.#options.nowMs());
    if (failure === 'timeout') this.#options.suspect(target.node);
  }

  #refuse(server: ServerTransaction, refusal: Refusal): void {
    this.#note(refusal, server.request, this.#origins.get(server.transport.id));
    const { status, reason, retryAfterSeconds, challenges } = refusal;
    if (challenges !== undefined)
      server.reply(status, reason, { headers: challenges.map((one) => ['Proxy-Authenticate', one]) });
    else server.reply(status, reason, retryAfterSeconds === undefined ? {} : retryAfter(retryAfterSeconds));
  }

  #note({ refusal, status }: Refusal, request: SipRequest, origin: Origin | undefined): void {
    this.#options.count('refused', refusal);
    const edge = origin?.kind === 'edge' ? origin.peer.name : undefined;
    const token = edge === undefined ? undefined : (request.headers.get(flowHeader) ?? '').slice(0, 64);
    const zone = origin?.kind === 'node' ? origin.zone : undefined;
    this.#options.lines.refused(refusal, status, request, edge === undefined ? { zone } : { edge, token });
    const source = edge === undefined ? 'inside' : `${edge} ${token}`;
    this.#options.onRefused(refusal, source);
  }
}
