// One port, two protocols (RFC 7443, RFC 8656 §3.1): who speaks on a TLS connection that named no protocol by ALPN. Waits
// for the first byte and puts it back. STUN begins with 0x00 or 0x01, which no HTTP request does. A client of HTTPS loses
// nothing: no byte, no round trip. Silence is ended at the deadline of an HTTP head. Memory: one small object each.
import type { TLSSocket } from 'node:tls';
import type { Deadlines, Expiring } from '../../http/index.ts';

/** What else is served at the door. */
export interface OtherProtocol {
  /** ALPN names that mean it. */
  readonly alpn: readonly string[];
  /** Whether a connection that begins with this byte speaks it. */
  readonly beginsWith: (byte: number) => boolean;
  /** Owns the connection from here on. */
  readonly take: (socket: TLSSocket) => void;
}

/** First bytes of STUN: two zero bits, then a method below 0x100 (RFC 8489 §5, §6.3). */
export const isFirstOfStun = (byte: number): boolean => byte <= 1;

interface FirstByteOptions {
  readonly deadlines: Deadlines;
  readonly waitMs: number;
  /** The first byte is there; the socket gives it again to whoever reads next, and must be resumed. */
  readonly onFirst: (byte: number, deadlineMs: number) => void;
  readonly onSilence: () => void;
}

/** Waits for the first byte of a connection. */
export function awaitFirstByte(socket: TLSSocket, options: FirstByteOptions): void {
  options.deadlines.add(new Waiting(socket, options));
}

class Waiting implements Expiring {
  readonly #socket: TLSSocket;
  readonly #options: FirstByteOptions;
  readonly #deadlineMs: number;
  readonly #gone = (): void => {
    this.#stop();
    this.#socket.destroy();
  };
  readonly #data = (chunk: Buffer): void => {
    this.#stop();
    this.#socket.pause();
    this.#socket.unshift(chunk);
    this.#options.onFirst(chunk[0]!, this.#deadlineMs);
  };

  constructor(socket: TLSSocket, options: FirstByteOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#deadlineMs = options.deadlines.nowMs + options.waitMs;
    socket.on('error', this.#gone);
    socket.on('end', this.#gone);
    socket.on('close', this.#gone);
    socket.on('data', this.#data);
  }

  /** For Deadlines. */
  expire(nowMs: number): void {
    if (nowMs < this.#deadlineMs) return;
    this.#gone();
    this.#options.onSilence();
  }

  #stop(): void {
    this.#options.deadlines.delete(this);
    for (const event of ['end', 'close'] as const) this.#socket.off(event, this.#gone);
    this.#socket.off('data', this.#data);
  }
}
