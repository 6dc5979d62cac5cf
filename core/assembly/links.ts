// From core's configuration to the options of its links.
import { randomInt } from 'node:crypto';
import type { Count, Log } from '../../admin/index.ts';
import { LINK_LIMITS, linkOptions } from '../../config/index.ts';
import type { CoreConfig, PortRange } from '../../config/index.ts';
import type { TraversalClientOptions, TraversalZone, ZonePlugs } from '../../zones/index.ts';

const RANDOM_STEPS = 2 ** 32;

const fromTo = ({ first, last }: PortRange): { from: number; to: number } => ({ from: first, to: last });

/** Options of the traversal client of one zone. */
export function coreLinkOptions(
  config: CoreConfig,
  zone: TraversalZone,
  plugs: ZonePlugs & Pick<TraversalClientOptions, 'onHttp'>,
  observers: { readonly log: Log; readonly count: Count },
): TraversalClientOptions {
  const { links } = config;
  return {
    ...linkOptions(links, zone),
    ...plugs,
    ...observers,
    localAddress: links.localAddress,
    sshSourcePorts: fromTo(links.sshSourcePorts),
    sipSourcePorts: fromTo(links.sipSourcePorts),
    connectTimeoutMs: links.connectTimeout,
    backoff: { firstMs: links.retryFirst, maxMs: links.retryMost, goodAfterMs: LINK_LIMITS.goodAfterMs },
    random: () => randomInt(RANDOM_STEPS) / RANDOM_STEPS,
  };
}
