// Core beside an edge that somebody has taken over: it may do what a client of it may, and nothing more.
import { duplexPair } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Actor, play } from './dialogue.ts';
import { asLink, openPair, type Pair } from './pair.ts';

let pair: Pair;
let edge: Actor;

beforeEach(async () => {
  pair = await openPair();
  const [ours, theirs] = duplexPair();
  edge = new Actor('edge', ours);
  pair.core.onSip(asLink(theirs), { name: 'edge2', zone: 'inside', zoneId: 3 });
});
afterEach(async () => {
  edge.close();
  await pair.close();
});

const register = `
  edge sends:
    REGISTER sip:cm1.example.com SIP/2.0
    Via: SIP/2.0/TLS edge2:7001;branch=z9hG4bKr1
    From: <sip:alice@example.com>;tag=r1
    To: <sip:alice@example.com>
    Call-ID: r1
    CSeq: 1 REGISTER
    Contact: <sip:alice@10.0.0.1:5061;transport=tls>
    Path: <sip:169.254.169.254:80;lr>
    Service-Route: <sip:169.254.169.254:80;lr>
    P-Asserted-Identity: <sip:ceo@example.com>
    X-Viaduct-Flow: token1
    Expires: 120
`;

async function registered(): Promise<Actor> {
  await play(register, { edge });
  const registrar = await pair.registrar();
  await play(
    `
    registrar receives:
      REGISTER sip:cm1.example.com SIP/2.0
      Via: {v1}
      Via: {v2}
      From: <sip:alice@example.com>;tag=r1
      To: <sip:alice@example.com>
      Call-ID: r1
      CSeq: 1 REGISTER
      Contact: {contact}
      Expires: 120
      Max-Forwards: {hops}
    registrar sends:
      SIP/2.0 200 OK
      Via: {v1}
      Via: {v2}
      From: <sip:alice@example.com>;tag=r1
      To: <sip:alice@example.com>;tag=reg
      Call-ID: r1
      CSeq: 1 REGISTER
      Contact: {contact}
      Expires: 120
    edge receives:
      SIP/2.0 200 OK
      ...
    `,
    { edge, registrar },
  );
  return registrar;
}

test('no way and no asserted identity of its making reaches call control with a REGISTER (T-050, T-060, T-145)', async () => {
  await registered();
});

test('nor with a request: what only a trusted element may assert is taken off again', async () => {
  const registrar = await registered();
  await play(
    `
    edge sends:
      MESSAGE sip:1002@example.com SIP/2.0
      Via: SIP/2.0/TLS edge2:7001;branch=z9hG4bKm1
      Max-Forwards: 10
      From: <sip:alice@example.com>;tag=m1
      To: <sip:1002@example.com>
      Call-ID: m1
      CSeq: 1 MESSAGE
      P-Asserted-Identity: <sip:ceo@example.com>
      P-Served-User: <sip:ceo@example.com>
      P-Preferred-Identity: <sip:alice@example.com>
      X-Viaduct-Flow: token1
      X-Viaduct-Other: 1
    registrar receives:
      MESSAGE sip:1002@example.com SIP/2.0
      Via: {i1}
      Via: {i2}
      Max-Forwards: 9
      From: <sip:alice@example.com>;tag=m1
      To: <sip:1002@example.com>
      Call-ID: m1
      CSeq: 1 MESSAGE
      P-Preferred-Identity: <sip:alice@example.com>
    `,
    { edge, registrar },
  );
  expect(pair.counts.get('privileged-header-stripped')).toBe(2);
});

test('nor with the answer of a client', async () => {
  const registrar = await registered();
  await play(
    `
    registrar sends:
      MESSAGE sip:alice@10.15.20.10:5060;transport=tcp;orig-hostport=10.0.0.1:5061 SIP/2.0
      Via: SIP/2.0/TCP 127.0.0.1:5060;branch=z9hG4bKn1
      Max-Forwards: 10
      From: <sip:1002@example.com>;tag=n1
      To: <sip:alice@example.com>
      Call-ID: n1
      CSeq: 1 MESSAGE
    edge receives:
      MESSAGE sip:alice@10.0.0.1:5061;transport=tls SIP/2.0
      Via: {w1}
      Via: {w2}
      ...
    edge sends:
      SIP/2.0 200 OK
      Via: {w1}
      Via: {w2}
      From: <sip:1002@example.com>;tag=n1
      To: <sip:alice@example.com>;tag=c1
      Call-ID: n1
      CSeq: 1 MESSAGE
      P-Asserted-Identity: <sip:ceo@example.com>
    registrar receives:
      SIP/2.0 200 OK
      Via: {w2}
      From: <sip:1002@example.com>;tag=n1
      To: <sip:alice@example.com>;tag=c1
      Call-ID: n1
      CSeq: 1 MESSAGE
    `,
    { edge, registrar },
  );
});

test('a connection of another edge is not its own, whatever token it names', async () => {
  const registrar = await registered();
  const [ours, theirs] = duplexPair();
  const other = new Actor('other', ours);
  pair.core.onSip(asLink(theirs), { name: 'edge3', zone: 'inside', zoneId: 3 });
  await play(
    `
    other sends:
      MESSAGE sip:1002@example.com SIP/2.0
      Via: SIP/2.0/TLS edge3:7001;branch=z9hG4bKo1
      From: <sip:alice@example.com>;tag=o1
      To: <sip:1002@example.com>
      Call-ID: o1
      CSeq: 1 MESSAGE
      X-Viaduct-Flow: token1
    other receives:
      SIP/2.0 403 Forbidden
      ...
    `,
    { other },
  );
  expect(registrar.unread).toEqual([]);
  other.close();
});
