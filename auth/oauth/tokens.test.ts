import { createHmac } from 'node:crypto';
import * as fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { openDoors } from '../test-doors.ts';
import { openJwe, openJws } from './compact-jose.ts';
import { createKeyRing, type KeyedCluster } from './key-ring.ts';
import { createTestIssuer, issueToken, signPayload, type TestIssuer } from './test-issuer.ts';
import { createTokens, type TokenResult, type Tokens, type TokensOptions } from './tokens.ts';

// A key pair takes long to make; these are made once and never changed.
const issuer = createTestIssuer('8d0d5324-f4f0-4b0b-811e-4a59fdb6b722');
const successor = createTestIssuer(issuer.clusterId);
const stranger = createTestIssuer();
const branch = createTestIssuer();

let doors: ReturnType<typeof openDoors>;
let fetched: string[];
let published: TestIssuer | undefined;
let tokens: Tokens;
const seconds = (): number => Math.floor(doors.clock.wall() / 1000);
const log = { info: () => undefined, warn: () => undefined };

function open(change: Partial<TokensOptions> = {}): Tokens {
  const cluster = (name: string, deployment: string, of: () => TestIssuer | undefined): KeyedCluster => ({
    cluster: name,
    deployment,
    fetch: async () => {
      fetched.push(name);
      const now = of();
      if (now === undefined) throw new Error('no node answers');
      return now.document;
    },
  });
  const ring = createKeyRing({
    clusters: [cluster('c1', 'd', () => published), cluster('c2', 'd2', () => branch)],
    overlapMs: 7_200_000,
    refetchMs: 30_000,
    now: doors.clock.wall,
    log,
    count: () => undefined,
  });
  return createTokens({
    ring,
    revocations: doors.revocations,
    scopes: {
      https: ['UnifiedCommunications:readwrite'],
      sip: ['UnifiedCommunications:readwrite'],
      xmpp: [],
    },
    lifetimeMs: 3_600_000,
    skewMs: 60_000,
    maxTokens: 3,
    now: doors.clock.wall,
    count: (event) => doors.counted.push(event),
    ...change,
  });
}

beforeEach(() => {
  doors = openDoors();
  fetched = [];
  published = issuer;
  tokens = open();
});

const check = async (token: string, deployment = 'd', of = tokens): Promise<TokenResult> =>
  of.check(deployment, token, 'https');

describe('a good token', () => {
  test('says whose it is, of which cluster and until when', async () => {
    const result = await check(await issueToken(issuer, seconds(), { claims: { sub: 'Alice' } }));
    const expiresAt = (seconds() + 3600) * 1000;
    expect(result).toMatchObject({
      outcome: 'token',
      user: 'alice',
      cluster: 'c1',
      deployment: 'd',
      expiresAt,
    });
  });

  test('the second time costs no question and is answered at once', async () => {
    const token = await issueToken(issuer, seconds());
    await check(token);
    expect(tokens.check('d', token, 'https')).toMatchObject({ outcome: 'token' });
    expect(fetched).toEqual(['c1', 'c2']);
  });

  test.each([
    ['no iat', { iat: undefined }],
    ['scopes as a list', { scopes: ['UnifiedCommunications:readwrite', 'x'] }],
    ['issued a little in the future', { iat: 30 }],
  ])('%s', async (_name, change) => {
    const claims = 'iat' in change && change.iat !== undefined ? { iat: seconds() + 30 } : change;
    expect(await check(await issueToken(issuer, seconds(), { claims }))).toMatchObject({ outcome: 'token' });
  });
});

describe('claims', () => {
  const hour = 3600;
  const rows: [
    name: string,
    claims: (now: number) => Record<string, unknown>,
    code: number,
    reason: string,
  ][] = [
    ['expired', (now) => ({ exp: now - 61, iat: now - hour }), 401, 'token-expired'],
    ['expired within the clocks’ difference', (now) => ({ exp: now - 59, iat: now - hour }), 200, ''],
    ['no end', () => ({ exp: undefined }), 401, 'token-invalid'],
    ['an end that is text', (now) => ({ exp: String(now + hour) }), 401, 'token-invalid'],
    ['an end too far away', (now) => ({ exp: now + 3 * hour }), 401, 'token-invalid'],
    ['issued in the future', (now) => ({ iat: now + 600 }), 401, 'token-invalid'],
    ['not yet valid', (now) => ({ nbf: now + 600 }), 401, 'token-invalid'],
    ['another issuer', () => ({ iss: stranger.clusterId }), 401, 'token-invalid'],
    ['no issuer', () => ({ iss: undefined }), 401, 'token-invalid'],
    ['a refresh token inside', () => ({ ctyp: 'refresh' }), 401, 'token-invalid'],
    ['a token of a machine', () => ({ typ: 'system' }), 401, 'token-invalid'],
    ['no user', () => ({ sub: undefined }), 401, 'token-invalid'],
    ['a user that is a path', () => ({ sub: '../bob' }), 401, 'token-invalid'],
    ['no token id', () => ({ tid: undefined }), 401, 'token-invalid'],
    ['no client id', () => ({ ccid: 7 }), 401, 'token-invalid'],
    ['no scopes', () => ({ scopes: undefined }), 401, 'token-invalid'],
    ['other scopes', () => ({ scopes: 'UnifiedCommunications:messages' }), 403, 'token-scope'],
  ];
  test.each(rows)('%s', async (_name, claims, code, reason) => {
    const result = await check(await issueToken(issuer, seconds(), { claims: claims(seconds()) }));
    expect(result).toMatchObject(code === 200 ? { outcome: 'token' } : { outcome: 'deny', code, reason });
  });

  test('a service that asks for no scope takes any', async () => {
    const token = await issueToken(issuer, seconds(), { claims: { scopes: [] } });
    expect(await tokens.check('d', token, 'xmpp')).toMatchObject({ outcome: 'token' });
    expect(await tokens.check('d', token, 'sip')).toMatchObject({ reason: 'token-scope' });
  });

  test('a token ends while it is remembered', async () => {
    const token = await issueToken(issuer, seconds());
    expect(await check(token)).toMatchObject({ outcome: 'token' });
    doors.clock.advance(3_661_000);
    expect(await check(token)).toMatchObject({ reason: 'token-expired' });
  });
});

describe('forged and twisted tokens', () => {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const rows: [name: string, token: () => Promise<string>, reason: string][] = [
    ['nothing', async () => '', 'token-malformed'],
    ['no JOSE', async () => 'abc', 'token-malformed'],
    ['too long', async () => 'a'.repeat(9000), 'token-malformed'],
    [
      'alg none',
      async () => `${part({ alg: 'none', kid: issuer.signingKid })}.${part({ private: 'x' })}.`,
      'token-malformed',
    ],
    [
      'HS256 with the public key as secret',
      async () => {
        const signed = `${part({ alg: 'HS256', kid: issuer.signingKid })}.${part({ private: 'x' })}`;
        return `${signed}.${createHmac('sha256', issuer.document).update(signed).digest('base64url')}`;
      },
      'token-malformed',
    ],
    [
      'a key in the header',
      async () => issueToken(issuer, seconds(), { jwsHeader: { jwk: {} } }),
      'token-malformed',
    ],
    [
      'a key by URL',
      async () => issueToken(issuer, seconds(), { jwsHeader: { jku: 'https://x' } }),
      'token-malformed',
    ],
    [
      'a stranger’s key under our id',
      async () =>
        issueToken({ ...stranger, signingKid: issuer.signingKid, clusterId: issuer.clusterId }, seconds()),
      'token-invalid',
    ],
    ['a stranger’s key', async () => issueToken(stranger, seconds()), 'token-key-unknown'],
    [
      'a path as key id',
      async () => issueToken(issuer, seconds(), { jwsHeader: { kid: '../../etc/passwd' } }),
      'token-key-unknown',
    ],
    ['not encrypted', async () => signPayload(issuer, JSON.stringify({ sub: 'alice' })), 'token-malformed'],
    [
      'a refresh token',
      async () => signPayload(issuer, JSON.stringify({ ctyp: 'refresh', sub: 'alice' })),
      'token-malformed',
    ],
    [
      'another encryption',
      async () =>
        issueToken(issuer, seconds(), {
          jweHeader: { enc: 'A128GCM' },
          encryptor: { ...issuer, secret: issuer.secret.subarray(0, 16) },
        }),
      'token-malformed',
    ],
    [
      'encrypted by another secret',
      async () => issueToken(issuer, seconds(), { encryptor: { ...issuer, secret: stranger.secret } }),
      'token-invalid',
    ],
    [
      'encrypted with another cluster’s key',
      async () => issueToken(issuer, seconds(), { encryptor: branch }),
      'token-key-unknown',
    ],
  ];
  test.each(rows)('%s', async (_name, token, reason) => {
    await tokens.refreshKeys();
    expect(await check(await token())).toMatchObject({ outcome: 'deny', code: 401, reason });
  });

  test('one changed character anywhere', async () => {
    const token = await issueToken(issuer, seconds());
    await check(token);
    for (let at = 0; at < token.length; at += 7) {
      const changed = token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
      expect((await check(changed)).outcome).toBe('deny');
    }
    // A second spelling of the same bytes is refused too.
    const last = token.at(-1) ?? '';
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const other = alphabet[alphabet.indexOf(last) ^ 1] ?? '';
    expect((await check(token.slice(0, -1) + other)).outcome).toBe('deny');
  });

  test('a name twice in header or claims', async () => {
    const header = Buffer.from(`{"alg":"RS256","kid":"x","kid":"${issuer.signingKid}"}`).toString(
      'base64url',
    );
    expect(openJws(`${header}.e30.AAAA`, () => undefined)).toEqual({ fault: 'malformed' });
  });

  test('any text is refused, never thrown', () => {
    const piece = fc.oneof(
      fc.base64String(),
      fc.string(),
      fc.json().map((text) => Buffer.from(text).toString('base64url')),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (parts) => {
        expect(openJws(parts.join('.'), () => undefined)).toHaveProperty('fault');
        expect(openJwe(parts.join('.'), () => undefined)).toHaveProperty('fault');
      }),
    );
  });
});

describe('clusters and deployments', () => {
  test('a token opens its own deployment only', async () => {
    const token = await issueToken(branch, seconds());
    expect(await check(token)).toMatchObject({ reason: 'token-deployment' });
    expect(await check(token, 'd2')).toMatchObject({ outcome: 'token', cluster: 'c2' });
    expect(await tokens.check(undefined, token, 'sip')).toMatchObject({ deployment: 'd2' });
  });

  test('a cluster that claims the id of another is not believed', async () => {
    await tokens.refreshKeys();
    published = createTestIssuerLike(branch);
    doors.clock.advance(31_000);
    await tokens.refreshKeys();
    expect(tokens.status().clusters[0]?.problem).toBe('its cluster id is that of c2');
    expect(await check(await issueToken(issuer, seconds()))).toMatchObject({ outcome: 'token' });
  });
});

function createTestIssuerLike(of: TestIssuer): TestIssuer {
  const document = issuer.document.replaceAll(issuer.clusterId, of.clusterId);
  return { ...of, document };
}

describe('keys', () => {
  test('change: the new one is fetched when it is met, the old one is good for the overlap', async () => {
    const old = await issueToken(issuer, seconds(), { claims: { exp: seconds() + 3000 } });
    expect(await check(old)).toMatchObject({ outcome: 'token' });
    published = successor;
    doors.clock.advance(31_000);
    expect(await check(await issueToken(successor, seconds()))).toMatchObject({ outcome: 'token' });
    const late = await issueToken(issuer, seconds());
    expect(await check(late)).toMatchObject({ outcome: 'token' });
    doors.clock.advance(7_200_000);
    expect(await check(await issueToken(issuer, seconds()))).toMatchObject({ reason: 'token-key-unknown' });
    expect(await check(await issueToken(successor, seconds()))).toMatchObject({ outcome: 'token' });
  });

  test('a retired key takes the tokens it signed along, remembered ones too', async () => {
    tokens = open({ lifetimeMs: 20_000_000 });
    const token = await issueToken(issuer, seconds(), { claims: { exp: seconds() + 15_000 } });
    expect(await check(token)).toMatchObject({ outcome: 'token' });
    published = successor;
    doors.clock.advance(31_000);
    await tokens.refreshKeys();
    expect(await check(token)).toMatchObject({ outcome: 'token' });
    doors.clock.advance(7_200_000);
    expect(await check(token)).toMatchObject({ reason: 'token-key-unknown' });
  });

  test('strangers’ key ids do not make core ask each time', async () => {
    const token = await issueToken(stranger, seconds());
    for (let i = 0; i < 50; i++) await check(token);
    expect(fetched).toEqual(['c1', 'c2']);
    doors.clock.advance(30_000);
    await Promise.all(Array.from({ length: 50 }, () => check(token)));
    expect(fetched).toHaveLength(4);
  });

  test('cannot be fetched: what is known stays good, the rest is refused, and status says why', async () => {
    await tokens.refreshKeys();
    published = undefined;
    doors.clock.advance(31_000);
    expect(await check(await issueToken(successor, seconds()))).toMatchObject({
      reason: 'token-key-unknown',
    });
    expect(tokens.status().clusters[0]?.problem).toBe('no node answers');
    expect(await check(await issueToken(issuer, seconds()))).toMatchObject({ outcome: 'token' });
  });
});

describe('revocation', () => {
  test('what was issued before is void, what is issued after is good', async () => {
    const before = await issueToken(issuer, seconds());
    expect(await check(before)).toMatchObject({ outcome: 'token' });
    doors.clock.advance(1000);
    await doors.revocations.revoke('Alice');
    expect(await check(before)).toMatchObject({ code: 401, reason: 'token-revoked' });
    doors.clock.advance(2000);
    expect(await check(await issueToken(issuer, seconds()))).toMatchObject({ outcome: 'token' });
  });

  test('a store that fails closes the door', async () => {
    const store = { ...doors.store, get: () => Promise.reject(new Error('disk')) };
    doors = openDoors({ store });
    tokens = open();
    expect(await check(await issueToken(issuer, seconds()))).toMatchObject({
      code: 503,
      reason: 'store-unavailable',
    });
  });
});

test('what is remembered is bounded', async () => {
  for (let i = 0; i < 5; i++) await check(await issueToken(issuer, seconds()));
  expect(tokens.status().tokens).toBe(3);
  expect(doors.counted).toEqual(['token-cache-full', 'token-cache-full']);
});
