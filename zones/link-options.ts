// The settings of a zone's links that both sides share. Every number is the operator's to choose; defaults, ranges
// and prose live in config/.
import type { ControlOptions } from './control/channel.ts';
import type { Clock } from './clock.ts';
import type { Count, LinkLog, ZonePlugs } from './peer.ts';
import type { ChannelGuardOptions } from './ssh/channel-guard.ts';
import type { StatusOptions } from './zone-status.ts';
import type { TraversalZone } from './zone-file.ts';

export interface LinkTiming {
  /** From TCP connection to a finished login or handshake. */
  readonly loginTimeoutMs: number;
  /** How often each side gives a sign of life. */
  readonly pingIntervalMs: number;
  /** Silence after which a peer is taken for dead. */
  readonly deadAfterMs: number;
  /** How long a control request waits for its reply unless its caller says. */
  readonly requestTimeoutMs: number;
}

export interface LinkLimits {
  readonly channels: ChannelGuardOptions;
  /** Bytes waiting in the SSH connection's socket above which the peer is taken for stuck. */
  readonly maxQueuedBytes: number;
  /** The same for the control channel alone. */
  readonly maxControlQueuedBytes: number;
  /** Control requests of ours that may wait at once. */
  readonly maxOutstandingRequests: number;
  /** Control messages of the peer that may be at work at once. */
  readonly maxHandledRequests: number;
}

export interface LinkOptions extends ZonePlugs {
  readonly zone: TraversalZone;
  readonly timing: LinkTiming;
  readonly limits: LinkLimits;
  readonly status: StatusOptions;
  /** Version of this software, shown to the other side. */
  readonly software: string;
  readonly clock: Clock;
  readonly log: LinkLog;
  readonly count: Count;
}

/** A peer may dribble bytes without ever finishing a message; this many times `deadAfterMs` is the end of patience. */
const SILENT_FACTOR = 5;

export function controlOptions(options: LinkOptions): ControlOptions {
  const { zone, timing, limits, status, software, controlHandlers, clock, log, count } = options;
  return {
    hello: { protocol: 1, name: zone.self.name, software, configHash: status.configHash },
    maxOutstanding: limits.maxOutstandingRequests,
    maxHandling: limits.maxHandledRequests,
    pingIntervalMs: timing.pingIntervalMs,
    helloTimeoutMs: timing.loginTimeoutMs,
    silentAfterMs: timing.deadAfterMs * SILENT_FACTOR,
    requestTimeoutMs: timing.requestTimeoutMs,
    maxQueuedBytes: limits.maxControlQueuedBytes,
    handlers: controlHandlers,
    clock,
    log,
    count,
  };
}
