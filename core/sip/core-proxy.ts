// The transaction user at core: takes each request through its decision (from-client, from-inside), its dialog, its
// media and its hop headers, sends it to one target after the other, and carries the responses back (RFC 3261 §16.6,
// §16.7; one branch at a time). Dialog identifiers stay end to end; only session descriptions are core's own.
import type {
  ClientFailure,
  ClientTransaction,
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
import { CallMedia, type Exchange, type MediaVerdict } from './call-media.ts';
import type { Dialog } from './dialog-table.ts';
import type { EdgeIdentity } from './edge-identity.ts';
import { answeredHere, routeFromClient, type FromClientContext } from './from-client.ts';
import { routeFromInside, type FromInsideContext } from './from-inside.ts';
import { sendBye, sendOwnAck, type HangUpOptions } from './hang-up.ts';
import { HopSender, type HopSenderOptions } from './hop-sender.ts';
import { callerLeg, noteAnswer, noteRefresh, noteRequest, silenceMsOf } from './leg-notes.ts';
import type { MediaAnchor } from './media-anchor.ts';
import type { Outgoing, Target } from './outgoing.ts';
import { forwardRegister, type RegisterPassageOptions } from './register-passage.ts';
import type { RecordLines } from './record-lines.ts';
import { isReadable, passBack, replyFailure, retryAfter } from './responses.ts';
import { isRefusal, refuse, type CoreRefusal, type Refusal } from './verdict.ts';

/** Where a message came in. */
export type Origin =
  | { readonly kind: 'edge'; readonly peer: EdgeIdentity }
  | { readonly kind: 'node'; readonly side: HopSide; readonly zone: string };

export interface CoreProxyOptions extends FromClientContext, FromInsideContext, HopSenderOptions {
  readonly media: MediaAnchor;
  /** Where BYE and ACK for a client wait while the link to its edge is down. */
  readonly linkWait: LinkWait;
  readonly lines: RecordLines;
  /** Whether the zone of an edge lets keys and candidates of a call go on as they came. */
  readonly passesIce: (edge: EdgeIdentity) => boolean;
  /** Whether the link to some edge is down: only then an ACK is worth a copy. */
  readonly isLinkMissing: () => boolean;
  readonly pathHeaders: boolean;
  readonly expiryGraceMs: number;
  readonly count: (event: string, reason?: string) => void;
  /** A refusal, and the edge and flow token (or `inside`) it was given to, for bans. */
  readonly onRefused: (kind: CoreRefusal, source: string) => void;
}

/** One request under way: its server transaction and all it has touched. */
interface Passage {
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

export class CoreProxy implements TransactionUser {
  readonly #options: CoreProxyOptions;
  readonly #sender: HopSender;
  readonly #registering: RegisterPassageOptions;
  readonly #hangingUp: HangUpOptions;
  readonly #origins = new Map<string, Origin>();
  readonly #ringing = new WeakMap<ServerTransaction, Passage>();

  constructor(options: CoreProxyOptions) {
    this.#options = options;
    this.#sender = new HopSender(options);
    this.#hangingUp = { ...options, sender: this.#sender };
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

  /** A BYE that cannot reach the client now waits for the link; false when it may not. */
  #holdBye(
    server: ServerTransaction,
    origin: Origin,
    refusal: Refusal,
    waiter: LinkWaiter | undefined,
  ): boolean {
    const { request } = server;
    if (request.method !== 'BYE') return false;
    const again: LinkWaiter = waiter ?? {
      owner: refusal.dialog?.aor ?? request.callId,
      bytes: request.print().length,
      retry: () => this.#take(server, origin, again),
      late: () => this.#endLate(server, refusal),
    };
    return this.#options.linkWait.hold(again);
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
      if (mayWait && this.#holdAck(original, origin, waiter)) return;
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

  /** The callee's 2xx comes again for 32 s; an ACK kept for the link spares both ends the wait. */
  #holdAck(ack: SipRequest, origin: Origin, waiter: LinkWaiter | undefined): boolean {
    const again: LinkWaiter = waiter ?? {
      owner: ack.callId,
      bytes: ack.print().length,
      retry: () => this.#takeAck(ack.clone(), origin, again),
      late: () => undefined,
    };
    return this.#options.linkWait.hold(again);
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
    for (const end of ['caller', 'callee'] as const) this.#bye(dialog, end, reason, undefined);
    this.#options.dialogs.end(dialog, reason, this.#options.nowMs());
  }

  #bye(dialog: Dialog, end: 'caller' | 'callee', reason: string, waiter: LinkWaiter | undefined): void {
    const again: LinkWaiter = waiter ?? {
      owner: dialog.aor,
      bytes: ownByeBytes,
      retry: () => this.#bye(dialog, end, reason, again),
      late: () => undefined,
    };
    sendBye(dialog, end, reason, this.#hangingUp, () => void this.#options.linkWait.hold(again));
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
    const dialog = isFirst ? this.#openDialog(outgoing, proxyCallId) : outgoing.dialog;
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
      else this.#refuseMedia(passage, refused);
    });
  }

  #openDialog(outgoing: Outgoing, proxyCallId: string): Dialog | Refusal {
    const { request, owner, edge, from } = outgoing;
    const { bindings, dialogs, media, nowMs } = this.#options;
    const kind = request.method === 'INVITE' ? 'call' : 'usage';
    const [target] = outgoing.targets;
    const dialog = dialogs.open(
      {
        proxyCallId,
        kind,
        aor: owner.aor,
        bindingId: owner.bindingId,
        instance: bindings.byId(owner.bindingId)?.instance ?? '',
        callId: request.callId,
        callerTag: request.from.tag ?? '',
        isClientCaller: from === 'client',
        nodeZone: target?.kind === 'node' ? target.node.zone : outgoing.nodeZone,
        edge,
        flow: owner.flow,
        caller: callerLeg(request, from === 'inside'),
      },
      nowMs(),
    );
    if (typeof dialog === 'string') {
      return dialog === 'user-call-limit'
        ? refuse(486, dialog)
        : { ...refuse(503, dialog), retryAfterSeconds: 5 };
    }
    if (kind === 'call') {
      const mayPassIce = this.#mayPassIce(outgoing);
      dialog.media = new CallMedia(media, { callId: request.callId, key: owner.aor, mayPassIce }, edge);
      this.#options.lines.callBegun(dialog, request);
    }
    return dialog;
  }

  /** Every way that the call may take inside is sealed and lets ICE pass, and so does the zone of its edge. */
  #mayPassIce({ from, targets, edge, nodeZone, cameFrom }: Outgoing): boolean {
    const { directory, passesIce } = this.#options;
    if (!passesIce(edge)) return false;
    if (from === 'inside')
      return cameFrom.transport === 'tls' && directory.byZone(nodeZone)?.passesIce === true;
    return targets.every((target) => target.kind === 'node' && target.node.passesIce === true);
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
      else this.#refuseAnswer(passage, response, refused);
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

  #refuseMedia(passage: Passage, refused: MediaVerdict): void {
    const { status, reason, retryAfterSeconds } = refused;
    this.#noteMedia(passage, status);
    this.#endFirst(passage, 'media refused');
    passage.server.reply(
      status,
      reason,
      retryAfterSeconds === undefined ? {} : retryAfter(retryAfterSeconds),
    );
  }

  #noteMedia({ server, outgoing }: Passage, status: number): void {
    const { flow } = outgoing.owner;
    this.#options.count('refused', 'media');
    this.#options.lines.refused('media', status, server.request, { side: outgoing.from, ...flow });
  }

  /** A callee answered with a description that cannot be used: an established call is hung up, others fail. */
  #refuseAnswer(passage: Passage, response: SipResponse, refused: MediaVerdict): void {
    this.#noteMedia(passage, refused.status);
    const { dialog, server } = passage;
    if (dialog === undefined || response.status < 200) {
      response.setBody(Buffer.alloc(0)); // a preview nobody can use; the final answer decides
      return this.#deliver(passage, response);
    }
    if (!passage.isFirst || passage.outgoing.request.method !== 'INVITE') {
      response.setBody(Buffer.alloc(0));
      this.#deliver(passage, response);
      return this.hangUp(dialog, 'Unusable Answer');
    }
    this.#dismiss(dialog, response, 'Unusable Answer');
    this.#options.dialogs.end(dialog, 'unusable answer', this.#options.nowMs());
    server.reply(refused.status, refused.reason);
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

function hungUpBy({ from }: Outgoing): string {
  return from === 'client' ? 'hung up by the client' : 'hung up by the far end';
}

/** What a BYE of our own is counted as while it waits; it is made anew when it goes. */
const ownByeBytes = 1024;

function isFromCaller(dialog: Dialog, outgoing: Outgoing): boolean {
  return (outgoing.from === 'client') === dialog.isClientCaller;
}

/** Methods whose messages may carry an offer or an answer (RFC 3261 §13, RFC 3262, RFC 3311). */
function carriesMedia(method: string): boolean {
  return method === 'INVITE' || method === 'UPDATE' || method === 'PRACK';
}
