// ICE passthrough through the media rooms: two SRTP phones outside, each with its own leg on edge and core, joined inside
// as a registrar would join them. Keys and candidates pass, the traversal path is the last candidate and works as one.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { MediaSession } from '../../core/sip/media-anchor.ts';
import { LoopbackEndpoint } from '../../media/loopback-endpoint.ts';
import { METHOD, parseStun, printStun, ATTRIBUTE, type TransportAddress } from '../../turn/index.ts';
import { EDGE, MediaPair } from './media-pair.ts';
import { audioSdp, placeOf, rtp, SecurePhone } from './phones.ts';

const SUITE = 'AES_CM_128_HMAC_SHA1_80';
const A = { ufrag: 'aaaa', password: 'passwordOfTheCaller1234' };
const B = { ufrag: 'bbbb', password: 'passwordOfTheCallee5678' };
const HOST = 'a=candidate:1 1 UDP 2130706431 192.168.1.5 4000 typ host';
const MAPPED = 'a=candidate:2 1 UDP 1694498815 203.0.113.5 61000 typ srflx raddr 192.168.1.5 rport 4000';
const RELAY = 'a=candidate:3 1 UDP 16777215 198.51.100.9 24000 typ relay raddr 203.0.113.5 rport 61000';

let pair: MediaPair;
const open: { close(): void }[] = [];

beforeEach(async () => {
  pair = await MediaPair.open({
    network: 64,
    core: { insideEncryption: 'on', deniedCandidates: ['127.0.0.0/18', '10.0.0.0/8', '::/128', '::1/128'] },
  });
});

afterEach(async () => {
  for (const one of open.splice(0)) one.close();
  await pair.close();
});

async function phone(fill: number): Promise<SecurePhone> {
  const one = await SecurePhone.open(SUITE, fill);
  open.push(one);
  return one;
}

const ice = ({ ufrag, password }: typeof A, ...candidates: string[]): string[] => [
  `a=ice-ufrag:${ufrag}`,
  `a=ice-pwd:${password}`,
  ...candidates,
];

const leg = (user: string, mayPassIce = true): MediaSession =>
  pair.core.open({ callId: 'call', key: user, mayPassIce }, EDGE);

const lines = (sdp: Buffer, name: string): string[] =>
  sdp
    .toString('latin1')
    .split('\r\n')
    .filter((line) => line.startsWith(`a=${name}`));

/** A description of A or B; where it says media is, and what else its section says. */
const sdp = (place: TransportAddress, section: readonly string[]): Buffer =>
  audioSdp(place.address, place.port, 'RTP/SAVP', section);

const AT_A = { address: '192.168.1.5', port: 4000 };
const AT_B = { address: '192.168.7.7', port: 7000 };
const HOST_B = 'a=candidate:1 1 UDP 2130706431 192.168.7.7 7000 typ host';
const MAPPED_B = 'a=candidate:2 1 UDP 1694498815 203.0.113.7 62000 typ srflx raddr 192.168.7.7 rport 7000';

interface Call {
  readonly a: SecurePhone;
  readonly b: SecurePhone;
  readonly legA: MediaSession;
  readonly legB: MediaSession;
  /** The descriptions that the two phones were given. */
  readonly toA: Buffer;
  readonly toB: Buffer;
}

/** A call between two ICE phones, answered. */
async function call(
  offered: readonly string[] = [HOST, MAPPED, RELAY],
  answered: readonly string[] = [HOST_B, MAPPED_B],
): Promise<Call> {
  const [a, b] = [await phone(0x41), await phone(0x42)];
  const [legA, legB] = [leg('alice'), leg('bob')];
  const inside = await legA.offer('client', sdp(AT_A, [a.cryptoLine(), ...ice(A, ...offered)]));
  const toB = await legB.offer('inside', inside);
  const back = await legB.answer('client', sdp(AT_B, [b.cryptoLine(), ...ice(B, ...answered)]));
  const toA = await legA.answer('inside', back);
  for (const one of [legA, legB]) one.connected();
  a.learn(toA);
  b.learn(toB);
  return { a, b, legA, legB, toA, toB };
}

let transaction = 0;

/** A connectivity check from one end for the other. */
function check(from: typeof A, to: typeof A, password = to.password): Buffer {
  const transactionId = Buffer.alloc(12);
  transactionId.writeUInt32BE(++transaction);
  const username = { type: ATTRIBUTE.username, value: Buffer.from(`${to.ufrag}:${from.ufrag}`) };
  return printStun(
    { class: 'request', method: METHOD.binding, transactionId, attributes: [username] },
    { integrity: { algorithm: 'sha1', key: Buffer.from(password) } },
  );
}

const latches = (): number => pair.events.filter((event) => event === 'edge media-latch latched').length;
const refusals = (): number => pair.events.filter((event) => event === 'core media-check-refused').length;

/** Proves a phone by a check of its own, and waits until edge knows. */
async function prove(one: SecurePhone, from: typeof A, to: typeof A): Promise<void> {
  const before = latches();
  await one.media.send(check(from, to), one.peer);
  await expect.poll(latches, { interval: 1 }).toBe(before + 1);
}

describe('descriptions', () => {
  test('keys and candidates arrive as they left, the traversal path is the worst of them and the default', async () => {
    const { a, b, toA, toB } = await call();
    expect(lines(toB, 'crypto')).toEqual([a.cryptoLine()]);
    expect(lines(toA, 'crypto')).toEqual([b.cryptoLine()]);
    expect(lines(toB, 'ice-')).toEqual(ice(A));
    expect(lines(toA, 'ice-')).toEqual(ice(B));
    const { address, port } = placeOf(toB);
    const anchor = `a=candidate:viaduct 1 UDP 2 ${address} ${port} typ relay raddr 0.0.0.0 rport 9`;
    expect(lines(toB, 'candidate')).toEqual([HOST, MAPPED, RELAY, anchor]);
    expect(lines(toA, 'candidate').slice(0, 2)).toEqual([HOST_B, MAPPED_B]);
    expect([address, placeOf(toA).address]).toEqual(['127.0.64.1', '127.0.64.1']); // edge, never core
    expect(toA.includes('127.0.64.2') || toB.includes('127.0.64.2')).toBe(false);
  });

  test('RTCP candidates, options, mux and credentials of the session part pass; trickle does not', async () => {
    const a = await phone(0x41);
    const rtcp = 'a=candidate:1 2 UDP 2130706430 192.168.1.5 4001 typ host';
    const text = sdp(AT_A, [a.cryptoLine(), HOST, rtcp, 'a=rtcp-mux', 'a=end-of-candidates']).toString();
    const offer = text.replace(
      't=0 0\r\n',
      `t=0 0\r\n${ice(A).join('\r\n')}\r\na=ice-options:ice2\r\na=ice-options:ice2 trickle\r\n`,
    );
    const out = await leg('alice').offer('client', Buffer.from(offer));
    expect(lines(out, 'ice-')).toEqual([...ice(A), 'a=ice-options:ice2']);
    expect([lines(out, 'rtcp-mux'), lines(out, 'end-of')].flat()).toEqual([
      'a=rtcp-mux',
      'a=end-of-candidates',
    ]);
    const { port } = placeOf(out);
    expect(lines(out, 'candidate').slice(2)).toEqual([
      expect.stringContaining(`1 UDP 2 127.0.64.2 ${port} `),
      expect.stringContaining(`2 UDP 1 127.0.64.2 ${port + 1} `),
    ]);
  });

  test('where ICE may not pass everything of it ends here, and so do keys', async () => {
    const a = await phone(0x41);
    const out = await leg('alice', false).offer('client', sdp(AT_A, [a.cryptoLine(), ...ice(A, HOST)]));
    expect([...lines(out, 'candidate'), ...lines(out, 'ice-')]).toEqual([]);
    expect(lines(out, 'crypto')).not.toContain(a.cryptoLine());
  });

  test('a far end without ICE: its key passes, the candidates have no answer', async () => {
    const [a, b] = [await phone(0x41), await phone(0x42)];
    const legA = leg('alice');
    const out = await legA.offer('client', sdp(AT_A, [a.cryptoLine(), ...ice(A, HOST)]));
    const toA = await legA.answer('inside', sdp(b.media.address, [b.cryptoLine()]));
    expect(lines(toA, 'candidate')).toEqual([]);
    a.learn(toA);
    b.learn(out);
    await a.sendRtp(rtp(1, 'hello'));
    expect(await b.hearRtp()).toEqual(rtp(1, 'hello'));
    await b.sendRtp(rtp(1, 'hello yourself', 9));
    expect(await a.hearRtp()).toEqual(rtp(1, 'hello yourself', 9));
  });

  test('one leg that passes and one that ends it: a call as ever, with keys of ours on the second', async () => {
    const [a, b] = [await phone(0x41), await phone(0x42)];
    const [legA, legB] = [leg('alice'), leg('bob', false)];
    const inside = await legA.offer('client', sdp(AT_A, [a.cryptoLine(), ...ice(A, HOST)]));
    const toB = await legB.offer('inside', inside);
    expect(lines(toB, 'candidate')).toEqual([]);
    const own = lines(toB, 'crypto').findIndex((line) => line.includes(SUITE)) + 1;
    const back = await legB.answer('client', sdp(AT_B, [b.cryptoLine(own), ...ice(B, HOST_B)]));
    const toA = await legA.answer('inside', back);
    expect(lines(toA, 'candidate')).toEqual([]);
    a.learn(toA);
    b.learn(toB);
    await a.sendRtp(rtp(1, 'lost or not: proves where a is'));
    await b.sendRtp(rtp(1, 'lost or not: proves where b is', 9));
    await expect.poll(latches, { interval: 1 }).toBe(2);
    await a.sendRtp(rtp(2, 'hello'));
    await b.sendRtp(rtp(2, 'hello yourself', 9));
    await expect.poll(() => b.media.received.length, { interval: 1 }).toBeGreaterThan(0);
    await expect.poll(() => a.media.received.length, { interval: 1 }).toBeGreaterThan(0);
    expect((await b.hearRtp()).subarray(12).toString()).toMatch(/hello|proves/);
    expect((await a.hearRtp()).subarray(12).toString()).toMatch(/hello|proves/);
  });
});

describe('the traversal path as a candidate', () => {
  test('checks go through to the far end and their answers come back', async () => {
    const { a, b } = await call();
    await prove(a, A, B);
    await prove(b, B, A);
    const request = check(A, B);
    await a.media.send(request, a.peer);
    expect((await b.media.next()).bytes).toEqual(request);
    const { transactionId } = parseStun(request);
    const answer = printStun({ class: 'success', method: METHOD.binding, transactionId, attributes: [] }, {});
    await b.media.send(answer, b.peer);
    const got = await a.media.next();
    expect(got).toEqual({ bytes: answer, from: a.peer });
  });

  test('SRTP goes through unopened, both ways, and a source is proven by its tag as well', async () => {
    const { a, b } = await call();
    await prove(b, B, A);
    await a.sendRtp(rtp(1, 'first'));
    expect(await b.hearRtp()).toEqual(rtp(1, 'first'));
    await expect.poll(latches, { interval: 1 }).toBe(2);
    for (let sequence = 2; sequence < 10; sequence++) {
      await a.sendRtp(rtp(sequence, `out ${sequence}`));
      await b.sendRtp(rtp(sequence, `back ${sequence}`, 9));
      expect(await b.hearRtp()).toEqual(rtp(sequence, `out ${sequence}`));
      expect(await a.hearRtp()).toEqual(rtp(sequence, `back ${sequence}`, 9));
    }
  });

  test('hold, resume and a refused offer leave it as it was', async () => {
    const { a, b, legA, legB } = await call();
    await prove(a, A, B);
    await prove(b, B, A);
    const held = [a.cryptoLine(), ...ice(A, HOST), 'a=sendonly'];
    await legB.offer('inside', await legA.offer('client', sdp(AT_A, held)));
    for (const one of [legA, legB]) one.rollback();
    await a.sendRtp(rtp(1, 'still'));
    expect(await b.hearRtp()).toEqual(rtp(1, 'still'));
  });
});

describe('hostile (T-017, T-030, T-031, T-174)', () => {
  test.each([
    ['a forged seal', () => check(A, B, 'notThePasswordOfTheCallee')],
    ['another call’s names', () => check({ ...A, ufrag: 'zzzz' }, B)],
    ['a check for the wrong end', () => check(B, A)],
    [
      'an unsealed answer',
      () =>
        printStun(
          { class: 'success', method: METHOD.binding, transactionId: Buffer.alloc(12), attributes: [] },
          {},
        ),
    ],
  ])('%s proves nothing and reaches nobody', async (_name, forged) => {
    const { a } = await call();
    const thief = await LoopbackEndpoint.open();
    open.push(thief);
    await thief.send(forged(), a.peer);
    await expect.poll(refusals, { interval: 1 }).toBe(1);
    expect(latches()).toBe(0);
  });

  test('a copied check moves nothing: not while the source is heard, not a second time', async () => {
    const { a, b } = await call();
    await prove(b, B, A);
    const first = check(A, B);
    await a.media.send(first, a.peer);
    await expect.poll(latches, { interval: 1 }).toBe(2);
    const thief = await LoopbackEndpoint.open();
    open.push(thief);
    await thief.send(first, a.peer);
    await expect.poll(refusals, { interval: 1 }).toBe(1);
    await a.sendRtp(rtp(1, 'alive'));
    expect(await b.hearRtp()).toEqual(rtp(1, 'alive'));
    const other = await LoopbackEndpoint.open();
    open.push(other);
    await other.send(check(A, B), a.peer); // fresh and well sealed, from elsewhere, while a is heard
    await expect.poll(refusals, { interval: 1 }).toBe(2);
    expect(latches()).toBe(2);
  });

  test('SRTP without a right tag goes nowhere', async () => {
    const { a, b } = await call();
    await prove(a, A, B);
    await prove(b, B, A);
    const forged = a.protectRtp(rtp(1, 'forged'));
    forged[20]! ^= 1;
    await a.media.send(forged, a.peer);
    await a.sendRtp(rtp(2, 'right'));
    expect(await b.hearRtp()).toEqual(rtp(2, 'right'));
  });

  test.each([
    ['the operator’s own network', '10.1.2.3', 'denied-address'],
    ['loopback', '127.0.0.1', 'denied-address'],
    ['loopback in IPv6’s clothes', '::ffff:127.0.0.1', 'denied-address'],
    ['the company’s network in IPv6’s clothes', '::ffff:10.1.2.3', 'denied-address'],
    ['a name', 'cucm.inside.example', 'name'],
    ['mDNS', '5d5a-1.local', 'name'],
    ['half a line', '192.168.1.5 x', 'malformed'],
  ])('a candidate that names %s is left out, the others pass', async (_name, address, reason) => {
    const { toB } = await call([HOST, `a=candidate:9 1 UDP 1 ${address} 4000 typ host`]);
    expect(lines(toB, 'candidate').slice(0, -1)).toEqual([HOST]);
    expect(pair.events).toContain(`core ice-candidate-dropped ${reason}`);
  });

  test('a client cannot pass for a traversal path', async () => {
    const { toB } = await call([HOST, 'a=candidate:viaduct+relay 1 UDP 1 192.168.1.5 4000 typ host']);
    expect(lines(toB, 'candidate').filter((line) => line.includes('viaduct'))).toHaveLength(1);
  });

  test.each([
    ['65 candidates', Array.from({ length: 65 }, () => HOST), 'too-many-candidates', A],
    ['a short password', [HOST], 'credentials', { ufrag: 'aaaa', password: 'short' }],
    ['only forbidden addresses', [HOST.replace('192.168.1.5', '10.0.0.1')], 'no-candidate', A],
  ])(
    '%s: the section goes on without ICE and with keys of ours',
    async (_name, candidates, reason, names) => {
      const a = await phone(0x41);
      const out = await leg('alice').offer(
        'client',
        sdp(AT_A, [a.cryptoLine(), ...ice(names, ...candidates)]),
      );
      expect([...lines(out, 'candidate'), ...lines(out, 'ice-')]).toEqual([]);
      expect(lines(out, 'crypto')).not.toContain(a.cryptoLine());
      expect(pair.events).toContain(`core ice-section-refused ${reason}`);
    },
  );

  test('a device inside that does ICE does not tell the world where it is', async () => {
    const b = await phone(0x42);
    const offer = sdp({ address: '192.168.50.9', port: 7000 }, [b.cryptoLine(), ...ice(B, HOST_B)]);
    const out = await leg('alice').offer('inside', offer);
    expect([...lines(out, 'candidate'), ...lines(out, 'ice-')]).toEqual([]);
    expect(out.includes('192.168.7.7')).toBe(false);
  });

  test('an answer with the offer’s own key is no answer: two directions would share a keystream', async () => {
    const a = await phone(0x41);
    const legA = leg('alice');
    await legA.offer('client', sdp(AT_A, [a.cryptoLine(), ...ice(A, HOST)]));
    await expect(legA.answer('inside', sdp(AT_B, [a.cryptoLine()]))).rejects.toThrow('SRTP required');
  });
});

describe('what becomes of a call', () => {
  /** After ICE: each end names its chosen address, the offerer the other's too. */
  async function conclude(
    { legA, legB, a, b, toA }: Call,
    ofA: string,
    ofB: string,
  ): Promise<{ toA: Buffer; toB: Buffer }> {
    const place = (line: string): TransportAddress => {
      const [, , , , address = '', port] = line.split(' ');
      return { address, port: Number(port) };
    };
    const anchor = placeOf(toA);
    const far = ofB === 'anchor' ? anchor : place(ofB);
    const offer = [a.cryptoLine(), ...ice(A, HOST, MAPPED, RELAY)];
    offer.push(`a=remote-candidates:1 ${far.address} ${far.port}`);
    const inside = await legA.offer('client', sdp(place(ofA), offer));
    const toB = await legB.offer('inside', inside);
    const atB = ofB === 'anchor' ? AT_B : far;
    const back = await legB.answer('client', sdp(atB, [b.cryptoLine(), ...ice(B, HOST_B, MAPPED_B)]));
    return { toB, toA: await legA.answer('inside', back) };
  }

  const LEARNED = 'a=candidate:x 1 UDP 1 203.0.113.77 40001 typ prflx';
  test.each([
    ['host_to_host', HOST, HOST_B],
    ['host_to_srflx', HOST, MAPPED_B],
    ['host_to_srflx', MAPPED, HOST_B],
    ['host_to_relay', RELAY, HOST_B],
    ['srflx_to_srflx', MAPPED, MAPPED_B],
    ['srflx_to_srflx', LEARNED, MAPPED_B],
    ['srflx_to_relay', RELAY, MAPPED_B],
    ['none', HOST, 'anchor'],
    // COMPAT(baresip 1.0.0): names every remote candidate; that it stays shows by the address its checks came back with.
    ['none', 'a=candidate:x 1 UDP 1 127.0.64.1 40001 typ prflx', HOST_B],
  ])('%s', async (type, ofA, ofB) => {
    const both = await call();
    await conclude(both, ofA, ofB);
    const { legA, legB } = both;
    expect([legA.iceCallType(), legB.iceCallType()]).toEqual([type, type]);
    legA.close('over');
    legB.close('over');
    expect(pair.events.filter((event) => event.startsWith('ice '))).toEqual(
      Array(2).fill(`ice ${type}, offered by 2`) as string[],
    );
  });

  test('chosen addresses stand first from end to end, the traversal path stays behind them and works', async () => {
    const both = await call();
    const { toA, toB } = await conclude(both, RELAY, HOST_B);
    expect([placeOf(toB), placeOf(toA)]).toEqual([{ address: '198.51.100.9', port: 24000 }, AT_B]);
    const [anchorA, anchorB] = [toA, toB].map((text) => lines(text, 'candidate').at(-1)!.split(' '));
    expect([anchorA![4], anchorB![4]]).toEqual(['127.0.64.1', '127.0.64.1']);
    await prove(both.a, A, B);
    await prove(both.b, B, A);
    const request = check(A, B);
    await both.a.media.send(request, both.a.peer);
    expect((await both.b.media.next()).bytes).toEqual(request);
  });

  test('a chosen address that is denied does not stand first: nobody’s media is sent after it', async () => {
    const both = await call();
    const { toB } = await conclude(both, HOST.replace('192.168.1.5', '10.1.2.3'), HOST_B);
    expect(placeOf(toB).address).toBe('127.0.64.1');
    expect(both.legA.iceCallType()).toBe('none');
  });

  test('relay_to_relay', async () => {
    const relayB = 'a=candidate:3 1 UDP 16777215 198.51.100.9 24002 typ relay raddr 203.0.113.7 rport 62000';
    const both = await call([RELAY], [relayB]);
    await conclude(both, RELAY, relayB);
    // conclude() names B's other candidates, so that an address it had listed before is still known.
    expect(both.legA.iceCallType()).toBe('relay_to_relay');
  });

  test('media that moved off is no silence, and media that comes back is taken without the counter nobody here knows', async () => {
    const both = await call();
    const { a, b } = both;
    await conclude(both, HOST, HOST_B);
    await pair.run(7000);
    expect(pair.events.filter((event) => event.startsWith('inactive'))).toEqual([]);
    expect(pair.events).toContain('core media-bypassed');
    await prove(a, A, B);
    await prove(b, B, A);
    for (let sequence = 0; sequence < 3; sequence++) a.protectRtp(rtp(65_533 + sequence, 'direct'));
    a.protectRtp(rtp(0, 'direct, counter 1'));
    await a.sendRtp(rtp(1, 'back again'));
    const { bytes } = await b.media.next();
    expect(bytes.readUInt16BE(2)).toBe(1);
  });

  test('ends that move without a word: what they send from is where their media began', async () => {
    const { a, b, legA, legB } = await call();
    expect(legA.iceCallType()).toBe('none');
    await prove(a, A, B);
    await prove(b, B, A);
    await pair.run(4000);
    await a.media.send(check(A, B), a.peer); // checks go on for as long as they like: they are no media
    await b.media.next();
    await pair.run(3000);
    expect([legA.iceCallType(), legB.iceCallType()]).toEqual(['host_to_host', 'host_to_host']);
    for (let sequence = 65_500; sequence <= 65_540; sequence++)
      a.protectRtp(rtp(sequence % 65_536, 'direct, the counter moves on'));
    const before = b.media.received.length;
    let sequence = 10;
    // Each leg drops until its sweep has told of wrong tags; then the two ends check alone.
    const arrives = async (): Promise<number> => {
      await a.sendRtp(rtp(sequence++, 'back again'));
      await pair.run(500);
      return b.media.received.length - before;
    };
    await expect.poll(arrives, { interval: 1 }).toBeGreaterThan(0);
    await expect.poll(() => legA.iceCallType(), { interval: 1 }).toBe('none');
  });

  test('without ICE at either end, and at one', async () => {
    const a = await phone(0x41);
    for (const section of [[], ice(A, HOST)]) {
      const one = leg('alice');
      await one.offer('client', sdp(AT_A, [a.cryptoLine(), ...section]));
      one.connected();
      one.close('over');
    }
    expect(pair.events.filter((event) => event.startsWith('ice '))).toEqual([
      'ice none, offered by 0',
      'ice none, offered by 1',
    ]);
  });
});
