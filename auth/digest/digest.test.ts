import { assert, property, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type DigestAlgorithm,
  type DigestCredentials,
  parseDigest,
  responseOf,
  secretOf,
} from './digest-credentials.ts';
import { createDigestDoor, type DigestAnswer } from './digest-door.ts';
import { createDigestSecrets } from './digest-secrets.ts';
import { createNonces } from './nonces.ts';

describe('RFC 7616 §3.9.1', () => {
  it.each([
    ['MD5', '8ca523f5e9506fed4657c9700eebdbec'],
    ['SHA-256', '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1'],
  ] as const)('%s', (algorithm, response) => {
    const credentials: DigestCredentials = {
      username: 'Mufasa',
      realm: 'http-auth@example.org',
      nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
      uri: '/dir/index.html',
      nc: '00000001',
      cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
      algorithm,
      response,
    };
    const secret = secretOf(algorithm, 'Mufasa', 'http-auth@example.org', 'Circle of Life');
    expect(responseOf(secret, 'GET', credentials)).toBe(response);
  });
});

const realm = 'edge.example.com';
const good = {
  username: 'alice',
  realm,
  nonce: 'n',
  uri: 'sip:ucm1.example.com',
  response: 'a'.repeat(32),
  cnonce: 'c',
  nc: '00000001',
  qop: 'auth',
};
const printed = (fields: Record<string, string>): string =>
  `Digest ${Object.entries(fields)
    .map(([name, value]) =>
      ['nc', 'qop', 'algorithm'].includes(name) ? `${name}=${value}` : `${name}="${value}"`,
    )
    .join(', ')}`;

describe('reading credentials', () => {
  it.each([
    ['complete', printed(good), true],
    ['without an algorithm: MD5', printed({ ...good, algorithm: 'MD5' }), true],
    ['quoted algorithm', printed(good).replace('qop=auth', 'qop="auth", algorithm="md5"'), true],
    ['without a count', printed(good).replace(', nc=00000001', ''), false],
    ['without qop (RFC 2069)', printed(good).replace(', qop=auth', ''), false],
    ['qop auth-int', printed(good).replace('qop=auth', 'qop=auth-int'), false],
    ['a name twice', `${printed(good)}, username="bob"`, false],
    ['another algorithm', `${printed(good)}, algorithm=SHA-512-256`, false],
    ['an open quote', `${printed(good)}, opaque="x`, false],
    ['another scheme', printed(good).replace('Digest', 'Basic'), false],
    ['nothing', '', false],
  ])('%s', (_, value, isRead) => {
    expect(parseDigest(value) !== undefined).toBe(isRead);
  });

  it('never throws', () => {
    assert(property(string({ maxLength: 200 }), (text) => void parseDigest(`Digest ${text}`)));
  });
});

interface How {
  readonly user?: string;
  readonly password?: string;
  readonly nc?: string;
  readonly uri?: string;
  readonly deployment?: string;
  readonly method?: string;
  readonly algorithm?: DigestAlgorithm;
  readonly realmSaid?: string;
}

describe('the door', () => {
  function doorOf(change: { maxUses?: number; maxNonces?: number } = {}) {
    const clock = { now: 1_000_000_000_000 };
    const now = (): number => clock.now;
    const algorithms = ['SHA-256', 'MD5'] as const;
    const secrets = createDigestSecrets({
      algorithms,
      realms: () => [realm],
      ttlMs: 1_000_000,
      maxUsers: 2,
      now,
    });
    secrets.remember('d', { user: 'Alice', password: 'wonderland' });
    const nonces = createNonces({ lifetimeMs: 300_000, maxUses: 3, maxNonces: 2, now, ...change });
    const door = createDigestDoor({ secrets, nonces, algorithms, maxWrong: 8, periodMs: 300_000, now });
    const nonceOf = (challenge = ''): string => /nonce="([^"]+)"/.exec(challenge)?.[1] ?? '';
    const fresh = (): string => nonceOf(door.challenges(realm, false)[0]);
    const answer = (
      nonce: string,
      {
        user = 'Alice',
        password = 'wonderland',
        nc = '00000001',
        uri = 'sip:ucm1.example.com',
        deployment = 'd',
        method = 'REGISTER',
        algorithm = 'MD5',
        realmSaid = realm,
      }: How = {},
    ): DigestAnswer => {
      const fields = {
        ...good,
        username: user,
        realm: realmSaid,
        nonce,
        nc,
        uri,
        algorithm,
        response: '0'.repeat(32),
      };
      const credentials = parseDigest(printed(fields));
      if (credentials === undefined) throw new Error('unreadable');
      const response = responseOf(secretOf(algorithm, user, realmSaid, password), 'REGISTER', credentials);
      return door.check({
        value: printed({ ...fields, response }),
        method,
        host: 'ucm1.example.com',
        realm,
        deployments: [deployment],
      });
    };
    return { door, secrets, nonces, clock, fresh, answer };
  }

  it('offers each algorithm by itself, the best first (RFC 8760 §2.3)', () => {
    const values = doorOf().door.challenges(realm, true);
    expect(values.map((value) => /algorithm=([^,]+)/.exec(value)?.[1])).toEqual(['SHA-256', 'MD5']);
    expect(values.every((value) => value.endsWith('stale=true'))).toBe(true);
  });

  it.each<[string, How, DigestAnswer['kind']]>([
    ['the right password', {}, 'user'],
    ['as call control spells the user', { user: 'alice' }, 'user'],
    ['with SHA-256', { algorithm: 'SHA-256' }, 'user'],
    ['a wrong password', { password: 'x' }, 'wrong'],
    ['a user who has not signed in', { user: 'bob' }, 'wrong'],
    ['a user of another deployment', { deployment: 'e' }, 'wrong'],
    ['another method', { method: 'INVITE' }, 'wrong'],
    ['another host', { uri: 'sip:elsewhere.example.com' }, 'malformed'],
    ['another realm', { realmSaid: 'elsewhere' }, 'malformed'],
    ['the count zero', { nc: '00000000' }, 'stale'],
  ])('%s', (_, how, kind) => {
    const { answer, fresh } = doorOf();
    expect(answer(fresh(), how).kind).toBe(kind);
  });

  it('a count is good once and only rises', () => {
    const { answer, fresh } = doorOf();
    const nonce = fresh();
    const kinds = ['00000001', '00000001', '00000003', '00000002', '00000004', '00000005'].map(
      (nc) => answer(nonce, { nc }).kind,
    );
    expect(kinds).toEqual(['user', 'stale', 'user', 'stale', 'user', 'stale']);
  });

  it('a nonce ages, is bound to its realm, and cannot be made up', () => {
    const { answer, fresh, clock, nonces } = doorOf();
    const nonce = fresh();
    expect(answer(nonces.create('elsewhere')).kind).toBe('stale');
    expect(answer(`${nonce.slice(0, -2)}AA`).kind).toBe('stale');
    expect(answer('x').kind).toBe('stale');
    clock.now += 300_000;
    expect(answer(nonce).kind).toBe('stale');
  });

  it('strangers cost no memory; a nonce that had to make room is not good again', () => {
    const { answer, fresh, nonces, clock } = doorOf();
    const first = fresh();
    for (let i = 0; i < 1000; i += 1) answer(fresh(), { user: 'bob' });
    expect(nonces.size).toBe(0);
    answer(first);
    for (let i = 0; i < 2; i += 1) {
      clock.now += 1;
      answer(fresh());
    }
    expect(nonces.size).toBe(2);
    expect(answer(first, { nc: '00000001' }).kind).toBe('stale');
  });

  it('guesses in a user’s name come to an end; a phone that has proven itself goes on', () => {
    const { answer, fresh, clock } = doorOf();
    const own = fresh();
    expect(answer(own).kind).toBe('user');
    for (let guess = 0; guess < 8; guess += 1) answer(fresh(), { password: 'x' });
    expect(answer(fresh()).kind).toBe('wrong');
    expect(answer(own, { nc: '00000002' }).kind).toBe('user');
    clock.now += 300_000;
    expect(answer(fresh()).kind).toBe('user');
  });

  it('what a sign-in left ends with it, and with a revocation', () => {
    const { answer, fresh, clock, secrets } = doorOf();
    secrets.forget('ALICE');
    expect(answer(fresh()).kind).toBe('wrong');
    secrets.remember('d', { user: 'Alice', password: 'wonderland' });
    expect(answer(fresh()).kind).toBe('user');
    clock.now += 1_000_000;
    expect(answer(fresh()).kind).toBe('wrong');
    for (const user of ['a', 'b', 'c']) secrets.remember('d', { user, password: 'x' });
    expect(secrets.size).toBe(2);
  });
});
