// SDES keys of a leg: what is offered, chosen, matched, kept and given back.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createPortableEngine, findSuite, type MediaEngine, type SuiteName } from '../../media/index.ts';
import type { CryptoAttribute } from '../../sip/sdp/index.ts';
import { chooseCrypto, LegKeys, usableCrypto } from './leg-keys.ts';

let engine: MediaEngine;
let serial = 0;
const keys = (): LegKeys => new LegKeys(engine, (bytes) => Buffer.alloc(bytes, ++serial));

beforeEach(() => {
  engine = createPortableEngine({
    now: () => 0,
    timeOfDay: () => 0,
    shards: 1,
    every: () => () => {},
    randomToken: () => 1,
    onEvent: () => {},
    sweepMs: 1000,
    limits: {
      maxPorts: 1,
      maxFlows: 1,
      maxLinks: 1,
      maxSourcesPerKey: 4,
      stunPerSecond: 1,
      trunkBufferBytes: 65536,
      maxCaptureBytes: 1 << 20,
    },
  });
});
afterEach(() => engine.close());

function remote(suite: SuiteName, fill: number, tag = 1): CryptoAttribute {
  const { keyBytes, saltBytes } = findSuite(suite)!;
  const mki = Buffer.alloc(0);
  return { tag, suite, key: Buffer.alloc(keyBytes, fill), salt: Buffer.alloc(saltBytes, fill), mki };
}

describe('offer and answer', () => {
  test('the offer names three suites, strongest first, a key for each, the same again next time', () => {
    const leg = keys();
    const offered = usableCrypto(leg.offer());
    expect(offered.map(({ tag, suite }) => `${tag} ${suite}`)).toEqual([
      '1 AEAD_AES_256_GCM',
      '2 AEAD_AES_128_GCM',
      '3 AES_CM_128_HMAC_SHA1_80',
    ]);
    expect(new Set(offered.map(({ key }) => key.toString('hex'))).size).toBe(3);
    expect(leg.offer()).toEqual(leg.offer());
  });

  test('a later offer begins with the suite in use and the key it has, so that nothing changes', () => {
    const leg = keys();
    const [, , before] = usableCrypto(leg.offer());
    leg.agree(remote('AES_CM_128_HMAC_SHA1_80', 9, 3));
    const later = usableCrypto(leg.offer());
    expect(later.map(({ tag, suite }) => `${tag} ${suite}`)).toEqual([
      '1 AES_CM_128_HMAC_SHA1_80',
      '2 AEAD_AES_256_GCM',
      '3 AEAD_AES_128_GCM',
    ]);
    expect(later[0]?.key).toEqual(before?.key);
    expect(leg.matchAnswer([remote('AES_CM_128_HMAC_SHA1_80', 9, 1)])?.tag).toBe(1);
    expect(leg.matchAnswer([remote('AES_CM_128_HMAC_SHA1_80', 9, 3)])).toBeUndefined();
  });

  test.each([
    ['strongest wins', ['AES_CM_128_HMAC_SHA1_80', 'AEAD_AES_256_GCM'], 'AEAD_AES_256_GCM'],
    ['80 before 32', ['AES_CM_128_HMAC_SHA1_32', 'AES_CM_128_HMAC_SHA1_80'], 'AES_CM_128_HMAC_SHA1_80'],
    ['32 alone is taken', ['AES_CM_128_HMAC_SHA1_32'], 'AES_CM_128_HMAC_SHA1_32'],
    ['nothing', [], undefined],
  ] as const)('choose: %s', (_name, suites, expected) => {
    expect(chooseCrypto(suites.map((suite, index) => remote(suite, index)))?.suite).toBe(expected);
  });

  test('of a later offer the suite in use is taken, even where a stronger one stands beside it', () => {
    const leg = keys();
    const weaker = remote('AES_CM_128_HMAC_SHA1_80', 3);
    const offered = [remote('AEAD_AES_256_GCM', 2), weaker];
    expect(leg.choose(offered)?.suite).toBe('AEAD_AES_256_GCM');
    leg.agree(weaker);
    expect(leg.choose(offered)?.suite).toBe('AES_CM_128_HMAC_SHA1_80');
  });

  test('an answer carries the chosen tag and our key', () => {
    const leg = keys();
    const [answer] = usableCrypto([leg.answer(remote('AEAD_AES_128_GCM', 9, 77))]);
    expect(answer).toMatchObject({ tag: 77, suite: 'AEAD_AES_128_GCM' });
    expect(leg.reflects(answer!)).toBe(true);
    expect(leg.reflects(remote('AEAD_AES_128_GCM', 200))).toBe(false);
  });

  test.each([
    ['tag and suite of ours', 2, 'AEAD_AES_128_GCM', true],
    ['a tag of another suite', 1, 'AEAD_AES_128_GCM', false],
    ['a tag we never gave', 4, 'AES_CM_128_HMAC_SHA1_32', false],
    ['tag 0', 0, 'AEAD_AES_256_GCM', false],
  ] as const)('answer to us: %s', (_name, tag, suite, matches) => {
    expect(keys().matchAnswer([remote(suite, 5, tag)]) !== undefined).toBe(matches);
  });
});

describe('contexts', () => {
  const suite = 'AES_CM_128_HMAC_SHA1_80';

  test('the same key keeps its context; a new one stands before it; three at most', () => {
    const leg = keys();
    const first = leg.agree(remote(suite, 1));
    expect(leg.agree(remote(suite, 1))).toEqual(first);
    const second = leg.agree(remote(suite, 2));
    expect(second).toEqual({ ...first, unprotect: [second.unprotect[0], first.unprotect[0]] });
    expect(leg.agree(remote(suite, 1)).unprotect).toEqual([first.unprotect[0], second.unprotect[0]]);
    for (let fill = 3; fill < 9; fill++) leg.agree(remote(suite, fill));
    expect(engine.sizes().crypto).toBe(4);
    leg.close();
    leg.close();
    expect(engine.sizes().crypto).toBe(0);
  });
});
