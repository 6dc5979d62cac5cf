// What the XMPP door needs; defaults, ranges and prose live in config/.
import type { StreamLimits } from '../../xmpp/index.ts';
import type { Clock, LinkLog } from '../../zones/index.ts';

/** Limits of one client connection. */
export interface ClientLimits {
  /** Before TLS: a stream header and `<starttls/>`. */
  readonly clear: StreamLimits;
  /** After TLS, before sign-in. */
  readonly signIn: StreamLimits;
  readonly session: StreamLimits;
  /** What core may send to a client on WebSocket. */
  readonly server: StreamLimits;
  readonly maxBytesPerSecond: number;
  /** Bytes that may come at once after a pause. */
  readonly burstBytes: number;
  /** From connection to the end of the TLS handshake. */
  readonly handshakeTimeoutMs: number;
  /** From connection to sign-in. */
  readonly signInTimeoutMs: number;
  /** Silence in both directions. */
  readonly idleTimeoutMs: number;
  /** How long a client may leave what is sent to it unread. */
  readonly writeTimeoutMs: number;
  /** How long a connection may take to end after our last word. */
  readonly closeTimeoutMs: number;
}

export interface EdgeXmppOptions {
  /** Pages that may open a WebSocket; undefined: there is none. */
  readonly webSocketOrigins: readonly string[] | undefined;
  readonly host: string;
  readonly port: number;
  /** PEM texts of the public certificate. */
  readonly certificate: { readonly chain: string; readonly key: string };
  /** Certificates for clients that ask for a domain by SNI; all others get `certificate`. */
  readonly domainCertificates: readonly {
    readonly domain: string;
    readonly chain: string;
    readonly key: string;
  }[];
  /** Who edge says it is when a client names no domain. */
  readonly name: string;
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  readonly maxHandshakes: number;
  readonly limits: ClientLimits;
  /** Sessions on the link to one core. */
  readonly maxSessionsPerCore: number;
  /** Largest frame that core may send. */
  readonly maxFrameBytes: number;
  readonly link: { readonly pingIntervalMs: number; readonly deadAfterMs: number };
  /** False for an address that is shut out. */
  readonly admits: (address: string) => boolean;
  /** A refusal and the client address it was given to, for bans. */
  readonly onRefused: (reason: string, address: string) => void;
  readonly clock: Clock;
  /** A fresh id that nobody can guess (RFC 6120 §4.7.3). */
  readonly newId: () => string;
  readonly log: LinkLog;
  readonly count: (event: string, reason?: string) => void;
}
