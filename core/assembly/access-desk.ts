// What an operator may ask and change about access while core runs: bans, explanations, own rules of the allow list.
import type { AccessDesk, Log } from '../../admin/index.ts';
import {
  builtInRules,
  createRuleBook,
  printRule,
  readTestsCsv,
  type RuleBook,
  runTests,
} from '../../auth/index.ts';
import { type CoreConfig, RULE_BOOK_LIMITS } from '../../config/index.ts';
import type { Store } from '../../zones/index.ts';
import type { UnifiedCm } from '../unified-cm/index.ts';
import { deploymentsOf, ownRules } from './allow-list.ts';
import { clusterOptions } from './clusters.ts';
import { explain, explainToken, type ExplainWorld } from './explain.ts';

/** Own rules that are changed while core runs. */
export function coreRuleBook(config: CoreConfig, store: Store, unifiedCm: UnifiedCm, log: Log): RuleBook {
  return createRuleBook({
    store: store.namespace('allow-list', { ...RULE_BOOK_LIMITS, whenFull: 'refuse', durable: true }),
    defaults: { deployments: deploymentsOf(config), methods: config.httpAllowList.defaultMethods },
    onChange: (rules) => {
      unifiedCm.setMoreRules(rules);
      log.info({ event: 'Rules Changed', rules: rules.length }, 'own rules of the allow list changed');
    },
    onFaults: (faults) =>
      log.error(
        { faults: faults.slice(0, 10).map(({ line, text }) => `${line}: ${text}`) },
        'rules that were added while core ran do not fit any more: none of them is in force; send them anew',
      ),
  });
}

/** The desk of a core. */
export function coreAccessDesk(
  config: CoreConfig,
  world: ExplainWorld,
  book: RuleBook,
  unifiedCm: UnifiedCm,
): AccessDesk {
  const [first = ''] = deploymentsOf(config);
  const builtIn = clusterOptions(config).flatMap(({ name, deployment, ports }) =>
    builtInRules(name, deployment, ports).map((rule) => `${printRule(rule)} [${deployment}] ${rule.type}`),
  );
  const configured = ownRules(config).map((rule) => `${printRule(rule)} [${rule.deployment}] ${rule.type}`);
  return {
    bans: () => ({
      categories: world.bans.stats(),
      blocked: world.bans.list(),
      history: world.bans.history(),
    }),
    explain: (question) => explain(world, question),
    explainToken: (token) => explainToken(world, token),
    rules: {
      list: () => ({
        'built-in, read-only': builtIn,
        'outbound, read-only': [
          'core asks discovered Unified CM nodes for /cucm-uds/ of their cluster and users: GET',
        ],
        'of the configuration, read-only': configured,
        'changeable here': book.rules().map((rule) => `${printRule(rule)} [${rule.deployment}] ${rule.type}`),
      }),
      print: () => book.print(),
      replace: (csv) => book.replace(csv),
      add: (csv) => book.add(csv),
      remove: (url, deployment) => book.remove(url, deployment),
      test(csv) {
        const read = readTestsCsv(csv, first);
        if (read.faults !== undefined) return { faults: read.faults };
        const outcomes = runTests(unifiedCm.allowList(), read.tests).map(
          ({ test, passed, actual, because }) => {
            const { line, method, protocol, host, port, path } = test;
            return {
              line,
              request: `${method} ${protocol}://${host}:${port}${path}`,
              passed,
              actual,
              because,
            };
          },
        );
        return { failed: outcomes.filter(({ passed }) => !passed).length, outcomes };
      },
    },
  };
}
