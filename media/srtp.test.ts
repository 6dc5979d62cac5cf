// SRTP: the vectors of RFC 3711 appendix B and RFC 7714 §16, §17, a packet vector that libsrtp publishes, and
// the tamper, replay and length matrices over every suite.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { packetKind } from './packet.ts';
import { ReplayWindow } from './replay-window.ts';
import { estimateIndex } from './rtp-index.ts';
import { deriveKeys, pseudoRandom, type MasterKey } from './srtp-keys.ts';
import { findSuite, SUITES, type Suite, type SuiteName } from './srtp-suites.ts';
import { counterBlock, counterMode, openGcm, rtcpNonce, rtpNonce, sealGcm, word } from './srtp-transform.ts';
import { SrtpReceiver, SrtpSender, type SrtpDrop, type Unprotected } from './srtp.ts';
import { createSecretKey } from 'node:crypto';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
const suiteOf = (name: SuiteName): Suite => findSuite(name)!;
const masterFor = (suite: Suite, fill = 7, mki = ''): MasterKey => ({
  key: Buffer.alloc(suite.keyBytes, fill),
  salt: Buffer.alloc(suite.saltBytes, fill + 1),
  mki: hex(mki),
});
const contexts = (suite: Suite, maxSources = 4, mki = ''): [SrtpSender, SrtpReceiver] => [
  new SrtpSender({ suite, master: masterFor(suite), maxSources }),
  new SrtpReceiver({ suite, master: masterFor(suite, 7, mki), maxSources }),
];

function rtp(sequence: number, ssrc = 0x1234, payload = Buffer.from('hello')): Buffer {
  const packet = Buffer.alloc(12 + payload.length);
  packet[0] = 0x80;
  packet.writeUInt16BE(sequence & 0xffff, 2);
  packet.writeUInt32BE(ssrc, 8);
  payload.copy(packet, 12);
  return packet;
}

function rtcp(ssrc = 0x1234, body = Buffer.from('receiver')): Buffer {
  const packet = Buffer.alloc(8 + body.length);
  packet[0] = 0x80;
  packet[1] = 201;
  packet.writeUInt16BE((packet.length >> 2) - 1, 2);
  packet.writeUInt32BE(ssrc, 4);
  body.copy(packet, 8);
  return packet;
}

function bytes(result: Buffer | SrtpDrop | Unprotected): Buffer {
  if (typeof result === 'string') throw new Error(result);
  return Buffer.isBuffer(result) ? result : result.packet;
}

describe('RFC 3711', () => {
  const master = { key: hex('E1F97A0D3E018BE0D64FA32C06DE4139'), salt: hex('0EC675AD498AFEEBB6960B3AABE6') };

  test.each([
    ['cipher key', 0, 'C61E7A93744F39EE10734AFE3FF7A087'],
    ['cipher salt', 2, '30CBBC08863D8C85D49DB34A9AE1'],
    [
      'auth key',
      1,
      'CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCEE049646C43D9327AD175578EF72270986371C10C9A369AC2F94A8C5FBCDDDC256D6E919A48B610EF17C2041E4740',
    ],
  ])('B.3 %s', (_name, label, expected) => {
    expect(pseudoRandom(master, label, expected.length / 2)).toEqual(hex(expected));
  });

  test('B.2 keystream', () => {
    const keys = {
      cipherName: 'aes-128-ctr' as const,
      encryption: createSecretKey(hex('2B7E151628AED2A6ABF7158809CF4F3C')),
      authentication: undefined,
      salt: hex('F0F1F2F3F4F5F6F7F8F9FAFBFCFD'),
    };
    const out = Buffer.alloc(48);
    counterMode(keys, counterBlock(keys.salt, 0, 0), Buffer.alloc(48), out, 0);
    expect(out).toEqual(
      hex(
        'E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0',
      ),
    );
  });

  test('libsrtp packet vectors, RTP and RTCP', () => {
    const suite = suiteOf('AES_CM_128_HMAC_SHA1_80');
    const plain = hex('800f1234 decafbad cafebabe abababababababababababababababab');
    const wire = hex('800f1234 decafbad cafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb');
    expect(new SrtpSender({ suite, master, maxSources: 1 }).protectRtp(plain, 0)).toEqual(wire);
    const receiver = new SrtpReceiver({ suite, master, maxSources: 1 });
    expect(bytes(receiver.unprotectRtp(wire))).toEqual(plain);
    const report = hex('81c8000b cafebabe abababababababababababababababab');
    const sealed = hex('81c8000b cafebabe 7128035be487b9bdbef89041f977a5a8 80000001 993e08cd54d6c1230798');
    expect(bytes(receiver.unprotectRtcp(sealed))).toEqual(report);
    const states = [{ ssrc: 0xcafebabe, rtpIndex: -1, rtcpIndex: 0 }];
    expect(new SrtpSender({ suite, master, maxSources: 1, states }).protectRtcp(report, 0)).toEqual(sealed);
  });
});

test('libsrtp packet vectors of AEAD_AES_128_GCM, from the master key on', () => {
  const suite = suiteOf('AEAD_AES_128_GCM');
  const master = { key: hex('000102030405060708090a0b0c0d0e0f'), salt: hex('a0a1a2a3a4a5a6a7a8a9aaab') };
  const states = [{ ssrc: 0xcafebabe, rtpIndex: -1, rtcpIndex: 0 }];
  const sender = new SrtpSender({ suite, master, maxSources: 1, states });
  const payload = 'ab'.repeat(16);
  expect(sender.protectRtp(hex(`800f1234decafbadcafebabe${payload}`), 0)).toEqual(
    hex('800f1234decafbadcafebabe c5002ede04cfdd2eb91159e0880aa06ed2976826f796b201df3131a127e8a392'),
  );
  expect(sender.protectRtcp(hex(`81c8000bcafebabe${payload}`), 0)).toEqual(
    hex('81c8000bcafebabe c98b8b5df0392a55852b6c21ac8e7025c52c6fbea2b3b446ea31123ba88ce61e 80000001'),
  );
});

describe('RFC 7714 §16 and §17', () => {
  const salt = hex('517569642070726f2071756f');
  const keysOf = (bits: 128 | 256): Parameters<typeof sealGcm>[0] => ({
    cipherName: `aes-${bits}-gcm` as const,
    encryption: createSecretKey(Buffer.from(Array.from({ length: bits / 8 }, (_, index) => index))),
    authentication: undefined,
    salt,
  });
  const rtpHeader = hex('8040f17b 8041f8d3 5501a0b2');
  const rtpPayload = Buffer.from('Gallia est omnis divisa in partes tres');
  const rtcpHeader = hex('81c8000d 4d617273');
  const rtcpBody = hex(
    '4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef deadbeef deadbeef',
  );

  test.each([
    [
      128,
      'f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce',
    ],
    [
      256,
      '32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13',
    ],
  ] as const)('SRTP, %i bits', (bits, expected) => {
    const nonce = rtpNonce(salt, 0x5501a0b2, 0xf17b);
    expect(nonce).toEqual(hex('51753c6580c2726f20718414'));
    const out = Buffer.alloc(rtpPayload.length + 16);
    sealGcm(keysOf(bits), nonce, rtpHeader, rtpPayload, out, 0);
    expect(out).toEqual(hex(expected));
    const tag = out.subarray(-16);
    expect(openGcm(keysOf(bits), nonce, rtpHeader, out.subarray(0, -16), tag)).toEqual(rtpPayload);
  });

  test.each([
    [
      128,
      '63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade',
    ],
    [
      256,
      'd50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be',
    ],
  ] as const)('SRTCP, %i bits', (bits, expected) => {
    const nonce = rtcpNonce(salt, 0x4d617273, 0x5d4);
    expect(nonce).toEqual(hex('517524055203726f207170bb'));
    const out = Buffer.alloc(rtcpBody.length + 16);
    sealGcm(keysOf(bits), nonce, Buffer.concat([rtcpHeader, word(0x800005d4)]), rtcpBody, out, 0);
    expect(out).toEqual(hex(expected));
  });

  test('SRTCP tagged only, 128 bits', () => {
    const associated = Buffer.concat([rtcpHeader, rtcpBody, word(0x5d4)]);
    const out = Buffer.alloc(16);
    sealGcm(keysOf(128), rtcpNonce(salt, 0x4d617273, 0x5d4), associated, Buffer.alloc(0), out, 0);
    expect(out).toEqual(hex('841dd9683dd78ec92ae58790125f62b3'));
  });
});

describe.each(SUITES.map((suite) => [suite.name, suite] as const))('%s', (_name, suite) => {
  test('round trip of RTP and RTCP behind headroom, extension and CSRC included', () => {
    const [sender, receiver] = contexts(suite);
    const extended = Buffer.concat([
      hex('b1600001 00000000 00001234 0000abcd bede0001 10aa0000'),
      Buffer.from('x'),
    ]);
    expect(bytes(receiver.unprotectRtp(bytes(sender.protectRtp(extended, 4)).subarray(4)))).toEqual(extended);
    expect(bytes(receiver.unprotectRtcp(bytes(sender.protectRtcp(rtcp(), 4)).subarray(4)))).toEqual(rtcp());
  });

  test('an empty payload and a bare RTCP header pass', () => {
    const [sender, receiver] = contexts(suite);
    const empty = rtp(1, 1, Buffer.alloc(0));
    expect(bytes(receiver.unprotectRtp(bytes(sender.protectRtp(empty, 0))))).toEqual(empty);
    const bare = rtcp(1, Buffer.alloc(0));
    expect(bytes(receiver.unprotectRtcp(bytes(sender.protectRtcp(bare, 0))))).toEqual(bare);
  });

  test('every flipped bit is refused and changes no memory', () => {
    const [sender, receiver] = contexts(suite);
    for (const [wire, open] of [
      [bytes(sender.protectRtp(rtp(1), 0)), (packet: Buffer) => receiver.unprotectRtp(packet)],
      [bytes(sender.protectRtcp(rtcp(), 0)), (packet: Buffer) => receiver.unprotectRtcp(packet)],
    ] as const) {
      for (let bit = 0; bit < wire.length * 8; bit++) {
        const forged = Buffer.from(wire);
        forged[bit >> 3]! ^= 1 << (bit & 7);
        expect(open(forged), `bit ${bit}`).toBeTypeOf('string');
      }
    }
    expect(receiver.states()).toEqual([]);
  });

  test('every truncation is refused', () => {
    const [sender, receiver] = contexts(suite);
    const wire = bytes(sender.protectRtp(rtp(1), 0));
    const sealed = bytes(sender.protectRtcp(rtcp(), 0));
    for (let length = 0; length < wire.length; length++) {
      if (packetKind(wire.subarray(0, length)) === 'short') continue;
      expect(receiver.unprotectRtp(wire.subarray(0, length))).toBeTypeOf('string');
    }
    for (let length = 8; length < sealed.length; length++) {
      expect(receiver.unprotectRtcp(sealed.subarray(0, length))).toBeTypeOf('string');
    }
  });

  test('replay is refused, late packets inside the window pass once', () => {
    const [sender, receiver] = contexts(suite);
    const wires = Array.from({ length: 200 }, (_, index) => bytes(sender.protectRtp(rtp(65400 + index), 0)));
    bytes(receiver.unprotectRtp(wires[0]!));
    bytes(receiver.unprotectRtp(wires[150]!)); // the sequence number wrapped at 136
    expect(receiver.unprotectRtp(wires[150]!)).toBe('replay');
    expect(receiver.unprotectRtp(wires[22]!)).toBe('replay'); // 128 behind
    expect(receiver.unprotectRtp(wires[23]!)).toMatchObject({ newest: false });
    expect(receiver.unprotectRtp(wires[23]!)).toBe('replay');
    expect(receiver.unprotectRtp(wires[199]!)).toMatchObject({ newest: true });
    const report = bytes(sender.protectRtcp(rtcp(), 0));
    bytes(receiver.unprotectRtcp(report));
    expect(receiver.unprotectRtcp(report)).toBe('replay');
  });

  test('a sender refuses an index twice and remembers at most its limit of SSRCs', () => {
    const [sender, receiver] = contexts(suite, 2);
    bytes(receiver.unprotectRtp(bytes(sender.protectRtp(rtp(1, 1), 0))));
    expect(sender.protectRtp(rtp(1, 1), 0)).toBe('replay');
    bytes(receiver.unprotectRtp(bytes(sender.protectRtp(rtp(1, 2), 0))));
    expect(sender.protectRtp(rtp(1, 3), 0)).toBe('source-limit');
    const other = new SrtpSender({ suite, master: masterFor(suite), maxSources: 9 });
    expect(receiver.unprotectRtp(bytes(other.protectRtp(rtp(1, 3), 0)))).toBe('source-limit');
    expect(sender.protectRtcp(rtcp(3), 0)).toBe('source-limit');
  });

  test('hand-over: a new pair started from the states goes on, and past packets stay refused', () => {
    const [sender, receiver] = contexts(suite);
    const past = Array.from({ length: 70_000 }, (_, index) => index).map((sequence) =>
      sequence % 1000 === 0 || sequence > 69_990 ? sender.protectRtp(rtp(sequence), 0) : ('short' as const),
    );
    for (const wire of past) if (Buffer.isBuffer(wire)) receiver.unprotectRtp(wire);
    const states = receiver.states();
    const next = new SrtpReceiver({ suite, master: masterFor(suite), maxSources: 4, states });
    const from = new SrtpSender({ suite, master: masterFor(suite), maxSources: 4, states: sender.states() });
    expect(states).toMatchObject([{ ssrc: 0x1234, rtpIndex: 69_999, rtcpIndex: -1 }]);
    expect(next.unprotectRtp(bytes(past.at(-1)!))).toBe('replay');
    expect(from.protectRtp(rtp(69_999), 0)).toBe('replay');
    expect(next.unprotectRtp(bytes(from.protectRtp(rtp(70_000), 0)))).toMatchObject({ newest: true });
  });

  test.each([
    ['far behind', 30_000, 100],
    ['before the beginning', 10, 60_000],
    ['behind across the wrap', 65_500, 40_000],
  ])('a source that starts over %s goes on where it left off', (_name, last, again) => {
    const [sender, receiver] = contexts(suite);
    bytes(receiver.unprotectRtp(bytes(sender.protectRtp(rtp(last), 0))));
    expect(sender.protectRtp(rtp(again), 0)).toBe('replay'); // it may be a late packet
    for (let step = 1; step < 40; step++) {
      const opened = bytes(receiver.unprotectRtp(bytes(sender.protectRtp(rtp(again + step), 4)).subarray(4)));
      expect(opened).toEqual(rtp(last + step));
    }
    expect(sender.protectRtp(rtp(again + 20), 0)).toBe('replay');
  });

  test('MKI of the peer is checked and taken out', () => {
    const [sender, receiver] = contexts(suite, 4, 'a1b2');
    const wire = bytes(sender.protectRtp(rtp(1), 0));
    const at = wire.length - (suite.aead ? 0 : suite.rtpTagBytes);
    const marked = Buffer.concat([wire.subarray(0, at), hex('a1b2'), wire.subarray(at)]);
    expect(receiver.unprotectRtp(wire)).toBe('bad-tag');
    expect(bytes(receiver.unprotectRtp(marked))).toEqual(rtp(1));
  });
});

describe('packet index and replay window', () => {
  test.each([
    ['first packet', -1, 65535, 65535],
    ['next', 10, 11, 11],
    ['wrap', 65535, 0, 65536],
    ['late across the wrap', 65536, 65535, 65535],
    ['before the start', 5, 65000, -536],
    ['half way ahead', 0, 32768, 32768],
  ])('%s', (_name, highest, sequence, expected) => {
    expect(estimateIndex(highest, sequence)).toBe(expected);
  });

  test('the window agrees with a set that remembers everything', () => {
    const step = fc.oneof(fc.integer({ min: -140, max: 5 }), fc.integer({ min: 1, max: 600 }));
    fc.assert(
      fc.property(fc.integer({ min: -1, max: 400 }), fc.array(step, { maxLength: 200 }), (start, steps) => {
        const window = new ReplayWindow(start);
        const seen = new Set<number>();
        for (const delta of steps) {
          const index = Math.max(0, window.highest + delta);
          const old = index <= window.highest - 128;
          const known = seen.has(index) || index <= start;
          expect(window.check(index)).toBe(old ? 'old' : known ? 'seen' : 'new');
          if (!old && !known) window.record(index);
          if (!old && !known) seen.add(index);
        }
      }),
    );
  });

  test.each([
    ['', 'short'],
    ['8000000100000000000000', 'short'],
    ['800000010000000000000000', 'rtp'],
    ['80c8000600000001', 'rtcp'],
    ['80df000600000001', 'rtcp'],
    ['80e0000100000000000000ff', 'rtp'],
    ['0001000021 12a442', 'other'],
    ['16fefd0000000000', 'other'],
  ] as const)('kind of %s is %s', (text, kind) => {
    expect(packetKind(hex(text))).toBe(kind);
  });

  test('random bytes never throw', () => {
    const [, receiver] = contexts(suiteOf('AES_CM_128_HMAC_SHA1_80'));
    const [sender] = contexts(suiteOf('AEAD_AES_128_GCM'));
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8, maxLength: 90 }), (raw) => {
        const packet = Buffer.from(raw);
        if (packet.length >= 12) sender.protectRtp(packet, 0);
        if (packet.length >= 12) receiver.unprotectRtp(packet);
        receiver.unprotectRtcp(packet);
        sender.protectRtcp(packet, 4);
      }),
    );
  });

  test('a master key of the wrong size is refused', () => {
    const suite = suiteOf('AEAD_AES_256_GCM');
    expect(() => deriveKeys(suite, { key: Buffer.alloc(16), salt: Buffer.alloc(12) }, 'rtp')).toThrow(
      RangeError,
    );
  });
});
