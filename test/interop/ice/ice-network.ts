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

/** No UDP on the line for SIP, nor where it would be lost in any case: an agent that hears so at once need not wait. */
const ONLY_TCP = `
table ip signalling {
  chain out {
    type filter hook output priority 0
    oifname "sip" meta l4proto udp drop
    ip daddr { 10.1.0.0/16, 203.0.113.100-203.0.113.110 } meta l4proto udp drop
  }
}
`;

export interface IceNetwork {
  readonly relay: Namespace;
  /** Where the two clients run. */
  readonly homes: readonly [Namespace, Namespace];
  /** Joins the homes by a line for SIP over TCP that carries no UDP; their addresses on it. */
  joinForSignalling(): readonly [string, string];
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
  const homes = [home(1), home(2)] as const;
  const joinForSignalling = (): readonly [string, string] => {
    const addresses = ['192.168.9.1', '192.168.9.2'] as const;
    const [left, right] = homes.map((at, index) => ({
      at,
      device: 'sip',
      address: `${addresses[index]}/24`,
    }));
    network.join(left!, right!);
    for (const at of homes) at.feed(ONLY_TCP, 'nft', '-f', '-');
    return addresses;
  };
  return { relay, homes, joinForSignalling, remove: () => network.remove() };
}
