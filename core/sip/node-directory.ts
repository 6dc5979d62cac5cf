// Where a client's request may go: the call-control nodes that discovery found, and nowhere else. A Request-URI names
// a node, or a domain that we serve; DNS is never asked about a host that a client named (toll fraud, RFC 3261 §26).
// Trust: hosts come from clients; nodes come from discovery.

/** One way to one discovered node; a node in mixed mode is listed once per zone. */
export interface SipNode {
  readonly name: string;
  /** As discovery pinned them: the first is dialled, the node may connect back from any. */
  readonly addresses: readonly [string, ...string[]];
  readonly transport: 'tcp' | 'tls';
  readonly port: number;
  /** `CEtcp-<node>`, `CEtls-<node>` or `CEOAuth-<node>`. */
  readonly zone: string;
  /** The deployment (partition) of its cluster; undefined where there is none. */
  readonly deployment?: string;
  /** Keys and candidates may go to it as they came (ICE passthrough). */
  readonly passesIce?: boolean;
}

export interface NodeDirectoryOptions {
  readonly nodes: () => readonly SipNode[];
  readonly servedDomains: () => readonly string[];
  /** How long a node that could not be reached is asked last. */
  readonly avoidMs: number;
}

/** What a client's request asks for. */
export interface Wanted {
  readonly host: string;
  readonly port: number | undefined;
  /** The request carries a bearer token: only an OAuth line port takes it. */
  readonly bearer: boolean;
  /** Zone of the node where this client is registered, if it is. */
  readonly homeZone: string | undefined;
}

export class NodeDirectory {
  readonly #options: NodeDirectoryOptions;
  readonly #avoidUntil = new Map<string, number>();
  #nodes: readonly SipNode[] = [];
  #byHost = new Map<string, SipNode[]>();
  #domains: readonly string[] = [];
  #domainSet = new Set<string>();
  #turn = 0;

  constructor(options: NodeDirectoryOptions) {
    this.#options = options;
  }

  /** The nodes to try, in order; empty: the target is not ours to reach. */
  candidates(wanted: Wanted, nowMs: number): readonly SipNode[] {
    this.#refresh();
    const host = canonicalHost(wanted.host);
    const ways = this.#byHost.get(host);
    if (ways !== undefined) return [chooseWay(ways, wanted)];
    return this.#domainSet.has(host) ? this.#ofDomain(wanted, nowMs) : [];
  }

  /** The nodes in order for a target that names no host: a telephone number. */
  anyNode(wanted: Wanted, nowMs: number): readonly SipNode[] {
    this.#refresh();
    return this.#ofDomain(wanted, nowMs);
  }

  /** Whether `host` is a name or address of a discovered node. */
  isNode(host: string): boolean {
    this.#refresh();
    return this.#byHost.has(canonicalHost(host));
  }

  /** Whether `host` is a domain whose calls we route. */
  serves(host: string): boolean {
    this.#refresh();
    return this.#domainSet.has(canonicalHost(host));
  }

  /** The node that a connection from `address` belongs to. */
  byAddress(address: string): SipNode | undefined {
    this.#refresh();
    return this.#byHost.get(canonicalHost(address))?.[0];
  }

  byZone(zone: string): SipNode | undefined {
    this.#refresh();
    return this.#nodes.find((node) => node.zone === zone);
  }

  failed(node: SipNode, nowMs: number): void {
    this.#avoidUntil.set(node.zone, nowMs + this.#options.avoidMs);
  }

  answered(node: SipNode): void {
    if (this.#avoidUntil.size > 0) this.#avoidUntil.delete(node.zone);
  }

  /** Home node first, the others in turn, those that failed lately last. */
  #ofDomain(wanted: Wanted, nowMs: number): SipNode[] {
    const perNode = [...new Map(this.#nodes.map((node) => [node.name, node])).keys()];
    const first = perNode.length === 0 ? 0 : this.#turn++ % perNode.length;
    const turned = [...perNode.slice(first), ...perNode.slice(0, first)];
    const ways = turned.map((name) => chooseWay(this.#byHost.get(canonicalHost(name)) ?? [], wanted));
    return ways.sort((a, b) => this.#rank(a, wanted, nowMs) - this.#rank(b, wanted, nowMs));
  }

  #rank(node: SipNode, wanted: Wanted, nowMs: number): number {
    const avoided = (this.#avoidUntil.get(node.zone) ?? 0) > nowMs ? 2 : 0;
    return avoided + (node.zone === wanted.homeZone ? 0 : 1);
  }

  /** Discovery replaces the whole list, so that its identity says whether the index is of today. */
  #refresh(): void {
    const nodes = this.#options.nodes();
    if (nodes !== this.#nodes) this.#index(nodes);
    const domains = this.#options.servedDomains();
    if (domains === this.#domains) return;
    this.#domains = domains;
    this.#domainSet = new Set(domains.map(canonicalHost));
  }

  #index(nodes: readonly SipNode[]): void {
    this.#nodes = nodes;
    this.#byHost = new Map();
    const zones = new Set(nodes.map((node) => node.zone));
    for (const zone of this.#avoidUntil.keys()) if (!zones.has(zone)) this.#avoidUntil.delete(zone);
    for (const node of nodes) {
      for (const host of new Set([node.name, ...node.addresses].map(canonicalHost))) {
        const ways = this.#byHost.get(host);
        if (ways === undefined) this.#byHost.set(host, [node]);
        else ways.push(node);
      }
    }
  }
}

/** Lower case, no trailing dot, IPv4 out of its mapped form, no brackets. */
export function canonicalHost(host: string): string {
  const lower = host.toLowerCase();
  const bare = lower.startsWith('[') ? lower.slice(1, -1) : lower;
  if (bare.startsWith('::ffff:') && bare.includes('.')) return bare.slice(7);
  return bare.endsWith('.') ? bare.slice(0, -1) : bare;
}

/** OAuth lines need their own port; an explicit port says which way; else the home zone, else discovery's order. */
function chooseWay(ways: readonly SipNode[], wanted: Wanted): SipNode {
  const way =
    ways.find((node) => node.port === wanted.port) ??
    (wanted.bearer ? ways.find((node) => node.zone.startsWith('CEOAuth')) : undefined) ??
    ways.find((node) => node.zone === wanted.homeZone) ??
    ways[0];
  if (way === undefined) throw new Error('a node without a way to it');
  return way;
}
