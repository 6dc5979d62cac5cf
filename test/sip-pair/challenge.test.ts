// T-056: whoever challenges gets the challenge carried to the one it is meant for. Edge and core hold no credentials of
// anybody and never answer in his place.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { play, type Actor } from './dialogue.ts';
import { openPair, type Pair } from './pair.ts';
import { rewrittenOf, signIn } from './sign-in.ts';

let pair: Pair;
let phone: Actor;
let registrar: Actor;
const alice = { user: 'alice', host: '172.16.84.136:58980', instance: '<urn:uuid:a>' };

beforeEach(async () => {
  pair = await openPair();
  phone = pair.client();
  registrar = await signIn(pair, phone, alice);
});
afterEach(() => pair.close());

test.each([
  ['401 Unauthorized', 'WWW-Authenticate'],
  ['407 Proxy Authentication Required', 'Proxy-Authenticate'],
])(
  'a client that challenges a call from inside (%s) is answered by nobody on the way',
  async (status, header) => {
    const challenge = `${header}: Digest realm="ccmsipline", nonce="evil", algorithm=MD5, qop="auth"`;
    await play(
      `
    registrar sends:
      MESSAGE ${rewrittenOf(alice)} SIP/2.0
      Via: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bKm
      Max-Forwards: 70
      From: <sip:1002@cm1.example.com>;tag=b
      To: <sip:alice@example.com>
      Call-ID: m1
      CSeq: 7 MESSAGE
    phone receives:
      MESSAGE * SIP/2.0
      Via: {v1}
      Via: {v2}
      Via: {v3}
      ...
    phone sends:
      SIP/2.0 ${status}
      Via: {v1}
      Via: {v2}
      Via: {v3}
      From: <sip:1002@cm1.example.com>;tag=b
      To: <sip:alice@example.com>;tag=evil
      Call-ID: m1
      CSeq: 7 MESSAGE
      ${challenge}
    registrar receives:
      SIP/2.0 ${status}
      ...
      ${challenge}
      ...
    `,
      { phone, registrar },
    );
    expect(phone.unread).toEqual([]);
    expect(registrar.unread).toEqual([]);
  },
);
