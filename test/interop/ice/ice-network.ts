// Two homes behind symmetric NATs and a relay on the internet between them, each a network namespace: every connection of
// a home leaves from another port, so that no address learned by one path is good for another, and only the relay helps.
import { type Namespace, Network } from '../../topology/network.ts';

export const RELAY = '203.0.113.10';

/** Another port for each connection, and nothing comes in that was not asked for. */
const SYMMETRIC_NAT = `
table ip nat {
  chain out {
    type nat hook postrouting priority 100
    oifname "eth0" masquerade fully-random
  }
}
table ip guard {
  chain through {
    type filter hook forward priority 0; policy drop
    ct state established,related accept
    iifname "home" accept
  }
}
`;

export interface IceNetwork {
  readonly relay: Namespace;
  /** Where the two clients run. */
  readonly homes: readonly [Namespace, Namespace];
  remove(): void;
}

export function buildIceNetwork(): IceNetwork {
  const network = new Network('ice');
  const internet = network.namespace('internet');
  internet.bridge('net', '203.0.113.1/24');
  const join = (at: Namespace, address: string): void => {
    network.join({ at, address: `${address}/24` }, { at: internet, bridge: 'net' });
  };
  const relay = network.namespace('relay');
  join(relay, RELAY);
  const home = (index: number): Namespace => {
    const nat = network.namespace(`nat${index}`);
    const inside = network.namespace(`home${index}`);
    join(nat, `203.0.113.${100 + index}`);
    network.join(
      { at: inside, address: `10.1.${index}.2/24` },
      { at: nat, device: 'home', address: `10.1.${index}.1/24` },
    );
    nat.forwardPackets();
    inside.route('default', `10.1.${index}.1`);
    nat.feed(SYMMETRIC_NAT, 'nft', '-f', '-');
    return inside;
  };
  return { relay, homes: [home(1), home(2)], remove: () => network.remove() };
}
