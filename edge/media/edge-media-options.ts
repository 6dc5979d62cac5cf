// What edge's media room is given: addresses, limits, clocks and the engine. Defaults live in the configuration.
import type { EngineEvent, MediaEngine } from '../../media/index.ts';
import type { MediaKind } from '../../zones/media-link/index.ts';

export interface EdgeMediaOptions {
  /** Makes the packet engine; its events come back here. */
  readonly createEngine: (onEvent: (event: EngineEvent) => void) => MediaEngine;
  /** Address that client ports are bound to. */
  readonly boundAddress: string;
  /** Address that clients are told: another one where a static NAT stands before edge. */
  readonly announcedAddress: string;
  /** Address and ports that core's links come to, 2776 and 2777 by default. */
  readonly linkAddress: string;
  readonly linkPorts: readonly number[];
  /** Client ports, even first, odd last. */
  readonly firstPort: number;
  readonly lastPort: number;
  /** How long a port pair rests before its next use. */
  readonly portQuarantineMs: number;
  /** DSCP of what is sent by kind of media (RFC 2474, 4594); the portable engine cannot mark. */
  readonly dscp: Readonly<Record<MediaKind, number>>;
  /** Unproven sources per port that are remembered, and the packets per second they may send in all. */
  readonly maxPendingSources: number;
  readonly probePacketsPerSecond: number;
  /** Streams that one session may have: two for each media section a description may carry. */
  readonly maxStreamsPerSession: number;
  /** Sessions that one core may have. */
  readonly maxSessionsPerCore: number;
  /** After this long without a packet core is asked whether the session still lives. */
  readonly idleAfterMs: number;
  /** How long streams outlive the control channel of their core. */
  readonly controlLostGraceMs: number;
  /** A link without a hello for this long is reported down. */
  readonly linkDeadMs: number;
  readonly now: () => number;
  /** Calls `action` once after `ms`; the returned function cancels it. */
  readonly after: (ms: number, action: () => void) => () => void;
  readonly randomBelow: (limit: number) => number;
  readonly reportMedia: (core: string, status: { state: 'up' | 'down'; cause: string }) => void;
  readonly log: EdgeMediaLog;
  readonly count: (event: string, reason?: string) => void;
}

/** The part of pino that is used here. */
export interface EdgeMediaLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

/** Who sent a control message, as zones pinned it, and a way to ask back. */
export interface CoreControl {
  readonly peer: { readonly name: string };
  request(type: string, body: unknown, options?: { timeoutMs?: number }): Promise<unknown>;
}

/** Why a control message was refused; the reason is a bounded word and counted. */
export class EdgeMediaRefusal extends Error {
  readonly reason: string;
  constructor(reason: EdgeMediaRefusal['reason'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EdgeMediaRefusal';
    this.reason = reason;
  }
}
