// Core asks for proof itself: who registers without a token answers a digest by the password of the last sign-in.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseDigest, responseOf, secretOf } from '../../auth/digest/digest-credentials.ts';
import { createDigestDoor } from '../../auth/digest/digest-door.ts';
import { createDigestSecrets } from '../../auth/digest/digest-secrets.ts';
import { createNonces } from '../../auth/digest/nonces.ts';
import { BEARER_CHALLENGE } from '../../core/sip/index.ts';
import { type Actor, play } from './dialogue.ts';
import { openPair, type Pair } from './pair.ts';

const REALM = 'edge.example.com';
const failures: string[] = [];
let pair: Pair;
let phone: Actor;

beforeEach(async () => {
  const now = (): number => Date.now();
  const algorithms = ['MD5'] as const;
  const secrets = createDigestSecrets({
    algorithms,
    realms: () => [REALM],
    ttlMs: 60_000,
    maxUsers: 10,
    now,
  });
  secrets.remember('d', { user: 'alice', password: 'wonderland' });
  const nonces = createNonces({ lifetimeMs: 60_000, maxUses: 128, maxNonces: 10, now });
  failures.length = 0;
  pair = await openPair({
    nodes: (node) => [{ ...node, deployment: 'd' }],
    core: {
      digest: {
        door: createDigestDoor({ secrets, nonces, algorithms, maxWrong: 8, periodMs: 300_000, now }),
        realmOf: () => REALM,
        otherChallenges: [BEARER_CHALLENGE],
        failed: (deployment, claimed) => void failures.push(`${deployment} ${claimed}`),
      },
    },
  });
  phone = pair.client();
});
afterEach(() => pair.close());

let cseq = 0;
const register = (more = ''): string => {
  cseq += 1;
  return `
    phone sends:
      REGISTER sip:cm1.example.com SIP/2.0
      Via: SIP/2.0/TLS 10.1.1.1:5061;branch=z9hG4bKd${cseq}
      Max-Forwards: 70
      From: <sip:alice@example.com>;tag=a
      To: <sip:alice@example.com>
      Call-ID: d1
      CSeq: ${cseq} REGISTER
      Contact: <sip:alice-line@10.1.1.1:5061;transport=tls>
      ${more === '' ? 'User-Agent: test' : more}
      Expires: 60
  `;
};
const challenged = `
    phone receives:
      SIP/2.0 407 Proxy Authentication Required
      ...
      Proxy-Authenticate: Digest realm="${REALM}", nonce="{nonce}", algorithm=MD5, qop="auth"
      Proxy-Authenticate: ${BEARER_CHALLENGE}
      ...
`;

function credentials(nonce: string, password: string, nc = '00000001'): string {
  const fields = `username="alice", realm="${REALM}", nonce="${nonce}", uri="sip:cm1.example.com", cnonce="c", nc=${nc}, qop=auth, algorithm=MD5`;
  const read = parseDigest(`Digest ${fields}, response="${'0'.repeat(32)}"`);
  if (read === undefined) throw new Error('unreadable');
  const response = responseOf(secretOf('MD5', 'alice', REALM, password), 'REGISTER', read);
  return `Proxy-Authorization: Digest ${fields}, response="${response}"`;
}

async function nonce(): Promise<string> {
  const captures = await play(register() + challenged, { phone });
  return captures.get('nonce') ?? '';
}

test('the right answer goes in without the credentials; the registrar’s own challenge still passes', async () => {
  await play(register(credentials(await nonce(), 'wonderland')), { phone });
  const registrar = await pair.registrar();
  const captures = await play(
    `
    registrar receives:
      REGISTER sip:cm1.example.com SIP/2.0
      Via: {v1}
      Via: {v2}
      Via: {v3}
      Max-Forwards: *
      From: *
      To: *
      Call-ID: d1
      CSeq: {cseq} REGISTER
      Contact: *
      Expires: 60
    registrar sends:
      SIP/2.0 401 Unauthorized
      Via: {v1}
      Via: {v2}
      Via: {v3}
      From: <sip:alice@example.com>;tag=a
      To: <sip:alice@example.com>;tag=r
      Call-ID: d1
      CSeq: {cseq} REGISTER
      WWW-Authenticate: Digest realm="ccmsipline", nonce="x", algorithm=MD5
    phone receives:
      SIP/2.0 401 Unauthorized
      ...
      WWW-Authenticate: Digest realm="ccmsipline", nonce="x", algorithm=MD5
      ...
    `,
    { phone, registrar },
  );
  expect(captures.get('v3')).toContain('10.1.1.1:5061');
});

test.each([
  ['no credentials', () => ''],
  ['a wrong password', (value: string) => credentials(value, 'looking-glass')],
  ['a token that nobody here can judge', () => 'Proxy-Authorization: Bearer token="x"'],
])('%s: challenged, and nothing goes in', async (_, answer) => {
  await play(register(answer(await nonce())) + challenged, { phone });
  expect(pair.counts.get('refused digest')).toBe(2);
  expect(failures).toEqual(_ === 'a wrong password' ? ['d alice'] : []);
});

test('an answer is good once', async () => {
  const answer = credentials(await nonce(), 'wonderland');
  await play(register(answer), { phone });
  await pair.registrar();
  await play(
    `${register(answer)}
    phone receives:
      SIP/2.0 407 Proxy Authentication Required
      ...
      Proxy-Authenticate: Digest realm="${REALM}", nonce="{nonce}", algorithm=MD5, qop="auth", stale=true
      ...
    `,
    { phone },
  );
});
