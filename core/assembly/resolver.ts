// How core finds the addresses of names: the system's resolver, or the name servers that the configuration names. Used for
// call control at discovery and for the edges; never for a host that a client named.
import { Resolver, lookup } from 'node:dns/promises';
import { isIP } from 'node:net';

/** Every address of a name, IPv4 first; rejects with the resolver's error when there is none. */
export type Resolve = (host: string) => Promise<readonly string[]>;

/** `servers` as `address` or `address:port`; empty: the system's. */
export function createResolve(servers: readonly string[]): Resolve {
  if (servers.length === 0)
    return async (host) => (await lookup(host, { all: true })).map(({ address }) => address);
  const resolver = new Resolver({ timeout: 1_000, tries: 2 });
  resolver.setServers(servers);
  return async (host) => {
    if (isIP(host) !== 0) return [host];
    const [four, six] = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
    const found = [
      ...(four.status === 'fulfilled' ? four.value : []),
      ...(six.status === 'fulfilled' ? six.value : []),
    ];
    if (found.length === 0 && four.status === 'rejected') throw four.reason;
    return found;
  };
}
