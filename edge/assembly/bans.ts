// From edge's configuration to its ban list, and which refusals of its doors count as a breach of protocol. The links to
// the cores have doors of their own, which this list never closes.
import { isIP } from 'node:net';
import type { Count, Log } from '../../admin/index.ts';
import { type BanList, createBanList, type Exemption } from '../../auth/index.ts';
import { BAN_LIMITS, type EdgeConfig } from '../../config/index.ts';

/** Edge's own ban list, which takes over those of its cores. */
export function edgeBans(
  config: Pick<EdgeConfig, 'intrusionProtection' | 'traversalZones'>,
  observers: { readonly log: Log; readonly count: Count },
): BanList {
  const { categories, exempt } = config.intrusionProtection;
  const pair = config.traversalZones.flatMap(({ edges }) => edges.map(({ address }) => address));
  const on = Object.entries(categories).filter(([, { enabled }]) => enabled);
  return createBanList({
    ...BAN_LIMITS,
    categories: new Map(
      on.map(([name, { triggerLevel, window, block }]) => [
        kebab(name),
        { triggerLevel, windowMs: window, blockMs: block },
      ]),
    ),
    exempt: [
      ...exempt.map(({ network, categories: named }): Exemption => ({ network, categories: named ?? 'all' })),
      ...pair
        .filter((address) => isIP(address) !== 0)
        .map((network): Exemption => ({ network, categories: 'all' })),
    ],
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

/** The loader writes keys in camel case; a category keeps its own name. */
function kebab(key: string): string {
  return key.replaceAll(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`);
}
