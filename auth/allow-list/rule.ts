// One rule of the HTTP allow list. Built-in rules speak of a kind of node and reach every node of that kind;
// an operator's rules speak of one host, which must be a known node too: a rule opens paths, never hosts.

/** What a server inside is; a node may be several. `web` is anything else an operator names. */
export type NodeKind = 'unified-cm' | 'tftp' | 'im-presence' | 'unity' | 'web';

export interface AllowRule {
  /** What the log calls it. */
  readonly type: string;
  readonly protocol: 'http' | 'https';
  readonly host: { readonly kind: NodeKind; readonly cluster: string } | { readonly name: string };
  readonly port: number;
  /** Begins with a slash; without query, in canonical form. */
  readonly path: string;
  readonly match: 'exact' | 'prefix';
  /** With `prefix`: what the whole path must look like besides. */
  readonly shape?: RegExp;
  /** Upper case; GET includes HEAD. */
  readonly methods: readonly string[];
  /** Only in this deployment; all when left out. */
  readonly deployment?: string;
}

/** Before the description in the `type` of an operator's rule. */
export const ownRulePrefix = 'Own rule: ';

/** The methods a rule may name. */
export const ruleMethods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'] as const;

/** What is wrong with a rule, in words; undefined when nothing is. `canonical` is the canonical form of a path. */
export function faultOf(
  rule: AllowRule,
  canonical: (path: string) => string | undefined,
): string | undefined {
  if (!Number.isInteger(rule.port) || rule.port < 1 || rule.port > 65_535) return 'port must be 1 to 65535';
  if (!rule.path.startsWith('/')) return 'path must begin with a slash';
  if (rule.path.includes('?') || rule.path.includes('#')) return 'path must not hold a query or fragment';
  if (canonical(rule.path) !== rule.path)
    return `path is not in canonical form, which no request would match`;
  if (rule.methods.length === 0) return 'at least one method is needed';
  const unknown = rule.methods.find((method) => !(ruleMethods as readonly string[]).includes(method));
  return unknown === undefined ? undefined : `method ${unknown} is none of ${ruleMethods.join(', ')}`;
}
