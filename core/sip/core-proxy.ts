// The transaction user at core: takes each request through its decision (from-client, from-inside), its dialog, its
// media and its hop headers, sends it to one target after the other, and carries the responses back (RFC 3261 §16.6,
// §16.7; one branch at a time). Dialog identifiers stay end to end; only session descriptions are core's own.
import type {
  ClientFailure,
  ClientTransaction,
  ServerTransaction,
  SipRequest,
  SipResponse,
  SipTransport,
  TransactionLayer,
  TransactionUser,
} from '../../sip/index.ts';
import { makesDialog, pushRecordRoutes, pushVia, type HopSide } from '../../sip/hop/index.ts';
import { CallMedia, type Exchange, type MediaVerdict } from './call-media.ts';
import { learnTag, type Dialog } from './dialog-table.ts';
import type { EdgeIdentity } from './edge-identity.ts';
import { answeredHere, routeFromClient, type FromClientContext } from './from-client.ts';
import { routeFromInside, type FromInsideContext } from './from-inside.ts';
import { byeTo } from './hang-up.ts';
import { firstLegs, noteAnswer, noteRequest, silenceMsOf } from './leg-notes.ts';
import type { MediaAnchor } from './media-anchor.ts';
import type { SipNode } from './node-directory.ts';
import type { Outgoing, Target } from './outgoing.ts';
import { dropRegister, planRegister, settleRegister, type RegisterContext } from './register.ts';
import { isRefusal, refuse, type CoreRefusal, type Refusal } from './verdict.ts';

/** Where a message came in. */
export type Origin =
  | { readonly kind: 'edge'; readonly peer: EdgeIdentity }
  | { readonly kind: 'node'; readonly side: HopSide; readonly zone: string };

export interface CoreProxyOptions extends FromClientContext, FromInsideContext {
  readonly media: MediaAnchor;
  readonly pathHeaders: boolean;
  readonly expiryGraceMs: number;
  readonly setupTimeoutMs: number;
  /** The connection to a node, opened when there is none. */
  readonly connectionTo: (node: SipNode) => SipTransport;
  /** The way out and straight back in, for route sets that pass core twice. */
  readonly selfConnection: () => SipTransport;
  readonly count: (event: string, reason?: string) => void;
  /** A refusal, and the connection and edge it was given to, for bans. */
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
}

export class CoreProxy implements TransactionUser {
  readonly #options: CoreProxyOptions;
  readonly #registering: RegisterContext;
  readonly #origins = new Map<string, Origin>();
  readonly #ringing = new WeakMap<ServerTransaction, Passage>();
  #layer: TransactionLayer | undefined;

  constructor(options: CoreProxyOptions) {
    this.#options = options;
    this.#registering = { ...options, table: options.bindings };
  }

  /** The layer that this proxy is the user of; set once. */
  useLayer(layer: TransactionLayer): void {
    this.#layer = layer;
  }

  enter(transport: SipTransport, origin: Origin): void {
    this.#origins.set(transport.id, origin);
  }

  leave(transport: SipTransport): void {
    this.#origins.delete(transport.id);
  }

  onRequest(server: ServerTransaction): void {
    const origin = this.#origins.get(server.transport.id);
    if (origin === undefined) return;
    const outgoing = this.#route(server.request.clone(), origin);
    if (outgoing === answeredHere) return void server.reply(200);
    if (isRefusal(outgoing)) return this.#refuse(server, outgoing, origin);
    if (outgoing.request.method === 'REGISTER') return this.#register(server, outgoing, 0);
    this.#begin(server, outgoing, origin);
  }

  onAck(ack: SipRequest, transport: SipTransport): void {
    const origin = this.#origins.get(transport.id);
    if (origin === undefined) return;
    const outgoing = this.#route(ack, origin);
    if (outgoing === answeredHere) return;
    if (isRefusal(outgoing)) return this.#note(outgoing, origin);
    const { dialog } = outgoing;
    if (dialog !== undefined) this.#options.dialogs.acknowledge(dialog, this.#options.nowMs());
    if (dialog?.media === undefined) return this.#sendAck(outgoing);
    const exchange = CallMedia.exchange('ACK', outgoing.from);
    dialog.media.fromRequest(ack, exchange, (refused) => {
      // The ACK goes in any case: without it the callee would retransmit its 2xx and give up.
      this.#sendAck(outgoing);
      if (refused !== undefined) this.hangUp(dialog, 'Unusable Answer');
    });
  }

  onCancel(invite: ServerTransaction, cancel: SipRequest): void {
    const passage = this.#ringing.get(invite);
    if (passage === undefined) return;
    passage.isCancelled = true;
    const reasons = cancel.headers.getAll('Reason').map((value) => ['Reason', value] as const);
    if (passage.client === undefined) invite.reply(487);
    else passage.client.cancel(reasons);
  }

  /** Ends a call from here: BYE to both ends as far as they are known. */
  hangUp(dialog: Dialog, reason: string): void {
    if (dialog.state === 'ended') return;
    this.#options.count('hung-up');
    for (const end of ['caller', 'callee'] as const) this.#sendBye(dialog, end, reason);
    this.#options.dialogs.end(dialog, reason, this.#options.nowMs());
  }

  #route(request: SipRequest, origin: Origin): Outgoing | Refusal | typeof answeredHere {
    if (origin.kind === 'edge') return routeFromClient(request, origin.peer, this.#options);
    return routeFromInside(request, origin.side, origin.zone, this.#options);
  }

  // --- REGISTER -----------------------------------------------------------------------------------------------------

  /** Sends to the `at`-th target; the contact rewriting depends on it, so each attempt starts from the original. */
  #register(server: ServerTransaction, outgoing: Outgoing, at: number): void {
    const target = outgoing.targets[at];
    if (target?.kind !== 'node') return void server.reply(503, undefined, retryAfter(5));
    const { bindings, nowMs, directory } = this.#options;
    const isLast = at + 1 >= outgoing.targets.length;
    const request = isLast ? outgoing.request : outgoing.request.clone();
    const plan = planRegister(request, outgoing.owner.flow, target.node, this.#registering);
    if (isRefusal(plan)) return this.#refuse(server, plan, { kind: 'edge', peer: outgoing.edge });
    this.#writeHop(request, outgoing, target, this.#options.hop.randomUuid(), false);
    let isOver = false;
    const tryNext = (): void => this.#register(server, { ...outgoing, request: outgoing.request }, at + 1);
    this.#send(request, target, {
      onResponse: (response) => {
        if (response.status < 200) return this.#passBack(server, response);
        directory.answered(target.node);
        if (!isOver) {
          isOver = true;
          if (response.isSuccess) this.#settle(plan, response, nowMs());
          else dropRegister(plan, bindings);
        }
        if (response.status === 503 && !isLast) return tryNext();
        this.#passBack(server, response);
      },
      onFailure: (failure) => {
        if (!isOver) dropRegister(plan, bindings);
        isOver = true;
        this.#failed(target, failure);
        if (isLast) this.#replyFailure(server, failure);
        else tryNext();
      },
    });
  }

  #settle(plan: Parameters<typeof settleRegister>[0], response: SipResponse, nowMs: number): void {
    try {
      settleRegister(plan, response, this.#registering, nowMs);
    } catch {
      this.#options.count('response-unreadable'); // malformed Contact in the registrar's answer: nothing is granted
      dropRegister(plan, this.#options.bindings);
    }
  }

  // --- everything else ------------------------------------------------------------------------------------------------

  #begin(server: ServerTransaction, outgoing: Outgoing, origin: Origin): void {
    const { request } = outgoing;
    const isFirst = makesDialog(request.method) && request.to.tag === undefined;
    const proxyCallId = this.#options.hop.randomUuid();
    const dialog = isFirst ? this.#openDialog(outgoing, proxyCallId) : outgoing.dialog;
    if (dialog !== undefined && isRefusal(dialog)) return this.#refuse(server, dialog, origin);
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
    };
    if (request.method === 'INVITE') this.#ringing.set(server, passage);
    if (media === undefined || exchange === undefined || !carriesMedia(request.method))
      return this.#tryNext(passage);
    media.fromRequest(request, exchange, (refused) => {
      if (refused === undefined) this.#tryNext(passage);
      else this.#refuseMedia(passage, refused);
    });
  }

  #openDialog(outgoing: Outgoing, proxyCallId: string): Dialog | Refusal {
    const { request, owner, edge, from } = outgoing;
    const { dialogs, media, nowMs } = this.#options;
    const kind = request.method === 'INVITE' ? 'call' : 'usage';
    const [target] = outgoing.targets;
    const dialog = dialogs.open(
      {
        proxyCallId,
        kind,
        aor: owner.aor,
        bindingId: owner.bindingId,
        callId: request.callId,
        callerTag: request.from.tag ?? '',
        isClientCaller: from === 'client',
        nodeZone: target?.kind === 'node' ? target.node.zone : outgoing.nodeZone,
        edge,
        flow: owner.flow,
        legs: firstLegs(request, from === 'inside'),
      },
      nowMs(),
    );
    if (typeof dialog === 'string') {
      return dialog === 'user-call-limit'
        ? refuse(486, dialog)
        : { ...refuse(503, dialog), retryAfterSeconds: 5 };
    }
    if (kind === 'call') {
      dialog.media = new CallMedia(media, { callId: request.callId, key: owner.aor }, edge);
    }
    return dialog;
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
    this.#writeHop(request, outgoing, target, proxyCallId, isFirst);
    passage.client = this.#send(request, target, {
      onResponse: (response) => this.#onResponse(passage, target, response),
      onFailure: (failure) => this.#onFailure(passage, target, failure),
    });
  }

  #onResponse(passage: Passage, target: Target, response: SipResponse): void {
    if (response.status === 100) return;
    if (target.kind === 'node' && response.status >= 200) this.#options.directory.answered(target.node);
    const hasMore = passage.nextTarget < passage.outgoing.targets.length;
    if (response.status === 503 && hasMore && !passage.isCancelled) return this.#tryNext(passage);
    if (response.status === 430 && target.kind === 'edge') return this.#flowGone(passage);
    if (target.kind === 'edge') this.#restoreRecordRoute(passage, response);
    const { dialog, exchange } = passage;
    const tag = response.to.tag;
    if (dialog !== undefined && passage.isFirst && tag !== undefined && response.status < 300)
      learnTag(dialog, tag);
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
    this.#passBack(passage.server, response);
  }

  /** What a final response means for the dialog. */
  #noteOutcome({ dialog, isFirst, outgoing }: Passage, response: SipResponse): void {
    if (dialog === undefined || response.status < 200) return;
    const { dialogs, nowMs } = this.#options;
    const { method } = outgoing.request;
    if (isFirst && !response.isSuccess) return dialogs.end(dialog, `refused ${response.status}`, nowMs());
    if (isFirst) {
      noteAnswer(dialog, response);
      return dialogs.accept(dialog, silenceMsOf(response), nowMs());
    }
    const isGone = response.status === 481 || response.status === 408;
    const isOver =
      method === 'BYE' ? response.status !== 401 && response.status !== 407 : isGone && method === 'INVITE';
    if (isOver) dialogs.end(dialog, method === 'BYE' ? 'hung up' : 'gone', nowMs());
    else if (response.isSuccess && method !== 'NOTIFY')
      dialogs.accept(dialog, silenceMsOf(response), nowMs());
  }

  #onFailure(passage: Passage, target: Target, failure: ClientFailure): void {
    this.#failed(target, failure);
    const hasMore = passage.nextTarget < passage.outgoing.targets.length;
    if (hasMore && !passage.isCancelled) return this.#tryNext(passage);
    this.#giveUp(passage, failure === 'timeout' ? 408 : 503);
  }

  #giveUp(passage: Passage, status: 408 | 503): void {
    const { dialog, exchange, server } = passage;
    if (exchange !== undefined) dialog?.media?.failed(exchange);
    this.#endFirst(passage, 'no answer');
    if (passage.outgoing.request.method === 'BYE' && dialog !== undefined) {
      this.#options.dialogs.end(dialog, 'hung up', this.#options.nowMs());
    }
    if (status === 408) server.reply(408);
    else server.reply(503, undefined, retryAfter(5));
  }

  #endFirst({ isFirst, dialog }: Passage, reason: string): void {
    if (isFirst && dialog !== undefined) this.#options.dialogs.end(dialog, reason, this.#options.nowMs());
  }

  /** The edge no longer has the connection: the registrar hears 480, and what was registered over it ends. */
  #flowGone(passage: Passage): void {
    this.#options.count('flow-gone');
    this.#options.bindings.dropFlow(passage.outgoing.owner.flow);
    const { exchange, dialog, server } = passage;
    if (exchange !== undefined) dialog?.media?.failed(exchange);
    this.#endFirst(passage, 'client gone');
    server.reply(480);
  }

  #refuseMedia(passage: Passage, refused: MediaVerdict): void {
    this.#options.count('refused', 'media');
    this.#endFirst(passage, 'media refused');
    const { status, reason, retryAfterSeconds } = refused;
    passage.server.reply(
      status,
      reason,
      retryAfterSeconds === undefined ? {} : retryAfter(retryAfterSeconds),
    );
  }

  /** A callee answered with a description that cannot be used: an established call is hung up, others fail. */
  #refuseAnswer(passage: Passage, response: SipResponse, refused: MediaVerdict): void {
    this.#options.count('refused', 'media');
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
    noteAnswer(dialog, response);
    this.#sendOwnAck(dialog);
    this.#sendBye(dialog, 'callee', 'Unusable Answer');
    this.#options.dialogs.end(dialog, 'unusable answer', this.#options.nowMs());
    server.reply(refused.status, refused.reason);
  }

  // --- hop ------------------------------------------------------------------------------------------------------------

  #writeHop(
    request: SipRequest,
    outgoing: Outgoing,
    target: Target,
    proxyCallId: string,
    records: boolean,
  ): void {
    const { hop } = this.#options;
    const side = this.#sideTowards(target);
    if (records) {
      const binding = outgoing.owner.bindingId === '' ? undefined : outgoing.owner.bindingId;
      pushRecordRoutes(request.headers, proxyCallId, outgoing.cameFrom, side, binding);
    }
    pushVia(request.headers, {
      transport: side.transport === 'tcp' ? 'TCP' : 'TLS',
      host: side.host,
      port: side.port,
      egressZone: zoneOf(target),
      branch: hop.branches.next(outgoing.loopHash),
      proxyCallId,
    });
  }

  #sideTowards(target: Target): HopSide {
    const { hop } = this.#options;
    if (target.kind === 'edge') return hop.edgeSide;
    return hop.inside[target.kind === 'node' ? target.node.transport : 'tcp'];
  }

  #transportTo(target: Target): SipTransport {
    if (target.kind === 'edge') return target.link.transport;
    return target.kind === 'node' ? this.#options.connectionTo(target.node) : this.#options.selfConnection();
  }

  #send(
    request: SipRequest,
    target: Target,
    handlers: Parameters<TransactionLayer['request']>[2],
  ): ClientTransaction {
    if (this.#layer === undefined) throw new Error('proxy without its transaction layer');
    return this.#layer.request(request, this.#transportTo(target), handlers, {
      timerCMs: this.#options.setupTimeoutMs,
    });
  }

  #sendAck(outgoing: Outgoing): void {
    const [target] = outgoing.targets;
    if (target === undefined) return;
    this.#writeHop(outgoing.request, outgoing, target, this.#options.hop.randomUuid(), false);
    this.#transportTo(target).send(outgoing.request.print());
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

  #passBack(server: ServerTransaction, response: SipResponse): void {
    if (response.status === 100) return;
    response.headers.removeFirst('Via');
    if (response.headers.has('Via')) server.respond(response);
    else this.#options.count('response-dropped', 'no-via');
  }

  #failed(target: Target, failure: ClientFailure): void {
    this.#options.count('request-failed', failure);
    if (target.kind === 'node') this.#options.directory.failed(target.node, this.#options.nowMs());
  }

  #replyFailure(server: ServerTransaction, failure: ClientFailure): void {
    if (failure === 'timeout') server.reply(408);
    else server.reply(503, undefined, retryAfter(5));
  }

  // --- hanging up ------------------------------------------------------------------------------------------------------

  #sendBye(dialog: Dialog, end: 'caller' | 'callee', reason: string): void {
    const target = this.#targetOfEnd(dialog, end);
    if (target === undefined) return;
    const bye = byeTo(dialog, end, this.#ownVia(target), reason);
    if (bye !== undefined)
      this.#send(bye, target, { onResponse: () => undefined, onFailure: () => undefined });
  }

  /** ACK of a 2xx whose call core ends at once: the BYE's way with the INVITE's number. */
  #sendOwnAck(dialog: Dialog): void {
    const target = this.#targetOfEnd(dialog, 'callee');
    if (target === undefined) return;
    const bye = byeTo(dialog, 'callee', this.#ownVia(target), 'Unusable Answer');
    dialog.legs.caller.cseq -= 1;
    if (bye === undefined) return;
    const bytes = bye.print().toString('latin1');
    const ack = bytes.replace(/^BYE /, 'ACK ').replace(/^CSeq: .*$/m, `CSeq: ${dialog.legs.caller.cseq} ACK`);
    this.#transportTo(target).send(Buffer.from(ack, 'latin1'));
  }

  #targetOfEnd(dialog: Dialog, end: 'caller' | 'callee'): Target | undefined {
    const { linkTo, directory } = this.#options;
    const isToClient = (end === 'caller') === dialog.isClientCaller;
    if (isToClient) {
      const link = linkTo(dialog.flow.edge);
      return link && { kind: 'edge', link };
    }
    const node = directory.byZone(dialog.nodeZone);
    return node && { kind: 'node', node };
  }

  #ownVia(target: Target): string {
    const { hop } = this.#options;
    const side = this.#sideTowards(target);
    const transport = side.transport.toUpperCase();
    const branch = hop.branches.next('00000000');
    return `SIP/2.0/${transport} ${side.host}:${side.port};egress-zone=${zoneOf(target)};branch=${branch};proxy-call-id=${hop.randomUuid()};rport`;
  }

  // --- refusals --------------------------------------------------------------------------------------------------------

  #refuse(server: ServerTransaction, refusal: Refusal, origin: Origin): void {
    this.#note(refusal, origin);
    const { status, reason, retryAfterSeconds } = refusal;
    server.reply(status, reason, retryAfterSeconds === undefined ? {} : retryAfter(retryAfterSeconds));
  }

  #note({ refusal }: Refusal, origin: Origin): void {
    this.#options.count('refused', refusal);
    this.#options.onRefused(refusal, origin.kind === 'edge' ? origin.peer.name : 'inside');
  }
}

function isFromCaller(dialog: Dialog, outgoing: Outgoing): boolean {
  return (outgoing.from === 'client') === dialog.isClientCaller;
}

/** Methods whose messages may carry an offer or an answer (RFC 3261 §13, RFC 3262, RFC 3311). */
function carriesMedia(method: string): boolean {
  return method === 'INVITE' || method === 'UPDATE' || method === 'PRACK';
}

function zoneOf(target: Target): string {
  if (target.kind === 'edge') return target.link.peer.zone;
  return target.kind === 'node' ? target.node.zone : 'CEself';
}

function retryAfter(seconds: number): { headers: [string, string][] } {
  return { headers: [['Retry-After', String(seconds)]] };
}
