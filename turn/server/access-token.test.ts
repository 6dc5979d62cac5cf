// Access tokens (RFC 7635): what is sealed is what is opened, nothing else opens; who may ask with one, for how long, and
// what a key id in the wrong hands is worth (T-011, T-012).
import { createSecretKey } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ATTRIBUTE, type StunAttribute } from '../stun-attribute.ts';
import { findAttribute, METHOD, parseStun, printStun } from '../stun.ts';
import { number32, TestClient, UDP_TRANSPORT, verdictOf } from '../test-client.ts';
import { TEST_USER } from '../test-server.ts';
import { openAccessToken, sealAccessToken, type AccessToken } from './access-token.ts';
import { pathOf, TestRig } from './test-rig.ts';

const SERVER = 'turn.example.com';
const KEY = Buffer.alloc(32, 1);
const NEXT_KEY = Buffer.alloc(16, 2);
const MAC_KEY = Buffer.alloc(20, 3);
const NOW = 1_800_000_000;
const TOKEN: AccessToken = { macKey: MAC_KEY, issuedAt: NOW, lifetimeSeconds: 600 };

function seal(changes: Partial<AccessToken> = {}, key = KEY, name = SERVER): Buffer {
  const algorithm = key.length === 32 ? 'A256GCM' : 'A128GCM';
  return sealAccessToken(
    { ...TOKEN, ...changes },
    createSecretKey(key),
    algorithm,
    name,
    Buffer.alloc(12, 4),
  );
}

describe('the codec', () => {
  test('opens what was sealed', () => {
    const keys = fc.uint8Array({ minLength: 16, maxLength: 64 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(keys, fc.nat(2 ** 32), fc.nat(2 ** 31), (macKey, issuedAt, lifetimeSeconds) => {
        const token = seal({ macKey, issuedAt, lifetimeSeconds });
        expect(openAccessToken(token, createSecretKey(KEY), 'A256GCM', SERVER)).toEqual({
          macKey,
          issuedAt,
          lifetimeSeconds,
        });
      }),
    );
  });

  test('opens nothing else: any byte changed, cut, lengthened, random', () => {
    const token = seal();
    const open = (bytes: Buffer) => openAccessToken(bytes, createSecretKey(KEY), 'A256GCM', SERVER);
    for (let at = 0; at < token.length; at++) {
      const changed = Buffer.from(token);
      changed[at]! ^= 0x40;
      expect([at, open(changed)]).toEqual([at, undefined]);
      expect([at, open(token.subarray(0, at))]).toEqual([at, undefined]);
    }
    expect(open(Buffer.concat([token, Buffer.alloc(1)]))).toBeUndefined();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => open(Buffer.from(bytes)) === undefined),
    );
  });

  test.each([
    ['another key', openAccessToken(seal(), createSecretKey(Buffer.alloc(32)), 'A256GCM', SERVER)],
    ['another server', openAccessToken(seal(), createSecretKey(KEY), 'A256GCM', 'turn.example.org')],
    [
      'a mac key too short',
      openAccessToken(seal({ macKey: Buffer.alloc(15) }), createSecretKey(KEY), 'A256GCM', SERVER),
    ],
    [
      'a mac key too long',
      openAccessToken(seal({ macKey: Buffer.alloc(65) }), createSecretKey(KEY), 'A256GCM', SERVER),
    ],
  ])('not with %s', (_name, opened) => expect(opened).toBeUndefined());
});

function open(wall = { seconds: NOW }): TestRig {
  return new TestRig({
    machine: { randomBytes: (count) => Buffer.alloc(count, 7) },
    credentials: {
      wallSeconds: () => wall.seconds,
      maxTtlSeconds: 3_600,
      tokens: {
        serverName: SERVER,
        keys: [
          { kid: 'old', key: KEY, algorithm: 'A256GCM', deployment: 'd' },
          { kid: 'new', key: NEXT_KEY, algorithm: 'A128GCM', deployment: 'd' },
        ],
      },
    },
  });
}

/** A request of whoever holds a token, sealed with its key. */
function request(
  client: TestClient,
  method: number,
  attributes: readonly StunAttribute[],
  {
    kid = 'old',
    token,
    macKey = MAC_KEY,
    sha256 = false,
  }: { kid?: string; token?: Buffer; macKey?: Buffer; sha256?: boolean },
): Buffer {
  const transactionId = Buffer.from(client.request(method).subarray(8, 20));
  const names = [
    { type: ATTRIBUTE.username, value: Buffer.from(kid) },
    { type: ATTRIBUTE.realm, value: client.realm! },
    { type: ATTRIBUTE.nonce, value: client.nonce! },
    ...(token ? [{ type: ATTRIBUTE.accessToken, value: token }] : []),
  ];
  const algorithm = sha256 ? 'sha256' : 'sha1';
  return printStun(
    { class: 'request', method, transactionId, attributes: [...attributes, ...names] },
    { integrity: { algorithm, key: macKey } },
  );
}

const allocate = (client: TestClient, options: Parameters<typeof request>[3]): Buffer =>
  request(client, METHOD.allocate, [UDP_TRANSPORT], options);

describe('at the server', () => {
  test('a challenge names this server for the authorization server', () => {
    const rig = open();
    const challenge = parseStun(rig.send(new TestClient(TEST_USER).allocate())!);
    expect(findAttribute(challenge, ATTRIBUTE.thirdPartyAuthorization)?.toString()).toBe(SERVER);
  });

  test.each([
    ['the token', { token: seal() }, 'success', ''],
    ['sealed with SHA-256', { token: seal(), sha256: true }, 'success', ''],
    ["coturn's sixteen bytes of the key", { token: seal(), macKey: MAC_KEY.subarray(0, 16) }, 'success', ''],
    ['the next key id, while keys change', { kid: 'new', token: seal({}, NEXT_KEY) }, 'success', ''],
    ['an unknown key id', { kid: 'gone', token: seal() }, '401', 'unknown-user'],
    ['a token of the other key', { kid: 'new', token: seal() }, '401', 'bad-token'],
    ['a token for another server', { token: seal({}, KEY, 'other') }, '401', 'bad-token'],
    ['a token without its key', { token: seal(), macKey: Buffer.alloc(20) }, '401', 'bad-integrity'],
    ['an expired token', { token: seal({ issuedAt: NOW - 631 }) }, '401', 'expired'],
    ['a token from the future', { token: seal({ issuedAt: NOW + 31 }) }, '401', 'bad-token'],
    ['a token that never ends', { token: seal({ lifetimeSeconds: 1e9 }) }, '401', 'lifetime-too-long'],
    ['no token', {}, '401', 'unknown-user'],
    ['an empty token', { token: Buffer.alloc(0) }, '401', 'bad-token'],
  ])('%s: %s', (_name, options, expected, reason) => {
    const rig = open();
    const client = rig.client();
    rig.clear();
    expect(verdictOf(rig.send(allocate(client, options)))).toBe(expected);
    expect(rig.counted()).toEqual([reason === '' ? 'answered allocate' : `refused ${reason}`]);
    expect(rig.machine.sizes().allocations).toBe(expected === 'success' ? 1 : 0);
  });

  test('a lifetime ends with the token; later requests need not repeat it, until it is over', () => {
    const rig = open();
    const client = rig.client();
    const answer = parseStun(rig.send(allocate(client, { token: seal({ lifetimeSeconds: 90 }) }))!);
    expect(findAttribute(answer, ATTRIBUTE.lifetime)?.readUInt32BE()).toBe(120);
    const refresh = (options: Parameters<typeof request>[3]) =>
      rig.send(request(client, METHOD.refresh, [number32(ATTRIBUTE.lifetime, 600)], options));
    expect(verdictOf(refresh({}))).toBe('success');
    rig.now += 60_000;
    expect(findAttribute(parseStun(refresh({})!), ATTRIBUTE.lifetime)?.readUInt32BE()).toBe(60);
    // The next token, by the next key, on the same 5-tuple.
    const next = { kid: 'new', macKey: Buffer.alloc(20, 9) };
    const renewed = refresh({ ...next, token: seal({ macKey: next.macKey }, NEXT_KEY) });
    expect(findAttribute(parseStun(renewed!), ATTRIBUTE.lifetime)?.readUInt32BE()).toBe(600);
    expect(verdictOf(refresh(next))).toBe('success');
    expect(verdictOf(refresh({}))).toBe('401');
    rig.send(request(client, METHOD.refresh, [number32(ATTRIBUTE.lifetime, 0)], next));
    expect(rig.machine.sizes().allocations).toBe(0);
  });

  // T-012: who shares a key id shares nothing else
  test('a mobility ticket is not for another holder of the same key id', () => {
    const rig = open();
    const client = rig.client();
    const mobile = { type: ATTRIBUTE.mobilityTicket, value: Buffer.alloc(0) };
    const answer = rig.send(request(client, METHOD.allocate, [UDP_TRANSPORT, mobile], { token: seal() }));
    const ticket = findAttribute(parseStun(answer!), ATTRIBUTE.mobilityTicket)!;
    const theft = { type: ATTRIBUTE.mobilityTicket, value: ticket };
    const eve = { macKey: Buffer.alloc(20, 6), token: seal({ macKey: Buffer.alloc(20, 6) }) };
    const elsewhere = pathOf(50_001);
    expect(verdictOf(rig.send(request(client, METHOD.refresh, [theft], eve), elsewhere))).toBe('441');
    const owner = { token: seal() };
    expect(verdictOf(rig.send(request(client, METHOD.refresh, [theft], owner), elsewhere))).toBe('success');
  });

  test('a key of the wrong length refuses to start, by its id', () => {
    const keys = [{ kid: 'short', key: Buffer.alloc(16), algorithm: 'A256GCM' as const, deployment: 'd' }];
    expect(() => new TestRig({ credentials: { tokens: { serverName: SERVER, keys } } })).toThrow(
      /short.*16 bytes/,
    );
  });
});
