import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { randomCookieKey } from './cookie-key.ts';
import { checkCookie, mintCookie } from './cookie.ts';

const key = randomCookieKey();
const now = 1_800_000_000_000;
const lifetimeS = 28_800;
const value = mintCookie(key, 'default', 'alice', now, lifetimeS);
const check = (text: string, deployment = 'default', at = now) => checkCookie([key], deployment, text, at);

test('a token has 64 characters that need no quoting', () => {
  expect(value).toMatch(/^[A-Za-z0-9_-]{64}$/);
});

test('two tokens of one user in one millisecond differ', () => {
  expect(mintCookie(key, 'default', 'alice', now, lifetimeS)).not.toBe(value);
});

test('says who, since when and until when', () => {
  const claims = { user: 'alice', issuedAt: now, expiresAt: now + lifetimeS * 1000 };
  expect(check(value)).toEqual({ kind: 'genuine', claims });
});

test('any user id survives the journey', () => {
  const user = fc.stringMatching(/^[a-z0-9._@ä€-]{1,128}$/).filter((text) => text !== '.' && text !== '..');
  fc.assert(
    fc.property(user, (name) => {
      const result = check(mintCookie(key, 'default', name, now, lifetimeS));
      expect(result).toMatchObject({ kind: 'genuine', claims: { user: name } });
    }),
  );
});

describe('void', () => {
  const flipped = (at: number): string => {
    const bytes = Buffer.from(value, 'base64url');
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    return bytes.toString('base64url');
  };
  const rows: [name: string, text: string, deployment: string, at: number, kind: string][] = [
    ['empty', '', 'default', now, 'forged'],
    ['a UUID', '1e1111e1-dddb-49e9-ad0d-ab34526e2b00', 'default', now, 'forged'],
    ['64 characters of nothing', 'A'.repeat(64), 'default', now, 'forged'],
    ['one character less', value.slice(0, -1), 'default', now, 'forged'],
    ['four characters more', `${value}AAAA`, 'default', now, 'forged'],
    ['far too long', 'A'.repeat(724), 'default', now, 'forged'],
    ['padding', `${value.slice(0, -1)}=`, 'default', now, 'forged'],
    ['other deployment', value, 'branch', now, 'forged'],
    [
      'key of another core',
      mintCookie(randomCookieKey(), 'default', 'alice', now, lifetimeS),
      'default',
      now,
      'forged',
    ],
    ['at its end', value, 'default', now + lifetimeS * 1000, 'expired'],
    ['from the future', value, 'default', now - 121_000, 'expired'],
    ['version changed', flipped(0), 'default', now, 'forged'],
    ['issue time changed', flipped(6), 'default', now, 'forged'],
    ['lifetime changed', flipped(7), 'default', now, 'forged'],
    ['random changed', flipped(13), 'default', now, 'forged'],
    ['tag changed', flipped(20), 'default', now, 'forged'],
    ['user changed', flipped(30), 'default', now, 'forged'],
    ['padding changed', flipped(47), 'default', now, 'forged'],
  ];
  test.each(rows)('%s', (_name, text, deployment, at, kind) => {
    expect(check(text, deployment, at)).toEqual({ kind });
  });

  test('any single bit changed', () => {
    fc.assert(
      fc.property(fc.nat(47), fc.nat(7), (at, bit) => {
        const bytes = Buffer.from(value, 'base64url');
        bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
        expect(check(bytes.toString('base64url')).kind).toBe('forged');
      }),
    );
  });

  test('whatever is sent, nothing is thrown', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.base64String({ minLength: 64 })), (text) => {
        expect(check(text)).toEqual({ kind: 'forged' });
      }),
    );
  });
});

test('deployment and issue bytes cannot be shifted into each other', () => {
  const other = mintCookie(key, 'default1', 'alice', now, lifetimeS);
  expect(check(other, 'default').kind).toBe('forged');
  expect(check(other, 'default11').kind).toBe('forged');
});

test('an older key is still believed while it is listed', () => {
  const next = randomCookieKey();
  expect(checkCookie([next, key], 'default', value, now).kind).toBe('genuine');
  expect(checkCookie([next], 'default', value, now).kind).toBe('forged');
});
