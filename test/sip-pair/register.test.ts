import { afterEach, describe, expect, test } from 'vitest';
import { play } from './dialogue.ts';
import { openPair, type Pair } from './pair.ts';
import { contactOf, rewrittenOf, signIn } from './sign-in.ts';

let pair: Pair;
afterEach(() => pair.close());

const alice = { user: 'alice', host: '172.16.84.136:58980' };
const bob = { user: 'bob', host: '192.168.1.20:5061' };

test('a REGISTER reaches the registrar with its contact rewritten; challenge, credentials and 200 pass untouched', async () => {
  pair = await openPair();
  const phone = pair.client();
  const captures = await play(
    `
    phone sends:
      REGISTER sip:cm1.example.com SIP/2.0
      Via: SIP/2.0/TLS 172.16.84.136:58980;branch=z9hG4bK00003665
      Route: <sip:core1:5061;transport=tls;zone-id=3;directed;lr>
      Max-Forwards: 70
      From: <sip:10001@cm1.example.com>;tag=a1
      To: <sip:10001@cm1.example.com>
      Call-ID: c1@172.16.84.136
      CSeq: 104 REGISTER
      Contact: <sip:7514c56a@172.16.84.136:58980;transport=tls>;+sip.instance="<urn:uuid:0-5>";+u.sip!devicename.ccm.cisco.com="CSFMRA01";video;x-cisco-reg-id=1
      Session-ID:  9b8c;remote=00
      Expires: 3600
    `,
    { phone },
  );
  const registrar = await pair.registrar();
  await play(
    `
    registrar receives:
      REGISTER sip:cm1.example.com SIP/2.0
      Via: SIP/2.0/TCP 10.15.20.10:5060;egress-zone=CEtcp-cm1.example.com;branch=z9hG4bK{b1};proxy-call-id={id1};rport
      Via: SIP/2.0/TLS edge1:7001;egress-zone=inside;branch=z9hG4bK{b2};proxy-call-id={id2};received=10.9.9.9;rport=29001;ingress-zone=inside;ingress-zone-id=3
      Via: SIP/2.0/TLS 172.16.84.136:58980;branch=z9hG4bK00003665;received=198.51.100.7;rport=40000;ingress-zone=CollaborationEdgeZone
      Max-Forwards: 13
      From: <sip:10001@cm1.example.com>;tag=a1
      To: <sip:10001@cm1.example.com>
      Call-ID: c1@172.16.84.136
      CSeq: 104 REGISTER
      Contact: <sip:7514c56a@10.15.20.10:5060;transport=tcp;orig-hostport=172.16.84.136:58980>;+sip.instance="<urn:uuid:0-5>";+u.sip!devicename.ccm.cisco.com="CSFMRA01";video;x-cisco-reg-id=1
      Session-ID:  9b8c;remote=00
      Expires: 3600
    registrar sends:
      SIP/2.0 401 Unauthorized
      Via: SIP/2.0/TCP 10.15.20.10:5060;egress-zone=CEtcp-cm1.example.com;branch=z9hG4bK{b1};proxy-call-id={id1};rport
      Via: SIP/2.0/TLS edge1:7001;egress-zone=inside;branch=z9hG4bK{b2};proxy-call-id={id2};received=10.9.9.9;rport=29001;ingress-zone=inside;ingress-zone-id=3
      Via: SIP/2.0/TLS 172.16.84.136:58980;branch=z9hG4bK00003665;received=198.51.100.7;rport=40000;ingress-zone=CollaborationEdgeZone
      From: <sip:10001@cm1.example.com>;tag=a1
      To: <sip:10001@cm1.example.com>;tag=t1
      Call-ID: c1@172.16.84.136
      CSeq: 104 REGISTER
      WWW-Authenticate: Digest realm="ccmsipline",  nonce="x", algorithm=MD5
    phone receives:
      SIP/2.0 401 Unauthorized
      Via: SIP/2.0/TLS 172.16.84.136:58980;branch=z9hG4bK00003665;received=198.51.100.7;rport=40000;ingress-zone=CollaborationEdgeZone
      From: <sip:10001@cm1.example.com>;tag=a1
      To: <sip:10001@cm1.example.com>;tag=t1
      Call-ID: c1@172.16.84.136
      CSeq: 104 REGISTER
      WWW-Authenticate: Digest realm="ccmsipline",  nonce="x", algorithm=MD5
    phone sends:
      REGISTER sip:cm1.example.com SIP/2.0
      Via: SIP/2.0/TLS 172.16.84.136:58980;branch=z9hG4bK2
      Route: <sip:core1:5061;transport=tls;zone-id=3;directed;lr>
      From: <sip:10001@cm1.example.com>;tag=a1
      To: <sip:10001@cm1.example.com>
      Call-ID: c1@172.16.84.136
      CSeq: 105 REGISTER
      Contact: <sip:7514c56a@172.16.84.136:58980;transport=tls>;video
      Authorization: Digest username="a",realm="ccmsipline",  response="77"
      Expires: 3600
    registrar receives:
      REGISTER sip:cm1.example.com SIP/2.0
      Via: {v1}
      Via: {v2}
      Via: {v3}
      ...
      Contact: <sip:7514c56a@10.15.20.10:5060;transport=tcp;orig-hostport=172.16.84.136:58980>;video
      Authorization: Digest username="a",realm="ccmsipline",  response="77"
      Expires: 3600
      ...
    registrar sends:
      SIP/2.0 200 OK
      Via: {v1}
      Via: {v2}
      Via: {v3}
      From: <sip:10001@cm1.example.com>;tag=a1
      To: <sip:10001@cm1.example.com>;tag=t1
      Call-ID: c1@172.16.84.136
      CSeq: 105 REGISTER
      Contact: <sip:7514c56a@10.15.20.10:5060;transport=tcp;orig-hostport=172.16.84.136:58980>;video;x-cisco-newreg
      Expires: 120
    phone receives:
      SIP/2.0 200 OK
      ...
      Contact: <sip:7514c56a@10.15.20.10:5060;transport=tcp;orig-hostport=172.16.84.136:58980>;video;x-cisco-newreg
      Expires: 120
    `,
    { phone, registrar },
    captures,
  );
  expect(pair.core.status().registrations).toBe(1);
});

describe('bindings', () => {
  test('end with an un-REGISTER, or when nobody refreshes them', async () => {
    pair = await openPair();
    const phone = pair.client();
    const registrar = await signIn(pair, phone, alice);
    await signIn(pair, phone, bob, registrar);
    expect(pair.core.status().registrations).toBe(2);
    await signIn(pair, phone, { ...bob, expires: 0 }, registrar);
    expect(pair.core.status().registrations).toBe(1);
    pair.core.sweep();
    pair.nowMs += 129_000;
    pair.core.sweep();
    expect(pair.core.status().registrations).toBe(1);
    pair.nowMs += 3000;
    pair.core.sweep();
    expect(pair.core.status().registrations).toBe(0);
  });

  test('move to a new connection, and requests from inside follow', async () => {
    pair = await openPair();
    const first = pair.client('first');
    const registrar = await signIn(pair, first, alice);
    const phone = pair.client('phone', '198.51.100.8', 41_000);
    await signIn(pair, phone, alice, registrar);
    await play(
      `
      registrar sends:
        OPTIONS ${rewrittenOf(alice)} SIP/2.0
        Via: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bKo1
        Max-Forwards: 70
        From: <sip:cm1.example.com>;tag=o
        To: <sip:alice@example.com>
        Call-ID: o1
        CSeq: 1 OPTIONS
      phone receives:
        OPTIONS ${contactOf(alice)} SIP/2.0
        ...
      `,
      { phone, registrar },
    );
    expect(first.unread).toEqual([]);
  });

  test('with Path leave Contact alone and are found by the Path', async () => {
    pair = await openPair({ core: { pathHeaders: true } });
    const phone = pair.client();
    const captures = await play(
      `
      phone sends:
        REGISTER sip:cm1.example.com SIP/2.0
        Via: SIP/2.0/TLS 10.0.0.9:5061;branch=z9hG4bK1
        From: <sip:alice@example.com>;tag=a
        To: <sip:alice@example.com>
        Call-ID: p1
        CSeq: 1 REGISTER
        Contact: <sip:line1@10.0.0.9:5061;transport=tls>
        Path: <sip:attacker.example.net;lr>
      `,
      { phone },
    );
    const registrar = await pair.registrar();
    await play(
      `
      registrar receives:
        REGISTER sip:cm1.example.com SIP/2.0
        Path: <sip:binding={binding}@10.15.20.10:5060;transport=tcp;lr>
        Via: {v1}
        Via: {v2}
        Via: {v3}
        From: <sip:alice@example.com>;tag=a
        To: <sip:alice@example.com>
        Call-ID: p1
        CSeq: 1 REGISTER
        Contact: <sip:line1@10.0.0.9:5061;transport=tls>
        Max-Forwards: 13
      registrar sends:
        SIP/2.0 200 OK
        Via: {v1}
        Via: {v2}
        Via: {v3}
        From: <sip:alice@example.com>;tag=a
        To: <sip:alice@example.com>;tag=b
        Call-ID: p1
        CSeq: 1 REGISTER
        Contact: <sip:line1@10.0.0.9:5061;transport=tls>;expires=300
      phone receives:
        SIP/2.0 200 OK
        ...
      registrar sends:
        MESSAGE sip:line1@10.0.0.9:5061;transport=tls SIP/2.0
        Via: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bKm1
        Route: <sip:binding={binding}@10.15.20.10:5060;transport=tcp;lr>
        From: <sip:bob@example.com>;tag=o
        To: <sip:alice@example.com>
        Call-ID: m1
        CSeq: 1 MESSAGE
        Content-Type: text/plain

        hello
      phone receives:
        MESSAGE sip:line1@10.0.0.9:5061;transport=tls SIP/2.0
        Via: SIP/2.0/TLS edge.example.com:5061;egress-zone=CollaborationEdgeZone;*
        Via: SIP/2.0/TLS core1:5061;egress-zone=inside;*
        Via: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bKm1;received=127.0.0.1;rport=*;ingress-zone=CEtcp-cm1.example.com
        From: <sip:bob@example.com>;tag=o
        To: <sip:alice@example.com>
        Call-ID: m1
        CSeq: 1 MESSAGE
        Content-Type: text/plain
        Max-Forwards: 13

        hello
      `,
      { phone, registrar },
      captures,
    );
  });

  test('of a killed core are back with the next one, under the same edge connection', async () => {
    const kept = new Map<string, string>();
    const store = {
      set: (key: string, value: string) => Promise.resolve(void kept.set(key, value)),
      delete: (key: string) => Promise.resolve(kept.delete(key)),
      entries: () => Promise.resolve([...kept]),
    };
    pair = await openPair({ core: { store }, cores: ['core1', 'core2'] });
    const phone = pair.client();
    await signIn(pair, phone, alice);
    expect(kept.size).toBe(1);
    await pair.core.close('killed');
    const restarted = await openPair({ core: { store } });
    expect(restarted.core.status().registrations).toBe(1);
    await restarted.close();
  });
});

describe('an equal contact of another user', () => {
  test('gets a contact of its own at the registrar', async () => {
    pair = await openPair();
    const phone = pair.client();
    const registrar = await signIn(pair, phone, alice);
    const other = pair.client('other', '203.0.113.9');
    await play(
      `
      other sends:
        REGISTER sip:cm1.example.com SIP/2.0
        Via: SIP/2.0/TLS 172.16.84.136:58980;branch=z9hG4bKx
        From: <sip:mallory@example.com>;tag=m
        To: <sip:mallory@example.com>
        Call-ID: m1
        CSeq: 1 REGISTER
        Contact: <${contactOf(alice)}>
      registrar receives:
        REGISTER sip:cm1.example.com SIP/2.0
        ...
        Contact: <${rewrittenOf(alice)};orig-n=1>
        ...
      `,
      { other, registrar },
    );
  });
});
