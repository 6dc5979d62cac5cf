// The answer to get_edge_config: where the client finds its services. Elements and order as clients know them; they
// read `sipEdgeServer`, `sipRequest` and `userUdsServer` by path. Built from configuration and discovery only.
import type { UserHome } from '../unified-cm/index.ts';
import type { EdgeAddress } from './edge-address.ts';
import { leaf } from './xml-text.ts';

export interface EdgeConfigFacts {
  /** The edges to use, the one that is asking first. */
  readonly edges: readonly EdgeAddress[];
  readonly home: UserHome;
  /** What clients put into Route: this core as the asking edge reaches it. */
  readonly route: SipRoute;
  /** Service names the client asked for. */
  readonly serviceNames: readonly string[];
}

export interface SipRoute {
  readonly address: string;
  readonly port: number;
  /** Number of the zone on the edge that leads here. */
  readonly zoneId: number;
}

/** Services that are always told, asked for or not, in this order. */
const usualServices = ['_cisco-phone-tftp', '_cuplogin', '_cisco-uds'] as const;

export function printEdgeConfig(facts: EdgeConfigFacts): string {
  return (
    `<?xml version='1.0' encoding='UTF-8'?>` +
    `<getEdgeConfigResponse version="1.0">${serviceConfig(facts)}${edgeConfig(facts)}</getEdgeConfigResponse>`
  );
}

/** `<sip:address:port;transport=tls;zone-id=N;directed;lr>`. */
export function printRoute({ address, port, zoneId }: SipRoute): string {
  const host = address.includes(':') ? `[${address}]` : address;
  return `<sip:${host}:${port};transport=tls;zone-id=${zoneId};directed;lr>`;
}

function serviceConfig({ home, serviceNames }: EdgeConfigFacts): string {
  const names = new Set<string>([...usualServices, ...serviceNames]);
  names.delete('tftpServer');
  const services = [...names].map((name) => service(name, serversOf(name, home), home.udsPort)).join('');
  const [primary = '', backup = ''] = home.tftpServers;
  const tftp = `<service>${leaf('name', 'tftpServer')}${leaf('address', primary)}${leaf('address', backup)}</service>`;
  return `<serviceConfig>${services}${tftp}</serviceConfig>`;
}

function serversOf(name: string, home: UserHome): readonly string[] {
  if (name === '_cisco-uds') return home.udsServers;
  // Other services have no servers of their own: files are announced as tftpServer.
  return name === '_cuplogin' ? home.imPresenceServers : [];
}

/** Like a DNS SRV answer, with the web port of the cluster; `NameError` is the answer for a name that does not exist. */
function service(name: string, servers: readonly string[], port: number): string {
  if (servers.length === 0) return `<service>${leaf('name', name)}${leaf('error', 'NameError')}</service>`;
  const rows = servers.map(
    (address) =>
      `<server>${leaf('priority', 1)}${leaf('weight', 1)}${leaf('port', port)}${leaf('address', address)}</server>`,
  );
  return `<service>${leaf('name', name)}${rows.join('')}</service>`;
}

function edgeConfig({ edges, home, route }: EdgeConfigFacts): string {
  const servers = (name: string, portOf: (edge: EdgeAddress) => number | undefined): string => {
    const rows = edges.map((edge) => server(edge.address, portOf(edge))).join('');
    return rows === '' ? `<${name}/>` : `<${name}>${rows}</${name}>`;
  };
  return (
    '<edgeConfig>' +
    servers('sipEdgeServer', ({ sipPort }) => sipPort) +
    `<sipRequest>${leaf('route', printRoute(route))}</sipRequest>` +
    servers('xmppEdgeServer', ({ xmppPort }) => xmppPort) +
    servers('httpEdgeServer', ({ httpsPort }) => httpsPort) +
    '<turnEdgeServer/>' +
    `<userUdsServer>${server(home.node, home.udsPort)}</userUdsServer>` +
    '</edgeConfig>'
  );
}

function server(address: string, port: number | undefined): string {
  return port === undefined ? '' : `<server>${leaf('address', address)}${leaf('tlsPort', port)}</server>`;
}
