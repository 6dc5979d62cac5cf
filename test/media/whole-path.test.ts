// The whole media path in one process: an SRTP phone outside ↔ edge ↔ link ↔ core ↔ an RTP phone inside.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { MediaSession } from '../../core/sip/media-anchor.ts';
import { SUITES, type SuiteName } from '../../media/index.ts';
import { LoopbackEndpoint } from '../../media/loopback-endpoint.ts';
import { EDGE, MediaPair } from './media-pair.ts';
import { audioSdp, placeOf, rtcp, rtp, SecurePhone } from './phones.ts';

let pair: MediaPair;
const open: { close(): void }[] = [];

beforeEach(async () => {
  pair = await MediaPair.open({ network: 61 });
});

afterEach(async () => {
  for (const one of open.splice(0)) one.close();
  await pair.close();
});

async function endpoint(port = 0): Promise<LoopbackEndpoint> {
  const one = await LoopbackEndpoint.open('127.0.0.1', port);
  open.push(one);
  return one;
}

/** Two endpoints on adjacent ports, even first, as a device without a=rtcp has them. */
async function devicePorts(): Promise<[LoopbackEndpoint, LoopbackEndpoint]> {
  for (;;) {
    const first = await LoopbackEndpoint.open();
    try {
      const second = await LoopbackEndpoint.open('127.0.0.1', first.address.port + 1);
      open.push(first, second);
      return [first, second];
    } catch {
      first.close();
    }
  }
}

interface Call {
  readonly session: MediaSession;
  readonly phone: SecurePhone;
  readonly device: LoopbackEndpoint;
  readonly deviceControl: LoopbackEndpoint;
  /** Core's ports as the device knows them. */
  readonly inside: { address: string; port: number };
}

/** A call from outside to inside with audio agreed; nothing has been sent yet. */
async function call(suite: SuiteName = 'AES_CM_128_HMAC_SHA1_80', lines: string[] = []): Promise<Call> {
  const phone = await SecurePhone.open(suite);
  open.push(phone);
  const [device, deviceControl] = await devicePorts();
  const session = pair.core.open({ callId: 'call', key: 'alice' }, EDGE);
  const offer = audioSdp('192.168.1.5', 4000, 'RTP/SAVP', [phone.cryptoLine(), ...lines]);
  const inside = placeOf(await session.offer('client', offer));
  const { address, port } = device.address;
  phone.learn(await session.answer('inside', audioSdp(address, port, 'RTP/AVP')));
  return { session, phone, device, deviceControl, inside };
}

/** Sends RTP from the phone until edge has latched to it. */
async function latch(phone: SecurePhone, device: LoopbackEndpoint, sequence = 1): Promise<void> {
  const before = pair.events.filter((event) => event === 'edge media-latch latched').length;
  await phone.sendRtp(rtp(sequence, 'first'));
  expect((await device.next()).bytes).toEqual(rtp(sequence, 'first'));
  const latched = (): number => pair.events.filter((event) => event === 'edge media-latch latched').length;
  await expect.poll(latched, { interval: 1 }).toBe(before + 1);
}

describe('audio both ways', () => {
  test.each(SUITES.map((suite) => suite.name))('%s', async (suite) => {
    const { phone, device, inside } = await call(suite);
    await latch(phone, device);
    for (let sequence = 2; sequence < 20; sequence++) {
      await phone.sendRtp(rtp(sequence, `out ${sequence}`));
      await device.send(rtp(sequence, `in ${sequence}`, 99), inside);
      expect((await device.next()).bytes).toEqual(rtp(sequence, `out ${sequence}`));
      expect(await phone.hearRtp()).toEqual(rtp(sequence, `in ${sequence}`, 99));
    }
  });

  test('RTCP on its own port, both ways, each port proven for itself', async () => {
    const { phone, device, deviceControl, inside } = await call();
    await latch(phone, device);
    await phone.control.send(phone.protectRtcp(rtcp()), phone.peerControl);
    expect((await deviceControl.next()).bytes).toEqual(rtcp());
    await expect
      .poll(() => pair.events.filter((event) => event.includes('edge media-latch latched')).length)
      .toBe(2);
    await deviceControl.send(rtcp(99), { ...inside, port: inside.port + 1 });
    expect(await phone.hearRtcp()).toEqual(rtcp(99));
  });

  test('RTCP muxed outside, apart inside', async () => {
    const { phone, device, deviceControl, inside } = await call('AEAD_AES_128_GCM', ['a=rtcp-mux']);
    await latch(phone, device);
    await phone.media.send(phone.protectRtcp(rtcp()), phone.peer);
    expect((await deviceControl.next()).bytes).toEqual(rtcp());
    await deviceControl.send(rtcp(99), { ...inside, port: inside.port + 1 });
    expect(await phone.hearRtcp(phone.media)).toEqual(rtcp(99));
  });

  test('call from inside: the phone answers with the suite it likes', async () => {
    const phone = await SecurePhone.open('AEAD_AES_128_GCM');
    open.push(phone);
    const [device] = await devicePorts();
    const session = pair.core.open({ callId: 'call', key: 'alice' }, EDGE);
    const offer = await session.offer(
      'inside',
      audioSdp(device.address.address, device.address.port, 'RTP/AVP'),
    );
    expect(offer.toString()).toMatch(/m=audio \d+ RTP\/SAVP 0 101/);
    phone.learn(offer);
    const answer = audioSdp('10.9.8.7', 4000, 'RTP/SAVP', [phone.cryptoLine(2), 'a=rtcp-mux']);
    const inside = placeOf(await session.answer('client', answer));
    await latch(phone, device);
    await device.send(rtp(7, 'in', 99), inside);
    expect(await phone.hearRtp()).toEqual(rtp(7, 'in', 99));
  });
});

describe('nobody else gets a packet', () => {
  test('an attacker who sprays the ports, before and after, with junk, forgeries and replays', async () => {
    const { phone, device, inside } = await call();
    const attacker = await endpoint();
    const spray = async (): Promise<void> => {
      for (let count = 0; count < 20; count++) {
        await attacker.send(rtp(count, 'forged with a tag of ten bytes'), phone.peer);
        await attacker.send(rtcp(), phone.peerControl);
        await attacker.send(Buffer.from('0001000021 12a442'.replace(' ', ''), 'hex'), phone.peer);
      }
    };
    await spray();
    await device.send(rtp(1, 'early', 99), inside); // nobody is proven: it must go nowhere
    await latch(phone, device);
    const wire = phone.protectRtp(rtp(2, 'real'));
    await phone.media.send(wire, phone.peer);
    await device.next();
    await attacker.send(wire, phone.peer); // replayed from elsewhere
    await spray();
    await device.send(rtp(2, 'secret', 99), inside);
    expect(await phone.hearRtp()).toEqual(rtp(2, 'secret', 99));
    expect(attacker.received).toEqual([]);
    expect(device.received.map(({ bytes }) => bytes)).toEqual([rtp(1, 'first'), rtp(2, 'real')]);
  });

  test('an inside stranger is not heard outside', async () => {
    const { phone, device, inside } = await call();
    await latch(phone, device);
    const stranger = await endpoint();
    await stranger.send(rtp(1, 'injected', 5), inside);
    await device.send(rtp(1, 'true', 99), inside);
    expect(await phone.hearRtp()).toEqual(rtp(1, 'true', 99));
  });

  test('a datagram for the link from a stranger moves nothing', async () => {
    const { phone, device, inside } = await call();
    await latch(phone, device);
    const stranger = await endpoint();
    for (const port of pair.dial.ports) {
      await stranger.send(Buffer.from('400000040123abcd', 'hex'), { address: pair.dial.address, port });
      const stun = Buffer.from('000100002112a442000102030405060708090a0b', 'hex');
      await stranger.send(stun, { address: pair.dial.address, port });
    }
    await expect.poll(() => pair.events).toContain('edge media-hello-refused malformed');
    await device.send(rtp(1, 'in', 99), inside);
    expect(await phone.hearRtp()).toEqual(rtp(1, 'in', 99));
    expect(stranger.received).toEqual([]);
  });
});

describe('movement', () => {
  test('NAT rebinding: a right tag from a new source takes the stream along, late packets do not take it back', async () => {
    const { phone, device, inside } = await call();
    await latch(phone, device);
    const late = phone.protectRtp(rtp(2, 'late'));
    const moved = await endpoint();
    await phone.sendRtp(rtp(3, 'moved'), moved);
    expect((await device.next()).bytes).toEqual(rtp(3, 'moved'));
    await expect
      .poll(() => pair.events.filter((event) => event === 'edge media-latch latched').length)
      .toBe(2);
    await phone.media.send(late, phone.peer);
    expect((await device.next()).bytes).toEqual(rtp(2, 'late'));
    await device.send(rtp(1, 'in', 99), inside);
    expect(await phone.hearRtp(moved)).toEqual(rtp(1, 'in', 99));
    expect(phone.media.received).toEqual([]);
  });

  test('the link is dialled again from a fresh port when its answers stop, and calls go on', async () => {
    const { phone, device, inside } = await call();
    await latch(phone, device);
    const remotes = (): string =>
      JSON.stringify(
        (pair.edge.status() as { links: { remote: object }[] }).links.map((link) => link.remote),
      );
    const before = remotes();
    pair.clock.step(30_000); // in one step: the answers wait in the kernel meanwhile
    expect(pair.reports).toContain('core down');
    await pair.linksUp();
    expect(remotes()).not.toBe(before);
    await device.send(rtp(1, 'in', 99), inside);
    expect(await phone.hearRtp()).toEqual(rtp(1, 'in', 99));
    await phone.sendRtp(rtp(9, 'out'));
    expect((await device.next()).bytes).toEqual(rtp(9, 'out'));
  });

  test('one of its ports stays silent: partly up after the dead time, and never before', async () => {
    const half = await MediaPair.open({ network: 68, deadPort: 9 });
    await half.run(3000);
    expect(half.reports).toContain('core up');
    expect(half.causes.filter((cause) => cause !== '')).toEqual([]);
    await half.run(4000);
    const words = 'partly up: no answer from UDP 9 of edge.example: is it open from core to edge?';
    expect([half.reports.at(-1), half.causes.at(-1)]).toEqual(['core up', words]);
    await half.close();
  });

  test('the control channel dies and returns within the grace: the call never notices', async () => {
    const { phone, device, inside } = await call();
    await latch(phone, device);
    pair.disconnect();
    pair.clock.step(1000);
    await phone.sendRtp(rtp(2, 'while away'));
    expect((await device.next()).bytes).toEqual(rtp(2, 'while away'));
    await pair.connect();
    await pair.run(40_000);
    await device.send(rtp(1, 'in', 99), inside);
    expect(await phone.hearRtp()).toEqual(rtp(1, 'in', 99));
    expect(pair.events.filter((event) => event.startsWith('lost'))).toEqual([]);
  });

  test.each(['media.link', 'media.claim'])('%s fails at first: it is tried again', async (type) => {
    pair.disconnect();
    pair.failing = type;
    await pair.connect();
    expect(pair.reports.at(-1)).toBe('core down');
    pair.failing = undefined;
    await pair.run(40_000);
    await pair.linksUp();
    const { phone, device } = await call();
    await latch(phone, device);
  });

  test('the control channel stays away: edge gives the ports back and core is told on return', async () => {
    const { phone, device } = await call();
    await latch(phone, device);
    pair.disconnect();
    pair.clock.step(30_000);
    expect(pair.edge.sizes()).toMatchObject({
      sessions: 0,
      pairs: { lent: 0 },
      engine: { flows: 0, links: 0 },
    });
    await pair.connect();
    expect(pair.events).toContain('lost call');
  });
});

describe('offers and answers later on', () => {
  test('hold and resume, then a new key: the same ports, the same keys of ours', async () => {
    const { session, phone, device, inside } = await call();
    await latch(phone, device);
    const { address, port } = device.address;
    const hold = audioSdp('192.168.1.5', 4000, 'RTP/SAVP', [phone.cryptoLine(), 'a=inactive']);
    expect((await session.offer('client', hold)).toString()).toContain('a=inactive');
    const held = await session.answer('inside', audioSdp('0.0.0.0', port, 'RTP/AVP', ['a=inactive']));
    expect(held.toString()).toContain('c=IN IP4 0.0.0.0');
    phone.useKey(0x77);
    const resume = audioSdp('192.168.1.5', 4000, 'RTP/SAVP', [phone.cryptoLine()]);
    expect(placeOf(await session.offer('client', resume))).toEqual(inside);
    const answer = await session.answer('inside', audioSdp(address, port, 'RTP/AVP'));
    expect(placeOf(answer)).toEqual(phone.peer);
    const ownKey = (sdp: Buffer): string | undefined => /inline:\S+/.exec(sdp.toString())?.[0];
    expect(ownKey(answer)).toBe(ownKey(held));
    await phone.sendRtp(rtp(1, 'rekeyed', 0xeeee));
    expect((await device.next()).bytes).toEqual(rtp(1, 'rekeyed', 0xeeee));
    await device.send(rtp(500, 'in', 99), inside);
    expect(await phone.hearRtp()).toEqual(rtp(500, 'in', 99));
  });

  test('transfer: the inside device changes by an offer from inside', async () => {
    const { session, phone, device, inside } = await call();
    await latch(phone, device);
    const [other] = await devicePorts();
    const offer = await session.offer(
      'inside',
      audioSdp(other.address.address, other.address.port, 'RTP/AVP'),
    );
    const answer = audioSdp('192.168.1.5', 4000, 'RTP/SAVP', [phone.cryptoLine(1)]);
    expect(offer.toString()).toMatch(/a=crypto:1 AES_CM_128_HMAC_SHA1_80/);
    expect(placeOf(await session.answer('client', answer))).toEqual(inside);
    await phone.sendRtp(rtp(2, 'to the other'));
    expect((await other.next()).bytes).toEqual(rtp(2, 'to the other'));
    await device.send(rtp(3, 'old device', 98), inside);
    await other.send(rtp(1, 'new device', 97), inside);
    expect(await phone.hearRtp()).toEqual(rtp(1, 'new device', 97));
  });

  test('early media from one fork, the answer from another', async () => {
    const { session, phone, device, inside } = await call();
    await latch(phone, device);
    const [other] = await devicePorts();
    await session.answer('inside', audioSdp(other.address.address, other.address.port, 'RTP/AVP'));
    await phone.sendRtp(rtp(2, 'second answer'));
    expect((await other.next()).bytes).toEqual(rtp(2, 'second answer'));
    await other.send(rtp(1, 'in', 97), inside);
    expect(await phone.hearRtp()).toEqual(rtp(1, 'in', 97));
  });

  test('inactivity is told once', async () => {
    await call();
    pair.clock.step(61_000);
    pair.clock.step(61_000);
    expect(pair.events.filter((event) => event === 'inactive call')).toEqual(['inactive call']);
  });

  test('silence on hold is nothing to tell', async () => {
    const { session, phone, device } = await call();
    const hold = audioSdp('192.168.1.5', 4000, 'RTP/SAVP', [phone.cryptoLine(), 'a=inactive']);
    await session.offer('client', hold);
    await session.answer('inside', audioSdp('127.0.0.1', device.address.port, 'RTP/AVP', ['a=inactive']));
    await pair.run(125_000);
    expect(pair.events).not.toContain('inactive call');
    expect(pair.edge.sizes().sessions).toBe(1);
    await session.offer('client', audioSdp('192.168.1.5', 4000, 'RTP/SAVP', [phone.cryptoLine()]));
    await session.answer('inside', audioSdp('127.0.0.1', device.address.port, 'RTP/AVP'));
    await pair.run(61_000);
    expect(pair.events).toContain('inactive call');
  });

  test('edge asks before it reaps: a held call is kept', async () => {
    await call();
    pair.clock.step(125_000);
    await expect.poll(() => pair.edge.sizes().sessions).toBe(1);
    expect(pair.events).not.toContain('edge media-reaped');
  });
});

describe('capture', () => {
  const packetsOf = (file: Buffer): Buffer[] => {
    const packets: Buffer[] = [];
    for (let at = 24; at < file.length; at += 16 + file.readUInt32LE(at + 8))
      packets.push(file.subarray(at + 16 + 28, at + 16 + file.readUInt32LE(at + 8)));
    return packets;
  };

  test.each(['plain', 'wire'] as const)('an operator sees both directions, %s', async (view) => {
    const { session, phone, device, inside } = await call();
    await phone.sendRtp(rtp(1, 'before'));
    await device.next();
    const file = pair.core.capture({ callId: 'call', view, ms: 1000, by: 'operator' });
    await phone.sendRtp(rtp(2, 'from outside'));
    await device.next();
    await device.send(rtp(9, 'from inside'), inside);
    await phone.media.next();
    if (view === 'wire') session.close('hung up while it is looked at');
    pair.clock.step(1000);
    const packets = packetsOf((await file)!);
    const texts = packets.map((packet) => packet.subarray(12).toString('latin1'));
    expect(packets.map((packet) => packet.readUInt16BE(2))).toEqual([2, 9]);
    expect(texts.map((text) => text.startsWith('from '))).toEqual(
      view === 'plain' ? [true, true] : [false, false],
    );
    expect(pair.events).toContain(`core media-capture ${view}`);
    expect(pair.core.sizes().engine.captures).toBe(0);
  });

  test('there is nothing to see of a call that is not there', async () => {
    expect(await pair.core.capture({ callId: 'none', view: 'wire', ms: 1000, by: '' })).toBeUndefined();
  });
});

test('a thousand calls leave nothing behind', async () => {
  for (let round = 0; round < 1000; round++) {
    const session = pair.core.open({ callId: `call ${round}`, key: 'alice' }, EDGE);
    const phone = `a=crypto:1 AEAD_AES_128_GCM inline:${Buffer.alloc(28, round).toString('base64')}`;
    await session.offer('client', audioSdp('192.168.1.5', 4000, 'RTP/SAVP', [phone]));
    if (round % 3 !== 0) await session.answer('inside', audioSdp('127.0.0.1', 5000, 'RTP/AVP'));
    if (round % 3 === 1) session.rollback();
    session.close('over');
    if (round % 100 === 0) await pair.run(1000);
  }
  await expect.poll(() => pair.edge.sizes().sessions).toBe(0);
  expect(pair.core.sizes()).toMatchObject({
    sessions: 0,
    keys: 0,
    watched: 0,
    engine: { flows: 0, crypto: 0 },
  });
  expect(pair.core.sizes().engine.ports).toBe(2); // the links' own
  expect(pair.edge.sizes()).toMatchObject({ pairs: { lent: 0 }, engine: { flows: 0, ports: 2, links: 2 } });
});
