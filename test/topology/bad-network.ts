// Puts the impairing relay into the path between clients and edge, and takes it out again.
import { fileURLToPath } from 'node:url';
import { ADDRESS, MEDIA_PORTS } from './addresses.ts';
import type { Ground } from './enterprise.ts';
import type { RelaySettings } from './impair-relay.ts';
import type { ProcessKeeper } from './process-keeper.ts';

export interface BadNetwork {
  /** Back to a good network; returns how many UDP packets passed and were lost. */
  end(): Promise<{ passed: number; lost: number }>;
}

/** New flows of media (and of `tcp` ports) between clients and edge go through the relay until `end`. */
export async function startBadNetwork(
  keeper: ProcessKeeper,
  ground: Ground,
  how: Pick<RelaySettings, 'loss' | 'delayMs' | 'jitterMs' | 'seed' | 'tcp'>,
): Promise<BadNetwork> {
  const settings: RelaySettings = {
    ...how,
    listen: ADDRESS.internetNearClients,
    target: ADDRESS.edgePublic,
    udp: [MEDIA_PORTS.first, MEDIA_PORTS.last],
  };
  const program = fileURLToPath(new URL('impair-relay.ts', import.meta.url));
  const relay = keeper.start([process.execPath, program, JSON.stringify(settings)], {
    inside: ground.internet.exec,
    name: 'impair-relay',
  });
  await relay.said(/relay ready/);
  const turn = `ip saddr ${ADDRESS.natPublic} ip daddr ${ADDRESS.edgePublic}`;
  const tcp =
    how.tcp.length === 0 ? '' : `${turn} tcp dport { ${how.tcp.join(', ')} } dnat to ${settings.listen}`;
  const rules = `table ip impair { chain arriving { type nat hook prerouting priority -100;
    ${turn} udp dport ${MEDIA_PORTS.first}-${MEDIA_PORTS.last} dnat to ${settings.listen}
    ${tcp}
  }
}\n`;
  ground.internet.feed(rules, 'nft', '-f', '-');
  return {
    end: async () => {
      ground.internet.run('nft', 'delete', 'table', 'ip', 'impair');
      await relay.stop();
      const counted = /relay counted (\{.*\})/.exec(relay.output())?.[1] ?? '{"passed":0,"lost":0}';
      return JSON.parse(counted) as { passed: number; lost: number };
    },
  };
}
