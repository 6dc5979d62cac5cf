// The two sides of the SIP benchmarks, started and ready for phones: Viaduct, and the Kamailio pair beside it.
import path from 'node:path';
import { startPeerPair } from './sip-kamailio.ts';
import { withChildren } from './sip-measure.ts';
import { Phone } from './sip-phone.ts';
import { CORE, DOMAIN, EDGE, nodeFlags, startViaduct, type Stage } from './sip-stage.ts';

export interface Proxies {
  readonly name: 'viaduct' | 'kamailio';
  /** Processes of the two proxies with what they have forked by now. */
  readonly pids: () => { readonly edge: readonly number[]; readonly core: readonly number[] };
  /** Connects the phone with this number; it has not said anything yet. */
  readonly phone: (index: number) => Promise<Phone>;
}

/** Edge and core that let `maxConnections` in. */
export async function openOurs(stage: Stage, maxConnections: number): Promise<Proxies> {
  const { edge, core } = await startViaduct(stage, { maxConnections, nodeFlags: nodeFlags() });
  const route = `<sip:${CORE}:5061;transport=tls;zone-id=1;directed;lr>`;
  return {
    name: 'viaduct',
    pids: () => ({ edge: [edge.pid], core: [core.pid] }),
    phone: (index) => openPhone(stage, index, { host: stage.at.edge, prefix: 'v', route }),
  };
}

/** The Kamailio pair; `sharedMiB` is the pool that its processes share. */
export async function openPeer(stage: Stage, sharedMiB: number): Promise<Proxies> {
  const { folder, keeper, at } = stage;
  const identity = (name: string) => ({
    chain: path.join(folder, `${name}.pem`),
    key: path.join(folder, `${name}.key`),
  });
  const [edge, core] = await startPeerPair(keeper, folder, {
    edge: at.peerEdge,
    core: at.peerCore,
    registrar: `${at.registrar}:5060`,
    edgeIdentity: identity(EDGE),
    coreIdentity: identity(CORE),
    authority: path.join(folder, 'authority.pem'),
    sharedMiB,
  });
  return {
    name: 'kamailio',
    pids: () => ({ edge: withChildren(edge.pid), core: withChildren(core.pid) }),
    phone: (index) => openPhone(stage, index, { host: at.peerEdge, prefix: 'k', route: undefined }),
  };
}

function openPhone(
  { at }: Stage,
  index: number,
  { host, prefix, route }: { host: string; prefix: string; route: string | undefined },
): Promise<Phone> {
  const same = { port: 5061, domain: DOMAIN, target: at.registrar };
  return Phone.open({ ...same, host, from: at.client(index), user: `${prefix}${index}`, route });
}
