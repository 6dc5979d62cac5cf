// What the messaging plane of core needs; defaults, ranges and prose live in config/.
import type { SignInGuard, TokenResult } from '../../auth/index.ts';
import type { Duplex } from 'node:stream';
import type { StanzaRules, StreamLimits } from '../../xmpp/index.ts';
import type { Clock, LinkLog, PeerIdentity } from '../../zones/index.ts';

/** A messaging server inside. */
export interface XmppNode {
  /** What its certificate must cover, if it does not cover the domain. */
  readonly name: string;
  /** Where it is; undefined: the name is looked up at each connection. */
  readonly address: string | undefined;
  /** PEM of the authorities that may sign its certificate; undefined: the system's. */
  readonly trust: string | undefined;
}

export interface XmppDomain {
  readonly name: string;
  /** Whose tokens open it. */
  readonly deployment: string;
  /** Whether its users may use messaging from outside. */
  readonly isMessagingOn: boolean;
  /** What its users' stanzas may carry. */
  readonly rules: StanzaRules;
  readonly nodes: readonly XmppNode[];
}

export interface InsideOptions {
  readonly port: number;
  /** From dialling one address to the features after TLS. */
  readonly connectTimeoutMs: number;
  /** What a server may send. */
  readonly serverLimits: StreamLimits;
  /** Every address of a name; rejects when there is none. */
  readonly resolve: (host: string) => Promise<readonly string[]>;
  readonly clock: Clock;
}

/** Whose access token this is, or why it opens nothing. */
export type TokenJudge = (deployment: string, token: string) => TokenResult | Promise<TokenResult>;

export interface CoreXmppOptions extends InsideOptions {
  readonly domains: readonly XmppDomain[];
  /** Takes a stream that is no client's session, by its path; false when nobody does. */
  readonly onOther: ((stream: Duplex, path: string, peer: PeerIdentity) => boolean) | undefined;
  /** Undefined: mechanisms with access tokens are not offered. */
  readonly tokens: TokenJudge | undefined;
  /** Who is shut out, and who failed. */
  readonly guard: SignInGuard;
  /** What an edge may send for a client before and after sign-in. */
  readonly signInLimits: StreamLimits;
  readonly sessionLimits: StreamLimits;
  readonly maxFrameBytes: number;
  readonly maxSessions: number;
  readonly maxSessionsPerUser: number;
  readonly maxFailedSignIns: number;
  /** How long a server that could not be reached is tried last. */
  readonly avoidNodeMs: number;
  readonly link: { readonly pingIntervalMs: number; readonly deadAfterMs: number };
  readonly log: LinkLog;
  readonly count: (event: string, reason?: string) => void;
}
