// The three packet filters of the topology as nftables rules, from the guide's port tables (firewall chapter): nothing
// inward through the inner one except replies, and counters that say so.
import type { Namespace } from './network.ts';
import { ADDRESS } from './addresses.ts';

/** What the inner firewall counted, in packets. */
export interface InnerCounters {
  /** First packets of flows that core opened towards the DMZ. */
  readonly openedByCore: number;
  /** Packets inward that belong to such a flow. */
  readonly replies: number;
  /** Packets from the DMZ inward that belong to no flow of core's: dropped. */
  readonly inward: number;
  /** Packets outward to a port that is not one of core's four: dropped. */
  readonly notAllowedOutward: number;
}

/** Home router of the clients: everything out, masqueraded; nothing in but replies. */
export function loadNat(at: Namespace, wan: string): void {
  load(
    at,
    `table ip nat {
      chain leaving { type nat hook postrouting priority 100; oifname "${wan}" masquerade; }
      chain through {
        type filter hook forward priority 0; policy drop;
        ct state established,related accept
        oifname "${wan}" accept
      }
    }`,
  );
}

/** Outer firewall: the edge's public address is a static translation; the client-side ports come in. */
export function loadOuter(at: Namespace, ports: { wan: string; dmz: string }): void {
  load(
    at,
    `table ip outer {
      chain arriving { type nat hook prerouting priority -100; ip daddr ${ADDRESS.edgePublic} dnat to ${ADDRESS.edgeExternal}; }
      chain leaving { type nat hook postrouting priority 100; ip saddr ${ADDRESS.edgeExternal} oifname "${ports.wan}" snat to ${ADDRESS.edgePublic}; }
      chain fault { }
      chain through {
        type filter hook forward priority 0; policy drop;
        jump fault
        ct state established,related accept
        iifname "${ports.wan}" tcp dport { 8443, 5061, 5222 } accept
        iifname "${ports.wan}" udp dport { 3478, 36002-59999 } accept
      }
    }`,
  );
}

/**
 * Inner firewall: only core, only outward, only its four planes. Neighbours on the lan are not its business (a machine
 * with br_netfilter shows them to it all the same). `fault` holds what a test breaks for a while. */
export function loadInner(at: Namespace, ports: { dmz: string; lan: string }): void {
  load(
    at,
    `table ip inner {
      counter opened_by_core {}
      counter replies {}
      counter inward {}
      counter not_allowed_outward {}
      chain fault { }
      chain through {
        type filter hook forward priority 0; policy drop;
        iifname "${ports.lan}" oifname "${ports.lan}" accept
        jump fault
        iifname "${ports.dmz}" ct state established,related counter name replies accept
        iifname "${ports.dmz}" counter name inward drop
        ct state established,related accept
        ip saddr ${ADDRESS.core} ip daddr ${ADDRESS.edgeInternal} tcp dport { 2222, 7001, 7400 } counter name opened_by_core accept
        ip saddr ${ADDRESS.core} ip daddr ${ADDRESS.edgeInternal} udp dport { 2776, 2777 } counter name opened_by_core accept
        oifname "${ports.dmz}" counter name not_allowed_outward drop
      }
    }`,
  );
}

/** Core's connections seem to come from the inner firewall itself. */
export function hideCore(at: Namespace): void {
  load(
    at,
    `table ip hide {
      chain leaving { type nat hook postrouting priority 100; ip saddr ${ADDRESS.core} oifname "dmz" masquerade; }
    }`,
  );
}

/** The clients' router forgets its UDP mappings and makes new ones from other ports: what a home router does at will. */
export function rebindNat(at: Namespace): void {
  load(
    at,
    `flush chain ip nat leaving
    add rule ip nat leaving ip protocol udp oifname "wan" masquerade to :50000-59999 random
    add rule ip nat leaving oifname "wan" masquerade`,
  );
  at.run('conntrack', '-D', '-p', 'udp');
}

/** The clients' router lets their two networks speak to each other, as one home network would. */
export function joinHomes(at: Namespace): void {
  load(at, 'add rule ip nat through ip saddr 10.77.0.0/24 ip daddr 10.78.0.0/24 accept');
  load(at, 'add rule ip nat through ip saddr 10.78.0.0/24 ip daddr 10.77.0.0/24 accept');
}

/** The outer firewall lets packets reach relayed addresses of TURN. */
export function letRelaysIn(at: Namespace): void {
  load(at, 'add rule ip outer through iifname "wan" udp dport 24000-29999 accept');
}

/** Media packets that have crossed the inner firewall so far, both ways; the first call begins to count. */
export function countLinkMedia(at: Namespace): () => number {
  load(
    at,
    `table ip watch {
      counter link_media {}
      chain through { type filter hook forward priority -10; udp dport { 2776, 2777 } counter name link_media; udp sport { 2776, 2777 } counter name link_media; }
    }`,
  );
  return () => {
    const listing = at.run('nft', '-j', 'list', 'counters', 'table', 'ip', 'watch');
    return Number(/"packets": ?(\d+)/.exec(listing)?.[1] ?? Number.NaN);
  };
}

/** Reads the inner firewall's counters. */
export function readInner(at: Namespace): InnerCounters {
  const listing = JSON.parse(at.run('nft', '-j', 'list', 'counters')) as {
    nftables: { counter?: { name: string; packets: number } }[];
  };
  const of = (name: string): number =>
    listing.nftables.find((entry) => entry.counter?.name === name)?.counter?.packets ?? -1;
  return {
    openedByCore: of('opened_by_core'),
    replies: of('replies'),
    inward: of('inward'),
    notAllowedOutward: of('not_allowed_outward'),
  };
}

/** A plane of the link between core and edge. */
export type Plane = 'ssh' | 'sip' | 'media';

const MATCH: Readonly<Record<Plane, string>> = {
  ssh: 'tcp dport 2222',
  sip: 'tcp dport 7001',
  media: 'udp dport { 2776, 2777 }',
};
const MATCH_BACK: Readonly<Record<Plane, string>> = {
  ssh: 'tcp sport 2222',
  sip: 'tcp sport 7001',
  media: 'udp sport { 2776, 2777 }',
};

/**
 * Breaks planes at the inner firewall until `healLinks`: `silence` drops every packet both ways (a half-open
 * peer), `reset` answers core's packets with a TCP reset and drops the edge's.
 */
export function breakLinks(at: Namespace, planes: readonly Plane[], how: 'silence' | 'reset'): void {
  const rules = planes.flatMap((plane) => {
    const verdict = how === 'reset' && plane !== 'media' ? 'reject with tcp reset' : 'drop';
    return [
      `add rule ip inner fault ${MATCH[plane]} ${verdict}`,
      `add rule ip inner fault ${MATCH_BACK[plane]} ${verdict}`,
    ];
  });
  load(at, rules.join('\n'));
}

/**
 * The outer firewall resets the clients' SIP connections, both ways, until `healClients`: what a firewall that has
 * restarted does.
 */
export function resetClients(at: Namespace): void {
  load(
    at,
    `add rule ip outer fault tcp dport 5061 reject with tcp reset
    add rule ip outer fault tcp sport 5061 reject with tcp reset`,
  );
}

/** Ends what `resetClients` began. */
export function healClients(at: Namespace): void {
  load(at, 'flush chain ip outer fault');
}

/** Ends what `breakLinks` began. */
export function healLinks(at: Namespace): void {
  load(at, 'flush chain ip inner fault');
}

function load(at: Namespace, rules: string): void {
  at.feed(`${rules}\n`, 'nft', '-f', '-');
}
