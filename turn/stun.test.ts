// RFC 5769 vectors, every length edge of T-014, and properties of the STUN codec.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  answerBinding,
  ATTRIBUTE,
  checkFingerprint,
  checkIntegrity,
  findAttribute,
  longTermKey,
  parseStun,
  printStun,
  readErrorCode,
  readXorAddress,
  StunError,
  xorAddressAttribute,
  type StunClass,
} from './index.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s|\/\/.*/g, ''), 'hex');
const PASSWORD = Buffer.from('VOkJxbRl1RmTxUk/WvJxBt');
const TRANSACTION = 'b7e7a701bc34d686fa87dfae';

const REQUEST = hex(`00010058 2112a442 ${TRANSACTION}
  80220010 5354554e207465737420636c69656e74
  00240004 6e0001ff  80290008 932ff9b151263b36
  00060009 6576746a3a68367659202020
  00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2
  80280004 e57a3bcf`);
const RESPONSE_V4 = hex(`0101003c 2112a442 ${TRANSACTION}
  8022000b 7465737420766563746f7220
  00200008 0001a147e112a643
  00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7
  80280004 c07d4c96`);
const RESPONSE_V6 = hex(`01010048 2112a442 ${TRANSACTION}
  8022000b 7465737420766563746f7220
  00200014 0002a1470113a9faa5d3f179bc25f4b5bed2b9d9
  00080014 a382954e4be67bf11784c97c8292c275bfe3ed41
  80280004 c8fb0b4c`);
const LONG_TERM = hex(`00010060 2112a442 78ad3433c6ad72c029da412e
  00060012 e3839ee38388e383aae38383e382afe382b90000
  0015001c 662f2f3439396b3935346436 4f4c33346f4c394653547679363473 41
  0014000b 6578616d706c652e6f726700
  00080014 f67024656dd64a3e02b8e0712e85c9a28ca89666`);

describe('RFC 5769', () => {
  test.each([
    ['§2.1 request', REQUEST, PASSWORD, 'request'],
    ['§2.2 IPv4 response', RESPONSE_V4, PASSWORD, 'success'],
    ['§2.3 IPv6 response', RESPONSE_V6, PASSWORD, 'success'],
  ] as const)('%s: integrity and fingerprint are valid', (_name, bytes, key, kind) => {
    const message = parseStun(bytes);
    expect(message.class).toBe(kind);
    expect(checkIntegrity(message, 'sha1', key)).toBe('valid');
    expect(checkFingerprint(message)).toBe('valid');
  });

  test.each([
    [RESPONSE_V4, { address: '192.0.2.1', port: 32853 }],
    [RESPONSE_V6, { address: '2001:db8:1234:5678:11:2233:4455:6677', port: 32853 }],
  ])('XOR-MAPPED-ADDRESS', (bytes, expected) => {
    const message = parseStun(bytes);
    const value = findAttribute(message, ATTRIBUTE.xorMappedAddress)!;
    expect(readXorAddress(value, message.transactionId)).toEqual(expected);
    const printed = xorAddressAttribute(ATTRIBUTE.xorMappedAddress, expected, message.transactionId);
    expect(printed.value).toEqual(value);
  });

  test('§2.4 long-term credentials', () => {
    const key = longTermKey('マトリックス', 'example.org', 'TheMatrIX');
    expect(checkIntegrity(parseStun(LONG_TERM), 'sha1', key)).toBe('valid');
    expect(checkIntegrity(parseStun(LONG_TERM), 'sha256', key)).toBe('missing');
    expect(checkFingerprint(parseStun(LONG_TERM))).toBe('missing');
  });

  test('each flipped bit of the request is noticed', () => {
    for (let bit = 0; bit < REQUEST.length * 8; bit++) {
      const bytes = Buffer.from(REQUEST);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      const verdict = attempt(() => {
        const message = parseStun(bytes);
        return `${checkIntegrity(message, 'sha1', PASSWORD)} ${checkFingerprint(message)}`;
      });
      expect(verdict).not.toBe('valid valid');
    }
  });
});

const header = (length: number): string =>
  `0001${length.toString(16).padStart(4, '0')}2112a442${TRANSACTION}`;

describe('malformed messages are refused', () => {
  test.each([
    ['nothing', '', 'too-short'],
    ['nineteen bytes', header(0).slice(0, 38), 'too-short'],
    ['top bits set', `c${header(0).slice(1)}`, 'not-stun'],
    ['other cookie', header(0).replace('2112a442', '2112a443'), 'not-stun'],
    ['length not a multiple of four', `${header(2)}0000`, 'not-stun'],
    ['length short of the datagram', `${header(0)}00000000`, 'length-mismatch'],
    ['length beyond the datagram', `${header(8)}80220000`, 'length-mismatch'],
    ['length 0xfffc', header(0xfffc), 'length-mismatch'],
    ['attribute overruns', `${header(4)}80220001`, 'attribute-overruns'],
    ['attribute of 0xffff', `${header(8)}8022ffff00000000`, 'attribute-overruns'],
    ['padding missing', `${header(8)}8022000500000000`, 'attribute-overruns'],
    ['65 attributes', header(65 * 4) + '80220000'.repeat(65), 'too-many-attributes'],
    ['short integrity', `${header(8)}0008000400000000`, 'bad-integrity-length'],
    ['short integrity-sha256', `${header(16)}001c000c${'00'.repeat(12)}`, 'bad-integrity-length'],
    ['unaligned integrity-sha256', `${header(24)}001c0011${'00'.repeat(20)}`, 'bad-integrity-length'],
    ['fingerprint not last', `${header(12)}802800040000000080220000`, 'bad-fingerprint-place'],
    ['fingerprint of eight bytes', `${header(12)}80280008${'00'.repeat(8)}`, 'bad-fingerprint-place'],
  ])('%s', (_name, bytes, reason) => {
    expect(attempt(() => parseStun(hex(bytes)))).toBe(reason);
  });

  test('attributes after integrity are ignored', () => {
    const sealed = printStun(
      { class: 'request', method: 1, transactionId: hex(TRANSACTION), attributes: [] },
      { integrity: { algorithm: 'sha256', key: PASSWORD } },
    );
    const extra = Buffer.concat([sealed, hex('00060004 61626364')]);
    extra.writeUInt16BE(extra.length - 20, 2);
    const message = parseStun(extra);
    expect(findAttribute(message, ATTRIBUTE.username)).toBeUndefined();
    expect(checkIntegrity(message, 'sha256', PASSWORD)).toBe('valid');
  });
});

describe('Binding', () => {
  const bare = hex(header(0));

  test.each([
    ['IPv4', '192.0.2.7', '192.0.2.7'],
    ['IPv4-mapped becomes IPv4', '::ffff:192.0.2.7', '192.0.2.7'],
    ['IPv6', '2001:DB8::1', '2001:db8::1'],
  ])('%s', (_name, address, expected) => {
    const message = parseStun(answerBinding(bare, { address, port: 5061 })!);
    expect(message.class).toBe('success');
    const value = findAttribute(message, ATTRIBUTE.xorMappedAddress)!;
    expect(readXorAddress(value, message.transactionId)).toEqual({ address: expected, port: 5061 });
  });

  test('ICE-like request with integrity is answered and fingerprinted', () => {
    const source = { address: '127.0.0.1', port: 1 };
    expect(parseStun(answerBinding(REQUEST, source)!).class).toBe('success');
    expect(checkFingerprint(parseStun(answerBinding(REQUEST, source)!))).toBe('valid');
  });

  test('unknown comprehension-required attribute: 420 that lists it', () => {
    const message = parseStun(answerBinding(hex(`${header(4)}7fff0000`), { address: '127.0.0.1', port: 1 })!);
    expect(readErrorCode(findAttribute(message, ATTRIBUTE.errorCode)!).code).toBe(420);
    expect(findAttribute(message, ATTRIBUTE.unknownAttributes)).toEqual(hex('7fff'));
  });

  test.each([
    ['indication', header(0).replace('0001', '0011')],
    ['response', header(0).replace('0001', '0101')],
    ['other method', header(0).replace('0001', '0003')],
    ['garbage', 'ff'.repeat(40)],
  ])('silence for %s', (_name, bytes) => {
    expect(answerBinding(hex(bytes), { address: '127.0.0.1', port: 1 })).toBeUndefined();
  });

  test('silence for a wrong fingerprint', () => {
    const bytes = Buffer.from(REQUEST);
    bytes[bytes.length - 1]! ^= 1;
    expect(answerBinding(bytes, { address: '127.0.0.1', port: 1 })).toBeUndefined();
  });
});

describe('properties', () => {
  const classes: StunClass[] = ['request', 'indication', 'success', 'error'];
  const attribute = fc.record({
    type: fc.integer({ min: 0x8030, max: 0xffff }),
    value: fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
  });
  const draft = fc.record({
    class: fc.constantFrom(...classes),
    method: fc.integer({ min: 0, max: 0xfff }),
    transactionId: fc.uint8Array({ minLength: 12, maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
    attributes: fc.array(attribute, { maxLength: 10 }),
  });

  test('parse(print(x)) is x, sealed and fingerprinted', () => {
    fc.assert(
      fc.property(draft, fc.constantFrom('sha1' as const, 'sha256' as const), (value, algorithm) => {
        const bytes = printStun(value, { integrity: { algorithm, key: PASSWORD }, fingerprint: true });
        const message = parseStun(bytes);
        expect(message).toMatchObject({ class: value.class, method: value.method });
        expect(message.attributes.slice(0, -2)).toEqual(value.attributes);
        expect(checkIntegrity(message, algorithm, PASSWORD)).toBe('valid');
        expect(checkFingerprint(message)).toBe('valid');
      }),
    );
  });

  test('random and mutated bytes: a message or StunError, nothing else', () => {
    const mutated = fc
      .tuple(fc.nat(REQUEST.length - 1), fc.nat(255), fc.nat(REQUEST.length))
      .map(([at, byte, cut]) => {
        const bytes = Buffer.from(REQUEST.subarray(0, cut));
        if (at < cut) bytes[at] = byte;
        return bytes;
      });
    const random = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.oneof(mutated, random), (bytes) => {
        attempt(() => parseStun(bytes));
        answerBinding(bytes, { address: '::1', port: 9 });
      }),
      { numRuns: 500 },
    );
  });
});

function attempt(action: () => unknown): unknown {
  try {
    return action();
  } catch (error) {
    if (error instanceof StunError) return error.reason;
    throw error;
  }
}
