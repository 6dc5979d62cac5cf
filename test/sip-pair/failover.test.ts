// Links, nodes and connections that come and go.
import { connect as connectTls } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { Actor, play } from './dialogue.ts';
import { openPair, type Pair } from './pair.ts';
import { contactOf, rewrittenOf, signIn } from './sign-in.ts';
import { certificate } from './test-certificate.ts';

let pair: Pair;
afterEach(() => pair.close());
const alice = { user: 'alice', host: '172.16.84.136:58980', instance: '<urn:uuid:a>' };
const bob = { user: 'bob', host: '192.168.7.7:5061', instance: '<urn:uuid:b>' };

const message = (who: string, uri: string, extra = 'User-Agent: x', branch = 'm') => `
  ${who} sends:
    MESSAGE ${uri} SIP/2.0
    Via: SIP/2.0/TLS 10.0.0.1:5061;branch=z9hG4bK${branch}
    From: <sip:alice@example.com>;tag=m
    To: <sip:1002@example.com>
    Call-ID: ${branch}
    CSeq: 1 MESSAGE
    ${extra}
`;

describe('the link to core', () => {
  test('gone is 503 with Retry-After; back, everything goes on under the same registration and call', async () => {
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
        Call-ID: call2
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
        Record-Route: {r1}
        Record-Route: {r2}
        Record-Route: {r3}
        Record-Route: {r4}
        From: <sip:1002@cm1.example.com>;tag=c1
        To: <sip:alice@example.com>;tag=p1
        Call-ID: call2
        CSeq: 1 INVITE
        Contact: <${contactOf(alice)}>
      registrar receives:
        SIP/2.0 200 OK
        ...
      registrar sends:
        ACK ${contactOf(alice)} SIP/2.0
        Via: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bKack
        Route: {r4}
        Route: {r3}
        From: <sip:1002@cm1.example.com>;tag=c1
        To: <sip:alice@example.com>;tag=p1
        Call-ID: call2
        CSeq: 1 ACK
      phone receives:
        ACK ${contactOf(alice)} SIP/2.0
        ...
      `,
      { phone, registrar },
    );
    pair.link().cut(); // replaces the first link, then dies itself
    await gone(() => pair.edge.status().cores.length === 0 && pair.core.status().edges.length === 0);
    await play(
      `${message('phone', 'sip:1002@example.com')}
      phone receives:
        SIP/2.0 503 Service Unavailable
        ...
        Retry-After: 5
        ...
      registrar sends:
        MESSAGE ${rewrittenOf(alice)} SIP/2.0
        Via: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bKdown
        From: <sip:1002@cm1.example.com>;tag=c1
        To: <sip:alice@example.com>
        Call-ID: down
        CSeq: 1 MESSAGE
      registrar receives:
        SIP/2.0 480 Temporarily Unavailable
        ...`,
      { phone, registrar },
    );
    pair.link();
    await play(
      `
      phone sends:
        BYE sip:1002@cm1.example.com:5060 SIP/2.0
        Via: SIP/2.0/TLS 10.0.0.1:5061;branch=z9hG4bKbye
        Route: {r1}, {r2}, {r3}, {r4}
        From: <sip:alice@example.com>;tag=p1
        To: <sip:1002@cm1.example.com>;tag=c1
        Call-ID: call2
        CSeq: 1 BYE
      registrar receives:
        BYE sip:1002@cm1.example.com:5060 SIP/2.0
        ...
      `,
      { phone, registrar },
      captures,
    );
  });

  test('cut while a request waits: the client hears 503 and is not left hanging', async () => {
    pair = await openPair();
    const phone = pair.client();
    const registrar = await signIn(pair, phone, alice);
    const link = pair.link();
    await play(
      `${message('phone', 'sip:1002@cm1.example.com')}
      registrar receives:
        MESSAGE sip:1002@cm1.example.com SIP/2.0
        ...`,
      { phone, registrar },
    );
    link.cut();
    await play('phone receives:\n SIP/2.0 503 Service Unavailable\n ...', { phone });
  });

  test('a call that core has forgotten can still be hung up, and nothing else', async () => {
    pair = await openPair();
    const phone = pair.client();
    const registrar = await signIn(pair, phone, alice);
    const forgotten = (method: string, n: number) => `
      phone sends:
        ${method} sip:1002@10.0.0.77:5060 SIP/2.0
        Via: SIP/2.0/TLS 10.0.0.1:5061;branch=z9hG4bKforgotten${n}
        Route: <sip:proxy-call-id=old@core1:5061;transport=tls;lr>, <sip:proxy-call-id=old@10.15.20.10:5060;transport=tcp;lr>
        Route: <sip:cm1.example.com;lr>
        From: <sip:alice@example.com>;tag=a
        To: <sip:1002@example.com>;tag=b
        Call-ID: forgotten
        CSeq: ${n} ${method}
    `;
    await play(
      `
      ${forgotten('INVITE', 2)}
      phone receives:
        SIP/2.0 403 Forbidden
        ...
      ${forgotten('INFO', 3)}
      phone receives:
        SIP/2.0 403 Forbidden
        ...
      ${forgotten('BYE', 4)}
      registrar receives:
        BYE sip:1002@10.0.0.77:5060 SIP/2.0
        Via: *
        Via: *
        Via: *
        Route: <sip:cm1.example.com;lr>
        ...
      `,
      { phone, registrar },
    );
  });

  test('of one core down: its clients go to the other, and stay there', async () => {
    pair = await openPair({ cores: ['core1', 'core2'] });
    const route = 'Route: <sip:core1:5061;transport=tls;zone-id=3;directed;lr>';
    const phone = pair.client();
    const register = (branch: string) => `
      phone sends:
        REGISTER sip:cm1.example.com SIP/2.0
        Via: SIP/2.0/TLS 10.0.0.1:5061;branch=z9hG4bK${branch}
        ${route}
        From: <sip:alice@example.com>;tag=${branch}
        To: <sip:alice@example.com>
        Call-ID: ${branch}
        CSeq: 1 REGISTER
        Contact: <sip:a@10.0.0.1:5061>
    `;
    await play(register('r1'), { phone });
    const first = await pair.registrar();
    await play(
      'registrar receives:\n REGISTER sip:cm1.example.com SIP/2.0\n Via: *\n Via: SIP/2.0/TLS edge1:7001;*\n ...',
      {
        registrar: first,
      },
    );
    expect(pair.cores.get('core1')?.status().nodes).toEqual({ outbound: 1, inbound: 0 });
    pair.link('core1').cut();
    await gone(() => pair.edge.status().cores.join() === 'core2');
    await play(register('r2'), { phone });
    await pair.registrar();
    expect(pair.cores.get('core2')?.status().nodes).toEqual({ outbound: 1, inbound: 0 });
  });
});

describe('call control', () => {
  test('a node that cannot be reached is passed over, and asked last from then on', async () => {
    pair = await openPair({
      nodes: (node) => [
        { ...node, name: 'cm0.example.com', addresses: ['127.0.0.9'], port: 9, zone: 'CEtcp-cm0' },
        { ...node, name: 'cm1.example.com' },
      ],
    });
    const phone = pair.client();
    await signIn(pair, phone, alice);
    const register = (branch: string) => `
      phone sends:
        REGISTER sip:example.com SIP/2.0
        Via: SIP/2.0/TLS 10.0.0.1:5061;branch=z9hG4bK${branch}
        From: <sip:bob@example.com>;tag=${branch}
        To: <sip:bob@example.com>
        Call-ID: ${branch}
        CSeq: 1 REGISTER
        Contact: <sip:b@10.0.0.1:5061>
      phone receives:
        SIP/2.0 403 Forbidden
        ...
    `;
    const answering = pair.answerAll('403 Forbidden');
    for (const branch of ['d1', 'd2', 'd3']) await play(register(branch), { phone });
    answering.stop();
    expect(pair.counts.get('request-failed transport')).toBe(1);
  });

  test('all nodes down is 503', async () => {
    pair = await openPair({ nodes: (node) => [{ ...node, addresses: ['127.0.0.9'], port: 9 }] });
    const phone = pair.client();
    await play(
      `
      phone sends:
        REGISTER sip:example.com SIP/2.0
        Via: SIP/2.0/TLS 10.0.0.1:5061;branch=z9hG4bKd
        From: <sip:bob@example.com>;tag=d
        To: <sip:bob@example.com>
        Call-ID: d
        CSeq: 1 REGISTER
        Contact: <sip:b@10.0.0.1:5061>
      phone receives:
        SIP/2.0 503 Service Unavailable
        ...
        Retry-After: 5
        ...
      `,
      { phone },
    );
    expect(pair.core.status().registrations).toBe(0);
  });

  test('that stays out of the route set: two clients’ requests pass core twice by themselves', async () => {
    pair = await openPair();
    const phone = pair.client();
    const registrar = await signIn(pair, phone, alice);
    const other = pair.client('other', '203.0.113.5');
    await signIn(pair, other, bob, registrar);
    await play(
      `
      phone sends:
        INVITE sip:bob@example.com SIP/2.0
        Via: SIP/2.0/TLS 10.0.0.1:5061;branch=z9hG4bKi
        From: <sip:alice@example.com>;tag=a1
        To: <sip:bob@example.com>
        Call-ID: twice
        CSeq: 1 INVITE
        Contact: <${contactOf(alice)}>
      registrar receives:
        INVITE sip:bob@example.com SIP/2.0
        Record-Route: {r1}
        Record-Route: {r2}
        Record-Route: {r3}
        Record-Route: {r4}
        Via: {v1}
        Via: {v2}
        Via: {v3}
        ...
      registrar sends:
        INVITE ${rewrittenOf(bob)} SIP/2.0
        Via: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bKproxied
        Via: {v1}
        Via: {v2}
        Via: {v3}
        Record-Route: {r1}
        Record-Route: {r2}
        Record-Route: {r3}
        Record-Route: {r4}
        From: <sip:alice@example.com>;tag=a1
        To: <sip:bob@example.com>
        Call-ID: twice
        CSeq: 1 INVITE
        Contact: <${contactOf(alice)}>
      other receives:
        INVITE ${contactOf(bob)} SIP/2.0
        Via: {w1}
        Via: {w2}
        Via: {w3}
        Via: {w4}
        Via: {w5}
        Via: {w6}
        Record-Route: {s1}
        Record-Route: {s2}
        Record-Route: {s3}
        Record-Route: {s4}
        Record-Route: {r1}
        Record-Route: {r2}
        Record-Route: {r3}
        Record-Route: {r4}
        ...
      other sends:
        SIP/2.0 200 OK
        Via: {w1}
        Via: {w2}
        Via: {w3}
        Via: {w4}
        Via: {w5}
        Via: {w6}
        Record-Route: {s1}, {s2}, {s3}, {s4}, {r1}, {r2}, {r3}, {r4}
        From: <sip:alice@example.com>;tag=a1
        To: <sip:bob@example.com>;tag=b1
        Call-ID: twice
        CSeq: 1 INVITE
        Contact: <${contactOf(bob)}>
      registrar receives:
        SIP/2.0 200 OK
        Via: {x}
        ...
      registrar sends:
        SIP/2.0 200 OK
        Via: {v1}
        Via: {v2}
        Via: {v3}
        Record-Route: {s1}, {s2}, {s3}, {s4}, {r1}, {r2}, {r3}, {r4}
        From: <sip:alice@example.com>;tag=a1
        To: <sip:bob@example.com>;tag=b1
        Call-ID: twice
        CSeq: 1 INVITE
        Contact: <${contactOf(bob)}>
      phone receives:
        SIP/2.0 200 OK
        ...
      phone sends:
        ACK ${contactOf(bob)} SIP/2.0
        Via: SIP/2.0/TLS 10.0.0.1:5061;branch=z9hG4bKa
        Route: {r4}, {r3}, {r2}, {r1}, {s4}, {s3}, {s2}, {s1}
        From: <sip:alice@example.com>;tag=a1
        To: <sip:bob@example.com>;tag=b1
        Call-ID: twice
        CSeq: 1 ACK
      other receives:
        ACK ${contactOf(bob)} SIP/2.0
        ...
      other sends:
        BYE ${contactOf(alice)} SIP/2.0
        Via: SIP/2.0/TLS 192.168.7.7:5061;branch=z9hG4bKb
        Route: {s1}, {s2}, {s3}, {s4}, {r1}, {r2}, {r3}, {r4}
        From: <sip:bob@example.com>;tag=b1
        To: <sip:alice@example.com>;tag=a1
        Call-ID: twice
        CSeq: 1 BYE
      phone receives:
        BYE ${contactOf(alice)} SIP/2.0
        ...
        From: <sip:bob@example.com>;tag=b1
        ...
      `,
      { phone, other, registrar },
    );
  });
});

describe('the door', () => {
  test('speaks TLS to whoever comes, answers CRLF and STUN between messages, and counts who is in', async () => {
    pair = await openPair();
    const port = await pair.edge.listen();
    const socket = connectTls({
      port,
      host: '127.0.0.1',
      ca: certificate.chain,
      servername: 'edge.example.com',
    });
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    expect(socket.getProtocol()).toBe('TLSv1.3');
    const phone = new Actor('phone', socket);
    phone.ping();
    expect(await phone.receive()).toBe('(pong)');
    const binding = Buffer.from('000100002112a442000102030405060708090a0b', 'hex');
    socket.write(binding);
    expect(await phone.receive()).toBe('(stun)');
    await play(
      `
      phone sends:
        OPTIONS sip:edge.example.com SIP/2.0
        Via: SIP/2.0/TLS 10.0.0.1:5061;branch=z9hG4bKo
        From: <sip:a@b.c>;tag=1
        To: <sip:edge.example.com>
        Call-ID: o
        CSeq: 1 OPTIONS
      phone receives:
        SIP/2.0 200 OK
        Via: SIP/2.0/TLS 10.0.0.1:5061;branch=z9hG4bKo;received=127.0.0.1;rport=*;ingress-zone=CollaborationEdgeZone
        ...
      `,
      { phone },
    );
    expect(pair.edge.status()).toMatchObject({ connections: 1, handshakes: 0 });
    socket.destroy();
    await gone(() => pair.edge.status().connections === 0);
  });

  test('drops who does not speak TLS, and whom it cannot take', async () => {
    pair = await openPair({ edge: { maxConnectionsPerAddress: 1 } });
    const port = await pair.edge.listen();
    const first = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    await new Promise((resolve) => first.once('secureConnect', resolve));
    const second = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    await new Promise((resolve) => second.once('error', resolve));
    expect(pair.counts.get('connection-refused connections-per-address')).toBe(1);
    first.destroy();
    await gone(() => pair.edge.status().connections === 0);
  });
});

/** Waits until `isSo`, looking again after each turn of the event loop. */
async function gone(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}
