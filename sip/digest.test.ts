// Digest against the examples of RFC 2617 §3.5 and RFC 7616 §3.9.1, and the checker against what the answerer makes.

import { describe, expect, it } from 'vitest';
import {
  answerChallenge,
  checkCredentials,
  createChallenge,
  credentialsUser,
  digestResponse,
} from './digest.ts';

describe('response', () => {
  it('RFC 2617 §3.5', () => {
    const response = digestResponse({
      algorithm: 'MD5',
      username: 'Mufasa',
      realm: 'testrealm@host.com',
      password: 'Circle Of Life',
      method: 'GET',
      uri: '/dir/index.html',
      nonce: 'dcd98b7102dd2f0e8b11d0f600bfb0c093',
      qop: 'auth',
      nc: '00000001',
      cnonce: '0a4f113b',
    });
    expect(response).toBe('6629fae49393a05397450978507c4ef1');
  });

  it('RFC 7616 §3.9.1, MD5 and SHA-256', () => {
    const input = {
      username: 'Mufasa',
      realm: 'http-auth@example.org',
      password: 'Circle of Life',
      method: 'GET',
      uri: '/dir/index.html',
      nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
      qop: 'auth',
      nc: '00000001',
      cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
    } as const;
    expect(digestResponse({ ...input, algorithm: 'MD5' })).toBe('8ca523f5e9506fed4657c9700eebdbec');
    expect(digestResponse({ ...input, algorithm: 'SHA-256' })).toBe(
      '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1',
    );
  });
});

describe('challenge and check', () => {
  const answer = {
    username: '10001',
    password: 'secret "x"',
    method: 'REGISTER',
    uri: 'sip:h',
    cnonce: 'c',
    nc: 1,
  };
  const check = {
    realm: 'ccm "line"',
    password: answer.password,
    method: 'REGISTER',
    isFreshNonce: (nonce: string) => nonce === 'n1',
  };

  it.each(['MD5', 'SHA-256', 'SHA-512-256'] as const)('%s', (algorithm) => {
    const credentials = answerChallenge(createChallenge('ccm "line"', 'n1', algorithm), answer) ?? '';
    expect(credentialsUser(credentials)).toBe('10001');
    expect(checkCredentials(credentials, { ...check, algorithm })).toBe('ok');
    expect(checkCredentials(credentials, { ...check, algorithm, password: 'other' })).toBe('wrong');
    expect(checkCredentials(credentials, { ...check, algorithm, method: 'INVITE' })).toBe('wrong');
    expect(checkCredentials(credentials, { ...check, algorithm, realm: 'other' })).toBe('wrong');
    expect(checkCredentials(credentials, { ...check, algorithm, isFreshNonce: () => false })).toBe('stale');
    expect(checkCredentials(credentials.replace('response="', 'response="0'), { ...check, algorithm })).toBe(
      'wrong',
    );
  });

  it('answers without qop as RFC 2069, keeps opaque, and ignores what it does not know', () => {
    const old = answerChallenge('Digest realm="r", nonce="n", opaque="o\\"p"', answer);
    expect(old).toContain('opaque="o\\"p"');
    expect(old).not.toContain('cnonce');
    expect(answerChallenge('Digest realm="r", nonce="n", qop="auth-int"', answer)).toBeUndefined();
    expect(answerChallenge('Digest realm="r", nonce="n", algorithm=MD5-sess', answer)).toBeUndefined();
    expect(answerChallenge('Bearer realm="ccmsipline"', answer)).toBeUndefined();
    expect(checkCredentials('Bearer token="x"', { ...check, algorithm: 'MD5' })).toBe('wrong');
  });
});
