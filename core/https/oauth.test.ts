import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createTestIssuer, issueToken } from '../../auth/oauth/test-issuer.ts';
import { alice, basic, domainLane, openCore, type TestCore } from './test-core.ts';

// One key pair for all: making one takes longer than any test here.
const issuer = createTestIssuer();
let core: TestCore;

const tokensOn = {
  authenticationPath: 'ucm-ldap',
  oauthWithRefresh: true,
  oauthSimple: false,
  userCredential: true,
  internalCheck: false,
  activationCodeOnboarding: false,
  embeddedSafari: false,
  clientRedirectUri: false,
  sipTokenExtraTtlS: 0,
} as const;
const oauth = {
  keys: new Map([['c1', { document: issuer.document }]]),
  overlapMs: 7_200_000,
  refetchMs: 30_000,
  refreshMs: 3_600_000,
  lifetimeMs: 3_600_000,
  skewMs: 60_000,
  maxTokens: 1000,
  scopes: { https: [], sip: [], xmpp: [] },
};

const open = (userCredential = true): Promise<TestCore> =>
  openCore({ access: { ...tokensOn, userCredential }, oauth });

beforeEach(async () => {
  core = await open();
});
afterEach(() => core.close());

const bearer = async (claims: Record<string, unknown> = {}): Promise<string> =>
  `Authorization: Bearer ${await issueToken(issuer, Math.floor(core.clock.wall() / 1000), { claims })}\r\n`;
const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
const headerOf = (answer: string, name: string): string | undefined =>
  new RegExp(`^${name}: (.*)$`, 'im').exec(answer)?.[1];
const config = `/${domainLane}/get_edge_config`;

describe('signing in with a token', () => {
  test('needs no password and asks call control nothing', async () => {
    const answer = await core.get(config, await bearer());
    expect(statusOf(answer)).toBe(200);
    expect(answer).toContain('<userUdsServer><server><address>ucm1.example.com');
    expect(core.counted).toContain('sign-in token');
  });

  test('the cookie ends with the token and opens the lane', async () => {
    const answer = await core.get(config, await bearer());
    const cookie = headerOf(answer, 'Set-Cookie') ?? '';
    const expires = Date.parse(/Expires=([^;]*)/.exec(cookie)?.[1] ?? '');
    expect(Math.round((expires - core.clock.wall()) / 1000)).toBeGreaterThan(3590);
    expect(expires).toBeLessThanOrEqual(core.clock.wall() + 3_601_000);
    const through = await core.get(
      `/${core.lane()}/cucm-uds/user/bob/devices`,
      `Cookie: ${cookie.split(';')[0]}\r\n`,
    );
    expect(statusOf(through)).toBe(403);
  });

  test.each([
    ['expired', { exp: 1_000_000_000, iat: 999_999_000 }],
    ['of another issuer', { iss: 'somebody' }],
  ])('%s: told to renew the token, not to type a password', async (_name, claims) => {
    const answer = await core.get(config, await bearer(claims));
    expect(statusOf(answer)).toBe(401);
    expect(headerOf(answer, 'WWW-Authenticate')).toBe('Bearer realm="Cisco-Edge", error="invalid_token"');
  });

  test('of a cluster that is not of this domain’s deployment', async () => {
    const branch = Buffer.from('branch.example.com').toString('base64url');
    expect(statusOf(await core.get(`/${branch}/get_edge_config`, await bearer()))).toBe(401);
    expect(core.counted).toContain('sign-in-refused token-deployment');
  });

  test('get_edge_sso says that tokens are on, and where to get them', async () => {
    const answer = await core.get(`/${domainLane}/get_edge_sso?email=alice@example.com`);
    expect(answer).toContain('<Token enabled="true"/>');
    expect(answer).toContain(`<Uri>https://edge1.example.com:8443/${domainLane}/authorize</Uri>`);
  });
});

describe('the proxy lane', () => {
  test('opens for a token and passes it on', async () => {
    const answer = await core.get(`/${core.lane()}/cucm-uds/version`, await bearer());
    expect(statusOf(answer)).toBe(200);
  });

  test('own resources only', async () => {
    const answer = await core.get(`/${core.lane()}/cucm-uds/user/bob/devices`, await bearer());
    expect(statusOf(answer)).toBe(403);
    expect(core.counted).toContain('request-refused other-user');
  });

  test('a cookie of one user does not carry the token of another', async () => {
    const cookie = headerOf(await core.get(config, alice), 'Set-Cookie')?.split(';')[0] ?? '';
    const path = `/${core.lane()}/cucm-uds/version`;
    const foreign = await core.get(path, `Cookie: ${cookie}\r\n${await bearer({ sub: 'bob' })}`);
    expect(statusOf(foreign)).toBe(403);
    expect(statusOf(await core.get(path, `Cookie: ${cookie}\r\n${await bearer()}`))).toBe(200);
    // A token of some other service is for that service to judge.
    expect(statusOf(await core.get(path, `Cookie: ${cookie}\r\nAuthorization: Bearer opaque\r\n`))).toBe(200);
  });

  test('revoking a user ends tokens and cookies', async () => {
    const token = await bearer();
    core.clock.advance(1000);
    await core.core.revoke('alice');
    expect(statusOf(await core.get(`/${core.lane()}/cucm-uds/version`, token))).toBe(401);
  });
});

describe('passwords off', () => {
  beforeEach(async () => {
    await core.close();
    core = await open(false);
  });

  test('a password is not looked at', async () => {
    expect(statusOf(await core.get(config, alice))).toBe(403);
    expect(core.counted).toContain('sign-in-refused access-off');
  });

  test('nothing brought: asked for a token', async () => {
    const answer = await core.get(config);
    expect(statusOf(answer)).toBe(401);
    expect(headerOf(answer, 'WWW-Authenticate')).toBe('Bearer realm="Cisco-Edge"');
  });

  test('a token opens the door', async () => {
    expect(statusOf(await core.get(config, await bearer()))).toBe(200);
  });
});

describe('authorize, token, revoke', () => {
  const at = (rest: string): string => `/${domainLane}/${rest}`;
  test('authorize wants a password that core has checked, and goes to the home node', async () => {
    expect(statusOf(await core.get(at('authorize?response_type=code')))).toBe(401);
    expect(statusOf(await core.get(at('authorize?response_type=code'), basic('alice', 'guess')))).toBe(401);
    const answer = await core.get(at('authorize?response_type=code&client_id=C1'), alice);
    expect(answer).toContain('"target":"/ssosp/oauth/authorize?response_type=code&client_id=C1"');
  });

  test('guesses at authorize run into rate control', async () => {
    for (let i = 0; i < 8; i++) await core.get(at('authorize'), basic('alice', `guess${i}`));
    expect(statusOf(await core.get(at('authorize'), alice))).toBe(429);
  });

  test.each([
    ['a redirect address of the client’s choice', 'GET', 'authorize?redirect_uri=https://evil/', 400],
    ['token by GET', 'GET', 'token?code=1', 405],
    ['revoking somebody else', 'GET', 'revoke?user_id=bob', 403],
  ])('%s', async (_name, _method, rest, status) => {
    expect(statusOf(await core.get(at(rest), alice))).toBe(status);
  });

  test('token: the body goes to the cluster, a password with it does not', async () => {
    const body = 'grant_type=refresh_token&refresh_token=abc';
    const answer = await core.exchange(
      `POST ${at('token')} HTTP/1.1\r\nHost: edge1.example.com:8443\r\n${alice}` +
        `Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
    );
    // The node of these tests answers nobody without a password: that none arrived is what is proven.
    expect(statusOf(answer)).toBe(401);
    expect(core.counted).toContain('token-refused');
  });

  test('revoke ends this core’s sessions as well', async () => {
    const cookie = headerOf(await core.get(config, alice), 'Set-Cookie')?.split(';')[0] ?? '';
    core.clock.advance(1000);
    expect(statusOf(await core.get(at('revoke?user_id=ALICE'), alice))).toBe(200);
    const after = await core.get(`/${core.lane()}/cucm-uds/version`, `Cookie: ${cookie}\r\n`);
    expect(statusOf(after)).toBe(401);
  });
});

describe('tokens off', () => {
  beforeEach(async () => {
    await core.close();
    core = await openCore();
  });
  test.each(['authorize', 'token', 'revoke'])('%s is not there', async (name) => {
    expect(statusOf(await core.get(`/${domainLane}/${name}`, alice))).toBe(404);
  });
  test('a token is no credential', async () => {
    const answer = await core.get(config, await bearer());
    expect(statusOf(answer)).toBe(401);
    expect(core.counted).toContain('sign-in-refused scheme-unsupported');
  });
});
