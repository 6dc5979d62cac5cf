// The operator's rules that are changed while core runs, by API or upload: kept in the store as the CSV they are, so that every
// core of a cluster has the same. A change is all or nothing: it is read, bounded and stored before it holds, and when the
// store fails, what held before holds on. Bounded by the 10,000 rules of a rules file. Two changes at one core wait for
// each other; of two at two cores the last one stands.
import type { CsvFault } from './csv-table.ts';
import type { RuleDefaults } from './own-rule.ts';
import { type AllowRule, ownRulePrefix } from './rule.ts';
import { readRulesCsv, rulesHeading } from './rules-csv.ts';

/** What of the store this needs. */
export interface RuleStore {
  get(key: string): Promise<string | undefined>;
  set(key: string, value: string, ttlMs: number): Promise<void>;
  watch(prefix: string, onChange: (change: { value: string | undefined }) => void): () => void;
}

export interface RuleBookOptions {
  readonly store: RuleStore;
  /** What an empty field of a rule means. */
  readonly defaults: Omit<RuleDefaults, 'match'>;
  /** Hears the rules that hold from now on. */
  readonly onChange: (rules: readonly AllowRule[]) => void;
  /** Stored rules that hold no more, because the configuration no longer fits them, line by line. */
  readonly onFaults: (faults: readonly CsvFault[]) => void;
}

/** How a change went; `faults` name lines of what was sent. */
export type RuleChange =
  | { readonly kind: 'done'; readonly rules: number }
  | { readonly kind: 'faults'; readonly faults: readonly CsvFault[] }
  | { readonly kind: 'not-found' }
  | { readonly kind: 'store-failed'; readonly cause: string };

export interface RuleBook {
  /** Reads what the store holds and follows it; without a store there are no such rules. Never rejects. */
  open(): Promise<void>;
  rules(): readonly AllowRule[];
  /** As a file that can be sent back. */
  print(): string;
  /** These rules and no others. */
  replace(csv: string): Promise<RuleChange>;
  /** These rules too. */
  add(csv: string): Promise<RuleChange>;
  /** Takes out every rule with exactly this URL, in one deployment or all. */
  remove(url: string, deployment: string | undefined): Promise<RuleChange>;
}

const key = 'rules';
/** Rules have no end; the store wants one. */
const keepMs = 10 * 365 * 86_400_000;

export function createRuleBook(options: RuleBookOptions): RuleBook {
  const { store, defaults } = options;
  let rules: readonly AllowRule[] = [];
  let last: Promise<unknown> = Promise.resolve();

  const hold = (held: readonly AllowRule[]): void => {
    rules = held;
    options.onChange(held);
  };
  const take = (text: string | undefined): void => {
    const read = text === undefined ? { rules: [] } : readRulesCsv(text, defaults);
    if (read.faults === undefined) return hold(read.rules);
    options.onFaults(read.faults);
    hold([]);
  };
  const write = async (changed: readonly AllowRule[]): Promise<RuleChange> => {
    const text = printRulesCsv(changed);
    const read = readRulesCsv(text, defaults);
    if (read.faults !== undefined) return { kind: 'faults', faults: read.faults };
    try {
      await store.set(key, text, keepMs);
    } catch (error) {
      return { kind: 'store-failed', cause: String(error) };
    }
    hold(read.rules);
    return { kind: 'done', rules: read.rules.length };
  };
  const inTurn = (change: () => Promise<RuleChange>): Promise<RuleChange> => {
    const done = last.then(change);
    last = done.catch(() => undefined);
    return done;
  };
  const withRead = (csv: string, change: (read: readonly AllowRule[]) => readonly AllowRule[]) =>
    inTurn(async () => {
      const read = readRulesCsv(csv, defaults);
      return read.faults === undefined ? write(change(read.rules)) : { kind: 'faults', faults: read.faults };
    });

  return {
    async open() {
      store.watch(key, ({ value }) => take(value));
      try {
        take(await store.get(key));
      } catch (error) {
        options.onFaults([{ line: 0, text: `the store cannot be read: ${String(error)}` }]);
      }
    },
    rules: () => rules,
    print: () => printRulesCsv(rules),
    replace: (csv) => withRead(csv, (read) => read),
    add: (csv) => withRead(csv, (read) => unlike(rules, read).concat(read)),
    remove: (url, deployment) =>
      inTurn(async () => {
        const left = rules.filter(
          (rule) => urlOf(rule) !== url || (deployment !== undefined && rule.deployment !== deployment),
        );
        return left.length === rules.length ? { kind: 'not-found' } : write(left);
      }),
  };
}

/** Those of `rules` that none of `added` stands for anew. */
function unlike(rules: readonly AllowRule[], added: readonly AllowRule[]): AllowRule[] {
  const id = (rule: AllowRule): string => `${rule.deployment} ${urlOf(rule)}`;
  const named = new Set(added.map(id));
  return rules.filter((rule) => !named.has(id(rule)));
}

/** The URL as a listing shows it, with its port. */
function urlOf({ protocol, host, port, path }: AllowRule): string {
  const name = 'name' in host ? host.name : '';
  return `${protocol}://${name.includes(':') ? `[${name}]` : name}:${port}${path}`;
}

/** Rules as a file in the guide's format. */
function printRulesCsv(rules: readonly AllowRule[]): string {
  const quote = (text: string): string =>
    /[",]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  const lines = rules.map((rule) => {
    const description = rule.type.startsWith(ownRulePrefix) ? rule.type.slice(ownRulePrefix.length) : '';
    return [urlOf(rule), rule.deployment ?? '', rule.methods.join(), rule.match, description]
      .map(quote)
      .join();
  });
  return `${[rulesHeading.join(), ...lines].join('\r\n')}\r\n`;
}
