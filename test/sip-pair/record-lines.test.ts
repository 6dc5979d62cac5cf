// What an operator reads in the logs: refusals, registrations and calls, a line each, and no secret among them.
import { afterEach, expect, test } from 'vitest';
import { play } from './dialogue.ts';
import { openPair, type LogLine, type Pair } from './pair.ts';
import { contactOf, rewrittenOf, signIn } from './sign-in.ts';

let pair: Pair;
afterEach(() => pair.close());
const alice = { user: 'alice', host: '172.16.84.136:58980', instance: '<urn:uuid:a>' };

const said = (who: string, pattern: RegExp): readonly LogLine[] =>
  pair.lines.filter((line) => line.who === who && pattern.test(line.text));

test('a registration is granted, moves with its phone, and ends; its refreshes are no news', async () => {
  pair = await openPair();
  const phone = pair.client();
  const registrar = await signIn(pair, phone, alice);
  await signIn(pair, phone, alice, registrar);
  const again = pair.client('phone', '203.0.113.5');
  await signIn(pair, again, alice, registrar);
  await signIn(pair, again, { ...alice, expires: 0 }, registrar);
  const common = { aor: 'alice@example.com', contact: contactOf(alice), edge: 'edge1' };
  expect(said('core', /^registration/)).toMatchObject([
    { ...common, text: 'registration granted', node: 'CEtcp-cm1.example.com' },
    { ...common, text: 'registration moved' },
    { ...common, text: 'registration ended', reason: 'un-registered' },
  ]);
});

test('a call begins and ends, with who, why and how long', async () => {
  pair = await openPair();
  const phone = pair.client();
  const registrar = await signIn(pair, phone, alice);
  const captures = await play(
    `
    registrar sends:
      INVITE ${rewrittenOf(alice)} SIP/2.0
      Via: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bKin
      From: <sip:1002@cm1.example.com>;tag=c1
      To: <sip:alice@example.com>
      Call-ID: told
      CSeq: 1 INVITE
      Contact: <sip:1002@cm1.example.com:5060>
    phone receives:
      INVITE ${contactOf(alice)} SIP/2.0
      Record-Route: {r1}
      Record-Route: {r2}
      Record-Route: {r3}
      Record-Route: {r4}
      Via: {v1}
      Via: {v2}
      Via: {v3}
      ...
    phone sends:
      SIP/2.0 200 OK
      Via: {v1}
      Via: {v2}
      Via: {v3}
      Record-Route: {r1}, {r2}, {r3}, {r4}
      From: <sip:1002@cm1.example.com>;tag=c1
      To: <sip:alice@example.com>;tag=p1
      Call-ID: told
      CSeq: 1 INVITE
      Contact: <${contactOf(alice)}>
    registrar receives:
      SIP/2.0 200 OK
      ...
    `,
    { phone, registrar },
  );
  pair.nowMs += 61_000;
  await play(
    `
    phone sends:
      BYE sip:1002@cm1.example.com:5060 SIP/2.0
      Via: SIP/2.0/TLS 10.0.0.1:5061;branch=z9hG4bKbye
      Route: {r1}, {r2}, {r3}, {r4}
      From: <sip:alice@example.com>;tag=p1
      To: <sip:1002@cm1.example.com>;tag=c1
      Call-ID: told
      CSeq: 1 BYE
    registrar receives:
      BYE sip:1002@cm1.example.com:5060 SIP/2.0
      Via: {w1}
      Via: {w2}
      Via: {w3}
      ...
    registrar sends:
      SIP/2.0 200 OK
      Via: {w1}
      Via: {w2}
      Via: {w3}
      From: <sip:alice@example.com>;tag=p1
      To: <sip:1002@cm1.example.com>;tag=c1
      Call-ID: told
      CSeq: 1 BYE
    phone receives:
      SIP/2.0 200 OK
      ...
    `,
    { phone, registrar },
    captures,
  );
  const call = { callId: 'told', aor: 'alice@example.com', direction: 'to client', edge: 'edge1' };
  expect(said('core', /^call/)).toMatchObject([
    { ...call, text: 'call begun', from: 'sip:1002@cm1.example.com', to: 'sip:alice@example.com' },
    { ...call, text: 'call ended', reason: 'hung up by the client', answered: true, durationSeconds: 61 },
  ]);
});

const strangers = (n: number, callId = `s${n}`) => `
  phone sends:
    INVITE sip:1002@example.com SIP/2.0
    Via: SIP/2.0/TLS 10.0.0.1:5061;branch=z9hG4bKs${n}
    From: <sip:mallory@example.com>;tag=m
    To: <sip:1002@example.com>
    Call-ID: ${callId}
    CSeq: 1 INVITE
    Contact: <sip:m@10.0.0.1:5061>
    Authorization: Digest username="mallory", response="0123456789abcdef"
  phone receives:
    SIP/2.0 403 Forbidden
    ...
  phone sends:
    ACK sip:1002@example.com SIP/2.0
    Via: SIP/2.0/TLS 10.0.0.1:5061;branch=z9hG4bKs${n}
    From: <sip:mallory@example.com>;tag=m
    To: <sip:1002@example.com>;tag=x
    Call-ID: ${callId}
    CSeq: 1 ACK
`;

test('a refusal at core names its reason, call and connection, and nothing secret', async () => {
  pair = await openPair();
  const phone = pair.client();
  await play(strangers(1), { phone });
  expect(said('core', /refused/)).toMatchObject([
    { reason: 'not-registered', method: 'INVITE', status: 403, callId: 's1', edge: 'edge1' },
  ]);
  expect(said('core', /refused/)[0]?.['token']).toMatch(/^[\w-]{27}$/);
  expect(JSON.stringify(pair.lines)).not.toMatch(/0123456789abcdef|Digest/);
});

test('a refusal at edge names the client’s address', async () => {
  pair = await openPair();
  const phone = pair.client('phone', '198.51.100.9', 40_009);
  await play(
    `
    phone sends:
      OPTIONS mailto:x@example.com SIP/2.0
      Via: SIP/2.0/TLS 10.0.0.1:5061;branch=z9hG4bKo
      From: <sip:m@example.com>;tag=m
      To: <sip:1002@example.com>
      Call-ID: ${'long'.repeat(50)}
      CSeq: 1 OPTIONS
    phone receives:
      SIP/2.0 416 *
      ...
    `,
    { phone },
  );
  const [line] = said('edge', /refused/);
  expect(line).toMatchObject({ reason: 'scheme', status: 416, address: '198.51.100.9', port: 40_009 });
  expect(String(line?.['callId']).length).toBeLessThanOrEqual(160);
});

test('a flood of refusals does not fill the log: what is left out is counted', async () => {
  pair = await openPair({ core: { maxRefusalLinesPerSecond: 0.1 } });
  const phone = pair.client();
  for (let n = 0; n < 5; n += 1) await play(strangers(n), { phone });
  expect(said('core', /refused/)).toHaveLength(1);
  expect(pair.counts.get('log-line-suppressed')).toBe(4);
});
