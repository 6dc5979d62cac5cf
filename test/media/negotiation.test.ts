// Offers and answers through core's anchor with edge behind it: which sections live, which are refused and how, what
// each policy does, and the opaque streams beside SRTP.
import { afterEach, describe, expect, test } from 'vitest';
import type { CoreMediaOptions } from '../../core/media/index.ts';
import type { MediaSession } from '../../core/sip/media-anchor.ts';
import { LoopbackEndpoint } from '../../media/loopback-endpoint.ts';
import { EDGE, MediaPair } from './media-pair.ts';
import { audioSdp, CRLF, placeOf, rtp, SecurePhone } from './phones.ts';

let pair: MediaPair;
const open: { close(): void }[] = [];

async function start(core: Partial<CoreMediaOptions> = {}): Promise<MediaSession> {
  pair = await MediaPair.open({ network: 63, core });
  return pair.core.open({ callId: 'call', key: 'alice' }, EDGE);
}

async function phoneWith(suite: Parameters<typeof SecurePhone.open>[0], fill?: number): Promise<SecurePhone> {
  const phone = await SecurePhone.open(suite, fill);
  open.push(phone);
  return phone;
}

async function device(): Promise<LoopbackEndpoint> {
  const one = await LoopbackEndpoint.open();
  open.push(one);
  return one;
}

afterEach(async () => {
  for (const one of open.splice(0)) one.close();
  await pair.close();
});

const KEY = 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz';
const GCM = `a=crypto:2 AEAD_AES_256_GCM inline:${Buffer.alloc(44, 3).toString('base64')}`;
const secure = (...lines: string[]): Buffer => audioSdp('192.168.1.5', 4000, 'RTP/SAVP', lines);
const plain = (...lines: string[]): Buffer => audioSdp('127.0.0.1', 5000, 'RTP/AVP', lines);
const withMedia = (base: Buffer, ...lines: string[]): Buffer =>
  Buffer.concat([base, Buffer.from([...lines, ''].join(CRLF))]);
const sections = (sdp: Buffer): string[] => sdp.toString().match(/m=.*/g) ?? [];

describe('an offer from the client', () => {
  test.each([
    ['plain RTP', plain(), 'no-usable-media', 488],
    ['RTP/SAVP without a key', secure(), 'no-usable-media', 488],
    [
      'an unknown suite',
      secure('a=crypto:1 F8_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz'),
      'no-usable-media',
      488,
    ],
    ['unencrypted SRTP', secure(`${KEY} UNENCRYPTED_SRTP`), 'no-usable-media', 488],
    [
      'DTLS',
      audioSdp('192.168.1.5', 4000, 'UDP/TLS/RTP/SAVPF', ['a=fingerprint:sha-256 AA']),
      'no-usable-media',
      488,
    ],
    ['not SDP', Buffer.from('hello'), 'bad-sdp', 488],
    ['a name in c=', audioSdp('db.inside', 4000, 'RTP/SAVP', [KEY]), 'bad-sdp', 488],
  ] as const)('%s: refused, nothing kept', async (_name, sdp, code, sipStatus) => {
    const session = await start();
    await expect(session.offer('client', sdp)).rejects.toMatchObject({ code, sipStatus });
    expect(pair.events).toContain(`core media-session-refused ${code}`);
    expect(pair.core.sizes().engine.ports).toBe(2);
    expect(pair.edge.sizes().pairs.lent).toBe(0);
  });

  test('X-cisco-srtp-fallback: RTP/AVP with a key is taken as SRTP and answered as it was asked', async () => {
    const session = await start();
    const offer = await session.offer(
      'client',
      audioSdp('192.168.1.5', 4000, 'RTP/AVP', ['a=X-cisco-srtp-fallback', KEY, GCM]),
    );
    expect(offer.toString()).not.toMatch(/crypto|fallback/);
    const answer = (await session.answer('inside', plain())).toString();
    expect(answer).toMatch(/m=audio \d+ RTP\/AVP 0 101/);
    expect(answer).toMatch(/a=crypto:2 AEAD_AES_256_GCM inline:/);
    expect(answer).not.toContain('5000');
  });

  test('one section of three is usable: the others are refused by port 0 on both legs', async () => {
    const session = await start();
    const offer = withMedia(
      secure(KEY),
      'm=video 4002 RTP/AVP 96',
      'm=image 4004 udptl t38',
      'a=T38FaxVersion:0',
    );
    const onward = await session.offer('client', offer);
    expect(sections(onward).map((line) => line.replace(/ \d{2,} /, ' N '))).toEqual([
      'm=audio N RTP/AVP 0 101',
      'm=video 0 RTP/AVP 96',
      'm=image 0 udptl t38',
    ]);
    const answer = withMedia(plain(), 'm=video 0 RTP/AVP 96', 'm=image 0 udptl t38');
    expect(sections(await session.answer('inside', answer)).slice(1)).toEqual([
      'm=video 0 RTP/AVP 96',
      'm=image 0 udptl t38',
    ]);
    expect(pair.edge.sizes().pairs.lent).toBe(1);
  });

  test('the inside refuses video: its ports go back, and a later offer brings them again', async () => {
    const session = await start();
    const offer = withMedia(secure(KEY), 'm=video 4002 RTP/SAVPF 96', GCM);
    await session.offer('client', offer);
    expect(pair.edge.sizes().pairs.lent).toBe(2);
    await session.answer('inside', withMedia(plain(), 'm=video 0 RTP/AVPF 96'));
    await expect.poll(() => pair.edge.sizes().pairs.lent).toBe(1);
    await session.offer('client', offer);
    const answer = await session.answer('inside', withMedia(plain(), 'm=video 5002 RTP/AVPF 96'));
    expect(sections(answer)[1]).toMatch(/m=video \d+ RTP\/SAVPF 96/);
    await expect(session.offer('client', secure(KEY))).rejects.toMatchObject({ code: 'bad-offer' });
  });

  test('a section added and refused again leaves the first as it was', async () => {
    const session = await start();
    await session.offer('client', secure(KEY));
    const answer = await session.answer('inside', plain());
    await session.offer('client', withMedia(secure(KEY), 'm=video 4002 RTP/SAVP 96', GCM));
    session.rollback();
    await expect.poll(() => pair.edge.sizes().pairs.lent).toBe(1);
    await session.offer('client', secure(KEY));
    expect(await session.answer('inside', plain())).toEqual(answer);
  });

  test('no link: 503; a session too many: 503; closed: 500', async () => {
    const session = await start({ maxSessionsPerKey: 1 });
    const second = pair.core.open({ callId: 'more', key: 'alice' }, EDGE);
    await expect(second.offer('client', secure(KEY))).rejects.toMatchObject({
      code: 'too-many-sessions',
      sipStatus: 503,
    });
    const nowhere = pair.core.open({ callId: 'x', key: 'bob' }, { ...EDGE, name: 'edge.unknown' });
    await expect(nowhere.offer('client', secure(KEY))).rejects.toMatchObject({
      code: 'no-link',
      sipStatus: 503,
    });
    pair.disconnect();
    await expect(session.offer('client', secure(KEY))).rejects.toMatchObject({
      code: 'no-link',
      sipStatus: 503,
    });
    session.close('over');
    await expect(session.offer('client', secure(KEY))).rejects.toMatchObject({
      code: 'closed',
      sipStatus: 500,
    });
    expect(pair.core.sizes()).toMatchObject({ sessions: 0, keys: 0, engine: { ports: 2, crypto: 0 } });
  });
});

describe('an answer', () => {
  test.each([
    ['without an offer', 'inside', plain(), 'no-offer'],
    [
      'with a section less',
      'inside',
      Buffer.from(
        plain()
          .toString()
          .replace(/m=[^]*/, ''),
      ),
      'bad-answer',
    ],
    ['with SRTP nobody offered', 'inside', secure(KEY), 'bad-answer'],
    ['from the offerer', 'client', secure(KEY), 'no-offer'],
  ] as const)('%s is refused', async (name, from, sdp, code) => {
    const session = await start();
    if (name !== 'without an offer') await session.offer('client', secure(KEY));
    await expect(session.answer(from, sdp)).rejects.toMatchObject({ code });
  });

  test.each([
    ['no key', []],
    ['a key of a suite not offered under that tag', [KEY]],
    ['our own key', ['mirror']],
  ])('of the client with %s is refused', async (_name, lines) => {
    const session = await start();
    const offer = await session.offer('inside', plain());
    const mirror = /a=crypto:3 .*/.exec(offer.toString())![0];
    const answer = secure(...lines.map((line) => (line === 'mirror' ? mirror : line)));
    await expect(session.answer('client', answer)).rejects.toMatchObject({
      code: 'bad-answer',
      sipStatus: 488,
    });
  });

  test('early, then a refusal of the offer: media goes where it went before', async () => {
    const session = await start();
    const phone = await phoneWith('AES_CM_128_HMAC_SHA1_80');
    const [first, second] = [await device(), await device()];
    await session.offer('client', secure(phone.cryptoLine()));
    phone.learn(await session.answer('inside', audioSdp('127.0.0.1', first.address.port, 'RTP/AVP')));
    await phone.sendRtp(rtp(1, 'one'));
    await first.next();
    await session.offer('client', secure(phone.cryptoLine()));
    await session.answer('inside', audioSdp('127.0.0.1', second.address.port, 'RTP/AVP'));
    await phone.sendRtp(rtp(2, 'two'));
    await second.next();
    session.rollback();
    await phone.sendRtp(rtp(3, 'three'));
    expect((await first.next()).bytes).toEqual(rtp(3, 'three'));
  });
});

describe('SRTP inside', () => {
  test.each(['best-effort', 'on'] as const)(
    '%s: a call from outside, SRTP on both legs under different keys',
    async (policy) => {
      const session = await start({ insideEncryption: policy });
      const phone = await phoneWith('AEAD_AES_256_GCM');
      const desk = await phoneWith('AES_CM_128_HMAC_SHA1_80', 0x22);
      const onward = await session.offer('client', secure(phone.cryptoLine()));
      expect(onward.toString()).toMatch(
        policy === 'on' ? /RTP\/SAVP 0/ : /a=X-cisco-srtp-fallback\r\nm=audio \d+ RTP\/AVP 0/,
      );
      desk.learn(onward);
      const { port } = desk.media.address;
      const answer = await session.answer(
        'inside',
        audioSdp('127.0.0.1', port, 'RTP/SAVP', [desk.cryptoLine(3)]),
      );
      phone.learn(answer);
      await phone.sendRtp(rtp(1, 'out'));
      expect(await desk.hearRtp()).toEqual(rtp(1, 'out'));
      await expect.poll(() => pair.events).toContain('edge media-latch latched');
      await desk.media.send(rtp(1, 'plain RTP where SRTP was agreed', 9), desk.peer);
      await desk.sendRtp(rtp(2, 'in', 9));
      expect(await phone.hearRtp()).toEqual(rtp(2, 'in', 9));
    },
  );

  test.each([
    ['best-effort', plain(), true],
    ['on', plain(), false],
    ['off', secure(KEY), false],
    ['on', secure(KEY), true],
    ['best-effort', secure(KEY), true],
    ['best-effort', secure(), false],
  ] as const)('%s: an offer from inside is taken or not', async (policy, sdp, taken) => {
    const session = await start({ insideEncryption: policy });
    const offered = session.offer('inside', sdp);
    if (taken) expect((await offered).toString()).toMatch(/RTP\/SAVP 0/);
    else await expect(offered).rejects.toMatchObject({ code: 'no-usable-media' });
  });

  test('on: an answer without a key is refused; best-effort: it makes the leg plain', async () => {
    const strict = await start({ insideEncryption: 'on' });
    await strict.offer('client', secure(KEY));
    await expect(strict.answer('inside', plain())).rejects.toMatchObject({ code: 'bad-answer' });
    await pair.close();
    const lax = await start({ insideEncryption: 'best-effort' });
    await lax.offer('client', secure(KEY));
    expect((await lax.answer('inside', plain())).toString()).toContain('a=crypto:1 ');
  });
});

describe('opaque streams', () => {
  test('BFCP follows the address that SRTP has proven, and nobody else is heard or told anything', async () => {
    const session = await start();
    const phone = await phoneWith('AES_CM_128_HMAC_SHA1_80');
    const [desk, floor] = [await device(), await device()];
    const bfcp = (port: number): string[] => [`m=application ${port} UDP/BFCP *`, 'a=floorctrl:c-only'];
    await session.offer('client', withMedia(secure(phone.cryptoLine()), ...bfcp(4010)));
    const answer = await session.answer(
      'inside',
      withMedia(audioSdp('127.0.0.1', desk.address.port, 'RTP/AVP'), ...bfcp(floor.address.port)),
    );
    expect(answer.toString()).toContain('a=floorctrl:c-only');
    phone.learn(answer);
    const door = placeOf(answer, 1);
    const attacker = await LoopbackEndpoint.open('127.0.0.66');
    open.push(attacker);
    const clientFloor = await device();
    await clientFloor.send(Buffer.from('too early'), door);
    await phone.sendRtp(rtp(1, 'proof'));
    await desk.next();
    await expect.poll(() => pair.events).toContain('edge media-latch latched');
    await attacker.send(Buffer.from('forged'), door);
    await clientFloor.send(Buffer.from('floor request'), door);
    const heard = await floor.next();
    expect(heard.bytes.toString()).toBe('floor request');
    await floor.send(Buffer.from('floor granted'), heard.from);
    expect((await clientFloor.next()).bytes.toString()).toBe('floor granted');
    expect([floor.received.length, attacker.received.length]).toEqual([1, 0]);
  });
});
