// The HTTP allow list, compiled: rules and known nodes in, a decision per request out. Decides on protocol, node, port,
// canonical path and method, all of them or nothing. A list never changes; discovery compiles a new one and swaps it.
// Every answer names the rule that let the request in or the one that came nearest.
import { createPathTree, type PathTree } from './path-tree.ts';
import type { AllowRule, NodeKind } from './rule.ts';

/** A server inside that requests may be meant for. */
export interface ListedNode {
  readonly name: string;
  /** Every name and address a lane may call it by, folded; `name` is among them. */
  readonly aliases: readonly string[];
  readonly kinds: readonly NodeKind[];
  readonly cluster: string;
  readonly deployment: string;
}

export interface ListRequest {
  readonly deployment: string;
  readonly protocol: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly method: string;
}

/** `text` is for the log: it names inside hosts. */
export type Listing =
  | { readonly outcome: 'listed'; readonly node: ListedNode; readonly rule: AllowRule; readonly text: string }
  | {
      readonly outcome: 'unlisted';
      readonly reason: 'node-unknown' | 'service-unknown' | 'path' | 'method';
      readonly nearest: AllowRule | undefined;
      readonly text: string;
    };

export interface AllowList {
  decide(request: ListRequest): Listing;
  readonly ruleCount: number;
}

export function compileAllowList(rules: readonly AllowRule[], nodes: readonly ListedNode[]): AllowList {
  const hosts = new Map<string, ListedNode>();
  const services = new Map<string, PathTree<AllowRule>>();
  const byHost = Map.groupBy(rules, (rule) => ('kind' in rule.host ? '' : rule.host.name));
  const ofKinds = byHost.get('') ?? [];
  for (const node of nodes) {
    for (const alias of node.aliases) {
      const key = hostKey(node.deployment, alias);
      // The first node keeps an alias that two claim: which one is meant must not depend on the order of answers.
      if (!hosts.has(key)) hosts.set(key, node);
    }
    // Own rules come first: what an operator wrote is named before what is built in.
    const own = node.aliases.flatMap((alias) => byHost.get(alias) ?? []);
    for (const rule of [...own, ...ofKinds])
      if (reaches(rule, node)) treeOf(services, node, rule).add(rule.path, rule.match, rule);
  }
  return { decide: (request) => decide(hosts, services, request), ruleCount: rules.length };
}

function decide(
  hosts: ReadonlyMap<string, ListedNode>,
  services: ReadonlyMap<string, PathTree<AllowRule>>,
  request: ListRequest,
): Listing {
  const node = hosts.get(hostKey(request.deployment, request.host));
  if (node === undefined) return unlisted('node-unknown', undefined, `${request.host} is no known node`);
  const tree = services.get(serviceKey(node, request.protocol, request.port));
  if (tree === undefined) {
    const service = `${request.protocol} on port ${request.port}`;
    return unlisted('service-unknown', undefined, `no rule speaks of ${service} of ${node.name}`);
  }
  const onPath = tree.matches(request.path).filter((rule) => rule.shape?.test(request.path) ?? true);
  const rule = onPath.find((candidate) => permits(candidate, request.method));
  if (rule !== undefined) return { outcome: 'listed', node, rule, text: 'In allow list' };
  const refused = onPath[0];
  if (refused !== undefined) {
    return unlisted('method', refused, `${request.method} is none of the methods of ${printRule(refused)}`);
  }
  const nearest = tree.nearest(request.path);
  const hint = nearest === undefined ? '' : `; the nearest rule is ${printRule(nearest)}`;
  return unlisted('path', nearest, `no rule permits this path on ${node.name}${hint}`);
}

/** A rule as one line for log and pages. */
export function printRule(rule: AllowRule): string {
  const host = 'kind' in rule.host ? `<${rule.host.kind}>` : rule.host.name;
  return `${rule.protocol}://${host}:${rule.port}${rule.path} ${rule.match} ${rule.methods.join(',')}`;
}

function unlisted(
  reason: 'node-unknown' | 'service-unknown' | 'path' | 'method',
  nearest: AllowRule | undefined,
  text: string,
): Listing {
  return { outcome: 'unlisted', reason, nearest, text };
}

/** For a rule of a kind, or one whose host is an alias of `node`. */
function reaches(rule: AllowRule, node: ListedNode): boolean {
  if (rule.deployment !== undefined && rule.deployment !== node.deployment) return false;
  if ('name' in rule.host) return true;
  return rule.host.cluster === node.cluster && node.kinds.includes(rule.host.kind);
}

function permits(rule: AllowRule, method: string): boolean {
  return rule.methods.includes(method === 'HEAD' && !rule.methods.includes('HEAD') ? 'GET' : method);
}

function treeOf(
  services: Map<string, PathTree<AllowRule>>,
  node: ListedNode,
  rule: AllowRule,
): PathTree<AllowRule> {
  const key = serviceKey(node, rule.protocol, rule.port);
  const tree = services.get(key) ?? createPathTree<AllowRule>();
  services.set(key, tree);
  return tree;
}

// Deployment names come from the configuration; the separator cannot be part of a host or a protocol.
function hostKey(deployment: string, host: string): string {
  return `${deployment}\n${host}`;
}

function serviceKey(node: ListedNode, protocol: string, port: number): string {
  return `${node.deployment}\n${node.cluster}\n${node.name}\n${protocol}:${port}`;
}
