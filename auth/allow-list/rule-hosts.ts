// The hosts that own rules name. A rule opens paths of a host; that the host may be spoken to at all is said by the rule
// too, where discovery knows nothing of it.
import type { ListedNode } from './allow-list.ts';
import type { AllowRule } from './rule.ts';

/** Hosts named by rules of `deployment`, folded, each once. */
export function ruleHosts(rules: readonly AllowRule[], deployment: string): string[] {
  const named = rules.flatMap(({ host, deployment: own }) =>
    'name' in host && (own ?? deployment) === deployment ? [host.name] : [],
  );
  return [...new Set(named)];
}

/** The same as nodes of their own, for trying out rules without a discovery. */
export function nodesOfRules(rules: readonly AllowRule[], deployments: readonly string[]): ListedNode[] {
  return deployments.flatMap((deployment) =>
    ruleHosts(rules, deployment).map((name) => ({
      name,
      aliases: [name],
      kinds: ['web'],
      cluster: 'own rules',
      deployment,
    })),
  );
}
