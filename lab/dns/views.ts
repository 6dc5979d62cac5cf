// The two faces of one domain (mra-wire §1.1). Outside: only the edge can be found, and `_cisco-uds` and
// `_cuplogin` must not exist, or a client would never try the edge. Inside: the call-control nodes.
import { parseZone, type Zone } from './zone-text.ts';

export interface NamedAddress {
  readonly name: string;
  readonly address: string;
}

/** What the internet sees of the domain. */
export function outsideView(
  domain: string,
  edges: readonly (NamedAddress & { port: number })[],
  hosts: readonly NamedAddress[],
): Zone[] {
  const rows = edges.flatMap((edge) => [
    `_collab-edge._tls IN SRV 10 10 ${edge.port} ${edge.name}.`,
    `${edge.name}. IN A ${edge.address}`,
  ]);
  rows.push(...hosts.map((host) => `${host.name}. IN A ${host.address}`));
  return [parseZone(domain, rows.join('\n'))];
}

/** What the company's own network sees. */
export function insideView(
  domain: string,
  nodes: readonly (NamedAddress & { udsPort: number })[],
  hosts: readonly NamedAddress[],
): Zone[] {
  const rows = nodes.flatMap((node) => [
    `_cisco-uds._tcp IN SRV 10 10 ${node.udsPort} ${node.name}.`,
    `${node.name}. IN A ${node.address}`,
  ]);
  rows.push(...hosts.map((host) => `${host.name}. IN A ${host.address}`));
  return [parseZone(domain, rows.join('\n'))];
}
