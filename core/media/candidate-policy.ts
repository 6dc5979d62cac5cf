// Which addresses nobody may name as a candidate: what is never a phone's, and what the operator closes (T-017).
// One canonical form before the decision, so that ::ffff:127.0.0.1 is 127.0.0.1.
import { BlockList, isIPv6 } from 'node:net';
import { canonicalAddress } from '../../turn/index.ts';

/** A predicate over addresses. @throws Error for an entry that is no range, naming it (T-006). */
export function candidatePolicy(denied: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const entry of denied) addRange(list, entry);
  return (address) => {
    const canonical = canonicalAddress(address);
    if (canonical === undefined) return true;
    return list.check(canonical, isIPv6(canonical) ? 'ipv6' : 'ipv4');
  };
}

function addRange(list: BlockList, entry: string): void {
  const [address = '', bits] = entry.split('/');
  const canonical = canonicalAddress(address);
  if (canonical === undefined) throw new Error(`${JSON.stringify(entry)} is not a range of addresses`);
  const family = isIPv6(canonical) ? 'ipv6' : 'ipv4';
  try {
    list.addSubnet(canonical, bits === undefined ? (family === 'ipv6' ? 128 : 32) : Number(bits), family);
  } catch (cause) {
    throw new Error(`${JSON.stringify(entry)} is not a range of addresses`, { cause });
  }
}
