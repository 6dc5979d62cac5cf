// From core's configuration to what it knows of call control before discovery.
import { CORE_LIMITS } from '../../config/index.ts';
import type { CoreConfig } from '../../config/index.ts';
import { ownRules, webNodes } from './allow-list.ts';
import type { ClusterOptions } from '../unified-cm/index.ts';

type ClusterConfig = CoreConfig['unifiedCm'][number];

/** HTTPS ports of Unity Connection (mra-wire §7.3); its notifier ports wait until their paths are known. */
const unityPorts = [443, 8443];

function sipPorts({ sip, icePassthrough }: ClusterConfig): ClusterOptions['sip'] {
  return {
    passesIce: icePassthrough,
    tcpPort: sip.transport === 'tcp' ? sip.tcpPort : undefined,
    tlsPort: sip.transport === 'tls' ? sip.tlsPort : undefined,
    oauthPort: sip.transport === 'oauth' ? sip.oauthPort : undefined,
  };
}

/** The clusters; each is named by its publisher. */
export function clusterOptions(config: CoreConfig): readonly ClusterOptions[] {
  const rules = ownRules(config);
  return config.unifiedCm.map((cluster, index) => ({
    name: cluster.publisher,
    deployment: cluster.deployment,
    publisher: cluster.publisher,
    trust: cluster.authority?.reveal(),
    ports: {
      web: cluster.udsPort,
      files: cluster.filePorts.http,
      filesTls: cluster.filePorts.https,
      headset: cluster.headsetPort,
      unity: unityPorts,
    },
    sip: sipPorts(cluster),
    tftp: cluster.tftp ?? [],
    staticNodes: [
      ...cluster.staticNodes.map(({ name, kind, address }) => ({
        name,
        kind,
        ...(address === undefined ? {} : { address }),
      })),
      ...webNodes(config, rules, index),
    ],
    refreshMs: cluster.refreshInterval,
    retryMs: cluster.retryInterval,
    maxTries: CORE_LIMITS.maxTriesPerQuestion,
  }));
}

/** The authorities of every cluster as one PEM; undefined: the system's. */
export function insideAuthorities(config: CoreConfig): string | undefined {
  const texts = config.unifiedCm
    .map(({ authority }) => authority?.reveal())
    .filter((text) => text !== undefined);
  return texts.length === 0 ? undefined : texts.join('\n');
}
