// Addresses that are not ordinary hosts of the internet: IANA's IPv4 and IPv6 special-purpose address registries
// (RFC 6890 and its updates), multicast, and what was reserved before them. Nothing here is relayed to by default
// (T-001, T-003, T-004). Some entries are reachable by their registry (anycast relays): no peer lives there either.
import { parseIpRange, type IpRange } from './ip-range.ts';

const IPV4 = [
  '0.0.0.0/8', // this network, RFC 791 §3.2
  '10.0.0.0/8', // private, RFC 1918
  '100.64.0.0/10', // behind carriers' NAT, RFC 6598
  '127.0.0.0/8', // loopback, RFC 1122 §3.2.1.3
  '169.254.0.0/16', // link local and clouds' metadata services, RFC 3927
  '172.16.0.0/12', // private, RFC 1918; Docker's bridges too
  '192.0.0.0/24', // protocol assignments, DS-Lite, NAT64 discovery, RFC 6890
  '192.0.2.0/24', // documentation, RFC 5737
  '192.31.196.0/24', // AS112, RFC 7535
  '192.52.193.0/24', // AMT, RFC 7450
  '192.88.99.0/24', // 6to4 relay anycast, RFC 7526
  '192.168.0.0/16', // private, RFC 1918
  '192.175.48.0/24', // AS112 direct delegation, RFC 7534
  '198.18.0.0/15', // benchmarking, RFC 2544
  '198.51.100.0/24', // documentation, RFC 5737
  '203.0.113.0/24', // documentation, RFC 5737
  '224.0.0.0/4', // multicast, RFC 5771
  '240.0.0.0/4', // reserved and limited broadcast, RFC 1112 §4, RFC 919
] as const;

const IPV6 = [
  '::/8', // unspecified, loopback, IPv4-compatible and whatever else begins with a zero byte, RFC 4291 §2.4
  '64:ff9b::/96', // NAT64: judged by the IPv4 address inside, RFC 6052
  '64:ff9b:1::/48', // local-use translation, RFC 8215: where the IPv4 address lies is unknown
  '100::/64', // discard only, RFC 6666
  '100:0:0:1::/64', // dummy prefix, RFC 9780
  '2001::/23', // protocol assignments: Teredo, benchmarking, ORCHID and more, RFC 2928
  '2001:db8::/32', // documentation, RFC 3849
  '2002::/16', // 6to4, RFC 3056
  '2620:4f:8000::/48', // AS112 direct delegation, RFC 7534
  '3fff::/20', // documentation, RFC 9637
  '5f00::/16', // segment routing, RFC 9602
  'fc00::/7', // unique local, RFC 4193
  'fe80::/10', // link local, RFC 4291
  'fec0::/10', // site local, RFC 3879
  'ff00::/8', // multicast, RFC 4291
] as const;

/** Every special-purpose range of both families. */
export const SPECIAL_PURPOSE: readonly IpRange[] = [...IPV4, ...IPV6].map(parseIpRange);
