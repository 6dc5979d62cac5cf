// One log line per request: enough to follow it through both processes by its TrackingID, nothing that lets anyone in.
import type { Lane } from '../../zones/lane.ts';

/** Longest client-supplied text that is logged. */
const MAX_LOGGED = 256;

/** What is known of a request when it is over. */
export interface AccessFacts {
  readonly transaction: number;
  readonly trackingId: string;
  readonly clientTrackingId: string | undefined;
  readonly client: string;
  readonly method: string;
  readonly lane: Lane | undefined;
  readonly path: string;
  readonly query: string | undefined;
  /** 0 when the client was cut off without an answer. */
  readonly status: number;
  readonly elapsedMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly core: string | undefined;
  readonly reason: string | undefined;
}

/** The line, always of one shape: what is undefined is not written. Names and counts only of the query. */
export function accessLine(facts: AccessFacts): object {
  const { lane, query } = facts;
  return {
    transaction: facts.transaction,
    trackingId: facts.trackingId,
    clientTrackingId: facts.clientTrackingId?.slice(0, MAX_LOGGED),
    client: facts.client,
    method: facts.method,
    domain: lane?.domain,
    node: lane?.kind === 'proxy' ? `${lane.protocol}://${lane.host}:${lane.port}` : undefined,
    path: facts.path.slice(0, MAX_LOGGED),
    query: query === undefined ? undefined : redactQuery(query),
    status: facts.status,
    ms: Math.round(facts.elapsedMs * 10) / 10,
    bytesIn: facts.bytesIn,
    bytesOut: facts.bytesOut,
    core: facts.core,
    reason: facts.reason,
  };
}

/** The names of the parameters; a part without a name is data and becomes a star too. */
export function redactQuery(query: string): string {
  return query
    .slice(0, MAX_LOGGED)
    .split('&')
    .map((part) => (part.includes('=') ? `${part.slice(0, part.indexOf('='))}=*` : '*'))
    .join('&');
}
