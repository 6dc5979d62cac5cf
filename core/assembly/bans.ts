// From core's configuration to its ban list. The peers of the pair are never shut out, whatever an operator forgets.
import { isIP } from 'node:net';
import type { Count, Log } from '../../admin/index.ts';
import { type BanList, createBanList, type Exemption } from '../../auth/index.ts';
import { BAN_LIMITS, type CoreConfig } from '../../config/index.ts';

/** Core's ban list; `tellEdges` hears of each new ban. */
export function coreBans(
  config: Pick<CoreConfig, 'intrusionProtection' | 'traversalZones' | 'sip'>,
  tellEdges: (list: BanList) => void,
  observers: { readonly log: Log; readonly count: Count },
): BanList {
  const { categories, exempt } = config.intrusionProtection;
  const pair = [
    config.sip.address,
    ...config.traversalZones.flatMap(({ edges }) => edges.map(({ address }) => address)),
  ];
  const on = Object.entries(categories).filter(([, { enabled }]) => enabled);
  const list: BanList = createBanList({
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
      tellEdges(list);
    },
  });
  return list;
}

/** The loader writes keys in camel case; a category keeps its own name. */
function kebab(key: string): string {
  return key.replaceAll(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`);
}
