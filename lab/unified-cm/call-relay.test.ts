import { describe, expect, test } from 'vitest';
import { type Clock, parseMessage, type SipRequest, type SipResponse } from '../../sip/index.ts';
import { CallRelay, type RelayPeer } from './call-relay.ts';
import { exampleEnterprise } from './enterprise.ts';
import { Registrar } from './registrar.ts';

const node = { name: 'ucm1.example.com', address: '10.0.0.1' };
const enterprise = exampleEnterprise([node]);

class FakePeer implements RelayPeer {
  readonly node = node;
  readonly transport: 'tcp' | 'tls';
  readonly localPort: number;
  isOpen = true;
  readonly got: (SipRequest | SipResponse)[] = [];
  constructor(transport: 'tcp' | 'tls' = 'tcp') {
    this.transport = transport;
    this.localPort = transport === 'tls' ? 5061 : 5060;
  }
  send(bytes: Buffer): boolean {
    this.got.push(parseMessage(bytes));
    return true;
  }
  /** Method or status of everything received, in order. */
  get heard(): (string | number)[] {
    return this.got.map((message) => (message.kind === 'request' ? message.method : message.status));
  }
  get last(): SipRequest | SipResponse {
    return this.got.at(-1)!;
  }
}

function setUp(maxTransactions = 100) {
  let seed = 0;
  const timers = new Map<object, { callback: () => void; at: number }>();
  let now = 0;
  const clock: Clock = {
    now: () => now,
    setTimer: (callback, delayMs) => {
      const handle = {};
      timers.set(handle, { callback, at: now + delayMs });
      return handle;
    },
    clearTimer: (handle) => void timers.delete(handle as object),
  };
  const pass = (ms: number): void => {
    now += ms;
    for (const [handle, timer] of timers) {
      if (timer.at > now) continue;
      timers.delete(handle);
      timer.callback();
    }
  };
  const reached = new Map<string, RelayPeer>();
  const registrar = new Registrar({
    enterprise,
    checkDigest: () => undefined,
    grantedSeconds: 120,
    maxContacts: 4,
    createTag: () => 'node',
  });
  const relay = new CallRelay({
    enterprise,
    registrar,
    reach: (target) => {
      const peer = reached.get(`${target.transport} ${target.host}:${target.port}`);
      return peer === undefined ? Promise.reject(new Error('ECONNREFUSED')) : Promise.resolve(peer);
    },
    clock,
    random: (bytes) => Buffer.alloc(bytes, (seed += 1)),
    maxTransactions,
    answerMs: 10_000,
    ringMs: 60_000,
  });
  return { relay, reached, pass, timers };
}

function request(
  method: string,
  uri: string,
  more: string[] = [],
  branch = 'z9hG4bKcaller',
  cseq = 1,
): SipRequest {
  const lines = [
    `${method} ${uri} SIP/2.0`,
    `Via: SIP/2.0/TCP 10.0.0.9:5060;branch=${branch}`,
    ...(more.some((line) => line.startsWith('Max-Forwards')) ? [] : ['Max-Forwards: 70']),
    'From: <sip:1001@ucm1.example.com>;tag=a',
    'To: <sip:1002@ucm1.example.com>',
    'Call-ID: call',
    `CSeq: ${cseq} ${method}`,
    'Content-Length: 0',
    ...more,
  ];
  return parseMessage(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)) as SipRequest;
}

const register = request(
  'REGISTER',
  'sip:ucm1.example.com',
  ['Contact: <sip:bob@10.0.0.20:5060;transport=tcp>'],
  'z9hG4bKreg',
);
const uri = 'sip:1002@ucm1.example.com';

async function withBob() {
  const set = setUp();
  const alice = new FakePeer();
  const bob = new FakePeer();
  set.reached.set('tcp 10.0.0.20:5060', bob);
  await set.relay.handle(register, bob);
  bob.got.length = 0;
  return { ...set, alice, bob };
}

/** The answer a device gives to the request it got last. */
function answer(peer: FakePeer, status: number): SipResponse {
  const got = peer.last as SipRequest;
  const vias = got.headers.getAll('via').map((value) => `Via: ${value}`);
  const lines = [`SIP/2.0 ${status} X`, ...vias, 'From: <sip:a>;tag=a', 'To: <sip:b>;tag=b', 'Call-ID: call'];
  lines.push(`CSeq: 1 ${got.method}`, 'Content-Length: 0');
  return parseMessage(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)) as SipResponse;
}

describe('a call', () => {
  test('goes to the registered contact, record-routed, and its answers come back without our Via', async () => {
    const { relay, alice, bob } = await withBob();
    await relay.handle(request('INVITE', uri), alice);
    expect(alice.heard).toEqual([100]);
    const invite = bob.last as SipRequest;
    expect(invite.uriText).toBe('sip:bob@10.0.0.20:5060;transport=tcp');
    expect(invite.headers.getAll('record-route')).toEqual(['<sip:10.0.0.1:5060;transport=tcp;lr>']);
    expect(invite.headers.getAll('via')).toHaveLength(2);
    expect(invite.maxForwards).toBe(69);
    await relay.handle(answer(bob, 180), bob);
    await relay.handle(answer(bob, 200), bob);
    expect(alice.heard).toEqual([100, 180, 200]);
    expect(alice.last.headers.getAll('via')).toEqual(['SIP/2.0/TCP 10.0.0.9:5060;branch=z9hG4bKcaller']);
  });

  test('from TLS to TCP has a Record-Route for each side', async () => {
    const { relay, bob } = await withBob();
    await relay.handle(request('INVITE', uri), new FakePeer('tls'));
    expect(bob.last.headers.getAll('record-route')).toEqual([
      '<sip:10.0.0.1:5060;transport=tcp;lr>',
      '<sip:10.0.0.1:5061;transport=tls;lr>',
    ]);
  });

  test('that is refused is acknowledged here, and the ACK of the caller ends here', async () => {
    const { relay, alice, bob } = await withBob();
    await relay.handle(request('INVITE', uri), alice);
    await relay.handle(answer(bob, 486), bob);
    expect(bob.heard).toEqual(['INVITE', 'ACK']);
    await relay.handle(request('ACK', uri), alice);
    expect(bob.heard).toEqual(['INVITE', 'ACK']);
  });

  test('is cancelled with the branch the callee knows', async () => {
    const { relay, alice, bob } = await withBob();
    await relay.handle(request('INVITE', uri), alice);
    const { branch } = bob.last.topVia;
    await relay.handle(request('CANCEL', uri), alice);
    expect(alice.heard).toEqual([100, 200]);
    expect(bob.heard).toEqual(['INVITE', 'CANCEL']);
    expect(bob.last.topVia.branch).toBe(branch);
  });

  test('nobody answers is given up', async () => {
    const { relay, alice, bob, pass, timers } = await withBob();
    await relay.handle(request('INVITE', uri), alice);
    pass(60_000);
    expect([alice.heard, bob.heard]).toEqual([
      [100, 408],
      ['INVITE', 'CANCEL'],
    ]);
    expect(timers.size).toBe(0);
  });
});

test('a request inside a call follows Route and Contact past our own Route', async () => {
  const { relay, alice, bob } = await withBob();
  const bye = request('BYE', 'sip:bob@10.0.0.20:5060;transport=tcp', [
    'Route: <sip:10.0.0.1:5060;transport=tcp;lr>',
  ]);
  await relay.handle(bye, alice);
  expect(bob.last.headers.has('route')).toBe(false);
  await relay.handle(answer(bob, 200), bob);
  expect(alice.heard).toEqual([200]);
});

test('a Path becomes the Route', async () => {
  const { relay, reached, alice } = await withBob();
  const core = new FakePeer();
  reached.set('tcp 10.0.0.30:5060', core);
  const lines = [
    'Contact: <sip:bob@192.168.1.1:9>',
    'Path: <sip:core@10.0.0.30:5060;transport=tcp;lr>',
    'Supported: path',
  ];
  await relay.handle(request('REGISTER', 'sip:ucm1.example.com', lines, 'z9hG4bKp', 2), core);
  core.got.length = 0;
  await relay.handle(request('INVITE', uri), alice);
  expect(core.last.headers.getAll('route')).toEqual(['<sip:core@10.0.0.30:5060;transport=tcp;lr>']);
});

describe('answered here', () => {
  test.each([
    ['an unknown number', request('INVITE', 'sip:4711@ucm1.example.com'), 404],
    ['a line without a phone', request('INVITE', 'sip:1001@ucm1.example.com'), 480],
    ['no hops left', request('INVITE', uri, ['Max-Forwards: 0']), 483],
    ['OPTIONS to the node', request('OPTIONS', 'sip:ucm1.example.com'), 200],
    ['an unknown scheme', request('INVITE', 'tel:1002'), 416],
    ['CANCEL of nothing', request('CANCEL', uri), 481],
    ['a malformed Route', request('BYE', uri, ['Route: <sip:']), 400],
  ])('%s', async (_, message, status) => {
    const { relay, alice } = await withBob();
    await relay.handle(message, alice);
    expect(alice.heard.at(-1)).toBe(status);
  });

  test('a contact where nobody answers', async () => {
    const { relay, alice, reached, timers } = await withBob();
    reached.clear();
    await relay.handle(request('MESSAGE', uri), alice);
    expect([alice.heard, timers.size]).toEqual([[503], 0]);
  });

  test('more than it may hold', async () => {
    const { relay, reached } = setUp(1);
    const [alice, bob] = [new FakePeer(), new FakePeer()];
    reached.set('tcp 10.0.0.20:5060', bob);
    await relay.handle(register, bob);
    await relay.handle(request('MESSAGE', uri), alice);
    await relay.handle(request('MESSAGE', uri, [], 'z9hG4bKtwo'), alice);
    expect(alice.heard).toEqual([503]);
    relay.close();
  });
});
