// What the cores said about federation, one policy each; gone with the core. Decides nothing that core does not decide again.
import type { DomainPair, PairPolicy } from '../../../xmpp/s2s/index.ts';
import {
  type FederationPolicy,
  federationPolicy,
  FederationRules,
  type PartnerTerms,
} from '../../../zones/index.ts';

export class CorePolicies {
  readonly #rules = new Map<string, FederationRules>();

  /** Takes a core's message and returns what it says. @throws ZodError when it is malformed. */
  learn(core: string, body: unknown): FederationPolicy {
    const policy = federationPolicy.parse(body);
    this.#rules.set(core, new FederationRules(policy));
    return policy;
  }

  forget(core: string): void {
    this.#rules.delete(core);
  }

  get cores(): readonly string[] {
    return [...this.#rules.keys()];
  }

  /** While no core is there every domain might be ours: the stranger is told to come again, not that we do not exist. */
  serves(domain: string): boolean {
    return this.#rules.size === 0 || [...this.#rules.values()].some((rules) => rules.serves(domain));
  }

  /** What a stream `from` a partner `to` us may do. */
  policyOf(pair: DomainPair): PairPolicy {
    if (this.#rules.size === 0) return 'unavailable';
    if (!this.serves(pair.to)) return 'unknown';
    const terms = this.#termsFor(pair.to, pair.from);
    if (terms === undefined) return 'denied';
    return terms.dialback === 'both' ? 'dialback' : 'certificate';
  }

  /** The terms on which we speak to a partner for a domain of ours. */
  #termsFor(ours: string, partner: string): PartnerTerms | undefined {
    for (const rules of this.#rules.values()) {
      const terms = rules.serves(ours) ? rules.termsOf(partner) : undefined;
      if (terms !== undefined) return terms;
    }
    return undefined;
  }

  /** The terms of a pair in one core's policy. */
  termsOf(core: string, ours: string, partner: string): PartnerTerms | undefined {
    const rules = this.#rules.get(core);
    return rules?.serves(ours) === true ? rules.termsOf(partner) : undefined;
  }

  /** Cores that take stanzas of a pair. */
  coresFor({ from, to }: DomainPair): readonly string[] {
    return this.cores.filter((core) => this.termsOf(core, to, from) !== undefined);
  }

  /** The terms on which the server of `partner` is asked about a key for `ours`. */
  termsForQuestion({ from, to }: DomainPair): PartnerTerms | undefined {
    return this.#termsFor(to, from);
  }
}
