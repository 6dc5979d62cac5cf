import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { play, type Actor, type Captures } from './dialogue.ts';
import { openPair, type Pair } from './pair.ts';
import { contactOf, rewrittenOf, signIn } from './sign-in.ts';

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

const ringing = `
  phone sends:
    INVITE sip:1002@cm1.example.com SIP/2.0
    Via: SIP/2.0/TLS 172.16.84.136:58980;branch=z9hG4bKinv
    Route: <sip:core1:5061;transport=tls;zone-id=3;directed;lr>
    Max-Forwards: 70
    From: "Ålice" <sip:alice@example.com>;tag=a1
    To: <sip:1002@cm1.example.com>
    Call-ID: call1
    CSeq: 101 INVITE
    Contact: <${contactOf(alice)}>;video
    Call-Info: <urn:x-cisco-remotecc:callinfo>;x-cisco-video-traffic-class=DESKTOP
    Supported: 100rel,timer , X-cisco-srtp-fallback
    Content-Type: application/sdp

    v=0
    s=phone
  registrar receives:
    INVITE sip:1002@cm1.example.com SIP/2.0
    Record-Route: <sip:proxy-call-id={core}@10.15.20.10:5060;transport=tcp;lr;binding={binding}>
    Record-Route: <sip:proxy-call-id={core}@core1:5061;transport=tls;lr;binding={binding}>
    Record-Route: <sip:proxy-call-id={edge}@edge1:7001;transport=tls;lr>
    Record-Route: <sip:proxy-call-id={edge}@edge.example.com:5061;transport=tls;lr>
    Via: {i1}
    Via: {i2}
    Via: {i3}
    Max-Forwards: 13
    From: "Ålice" <sip:alice@example.com>;tag=a1
    To: <sip:1002@cm1.example.com>
    Call-ID: call1
    CSeq: 101 INVITE
    Contact: <${contactOf(alice)}>;video
    Call-Info: <urn:x-cisco-remotecc:callinfo>;x-cisco-video-traffic-class=DESKTOP
    Supported: 100rel,timer , X-cisco-srtp-fallback
    Content-Type: application/sdp

    v=0
    s=offer of client, was phone
`;

const answerHead = (status: string) => `
  registrar sends:
    SIP/2.0 ${status}
    Via: {i1}
    Via: {i2}
    Via: {i3}
    Record-Route: <sip:proxy-call-id={core}@10.15.20.10:5060;transport=tcp;lr;binding={binding}>
    Record-Route: <sip:proxy-call-id={core}@core1:5061;transport=tls;lr;binding={binding}>
    Record-Route: <sip:proxy-call-id={edge}@edge1:7001;transport=tls;lr>
    Record-Route: <sip:proxy-call-id={edge}@edge.example.com:5061;transport=tls;lr>
    From: "Ålice" <sip:alice@example.com>;tag=a1
    To: <sip:1002@cm1.example.com>;tag=b1
    Call-ID: call1
    CSeq: 101 INVITE
    Contact: <sip:1002@cm1.example.com:5060;transport=tcp>
`;

const answered = `
  ${answerHead('180 Ringing')}
  phone receives:
    SIP/2.0 180 Ringing
    ...
  ${answerHead('200 OK')}    Content-Type: application/sdp

    v=0
    s=far
  phone receives:
    SIP/2.0 200 OK
    Via: SIP/2.0/TLS 172.16.84.136:58980;branch=z9hG4bKinv;received=198.51.100.7;rport=40000;ingress-zone=CollaborationEdgeZone
    ...
    Content-Type: application/sdp

    v=0
    s=answer of inside, was far
  phone sends:
    ACK sip:1002@cm1.example.com:5060;transport=tcp SIP/2.0
    Via: SIP/2.0/TLS 172.16.84.136:58980;branch=z9hG4bKack
    Route: <sip:proxy-call-id={edge}@edge.example.com:5061;transport=tls;lr>, <sip:proxy-call-id={edge}@edge1:7001;transport=tls;lr>
    Route: <sip:proxy-call-id={core}@core1:5061;transport=tls;lr;binding={binding}>, <sip:proxy-call-id={core}@10.15.20.10:5060;transport=tcp;lr;binding={binding}>
    From: "Ålice" <sip:alice@example.com>;tag=a1
    To: <sip:1002@cm1.example.com>;tag=b1
    Call-ID: call1
    CSeq: 101 ACK
  registrar receives:
    ACK sip:1002@cm1.example.com:5060;transport=tcp SIP/2.0
    Via: SIP/2.0/TCP 10.15.20.10:5060;*
    Via: SIP/2.0/TLS edge1:7001;*
    Via: SIP/2.0/TLS 172.16.84.136:58980;branch=z9hG4bKack;*
    From: "Ålice" <sip:alice@example.com>;tag=a1
    To: <sip:1002@cm1.example.com>;tag=b1
    Call-ID: call1
    CSeq: 101 ACK
    Max-Forwards: 13
`;

/** A request of the phone inside the call of `ringing`, and what the registrar must see of it. */
const fromPhone = (method: string, cseq: number, extra = '', seen = extra) => `
  phone sends:
    ${method} sip:1002@cm1.example.com:5060;transport=tcp SIP/2.0
    Via: SIP/2.0/TLS 172.16.84.136:58980;branch=z9hG4bKp${cseq}${method}
    Route: <sip:proxy-call-id={edge}@edge.example.com:5061;transport=tls;lr>
    Route: <sip:proxy-call-id={edge}@edge1:7001;transport=tls;lr>
    Route: <sip:proxy-call-id={core}@core1:5061;transport=tls;lr;binding={binding}>
    Route: <sip:proxy-call-id={core}@10.15.20.10:5060;transport=tcp;lr;binding={binding}>
    Max-Forwards: 70
    From: "Ålice" <sip:alice@example.com>;tag=a1
    To: <sip:1002@cm1.example.com>;tag=b1
    Call-ID: call1
    CSeq: ${cseq} ${method}
    ${extra}
  registrar receives:
    ${method} sip:1002@cm1.example.com:5060;transport=tcp SIP/2.0
    Via: {p${cseq}${method}a}
    Via: {p${cseq}${method}b}
    Via: {p${cseq}${method}c}
    Max-Forwards: 13
    From: "Ålice" <sip:alice@example.com>;tag=a1
    To: <sip:1002@cm1.example.com>;tag=b1
    Call-ID: call1
    CSeq: ${cseq} ${method}
    ${seen}
`;

const repliedToPhone = (status: string, method: string, cseq: number, extra = '', seen = extra) => `
  registrar sends:
    SIP/2.0 ${status}
    Via: {p${cseq}${method}a}
    Via: {p${cseq}${method}b}
    Via: {p${cseq}${method}c}
    From: "Ålice" <sip:alice@example.com>;tag=a1
    To: <sip:1002@cm1.example.com>;tag=b1
    Call-ID: call1
    CSeq: ${cseq} ${method}
    ${extra}
  phone receives:
    SIP/2.0 ${status}
    Via: SIP/2.0/TLS 172.16.84.136:58980;branch=z9hG4bKp${cseq}${method};*
    From: "Ålice" <sip:alice@example.com>;tag=a1
    To: <sip:1002@cm1.example.com>;tag=b1
    Call-ID: call1
    CSeq: ${cseq} ${method}
    ${seen}
`;

/** A request of the far end inside the same call. */
const fromFar = (method: string, cseq: number, to = 'phone', extra = '', seen = extra) => `
  registrar sends:
    ${method} ${contactOf(alice)} SIP/2.0
    Via: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bKf${cseq}
    Route: <sip:proxy-call-id={core}@10.15.20.10:5060;transport=tcp;lr;binding={binding}>
    Route: <sip:proxy-call-id={core}@core1:5061;transport=tls;lr;binding={binding}>,<sip:proxy-call-id={edge}@edge1:7001;transport=tls;lr>
    Route: <sip:proxy-call-id={edge}@edge.example.com:5061;transport=tls;lr>
    Max-Forwards: 70
    From: <sip:1002@cm1.example.com>;tag=b1
    To: "Ålice" <sip:alice@example.com>;tag=a1
    Call-ID: call1
    CSeq: ${cseq} ${method}
    ${extra}
  ${to} receives:
    ${method} ${contactOf(alice)} SIP/2.0
    Via: {f${cseq}a}
    Via: {f${cseq}b}
    Via: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bKf${cseq};received=127.0.0.1;rport=*;ingress-zone=CEtcp-cm1.example.com
    Max-Forwards: 13
    From: <sip:1002@cm1.example.com>;tag=b1
    To: "Ålice" <sip:alice@example.com>;tag=a1
    Call-ID: call1
    CSeq: ${cseq} ${method}
    ${seen}
`;

const repliedToFar = (
  status: string,
  method: string,
  cseq: number,
  by = 'phone',
  extra = '',
  seen = extra,
) => `
  ${by} sends:
    SIP/2.0 ${status}
    Via: {f${cseq}a}
    Via: {f${cseq}b}
    Via: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bKf${cseq};received=127.0.0.1;rport=1;ingress-zone=CEtcp-cm1.example.com
    From: <sip:1002@cm1.example.com>;tag=b1
    To: "Ålice" <sip:alice@example.com>;tag=a1
    Call-ID: call1
    CSeq: ${cseq} ${method}
    ${extra}
  registrar receives:
    SIP/2.0 ${status}
    Via: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bKf${cseq};*
    From: <sip:1002@cm1.example.com>;tag=b1
    To: "Ålice" <sip:alice@example.com>;tag=a1
    Call-ID: call1
    CSeq: ${cseq} ${method}
    ${seen}
`;

const sdp = (name: string) => `Content-Type: application/sdp

    v=0
    s=${name}`;

const inCall = async (text: string): Promise<Captures> =>
  play(ringing + answered + text, { phone, registrar });

describe('a call from the phone', () => {
  test('rings, is answered and acknowledged with both descriptions in our hands, and ends with its BYE', async () => {
    await inCall(fromPhone('BYE', 102) + repliedToPhone('200 OK', 'BYE', 102));
    expect(pair.media.events).toEqual([
      'open alice@example.com',
      'offer from client',
      'answer from inside',
      'close: hung up by the client',
    ]);
    expect(pair.media.openSessions).toBe(0);
  });

  test('ends with the far end’s BYE', async () => {
    await inCall(fromFar('BYE', 1) + repliedToFar('200 OK', 'BYE', 1));
    expect(pair.media.openSessions).toBe(0);
  });

  test('is put on hold and resumed by re-INVITE from either side', async () => {
    await inCall(
      fromPhone('INVITE', 102, sdp('hold'), sdp('offer of client, was hold')) +
        repliedToPhone('200 OK', 'INVITE', 102, sdp('held'), sdp('answer of inside, was held')) +
        fromPhone('ACK', 102) +
        fromFar('INVITE', 7, 'phone', sdp('resume'), sdp('offer of inside, was resume')) +
        repliedToFar('200 OK', 'INVITE', 7, 'phone', sdp('on'), sdp('answer of client, was on')),
    );
    expect(pair.media.events.slice(3)).toEqual([
      'offer from client',
      'answer from inside',
      'offer from inside',
      'answer from client',
    ]);
  });

  test('survives a refused re-INVITE, whose offer is rolled back', async () => {
    await inCall(
      fromPhone('INVITE', 102, sdp('video'), sdp('offer of client, was video')) +
        repliedToPhone('488 Not Acceptable Here', 'INVITE', 102) +
        `
        registrar receives:
          ACK sip:1002@cm1.example.com:5060;transport=tcp SIP/2.0
          ...
        ` +
        fromPhone('INFO', 103) +
        repliedToPhone('200 OK', 'INFO', 103),
    );
    expect(pair.media.events.slice(3)).toEqual(['offer from client', 'rollback']);
    expect(pair.media.openSessions).toBe(1);
  });

  test('two offers that cross get 491, a second of the same side 500', async () => {
    await inCall(
      fromPhone('UPDATE', 102, sdp('one'), sdp('offer of client, was one')) +
        `
        registrar sends:
          INVITE ${contactOf(alice)} SIP/2.0
          Via: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bKglare
          Route: <sip:proxy-call-id={core}@10.15.20.10:5060;transport=tcp;lr;binding={binding}>
          Route: <sip:proxy-call-id={core}@core1:5061;transport=tls;lr;binding={binding}>
          From: <sip:1002@cm1.example.com>;tag=b1
          To: "Ålice" <sip:alice@example.com>;tag=a1
          Call-ID: call1
          CSeq: 2 INVITE
          ${sdp('two')}
        registrar receives:
          SIP/2.0 491 Request Pending
          ...
        phone sends:
          UPDATE sip:1002@cm1.example.com:5060;transport=tcp SIP/2.0
          Via: SIP/2.0/TLS 172.16.84.136:58980;branch=z9hG4bKsecond
          Route: <sip:proxy-call-id={core}@core1:5061;transport=tls;lr;binding={binding}>
          From: "Ålice" <sip:alice@example.com>;tag=a1
          To: <sip:1002@cm1.example.com>;tag=b1
          Call-ID: call1
          CSeq: 103 UPDATE
          ${sdp('three')}
        phone receives:
          SIP/2.0 500 Server Internal Error
          ...
          Retry-After: 5
          ...
        ` +
        repliedToPhone('200 OK', 'UPDATE', 102, sdp('fine'), sdp('answer of inside, was fine')),
    );
  });

  const plain = ['INFO', 'REFER', 'NOTIFY', 'SUBSCRIBE', 'MESSAGE', 'OPTIONS', 'UPDATE'];
  test.each(plain)('carries %s both ways, headers and body as they came', async (method) => {
    const body = `Refer-To: <sip:1003@example.com?Replaces=call2%40x%3Bto-tag%3D1>
    Event:  refer
    X-cisco-unknown :v ;a="b,c"
    Content-Type: application/x-cisco-remotecc-request+xml

    <x>  </x>`;
    await inCall(
      fromPhone(method, 102, body) +
        repliedToPhone('202 Accepted', method, 102, 'Expires: 60') +
        fromFar(method, 5, 'phone', body) +
        repliedToFar('603 Decline', method, 5, 'phone', 'Warning: 399 x "y"'),
    );
  });

  test('replaces the description inside a multipart body and nothing else', async () => {
    const multipart = (s: string) => `Content-Type: multipart/mixed; boundary=uniqueBoundary

    --uniqueBoundary
    Content-Type: application/sdp

    v=0
    s=${s}
    --uniqueBoundary
    Content-Type: application/x-cisco-remotecc-request+xml

    <x/>
    --uniqueBoundary--`;
    await inCall(
      fromPhone('INVITE', 102, multipart('m'), multipart('offer of client, was m')) +
        repliedToPhone('200 OK', 'INVITE', 102, multipart('n'), multipart('answer of inside, was n')),
    );
  });

  test('is cancelled while it rings', async () => {
    await play(
      `
      ${ringing}
      ${answerHead('180 Ringing')}
      phone receives:
        SIP/2.0 180 Ringing
        ...
      phone sends:
        CANCEL sip:1002@cm1.example.com SIP/2.0
        Via: SIP/2.0/TLS 172.16.84.136:58980;branch=z9hG4bKinv
        From: "Ålice" <sip:alice@example.com>;tag=a1
        To: <sip:1002@cm1.example.com>
        Call-ID: call1
        CSeq: 101 CANCEL
        Reason: SIP;cause=200
      phone receives:
        SIP/2.0 200 OK
        ...
      registrar receives:
        CANCEL sip:1002@cm1.example.com SIP/2.0
        Via: {i1}
        ...
        Reason: SIP;cause=200
        ...
      ${answerHead('487 Request Terminated')}
      registrar receives:
        ACK sip:1002@cm1.example.com SIP/2.0
        ...
      phone receives:
        SIP/2.0 487 Request Terminated
        ...
      `,
      { phone, registrar },
    );
    expect(pair.media.events.slice(-1)).toEqual(['close: refused 487']);
  });

  test('is cancelled when the phone’s connection goes away while it rings', async () => {
    await play(
      `
      ${ringing}
      ${answerHead('180 Ringing')}
      phone receives:
        SIP/2.0 180 Ringing
        ...
      `,
      { phone, registrar },
    );
    phone.close();
    await play(
      `
      registrar receives:
        CANCEL sip:1002@cm1.example.com SIP/2.0
        ...
      `,
      { registrar },
    );
  });

  test('negotiates early by a reliable 183 and PRACK; the 200 repeats the answer', async () => {
    const captures = await play(
      `
      ${ringing}
      ${answerHead('183 Session Progress')}    Require: 100rel
        RSeq: 1
        ${sdp('early')}
      phone receives:
        SIP/2.0 183 Session Progress
        ...
        Require: 100rel
        RSeq: 1
        ${sdp('answer of inside, was early')}
      `,
      { phone, registrar },
    );
    await play(
      fromPhone('PRACK', 102, 'RAck: 1 101 INVITE') +
        repliedToPhone('200 OK', 'PRACK', 102) +
        fromPhone('UPDATE', 103, sdp('new'), sdp('offer of client, was new')) +
        repliedToPhone('200 OK', 'UPDATE', 103, sdp('ok'), sdp('answer of inside, was ok')) +
        `
        ${answerHead('200 OK')}    ${sdp('early')}
        phone receives:
          SIP/2.0 200 OK
          ...
          ${sdp('answer of inside, was early')}
        `,
      { phone, registrar },
      captures,
    );
    expect(pair.media.events.filter((event) => event.startsWith('answer'))).toHaveLength(2);
  });

  test('is refused 488 when its description is', async () => {
    pair.media.refuse = { status: 488, text: 'Encryption Required' };
    await play(
      `
      phone sends:
        INVITE sip:1002@cm1.example.com SIP/2.0
        Via: SIP/2.0/TLS 172.16.84.136:58980;branch=z9hG4bKinv
        From: <sip:alice@example.com>;tag=a1
        To: <sip:1002@cm1.example.com>
        Call-ID: call1
        CSeq: 101 INVITE
        Contact: <${contactOf(alice)}>
        ${sdp('plain')}
      phone receives:
        SIP/2.0 488 Encryption Required
        ...
      `,
      { phone },
    );
    expect(pair.media.openSessions).toBe(0);
    expect(registrar.unread).toEqual([]);
  });

  test('whose answer cannot be used is acknowledged, hung up and reported', async () => {
    const captures = await play(ringing, { phone, registrar });
    pair.media.refuse = { status: 488, text: 'No Common Suite' };
    await play(
      `
      ${answerHead('200 OK')}    ${sdp('bad')}
      registrar receives:
        ACK sip:1002@cm1.example.com:5060;transport=tcp SIP/2.0
        Via: SIP/2.0/TCP 10.15.20.10:5060;*
        Max-Forwards: 70
        From: "Ålice" <sip:alice@example.com>;tag=a1
        To: <sip:1002@cm1.example.com>;tag=b1
        Call-ID: call1
        CSeq: 101 ACK
        ...
      registrar receives:
        BYE sip:1002@cm1.example.com:5060;transport=tcp SIP/2.0
        ...
        CSeq: 102 BYE
        ...
      phone receives:
        SIP/2.0 488 No Common Suite
        ...
      `,
      { phone, registrar },
      captures,
    );
    expect(pair.media.openSessions).toBe(0);
  });
});

describe('a call to the phone', () => {
  const inbound = `
    registrar sends:
      INVITE ${rewrittenOf(alice)} SIP/2.0
      Via: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bKin
      Max-Forwards: 70
      From: <sip:1002@cm1.example.com>;tag=c1
      To: <sip:alice@example.com>
      Call-ID: call2
      CSeq: 1 INVITE
      Contact: <sip:1002@cm1.example.com:5060;transport=tcp>
    phone receives:
      INVITE ${contactOf(alice)} SIP/2.0
      Record-Route: <sip:proxy-call-id={edge}@edge.example.com:5061;transport=tls;lr>
      Record-Route: <sip:proxy-call-id={edge}@edge1:7001;transport=tls;lr>
      Record-Route: <sip:proxy-call-id={core}@core1:5061;transport=tls;lr;binding={binding}>
      Record-Route: <sip:proxy-call-id={core}@10.15.20.10:5060;transport=tcp;lr;binding={binding}>
      Via: {i1}
      Via: {i2}
      Via: {i3}
      Max-Forwards: 13
      From: <sip:1002@cm1.example.com>;tag=c1
      To: <sip:alice@example.com>
      Call-ID: call2
      CSeq: 1 INVITE
      Contact: <sip:1002@cm1.example.com:5060;transport=tcp>
  `;
  const ok = (records: string) => `
    phone sends:
      SIP/2.0 200 OK
      Via: {i1}
      Via: {i2}
      Via: {i3}
      ${records}
      From: <sip:1002@cm1.example.com>;tag=c1
      To: <sip:alice@example.com>;tag=p1
      Call-ID: call2
      CSeq: 1 INVITE
      Contact: <${contactOf(alice)}>
      P-Asserted-Identity: <sip:ceo@example.com>
      ${sdp('late')}
  `;
  const ownRecords = `Record-Route: <sip:proxy-call-id={edge}@edge.example.com:5061;transport=tls;lr>, <sip:proxy-call-id={edge}@edge1:7001;transport=tls;lr>
      Record-Route: <sip:proxy-call-id={core}@core1:5061;transport=tls;lr;binding={binding}>
      Record-Route: <sip:proxy-call-id={core}@10.15.20.10:5060;transport=tcp;lr;binding={binding}>`;

  test('with a late offer is answered by the ACK; what the client may not assert is gone', async () => {
    await play(
      `
      ${inbound}
      ${ok(ownRecords)}
      registrar receives:
        SIP/2.0 200 OK
        Via: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bKin;*
        ${ownRecords}
        From: <sip:1002@cm1.example.com>;tag=c1
        To: <sip:alice@example.com>;tag=p1
        Call-ID: call2
        CSeq: 1 INVITE
        Contact: <${contactOf(alice)}>
        ${sdp('offer of client, was late')}
      registrar sends:
        ACK ${contactOf(alice)} SIP/2.0
        Via: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bKack
        Route: <sip:proxy-call-id={core}@10.15.20.10:5060;transport=tcp;lr;binding={binding}>, <sip:proxy-call-id={core}@core1:5061;transport=tls;lr;binding={binding}>
        Route: <sip:proxy-call-id={edge}@edge1:7001;transport=tls;lr>, <sip:proxy-call-id={edge}@edge.example.com:5061;transport=tls;lr>
        Max-Forwards: 70
        From: <sip:1002@cm1.example.com>;tag=c1
        To: <sip:alice@example.com>;tag=p1
        Call-ID: call2
        CSeq: 1 ACK
        ${sdp('ok')}
      phone receives:
        ACK ${contactOf(alice)} SIP/2.0
        ...
        ${sdp('answer of inside, was ok')}
      `,
      { phone, registrar },
    );
    expect(pair.media.events).toEqual(['open alice@example.com', 'offer from client', 'answer from inside']);
  });

  test('keeps the route set that we made, whatever the client echoes', async () => {
    await play(
      `
      ${inbound}
      ${ok('Record-Route: <sip:attacker.example.net;lr>')}
      registrar receives:
        SIP/2.0 200 OK
        Via: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bKin;*
        Record-Route: <sip:proxy-call-id={core}@core1:5061;transport=tls;lr;binding={binding}>
        Record-Route: <sip:proxy-call-id={core}@10.15.20.10:5060;transport=tcp;lr;binding={binding}>
        From: *
        ...
      `,
      { phone, registrar },
    );
    expect(pair.counts.get('record-route-restored')).toBe(1);
  });

  test('never acknowledged is hung up at both ends', async () => {
    await play(
      `
      ${inbound}
      ${ok(ownRecords)}
      registrar receives:
        SIP/2.0 200 OK
        ...
      `,
      { phone, registrar },
    );
    pair.nowMs += 41_000;
    pair.core.sweep();
    await play(
      `
      registrar receives:
        BYE sip:1002@cm1.example.com:5060;transport=tcp SIP/2.0
        ...
        From: <sip:alice@example.com>;tag=p1
        To: <sip:1002@cm1.example.com>;tag=c1
        ...
      phone receives:
        BYE ${contactOf(alice)} SIP/2.0
        ...
        From: <sip:1002@cm1.example.com>;tag=c1
        To: <sip:alice@example.com>;tag=p1
        Call-ID: call2
        CSeq: 2 BYE
        ...
      `,
      { phone, registrar },
    );
    expect(pair.media.openSessions).toBe(0);
  });

  test('follows the phone that reconnected from another port and registered again', async () => {
    const captures = await play(
      `
      ${inbound}
      ${ok(ownRecords)}
      registrar receives:
        SIP/2.0 200 OK
        ...
      `,
      { phone, registrar },
    );
    phone.close();
    await phone.closed;
    const again = pair.client('again', '198.51.100.9', 42_000);
    await signIn(pair, again, { ...alice, host: '172.16.84.136:60001' }, registrar);
    await play(
      `
      registrar sends:
        BYE ${contactOf(alice)} SIP/2.0
        Via: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bKbye
        Route: <sip:proxy-call-id={core}@10.15.20.10:5060;transport=tcp;lr;binding={binding}>, <sip:proxy-call-id={core}@core1:5061;transport=tls;lr;binding={binding}>
        From: <sip:1002@cm1.example.com>;tag=c1
        To: <sip:alice@example.com>;tag=p1
        Call-ID: call2
        CSeq: 2 BYE
      again receives:
        BYE ${contactOf(alice)} SIP/2.0
        ...
      `,
      { again, registrar },
      captures,
    );
  });
});
