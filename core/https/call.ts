// One request on its way through core: what was established about it before any service sees it.
import type { ServerExchange } from '../../http/index.ts';
import type { PeerIdentity } from '../../zones/peer.ts';
import type { RequestRecord } from './request-record.ts';
import type { Trace } from './trace.ts';

export interface Call {
  readonly exchange: ServerExchange;
  /** The edge whose link it came through: proven, unlike anything in the request. */
  readonly peer: PeerIdentity;
  readonly trace: Trace;
  readonly domain: string;
  readonly deployment: string;
  readonly record: RequestRecord;
}
