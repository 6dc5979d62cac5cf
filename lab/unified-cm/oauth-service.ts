// The OAuth resources of a node below /ssosp: authorize, token, revoke (mra-wire §2.1), and the keys for core. How a real
// cluster hands its keys to an Expressway is in no public page; /ssosp/keys is this lab's own. Pure but for the issuer.
import { parseBasic } from './basic-credentials.ts';
import { type Enterprise, findUser, type LabUser } from './enterprise.ts';
import type { TokenIssuer, TokenPair } from './token-issuer.ts';
import type { UdsResponse } from './uds.ts';

export interface OauthRequest {
  readonly method: string;
  readonly target: string;
  readonly authorization: string | undefined;
  readonly body: string;
}

/** The account that may read keys; it opens nothing outside the lab. */
export const keyAccount = { user: 'axl', password: 'lab-only' } as const;

/** Answers one request to `/ssosp/…`; `base` is `https://<node>:<port>`. */
export async function answerOauth(
  enterprise: Enterprise,
  issuer: TokenIssuer,
  base: string,
  request: OauthRequest,
): Promise<UdsResponse> {
  const url = new URL(request.target, base);
  const user = provenUser(enterprise, request.authorization);
  switch (`${request.method} ${url.pathname}`) {
    case 'GET /ssosp/keys':
      return keys(issuer, request.authorization);
    case 'GET /ssosp/oauth/authorize':
      return user === undefined ? unauthorized() : authorize(issuer, base, url.searchParams, user);
    case 'POST /ssosp/oauth/token':
      return token(issuer, new URLSearchParams(request.body));
    case 'GET /ssosp/token/revoke':
    case 'POST /ssosp/token/revoke':
      if (user === undefined) return unauthorized();
      issuer.revoke(user.id);
      return json(200, {});
    default:
      return json(404, { error: 'not found' });
  }
}

function keys(issuer: TokenIssuer, authorization: string | undefined): UdsResponse {
  const given = parseBasic(authorization);
  const good = given?.user === keyAccount.user && given.password === keyAccount.password;
  return good ? { ...json(200, {}), body: issuer.keyDocument() } : unauthorized();
}

function authorize(issuer: TokenIssuer, base: string, query: URLSearchParams, user: LabUser): UdsResponse {
  if (query.get('response_type') !== 'code') return json(400, { error: 'unsupported_response_type' });
  const callback = new URL('/ssosp/public/oauthcallback', base);
  callback.searchParams.set('code', issuer.code(user.id, query.get('client_id') ?? 'C0'));
  return { status: 302, headers: { Location: callback.href }, body: '' };
}

async function token(issuer: TokenIssuer, form: URLSearchParams): Promise<UdsResponse> {
  const pair =
    form.get('grant_type') === 'refresh_token'
      ? await issuer.renew(form.get('refresh_token') ?? '')
      : await issuer.redeem(form.get('code') ?? '');
  return pair === undefined ? json(400, { error: 'invalid_grant' }) : json(200, printPair(pair));
}

function printPair({ accessToken, refreshToken, expiresIn }: TokenPair): object {
  const names = { token_type: 'Bearer', expires_in: expiresIn };
  return { access_token: accessToken, refresh_token: refreshToken, ...names };
}

function provenUser(enterprise: Enterprise, authorization: string | undefined): LabUser | undefined {
  const given = parseBasic(authorization);
  const user = given === undefined ? undefined : findUser(enterprise, given.user);
  return user?.password === given?.password ? user : undefined;
}

function unauthorized(): UdsResponse {
  return { ...json(401, {}), headers: { 'WWW-Authenticate': 'Basic realm="Cisco Web Services Realm"' } };
}

function json(status: number, body: object): UdsResponse {
  const headers = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' };
  return { status, headers, body: JSON.stringify(body) };
}
