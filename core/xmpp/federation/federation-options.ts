// What federation at core needs; defaults, ranges and prose live in config/.
import type { ServerConnectionLimits } from '../../../xmpp/s2s/index.ts';
import type { StreamLimits } from '../../../xmpp/index.ts';
import type { Clock, ControlChannel, FederationPolicy, LinkLog } from '../../../zones/index.ts';
import type { XmppNode } from '../core-xmpp-options.ts';

/** A domain of ours that federates: one of users, or of a service such as group chat. */
export interface FederatedDomain {
  readonly name: string;
  /** Servers inside that answer for it. */
  readonly nodes: readonly XmppNode[];
}

/** How stanzas wait and how a target that fails is left alone. */
export interface RoadOptions {
  /** Pairs of domains with stanzas under way or lately. */
  readonly maxRoads: number;
  /** Bytes that may wait for one pair while its stream is being opened. */
  readonly maxWaitingBytes: number;
  /** Pause before a target that failed is tried again: first, and at most. */
  readonly retryFirstMs: number;
  readonly retryMostMs: number;
  /** A stream without stanzas for this long is closed. */
  readonly idleTimeoutMs: number;
  readonly clock: Clock;
  readonly count: (event: string, reason?: string) => void;
}

export interface CoreFederationOptions extends RoadOptions {
  readonly policy: FederationPolicy;
  readonly domains: readonly FederatedDomain[];
  /** Where servers inside reach core as if it were the partner. */
  readonly host: string;
  readonly port: number;
  /** Port of those servers. */
  readonly nodePort: number;
  readonly certificate: { readonly chain: string; readonly key: string };
  readonly limits: ServerConnectionLimits;
  /** Connections of servers inside. */
  readonly maxConnections: number;
  readonly maxPairsPerConnection: number;
  readonly maxQuestionsPerConnection: number;
  /** What an edge may send for a partner: its stanzas printed anew. */
  readonly edgeLimits: StreamLimits;
  readonly maxFrameBytes: number;
  /** Streams that edges may have open for partners. */
  readonly maxStreams: number;
  /** From asking an edge for a stream to a partner until it is there. */
  readonly dialTimeoutMs: number;
  /** How long a server inside that failed is tried last. */
  readonly avoidNodeMs: number;
  /** Control channels of the edges that are linked now. */
  readonly edges: () => readonly ControlChannel[];
  readonly resolve: (host: string) => Promise<readonly string[]>;
  readonly newId: () => string;
  readonly log: LinkLog;
}
