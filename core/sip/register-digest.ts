// A REGISTER without a token, where core is told to ask for proof itself: Unified CM registers whoever comes through a
// trusted neighbour unless its phones' security profiles demand a digest, and then a stranger's word would be enough. Core challenges
// under the edge's public name (mra-wire §3.5) and takes the answer off again: inside, nobody could use it.
import type { DigestDoor } from '../../auth/digest/digest-door.ts';
import { parseDigest } from '../../auth/digest/digest-credentials.ts';
import type { SipRequest } from '../../sip/index.ts';
import type { EdgeIdentity } from './edge-identity.ts';
import type { SipNode } from './node-directory.ts';
import { refuse, type Refusal } from './verdict.ts';

export interface DigestJudge {
  readonly door: DigestDoor;
  /** The name under which a client knows this edge. */
  readonly realmOf: (edge: EdgeIdentity) => string;
  /** Challenges besides the digest: tokens, where they are offered. */
  readonly otherChallenges: readonly string[];
  /** A wrong answer in this user's name. */
  readonly failed: (deployment: string, claimed: string) => void;
}

/** A refusal, or undefined when the request may go to `nodes`. Edits the request. */
export function judgeDigest(
  request: SipRequest,
  edge: EdgeIdentity,
  nodes: readonly SipNode[],
  { door, realmOf, otherChallenges, failed }: DigestJudge,
): Refusal | undefined {
  const realm = realmOf(edge);
  const { headers, uri } = request;
  const values = headers.getAll('Proxy-Authorization');
  const own = values.filter((value) => parseDigest(value)?.realm === realm);
  const challenged = (isStale: boolean): Refusal => ({
    ...refuse(407, 'digest'),
    challenges: [...door.challenges(realm, isStale), ...otherChallenges],
  });
  const [value] = own;
  if (value === undefined) return challenged(false);
  if (own.length > 1 || uri.kind !== 'sip') return refuse(400, 'digest', 'Credentials Cannot Be Read');
  const deployments = [...new Set(nodes.flatMap(({ deployment }) => deployment ?? []))];
  const answer = door.check({ value, method: request.method, host: uri.host, realm, deployments });
  switch (answer.kind) {
    case 'user':
      headers.setAll(
        'Proxy-Authorization',
        values.filter((one) => one !== value),
      );
      return undefined;
    case 'stale':
      return challenged(true);
    case 'wrong':
      for (const deployment of deployments) failed(deployment, answer.claimed);
      return challenged(false);
    default:
      return refuse(400, 'digest', 'Credentials Cannot Be Read');
  }
}
