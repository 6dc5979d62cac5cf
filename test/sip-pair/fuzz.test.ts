// Thousands of broken messages from every side (T-053, T-062): nothing throws, nothing stays behind, and the user who
// registered before is served afterwards. Mutations are drawn from a fixed seed.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { play, type Actor } from './dialogue.ts';
import { openPair, type Pair } from './pair.ts';
import { contactOf, rewrittenOf, signIn } from './sign-in.ts';

let pair: Pair;
const alice = { user: 'alice', host: '172.16.84.136:58980' };

beforeEach(async () => {
  pair = await openPair({
    core: { maxCallsPerUser: 1000 },
    edge: { maxUnproven: 1000, maxMessagesPerSecond: 1e6, maxPendingPerConnection: 1e5 },
  });
});
afterEach(() => pair.close());

/** Mulberry32: the same sequence each time. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = Math.trunc(state + 0x6d2b79f5);
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const pieces = [
  '', '\r\n', '\r\n ', '\0', ':', ';', ',', '<', '>', '"', '\\', '@', '=', '%', '%00', '%zz', '[', ']', '?', '*', ' ', '\t',
  ';lr', ';tag=', ';tag=x', ';branch=z9hG4bK', ';rport', ';received=1.2.3.4', 'sip:', 'sips:', 'tel:+1', ':99999', ':-1',
  '4294967296', '2147483648', '-1', '0', 'é', '\u{ff}', 'a'.repeat(300), ';a'.repeat(70), '<sip:x;lr>,'.repeat(30),
  'Content-Length: 5\r\n', 'Route: <sip:proxy-call-id=x@core1;lr>\r\n', 'Via: SIP/2.0/TLS x;branch=z9hG4bKq\r\n',
  'Record-Route: "<\r\n', 'Contact: *\r\n', 'Max-Forwards: 0\r\n', 'X-Viaduct-Flow: x\r\n', 'CSeq: 1 ACK\r\n',
]; // prettier-ignore

function mutate(message: string, next: (below: number) => number): string {
  let text = message;
  for (let edits = 1 + next(3); edits > 0; edits -= 1) {
    const at = next(text.length + 1);
    const cut = next(3) === 0 ? next(20) : 0;
    text = text.slice(0, at) + (pieces[next(pieces.length)] ?? '') + text.slice(at + cut);
  }
  return text;
}

const invite = (n: number) =>
  [
    'INVITE sip:1002@example.com SIP/2.0',
    `Via: SIP/2.0/TLS 10.0.0.1:5061;branch=z9hG4bKfuzz${n}`,
    'Route: <sip:core1:5061;transport=tls;zone-id=3;directed;lr>',
    'Max-Forwards: 70',
    'From: "Alice" <sip:alice@example.com>;tag=a1',
    'To: <sip:1002@example.com>',
    `Call-ID: fuzz${n}@10.0.0.1`,
    'CSeq: 1 INVITE',
    'Contact: <sip:alice-line@10.0.0.1:5061;transport=tls>;+sip.instance="<urn:uuid:1>"',
    'Content-Type: multipart/mixed;boundary=b',
    'Content-Length: 60',
    '',
    '--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\ns=fuzz\r\n--b--\r\n12',
  ].join('\r\n');

const register = (n: number) =>
  invite(n)
    .replaceAll('INVITE', 'REGISTER')
    .replace('sip:1002@example.com SIP', 'sip:cm1.example.com SIP')
    .replace('<sip:1002@', '<sip:alice@');

async function stillServed(phone: Actor, registrar: Actor): Promise<void> {
  await play(
    `
    phone sends:
      MESSAGE sip:1002@cm1.example.com SIP/2.0
      Via: SIP/2.0/TLS 10.0.0.1:5061;branch=z9hG4bKserved
      From: <sip:alice@example.com>;tag=s
      To: <sip:1002@example.com>
      Call-ID: served
      CSeq: 1 MESSAGE
    registrar receives:
      MESSAGE sip:1002@cm1.example.com SIP/2.0
      ...
    `,
    { phone, registrar },
  );
}

/** Reads what has come and forgets it, until a message with this Call-ID. */
async function drainUntil(actor: Actor, callId: string): Promise<void> {
  for (;;) {
    const message = await actor.receive();
    if (message === '(closed)' || message.includes(`Call-ID: ${callId}`)) return;
  }
}

test('from a client, registered or not', async () => {
  const next = random(1);
  const phone = pair.client();
  const registrar = await signIn(pair, phone, alice);
  let stranger = pair.client('stranger', '203.0.113.66');
  let user = pair.client('user', '203.0.113.67');
  await signInAgain(user, registrar, 'user');
  for (let n = 0; n < 500; n += 1) {
    if (stranger.isClosed) stranger = pair.client('stranger', '203.0.113.66');
    if (user.isClosed) {
      user = pair.client('user', '203.0.113.67');
      await signInAgain(user, registrar, `user${n}`);
    }
    stranger.send(mutate(n % 2 === 0 ? invite(n) : register(n), next));
    user.send(mutate(invite(n), next));
    await new Promise((resolve) => setImmediate(resolve));
    // A message that was cut short must not swallow the ones that follow.
    if (n % 3 === 0) stranger.close();
    if (n % 10 === 0) user.close();
  }
  await signInAgain(phone, registrar, 'phone-again');
  const flush = 'OPTIONS sip:cm1.example.com SIP/2.0';
  phone.send(
    `${flush}\r\nVia: SIP/2.0/TLS a;branch=z9hG4bKflush\r\nFrom: <sip:alice@example.com>;tag=f\r\nTo: <sip:x@y>\r\nCall-ID: flush\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n`,
  );
  await drainUntil(registrar, 'flush');
  await stillServed(phone, registrar);
  expect(pair.core.status().registrations).toBe(1);
  expect(sum('sip-malformed') + sum('sip-fatal')).toBeGreaterThan(250);
  expect(sum('refused')).toBeGreaterThan(50);
}, 20_000);

/** How often events were counted whose name begins with `prefix`. */
function sum(prefix: string): number {
  let total = 0;
  for (const [event, times] of pair.counts) if (event.startsWith(prefix)) total += times;
  return total;
}

test('from a registered client’s answers', async () => {
  const next = random(2);
  const phone = pair.client();
  const registrar = await signIn(pair, phone, alice);
  let device = phone;
  for (let n = 0; n < 100; n += 1) {
    if (device.isClosed) {
      device = pair.client('phone', '198.51.100.7', 41_000 + n);
      await signInAgain(device, registrar, `again${n}`);
    }
    registrar.send(
      `INVITE ${rewrittenOf(alice)} SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bKin${n}\r\nFrom: <sip:b@cm1.example.com>;tag=c\r\nTo: <sip:alice@example.com>\r\nCall-ID: in${n}\r\nCSeq: 1 INVITE\r\nContact: <sip:b@cm1.example.com>\r\nContent-Length: 0\r\n\r\n`,
    );
    const received = await device.receive();
    const copied = received
      .split('\r\n')
      .filter((line) => /^(Via|Record-Route|From|To|Call-ID|CSeq):/.test(line));
    const answer = `SIP/2.0 200 OK\r\n${copied.join('\r\n').replace(/^(To: .*)$/m, '$1;tag=p')}\r\nContact: <${contactOf(alice)}>\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n`;
    device.send(mutate(answer, next));
    // Its connection is done with, answered or not: the pair must tell the registrar by itself or time out later.
    device.close();
    await device.closed;
  }
  const last = pair.client('phone', '198.51.100.7', 42_000);
  await signInAgain(last, registrar, 'last');
  while (registrar.unread.length > 0) await registrar.receive();
  await stillServed(last, registrar);
  for (const later of [41_000, 200_000, 40_000]) {
    pair.nowMs += later;
    pair.core.sweep();
  }
  expect(pair.core.status().dialogs).toBe(0);
  expect(pair.media.openSessions).toBe(0);
}, 20_000);

/** Like signIn, past whatever the registrar has still to hear of earlier calls. */
async function signInAgain(phone: Actor, registrar: Actor, callId: string): Promise<void> {
  phone.send(
    `REGISTER sip:cm1.example.com SIP/2.0\r\nVia: SIP/2.0/TLS a;branch=z9hG4bK${callId}\r\nFrom: <sip:alice@example.com>;tag=l\r\nTo: <sip:alice@example.com>\r\nCall-ID: ${callId}\r\nCSeq: 1 REGISTER\r\nContact: <${contactOf(alice)}>\r\nContent-Length: 0\r\n\r\n`,
  );
  for (;;) {
    const message = await registrar.receive();
    if (message === '(closed)') throw new Error('the registrar lost its connection');
    if (!message.startsWith('REGISTER') || !message.includes(`Call-ID: ${callId}\r\n`)) continue;
    const copied = message.split('\r\n').filter((line) => /^(Via|From|To|Call-ID|CSeq|Contact):/.test(line));
    registrar.send(`SIP/2.0 200 OK\r\n${copied.join('\r\n')}\r\nExpires: 120\r\nContent-Length: 0\r\n\r\n`);
    break;
  }
  await drainUntil(phone, callId);
}

test('from call control', async () => {
  const next = random(3);
  const phone = pair.client();
  let registrar = await signIn(pair, phone, alice);
  for (let n = 0; n < 100; n += 1) {
    phone.send(
      register(n)
        .replace('CSeq: 1', `CSeq: ${n + 500}`)
        .replace('Content-Type: multipart/mixed;boundary=b\r\n', ''),
    );
    const received = await registrar.receive();
    const copied = received.split('\r\n').filter((line) => /^(Via|From|To|Call-ID|CSeq|Contact):/.test(line));
    registrar.send(
      mutate(`SIP/2.0 200 OK\r\n${copied.join('\r\n')}\r\nExpires: 120\r\nContent-Length: 0\r\n\r\n`, next),
    );
    registrar.close();
    while (pair.core.status().nodes.outbound > 0) await new Promise((resolve) => setImmediate(resolve));
    phone.send(register(10_000 + n).replace('CSeq: 1', `CSeq: ${n + 9000}`));
    registrar = await pair.registrar();
    const probe = await registrar.receive();
    const granted = probe.split('\r\n').filter((line) => /^(Via|From|To|Call-ID|CSeq|Contact):/.test(line));
    registrar.send(`SIP/2.0 200 OK\r\n${granted.join('\r\n')}\r\nExpires: 120\r\nContent-Length: 0\r\n\r\n`);
    await drainUntil(phone, `fuzz${10_000 + n}@10.0.0.1`);
  }
  await stillServed(phone, registrar);
}, 20_000);
