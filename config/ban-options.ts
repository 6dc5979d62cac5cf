// From the `intrusion-protection` section, which edge and core have in common, to the rules and exemptions of a ban list.
import { isIP } from 'node:net';
import { BAN_LIMITS } from './limits.ts';

interface CategorySettings {
  readonly enabled: boolean;
  readonly triggerLevel: number;
  readonly window: number;
  readonly block: number;
}

/** The section as it was read. */
interface IntrusionSettings {
  readonly categories: Readonly<Record<string, CategorySettings>>;
  readonly exempt: readonly {
    readonly network: string;
    readonly categories?: readonly string[] | undefined;
  }[];
}

/** Who is counted and for how long: the part of a ban list's options that the configuration says. */
export interface BanSettings {
  readonly categories: ReadonlyMap<
    string,
    { readonly triggerLevel: number; readonly windowMs: number; readonly blockMs: number }
  >;
  readonly exempt: readonly { readonly network: string; readonly categories: readonly string[] | 'all' }[];
  readonly maxBans: number;
  readonly maxCounters: number;
  readonly maxHistory: number;
}

/** `pair` are the addresses of the own peers, as far as they are addresses: never shut out, whatever an operator forgets. */
export function banSettings(section: IntrusionSettings, pair: readonly string[]): BanSettings {
  const on = Object.entries(section.categories).filter(([, { enabled }]) => enabled);
  const { maxBans, maxCounters, maxHistory } = BAN_LIMITS;
  return {
    categories: new Map(
      on.map(([name, { triggerLevel, window, block }]) => [
        kebab(name),
        { triggerLevel, windowMs: window, blockMs: block },
      ]),
    ),
    exempt: [
      ...section.exempt.map(({ network, categories }) => ({
        network,
        categories: categories ?? ('all' as const),
      })),
      ...pair
        .filter((address) => isIP(address) !== 0)
        .map((network) => ({ network, categories: 'all' as const })),
    ],
    maxBans,
    maxCounters,
    maxHistory,
  };
}

/** The loader writes keys in camel case; a category keeps its own name. */
function kebab(key: string): string {
  return key.replaceAll(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`);
}
