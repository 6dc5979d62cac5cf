// Where everything of the lab stands: one loopback address per machine of a real installation, standard ports
// where an ordinary user may open them. DNS is on 10053, since 53 needs root.

/** One listener that must be free before the lab starts. */
export interface LabPort {
  readonly owner: string;
  readonly address: string;
  readonly port: number;
  readonly transport: 'tcp' | 'udp';
}

export const addressPlan = {
  domain: 'example.com',
  edge: {
    name: 'edge.example.com',
    address: '127.0.10.10',
    https: 8443,
    sip: 5061,
    xmpp: 5222,
    turn: 3478,
    turnTls: 5349,
    admin: 8090,
  },
  core: { name: 'core.example.com', address: '127.0.10.20', sip: 5060, admin: 8090 },
  link: { ssh: 2222, sip: 7001, xmpp: 7400, media: [2776, 2777] },
  unifiedCm: { name: 'ucm1.example.com', address: '127.0.10.30' },
  imPresence: { name: 'im1.example.com', address: '127.0.10.40', xmpp: 5222, soap: 8443 },
  identityProvider: { name: 'idp.example.com', address: '127.0.10.60', port: 8443 },
  outsideDns: { address: '127.0.10.53', port: 10_053 },
  insideDns: { address: '127.0.10.54', port: 10_053 },
  client: { address: '127.0.10.100' },
  deskPhone: { address: '127.0.10.200' },
  stranger: { address: '127.0.10.66' },
} as const;

/** Every listener of the lab, in the order they open. */
export function labPorts(): LabPort[] {
  const { edge, core, link, unifiedCm, imPresence, outsideDns, insideDns } = addressPlan;
  const row = (owner: string, address: string, port: number, transport: LabPort['transport'] = 'tcp') => ({
    owner,
    address,
    port,
    transport,
  });
  return [
    row('DNS, outside view', outsideDns.address, outsideDns.port),
    row('DNS, outside view', outsideDns.address, outsideDns.port, 'udp'),
    row('DNS, inside view', insideDns.address, insideDns.port),
    row('DNS, inside view', insideDns.address, insideDns.port, 'udp'),
    ...[8443, 6970, 6972, 5060, 5061].map((port) => row('Unified CM', unifiedCm.address, port)),
    row('IM and Presence', imPresence.address, imPresence.xmpp),
    row('identity provider', addressPlan.identityProvider.address, addressPlan.identityProvider.port),
    row('IM and Presence', imPresence.address, imPresence.soap),
    ...[edge.https, edge.sip, edge.xmpp, link.ssh, link.sip, link.xmpp, edge.admin].map((port) =>
      row('edge', edge.address, port),
    ),
    ...[edge.turn, edge.turnTls].map((port) => row('edge', edge.address, port)),
    ...[...link.media, edge.turn, edge.turnTls].map((port) => row('edge', edge.address, port, 'udp')),
    ...[core.sip, core.admin].map((port) => row('core', core.address, port)),
  ];
}
