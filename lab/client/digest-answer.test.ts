import { expect, test } from 'vitest';
import { createRequest, type SipRequest } from '../../sip/index.ts';
import { DigestDoor } from '../unified-cm/digest-door.ts';
import { answerDigest } from './digest-answer.ts';

test('the example of RFC 2617 §3.5', () => {
  const challenge =
    'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="x"';
  const question = { challenge, method: 'GET', uri: '/dir/index.html', cnonce: '0a4f113b' };
  expect(answerDigest(question, { user: 'Mufasa', password: 'Circle Of Life' })).toContain(
    'response="6629fae49393a05397450978507c4ef1"',
  );
});

test.each([
  ['Basic realm="x"'],
  ['Digest realm="x", nonce="1", qop="auth-int"'],
  ['Digest realm="x", nonce="1", qop="auth", algorithm=SHA-256'],
  ['Digest nonce="1", qop="auth"'],
])('%s is not answered', (challenge) => {
  const question = { challenge, method: 'REGISTER', uri: 'sip:a', cnonce: '1' };
  expect(answerDigest(question, { user: 'a', password: 'b' })).toBeUndefined();
});

const door = new DigestDoor({ realm: 'ccmsipline', key: Buffer.alloc(32, 1), lifetimeMs: 1000 });
const uri = 'sip:ucm1.example.com';

function register(authorization?: string): SipRequest {
  return createRequest({
    method: 'REGISTER',
    uri,
    via: 'SIP/2.0/TCP 127.0.0.1:1;branch=z9hG4bK1',
    from: '<sip:1001@ucm1.example.com>;tag=1',
    to: '<sip:1001@ucm1.example.com>',
    callId: '1',
    cseq: 1,
    headers: authorization === undefined ? [] : [['Authorization', authorization]],
  });
}
const challengeAt = (nowMs: number): string => door.check(register(), 'CSFALICE', 'secret', nowMs)![1];
const answer = (challenge: string, password = 'secret', user = 'CSFALICE'): string =>
  answerDigest({ challenge, method: 'REGISTER', uri, cnonce: 'abc' }, { user, password })!;

test('the registrar accepts the right answer and asks again for every other', () => {
  const challenge = challengeAt(0);
  const check = (authorization: string, nowMs = 500): string | undefined =>
    door.check(register(authorization), 'CSFALICE', 'secret', nowMs)?.[1];
  expect(check(answer(challenge))).toBeUndefined();
  expect(check(answer(challenge, 'wrong'))).not.toContain('stale');
  expect(check(answer(challenge, 'secret', 'CSFBOB'))).toBeDefined();
  expect(check(answer(challenge.replace(/nonce="./, 'nonce="f')))).not.toContain('stale');
  expect(check(answer(challenge), 1001)).toContain('stale=true');
  expect(check('Basic abc')).toBeDefined();
  expect(check('Digest')).toBeDefined();
});
