// Who registers, by digest (RFC 3261 §22, RFC 7616, RFC 8760): core challenges under the name of the edge that the client
// sees, and checks the answer against what the HTTPS sign-in left (digest-secrets.ts). Order: form, nonce, user, response
// in constant time, count. An unknown user costs the same work as a wrong password.
import { randomBytes, timingSafeEqual } from 'node:crypto';
import {
  type DigestAlgorithm,
  type DigestCredentials,
  parseDigest,
  responseOf,
} from './digest-credentials.ts';
import { foldUser } from '../user-id.ts';
import type { DigestSecrets } from './digest-secrets.ts';
import type { Nonces } from './nonces.ts';

export interface DigestDoorOptions {
  readonly secrets: DigestSecrets;
  readonly nonces: Nonces;
  /** In order of preference; each is a challenge of its own (RFC 8760 §2.3). */
  readonly algorithms: readonly DigestAlgorithm[];
  /** Wrong answers in a user's name and period before fresh challenges go unjudged, as rate control of sign-ins; 0: no limit. */
  readonly maxWrong: number;
  readonly periodMs: number;
  readonly now: () => number;
}

export interface DigestQuestion {
  /** One Proxy-Authorization value that names `realm`. */
  readonly value: string;
  readonly method: string;
  /** Host that the request is for; the digest must be for the same. */
  readonly host: string;
  readonly realm: string;
  /** Deployments whose nodes the request is bound for. */
  readonly deployments: readonly string[];
}

export type DigestAnswer =
  | { readonly kind: 'user'; readonly user: string; readonly deployment: string }
  /** Right or wrong, the nonce was not good: ask again. */
  | { readonly kind: 'stale' }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'wrong'; readonly claimed: string };

export interface DigestDoor {
  /** Values of Proxy-Authenticate. */
  challenges(realm: string, isStale: boolean): readonly string[];
  check(question: DigestQuestion): DigestAnswer;
}

/** Stands in for the secret of a user who has none. */
const nobody = randomBytes(32).toString('hex');

export function createDigestDoor(options: DigestDoorOptions): DigestDoor {
  const { secrets, nonces, algorithms } = options;
  const guesses = createGuesses(options);
  return {
    challenges: (realm, isStale) =>
      algorithms.map(
        (algorithm) =>
          `Digest realm="${realm}", nonce="${nonces.create(realm)}", algorithm=${algorithm}, qop="auth"` +
          (isStale ? ', stale=true' : ''),
      ),
    check({ value, method, host, realm, deployments }) {
      const credentials = parseDigest(value);
      if (credentials === undefined || credentials.realm !== realm || !isFor(credentials, host))
        return { kind: 'malformed' };
      const { username, nonce, nc, algorithm } = credentials;
      if (!algorithms.includes(algorithm) || !nonces.isFresh(nonce, realm)) return { kind: 'stale' };
      const known = deployments
        .map((deployment) => ({ deployment, secret: secrets.find(deployment, username, realm, algorithm) }))
        .find(({ secret }) => secret !== undefined);
      const owner = known && `${known.deployment}\n${foldUser(username)}`;
      // A phone that has proven itself goes on with its nonce, whatever others guess in its user's name.
      if (owner !== undefined && !nonces.isUsed(nonce) && guesses.isSpent(owner))
        return { kind: 'wrong', claimed: username };
      const isRight = matches(responseOf(known?.secret ?? nobody, method, credentials), credentials.response);
      if (known === undefined || !isRight) {
        if (owner !== undefined) guesses.add(owner);
        return { kind: 'wrong', claimed: username };
      }
      if (!nonces.use(nonce, nc)) return { kind: 'stale' };
      return { kind: 'user', user: username, deployment: known.deployment };
    },
  };
}

/** Wrong answers per user and period. Only users who have signed in are in it, forgotten all at once with the period. */
function createGuesses({
  maxWrong,
  periodMs,
  now,
}: Pick<DigestDoorOptions, 'maxWrong' | 'periodMs' | 'now'>) {
  const counts = new Map<string, number>();
  let period = 0;
  const current = (): Map<string, number> => {
    const at = Math.floor(now() / periodMs);
    if (at !== period) counts.clear();
    period = at;
    return counts;
  };
  return {
    isSpent: (owner: string): boolean => maxWrong > 0 && (current().get(owner) ?? 0) >= maxWrong,
    add: (owner: string): void => void current().set(owner, (current().get(owner) ?? 0) + 1),
  };
}

function isFor({ uri }: DigestCredentials, host: string): boolean {
  const named = /^sips?:(?:[^@]*@)?(\[[^\]]*\]|[^:;?]+)/i.exec(uri)?.[1];
  return named !== undefined && named.toLowerCase() === host.toLowerCase();
}

function matches(expected: string, given: string): boolean {
  return expected.length === given.length && timingSafeEqual(Buffer.from(expected), Buffer.from(given));
}
