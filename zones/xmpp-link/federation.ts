// Federation as both processes see it: what core tells edge over the control channel, and the one judgement of who may speak
// with whom. Core owns the policy and judges every pair again; edge keeps what its cores said, so that a stranger is
// refused at the door. Trusts nothing about form: messages are checked against these schemas.
import { z } from 'zod';

/** Control messages: the policy (notification), and "open a stream to a partner" (request, empty reply). */
export const FEDERATION_POLICY = 'federation.policy';
export const FEDERATION_DIAL = 'federation.dial';

/** Together these keep the message under one frame of the control channel (64 KiB) for names of usual length. */
export const FEDERATION_CAPS = { maxDomains: 200, maxPartners: 300, maxDenied: 300 } as const;

const domain = z
  .string()
  .max(253)
  .regex(/^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/);

const partner = z.strictObject({
  name: domain,
  subdomains: z.boolean(),
  dialback: z.enum(['off', 'to-partner', 'both']),
  route: z.strictObject({ host: z.string().min(1).max(253), port: z.int().min(1).max(65_535) }).optional(),
});

export const federationPolicy = z.strictObject({
  /** Domains of ours that federate. */
  domains: z.array(domain).max(FEDERATION_CAPS.maxDomains),
  /** Who is a partner: those listed, or everybody who is not denied. */
  mode: z.enum(['allow-list', 'deny-list']),
  partners: z.array(partner).max(FEDERATION_CAPS.maxPartners),
  /** Never partners, nor any domain below them. */
  denied: z.array(domain).max(FEDERATION_CAPS.maxDenied),
});

export type FederationPolicy = z.infer<typeof federationPolicy>;

/** core → edge: stanzas wait for a partner; open a stream on the XMPP link named by `id`, then connect. */
export const federationDial = z.strictObject({
  id: z.string().regex(/^[A-Za-z0-9_-]{16,64}$/),
  from: domain,
  to: domain,
});

/** What is special about a partner. */
export interface PartnerTerms {
  /** `to-partner`: we may prove ourselves by dialback. `both`: the partner may too, and its certificate need not be good. */
  readonly dialback: 'off' | 'to-partner' | 'both';
  readonly route: { readonly host: string; readonly port: number } | undefined;
}

const USUAL: PartnerTerms = { dialback: 'off', route: undefined };

/** The policy, ready to judge domains in canonical form. */
export class FederationRules {
  readonly #policy: FederationPolicy;
  readonly #domains: ReadonlySet<string>;

  constructor(policy: FederationPolicy) {
    this.#policy = policy;
    this.#domains = new Set(policy.domains);
  }

  /** True for a domain of ours that federates. */
  serves(name: string): boolean {
    return this.#domains.has(name);
  }

  /** The terms of a partner; undefined when it is none. A domain of ours never is. */
  termsOf(name: string): PartnerTerms | undefined {
    const { denied, mode, partners } = this.#policy;
    if (this.#domains.has(name) || denied.some((one) => isWithin(name, one))) return undefined;
    const exact = partners.find((one) => one.name === name);
    const found = exact ?? partners.find((one) => one.subdomains && isWithin(name, one.name));
    if (found !== undefined) return { dialback: found.dialback, route: found.route };
    return mode === 'deny-list' ? USUAL : undefined;
  }
}

function isWithin(name: string, parent: string): boolean {
  return name === parent || name.endsWith(`.${parent}`);
}
