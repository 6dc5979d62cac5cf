// Sorts messages into transactions, RFC 3261 §17, §18, §9.2, and bounds how many there can be.
// A transaction user (a proxy, a user agent) gets new requests as ServerTransactions and sends its own through
// `request`. Trusts nothing in a message; a transport's scope keeps one peer's branches apart from another's.

import { createResponse } from './build.ts';
import { ClientTransaction } from './client-transaction.ts';
import type { ClientHandlers, ClientHost } from './client-transaction.ts';
import type { Clock, TimerHandle } from './clock.ts';
import { createTag, statelessTag } from './identifiers.ts';
import type { RandomBytes } from './identifiers.ts';
import type { SipRequest, SipResponse } from './message.ts';
import { SipParseError } from './parse-error.ts';
import { ServerTransaction } from './server-transaction.ts';
import type { ServerFailure, ServerHost } from './server-transaction.ts';
import { TimerWheel } from './timer-wheel.ts';
import { clientKey, serverKey } from './transaction-key.ts';
import type { TransactionTimings } from './transaction-machine.ts';
import type { SipTransport } from './transport.ts';
import { hasMagicCookie } from './via.ts';

/** Words the layer counts under. */
export type LayerEvent =
  | 'no-magic-cookie'
  | 'full'
  | 'retransmission'
  | 'stray-response'
  | 'stray-cancel'
  | 'refused-by-parser'
  | 'no-ack'
  | 'response-undeliverable'
  | 'ack-given-up';

export interface TransactionLayerOptions {
  readonly timings: TransactionTimings;
  /** Server and client transactions together; beyond, new requests get 503. Requests inside dialogs have 1/8 more. */
  readonly maxTransactions: number;
  /** Seconds in the Retry-After of that 503. */
  readonly retryAfterSeconds: number;
  /** How exact timers are. */
  readonly tickMs: number;
  readonly clock: Clock;
  readonly random: RandomBytes;
  readonly count: (event: LayerEvent) => void;
  /** Answer each INVITE with 100 at once, as a stateful proxy does (RFC 3261 §16.2, §17.2.1). */
  readonly sendsTrying: boolean;
  /**
   * Refused INVITEs of one transport that may wait for their ACK, for 32 s each (Timer H); beyond, the oldest is given
   * up: at most a late ACK is then taken for that of a 2xx. For transports that have a scope of their own; others are
   * shared by many peers.
   */
  readonly maxUnacknowledged?: number;
  /** Another open transport of a scope, for responses whose connection is gone. */
  readonly findTransport?: (scope: string) => SipTransport | undefined;
}

/**
 * What the layer tells its user. A SipParseError thrown by `onRequest` becomes the answer to the request; thrown
 * elsewhere it is counted, and a final response that makes its receiver throw becomes a failure.
 */
export interface TransactionUser {
  onRequest(transaction: ServerTransaction): void;
  /** An ACK that belongs to a 2xx; the INVITE's transaction when it is still known. */
  onAck(ack: SipRequest, transport: SipTransport, invite: ServerTransaction | undefined): void;
  /** A CANCEL (already answered 200) for an INVITE that has no final response. */
  onCancel(invite: ServerTransaction, cancel: SipRequest): void;
  /** A response without transaction: RFC 6026 §7.3 wants it dropped, a lab may look. */
  onStrayResponse?(response: SipResponse, transport: SipTransport): void;
  onServerFailure?(transaction: ServerTransaction, reason: ServerFailure): void;
}

/** What a sender may add to `request`. */
export interface RequestOptions {
  /**
   * Proxy's Timer C for INVITE: longest silence while ringing; RFC 3261 §16.6 wants above 3 minutes. Without it an
   * INVITE that got a provisional response waits for ever, as §17.1.1.2 has it: only for a user that hangs up itself.
   */
  readonly timerCMs?: number;
}

/** All transactions of one element. */
export class TransactionLayer {
  readonly #options: TransactionLayerOptions;
  readonly #user: TransactionUser;
  readonly #servers = new Map<string, ServerTransaction>();
  readonly #clients = new Map<string, ClientTransaction>();
  readonly #clientsOf = new Map<SipTransport, Set<ClientTransaction>>();
  /** Oldest first. */
  readonly #unacknowledged = new Map<SipTransport, Set<ServerTransaction>>();
  readonly #wheel: TimerWheel;
  readonly #serverHost: ServerHost;
  readonly #clientHost: ClientHost;
  #tick: TimerHandle | undefined;
  #isClosed = false;

  constructor(options: TransactionLayerOptions, user: TransactionUser) {
    this.#options = options;
    this.#user = user;
    this.#wheel = new TimerWheel(options.tickMs, options.clock.now(), () => this.#keepTicking());
    this.#serverHost = this.#hostServers();
    this.#clientHost = this.#hostClients();
  }

  /** Transactions alive, both kinds. */
  get size(): number {
    return this.#servers.size + this.#clients.size;
  }

  /** Takes a parsed message from a transport. */
  receive(message: SipRequest | SipResponse, transport: SipTransport): void {
    if (this.#isClosed) return;
    if (message.kind === 'response') this.#receiveResponse(message, transport);
    else if (!hasMagicCookie(message.topVia)) this.#refuseOldStyle(message, transport);
    else if (message.method === 'ACK') this.#receiveAck(message, transport);
    else this.#receiveRequest(message, transport);
  }

  /**
   * Sends a request (not ACK) as a transaction. Its top Via must be there and carry a branch of createBranch.
   * Failure is told through `handlers`, never before this returns.
   */
  request(
    request: SipRequest,
    transport: SipTransport,
    handlers: ClientHandlers,
    options: RequestOptions = {},
  ): ClientTransaction {
    const key = clientKey(request, transport.scope);
    const transaction = new ClientTransaction(
      key,
      request,
      transport,
      handlers,
      this.#clientHost,
      options.timerCMs,
    );
    if (this.#clients.has(key)) throw new Error('a branch was used for two requests');
    if (this.#isClosed || this.size >= this.#limitFor(request)) {
      this.#options.count('full');
      queueMicrotask(() => handlers.onFailure('full', transaction));
      return transaction;
    }
    this.#clients.set(key, transaction);
    this.#rememberTransport(transaction);
    transaction.start();
    return transaction;
  }

  /** Tells that a transport is gone for good: requests sent over it and not yet answered fail. */
  transportClosed(transport: SipTransport): void {
    const transactions = this.#clientsOf.get(transport);
    this.#clientsOf.delete(transport);
    for (const transaction of transactions ?? []) transaction.transportClosed();
    for (const transaction of this.#unacknowledged.get(transport) ?? []) transaction.giveUp();
  }

  /** Fires what is due. Called by the layer's own tick; tests may call it after moving the clock. */
  advance(): void {
    this.#wheel.advance(this.#options.clock.now());
  }

  /** Ends all transactions in silence; idempotent. */
  close(): void {
    this.#isClosed = true;
    for (const transaction of this.#servers.values()) transaction.abandon();
    for (const transaction of this.#clients.values()) transaction.abandon();
    this.#servers.clear();
    this.#clients.clear();
    this.#clientsOf.clear();
    this.#unacknowledged.clear();
    if (this.#tick !== undefined) this.#options.clock.clearTimer(this.#tick);
    this.#tick = undefined;
  }

  #receiveResponse(response: SipResponse, transport: SipTransport): void {
    const transaction = this.#clients.get(clientKey(response, transport.scope));
    if (transaction !== undefined) {
      transaction.receive(response);
      return;
    }
    this.#options.count('stray-response');
    this.#guarded(() => this.#user.onStrayResponse?.(response, transport));
  }

  #receiveAck(ack: SipRequest, transport: SipTransport): void {
    const invite = this.#servers.get(serverKey(ack, transport.scope, 'INVITE'));
    if (invite === undefined) this.#guarded(() => this.#user.onAck(ack, transport, undefined));
    else invite.acknowledged(ack);
  }

  #receiveRequest(request: SipRequest, transport: SipTransport): void {
    const key = serverKey(request, transport.scope);
    const known = this.#servers.get(key);
    if (known !== undefined) {
      this.#options.count('retransmission');
      known.retransmitted(transport);
      return;
    }
    if (this.size >= this.#limitFor(request)) {
      this.#options.count('full');
      this.#answerWithoutState(request, transport, 503);
      return;
    }
    const transaction = new ServerTransaction(key, request, transport, this.#serverHost);
    this.#servers.set(key, transaction);
    if (request.method === 'CANCEL') this.#receiveCancel(transaction);
    else this.#receiveNew(transaction);
  }

  #receiveNew(transaction: ServerTransaction): void {
    if (transaction.request.method === 'INVITE' && this.#options.sendsTrying) transaction.reply(100);
    const fault = this.#guarded(() => this.#user.onRequest(transaction));
    if (fault !== undefined) transaction.reply(fault.status, fault.reason);
  }

  // §9.2: a CANCEL is answered hop by hop; what it means for the INVITE is the user's to do.
  #receiveCancel(transaction: ServerTransaction): void {
    const cancel = transaction.request;
    const invite = this.#servers.get(serverKey(cancel, transaction.transport.scope, 'INVITE'));
    if (invite === undefined) {
      this.#options.count('stray-cancel');
      transaction.reply(481);
      return;
    }
    transaction.reply(200, undefined, { toTag: invite.ownTag });
    if (invite.isPending) this.#guarded(() => this.#user.onCancel(invite, cancel));
  }

  #guarded(call: () => void): SipParseError | undefined {
    try {
      call();
      return undefined;
    } catch (error) {
      if (!(error instanceof SipParseError)) throw error;
      this.#options.count('refused-by-parser');
      return error;
    }
  }

  #refuseOldStyle(request: SipRequest, transport: SipTransport): void {
    this.#options.count('no-magic-cookie');
    if (request.method !== 'ACK') this.#answerWithoutState(request, transport, 400);
  }

  #answerWithoutState(request: SipRequest, transport: SipTransport, status: number): void {
    const { retryAfterSeconds } = this.#options;
    const response = createResponse(request, status, undefined, {
      toTag: statelessTag(request),
      headers: status === 503 ? [['Retry-After', String(retryAfterSeconds)]] : [],
    });
    transport.send(response.print());
  }

  // A full table must not keep anyone from hanging up: requests inside a dialog, and CANCEL, get the reserve.
  #limitFor(request: SipRequest): number {
    const { maxTransactions } = this.#options;
    const usesReserve = request.method === 'CANCEL' || request.to.tag !== undefined;
    return usesReserve ? maxTransactions + Math.ceil(maxTransactions / 8) : maxTransactions;
  }

  #rememberTransport(transaction: ClientTransaction): void {
    const known = this.#clientsOf.get(transaction.transport);
    if (known === undefined) this.#clientsOf.set(transaction.transport, new Set([transaction]));
    else known.add(transaction);
  }

  #rememberRefused(transaction: ServerTransaction): void {
    const { maxUnacknowledged, count } = this.#options;
    const { transport } = transaction;
    if (maxUnacknowledged === undefined || transport.scope !== transport.id) return;
    const waiting = this.#unacknowledged.get(transport) ?? new Set();
    this.#unacknowledged.set(transport, waiting.add(transaction));
    const [oldest] = waiting;
    if (waiting.size <= maxUnacknowledged || oldest === undefined) return;
    count('ack-given-up');
    oldest.giveUp();
  }

  #forgetRefused(transaction: ServerTransaction): void {
    const waiting = this.#unacknowledged.get(transaction.transport);
    waiting?.delete(transaction);
    if (waiting?.size === 0) this.#unacknowledged.delete(transaction.transport);
  }

  #forgetClient(transaction: ClientTransaction): void {
    if (this.#clients.get(transaction.key) === transaction) this.#clients.delete(transaction.key);
    const siblings = this.#clientsOf.get(transaction.transport);
    siblings?.delete(transaction);
    if (siblings?.size === 0) this.#clientsOf.delete(transaction.transport);
  }

  #keepTicking(): void {
    if (this.#tick !== undefined || this.#wheel.size === 0 || this.#isClosed) return;
    this.#tick = this.#options.clock.setTimer(() => {
      this.#tick = undefined;
      this.advance();
      this.#keepTicking();
    }, this.#options.tickMs);
  }

  #hostServers(): ServerHost {
    const { clock, timings, random, findTransport, count } = this.#options;
    return {
      wheel: this.#wheel,
      timings,
      now: () => clock.now(),
      findTransport: (scope) => findTransport?.(scope),
      createTag: () => createTag(random),
      failed: (transaction, reason) => {
        count(reason === 'timeout' ? 'no-ack' : 'response-undeliverable');
        this.#guarded(() => this.#user.onServerFailure?.(transaction, reason));
      },
      ackReceived: (ack, transaction) => {
        this.#guarded(() => this.#user.onAck(ack, transaction.transport, transaction));
      },
      waitsForAck: (transaction) => this.#rememberRefused(transaction),
      ended: (transaction) => {
        this.#servers.delete(transaction.key);
        this.#forgetRefused(transaction);
      },
    };
  }

  #hostClients(): ClientHost {
    const { clock, timings } = this.#options;
    return {
      wheel: this.#wheel,
      timings,
      now: () => clock.now(),
      sendCancel: (cancel, transport) => {
        this.request(cancel, transport, { onResponse: () => {}, onFailure: () => {} });
      },
      guarded: (call) => this.#guarded(call) === undefined,
      ended: (transaction) => this.#forgetClient(transaction),
    };
  }
}
