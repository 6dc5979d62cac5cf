// How a client that knows only its user's domain finds a way in (mra-wire §1.1, RFC 2782). The inside records
// are asked first; only when neither exists does the client believe it is outside and ask for the edge.
import { type Resolver } from 'node:dns/promises';

export interface ServiceTarget {
  readonly name: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

export type Discovered =
  | { readonly kind: 'inside'; readonly service: string; readonly targets: readonly ServiceTarget[] }
  | { readonly kind: 'outside'; readonly targets: readonly ServiceTarget[] };

export class DiscoveryError extends Error {
  readonly code: 'nothing-found' | 'resolver-failed';
  constructor(code: DiscoveryError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DiscoveryError';
    this.code = code;
  }
}

type Lookup = Pick<Resolver, 'resolveSrv'>;

/** Asks in the real order. Throws DiscoveryError when no record exists or the resolver cannot be asked. */
export async function discover(domain: string, resolver: Lookup, random: () => number): Promise<Discovered> {
  const insideServices = [`_cisco-uds._tcp.${domain}`, `_cuplogin._tcp.${domain}`];
  const inside = await Promise.all(insideServices.map((name) => services(resolver, name)));
  for (const [index, targets] of inside.entries()) {
    const service = insideServices[index]!;
    if (targets.length > 0) return { kind: 'inside', service, targets: orderTargets(targets, random) };
  }
  const edges = await services(resolver, `_collab-edge._tls.${domain}`);
  if (edges.length > 0) return { kind: 'outside', targets: orderTargets(edges, random) };
  throw new DiscoveryError('nothing-found', `${domain} has neither inside nor edge records`);
}

async function services(resolver: Lookup, name: string): Promise<ServiceTarget[]> {
  try {
    return await resolver.resolveSrv(name);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOTFOUND' || code === 'ENODATA') return [];
    throw new DiscoveryError('resolver-failed', `cannot ask for ${name}`, { cause: error });
  }
}

/** RFC 2782: lowest priority first, and inside one priority a draw weighted by `weight`. */
export function orderTargets(targets: readonly ServiceTarget[], random: () => number): ServiceTarget[] {
  // Weight 0 first inside a priority, as the RFC asks, so that it is drawn only when nothing else is.
  const left = [...targets].sort((a, b) => a.priority - b.priority || a.weight - b.weight);
  const ordered: ServiceTarget[] = [];
  while (left.length > 0) {
    const group = left.filter((target) => target.priority === left[0]!.priority);
    const total = group.reduce((sum, target) => sum + target.weight, 0);
    let rest = random() * total;
    const chosen = group.find((target) => (rest -= target.weight) < 0) ?? group[0]!;
    ordered.push(chosen);
    left.splice(left.indexOf(chosen), 1);
  }
  return ordered;
}
