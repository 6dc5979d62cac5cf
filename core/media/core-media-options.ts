// What core's media room is given. Defaults live in the configuration.
import type { EngineEvent, MediaEngine } from '../../media/index.ts';
import type { MediaKind } from '../../zones/media-link/index.ts';
import type { IceCallSummary } from './ice-call.ts';

export type EncryptionPolicy = 'off' | 'best-effort' | 'on';

export interface CoreMediaOptions {
  /** Makes the packet engine; its events come back here. */
  readonly createEngine: (onEvent: (event: EngineEvent) => void) => MediaEngine;
  /** Address that inside devices send to: bound and announced are the same, no NAT may stand here. */
  readonly insideAddress: string;
  /** Address that links to edges are dialled from. */
  readonly linkAddress: string;
  /** UDP ports of inside legs and links; even first, odd last. */
  readonly firstPort: number;
  readonly lastPort: number;
  readonly portQuarantineMs: number;
  readonly insideEncryption: EncryptionPolicy;
  /** DSCP of what is sent by kind of media (RFC 2474, 4594); the portable engine cannot mark. */
  readonly dscp: Readonly<Record<MediaKind, number>>;
  /** Ranges that no candidate may name, whoever writes it (T-017). */
  readonly deniedCandidates: readonly string[];
  /** A call that was answered is over: what became of its ICE. */
  readonly onIceCall: (call: IceCallSummary) => void;
  /** A session without one good packet for this long is reported once. */
  readonly inactivityMs: number;
  readonly helloIntervalMs: number;
  /** A link without an answered hello for this long is down. */
  readonly linkDeadMs: number;
  /** A link that stays down this long is dialled from a fresh port. */
  readonly linkRebindMs: number;
  /** Longest wait for edge to open ports. */
  readonly requestTimeoutMs: number;
  readonly maxSessions: number;
  /** Sessions of one user, half set up ones included (T-038). */
  readonly maxSessionsPerKey: number;
  readonly now: () => number;
  /** Milliseconds since 1970. */
  readonly timeOfDay: () => number;
  readonly after: (ms: number, action: () => void) => () => void;
  readonly randomBelow: (limit: number) => number;
  readonly randomBytes: (bytes: number) => Buffer;
  /** Where the media ports of an edge are; undefined when the zone does not know the edge. */
  readonly locateEdge: (name: string) => Promise<{ address: string; ports: readonly number[] } | undefined>;
  readonly reportMedia: (edge: string, status: { state: 'up' | 'down'; cause: string }) => void;
  /** No good packet for `inactivityMs`. */
  readonly onInactive: (call: MediaCall) => void;
  /** Edge no longer has this session: it restarted, or was away for longer than its grace period. */
  readonly onLost: (call: MediaCall) => void;
  readonly log: CoreMediaLog;
  readonly count: (event: string, reason?: string) => void;
}

/** A call as it was given to the anchor: two calls may share a Call-ID when a proxy joins two clients. */
export interface MediaCall {
  readonly callId: string;
  readonly key: string;
}

/** The part of pino that is used here. */
export interface CoreMediaLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

/** An edge's control channel, as zones gives it. */
export interface EdgeControl {
  readonly peer: { readonly name: string };
  request(type: string, body: unknown, options?: { timeoutMs?: number }): Promise<unknown>;
}
