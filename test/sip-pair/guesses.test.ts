// Intrusion protection of SIP sign-ins: edge counts what call control refuses, against the user at his address; who is out
// is answered by edge and call control never hears of it. Others at the address, and a phone with a stale nonce, go on.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type BanList, createBanList } from '../../auth/index.ts';
import { sipSignIns } from '../../edge/assembly/bans.ts';
import { type Actor, play } from './dialogue.ts';
import { openPair, type Pair } from './pair.ts';

let pair: Pair;
let bans: BanList;
let phone: Actor;
let registrar: Actor | undefined;
let sequence = 0;

beforeEach(async () => {
  bans = createBanList({
    categories: new Map([['sip-auth', { triggerLevel: 2, windowMs: 600_000, blockMs: 600_000 }]]),
    exempt: [],
    maxBans: 10,
    maxCounters: 10,
    maxHistory: 10,
    now: () => 1_000,
    count: () => undefined,
    onBan: () => undefined,
  });
  pair = await openPair({ edge: { signIns: sipSignIns(bans) } });
  phone = pair.client();
  registrar = undefined;
});
afterEach(() => pair.close());

const register = (user: string): string => `
    phone sends:
      REGISTER sip:cm1.example.com SIP/2.0
      Via: SIP/2.0/TLS 192.168.1.20:5061;branch=z9hG4bKg${(sequence += 1)}
      From: <sip:${user}@example.com>;tag=a
      To: <sip:${user}@example.com>
      Call-ID: guess
      CSeq: ${sequence} REGISTER
      Contact: <sip:${user}@192.168.1.20:5061;transport=tls>
      Authorization: Digest username="${user}", realm="ccmsipline", nonce="n", response="0"
`;

/** One REGISTER with credentials that call control answers. */
async function attempt(user: string, status: string, ...lines: readonly string[]): Promise<void> {
  await play(register(user), { phone });
  registrar ??= await pair.registrar();
  await play(
    `
    registrar receives:
      REGISTER sip:cm1.example.com SIP/2.0
      Via: {v1}
      Via: {v2}
      Via: {v3}
      ...
    registrar sends:
      SIP/2.0 ${status}
      Via: {v1}
      Via: {v2}
      Via: {v3}
      From: <sip:${user}@example.com>;tag=a
      To: <sip:${user}@example.com>;tag=b
      Call-ID: guess
      CSeq: ${sequence} REGISTER
${lines.map((line) => `      ${line}\n`).join('')}
    phone receives:
      SIP/2.0 ${status}
      ...
    `,
    { phone, registrar },
  );
}
const wrong = ['401 Unauthorized', 'WWW-Authenticate: Digest realm="ccmsipline", nonce="m"'] as const;

test('two wrong passwords, and edge answers in place of call control', async () => {
  await attempt('alice', ...wrong);
  await attempt('alice', ...wrong);
  expect(bans.list()).toMatchObject([
    { category: 'sip-auth', id: expect.stringMatching(/^user:sip:alice@/) },
  ]);
  await play(
    `${register('alice')}
    phone receives:
      SIP/2.0 403 Forbidden
      ...
    `,
    { phone },
  );
  expect(registrar?.unread).toEqual([]);
  await attempt('bob', ...wrong);
});

test('a success takes back what was counted; a nonce that grew stale counts nothing', async () => {
  await attempt('alice', ...wrong);
  await attempt('alice', '404 Not Found');
  await attempt('alice', '401 Unauthorized', 'WWW-Authenticate: Digest realm="x", nonce="m", stale=true');
  expect(bans.stats()).toMatchObject([{ failures: 1 }]);
  await attempt('alice', '200 OK');
  await attempt('alice', ...wrong);
  expect(bans.list()).toEqual([]);
});
