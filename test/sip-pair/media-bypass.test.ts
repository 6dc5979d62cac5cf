// Ways by which a session description could pass without our hands on it: every one of them ends in a refusal.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { play, type Actor, type Captures } from './dialogue.ts';
import { openPair, type Pair } from './pair.ts';
import { contactOf, rewrittenOf, signIn } from './sign-in.ts';

let pair: Pair;
let phone: Actor;
let registrar: Actor;
let captures: Captures;
const alice = { user: 'alice', host: '172.16.84.136:58980', instance: '<urn:uuid:a>' };

beforeEach(async () => {
  pair = await openPair();
  phone = pair.client();
  registrar = await signIn(pair, phone, alice);
  captures = new Map();
});
afterEach(() => pair.close());

const subscribe = `
  phone sends:
    SUBSCRIBE sip:1002@cm1.example.com SIP/2.0
    Via: SIP/2.0/TLS 172.16.84.136:58980;branch=z9hG4bKs
    From: <sip:alice@example.com>;tag=a1
    To: <sip:1002@cm1.example.com>
    Call-ID: s1
    CSeq: 1 SUBSCRIBE
    Contact: <${contactOf(alice)}>
    Event: presence
  registrar receives:
    SUBSCRIBE sip:1002@cm1.example.com SIP/2.0
    Record-Route: {r1}
    Record-Route: {r2}
    Record-Route: {r3}
    Record-Route: {r4}
    Via: {i1}
    Via: {i2}
    Via: {i3}
    ...
`;

const accepted = `
  registrar sends:
    SIP/2.0 200 OK
    Via: {i1}
    Via: {i2}
    Via: {i3}
    Record-Route: {r1}
    Record-Route: {r2}
    Record-Route: {r3}
    Record-Route: {r4}
    From: <sip:alice@example.com>;tag=a1
    To: <sip:1002@cm1.example.com>;tag=b1
    Call-ID: s1
    CSeq: 1 SUBSCRIBE
    Contact: <sip:1002@cm1.example.com:5060;transport=tcp>
    Expires: 60
  phone receives:
    SIP/2.0 200 OK
    ...
`;

const inDialog = (method: string, cseq: number, uri: string, routes: string) => `
  phone sends:
    ${method} ${uri} SIP/2.0
    Via: SIP/2.0/TLS 172.16.84.136:58980;branch=z9hG4bK${method}${cseq}
    ${routes}
    From: <sip:alice@example.com>;tag=a1
    To: <sip:1002@cm1.example.com>;tag=b1
    Call-ID: s1
    CSeq: ${cseq} ${method}
    Contact: <${contactOf(alice)}>
    Content-Type: application/sdp

    v=0
    s=mine
`;

const ownRoutes = 'Route: {r4}\n    Route: {r3}\n    Route: {r2}\n    Route: {r1}';
const target = 'sip:1002@cm1.example.com:5060;transport=tcp';

describe('a session description', () => {
  test.each(['INVITE', 'UPDATE', 'PRACK'])('of %s inside a subscription is refused', async (method) => {
    await play(subscribe + accepted, { phone, registrar }, captures);
    await play(inDialog(method, 2, target, ownRoutes), { phone }, captures);
    await play(
      `
      phone receives:
        SIP/2.0 481 Call/Transaction Does Not Exist
        ...
      `,
      { phone },
    );
    expect(registrar.unread).toEqual([]);
  });

  test.each(['UPDATE', 'PRACK'])('of %s outside a call is refused', async (method) => {
    const outside = inDialog(method, 3, 'sip:1002@cm1.example.com', 'Max-Forwards: 70').replace(
      ';tag=b1',
      '',
    );
    await play(outside, { phone });
    await play(
      `
      phone receives:
        SIP/2.0 481 Call/Transaction Does Not Exist
        ...
      `,
      { phone },
    );
    expect(registrar.unread).toEqual([]);
  });

  test('of a node inside a subscription is refused too: no plain RTP towards a client', async () => {
    await play(subscribe + accepted, { phone, registrar }, captures);
    await play(
      `
      registrar sends:
        INVITE ${rewrittenOf(alice)} SIP/2.0
        Via: SIP/2.0/TCP 127.0.0.1:5060;branch=z9hG4bKx
        Route: {r1}
        Route: {r2}
        Route: {r3}
        Route: {r4}
        From: <sip:1002@cm1.example.com>;tag=b1
        To: <sip:alice@example.com>;tag=a1
        Call-ID: s1
        CSeq: 7 INVITE
        Contact: <${target}>
        Content-Type: application/sdp

        v=0
        s=plain
      registrar receives:
        SIP/2.0 481 Call/Transaction Does Not Exist
        ...
      `,
      { registrar },
      captures,
    );
    expect(phone.unread).toEqual([]);
  });

  test('in the refusal of an offer does not tell where its writer is', async () => {
    await play(
      `
      phone sends:
        INVITE sip:1002@cm1.example.com SIP/2.0
        Via: SIP/2.0/TLS 172.16.84.136:58980;branch=z9hG4bKinv
        From: <sip:alice@example.com>;tag=a1
        To: <sip:1002@cm1.example.com>
        Call-ID: c1
        CSeq: 1 INVITE
        Contact: <${contactOf(alice)}>
        Content-Type: application/sdp

        v=0
        s=phone
      registrar receives:
        INVITE sip:1002@cm1.example.com SIP/2.0
        Record-Route: {r1}
        Record-Route: {r2}
        Record-Route: {r3}
        Record-Route: {r4}
        Via: {i1}
        Via: {i2}
        Via: {i3}
        ...
      registrar sends:
        SIP/2.0 488 Not Acceptable Here
        Via: {i1}
        Via: {i2}
        Via: {i3}
        From: <sip:alice@example.com>;tag=a1
        To: <sip:1002@cm1.example.com>;tag=b1
        Call-ID: c1
        CSeq: 1 INVITE
        Content-Type: application/sdp

        v=0
        s=10.15.20.77 can do this
      phone receives:
        SIP/2.0 488 Not Acceptable Here
        Via: {v}
        From: <sip:alice@example.com>;tag=a1
        To: <sip:1002@cm1.example.com>;tag=b1
        Call-ID: c1
        CSeq: 1 INVITE
      `,
      { phone, registrar },
    );
  });
});

describe('a notifier of a forked subscription, whose way is not known', () => {
  const notify = `
    registrar sends:
      NOTIFY ${rewrittenOf(alice)} SIP/2.0
      Via: SIP/2.0/TCP 127.0.0.1:5060;branch=z9hG4bKnot
      Route: {r1}
      Route: {r2}
      Route: {r3}
      Route: {r4}
      From: <sip:1002@cm1.example.com>;tag=b1
      To: <sip:alice@example.com>;tag=a1
      Call-ID: s1
      CSeq: 1 NOTIFY
      Contact: <${target}>
      Event: presence
      Subscription-State: active
    phone receives:
      NOTIFY *
      ...
  `;
  const astray: [string, string, string][] = [
    [
      'by a route to a host of the client’s choice',
      target,
      'Route: {r4}\n    Route: {r3}\n    Route: {r2}\n    Route: {r1}\n    Route: <sip:169.254.169.254;lr>',
    ],
    ['at a target of the client’s choice', 'sip:x@169.254.169.254', ownRoutes],
  ];
  test.each(astray)('cannot be asked %s (T-060)', async (_name, uri, routes) => {
    await play(subscribe + notify, { phone, registrar }, captures);
    await play(inDialog('SUBSCRIBE', 2, uri, routes), { phone }, captures);
    await play(
      `
      phone receives:
        SIP/2.0 403 Forbidden
        ...
      `,
      { phone },
    );
    expect(registrar.unread).toEqual([]);
  });
});
