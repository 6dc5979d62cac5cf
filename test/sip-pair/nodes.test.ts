// Connections between core and call control: names verified, strangers refused, silent ones given up.
import { connect, type AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import type { Clock } from '../../sip/index.ts';
import { Actor, play } from './dialogue.ts';
import { openPair, type Pair } from './pair.ts';
import { rewrittenOf, signIn } from './sign-in.ts';
import { certificate } from './test-certificate.ts';

let pair: Pair;
afterEach(() => pair.close());
const alice = { user: 'alice', host: '172.16.84.136:58980' };

const register = (branch: string) => `
  phone sends:
    REGISTER sip:example.com SIP/2.0
    Via: SIP/2.0/TLS 10.0.0.1:5061;branch=z9hG4bK${branch}
    From: <sip:bob@example.com>;tag=${branch}
    To: <sip:bob@example.com>
    Call-ID: ${branch}
    CSeq: 1 REGISTER
    Contact: <sip:b@10.0.0.1:5061>
`;

describe('a node over TLS (T-144)', () => {
  const rows: [string, string, string][] = [
    ['with the name that discovery gave', 'edge.example.com', 'SIP/2.0 403 Forbidden'],
    ['with another name', 'cm1.example.com', 'SIP/2.0 503 Service Unavailable'],
  ];
  test.each(rows)('%s', async (_name, name, answer) => {
    const server = createServer({ cert: certificate.chain, key: certificate.key }, (socket) => {
      const registrar = new Actor('registrar', socket);
      void play(
        `
        registrar receives:
          REGISTER sip:example.com SIP/2.0
          Via: {v1}
          Via: {v2}
          Via: {v3}
          ...
        registrar sends:
          SIP/2.0 403 Forbidden
          Via: {v1}
          Via: {v2}
          Via: {v3}
          From: <sip:bob@example.com>;tag=tls
          To: <sip:bob@example.com>;tag=x
          Call-ID: tls
          CSeq: 1 REGISTER
        `,
        { registrar },
      );
    });
    server.on('tlsClientError', () => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    pair = await openPair({
      core: { authorities: certificate.chain },
      nodes: (node) => [{ ...node, name, transport: 'tls', port, zone: `CEtls-${name}` }],
    });
    const phone = pair.client();
    await play(`${register('tls')}\n  phone receives:\n    ${answer}\n    ...`, { phone });
    await pair.core.close('over');
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
});

test('who connects to core’s inside port and is no node is refused', async () => {
  pair = await openPair({ nodes: (node) => [{ ...node, addresses: ['127.0.0.9'] }] });
  const stranger = new Actor('stranger', connect(pair.corePorts.tcp, '127.0.0.1'));
  await stranger.closed;
  expect(pair.counts.get('inside-refused not-a-node')).toBe(1);
});

test('a node may come from any of its addresses', async () => {
  pair = await openPair({ nodes: (node) => [{ ...node, addresses: ['127.0.0.9', '127.0.0.1'] }] });
  const node = new Actor('node', connect(pair.corePorts.tcp, '127.0.0.1'));
  await play(
    `
    node sends:
      OPTIONS sip:10.15.20.10 SIP/2.0
      Via: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bKo
      From: <sip:cm1.example.com>;tag=n
      To: <sip:10.15.20.10>
      Call-ID: o
      CSeq: 1 OPTIONS
    node receives:
      SIP/2.0 200 OK
      ...
    `,
    { node },
  );
  node.close();
});

test('a node may come by a connection of its own', async () => {
  pair = await openPair();
  const phone = pair.client();
  await signIn(pair, phone, alice);
  const node = new Actor('node', connect(pair.corePorts.tcp, '127.0.0.1'));
  await play(
    `
    node sends:
      NOTIFY ${rewrittenOf(alice)} SIP/2.0
      Via: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bKn
      From: <sip:cm1.example.com>;tag=n
      To: <sip:alice@example.com>
      Call-ID: n
      CSeq: 1 NOTIFY
    phone receives:
      NOTIFY * SIP/2.0
      Via: {v1}
      Via: {v2}
      Via: {v3}
      ...
    phone sends:
      SIP/2.0 200 OK
      Via: {v1}
      Via: {v2}
      Via: {v3}
      From: <sip:cm1.example.com>;tag=n
      To: <sip:alice@example.com>;tag=p
      Call-ID: n
      CSeq: 1 NOTIFY
    node receives:
      SIP/2.0 200 OK
      ...
    `,
    { phone, node },
  );
  expect(pair.core.status().nodes).toEqual({ outbound: 1, inbound: 1 });
  node.close();
});

test('a connection on which a request was lost in long silence is replaced', async () => {
  const clock = new HandClock();
  pair = await openPair({ core: { clock } });
  const phone = pair.client();
  await play(register('lost'), { phone });
  const silent = await pair.registrar();
  await silent.receive();
  clock.advance(33_000);
  await play('phone receives:\n SIP/2.0 408 Request Timeout\n ...', { phone });
  await silent.closed;
  expect(pair.counts.get('node-silent')).toBe(1);
  await play(register('again'), { phone });
  const fresh = await pair.registrar();
  expect(await fresh.receive()).toContain('Call-ID: again');
});

/** Time that only passes when it is told to. */
class HandClock implements Clock {
  #now = 0;
  #lastId = 0;
  readonly #timers = new Map<number, { readonly at: number; readonly callback: () => void }>();

  now(): number {
    return this.#now;
  }

  setTimer(callback: () => void, delayMs: number): number {
    this.#timers.set(++this.#lastId, { at: this.#now + delayMs, callback });
    return this.#lastId;
  }

  clearTimer(handle: object | number): void {
    if (typeof handle === 'number') this.#timers.delete(handle);
  }

  /** Jumps, and fires what has become due, once. */
  advance(byMs: number): void {
    this.#now += byMs;
    for (const [id, { at, callback }] of this.#timers) {
      if (at > this.#now || !this.#timers.delete(id)) continue;
      callback();
    }
  }
}
