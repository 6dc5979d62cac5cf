// Bans as elements of nftables sets, in the JSON that `nft -j -f -` reads (libnftables-json(5)): one transaction per input.
// Nothing here is text that a shell or the nft language would read: addresses are checked, names are the operator's.
import { isIPv4, isIPv6 } from 'node:net';

/** Where banned addresses go: sets of the family `inet`, used by nobody else. */
export interface NftSets {
  readonly table: string;
  /** Of type ipv4_addr. */
  readonly set: string;
  /** Of type ipv6_addr, for whole /64s. */
  readonly set6: string;
}

/** An address to keep out, and for how long. */
export interface Element {
  readonly address: string;
  readonly leftMs: number;
}

interface SetRef {
  readonly family: 'inet';
  readonly table: string;
  readonly name: string;
}

function refOf({ table, set, set6 }: NftSets, address: string): SetRef {
  return { family: 'inet', table, name: isIPv4(address) ? set : set6 };
}

/** What the kernel keeps out: an IPv4 address, or the /64 an IPv6 address lies in. */
function valueOf(address: string): unknown {
  if (isIPv4(address)) return address;
  if (!isIPv6(address) || address.includes('%')) throw new TypeError(`${address} is no address`);
  return { prefix: { addr: networkOf(address), len: 64 } };
}

/** The kernel refuses a prefix with bits behind it. */
function networkOf(address: string): string {
  const [head = '', tail] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: 8 - front.length - back.length }, () => '0');
  return `${[...front, ...zeros, ...back].slice(0, 4).join(':')}::`;
}

const print = (commands: readonly object[]): string => JSON.stringify({ nftables: commands });

/** Table and sets, made if they are not there, and the sets emptied. */
export function printReset(sets: NftSets): string {
  const { table, set, set6 } = sets;
  const family = 'inet';
  return print([
    { add: { table: { family, name: table } } },
    { add: { set: { family, table, name: set, type: 'ipv4_addr', flags: ['timeout'] } } },
    { add: { set: { family, table, name: set6, type: 'ipv6_addr', flags: ['timeout', 'interval'] } } },
    { flush: { set: { family, table, name: set } } },
    { flush: { set: { family, table, name: set6 } } },
  ]);
}

/**
 * Elements in and out. Adding one that is there changes nothing, and removing one that is not fails the transaction, so
 * each is added, removed and, to stay, added with its time.
 */
export function printChanges(sets: NftSets, added: readonly Element[], removed: readonly string[]): string {
  const element = (address: string, elem: unknown) => ({
    element: { ...refOf(sets, address), elem: [elem] },
  });
  const clear = (address: string): object[] => [
    { add: element(address, valueOf(address)) },
    { delete: element(address, valueOf(address)) },
  ];
  return print([
    ...removed.flatMap(clear),
    ...added.flatMap(({ address, leftMs }) => {
      const timeout = Math.max(1, Math.ceil(leftMs / 1000));
      return [...clear(address), { add: element(address, { elem: { val: valueOf(address), timeout } }) }];
    }),
  ]);
}
