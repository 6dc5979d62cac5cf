// Who gets in: the long-term mechanism of RFC 8489 §9.2.4 row by row, time limits (T-011), no trace of strangers (T-008).
import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ATTRIBUTE } from '../stun-attribute.ts';
import { checkIntegrity, longTermKey } from '../stun-integrity.ts';
import { findAttribute, METHOD, parseStun, printStun } from '../stun.ts';
import { TestClient, verdictOf } from '../test-client.ts';
import { TEST_REALM, TEST_USER } from '../test-server.ts';
import { timeLimitedPassword } from './credentials.ts';
import { pathOf, TestRig } from './test-rig.ts';

const USERHASH = createHash('sha256').update(`alice:${TEST_REALM}`).digest();

describe('a challenge', () => {
  test('has realm, nonce with the cookie and its feature bits, and the password algorithms', () => {
    const rig = new TestRig();
    const answer = parseStun(rig.send(new TestClient(TEST_USER).allocate())!);
    expect(verdictOf(answer.raw)).toBe('401');
    expect(findAttribute(answer, ATTRIBUTE.realm)?.toString()).toBe(TEST_REALM);
    expect(findAttribute(answer, ATTRIBUTE.nonce)?.toString()).toMatch(/^obMatJos2wAAA[\w-]{16}$/);
    expect(findAttribute(answer, ATTRIBUTE.passwordAlgorithms)).toEqual(
      Buffer.from([0, 2, 0, 0, 0, 1, 0, 0]),
    );
    expect(findAttribute(answer, ATTRIBUTE.messageIntegrity)).toBeUndefined();
  });

  test('is given without leaving anything behind', () => {
    const rig = new TestRig({ machine: { refusalsPerSecondPerAddress: 60_000 } });
    const before = rig.machine.sizes();
    for (let port = 1; port <= 5_000; port++) rig.send(new TestClient(TEST_USER).allocate(), pathOf(port));
    expect(rig.machine.sizes()).toEqual(before);
  });
});

describe('credentials', () => {
  test.each([
    ['SHA-1 under MD5', {}, 'success'],
    ['SHA-256 under MD5', { seal: 'sha256' }, 'success'],
    ['SHA-256 under SHA-256', { seal: 'sha256', passwordAlgorithm: 'sha256' }, 'success'],
    ['SHA-1 under SHA-256', { passwordAlgorithm: 'sha256' }, 'success'],
    ['USERHASH', { userhash: USERHASH, seal: 'sha256' }, 'success'],
    ['a wrong password', { password: 'looking-glass' }, '401'],
    ['an unknown user', { username: 'mallory' }, '401'],
    ['an unknown USERHASH', { userhash: Buffer.alloc(32, 1) }, '401'],
    ['a USERHASH of a wrong size', { userhash: Buffer.alloc(8, 1) }, '401'],
    ['a name of 509 bytes', { username: 'a'.repeat(509) }, '400'],
  ] as const)('%s: %s', (_name, options, expected) => {
    const rig = new TestRig();
    const client = rig.client(options);
    expect(verdictOf(rig.send(client.allocate()))).toBe(expected);
  });

  test('the answer is sealed as the request was', () => {
    for (const seal of ['sha1', 'sha256'] as const) {
      const rig = new TestRig();
      const answer = parseStun(rig.send(rig.client({ seal }).allocate())!);
      const key = longTermKey('alice', TEST_REALM, 'wonderland');
      expect(checkIntegrity(answer, seal, key)).toBe('valid');
      expect(checkIntegrity(answer, seal === 'sha1' ? 'sha256' : 'sha1', key)).toBe('missing');
    }
  });

  const without = (type: number, bytes: Buffer): Buffer => {
    const message = parseStun(bytes);
    const attributes = message.attributes.filter(
      (attribute) => attribute.type !== type && attribute.type !== 8,
    );
    const key = longTermKey('alice', TEST_REALM, 'wonderland');
    return printStun({ ...message, attributes }, { integrity: { algorithm: 'sha1', key } });
  };
  test.each([
    ['USERNAME', ATTRIBUTE.username, '400'],
    ['REALM', ATTRIBUTE.realm, '400'],
    ['NONCE', ATTRIBUTE.nonce, '400'],
    ['PASSWORD-ALGORITHM beside PASSWORD-ALGORITHMS', ATTRIBUTE.passwordAlgorithm, '400'],
    ['PASSWORD-ALGORITHMS beside PASSWORD-ALGORITHM', ATTRIBUTE.passwordAlgorithms, '400'],
  ])('without %s: %s', (_name, type, expected) => {
    const rig = new TestRig();
    const client = rig.client({ passwordAlgorithm: 'sha256' });
    expect(verdictOf(rig.send(without(type, client.allocate())))).toBe(expected);
    expect(rig.machine.sizes().allocations).toBe(0);
  });

  test('a shorter list of algorithms than ours is a sign of bidding down', () => {
    const rig = new TestRig();
    const client = rig.client();
    const request = client.request(METHOD.allocate, [
      { type: ATTRIBUTE.passwordAlgorithms, value: Buffer.from([0, 1, 0, 0]) },
      { type: ATTRIBUTE.passwordAlgorithm, value: Buffer.from([0, 1, 0, 0]) },
    ]);
    expect(verdictOf(rig.send(request))).toBe('400');
  });

  test('every flipped bit under the seal is refused', () => {
    const rig = new TestRig({ machine: { refusalsPerSecondPerAddress: 60_000 } });
    const request = rig.client().allocate();
    fc.assert(
      fc.property(fc.integer({ min: 20 * 8, max: request.length * 8 - 1 }), (bit) => {
        const bytes = Buffer.from(request);
        bytes[bit >> 3]! ^= 1 << (bit & 7);
        rig.send(bytes);
        expect(rig.machine.sizes().allocations).toBe(0);
      }),
    );
    expect(verdictOf(rig.send(request))).toBe('success');
  });
});

describe('nonces', () => {
  test('an old one is stale, the new one works', () => {
    const rig = new TestRig();
    const client = rig.allocated();
    rig.pass(601_000 - 100_000);
    expect(verdictOf(rig.send(client.refresh(600)))).toBe('success');
    rig.pass(101_000);
    const answer = rig.send(client.refresh(600))!;
    expect(verdictOf(answer)).toBe('438');
    client.learn(answer);
    expect(verdictOf(rig.send(client.refresh(600)))).toBe('success');
  });

  test.each([
    ['made up', () => Buffer.from('obMatJos2wAAAabcdefghijklmnop')],
    ['without cookie', () => Buffer.from('0123456789')],
    ['empty of everything', () => Buffer.from('obMatJos2wAAA')],
    ['with a byte more', (nonce: Buffer) => Buffer.concat([nonce, Buffer.from('A')])],
    ['with other features', (nonce: Buffer) => Buffer.from(nonce.toString().replace('wAAA', 'AAAA'))],
  ])('one %s is stale', (_name, change) => {
    const rig = new TestRig();
    const client = rig.client();
    client.nonce = change(client.nonce!);
    expect(verdictOf(rig.send(client.allocate()))).toBe('438');
  });

  test("another address's nonce is stale, another port's is not", () => {
    const rig = new TestRig();
    const client = rig.client();
    expect(verdictOf(rig.send(client.allocate(), pathOf(50_001)))).toBe('success');
    expect(verdictOf(rig.send(client.allocate(), pathOf(50_000, 'udp', '198.51.100.8')))).toBe('438');
  });
});

// T-011: expiry enforced at Allocate, with the clocks of both sides off
describe('time-limited credentials', () => {
  const NOW = 2_000_000_000;
  const SECRET = 'between us';
  const verdictAt = (username: string, secret = SECRET): string => {
    const secrets = [
      { secret: 'new', deployment: 'b' },
      { secret: SECRET, deployment: 'a' },
    ];
    const rig = new TestRig({ credentials: { secrets, wallSeconds: () => NOW } });
    const client = rig.client({ username, password: timeLimitedPassword(username, secret) });
    return verdictOf(rig.send(client.allocate()));
  };

  test.each([
    ['an hour left', `${NOW + 3_600}:bob`, 'success'],
    ['no name', `${NOW + 3_600}`, 'success'],
    ['a name with colons', `${NOW + 3_600}:a:b`, 'success'],
    ['expired within the skew', `${NOW - 29}:bob`, 'success'],
    ['expired', `${NOW - 30}:bob`, '401'],
    ['long expired', `1:bob`, '401'],
    ['the longest lifetime and the skew', `${NOW + 86_430}:bob`, 'success'],
    ['a second too long', `${NOW + 86_431}:bob`, '401'],
    ['for ever', `999999999999:bob`, '401'],
    ['more digits than a time has', `9999999999999:bob`, '401'],
    ['a sign', `-1:bob`, '401'],
    ['no time', `bob`, '401'],
  ])('%s: %s → %s', (_name, username, expected) => {
    expect(verdictAt(username)).toBe(expected);
  });

  test('each secret is good, another is not', () => {
    expect(verdictAt(`${NOW + 60}:bob`, 'new')).toBe('success');
    expect(verdictAt(`${NOW + 60}:bob`, 'guessed')).toBe('401');
  });

  test('an allocation outlives its credential; a new one does not begin', () => {
    let wall = NOW;
    const secrets = [{ secret: SECRET, deployment: 'a' }];
    const rig = new TestRig({ credentials: { secrets, wallSeconds: () => wall } });
    const username = `${NOW + 60}:bob`;
    const client = rig.allocated({ username, password: timeLimitedPassword(username, SECRET) });
    wall += 300;
    expect(verdictOf(rig.send(client.refresh(600)))).toBe('success');
    expect(verdictOf(rig.send(client.allocate(), pathOf(50_001)))).toBe('401');
  });

  test('a vector from the scheme: coturn computes the same', () => {
    expect(timeLimitedPassword('1433895918:foobar', 'north')).toBe(
      createHashVector('1433895918:foobar', 'north'),
    );
  });
});

/** HMAC-SHA1 spelled out by RFC 2104, so that the vector does not come from the function under test. */
function createHashVector(text: string, secret: string): string {
  const pad = (byte: number): Buffer => {
    const block = Buffer.alloc(64, byte);
    Buffer.from(secret).forEach((value, index) => (block[index]! ^= value));
    return block;
  };
  const inner = createHash('sha1').update(pad(0x36)).update(text).digest();
  return createHash('sha1').update(pad(0x5c)).update(inner).digest('base64');
}

describe('Binding', () => {
  test('needs credentials unless configured otherwise', () => {
    const closed = new TestRig();
    const open = new TestRig({ machine: { answersUnauthenticatedBinding: true } });
    const bare = new TestClient(TEST_USER);
    expect(verdictOf(closed.send(bare.request(METHOD.binding)))).toBe('401');
    expect(verdictOf(open.send(bare.request(METHOD.binding)))).toBe('success');
    expect(verdictOf(closed.send(closed.client().request(METHOD.binding)))).toBe('success');
  });
});

describe('silence', () => {
  test.each([
    [
      'an indication',
      printStun({
        class: 'indication',
        method: METHOD.binding,
        transactionId: Buffer.alloc(12),
        attributes: [],
      }),
      'not-a-request',
    ],
    [
      'a success',
      printStun({
        class: 'success',
        method: METHOD.allocate,
        transactionId: Buffer.alloc(12),
        attributes: [],
      }),
      'not-a-request',
    ],
    ['half a header', Buffer.alloc(10), 'malformed'],
    ['a length that lies', Buffer.from(`0003ffff2112a442${'00'.repeat(12)}`, 'hex'), 'malformed'],
  ])('%s', (_name, bytes, reason) => {
    const rig = new TestRig();
    expect(rig.send(bytes)).toBeUndefined();
    expect(rig.counted()).toEqual([`dropped ${reason}`]);
  });

  test('a wrong fingerprint', () => {
    const rig = new TestRig();
    const bytes = new TestClient(TEST_USER).request(METHOD.allocate, [], true);
    bytes[bytes.length - 1]! ^= 1;
    expect(rig.send(bytes)).toBeUndefined();
    expect(rig.counted()).toEqual(['dropped bad-fingerprint']);
  });
});

// T-014: whatever comes, the machine answers, is silent, or says no; it never throws
test('random bytes and random changes of good requests never throw', () => {
  const rig = new TestRig({ machine: { refusalsPerSecondPerAddress: 60_000 } });
  const client = rig.allocated();
  const good = client.createPermission({ address: '8.8.8.8', port: 1 });
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255))),
      (noise, changes) => {
        rig.send(Buffer.from(noise));
        const bytes = Buffer.from(good);
        for (const [place, value] of changes) bytes[place] = value;
        rig.send(bytes);
      },
    ),
    { numRuns: 500 },
  );
});

describe('intrusion protection', () => {
  const watched = (out: string[] = []) => {
    const failures: string[] = [];
    const guard = {
      admits: (address: string, username: string | undefined) => !out.includes(username ?? address),
      failed: (address: string, username: string | undefined) => void failures.push(`${username} ${address}`),
    };
    return { failures, rig: new TestRig({ machine: { guard } }) };
  };
  const from = pathOf(1).remote.address;

  test.each([
    ['a wrong password', { password: 'looking-glass' }, [`alice ${from}`]],
    ['an unknown user', { username: 'mallory' }, [`undefined ${from}`]],
    ['an unknown USERHASH', { userhash: Buffer.alloc(32, 1) }, [`undefined ${from}`]],
    ['good credentials', {}, []],
  ] as const)('hears of %s', (_name, options, expected) => {
    const { rig, failures } = watched();
    rig.send(rig.client(options).allocate());
    expect(failures).toEqual(expected);
  });

  test('hears nothing of who has not proven his address, or only waits too long', () => {
    const { rig, failures } = watched();
    rig.send(new TestClient(TEST_USER).allocate());
    const stranger = new TestClient({ ...TEST_USER, password: 'looking-glass' });
    rig.send(stranger.allocate());
    expect(failures).toEqual([]);
  });

  test('an address that is out gets no answer, nor does a user at his', () => {
    expect(watched([from]).rig.send(new TestClient(TEST_USER).allocate())).toBeUndefined();
    const { rig } = watched(['alice']);
    expect(rig.send(rig.client().allocate())).toBeUndefined();
    expect(rig.machine.sizes().allocations).toBe(0);
  });

  test('who is relaying goes on', () => {
    const out: string[] = [];
    const { rig } = watched(out);
    const client = rig.client();
    expect(verdictOf(rig.send(client.allocate()))).toBe('success');
    out.push('alice');
    expect(verdictOf(rig.send(client.refresh(600)))).toBe('success');
  });
});
