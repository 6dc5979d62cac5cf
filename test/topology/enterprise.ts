// The whole topology as namespaces: two clients behind a NAT, the internet, outer firewall, DMZ, inner firewall, inside.
// Makes the ground only; who runs on it is the test's business.
import type { Namespace } from './network.ts';
import { Network } from './network.ts';
import { ADDRESS, EDGE_NAME, CORE_NAME, UCM_NAME } from './addresses.ts';
import { loadInner, loadNat, loadOuter } from './firewalls.ts';

export interface Ground {
  readonly network: Network;
  readonly client: Namespace;
  readonly client2: Namespace;
  readonly nat: Namespace;
  readonly internet: Namespace;
  readonly outer: Namespace;
  readonly edge: Namespace;
  readonly inner: Namespace;
  readonly core: Namespace;
  readonly ucm: Namespace;
  readonly phone: Namespace;
  readonly phone2: Namespace;
  readonly script: Namespace;
}

/** Builds it; `network.remove()` takes it all away. */
export function buildGround(label: string): Ground {
  const network = new Network(label);
  const named = (name: string): Namespace => network.namespace(name);
  const ground: Ground = {
    network,
    client: named('client'),
    client2: named('client2'),
    nat: named('nat'),
    internet: named('internet'),
    outer: named('outer'),
    edge: named('edge'),
    inner: named('inner'),
    core: named('core'),
    ucm: named('ucm'),
    phone: named('phone'),
    phone2: named('phone2'),
    script: named('script'),
  };
  joinOutside(ground);
  joinInside(ground);
  nameEverything(ground);
  return ground;
}

function joinOutside({ network, client, client2, nat, internet, outer, edge }: Ground): void {
  network.join({ at: client, address: `${ADDRESS.client}/24` }, { at: nat, address: '10.77.0.1/24' });
  network.join({ at: client2, address: `${ADDRESS.client2}/24` }, { at: nat, address: '10.78.0.1/24' });
  client.route('default', '10.77.0.1');
  client2.route('default', '10.78.0.1');
  network.join(
    { at: nat, device: 'wan', address: `${ADDRESS.natPublic}/24` },
    { at: internet, address: `${ADDRESS.internetNearClients}/24` },
  );
  nat.route('default', ADDRESS.internetNearClients);
  network.join(
    { at: internet, address: `${ADDRESS.internetNearOuter}/24` },
    { at: outer, device: 'wan', address: `${ADDRESS.outerPublic}/24` },
  );
  outer.address('wan', `${ADDRESS.edgePublic}/32`);
  outer.route('default', ADDRESS.internetNearOuter);
  network.join(
    { at: outer, device: 'dmz', address: '10.10.0.1/24' },
    { at: edge, device: 'external', address: `${ADDRESS.edgeExternal}/24` },
  );
  edge.route('default', '10.10.0.1');
  for (const router of [nat, internet, outer]) router.forwardPackets();
  loadNat(nat, 'wan');
  loadOuter(outer, { wan: 'wan', dmz: 'dmz' });
}

function joinInside({ network, edge, inner, core, ucm, phone, phone2, script }: Ground): void {
  network.join(
    { at: edge, device: 'internal', address: `${ADDRESS.edgeInternal}/24` },
    { at: inner, device: 'dmz', address: `${ADDRESS.inner}/24` },
  );
  // The edge knows the way in: only the firewall stops it.
  edge.route('10.30.0.0/24', ADDRESS.inner);
  inner.bridge('lan', '10.30.0.1/24');
  const hosts = { core, ucm, phone, phone2, script };
  for (const name of ['core', 'ucm', 'phone', 'phone2', 'script'] as const) {
    network.join({ at: hosts[name], address: `${ADDRESS[name]}/24` }, { at: inner, bridge: 'lan' });
    hosts[name].route('default', '10.30.0.1');
  }
  inner.forwardPackets();
  loadInner(inner, { dmz: 'dmz', lan: 'lan' });
}

function nameEverything({ client, client2, edge, core, ucm, phone, phone2, script }: Ground): void {
  for (const outside of [client, client2]) outside.names({ nameserver: ADDRESS.internetNearClients });
  edge.names({ hosts: { [EDGE_NAME]: ADDRESS.edgeExternal } });
  for (const inside of [core, phone, phone2, script]) inside.names({ nameserver: ADDRESS.ucm });
  ucm.names({ hosts: { [UCM_NAME]: ADDRESS.ucm, [CORE_NAME]: ADDRESS.core } });
}
