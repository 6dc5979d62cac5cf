// The zones that discovery makes for SIP: one per node and way of reaching it, named as administrators know them.
import type { CallControlNode } from './node.ts';

/** Ports of the ways that are switched on; undefined is off. */
export interface SipPorts {
  readonly tcpPort: number | undefined;
  readonly tlsPort: number | undefined;
  readonly oauthPort: number | undefined;
  /** ICE passthrough is switched on for the cluster. */
  readonly passesIce?: boolean;
}

export interface SipZone {
  /** `CEtcp-<node>`, `CEtls-<node>` or `CEOAuth-<node>`. */
  readonly zone: string;
  /** The node's name, which its certificate must cover. */
  readonly name: string;
  /** The addresses pinned at discovery; the first is dialled. */
  readonly addresses: readonly [string, ...string[]];
  readonly transport: 'tcp' | 'tls';
  readonly port: number;
  readonly cluster: string;
  readonly deployment: string;
  /** Keys and candidates may go to it as they came: switched on, and over TLS. */
  readonly passesIce: boolean;
  /** PEM of the authorities for TLS; undefined: the system's. */
  readonly trust: string | undefined;
}

/** The zones of one node; none before its address is known. */
export function sipZonesOf(node: CallControlNode, ports: SipPorts): SipZone[] {
  const [first, ...others] = node.addresses;
  if (first === undefined || !node.kinds.includes('unified-cm')) return [];
  const { name, cluster, deployment, trust } = node;
  const zone = (prefix: string, transport: 'tcp' | 'tls', port: number | undefined): SipZone[] =>
    port === undefined
      ? []
      : [
          {
            zone: `${prefix}-${name}`,
            name,
            addresses: [first, ...others],
            transport,
            port,
            cluster,
            deployment,
            passesIce: ports.passesIce === true && transport === 'tls',
            trust,
          },
        ];
  return [
    ...zone('CEtcp', 'tcp', ports.tcpPort),
    ...zone('CEtls', 'tls', ports.tlsPort),
    ...zone('CEOAuth', 'tls', ports.oauthPort),
  ];
}
