// Every cluster together: which nodes exist, who a user's home is, whether a password is good. What changes with
// discovery (nodes, SIP zones, allow list) is replaced as a whole, so that a reader sees one state and can compare by
// identity. Holds no credentials.
import { isIP } from 'node:net';
import {
  type AllowList,
  type AllowRule,
  builtInRules,
  compileAllowList,
  type Credentials,
  type Directory,
  type DirectoryAnswer,
  foldUser,
  type PasswordResult,
  ruleHosts,
} from '../../auth/index.ts';
import { type Cluster, type ClusterOptions, type ClusterSurroundings, createCluster } from './cluster.ts';
import type { CallControlNode } from './node.ts';
import { type SipZone, sipZonesOf } from './sip-zones.ts';
import { createUdsClient, type Fetch, type UdsResult } from './uds-client.ts';

export interface UnifiedCmOptions extends Omit<ClusterSurroundings, 'uds' | 'onChange'> {
  readonly clusters: readonly ClusterOptions[];
  /** The operator's own rules, besides the built-in ones. */
  readonly rules: readonly AllowRule[];
  /** Deployments whose passwords a directory judges; the others' are judged by the user's home cluster. */
  readonly directories: ReadonlyMap<string, Directory>;
  readonly fetch: Fetch;
}

/** Where a user's services are; names, as clients are told them. */
export interface UserHome {
  readonly cluster: string;
  /** The node that answers the user's UDS requests. */
  readonly node: string;
  /** Every UDS node of the home cluster that a client can be told. */
  readonly udsServers: readonly string[];
  readonly udsPort: number;
  /** Primary and backup. */
  readonly tftpServers: readonly string[];
  readonly imPresenceServers: readonly string[];
}

export interface ClusterStatus {
  readonly cluster: string;
  readonly deployment: string;
  readonly discovered: boolean;
  readonly nodes: readonly CallControlNode[];
}

export interface UnifiedCm {
  start(): void;
  close(): void;
  nodes(): readonly CallControlNode[];
  sipZones(): readonly SipZone[];
  allowList(): AllowList;
  /** Rules besides those of the options, from now on; their hosts become nodes of their deployment's first cluster. */
  setMoreRules(rules: readonly AllowRule[]): void;
  /** Every cluster of the deployment has given its list at least once. */
  discovered(deployment: string): boolean;
  checkPassword(deployment: string, credentials: Credentials): Promise<PasswordResult>;
  /** Whose home is where, for a user whom somebody else has authenticated. Never rejects. */
  findUser(deployment: string, user: string): Promise<PasswordResult>;
  homeOf(cluster: string): UserHome | undefined;
  /** A document of a cluster, from whichever node answers. Rejects with words for the operator. */
  document(cluster: string, path: string, credentials: Credentials | undefined): Promise<string>;
  noteFailure(node: Pick<CallControlNode, 'name' | 'cluster'>, cause: string): void;
  /** Calls `listener` after each change until the returned function is called. */
  onChange(listener: () => void): () => void;
  status(): readonly ClusterStatus[];
}

export function createUnifiedCm(options: UnifiedCmOptions): UnifiedCm {
  const listeners = new Set<() => void>();
  let world: World | undefined;
  let more: readonly AllowRule[] = [];
  const around: ClusterSurroundings = {
    ...options,
    uds: createUdsClient(options.fetch),
    onChange: (what) => {
      // How nodes stand changes often under load, what follows from their list is dear to make: kept when it still fits.
      world = what === 'reach' && world !== undefined ? { ...world, nodes: readNodes(clusters) } : undefined;
      for (const listener of listeners) listener();
    },
  };
  const uds = around.uds;
  const clusters = options.clusters.map((cluster) => createCluster(cluster, around));
  const current = (): World => (world ??= readWorld(clusters, [...options.rules, ...more]));
  const of = (deployment: string): Cluster[] =>
    clusters.filter((cluster) => cluster.options.deployment === deployment);

  return {
    start: () => clusters.forEach((cluster) => cluster.start()),
    close: () => clusters.forEach((cluster) => cluster.close()),
    nodes: () => current().nodes,
    sipZones: () => current().sipZones,
    allowList: () => current().allowList,
    setMoreRules(rules) {
      more = rules;
      world = undefined;
      const seen = new Set<string>();
      for (const cluster of clusters) {
        const { deployment } = cluster.options;
        if (!seen.has(deployment)) cluster.setWebHosts(ruleHosts(rules, deployment));
        seen.add(deployment);
      }
    },
    discovered: (deployment) => of(deployment).every((cluster) => cluster.discovered()),
    checkPassword: (deployment, credentials) => {
      const directory = options.directories.get(deployment);
      return checkPassword(uds, of(deployment), directory, credentials);
    },
    async findUser(deployment, user) {
      const home = await findHome(uds, of(deployment), user);
      if (!('cluster' in home)) return home;
      return { kind: 'ok', account: { user: foldUser(user), homeCluster: home.cluster.options.name } };
    },
    homeOf(name) {
      const cluster = clusters.find((candidate) => candidate.options.name === name);
      return cluster === undefined ? undefined : homeIn(cluster);
    },
    async document(name, path, credentials) {
      const cluster = clusters.find((candidate) => candidate.options.name === name);
      if (cluster === undefined) throw new Error(`${name} is no cluster`);
      const result = await cluster.ask((service) => uds.document(service, path, credentials));
      if (result.kind === 'ok') return result.value;
      throw new Error('cause' in result ? result.cause : `${name} answered ${path} with ${result.kind}`);
    },
    noteFailure(node, cause) {
      clusters.find(({ options: { name } }) => name === node.cluster)?.noteFailure(node.name, cause);
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    status: () =>
      clusters.map((cluster) => ({
        cluster: cluster.options.name,
        deployment: cluster.options.deployment,
        discovered: cluster.discovered(),
        nodes: cluster.nodes(),
      })),
  };
}

interface World {
  readonly nodes: readonly CallControlNode[];
  readonly sipZones: readonly SipZone[];
  readonly allowList: AllowList;
}

function readNodes(clusters: readonly Cluster[]): CallControlNode[] {
  return clusters.flatMap((cluster) => cluster.nodes());
}

function readWorld(clusters: readonly Cluster[], rules: readonly AllowRule[]): World {
  const nodes = readNodes(clusters);
  const builtIn = clusters.flatMap(({ options: { name, deployment, ports } }) =>
    builtInRules(name, deployment, ports),
  );
  return {
    nodes,
    sipZones: clusters.flatMap((cluster) =>
      cluster.nodes().flatMap((node) => sipZonesOf(node, cluster.options.sip)),
    ),
    allowList: compileAllowList([...rules, ...builtIn], nodes),
  };
}

type Uds = ClusterSurroundings['uds'];

/**
 * Finds the user's home cluster, then asks the directory, or opens the user's devices there with the password. A user
 * whom nobody knows is asked for all the same, so that the time of the answer does not tell who exists.
 */
async function checkPassword(
  uds: Uds,
  clusters: readonly Cluster[],
  directory: Directory | undefined,
  credentials: Credentials,
): Promise<PasswordResult> {
  const first = clusters[0];
  if (first === undefined) return { kind: 'no-home-cluster' };
  const home = await findHome(uds, clusters, credentials.user);
  const cluster = 'cluster' in home ? home.cluster : first;
  const preferred = 'cluster' in home ? home.host : undefined;
  const answer =
    'kind' in home && home.kind === 'unreachable'
      ? home
      : await (directory?.check(credentials) ??
          cluster.ask((service) => uds.devices(service, credentials), preferred));
  return 'cluster' in home ? passwordResult(answer, credentials, home.cluster) : home;
}

type Home =
  | { readonly cluster: Cluster; readonly host: string }
  | { readonly kind: 'unknown-user' }
  | { readonly kind: 'no-home-cluster' }
  | { readonly kind: 'unreachable'; readonly cause: string };

async function findHome(uds: Uds, clusters: readonly Cluster[], user: string): Promise<Home> {
  let unreachable: Home | undefined;
  for (const cluster of clusters) {
    const result = await cluster.ask((service) => uds.clusterUser(service, user));
    if (result.kind === 'unreachable') unreachable ??= result;
    if (result.kind !== 'ok' || !result.value.found) continue;
    const host = result.value.homeHost;
    const home =
      host === undefined ? undefined : clusters.find((candidate) => nodeNamed(candidate, host) !== undefined);
    if (home === undefined || host === undefined) return { kind: 'no-home-cluster' };
    return { cluster: home, host: nodeNamed(home, host) ?? host };
  }
  // A cluster that could not be asked may be the one that knows the user: that is no "unknown".
  return unreachable ?? { kind: 'unknown-user' };
}

/** The node a cluster calls `host`; it may leave the domain out. */
function nodeNamed(cluster: Cluster, host: string): string | undefined {
  const nodes = cluster.nodes();
  const exact = nodes.find((node) => node.aliases.includes(host));
  const short = host.includes('.') ? undefined : nodes.find((node) => node.name.split('.')[0] === host);
  return (exact ?? short)?.name;
}

function passwordResult(
  answer: UdsResult<unknown> | DirectoryAnswer,
  credentials: Credentials,
  home: Cluster,
): PasswordResult {
  switch (answer.kind) {
    case 'ok':
      return { kind: 'ok', account: { user: foldUser(credentials.user), homeCluster: home.options.name } };
    case 'not-found':
      return { kind: 'unknown-user' };
    case 'refused':
      return { kind: 'not-permitted', cause: answer.cause };
    default:
      return answer;
  }
}

function homeIn(cluster: Cluster): UserHome | undefined {
  const { name, tftp, ports } = cluster.options;
  const nodes = cluster.nodes();
  const uds = nodes.filter(
    (node) => node.kinds.includes('unified-cm') && (node.discovered || !cluster.discovered()),
  );
  const node = uds.find(({ reach }) => reach.state === 'up') ?? uds[0];
  if (node === undefined) return undefined;
  return {
    cluster: name,
    node: node.name,
    udsServers: tellable(uds),
    udsPort: ports.web,
    tftpServers: (tftp.length > 0 ? tftp : uds.map(nameOf)).slice(0, 2),
    imPresenceServers: nodes.filter(({ kinds }) => kinds.includes('im-presence')).map(nameOf),
  };
}

/** COMPAT(Jabber): told of names only, since certificates are for names; of addresses where a cluster has nothing else. */
function tellable(nodes: readonly CallControlNode[]): string[] {
  const named = nodes.filter(({ name }) => isIP(name) === 0);
  return (named.length > 0 ? named : nodes).map(nameOf);
}

function nameOf(node: CallControlNode): string {
  return node.name;
}
