// Whether a user's home cluster offers tokens, asked before anybody has signed in: the setting "check for internal
// authentication availability" (guide X14.3, table 22). What a stranger can make core ask is bounded: a user is looked
// up once per `keepMs`, `maxAtOnce` questions are under way, a cluster is asked once per `keepMs`. A user nobody knows
// gets the general answer, so that nobody learns who exists where every cluster offers the same.
import { isUserId } from '../../auth/index.ts';
import type { UnifiedCm } from '../unified-cm/index.ts';
import { parseXml, type XmlElement } from '../unified-cm/xml.ts';

export interface InternalCheckOptions {
  readonly unifiedCm: Pick<UnifiedCm, 'findUser' | 'document'>;
  /** How long an answer counts. */
  readonly keepMs: number;
  readonly maxUsers: number;
  readonly maxAtOnce: number;
  readonly now: () => number;
  readonly count: (event: string, reason?: string) => void;
}

/** What the home cluster says; undefined when it cannot be known. */
export interface HomeOffer {
  readonly sso: boolean;
  readonly token: boolean;
}

/** `identity` is the client's claim, `user@domain` or `user`. Never rejects. */
export type InternalCheck = (
  deployment: string,
  identity: string | undefined,
) => Promise<HomeOffer | undefined>;

/** Unified CM's own answer to the same question. */
const QUESTION = '/ssosp/ws/public/singleSignOn';

export function createInternalCheck(options: InternalCheckOptions): InternalCheck {
  const homes = new Kept<string | undefined>(options, options.maxUsers);
  const offers = new Kept<HomeOffer | undefined>(options, options.maxUsers);
  let underWay = 0;
  const homeOf = async (deployment: string, user: string): Promise<string | undefined> => {
    const result = await options.unifiedCm.findUser(deployment, user);
    return result.kind === 'ok' ? result.account.homeCluster : undefined;
  };
  const offerOf = async (cluster: string): Promise<HomeOffer | undefined> => {
    try {
      return readOffer(await options.unifiedCm.document(cluster, QUESTION, undefined));
    } catch {
      options.count('internal-check-failed');
      return undefined;
    }
  };
  return async (deployment, identity) => {
    const user = identity?.split('@', 1)[0] ?? '';
    if (!isUserId(user)) return undefined;
    const known = homes.get(`${deployment}\n${user}`);
    if (known === undefined && underWay >= options.maxAtOnce) {
      options.count('internal-check-busy');
      return undefined;
    }
    underWay += 1;
    try {
      const home = await (known ?? homes.set(`${deployment}\n${user}`, homeOf(deployment, user)));
      if (home === undefined) return undefined;
      return await (offers.get(home) ?? offers.set(home, offerOf(home)));
    } finally {
      underWay -= 1;
    }
  };
}

/** Answers, also those still on their way, for a time; the oldest goes when there is no room. */
class Kept<T> {
  readonly #options: Pick<InternalCheckOptions, 'keepMs' | 'now'>;
  readonly #max: number;
  readonly #entries = new Map<string, { readonly value: Promise<T>; readonly until: number }>();

  constructor(options: Pick<InternalCheckOptions, 'keepMs' | 'now'>, max: number) {
    this.#options = options;
    this.#max = max;
  }

  get(key: string): Promise<T> | undefined {
    const entry = this.#entries.get(key);
    if (entry !== undefined && entry.until > this.#options.now()) return entry.value;
    this.#entries.delete(key);
    return undefined;
  }

  set(key: string, value: Promise<T>): Promise<T> {
    const oldest = this.#entries.keys().next().value;
    if (this.#entries.size >= this.#max && oldest !== undefined) this.#entries.delete(oldest);
    this.#entries.set(key, { value, until: this.#options.now() + this.#options.keepMs });
    return value;
  }
}

/** @throws XmlError when the answer is none. A cluster that says nothing of tokens has none. */
function readOffer(text: string): HomeOffer {
  const root = parseXml(text);
  const enabled = (name: string): boolean => find(root, name)?.attributes['enabled'] === 'true';
  return { sso: enabled('Status'), token: enabled('Token') };
}

function find(element: XmlElement, name: string): XmlElement | undefined {
  if (element.name === name) return element;
  for (const child of element.children) {
    const found = find(child, name);
    if (found !== undefined) return found;
  }
  return undefined;
}
