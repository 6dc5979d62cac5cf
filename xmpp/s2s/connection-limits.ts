// What one connection between servers may cost, whichever side opened it.
import type { StreamLimits } from '../stream-parser.ts';

export interface ServerConnectionLimits {
  /** Before TLS: a stream header and one empty element. */
  readonly clear: StreamLimits;
  /** After TLS, before the peer has proven a domain. */
  readonly signIn: StreamLimits;
  /** Stanzas. */
  readonly session: StreamLimits;
  /** From connection to the end of the TLS handshake. */
  readonly handshakeTimeoutMs: number;
  /** From connection to the first proven domain. */
  readonly signInTimeoutMs: number;
  /** Silence in both directions. */
  readonly idleTimeoutMs: number;
  /** How long the peer may leave what is sent to it unread. */
  readonly writeTimeoutMs: number;
  /** How long a connection may take to end after our last word. */
  readonly closeTimeoutMs: number;
}

/** Time as connections need it. */
export interface ConnectionClock {
  now(): number;
  /** Calls `run` once after `ms` milliseconds; the returned function cancels it. */
  after(ms: number, run: () => void): () => void;
}

/** Whether a peer's certificate, whose chain is trusted, speaks for a domain. */
export type Covers = (domain: string) => boolean;
