// One request received and our responses, RFC 3261 §17.2, RFC 6026 §7.1. Retransmissions are absorbed or answered
// with the latest response; further 2xx of an INVITE pass while it is in the Accepted state.
// Made by TransactionLayer.receive.

import { createResponse } from './build.ts';
import type { ResponseParts } from './build.ts';
import type { SipRequest, SipResponse } from './message.ts';
import type { TimerWheel } from './timer-wheel.ts';
import { TransactionMachine } from './transaction-machine.ts';
import type { TransactionAction, TransactionTimings } from './transaction-machine.ts';
import { TransactionTimers } from './transaction-timers.ts';
import type { TransactionInput, TransactionState } from './transaction-tables.ts';
import type { SipTransport } from './transport.ts';

/** Why responses no longer reach the peer: no ACK came (Timer H), or no transport is left. */
export type ServerFailure = 'timeout' | 'transport';

/** What a server transaction needs of its layer. */
export interface ServerHost {
  readonly wheel: TimerWheel;
  readonly timings: TransactionTimings;
  now(): number;
  /** Another transport to the peer of a scope whose connection is gone. */
  findTransport(scope: string): SipTransport | undefined;
  createTag(): string;
  failed(transaction: ServerTransaction, reason: ServerFailure): void;
  ackReceived(ack: SipRequest, transaction: ServerTransaction): void;
  /** An INVITE was refused and waits for its ACK. */
  waitsForAck(transaction: ServerTransaction): void;
  ended(transaction: ServerTransaction): void;
}

/** Server transaction of any method but ACK. */
export class ServerTransaction {
  readonly key: string;
  readonly request: SipRequest;
  readonly #host: ServerHost;
  readonly #machine: TransactionMachine;
  readonly #timers: TransactionTimers;
  #transport: SipTransport;
  #latest: Buffer | undefined;
  #ownTag: string | undefined;

  constructor(key: string, request: SipRequest, transport: SipTransport, host: ServerHost) {
    this.key = key;
    this.request = request;
    this.#transport = transport;
    this.#host = host;
    const kind = request.method === 'INVITE' ? 'invite-server' : 'non-invite-server';
    this.#machine = new TransactionMachine(kind, transport.isReliable, host.timings);
    this.#timers = new TransactionTimers(host.wheel, (timer) => this.#handle(`timer ${timer}`));
  }

  get state(): TransactionState {
    return this.#machine.state;
  }

  /** The transport the request came by; responses go there while it is open. */
  get transport(): SipTransport {
    return this.#transport;
  }

  /** Whether a final response is still to be given. */
  get isPending(): boolean {
    return this.state === 'trying' || this.state === 'proceeding';
  }

  /** Sends a response that belongs to this request; false when the state forbids it (a second final response). */
  respond(response: SipResponse): boolean {
    const input = inputOf(response.status);
    const isAllowed = this.isPending || (this.state === 'accepted' && input === 'u2xx');
    if (!isAllowed) return false;
    this.#latest = response.print();
    this.#handle(input);
    return true;
  }

  /** Makes a response from the request and sends it; without `toTag` all but 100 get this side's tag. */
  reply(status: number, reason?: string, parts: ResponseParts = {}): boolean {
    const tagged = status === 100 || parts.toTag !== undefined ? parts : { ...parts, toTag: this.ownTag };
    return this.respond(createResponse(this.request, status, reason, tagged));
  }

  /** The To tag of responses this element makes itself: one per transaction. */
  get ownTag(): string {
    return (this.#ownTag ??= this.#host.createTag());
  }

  /** The same request again; called by the layer. A retransmission on a new connection moves the answers there. */
  retransmitted(transport: SipTransport): void {
    if (!this.#transport.isOpen) this.#transport = transport;
    this.#handle('request');
  }

  /** The ACK of an INVITE; called by the layer. */
  acknowledged(ack: SipRequest): void {
    this.#handle('ack', ack);
  }

  /** Ends although its ACK has not come; called by the layer. */
  giveUp(): void {
    this.abandon();
    this.#host.ended(this);
  }

  /** Ends without a word to anyone; called when the layer closes. */
  abandon(): void {
    this.#timers.stopAll();
  }

  #handle(input: TransactionInput, ack?: SipRequest): void {
    const before = this.state;
    this.#perform(this.#machine.handle(input, this.#host.now()), ack);
    if (this.state === 'completed' && before === 'proceeding' && this.request.method === 'INVITE')
      this.#host.waitsForAck(this);
    if (this.state !== 'accepted') return;
    // In Accepted only the user sends; as little as possible is kept for these 32 s.
    this.#latest = undefined;
    this.request.headers.forgetParsed();
  }

  #perform(actions: readonly TransactionAction[], ack: SipRequest | undefined): void {
    for (const action of actions) {
      switch (action.do) {
        case 'send':
          this.#send();
          break;
        case 'pass':
          if (ack !== undefined) this.#host.ackReceived(ack, this);
          break;
        case 'timeout':
          this.#host.failed(this, 'timeout');
          break;
        case 'failure':
          this.#host.failed(this, 'transport');
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
        case 'ack':
        case 'drop':
          break;
      }
    }
  }

  // §18.2.2: over the connection of the request, else over another one to the same peer.
  #send(): void {
    if (this.#latest === undefined) return;
    if (!this.#transport.isOpen)
      this.#transport = this.#host.findTransport(this.#transport.scope) ?? this.#transport;
    if (!this.#transport.send(this.#latest)) queueMicrotask(() => this.#handle('transport-error'));
  }
}

function inputOf(status: number): TransactionInput {
  if (status < 200) return 'u1xx';
  return status < 300 ? 'u2xx' : 'u3xx-6xx';
}
