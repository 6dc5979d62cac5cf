// Offer and answer of one call (RFC 3264, RFC 3261 §13, RFC 3262 §5, RFC 3311) between signalling and the media
// session: finds out what each session description is, hands it over, and puts what comes back into the message. Only
// the description changes; everything else in the body stays. Messages of one call leave in the order they came in.
import type { SipMessage, SipRequest, SipResponse } from '../../sip/index.ts';
import type { EdgeIdentity } from './edge-identity.ts';
import {
  mediaRefusal,
  type MediaAnchor,
  type MediaSession,
  type MediaSide,
  type MediaStart,
} from './media-anchor.ts';
import { BodyError, findSdp, replaceSdp, type SdpSpan } from './sdp-body.ts';

/** Why a message with a description may not go on. */
export interface MediaVerdict {
  readonly status: number;
  readonly reason?: string;
  readonly retryAfterSeconds?: number;
}

/** Continues with the message, or with why it must not. */
export type MediaNext = (refused: MediaVerdict | undefined) => void;

/** What one request and its responses have exchanged. One per server transaction. */
export interface Exchange {
  readonly method: string;
  readonly from: MediaSide;
  /** The request carried an offer. */
  hasOffer: boolean;
  /** The last description in a response, as it came and as it went on. */
  last: { readonly came: Buffer; readonly went: Buffer } | undefined;
}

/** The call ended while a message waited for its media. */
const overWhileWaiting: MediaVerdict = { status: 481 };

/** Messages of one call that may wait for the media session; a call has a handful under way. */
const maxWaiting = 32;

export class CallMedia {
  readonly #open: () => MediaSession;
  #session: MediaSession | undefined;
  /** The offer that has no answer yet. */
  #pending: { readonly from: MediaSide; readonly exchange: Exchange } | undefined;
  #isBusy = false;
  #isClosed = false;
  readonly #waiting: { readonly run: () => void; readonly next: MediaNext }[] = [];

  constructor(anchor: MediaAnchor, call: MediaStart, edge: EdgeIdentity) {
    this.#open = () => anchor.open(call, edge);
  }

  /** Beginning of an exchange: a request from `from`. */
  static exchange(method: string, from: MediaSide): Exchange {
    return { method, from, hasOffer: false, last: undefined };
  }

  /** A request on its way; edited in place. `next` is called once, perhaps before this returns. */
  fromRequest(request: SipRequest, exchange: Exchange, next: MediaNext): void {
    this.#inTurn(next, (done) => {
      const span = spanOf(request, done);
      if (span === 'refused') return;
      if (request.method === 'ACK' || request.method === 'PRACK')
        this.#acknowledgement(request, span, exchange, done);
      else if (span === undefined) done(undefined);
      else this.#offer(request, span, exchange, done);
    });
  }

  /** A response on its way back; edited in place. A refusal here means that this answer cannot be used. */
  fromResponse(response: SipResponse, exchange: Exchange, next: MediaNext): void {
    this.#inTurn(next, (done) => {
      if (response.status >= 300) {
        dropSdp(response);
        return this.#refused(exchange, done);
      }
      const span = spanOf(response, done);
      if (span === 'refused') return;
      if (span === undefined) return this.#bare(response, exchange, done);
      const sdp = sdpOf(response, span);
      if (exchange.last?.came.equals(sdp) === true) {
        put(response, span, exchange.last.went);
        this.#settle(response, exchange);
        return done(undefined);
      }
      if (exchange.hasOffer) this.#answer(response, span, exchange, done);
      else this.#lateOffer(response, span, exchange, done);
    });
  }

  /** The request failed without a response. */
  failed(exchange: Exchange): void {
    this.#inTurn(
      () => undefined,
      (done) => this.#refused(exchange, done),
    );
  }

  /** The call was answered. */
  connected(): void {
    this.#session?.connected();
  }

  /** How its media goes, in the words of the call history; undefined before there was a description. */
  iceCallType(): string | undefined {
    return this.#session?.iceCallType();
  }

  /** Gives the ports back; messages still waiting are refused. Idempotent. */
  close(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#session?.close(reason);
    this.#session = undefined;
    for (const { next } of this.#waiting.splice(0)) next(overWhileWaiting);
  }

  status(): object {
    return this.#session?.status() ?? {};
  }

  /** Runs `work` after what is under way; synchronously when nothing is. */
  #inTurn(next: MediaNext, work: (done: MediaNext) => void): void {
    if (this.#isClosed) return next(overWhileWaiting);
    if (this.#waiting.length >= maxWaiting) return next({ status: 503, retryAfterSeconds: 1 });
    const run = (): void => {
      this.#isBusy = true;
      work((refused) => {
        this.#isBusy = false;
        next(refused);
        if (!this.#isBusy) this.#waiting.shift()?.run();
      });
    };
    if (this.#isBusy) this.#waiting.push({ run, next });
    else run();
  }

  /** INVITE or UPDATE with a description: an offer. RFC 3261 §14.2 and RFC 3311 §5.2 say what a second one gets. */
  #offer(request: SipRequest, span: SdpSpan, exchange: Exchange, done: MediaNext): void {
    if (this.#pending !== undefined) {
      const isOwn = this.#pending.from === exchange.from;
      return done(isOwn ? { status: 500, retryAfterSeconds: 5 } : { status: 491 });
    }
    exchange.hasOffer = true;
    this.#pending = { from: exchange.from, exchange };
    this.#hand('offer', exchange.from, request, span, (refused) => {
      if (refused !== undefined) this.#pending = undefined;
      done(refused);
    });
  }

  /** ACK and PRACK answer an offer that came in a response; a PRACK may also carry a new one (RFC 3262 §5). */
  #acknowledgement(
    request: SipRequest,
    span: SdpSpan | undefined,
    exchange: Exchange,
    done: MediaNext,
  ): void {
    const pending = this.#pending;
    const isAnswer = pending !== undefined && pending.from !== exchange.from && !pending.exchange.hasOffer;
    if (isAnswer && span !== undefined) {
      this.#pending = undefined;
      return this.#hand('answer', exchange.from, request, span, done);
    }
    if (isAnswer && request.method === 'ACK') this.#rollback();
    if (span === undefined || request.method === 'ACK') return done(undefined);
    this.#offer(request, span, exchange, done);
  }

  #answer(response: SipResponse, span: SdpSpan, exchange: Exchange, done: MediaNext): void {
    const came = sdpOf(response, span);
    this.#hand('answer', opposite(exchange.from), response, span, (refused) => {
      if (refused === undefined) this.#remember(response, came, exchange);
      this.#settle(response, exchange);
      done(refused);
    });
  }

  /** The request had no offer, so the first reliable response makes it (RFC 3261 §13.2.1). */
  #lateOffer(response: SipResponse, span: SdpSpan, exchange: Exchange, done: MediaNext): void {
    if (exchange.method !== 'INVITE' || exchange.last !== undefined || !isReliable(response)) {
      // Nothing can answer this description: it is taken out rather than passed on unprotected.
      put(response, span, Buffer.alloc(0));
      return done(undefined);
    }
    if (this.#pending !== undefined) return done({ status: 491 });
    const came = sdpOf(response, span);
    const from = opposite(exchange.from);
    this.#pending = { from, exchange };
    this.#hand('offer', from, response, span, (refused) => {
      if (refused === undefined) this.#remember(response, came, exchange);
      else this.#pending = undefined;
      done(refused);
    });
  }

  /**
   * A response without a description: a final success leaves no offer open. One that was answered before, even in an
   * unreliable 1xx (RFC 3261 §13.2.1 wants it said again), has its answer; another is taken back.
   */
  #bare(response: SipResponse, exchange: Exchange, done: MediaNext): void {
    const isOpen = response.isSuccess && exchange.hasOffer && this.#pending?.exchange === exchange;
    if (isOpen && exchange.last === undefined) this.#rollback();
    else if (isOpen) this.#pending = undefined;
    done(undefined);
  }

  #refused(exchange: Exchange, done: MediaNext): void {
    if (this.#pending?.exchange === exchange) this.#rollback();
    done(undefined);
  }

  /** A reliable answer closes the offer; one in an unreliable 1xx is only a preview. */
  #settle(response: SipResponse, exchange: Exchange): void {
    const isOpen = this.#pending?.exchange === exchange && exchange.hasOffer;
    if (isOpen && isReliable(response)) this.#pending = undefined;
  }

  #remember(response: SipResponse, came: Buffer, exchange: Exchange): void {
    const span = findSdp(response.headers.get('Content-Type'), response.body);
    if (span !== undefined) exchange.last = { came, went: sdpOf(response, span) };
  }

  #rollback(): void {
    this.#pending = undefined;
    this.#session?.rollback();
  }

  /** Hands one description to the session and puts the returned one in its place. */
  #hand(
    what: 'offer' | 'answer',
    from: MediaSide,
    message: SipMessage,
    span: SdpSpan,
    done: MediaNext,
  ): void {
    void this.#handOver(what, from, message, span, done);
  }

  async #handOver(
    what: 'offer' | 'answer',
    from: MediaSide,
    message: SipMessage,
    span: SdpSpan,
    done: MediaNext,
  ): Promise<void> {
    let refused: MediaVerdict | undefined;
    try {
      this.#session ??= this.#open();
      const sdp = await this.#session[what](from, sdpOf(message, span));
      if (!this.#isClosed) put(message, span, sdp);
    } catch (error) {
      refused = verdictOf(error);
    }
    done(this.#isClosed ? overWhileWaiting : refused);
  }
}

function spanOf(message: SipMessage, done: MediaNext): SdpSpan | undefined | 'refused' {
  if (message.body.length === 0) return undefined;
  try {
    return findSdp(message.headers.get('Content-Type'), message.body);
  } catch (error) {
    if (!(error instanceof BodyError)) throw error;
    done({ status: 400, reason: 'Malformed Body' });
    return 'refused';
  }
}

/** RFC 3261 §21.4.26: a refusal may say what its writer could do, and with it where it is. Only its reason goes on. */
function dropSdp(response: SipResponse): void {
  const span = spanOf(response, () => undefined);
  if (span === 'refused') response.setBody(Buffer.alloc(0));
  else if (span !== undefined) put(response, span, Buffer.alloc(0));
}

function sdpOf(message: SipMessage, span: SdpSpan): Buffer {
  return message.body.subarray(span.start, span.end);
}

function put(message: SipMessage, span: SdpSpan, sdp: Buffer): void {
  message.setBody(replaceSdp(message.body, span, sdp));
}

function verdictOf(error: unknown): MediaVerdict {
  const { status, text } = mediaRefusal(error);
  return text === '' ? { status } : { status, reason: text };
}

/** 2xx, or a provisional response that will be acknowledged by PRACK (RFC 3262 §3). */
function isReliable(response: SipResponse): boolean {
  return response.isSuccess || (response.status > 100 && response.headers.has('RSeq'));
}

function opposite(side: MediaSide): MediaSide {
  return side === 'client' ? 'inside' : 'client';
}
