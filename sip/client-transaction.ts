// One request sent and its responses, RFC 3261 §17.1, with CANCEL (§9.1) and the proxy's Timer C (§16.6 step 11, §16.8).
// Binds a machine to a transport and the layer's wheel; made by TransactionLayer.request.

import { createAck, createCancel } from './build.ts';
import type { HeaderPair } from './build.ts';
import type { SipRequest, SipResponse } from './message.ts';
import type { TimerWheel, WheelTimer } from './timer-wheel.ts';
import { TransactionMachine } from './transaction-machine.ts';
import type { TransactionAction, TransactionTimings } from './transaction-machine.ts';
import { TransactionTimers } from './transaction-timers.ts';
import type { TransactionInput, TransactionState } from './transaction-tables.ts';
import type { SipTransport } from './transport.ts';

/**
 * Why a request got no final response that can be used. A proxy answers 408 for timeout, 502 for malformed (the final
 * response made `onResponse` throw SipParseError) and 503 for the others.
 */
export type ClientFailure = 'timeout' | 'transport' | 'full' | 'malformed';

/** What the sender of a request hears. After `onFailure`, or a final response, only further 2xx may follow. */
export interface ClientHandlers {
  onResponse(response: SipResponse, transaction: ClientTransaction): void;
  onFailure(reason: ClientFailure, transaction: ClientTransaction): void;
}

/** What a client transaction needs of its layer. */
export interface ClientHost {
  readonly wheel: TimerWheel;
  readonly timings: TransactionTimings;
  now(): number;
  /** Sends a CANCEL as a transaction of its own. */
  sendCancel(cancel: SipRequest, transport: SipTransport): void;
  /** Calls the sender; false when it threw SipParseError, which is then counted. */
  guarded(call: () => void): boolean;
  ended(transaction: ClientTransaction): void;
}

/** Client transaction of any method but ACK. */
export class ClientTransaction {
  readonly key: string;
  readonly transport: SipTransport;
  readonly #host: ClientHost;
  readonly #handlers: ClientHandlers;
  readonly #machine: TransactionMachine;
  readonly #timers: TransactionTimers;
  readonly #timerCMs: number | undefined;
  readonly #request: SipRequest;
  #cancelHeaders: readonly HeaderPair[] | undefined;
  #isCancelSent = false;
  #longTimer: WheelTimer | undefined;

  constructor(
    key: string,
    request: SipRequest,
    transport: SipTransport,
    handlers: ClientHandlers,
    host: ClientHost,
    timerCMs: number | undefined,
  ) {
    this.key = key;
    this.transport = transport;
    this.#request = request;
    this.#handlers = handlers;
    this.#host = host;
    this.#timerCMs = timerCMs;
    const kind = request.method === 'INVITE' ? 'invite-client' : 'non-invite-client';
    this.#machine = new TransactionMachine(kind, transport.isReliable, host.timings);
    this.#timers = new TransactionTimers(host.wheel, (timer) => this.#handle(`timer ${timer}`));
  }

  get state(): TransactionState {
    return this.#machine.state;
  }

  get request(): SipRequest {
    return this.#request;
  }

  /** Whether a final response or failure is still to come. */
  get isPending(): boolean {
    return this.state === 'calling' || this.state === 'trying' || this.state === 'proceeding';
  }

  /** Sends the request; called once by the layer. */
  start(): void {
    this.#restartTimerC();
    this.#perform(this.#machine.start(this.#host.now()), undefined);
  }

  /**
   * Cancels an INVITE. §9.1: nothing is sent before the first provisional response, and if no final response comes
   * within 64·T1 of the CANCEL, `onFailure('timeout')` is called. No effect after a final response.
   */
  cancel(headers: readonly HeaderPair[] = []): void {
    if (this.#request.method !== 'INVITE' || !this.isPending || this.#isCancelSent) return;
    this.#cancelHeaders = headers;
    if (this.state === 'proceeding') this.#sendCancel(headers);
  }

  /** A response that matched; called by the layer. */
  receive(response: SipResponse): void {
    if (!this.#isCancelSent && response.status > 100 && response.status < 200) this.#restartTimerC();
    this.#handle(inputOf(response), response);
    if (this.state === 'proceeding' && this.#cancelHeaders !== undefined && !this.#isCancelSent) {
      this.#sendCancel(this.#cancelHeaders);
    }
  }

  /** The transport is gone; called by the layer. */
  transportClosed(): void {
    this.#handle('transport-error');
  }

  /** Ends without a word to anyone; called when the layer closes. */
  abandon(): void {
    this.#timers.stopAll();
    this.#stopLongTimer();
  }

  #handle(input: TransactionInput, response?: SipResponse): void {
    const actions = this.#machine.handle(input, this.#host.now());
    if (!this.isPending) this.#stopLongTimer();
    this.#perform(actions, response);
    if (this.state === 'accepted') this.#request.headers.forgetParsed();
  }

  #perform(actions: readonly TransactionAction[], response: SipResponse | undefined): void {
    for (const action of actions) {
      switch (action.do) {
        case 'send':
          this.#send(this.#request);
          break;
        case 'ack':
          if (response !== undefined) this.#send(createAck(this.#request, response));
          break;
        case 'pass':
          if (response !== undefined) this.#pass(response);
          break;
        case 'timeout':
          this.#fail('timeout');
          break;
        case 'failure':
          this.#fail('transport');
          break;
        case 'schedule':
          this.#timers.start(action.timer, action.at);
          break;
        case 'stop':
          this.#timers.stop(action.timer);
          break;
        case 'terminate':
          this.abandon();
          this.#host.ended(this);
          break;
        case 'drop':
          break;
      }
    }
  }

  // A header that only the sender looks at may be malformed: then a provisional response is dropped, a final one fails.
  #pass(response: SipResponse): void {
    const isUsable = this.#host.guarded(() => this.#handlers.onResponse(response, this));
    if (!isUsable && response.status >= 200) this.#fail('malformed');
  }

  #fail(reason: ClientFailure): void {
    this.#host.guarded(() => this.#handlers.onFailure(reason, this));
  }

  // A failed send is told after the current call, so that the sender holds the transaction when it hears of it.
  #send(request: SipRequest): void {
    if (!this.transport.send(request.print())) queueMicrotask(() => this.transportClosed());
  }

  #sendCancel(headers: readonly HeaderPair[]): void {
    this.#isCancelSent = true;
    this.#host.sendCancel(createCancel(this.#request, headers), this.transport);
    this.#startLongTimer(64 * this.#host.timings.t1Ms, () => this.#giveUp());
  }

  #restartTimerC(): void {
    if (this.#timerCMs === undefined || this.#request.method !== 'INVITE') return;
    this.#startLongTimer(this.#timerCMs, () => this.#timerCFired());
  }

  // §16.8: with a provisional response the INVITE is cancelled, without one it counts as answered 408.
  #timerCFired(): void {
    if (this.state === 'proceeding') this.cancel();
    else this.#giveUp();
  }

  #giveUp(): void {
    if (!this.isPending) return;
    this.abandon();
    this.#host.ended(this);
    this.#fail('timeout');
  }

  #startLongTimer(delayMs: number, fire: () => void): void {
    this.#stopLongTimer();
    this.#longTimer = this.#host.wheel.set(this.#host.now() + delayMs, fire);
  }

  #stopLongTimer(): void {
    if (this.#longTimer !== undefined) this.#host.wheel.clear(this.#longTimer);
    this.#longTimer = undefined;
  }
}

function inputOf(response: SipResponse): TransactionInput {
  if (response.status < 200) return '1xx';
  return response.status < 300 ? '2xx' : '3xx-6xx';
}
