// Hanging up while the link between edge and core is down: the other end hears of it when the link is back, and nobody
// waits for ever. What begins something is refused at once.
import { afterEach, expect, test } from 'vitest';
import { play, type Actor, type Captures } from './dialogue.ts';
import { openPair, type Pair } from './pair.ts';
import { contactOf, rewrittenOf, signIn } from './sign-in.ts';

let pair: Pair;
afterEach(() => pair.close());
const alice = { user: 'alice', host: '172.16.84.136:58980', instance: '<urn:uuid:a>' };

/** A call from inside to the phone, media included; `answered` ends before its ACK. */
async function answered(phone: Actor, registrar: Actor): Promise<Captures> {
  return play(
    `
    registrar sends:
      INVITE ${rewrittenOf(alice)} SIP/2.0
      Via: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bKin
      From: <sip:1002@cm1.example.com>;tag=c1
      To: <sip:alice@example.com>
      Call-ID: held
      CSeq: 1 INVITE
      Contact: <sip:1002@cm1.example.com:5060>
      Content-Type: application/sdp

      v=0
      s=a
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
      Record-Route: {r1}
      Record-Route: {r2}
      Record-Route: {r3}
      Record-Route: {r4}
      From: <sip:1002@cm1.example.com>;tag=c1
      To: <sip:alice@example.com>;tag=p1
      Call-ID: held
      CSeq: 1 INVITE
      Contact: <${contactOf(alice)}>
      Content-Type: application/sdp

      v=0
      s=b
    registrar receives:
      SIP/2.0 200 OK
      ...
    `,
    { phone, registrar },
  );
}

const fromInside = (method: string, cseq: number) => `
  registrar sends:
    ${method} ${contactOf(alice)} SIP/2.0
    Via: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bK${method}
    Route: {r4}
    Route: {r3}
    From: <sip:1002@cm1.example.com>;tag=c1
    To: <sip:alice@example.com>;tag=p1
    Call-ID: held
    CSeq: ${cseq} ${method}
`;

const atPhone = (method: string) => `
  phone receives:
    ${method} ${contactOf(alice)} SIP/2.0
    ...
`;

const byeOfPhone = `
  phone sends:
    BYE sip:1002@cm1.example.com:5060 SIP/2.0
    Via: SIP/2.0/TLS 10.0.0.1:5061;branch=z9hG4bKbye
    Route: {r1}, {r2}, {r3}, {r4}
    From: <sip:alice@example.com>;tag=p1
    To: <sip:1002@cm1.example.com>;tag=c1
    Call-ID: held
    CSeq: 1 BYE
`;

const phoneAnswersBye = `
  phone receives:
    BYE ${contactOf(alice)} SIP/2.0
    Via: {b1}
    Via: {b2}
    Via: {b3}
    ...
  phone sends:
    SIP/2.0 200 OK
    Via: {b1}
    Via: {b2}
    Via: {b3}
    From: <sip:1002@cm1.example.com>;tag=c1
    To: <sip:alice@example.com>;tag=p1
    Call-ID: held
    CSeq: 2 BYE
`;

async function call(options: Parameters<typeof openPair>[0] = {}) {
  pair = await openPair(options);
  const phone = pair.client();
  const registrar = await signIn(pair, phone, alice);
  const captures = await answered(phone, registrar);
  await play(`${fromInside('ACK', 1)}${atPhone('ACK')}`, { phone, registrar }, captures);
  await cut();
  return { phone, registrar, captures };
}

/** The link is down, and both sides know it. */
async function cut(): Promise<void> {
  pair.link().cut(); // replaces the first link, then dies itself
  await until(() => pair.edge.status().cores.length === 0 && pair.core.status().edges.length === 0);
}

test('the far end hangs up: the phone hears of it when the link is back, and media is given back', async () => {
  const { phone, registrar, captures } = await call();
  await play(fromInside('BYE', 2), { registrar }, captures);
  await until(() => pair.counts.get('link-wait held') === 1);
  expect(registrar.unread).toEqual([]);
  pair.link();
  await play(
    `${phoneAnswersBye}\nregistrar receives:\n SIP/2.0 200 OK\n ...`,
    { phone, registrar },
    captures,
  );
  expect(pair.media.openSessions).toBe(0);
});

test('the phone hangs up: the far end hears of it when the link is back', async () => {
  const { phone, registrar, captures } = await call();
  await play(byeOfPhone, { phone }, captures);
  await until(() => pair.counts.get('link-wait held') === 1);
  expect(phone.unread).toEqual([]);
  pair.link();
  await play(
    'registrar receives:\n BYE sip:1002@cm1.example.com:5060 SIP/2.0\n ...',
    { registrar },
    captures,
  );
});

test('a link that stays down: the far end is answered, media is given back, and the phone hears of it later', async () => {
  const { phone, registrar, captures } = await call({ core: { linkWaitMs: 1 } });
  await play(
    `${fromInside('BYE', 2)}\nregistrar receives:\n SIP/2.0 480 Temporarily Unavailable\n ...`,
    { registrar },
    captures,
  );
  expect(pair.media.openSessions).toBe(0);
  pair.link();
  await play(phoneAnswersBye, { phone }, captures);
});

test('a link that stays down: the phone is answered 503, and the far end hears of it later', async () => {
  const { phone, registrar, captures } = await call({ edge: { linkWaitMs: 1 } });
  await play(`${byeOfPhone}\nphone receives:\n SIP/2.0 503 Service Unavailable\n ...`, { phone }, captures);
  pair.link();
  await play(
    'registrar receives:\n BYE sip:1002@cm1.example.com:5060 SIP/2.0\n ...',
    { registrar },
    captures,
  );
});

test('a BYE that was on the link when it died goes again', async () => {
  pair = await openPair();
  const phone = pair.client();
  const registrar = await signIn(pair, phone, alice);
  const captures = await answered(phone, registrar);
  await play(`${fromInside('ACK', 1)}${atPhone('ACK')}`, { phone, registrar }, captures);
  await play(`${fromInside('BYE', 2)}${atPhone('BYE')}`, { phone, registrar }, captures);
  await cut();
  expect(registrar.unread).toEqual([]);
  pair.link();
  await play(
    `${phoneAnswersBye}\nregistrar receives:\n SIP/2.0 200 OK\n ...`,
    { phone, registrar },
    captures,
  );
});

/** A call whose phone has lost its connection, and edge knows it. */
async function deserted(options: Parameters<typeof openPair>[0] = {}) {
  pair = await openPair(options);
  const phone = pair.client();
  const registrar = await signIn(pair, phone, alice);
  const captures = await answered(phone, registrar);
  await play(`${fromInside('ACK', 1)}${atPhone('ACK')}`, { phone, registrar }, captures);
  phone.close();
  await until(() => pair.edge.status().connections === 0);
  return { registrar, captures };
}

test('the far end hangs up on a phone that lost its connection: it hears of it when it registers again', async () => {
  const { registrar, captures } = await deserted();
  await play(fromInside('BYE', 2), { registrar }, captures);
  await until(() => pair.counts.get('link-wait held') === 1);
  expect([registrar.unread, pair.core.status().registrations]).toEqual([[], 0]);
  const back = pair.client();
  await signIn(pair, back, { ...alice, host: '172.16.84.136:59999' }, registrar);
  await play(
    `${phoneAnswersBye}\nregistrar receives:\n SIP/2.0 200 OK\n ...`,
    { phone: back, registrar },
    captures,
  );
  expect(pair.media.openSessions).toBe(0);
});

test('a phone that stays away: the far end is answered, and no port is left', async () => {
  const { registrar, captures } = await deserted({ core: { linkWaitMs: 1 } });
  await play(
    `${fromInside('BYE', 2)}\nregistrar receives:\n SIP/2.0 480 Temporarily Unavailable\n ...`,
    { registrar },
    captures,
  );
  expect(pair.media.openSessions).toBe(0);
});

test('another device of the same user does not hear the BYE of a call that was never its own', async () => {
  const { registrar, captures } = await deserted({ core: { linkWaitMs: 50 } });
  await play(fromInside('BYE', 2), { registrar }, captures);
  await until(() => pair.counts.get('link-wait held') === 1);
  const other = pair.client();
  await signIn(pair, other, { ...alice, host: '172.16.84.9:5061', instance: '<urn:uuid:other>' }, registrar);
  await play('registrar receives:\n SIP/2.0 480 Temporarily Unavailable\n ...', { registrar }, captures);
  expect(other.unread).toEqual([]);
});

test('core hangs up on a phone that lost its connection: it hears of it when it registers again', async () => {
  const { registrar } = await deserted();
  pair.core.endCall({ callId: 'held', key: 'alice@example.com' }, 'media was lost at edge');
  await play('registrar receives:\n BYE sip:1002@cm1.example.com:5060 SIP/2.0\n ...', { registrar });
  await until(() => pair.counts.get('link-wait held') === 1);
  const back = pair.client();
  await signIn(pair, back, { ...alice, host: '172.16.84.136:59999' }, registrar);
  await play(atPhone('BYE'), { phone: back });
});

test('an ACK waits as well, so that the call stands when the link is back', async () => {
  pair = await openPair();
  const phone = pair.client();
  const registrar = await signIn(pair, phone, alice);
  const captures = await answered(phone, registrar);
  await cut();
  await play(fromInside('ACK', 1), { registrar }, captures);
  await until(() => pair.counts.get('link-wait held') === 1);
  pair.link();
  await play(atPhone('ACK'), { phone }, captures);
});

test('core hangs up by itself: the phone hears of it when the link is back', async () => {
  const { phone, registrar, captures } = await call();
  pair.core.endCall({ callId: 'held', key: 'alice@example.com' }, 'media was lost at edge');
  await play(
    'registrar receives:\n BYE sip:1002@cm1.example.com:5060 SIP/2.0\n ...',
    { registrar },
    captures,
  );
  pair.link();
  await play(atPhone('BYE'), { phone }, captures);
});

test('what rings when the link dies stops ringing, at the phone and inside', async () => {
  pair = await openPair();
  const phone = pair.client();
  const registrar = await signIn(pair, phone, alice);
  const captures = await play(
    `
    registrar sends:
      INVITE ${rewrittenOf(alice)} SIP/2.0
      Via: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bKring
      From: <sip:1002@cm1.example.com>;tag=c1
      To: <sip:alice@example.com>
      Call-ID: ring
      CSeq: 1 INVITE
      Contact: <sip:1002@cm1.example.com:5060>
    phone receives:
      INVITE ${contactOf(alice)} SIP/2.0
      Record-Route: *
      Record-Route: *
      Record-Route: *
      Record-Route: *
      Via: {v1}
      Via: {v2}
      Via: {v3}
      ...
    phone sends:
      SIP/2.0 180 Ringing
      Via: {v1}
      Via: {v2}
      Via: {v3}
      From: <sip:1002@cm1.example.com>;tag=c1
      To: <sip:alice@example.com>;tag=p1
      Call-ID: ring
      CSeq: 1 INVITE
    registrar receives:
      SIP/2.0 180 Ringing
      ...
    phone sends:
      INVITE sip:1003@example.com SIP/2.0
      Via: SIP/2.0/TLS 10.0.0.1:5061;branch=z9hG4bKout
      From: <sip:alice@example.com>;tag=o1
      To: <sip:1003@example.com>
      Call-ID: out
      CSeq: 1 INVITE
      Contact: <${contactOf(alice)}>
    registrar receives:
      INVITE sip:1003@example.com SIP/2.0
      Record-Route: *
      Record-Route: *
      Record-Route: *
      Record-Route: *
      Via: {w1}
      Via: {w2}
      Via: {w3}
      ...
    registrar sends:
      SIP/2.0 180 Ringing
      Via: {w1}
      Via: {w2}
      Via: {w3}
      From: <sip:alice@example.com>;tag=o1
      To: <sip:1003@example.com>;tag=far
      Call-ID: out
      CSeq: 1 INVITE
    phone receives:
      SIP/2.0 180 Ringing
      ...
    `,
    { phone, registrar },
  );
  await cut();
  const atBoth = [await phone.receive(), await phone.receive()].map((text) => text.split('\r\n')[0]);
  expect(new Set(atBoth)).toEqual(
    new Set([`CANCEL ${contactOf(alice)} SIP/2.0`, 'SIP/2.0 503 Service Unavailable']),
  );
  const inside = [await registrar.receive(), await registrar.receive()].map((text) => text.split('\r\n')[0]);
  expect(new Set(inside)).toEqual(
    new Set(['CANCEL sip:1003@example.com SIP/2.0', 'SIP/2.0 503 Service Unavailable']),
  );
  expect(captures.get('v1')).toBeDefined();
});

test('who never registered cannot make edge keep anything', async () => {
  pair = await openPair();
  const phone = pair.client();
  await cut();
  await play(
    `
    phone sends:
      BYE sip:1002@cm1.example.com:5060 SIP/2.0
      Via: SIP/2.0/TLS 10.0.0.1:5061;branch=z9hG4bKbye
      From: <sip:alice@example.com>;tag=p1
      To: <sip:1002@cm1.example.com>;tag=c1
      Call-ID: held
      CSeq: 1 BYE
    phone receives:
      SIP/2.0 503 Service Unavailable
      ...
    `,
    { phone },
  );
  expect(pair.counts.get('link-wait held')).toBeUndefined();
});

/** Waits until `isSo`, looking again after each turn of the event loop. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}
