// The bearer token of a REGISTER (mra-wire §3.4): `Proxy-Authorization: Bearer token="…"`. Core judges it and passes it
// on untouched, because call control judges it too; a simple token, which core issued itself, ends here. Without a token there is nothing to judge: a digest is call
// control's alone. Trust: the header is the client's claim.
import { parseSipBearer } from '../../auth/oauth/bearer.ts';
import { isSimpleToken, type SimpleToken } from '../../auth/oauth/simple-tokens.ts';
import type { TokenResult } from '../../auth/oauth/tokens.ts';
import type { SipRequest } from '../../sip/index.ts';
import type { SipNode } from './node-directory.ts';
import { refuse, type Refusal } from './verdict.ts';

type Judgement = TokenResult | SimpleToken;

/** Whose token this is, or why it opens nothing. */
export type TokenJudge = (token: string) => Judgement | Promise<Judgement>;

/** What clients know as the challenge of an OAuth line. */
export const BEARER_CHALLENGE = 'Bearer realm="ccmsipline"';

/** A refusal when the request carries a token that does not open the nodes it is bound for. */
export function judgeToken(
  request: SipRequest,
  nodes: readonly SipNode[],
  judge: TokenJudge | undefined,
): Refusal | undefined | Promise<Refusal | undefined> {
  const value = bearerOf(request);
  if (judge === undefined || value === undefined) return undefined;
  const token = value === 'several' ? undefined : parseSipBearer(value);
  if (token === undefined) return refuse(400, 'token', 'Token Cannot Be Read');
  const result = judge(token);
  // Call control has never heard of a token of ours, and need not.
  if (isSimpleToken(token)) stripToken(request);
  const decide = (found: Judgement): Refusal | undefined => decision(found, nodes);
  return result instanceof Promise ? result.then(decide) : decide(result);
}

/** Whether there is a token to judge. */
export function hasBearer(request: SipRequest): boolean {
  return bearerOf(request) !== undefined;
}

/** The one value with a token; two would be read one way here and perhaps another way inside. */
function bearerOf({ headers }: SipRequest): string | undefined {
  const values = [...headers.getAll('Proxy-Authorization'), ...headers.getAll('Authorization')];
  const bearers = values.filter((value) => /^\s*bearer\b/i.test(value));
  return bearers.length > 1 ? 'several' : bearers[0];
}

function stripToken({ headers }: SipRequest): void {
  for (const name of ['Proxy-Authorization', 'Authorization'])
    headers.setAll(
      name,
      headers.getAll(name).filter((value) => !/^\s*bearer\b/i.test(value)),
    );
}

function decision(result: Judgement, nodes: readonly SipNode[]): Refusal | undefined {
  if (result.outcome !== 'deny') {
    const astray = nodes.some(
      ({ deployment }) => deployment !== undefined && deployment !== result.deployment,
    );
    return astray ? refuse(403, 'token', 'Token Is Of Another Deployment') : undefined;
  }
  if (result.code === 503) return { ...refuse(503, 'token'), retryAfterSeconds: result.retryAfterS ?? 1 };
  if (result.code === 403) return refuse(403, 'token', 'Token Does Not Permit Calls');
  return { ...refuse(407, 'token'), challenges: [BEARER_CHALLENGE] };
}
