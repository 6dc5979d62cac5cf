// One Unified CM cluster: which nodes it has and how they stand. The publisher is asked for the list, any other node
// when it is silent; every node is asked for its version to see that it lives. What failed is asked again soon, and no
// failure is ever remembered as an answer: a sign-in always asks a node, the failed ones last (the outage trap that
// keeps users out for hours after call control has returned). The last good list stays when nobody answers.
import { isIP } from 'node:net';
import type { NodeKind, ServicePorts } from '../../auth/index.ts';
import type { Clock } from '../../zones/clock.ts';
import { failureText } from './failure-text.ts';
import type { CallControlNode, NodeService, Reach } from './node.ts';
import type { SipPorts } from './sip-zones.ts';
import type { UdsClient, UdsResult } from './uds-client.ts';

/**
 * Milliseconds after which no further node is asked. Clients give up after 10 to 15 s; a sign-in asks twice, and only
 * the first question meets a silent cluster. Larger than one connect timeout, or a second node would never be tried.
 */
const maxAskMs = 8000;

export interface StaticNode {
  readonly name: string;
  readonly kind: NodeKind;
  /** Leave out to look the name up. */
  readonly address?: string;
}

export interface ClusterOptions {
  readonly name: string;
  readonly deployment: string;
  readonly publisher: string;
  /** PEM of the authorities that may sign the nodes' certificates; undefined: the system's. */
  readonly trust: string | undefined;
  readonly ports: ServicePorts;
  readonly sip: SipPorts;
  /** TFTP servers told to clients, primary first; empty: the discovered nodes. */
  readonly tftp: readonly string[];
  readonly staticNodes: readonly StaticNode[];
  readonly refreshMs: number;
  /** First retry of a failed node; doubles with each failure in a row up to eight times this, or `refreshMs`. */
  readonly retryMs: number;
  /** Nodes asked one after the other before a question counts as unanswerable. */
  readonly maxTries: number;
}

export interface ClusterSurroundings {
  readonly uds: UdsClient;
  /** Addresses of a name; rejects as dns.lookup does. */
  readonly resolve: (host: string) => Promise<readonly string[]>;
  readonly clock: Clock;
  readonly log: {
    info(fields: object, text: string): void;
    warn(fields: object, text: string): void;
  };
  readonly count: (event: string, reason?: string) => void;
  /** The list of nodes or their addresses have changed, or only how one of them stands. */
  readonly onChange: (what: 'nodes' | 'reach') => void;
}

export interface Cluster {
  readonly options: ClusterOptions;
  /** Replaced as a whole at each change. */
  nodes(): readonly CallControlNode[];
  /** A list has been read at least once since start. */
  discovered(): boolean;
  start(): void;
  close(): void;
  /** Puts a question to nodes in turn until one gives an answer, `preferred` before others that stand as well. */
  ask<T>(
    question: (service: NodeService) => Promise<UdsResult<T>>,
    preferred?: string,
  ): Promise<UdsResult<T>>;
  /** Hosts that rules speak of besides: nodes of their own, pinned at once. */
  setWebHosts(hosts: readonly string[]): void;
  /** A connection to a node failed: asks it again soon. */
  noteFailure(name: string, cause: string): void;
}

export function createCluster(options: ClusterOptions, around: ClusterSurroundings): Cluster {
  return new DiscoveredCluster(options, around);
}

class DiscoveredCluster implements Cluster {
  readonly options: ClusterOptions;
  readonly #around: ClusterSurroundings;
  #nodes: readonly CallControlNode[] = [];
  #listed = false;
  #names: readonly string[] = [];
  #webHosts: readonly string[] = [];
  #failures = 0;
  #cancel: () => void = () => undefined;
  #closed = false;
  #passing = false;

  constructor(options: ClusterOptions, around: ClusterSurroundings) {
    this.options = options;
    this.#around = around;
    this.#nodes = this.#withNames([]);
  }

  nodes(): readonly CallControlNode[] {
    return this.#nodes;
  }

  discovered(): boolean {
    return this.#listed;
  }

  start(): void {
    void this.#pass();
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  async ask<T>(
    question: (service: NodeService) => Promise<UdsResult<T>>,
    preferred?: string,
  ): Promise<UdsResult<T>> {
    const causes: string[] = [];
    const until = this.#around.clock.now() + maxAskMs;
    for (const node of this.#inOrder(preferred).slice(0, this.options.maxTries)) {
      const result = await this.#askNode(node, question);
      if (result.kind !== 'unreachable') return result;
      causes.push(result.cause);
      if (this.#around.clock.now() >= until) break;
    }
    return { kind: 'unreachable', cause: causes.join('; ') };
  }

  setWebHosts(hosts: readonly string[]): void {
    if (hosts.join() === this.#webHosts.join()) return;
    this.#webHosts = hosts;
    this.#nodes = this.#withNames(this.#names);
    this.#around.onChange('nodes');
    for (const node of this.#nodes) if (hosts.includes(node.name)) void this.#probe(node);
  }

  noteFailure(name: string, cause: string): void {
    // Only the first failure moves the timer, or a steady stream of requests would put the retry off for ever.
    const turned = this.#setReach(name, 'down', cause);
    if (turned && !this.#passing && this.#failures === 0) this.#schedule();
  }

  async #askNode<T>(
    node: CallControlNode,
    question: (service: NodeService) => Promise<UdsResult<T>>,
  ): Promise<UdsResult<T>> {
    const pinned = node.addresses.length > 0 ? node : await this.#pin(node);
    if (typeof pinned === 'string') return this.#lost(node.name, pinned);
    const result = await question({ node: pinned, protocol: 'https', port: this.options.ports.web });
    if (result.kind === 'unreachable') return this.#lost(node.name, result.cause);
    this.#setReach(node.name, 'up', '');
    return result;
  }

  #lost(name: string, cause: string): { kind: 'unreachable'; cause: string } {
    this.noteFailure(name, cause);
    return { kind: 'unreachable', cause };
  }

  /** Nodes that answer questions: those that are up, then unknown, then down; the preferred one first among its like. */
  #inOrder(preferred: string | undefined): CallControlNode[] {
    const rank = (node: CallControlNode): number =>
      2 * { up: 0, unknown: 1, down: 2 }[node.reach.state] + (node.name === preferred ? 0 : 1);
    return this.#nodes.filter((node) => node.kinds.includes('unified-cm')).sort((a, b) => rank(a) - rank(b));
  }

  // -- discovery -------------------------------------------------------------------------------------------------

  async #pass(): Promise<void> {
    this.#passing = true;
    const list = await this.ask((service) => this.#around.uds.servers(service), this.options.publisher);
    if (list.kind === 'ok') this.#takeList(list.value);
    else this.#listFailed(list);
    await Promise.all(this.#nodes.map((node) => this.#probe(node)));
    this.#passing = false;
    const ill = list.kind !== 'ok' || this.#nodes.some((node) => node.reach.state === 'down');
    this.#failures = ill ? this.#failures + 1 : 0;
    if (!this.#closed) this.#schedule();
  }

  #schedule(): void {
    const { refreshMs, retryMs } = this.options;
    const ill = this.#nodes.some((node) => node.reach.state === 'down') || this.#failures > 0;
    const backOff = retryMs * 2 ** Math.min(3, Math.max(0, this.#failures - 1));
    this.#cancel();
    this.#cancel = this.#around.clock.after(ill ? Math.min(backOff, refreshMs) : refreshMs, () => {
      void this.#pass();
    });
  }

  #takeList(names: readonly string[]): void {
    const before = this.#nodes;
    this.#names = names;
    this.#nodes = this.#withNames(names);
    if (!this.#listed || before.map(entryOf).join() !== this.#nodes.map(entryOf).join()) {
      const { name } = this.options;
      this.#around.log.info(
        { event: 'Nodes Discovered', cluster: name, nodes: names },
        'cluster has these nodes',
      );
      this.#listed = true;
      this.#around.onChange('nodes');
    }
  }

  #listFailed(result: UdsResult<unknown>): void {
    const cause = 'cause' in result ? result.cause : result.kind;
    this.#around.count('discovery-failed');
    if (this.#failures > 0) return;
    const fields = { event: 'Discovery Failed', cluster: this.options.name, cause };
    this.#around.log.warn(fields, 'no node gives its list of nodes; the last one stays in use');
  }

  /** Pins the addresses anew and, where a node speaks UDS, asks whether it lives. */
  async #probe(node: CallControlNode): Promise<void> {
    const pinned = await this.#pin(node);
    if (typeof pinned === 'string' && node.addresses.length === 0) {
      this.#setReach(node.name, 'down', pinned);
      return;
    }
    if (!node.kinds.includes('unified-cm')) return;
    const current = this.#find(node.name);
    if (current !== undefined) await this.#askNode(current, (service) => this.#around.uds.version(service));
  }

  /** The node with fresh addresses, or why there are none. An address that was found once is kept when DNS is silent. */
  async #pin(node: CallControlNode): Promise<CallControlNode | string> {
    const fixed = this.options.staticNodes.find(({ name }) => name.toLowerCase() === node.name)?.address;
    try {
      const found = fixed === undefined ? await this.#resolve(node.name) : [fixed];
      if (found.join() === node.addresses.join()) return node;
      const pinned: CallControlNode = {
        ...node,
        addresses: found,
        aliases: [...new Set([node.name, ...found])],
      };
      this.#replace(pinned);
      this.#around.onChange('nodes');
      return pinned;
    } catch (error) {
      return failureText(error, node.name, this.options.ports.web);
    }
  }

  async #resolve(host: string): Promise<readonly string[]> {
    if (isIP(host) !== 0) return [host];
    const found = await this.#around.resolve(host);
    if (found.length === 0) throw Object.assign(new Error('no address'), { code: 'ENODATA' });
    return found;
  }

  // -- the list --------------------------------------------------------------------------------------------------

  /** The nodes for these names, the publisher and the static ones; what is known of a node already is kept. */
  #withNames(names: readonly string[]): readonly CallControlNode[] {
    const { publisher, tftp, staticNodes } = this.options;
    const unifiedCm = [...new Set([publisher.toLowerCase(), ...names])];
    const files = tftp.length === 0 ? unifiedCm : tftp.map((name) => name.toLowerCase());
    const kinds = new Map<string, Set<NodeKind>>();
    const add = (name: string, kind: NodeKind): void => {
      kinds.set(name, (kinds.get(name) ?? new Set()).add(kind));
    };
    for (const name of unifiedCm) add(name, 'unified-cm');
    for (const name of files) add(name, 'tftp');
    for (const node of staticNodes) add(node.name.toLowerCase(), node.kind);
    for (const host of this.#webHosts) add(host, 'web');
    return [...kinds].map(([name, set]) => this.#node(name, [...set], names.includes(name)));
  }

  #node(name: string, kinds: readonly NodeKind[], discovered: boolean): CallControlNode {
    const known = this.#find(name);
    const { name: cluster, deployment, trust } = this.options;
    const reach: Reach = known?.reach ?? {
      state: 'unknown',
      cause: 'not asked yet',
      since: this.#around.clock.wall(),
    };
    const addresses = known?.addresses ?? [];
    const aliases = known?.aliases ?? [name];
    return { name, aliases, kinds, cluster, deployment, addresses, trust, discovered, reach };
  }

  #find(name: string): CallControlNode | undefined {
    return this.#nodes.find((node) => node.name === name);
  }

  #replace(node: CallControlNode): void {
    this.#nodes = this.#nodes.map((other) => (other.name === node.name ? node : other));
  }

  /** True when the node's state, not only its cause, has changed. */
  #setReach(name: string, state: Reach['state'], cause: string): boolean {
    const node = this.#find(name);
    if (node === undefined || (node.reach.state === state && node.reach.cause === cause)) return false;
    const turned = node.reach.state !== state;
    this.#replace({
      ...node,
      reach: { state, cause, since: turned ? this.#around.clock.wall() : node.reach.since },
    });
    if (!turned) return false;
    const fields = {
      event: state === 'up' ? 'Node Reachable' : 'Node Unreachable',
      cluster: node.cluster,
      node: name,
    };
    if (state === 'up') this.#around.log.info(fields, `${name} answers`);
    else this.#around.log.warn({ ...fields, cause }, `${name} does not answer`);
    this.#around.count(state === 'up' ? 'node-up' : 'node-down');
    this.#around.onChange('reach');
    return true;
  }
}

/** What a list says of a node. */
function entryOf(node: CallControlNode): string {
  return `${node.name} ${node.discovered} ${node.kinds.join('+')}`;
}
