// A connection that we open to another server: one target, the initiating machine over it (RFC 6120, XEP-0368). Nothing but the
// stream header and `<starttls/>` leaves before TLS is up and the certificate has been judged.
// The caller says where the target is and decides about certificate and domain; this file does not look up names.
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext, type TLSSocket } from 'node:tls';
import { NS_SERVER } from '../namespaces.ts';
import { STREAM_CLOSE, StreamError } from '../stream-error.ts';
import { StreamParser } from '../stream-parser.ts';
import type { ConnectionClock, ServerConnectionLimits } from './connection-limits.ts';
import type { DialbackResult } from './dialback.ts';
import type { DomainPair } from './domain.ts';
import {
  type InitiatingAction,
  InitiatingServerStream,
  type OutgoingFailure,
  type Purpose,
} from './initiating-stream.ts';

/** Where a server is. */
export interface ServerTarget {
  readonly address: string;
  readonly port: number;
  /** TLS from the first byte. */
  readonly isDirectTls: boolean;
}

export interface OutgoingOptions {
  readonly target: ServerTarget;
  /** Stanzas go from our domain to theirs. */
  readonly pair: DomainPair;
  readonly purpose: Purpose;
  /** With our certificate, for a peer that asks for one. */
  readonly secureContext: SecureContext;
  /** Whether the peer may be what we look for; `socket.authorized` tells whether its chain is trusted. */
  readonly judge: (socket: TLSSocket) => boolean;
  readonly limits: Pick<
    ServerConnectionLimits,
    'signIn' | 'signInTimeoutMs' | 'writeTimeoutMs' | 'closeTimeoutMs'
  >;
  readonly clock: ConnectionClock;
}

export interface OutgoingListener {
  /** Stanzas may be written. */
  onReady(): void;
  onVerified(result: DialbackResult): void;
  onDrain(): void;
  /** It never came about, or is over; told once. */
  onOver(reason: OutgoingFailure): void;
}

export class OutgoingConnection {
  readonly #options: OutgoingOptions;
  readonly #listener: OutgoingListener;
  readonly #machine: InitiatingServerStream;
  readonly #tcp: Socket;
  readonly #cancelLate: () => void;
  #socket: Socket;
  #parser: StreamParser;
  #cancelStuck: (() => void) | undefined;
  #isTlsDue = false;
  #isRestartDue = false;
  #isReady = false;
  #isOver = false;

  constructor(options: OutgoingOptions, listener: OutgoingListener) {
    const { target, limits, clock } = options;
    this.#options = options;
    this.#listener = listener;
    this.#machine = new InitiatingServerStream(options.pair, options.purpose);
    this.#parser = this.#newParser();
    const tcp = connectTcp({ host: target.address, port: target.port, noDelay: true, keepAlive: true });
    this.#tcp = tcp;
    this.#socket = tcp;
    this.#cancelLate = clock.after(limits.signInTimeoutMs, () => this.#fail('unreachable'));
    tcp.on('error', () => this.#fail(this.#isReady ? 'closed' : 'unreachable'));
    tcp.once('close', () => this.#fail(this.#isReady ? 'closed' : 'unreachable'));
    tcp.once('connect', () => {
      if (target.isDirectTls) return this.#startTls();
      tcp.on('data', this.#onData);
      tcp.write(this.#machine.begin());
    });
  }

  /** Only after `onReady`. False: write no more until `onDrain`. */
  write(text: string | Uint8Array): boolean {
    if (this.#isOver || this.#socket.write(text)) return true;
    const { clock, limits } = this.#options;
    this.#cancelStuck ??= clock.after(limits.writeTimeoutMs, () => this.#fail('closed'));
    return false;
  }

  /** Ends the stream as it should end; what was written still leaves. */
  end(): void {
    if (this.#isOver) return;
    this.#over();
    const socket = this.#socket;
    const tcp = this.#tcp;
    socket.resume();
    socket.end(this.#isReady ? STREAM_CLOSE : '');
    const cancel = this.#options.clock.after(this.#options.limits.closeTimeoutMs, () => tcp.destroy());
    tcp.once('close', cancel);
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#isOver) return;
    try {
      this.#parser.write(chunk, (event) => {
        if (this.#isTlsDue || this.#isRestartDue)
          throw new StreamError('policy-violation', 'order', 'the server spoke out of turn');
        for (const action of this.#machine.handle(event)) this.#do(action);
      });
      if (this.#isOver || (!this.#isTlsDue && !this.#isRestartDue)) return;
      if (!this.#parser.isBetweenElements)
        throw new StreamError('policy-violation', 'order', 'the server spoke out of turn');
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      return this.#fail('protocol');
    }
    if (this.#isRestartDue) this.#parser = this.#newParser();
    this.#isRestartDue = false;
    if (this.#isTlsDue) this.#startTls();
  };

  #do(action: InitiatingAction): void {
    if (this.#isOver) return;
    switch (action.kind) {
      case 'write':
        this.#socket.write(action.text);
        return;
      case 'start-tls':
        this.#isTlsDue = true;
        return;
      case 'restart':
        this.#isRestartDue = true;
        return;
      case 'ready':
        this.#isReady = true;
        this.#cancelLate();
        return this.#listener.onReady();
      case 'verified':
        this.#listener.onVerified(action.result);
        return;
      case 'failed':
        return this.#fail(action.reason);
    }
  }

  #startTls(): void {
    const { pair, target, secureContext, judge } = this.#options;
    const tcp = this.#tcp;
    this.#isTlsDue = false;
    tcp.off('data', this.#onData);
    tcp.pause();
    const socket = connectTls({
      socket: tcp,
      servername: pair.to,
      secureContext,
      // Judged below, before a byte is sent: the name by RFC 9525, the chain by `socket.authorized`.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      ...(target.isDirectTls ? { ALPNProtocols: ['xmpp-server'] } : {}),
    });
    this.#socket = socket;
    this.#parser = this.#newParser();
    socket.on('error', () => this.#fail(this.#isReady ? 'closed' : 'no-tls'));
    socket.once('close', () => this.#fail(this.#isReady ? 'closed' : 'unreachable'));
    socket.once('end', () => this.#fail('closed'));
    socket.on('drain', () => {
      this.#cancelStuck?.();
      this.#cancelStuck = undefined;
      if (!this.#isOver) this.#listener.onDrain();
    });
    socket.once('secureConnect', () => {
      if (!judge(socket)) return this.#fail('certificate');
      socket.on('data', this.#onData);
      socket.write(this.#machine.secured());
    });
  }

  /** Features of servers differ; none of them, in the clear or not, needs more than a sign-in does. */
  #newParser(): StreamParser {
    return new StreamParser(this.#options.limits.signIn, NS_SERVER);
  }

  #fail(reason: OutgoingFailure): void {
    if (this.#isOver) return;
    this.#over();
    this.#socket.destroy();
    this.#tcp.destroy();
    this.#listener.onOver(reason);
  }

  #over(): void {
    this.#isOver = true;
    this.#cancelLate();
    this.#cancelStuck?.();
  }
}
