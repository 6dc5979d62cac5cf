// The SIP half of a simulated phone: one connection, requests and their answers, answers to what comes in
// (RFC 3261 §17 for reliable transports, where nothing is ever retransmitted by the transaction layer).
// Independent of the product's transaction layer on purpose. Bounded: `maxPending` requests of its own.
import { type Duplex } from 'node:stream';
import {
  type Clock,
  createAck,
  createBranch,
  createCancel,
  DEFAULT_LIMITS,
  SipConnection,
  type SipRequest,
  type SipResponse,
} from '../../sip/index.ts';
import { METHOD, parseStun, printStun } from '../../turn/index.ts';

export interface EndpointAddress {
  readonly transport: 'TCP' | 'TLS';
  readonly address: string;
  readonly port: number;
}

export interface EndpointOptions {
  readonly local: EndpointAddress;
  readonly clock: Clock;
  readonly random: (bytes: number) => Buffer;
  /** How long a request may wait for its final answer. INVITE: for any sign of life after the last one. */
  readonly requestTimeoutMs: number;
  readonly maxPending: number;
  readonly onRequest: (request: SipRequest) => void;
  readonly onClose: (reason: string) => void;
}

/** No answer came, or the connection went away before it did. */
export class EndpointError extends Error {
  readonly code: 'timeout' | 'closed' | 'full';
  constructor(code: EndpointError['code'], message: string) {
    super(message);
    this.name = 'EndpointError';
    this.code = code;
  }
}

interface Pending {
  readonly request: SipRequest;
  readonly onProvisional: ((response: SipResponse) => void) | undefined;
  readonly resolve: (response: SipResponse) => void;
  readonly reject: (error: EndpointError) => void;
  timer: ReturnType<Clock['setTimer']>;
}

export class SipEndpoint {
  readonly #options: EndpointOptions;
  readonly #connection: SipConnection;
  readonly #pending = new Map<string, Pending>();
  readonly #probes = new Map<string, () => void>();

  /** Takes over the stream, which is connected already. */
  constructor(stream: Duplex, options: EndpointOptions) {
    this.#options = options;
    this.#connection = new SipConnection(
      stream,
      {
        id: 'phone',
        scope: 'phone',
        limits: DEFAULT_LIMITS,
        maxQueueBytes: 1_048_576,
        closeTimeoutMs: 500,
        clock: options.clock,
        count: () => {},
        answerStun: (bytes) => this.#stunReceived(bytes),
      },
      {
        onMessage: (message) => {
          if (message.kind === 'request') options.onRequest(message);
          else this.#responseReceived(message);
        },
        onClose: (reason) => this.#closed(reason),
      },
    );
  }

  get local(): EndpointAddress {
    return this.#options.local;
  }

  get isOpen(): boolean {
    return this.#connection.isOpen;
  }

  /** A fresh Via value for a request of this side. */
  createVia(): string {
    const { transport, address, port } = this.#options.local;
    return `SIP/2.0/${transport} ${address}:${port};branch=${createBranch(this.#options.random)}`;
  }

  /**
   * Sends a request and resolves with its final answer, whatever its status. A refused INVITE is acknowledged here
   * (§17.1.1.3), an accepted one by the caller. Rejects with EndpointError.
   */
  async request(request: SipRequest, onProvisional?: (response: SipResponse) => void): Promise<SipResponse> {
    if (this.#pending.size >= this.#options.maxPending)
      throw new EndpointError('full', 'too many open requests');
    const branch = request.topVia.branch ?? '';
    return new Promise((resolve, reject) => {
      const timer = this.#startTimer(branch);
      this.#pending.set(branch, { request, onProvisional, resolve, reject, timer });
      if (!this.#connection.send(request.print())) {
        this.#give(branch)?.reject(new EndpointError('closed', 'the SIP connection is closed'));
      }
    });
  }

  /** Asks to stop an INVITE that has no final answer yet; resolves with the answer to the CANCEL. */
  async cancel(invite: SipRequest): Promise<SipResponse> {
    const cancel = createCancel(invite);
    return new Promise((resolve, reject) => {
      const key = `${invite.topVia.branch ?? ''} CANCEL`;
      const timer = this.#startTimer(key);
      this.#pending.set(key, { request: cancel, onProvisional: undefined, resolve, reject, timer });
      this.#connection.send(cancel.print());
    });
  }

  /** Sends what expects no answer: a response, or the ACK of an accepted INVITE. */
  send(message: SipRequest | SipResponse): void {
    this.#connection.send(message.print());
  }

  /** A STUN Binding inside the stream, as clients keep their connection alive (mra-wire §3.7). */
  async probe(): Promise<void> {
    const transactionId = this.#options.random(12);
    const key = transactionId.toString('hex');
    const binding = { class: 'request', method: METHOD.binding, transactionId, attributes: [] } as const;
    await new Promise<void>((resolve, reject) => {
      const timer = this.#options.clock.setTimer(() => {
        this.#probes.delete(key);
        reject(new EndpointError('timeout', 'the keepalive was not answered'));
      }, this.#options.requestTimeoutMs);
      this.#probes.set(key, () => {
        this.#options.clock.clearTimer(timer);
        resolve();
      });
      this.#connection.send(printStun(binding));
    });
  }

  close(): void {
    this.#connection.close('phone switched off');
  }

  #responseReceived(response: SipResponse): void {
    const branch = response.topVia.branch ?? '';
    const key = response.cseq.method === 'CANCEL' ? `${branch} CANCEL` : branch;
    const pending = this.#pending.get(key);
    if (pending === undefined) return;
    if (response.isProvisional) {
      this.#options.clock.clearTimer(pending.timer);
      pending.timer = this.#startTimer(key, pending.request.method === 'INVITE' ? 6 : 1);
      pending.onProvisional?.(response);
      return;
    }
    this.#give(key);
    if (pending.request.method === 'INVITE' && !response.isSuccess) {
      this.send(createAck(pending.request, response));
    }
    pending.resolve(response);
  }

  #stunReceived(bytes: Buffer): undefined {
    const { transactionId } = parseStun(bytes);
    const key = transactionId.toString('hex');
    this.#probes.get(key)?.();
    this.#probes.delete(key);
  }

  #startTimer(key: string, patience = 1): ReturnType<Clock['setTimer']> {
    return this.#options.clock.setTimer(() => {
      const pending = this.#give(key);
      const what = pending === undefined ? 'the request' : pending.request.method;
      pending?.reject(new EndpointError('timeout', `${what} was not answered`));
    }, this.#options.requestTimeoutMs * patience);
  }

  #give(key: string): Pending | undefined {
    const pending = this.#pending.get(key);
    if (pending !== undefined) this.#options.clock.clearTimer(pending.timer);
    this.#pending.delete(key);
    return pending;
  }

  #closed(reason: string): void {
    for (const key of this.#pending.keys()) {
      this.#give(key)?.reject(new EndpointError('closed', `the SIP connection closed: ${reason}`));
    }
    this.#options.onClose(reason);
  }
}
