// What must not work, each by its number in the attack catalogue.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { play, type Actor } from './dialogue.ts';
import { openPair, type Pair } from './pair.ts';
import { contactOf, rewrittenOf, signIn } from './sign-in.ts';

let pair: Pair;
let phone: Actor;
let registrar: Actor;
const alice = { user: 'alice', host: '172.16.84.136:58980', instance: '<urn:uuid:a>' };

beforeEach(async () => {
  pair = await openPair({ core: { maxCallsPerUser: 2, policy: noPremiumNumbers } });
  phone = pair.client();
  registrar = await signIn(pair, phone, alice);
});
afterEach(() => pair.close());

function noPremiumNumbers({ uriText }: { uriText: string }): { status: number; reason: string } | undefined {
  return uriText.includes('0900') ? { status: 403, reason: 'Not Allowed Here' } : undefined;
}

const attempt = (who: string, method: string, uri: string, from: string, extra = '', branch = 'x') => `
  ${who} sends:
    ${method} ${uri} SIP/2.0
    Via: SIP/2.0/TLS 10.0.0.66:5061;branch=z9hG4bK${branch}
    From: <${from}>;tag=evil
    To: <sip:1002@example.com>
    Call-ID: ${branch}@evil
    CSeq: 1 ${method}
    ${extra === '' ? 'User-Agent: x' : extra}
`;

describe('a connection without a registration', () => {
  const methods = [
    'INVITE',
    'MESSAGE',
    'SUBSCRIBE',
    'REFER',
    'NOTIFY',
    'OPTIONS',
    'PUBLISH',
    'INFO',
    'BYE',
    'X-NEW',
  ];
  test.each(methods)('may not send %s (T-054, T-055, T-061)', async (method) => {
    const stranger = pair.client('stranger', '203.0.113.66');
    await play(
      `
      ${attempt('stranger', method, 'sip:1002@example.com', 'sip:ceo@example.com')}
      stranger receives:
        SIP/2.0 403 Forbidden
        ...
      `,
      { stranger },
    );
    expect(registrar.unread).toEqual([]);
    expect(pair.coreRefusals[0]).toMatch(/^not-registered edge1 [\w-]{27}$/);
  });

  test('may not name a registered connection as its own', async () => {
    const stranger = pair.client('stranger', '203.0.113.66');
    await play(
      `
      ${attempt('stranger', 'MESSAGE', 'sip:1002@example.com', 'sip:alice@example.com', 'X-Viaduct-Flow: AAAA\n    x-viaduct-flow : AAAA')}
      stranger receives:
        SIP/2.0 403 Forbidden
        ...
      `,
      { stranger },
    );
    expect(pair.counts.get('privileged-header-stripped')).toBe(1);
  });

  test('may ask edge itself for its options', async () => {
    const stranger = pair.client('stranger');
    await play(
      `
      ${attempt('stranger', 'OPTIONS', 'sip:edge.example.com', 'sip:x@y.z')}
      stranger receives:
        SIP/2.0 200 OK
        ...
      `,
      { stranger },
    );
  });
});

describe('a registered user', () => {
  const rows: [string, string, string, string, string][] = [
    [
      'may not speak as another (T-054)',
      'MESSAGE',
      'sip:1002@example.com',
      'sip:ceo@example.com',
      '403 From Is Not The Registered User',
    ],
    [
      'may not speak as its own name of a foreign domain',
      'INVITE',
      'sip:1002@example.com',
      'sip:alice@evil.example.net',
      '403 From Is Not The Registered User',
    ],
    [
      'may not call a host that nobody discovered (T-060)',
      'INVITE',
      'sip:1002@169.254.169.254',
      'sip:alice@example.com',
      '404 Not Found',
    ],
    [
      'may not call a host by a name that DNS would know',
      'INVITE',
      'sip:1002@cm1.example.com.evil.example.net',
      'sip:alice@example.com',
      '404 Not Found',
    ],
    [
      'may not reach core’s other neighbours',
      'MESSAGE',
      'sip:1002@127.0.0.2:22',
      'sip:alice@example.com',
      '404 Not Found',
    ],
    [
      'may not dial what the deployment forbids (T-064)',
      'INVITE',
      'sip:0900123@example.com',
      'sip:alice@example.com',
      '403 Not Allowed Here',
    ],
    [
      'may not use other schemes',
      'MESSAGE',
      'mailto:x@example.com',
      'sip:alice@example.com',
      '416 Unsupported URI Scheme',
    ],
  ];
  test.each(rows)('%s', async (_name, method, uri, from, answer) => {
    await play(
      `
      ${attempt('phone', method, uri, from)}
      phone receives:
        SIP/2.0 ${answer}
        ...
      `,
      { phone },
    );
    expect(registrar.unread).toEqual([]);
  });

  const routes: [string, string][] = [
    ['an inside host', '<sip:10.0.0.5:5060;lr>'],
    ['a discovered node, past core’s routing', '<sip:cm1.example.com;transport=tcp;lr>'],
    ['a strict route', '<sip:10.0.0.5:5060>'],
    ['another scheme', '<tel:+1555>'],
  ];
  test.each(routes)('may not route through %s (T-060)', async (_name, route) => {
    await play(
      `
      ${attempt('phone', 'INVITE', 'sip:1002@example.com', 'sip:alice@example.com', `Route: ${route}`)}
      phone receives:
        SIP/2.0 403 Forbidden
        ...
      `,
      { phone },
    );
    expect(registrar.unread).toEqual([]);
  });

  test('may not leave the zone: an unknown zone-id is told', async () => {
    await play(
      `
      ${attempt('phone', 'INVITE', 'sip:1002@example.com', 'sip:alice@example.com', 'Route: <sip:core1:5061;transport=tls;zone-id=9;directed;lr>')}
      phone receives:
        SIP/2.0 404 No Such Zone
        ...
      `,
      { phone },
    );
  });

  test('may not take part in a call that is not its own', async () => {
    const captures = await play(
      `
      ${attempt('phone', 'INVITE', 'sip:1002@example.com', 'sip:alice@example.com', 'Contact: <sip:a@10.0.0.1>')}
      registrar receives:
        INVITE sip:1002@example.com SIP/2.0
        Record-Route: <sip:proxy-call-id={core}@10.15.20.10:5060;transport=tcp;lr;binding={binding}>
        ...
      `,
      { phone, registrar },
    );
    const mallory = pair.client('mallory', '203.0.113.66');
    await signIn(pair, mallory, { user: 'mallory', host: '10.6.6.6:5061' }, registrar);
    await play(
      `
      mallory sends:
        BYE sip:1002@cm1.example.com SIP/2.0
        Via: SIP/2.0/TLS 10.0.0.66:5061;branch=z9hG4bKsteal
        Route: <sip:proxy-call-id={core}@core1:5061;transport=tls;lr;binding={binding}>
        From: <sip:alice@example.com>;tag=evil
        To: <sip:1002@example.com>;tag=any
        Call-ID: x@evil
        CSeq: 2 BYE
      mallory receives:
        SIP/2.0 481 Call/Transaction Does Not Exist
        ...
      `,
      { mallory },
      captures,
    );
    await play(
      `
      registrar sends:
        SIP/2.0 180 Ringing
        Via: {none}
      `,
      { registrar },
      new Map([['none', 'SIP/2.0/TCP nobody;branch=z9hG4bKstray']]),
    );
    expect(registrar.unread).toEqual([]);
  });

  test('may not turn its own call elsewhere: way, target and name are those of the dialog (T-060, T-064)', async () => {
    const captures = await play(
      `
      ${attempt('phone', 'INVITE', 'sip:1002@example.com', 'sip:alice@example.com', 'Contact: <sip:a@10.0.0.1>')}
      registrar receives:
        INVITE sip:1002@example.com SIP/2.0
        Record-Route: {r1}
        Record-Route: {r2}
        Record-Route: {r3}
        Record-Route: {r4}
        Via: {v1}
        Via: {v2}
        Via: {v3}
        ...
      registrar sends:
        SIP/2.0 200 OK
        Via: {v1}
        Via: {v2}
        Via: {v3}
        Record-Route: <sip:cm1.example.com;lr;p=1>, {r1}, {r2}, {r3}, {r4}
        From: <sip:alice@example.com>;tag=evil
        To: <sip:1002@example.com>;tag=b
        Call-ID: x@evil
        CSeq: 1 INVITE
        Contact: <sip:1002@10.0.0.77:5060>
      phone receives:
        SIP/2.0 200 OK
        ...
      `,
      { phone, registrar },
    );
    const inDialog = (n: number, uri: string, from: string, routes: string) => `
      phone sends:
        INFO ${uri} SIP/2.0
        Via: SIP/2.0/TLS 10.0.0.66:5061;branch=z9hG4bKin${n}
        Route: {r4}, {r3}, {r2}, {r1}${routes}
        From: <${from}>;tag=evil
        To: <sip:1002@example.com>;tag=b
        Call-ID: x@evil
        CSeq: ${n} INFO
    `;
    const forbidden = 'phone receives:\n SIP/2.0 403 Forbidden\n ...\n';
    const way = ', <sip:cm1.example.com;lr;p=1>';
    await play(
      `
      ${inDialog(2, 'sip:x@169.254.169.254', 'sip:alice@example.com', way)}
      ${forbidden}
      ${inDialog(3, 'sip:1002@10.0.0.77:5060', 'sip:ceo@example.com', way)}
      ${forbidden}
      ${inDialog(4, 'sip:1002@10.0.0.77:5060', 'sip:alice@example.com', `${way}, <sip:10.6.6.6;lr>`)}
      registrar receives:
        INFO sip:1002@10.0.0.77:5060 SIP/2.0
        Via: *
        Via: *
        Via: *
        Route: <sip:cm1.example.com;lr;p=1>
        From: <sip:alice@example.com>;tag=evil
        To: <sip:1002@example.com>;tag=b
        Call-ID: x@evil
        CSeq: 4 INFO
        Max-Forwards: 13
      `,
      { phone, registrar },
      captures,
    );
    expect(pair.counts.get('route-set-restored')).toBe(1);
  });

  test('may not reach another client past call control by a route through core (T-060)', async () => {
    const captures = await play(
      `
      registrar sends:
        INVITE ${rewrittenOf(alice)} SIP/2.0
        Via: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bKv
        From: <sip:1002@cm1.example.com>;tag=c1
        To: <sip:alice@example.com>
        Call-ID: victim
        CSeq: 1 INVITE
        Contact: <sip:1002@cm1.example.com>
      phone receives:
        INVITE ${contactOf(alice)} SIP/2.0
        ...
        Record-Route: <sip:proxy-call-id={id}@10.15.20.10:5060;transport=tcp;lr;binding={binding}>
        ...
      `,
      { phone, registrar },
    );
    const mallory = pair.client('mallory', '203.0.113.66');
    await signIn(pair, mallory, { user: 'mallory', host: '10.6.6.6:5061' }, registrar);
    const past = (n: number, id: string) => `
      mallory sends:
        MESSAGE sip:1002@cm1.example.com SIP/2.0
        Via: SIP/2.0/TLS 10.0.0.66:5061;branch=z9hG4bKpast${n}
        Route: <sip:proxy-call-id=mine@core1:5061;transport=tls;lr>, <sip:proxy-call-id=${id}@10.15.20.10:5060;transport=tcp;lr;binding={binding}>
        From: <sip:mallory@example.com>;tag=m
        To: <sip:alice@example.com>;tag=any
        Call-ID: mine
        CSeq: ${n} MESSAGE
      mallory receives:
        SIP/2.0 403 Forbidden
        ...
    `;
    await play(past(1, 'other') + past(2, '{id}'), { mallory }, captures);
    expect(phone.unread).toEqual([]);
  });

  test('may hold only so many calls, half-open ones included (T-038)', async () => {
    const invite = (n: number) =>
      attempt(
        'phone',
        'INVITE',
        'sip:1002@example.com',
        'sip:alice@example.com',
        'Contact: <sip:a@10.0.0.1>',
        `inv${n}`,
      );
    await play(
      `
      ${invite(1)}
      registrar receives:
        INVITE sip:1002@example.com SIP/2.0
        ...
      ${invite(2)}
      registrar receives:
        INVITE sip:1002@example.com SIP/2.0
        ...
      ${invite(3)}
      phone receives:
        SIP/2.0 486 Busy Here
        ...
      `,
      { phone, registrar },
    );
    expect(pair.counts.get('refused user-call-limit')).toBe(1);
  });

  test('cannot assert an identity, however the header is written (T-050)', async () => {
    const forms = [
      'P-Asserted-Identity: <sip:ceo@example.com>',
      'p-asserted-identity : <sip:ceo@example.com>',
      'P-ASSERTED-IDENTITY\t:\t<sip:ceo@example.com>',
      'P-Charging-Vector: icid-value=1',
      'Record-Route: <sip:evil.example.net;lr>',
      'Path: <sip:evil.example.net;lr>',
      'X-Viaduct-Anything: 1',
    ].join('\n    ');
    await play(
      `
      ${attempt('phone', 'MESSAGE', 'sip:1002@cm1.example.com', 'sip:alice@example.com', `${forms}\n    P-Preferred-Identity: <sip:alice@example.com>`)}
      registrar receives:
        MESSAGE sip:1002@cm1.example.com SIP/2.0
        Via: *
        Via: *
        Via: *
        From: <sip:alice@example.com>;tag=evil
        To: <sip:1002@example.com>
        Call-ID: x@evil
        CSeq: 1 MESSAGE
        P-Preferred-Identity: <sip:alice@example.com>
        Max-Forwards: 13
      `,
      { phone, registrar },
    );
  });
});

describe('loops (T-067)', () => {
  test('a request that comes back unchanged is told so', async () => {
    const captures = await play(
      `
      ${attempt('phone', 'MESSAGE', 'sip:1002@cm1.example.com', 'sip:alice@example.com')}
      registrar receives:
        MESSAGE sip:1002@cm1.example.com SIP/2.0
        Via: {v1}
        Via: {v2}
        ...
      phone sends:
        MESSAGE sip:1002@cm1.example.com SIP/2.0
        Via: SIP/2.0/TLS 10.0.0.66:5061;branch=z9hG4bKagain
        Via: {v2}
        From: <sip:alice@example.com>;tag=evil
        To: <sip:1002@example.com>
        Call-ID: x@evil
        CSeq: 1 MESSAGE
      phone receives:
        SIP/2.0 482 Loop Detected
        ...
      `,
      { phone, registrar },
    );
    expect(captures.get('v2')).toContain('edge1:7001');
  });

  const hops: [string, string][] = [
    ['0', '483 Too Many Hops'],
    ['1', '483 Too Many Hops'],
    ['abc', '400 Malformed Max-Forwards'],
  ];
  test.each(hops)('Max-Forwards %s is answered %s', async (count, answer) => {
    await play(
      `
      ${attempt('phone', 'MESSAGE', 'sip:1002@example.com', 'sip:alice@example.com', `Max-Forwards: ${count}`)}
      phone receives:
        SIP/2.0 ${answer}
        ...
      `,
      { phone },
    );
  });
});

describe('from inside', () => {
  const rows: [string, string, string, string][] = [
    [
      'an unknown contact of ours',
      'sip:x@10.15.20.10:5060;orig-hostport=1.1.1.1:1',
      '',
      '480 Temporarily Unavailable',
    ],
    ['a contact without its mark', 'sip:x@10.15.20.10:5060', '', '404 Not Found'],
    ['a host that is not ours', 'sip:alice@172.16.84.136:58980', '', '404 Not Found'],
    ['a Route that is not ours', rewrittenOf(alice), 'Route: <sip:10.9.9.9;lr>', '403 Forbidden'],
    [
      'a dialog that is not there',
      contactOf(alice),
      'Route: <sip:proxy-call-id=x@10.15.20.10:5060;lr;binding=0>',
      '481 Call/Transaction Does Not Exist',
    ],
  ];
  test.each(rows)('%s', async (_name, uri, extra, answer) => {
    await play(
      `
      ${attempt('registrar', 'INVITE', uri, 'sip:1002@cm1.example.com', extra)}
      registrar receives:
        SIP/2.0 ${answer}
        ...
      `,
      { registrar },
    );
    expect(phone.unread).toEqual([]);
  });

  test('a client whose connection is gone: the registrar learns it, and the binding ends', async () => {
    phone.close();
    await phone.closed;
    await play(
      `
      ${attempt('registrar', 'MESSAGE', rewrittenOf(alice), 'sip:1002@cm1.example.com')}
      registrar receives:
        SIP/2.0 480 Temporarily Unavailable
        ...
      `,
      { registrar },
    );
    expect(pair.core.status().registrations).toBe(0);
    expect(pair.counts.get('flow-gone')).toBe(1);
  });
});

describe('malformed answers of a client', () => {
  const answers: [string, string][] = [
    ['a Contact that is no address', 'Contact: <sip:a@b'],
    ['a Record-Route with an open quote', 'Record-Route: "<sip:x'],
    ['an empty value in Record-Route', 'Record-Route: <sip:x>,,<sip:y>'],
  ];
  test.each(answers)('%s fail the call and nothing else', async (_name, line) => {
    await play(
      `
      ${attempt('registrar', 'INVITE', rewrittenOf(alice), 'sip:1002@cm1.example.com', 'Contact: <sip:1002@cm1.example.com>')}
      phone receives:
        INVITE ${contactOf(alice)} SIP/2.0
        ...
        Via: {v1}
        Via: {v2}
        Via: {v3}
        ...
      phone sends:
        SIP/2.0 200 OK
        Via: {v1}
        Via: {v2}
        Via: {v3}
        From: <sip:1002@cm1.example.com>;tag=evil
        To: <sip:1002@example.com>;tag=p
        Call-ID: x@evil
        CSeq: 1 INVITE
        ${line}
      registrar receives:
        SIP/2.0 502 Bad Gateway
        ...
      `,
      { phone, registrar },
    );
  });
});

describe('a flood (T-057)', () => {
  test('of unregistered connections pushes out the oldest of its kind, never a registered one', async () => {
    const strangers = Array.from({ length: 25 }, (_, n) => pair.client(`s${n}`, '203.0.113.66', 1000 + n));
    await Promise.all(strangers.slice(0, 5).map((stranger) => stranger.closed));
    expect(pair.edge.status().unproven).toBe(20);
    expect(phone.isClosed).toBe(false);
  });

  test('of requests from a stranger without answers is cut to its small share', async () => {
    const stranger = pair.client('stranger', '203.0.113.66');
    for (let n = 0; n < 9; n += 1) {
      await play(
        attempt('stranger', 'REGISTER', 'sip:cm1.example.com', 'sip:e@example.com', 'User-Agent: x', `f${n}`),
        {
          stranger,
        },
      );
    }
    await play('stranger receives:\n SIP/2.0 503 Service Unavailable\n ...', { stranger });
    expect(pair.counts.get('refused busy')).toBe(1);
  });

  test('of messages on one connection closes it and is reported', async () => {
    const slow = await openPair({ edge: { maxMessagesPerSecond: 3 } });
    const stranger = slow.client('stranger', '203.0.113.66');
    for (let n = 0; n < 7; n += 1) {
      await play(attempt('stranger', 'OPTIONS', 'sip:edge.example.com', 'sip:x@y.z', '', `o${n}`), {
        stranger,
      });
    }
    await stranger.closed;
    expect(slow.edgeRefusals).toContain('rate 203.0.113.66');
    await slow.close();
  });
});
