// What edge can see of sign-ins over SIP: a REGISTER with credentials and the answer it got (RFC 3261 §22). Core and the
// registrar judge; edge counts, because only edge knows where the client is. A challenge to a REGISTER without
// credentials is no failure; one success takes back what a stale nonce (RFC 7616 §3.3) had added. Keeps nothing itself.
import type { SipRequest, SipResponse } from '../../sip/index.ts';

/** Who hears of sign-ins; `user` undefined when the credentials name none that can be read. */
export interface SignInWatch {
  /** This user at this address is shut out. */
  isOut(user: string, address: string): boolean;
  failed(user: string | undefined, address: string): void;
  succeeded(user: string, address: string): void;
}

/** What a REGISTER claims; undefined when it brings no credentials. */
export interface SignInClaim {
  readonly user: string | undefined;
}

const maxCredentials = 16_384;
const refusals: ReadonlySet<number> = new Set([401, 403, 407]);

/** The user of the Digest credentials in a REGISTER. Tokens are core's to read: whose they are edge cannot say. */
export function claimOf(request: Pick<SipRequest, 'method' | 'headers'>): SignInClaim | undefined {
  if (request.method !== 'REGISTER') return undefined;
  const values = [
    ...request.headers.getAll('Authorization'),
    ...request.headers.getAll('Proxy-Authorization'),
  ];
  const digest = values.find((value) => /^\s*digest\s/i.test(value));
  if (digest === undefined) return undefined;
  if (digest.length > maxCredentials) return { user: undefined };
  const quoted = /[\s,]username\s*=\s*"((?:[^"\\]|\\.)*)"/i.exec(digest)?.[1];
  return { user: quoted?.replaceAll(/\\(.)/g, '$1') };
}

/** Tells the watch how a sign-in ended; an answer that never came, or says nothing of credentials, is not told. */
export function noteSignIn(
  watch: SignInWatch,
  claim: SignInClaim | undefined,
  address: string,
  response: Pick<SipResponse, 'status' | 'isSuccess' | 'headers'> | undefined,
): void {
  if (claim === undefined || response === undefined) return;
  if (response.isSuccess && claim.user !== undefined) watch.succeeded(claim.user, address);
  if (refusals.has(response.status) && !isStale(response)) watch.failed(claim.user, address);
}

/** RFC 7616 §3.3: the nonce was too old, the password may well be right. */
function isStale(response: Pick<SipResponse, 'headers'>): boolean {
  const challenges = [
    ...response.headers.getAll('WWW-Authenticate'),
    ...response.headers.getAll('Proxy-Authenticate'),
  ];
  return challenges.some((value) => /[\s,]stale\s*=\s*"?true\b/i.test(value));
}
