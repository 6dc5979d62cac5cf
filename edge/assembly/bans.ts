// From edge's configuration to its ban list, and which refusals of its doors count as a breach of protocol.
import type { Count, Log } from '../../admin/index.ts';
import { type BanList, createBanList } from '../../auth/index.ts';
import { banSettings, type EdgeConfig } from '../../config/index.ts';

/** Edge's own ban list, which takes over those of its cores. */
export function edgeBans(
  config: Pick<EdgeConfig, 'intrusionProtection' | 'traversalZones'>,
  observers: { readonly log: Log; readonly count: Count },
): BanList {
  const pair = config.traversalZones.flatMap(({ edges }) => edges.map(({ address }) => address));
  return createBanList({
    ...banSettings(config.intrusionProtection, pair),
    now: Date.now,
    count: observers.count,
    onBan: ({ id, category, failures, until }) => {
      observers.log.warn(
        { event: 'Shut Out', id, category, failures, until },
        'failed too often; viaduct bans unblock lets in again',
      );
    },
  });
}

/**
 * Refusals of a door that only a hostile client earns. A target that is not canonical, a head that is too long, another
 * version are mistakes that honest clients make too, over and over.
 */
const breaches: ReadonlySet<string> = new Set([
  'syntax',
  'bare-cr-or-lf',
  'control-character',
  'folded-header',
  'header-name',
  'framing',
  'chunk',
  'trailer',
  'transfer-coding',
  'malformed',
  'flow-forged',
  'forbidden-xml',
]);

/** Counts a refusal of a door against the client's address. */
export function noteBreach(
  bans: BanList,
  category: 'http-protocol' | 'sip-protocol' | 'xmpp-protocol',
  address: string,
  reason: string,
): void {
  if (breaches.has(reason)) bans.note(category, { kind: 'address', address });
}
