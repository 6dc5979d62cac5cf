// From the edge's configuration to the options of its links.
import type { Count, Log } from '../../admin/index.ts';
import { LINK_LIMITS, linkOptions } from '../../config/index.ts';
import type { EdgeConfig } from '../../config/index.ts';
import type { StrangerWatch, TraversalServerOptions, TraversalZone, ZonePlugs } from '../../zones/index.ts';

/** Options of the traversal server of one zone. */
export function edgeLinkOptions(
  config: EdgeConfig,
  zone: TraversalZone,
  plugs: ZonePlugs,
  strangers: StrangerWatch,
  observers: { readonly log: Log; readonly count: Count },
): TraversalServerOptions {
  const { links, listen } = config;
  return {
    ...linkOptions(links, zone),
    ...plugs,
    ...observers,
    host: listen.internal,
    sshPort: zone.ports.ssh,
    sipPort: zone.ports.sip,
    xmppPort: zone.ports.xmpp,
    admission: {
      maxPending: links.maxStrangers,
      maxPendingPerAddress: links.maxStrangersPerAddress,
      perAddressPerSecond: LINK_LIMITS.perAddressPerSecond,
      perAddressBurst: LINK_LIMITS.perAddressBurst,
      maxAddresses: LINK_LIMITS.maxAddresses,
    },
    strangers,
    maxStrangerBytes: LINK_LIMITS.maxStrangerBytes,
    rekeyBytes: links.rekeyBytes,
    rekeyIntervalMs: links.rekeyInterval,
  };
}
