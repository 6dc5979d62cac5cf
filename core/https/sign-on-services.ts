// Single sign-on on an edge's lane (mra-wire §2.1, §2.3): `authorize` sends the browser to the domain's identity provider,
// `fedlet` takes what it brings back, `oauthcallback` is the page where a browser ends that has nowhere else to go. A
// success ends in a simple token in the fragment of a redirect (RFC 6749 §4.2.2); a failure in a page that says nothing
// but what to do, with the cause in the log. What is asked for with `realm=local` is Unified CM's own business.
import {
  type CallerOptions,
  isBearer,
  isSimpleToken,
  parseBearer,
  type PasswordResult,
  type Purpose,
  RateFault,
  type RateControl,
  SamlFault,
  type SignOn,
  type SimpleTokens,
} from '../../auth/index.ts';
import type { HeaderList } from '../../http/index.ts';
import { printLane } from '../../zones/lane.ts';
import type { PeerIdentity } from '../../zones/peer.ts';
import { answerPage, answerRedirect, answerStatus } from './answers.ts';
import type { Call } from './call.ts';
import type { EdgeAddress } from './edge-address.ts';

export interface SignOnServicesOptions {
  readonly signOn: SignOn;
  readonly tokens: SimpleTokens;
  /** True when the users of a domain have an identity provider. */
  readonly serves: (domain: string) => boolean;
  /** Addresses to which a client may ask the answer to be sent, letter for letter. */
  readonly redirectUris: ReadonlySet<string>;
  readonly guard: CallerOptions['guard'];
  readonly rate: RateControl;
  readonly findUser: (deployment: string, user: string) => Promise<PasswordResult>;
  /** Ends everything of a user. */
  readonly revoke: (user: string) => Promise<void>;
  readonly edgeOf: (peer: PeerIdentity) => EdgeAddress;
  readonly now: () => number;
  readonly count: (event: string, reason?: string) => void;
}

export interface SignOnServices {
  serves(domain: string): boolean;
  /** True when a request for this service is single sign-on's to answer. */
  takes(call: Call, name: string): boolean;
  answer(call: Call, name: string): Promise<void>;
  status(): {
    readonly begun: number;
    readonly succeeded: number;
    readonly refused: Readonly<Record<string, number>>;
  };
}

/** A POST from the identity provider: the longest Response, escaped. */
const maxFormBytes = 400 * 1024;

export function createSignOnServices(options: SignOnServicesOptions): SignOnServices {
  return new Services(options);
}

class Services implements SignOnServices {
  readonly #options: SignOnServicesOptions;
  #begun = 0;
  #succeeded = 0;
  readonly #refused: Record<string, number> = {};

  constructor(options: SignOnServicesOptions) {
    this.#options = options;
  }

  serves(domain: string): boolean {
    return this.#options.serves(domain);
  }

  status(): ReturnType<SignOnServices['status']> {
    return { begun: this.#begun, succeeded: this.#succeeded, refused: { ...this.#refused } };
  }

  takes({ exchange: { request } }: Call, name: string): boolean {
    if (name === 'fedlet' || name === 'oauthcallback') return true;
    if (name === 'revoke') return isOwnToken(request.headers);
    if (name !== 'authorize') return false;
    const query = new URLSearchParams(request.query ?? '');
    return query.get('response_type') === 'token' && query.get('realm') !== 'local';
  }

  async answer(call: Call, name: string): Promise<void> {
    const { method } = call.exchange.request;
    const wanted = name === 'fedlet' || name === 'revoke' ? 'POST' : 'GET';
    if (method !== wanted && !(name === 'revoke' && method === 'GET'))
      return this.#refuse(call, 405, 'method');
    try {
      if (name === 'authorize') await this.#begin(call);
      else if (name === 'fedlet') await this.#finish(call);
      else if (name === 'revoke') await this.#revoke(call);
      else this.#land(call);
    } catch (error) {
      this.#fail(call, error);
    }
  }

  async #begin(call: Call): Promise<void> {
    const banned = this.#options.guard.checkAddress(call.trace.clientAddress);
    if (banned !== undefined) return this.#sorry(call, 429, 'banned', banned.text, banned.retryAfterS);
    const purpose = readPurpose(call.exchange.request.query, this.#options.redirectUris);
    if (typeof purpose === 'string')
      return this.#sorry(call, 400, purpose, 'the authorisation request cannot be served');
    const base = this.#baseOf(call);
    const { location, cookie } = await this.#options.signOn.begin(
      call.domain,
      `${base}/fedlet`,
      call.trace.clientAddress,
      purpose,
    );
    this.#begun += 1;
    this.#options.count('sign-on', 'begun');
    call.record.allowed('sign-on', 'sent to the identity provider');
    answerRedirect(
      call.exchange,
      302,
      location,
      this.#cookie(call, cookie.name, cookie.value, cookie.maxAgeS),
    );
  }

  async #finish(call: Call): Promise<void> {
    const form = await readForm(call);
    if (form === undefined) return this.#sorry(call, 400, 'form', 'what was posted is no SAML response');
    const cookies = call.exchange.request.headers.all('cookie');
    const base = this.#baseOf(call);
    const signedOn = await this.#options.signOn.finish({
      domain: call.domain,
      consumer: `${base}/fedlet`,
      samlResponse: form.samlResponse,
      relayState: form.relayState,
      cookie: (name) => readCookie(cookies, name),
    });
    const { user, purpose } = signedOn;
    call.record.claimed(user);
    const account = await this.#admit(call, user);
    if (account === undefined) return;
    const { token, expiresAt } = await this.#options.tokens.issue({
      ...account,
      deployment: call.deployment,
      clientId: purpose.clientId,
      deviceId: purpose.deviceId,
      endsAt: signedOn.sessionEndsAt,
    });
    this.#succeeded += 1;
    this.#options.count('sign-on', 'succeeded');
    call.record.user(user);
    call.record.allowed('sign-on', `the identity provider ${signedOn.provider} vouches for the user`);
    const fragment = printGrant(token, expiresAt - this.#options.now(), purpose.state);
    const target = purpose.redirectUri ?? `${base}/oauthcallback`;
    answerRedirect(
      call.exchange,
      303,
      `${target}#${fragment}`,
      this.#cookie(call, signedOn.cookieName, '', 0),
    );
  }

  /** The identity provider knows the user; call control must too, and neither ban nor rate may stand against it. */
  async #admit(call: Call, user: string): Promise<{ user: string; homeCluster: string } | undefined> {
    const { guard, rate, findUser } = this.#options;
    const { deployment } = call;
    const kept =
      guard.check(deployment, user, call.trace.clientAddress) ?? (await rate.check(deployment, user));
    if (kept !== undefined) {
      this.#sorry(call, 429, kept.reason, kept.text, kept.retryAfterS);
      return undefined;
    }
    const found = await findUser(deployment, user);
    if (found.kind === 'unreachable') {
      this.#sorry(call, 503, 'unreachable', found.cause, 5);
      return undefined;
    }
    await rate.count(deployment, user);
    if (found.kind === 'ok') return found.account;
    this.#sorry(
      call,
      403,
      found.kind,
      `call control does not know ${user}, whom the identity provider named`,
    );
    return undefined;
  }

  /** The holder of a token gives it up, and everything else of its user. */
  async #revoke(call: Call): Promise<void> {
    const token = ownToken(call.exchange.request.headers) ?? '';
    const result = await this.#options.tokens.check(call.deployment, token, 'https');
    if (result.outcome === 'deny') return this.#refuse(call, result.code, result.reason);
    await this.#options.revoke(result.user);
    call.record.user(result.user);
    call.record.allowed('sign-on', 'the user gave up the tokens');
    answerStatus(call.exchange, 200);
  }

  #land(call: Call): void {
    call.record.allowed('sign-on', 'the page where single sign-on ends');
    answerPage(call.exchange, 200, 'Signed in', 'You can close this window.');
  }

  #fail(call: Call, error: unknown): void {
    if (error instanceof RateFault) return this.#sorry(call, 429, 'rate', error.message, error.retryAfterS);
    if (!(error instanceof SamlFault))
      return this.#sorry(call, 503, 'store-unavailable', `the store of sign-ins failed: ${String(error)}`, 1);
    const { reason, message } = error;
    if (reason === 'identity-provider') return this.#sorry(call, 503, reason, message, 60);
    // A forged signature is nobody's accident; the rest also happens to honest people with slow fingers or odd clocks.
    if (reason === 'signature' || reason === 'algorithm') {
      const verdict = { outcome: 'deny', code: 401, reason: 'token-invalid', text: message } as const;
      this.#options.guard.failed(verdict, call.deployment, undefined, call.trace.clientAddress);
    }
    this.#sorry(call, 403, reason, message);
  }

  /** A person is told to try again; the cause is the log's. */
  #sorry(
    call: Call,
    status: 400 | 403 | 429 | 503,
    reason: string,
    cause: string,
    retryAfterS?: number,
  ): void {
    this.#refused[reason] = (this.#refused[reason] ?? 0) + 1;
    this.#options.count('sign-on-refused', reason);
    call.record.rejected(reason, cause);
    const sentence = status === 503 || status === 429 ? 'Please try again later.' : 'Please begin again.';
    answerPage(call.exchange, status, 'Sign-in did not succeed', sentence, retryAfterS);
  }

  #refuse(call: Call, status: number, reason: string): void {
    this.#options.count('sign-on-refused', reason);
    call.record.rejected(reason, 'single sign-on cannot be used like this');
    answerStatus(call.exchange, status);
  }

  /** `https://edge:port/<lane>` as the browser sees it. */
  #baseOf(call: Call): string {
    const { address, httpsPort } = this.#options.edgeOf(call.peer);
    return `https://${address}:${httpsPort}/${printLane({ kind: 'domain', domain: call.domain })}`;
  }

  /** SameSite=None: the identity provider's page posts across sites. The path keeps it from every other request. */
  #cookie(call: Call, name: string, value: string, maxAgeS: number): string {
    const path = `/${printLane({ kind: 'domain', domain: call.domain })}/fedlet`;
    return `${name}=${value}; Max-Age=${maxAgeS}; Path=${path}; Secure; HttpOnly; SameSite=None`;
  }
}

/** What the client asks for, or the reason why not (RFC 6749 §4.2.1). A parameter must not come twice (§3.1). */
function readPurpose(query: string | undefined, redirectUris: ReadonlySet<string>): Purpose | string {
  const parameters = new URLSearchParams(query ?? '');
  const names = [...parameters.keys()];
  if (new Set(names).size < names.length) return 'repeated';
  const clientId = parameters.get('client_id') ?? '';
  const deviceId = parameters.get('device_id') ?? '';
  const state = parameters.get('state') ?? undefined;
  const redirectUri = parameters.get('redirect_uri') ?? undefined;
  if (!/^[\w.-]{1,128}$/.test(clientId)) return 'client-id';
  if (!/^[\w.-]{0,128}$/.test(deviceId)) return 'device-id';
  if (state !== undefined && !/^[\x20-\x7e]{0,512}$/.test(state)) return 'state';
  if (redirectUri !== undefined && !redirectUris.has(redirectUri)) return 'redirect-uri';
  return { responseType: 'token', clientId, deviceId, redirectUri, state };
}

function printGrant(token: string, leftMs: number, state: string | undefined): string {
  const grant = new URLSearchParams({
    access_token: token,
    token_type: 'Bearer',
    expires_in: String(Math.max(1, Math.floor(leftMs / 1000))),
  });
  if (state !== undefined) grant.set('state', state);
  return grant.toString();
}

async function readForm(
  call: Call,
): Promise<{ samlResponse: string; relayState: string | undefined } | undefined> {
  const { request, body } = call.exchange;
  const type = request.headers.get('content-type') ?? '';
  if (!/^application\/x-www-form-urlencoded *(?:;|$)/i.test(type)) return undefined;
  let bytes: Buffer;
  try {
    bytes = await body.collect(maxFormBytes);
  } catch {
    return undefined;
  }
  const form = new URLSearchParams(bytes.toString('latin1'));
  const [samlResponse, ...more] = form.getAll('SAMLResponse');
  const [relayState, ...others] = form.getAll('RelayState');
  if (samlResponse === undefined || more.length > 0 || others.length > 0) return undefined;
  return { samlResponse, relayState };
}

/** The value of a cookie; undefined when there is none or they disagree. */
function readCookie(lines: readonly string[], name: string): string | undefined {
  const values = lines
    .flatMap((line) => line.split(';'))
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1));
  return new Set(values).size === 1 ? values[0] : undefined;
}

function ownToken(headers: HeaderList): string | undefined {
  const lines = headers.all('authorization');
  const [line] = lines;
  if (lines.length !== 1 || !isBearer(line)) return undefined;
  const token = parseBearer(line ?? '');
  return token !== undefined && isSimpleToken(token) ? token : undefined;
}

function isOwnToken(headers: HeaderList): boolean {
  return ownToken(headers) !== undefined;
}
