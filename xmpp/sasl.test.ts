import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeSasl, refuseMechanism, saslIdentity } from './sasl.ts';

const MISMATCH = 'invalid-authzid';
const MALFORMED = 'malformed-request';

describe('who signs in, and that nobody acts as another (T-084)', () => {
  it.each([
    ['PLAIN', '\0alice\0pw', 'alice@example.com'],
    ['PLAIN', '\0Alice\0pw', 'alice@example.com'],
    ['PLAIN', '\0alice@example.com\0pw', 'alice@example.com'],
    ['PLAIN', 'alice@example.com\0alice\0pw', 'alice@example.com'],
    ['PLAIN', 'ALICE@Example.com\0alice\0pw', 'alice@example.com'],
    ['PLAIN', 'bob@example.com\0alice\0pw', MISMATCH],
    ['PLAIN', 'bob\0alice\0pw', MISMATCH],
    ['PLAIN', 'alice@other.com\0alice\0pw', MISMATCH],
    ['PLAIN', 'alice@example.com/desk\0alice\0pw', MISMATCH],
    ['PLAIN', '\0alice@other.com\0pw', MALFORMED],
    ['PLAIN', '\0\0pw', MALFORMED],
    ['PLAIN', '\0alice', MALFORMED],
    ['PLAIN', '\0alice\0pw\0more', MALFORMED],
    ['PLAIN', '\0al ice\0pw', MALFORMED],
    ['SCRAM-SHA-1', 'n,,n=alice,r=abc', 'alice@example.com'],
    ['SCRAM-SHA-256', 'y,,n=alice,r=abc', 'alice@example.com'],
    ['SCRAM-SHA-1', 'n,a=alice,n=alice,r=abc', 'alice@example.com'],
    ['SCRAM-SHA-1', 'n,a=alice=40,n=alice,r=abc', MISMATCH],
    ['SCRAM-SHA-1', 'n,a=bob@example.com,n=alice,r=abc', MISMATCH],
    ['SCRAM-SHA-1', 'n,a==2C,n==2C,r=abc', ',@example.com'],
    ['SCRAM-SHA-1', 'p=tls-exporter,,n=alice,r=abc', MALFORMED],
    ['SCRAM-SHA-1', 'n,,r=abc', MALFORMED],
    ['SCRAM-SHA-1', 'hello', MALFORMED],
    ['CISCO-VTG-TOKEN', 'userid=alice@example.com\0token=123', 'alice@example.com'],
    ['CISCO-VTG-TOKEN', 'userid=alice@other.com\0token=123', MALFORMED],
    ['CISCO-VTG-TOKEN', 'userid=alice@example.com\0token=', MALFORMED],
    ['CISCO-VTG-TOKEN', 'userid=alice@example.com\0token=1\0token=2', MALFORMED],
    ['X-OAUTH2', '\0alice\0a.b-c_d', 'alice@example.com a.b-c_d'],
    ['X-OAUTH2', 'bob\0alice\0a.b.c', MISMATCH],
    ['X-OAUTH2', '\0alice\0a b', MALFORMED],
    ['X-OAUTH2', '\0alice\0', MALFORMED],
    ['OAUTHBEARER', 'n,a=alice@example.com,\x01auth=Bearer a.b-c_d\x01\x01', 'alice@example.com a.b-c_d'],
    ['OAUTHBEARER', 'n,,\x01host=x\x01port=5222\x01auth=Bearer a.b\x01\x01', 'undefined a.b'],
    ['OAUTHBEARER', 'n,a=alice@other.com,\x01auth=Bearer a.b\x01\x01', MALFORMED],
    ['OAUTHBEARER', 'n,,\x01auth=Basic a.b\x01\x01', MALFORMED],
    ['OAUTHBEARER', 'n,,\x01auth=Bearer a\x01auth=Bearer b\x01\x01', MALFORMED],
    ['OAUTHBEARER', 'n,,\x01host=x\x01\x01', MALFORMED],
    ['OAUTHBEARER', 'n,,\x01auth=Bearer a\x01', MALFORMED],
    ['OAUTHBEARER', 'p=tls-exporter,,\x01auth=Bearer a\x01\x01', MALFORMED],
    ['OAUTHBEARER', '\x01', MALFORMED],
  ])('%s %j: %s', (mechanism, message, expected) => {
    const identity = saslIdentity(mechanism, Buffer.from(message), 'example.com');
    const seen =
      'condition' in identity ? identity.condition : [identity.user ?? 'undefined', identity.token];
    expect([seen].flat().join(' ').trim()).toBe(expected);
  });

  it('refuses what is not UTF-8', () => {
    expect(saslIdentity('PLAIN', Buffer.from([0, 0xff, 0]), 'example.com')).toMatchObject({
      condition: MALFORMED,
    });
  });

  it('never throws and never names a domain but the one of the stream', () => {
    const mechanism = fc.constantFrom('PLAIN', 'SCRAM-SHA-1', 'CISCO-VTG-TOKEN', 'OAUTHBEARER', 'X-OAUTH2');
    fc.assert(
      fc.property(mechanism, fc.string({ maxLength: 60 }), (name, message) => {
        const identity = saslIdentity(name, Buffer.from(message), 'example.com');
        if ('user' in identity) expect(identity.user ?? 'a@example.com').toMatch(/^[^@]+@example\.com$/);
      }),
    );
  });
});

describe('which mechanisms pass', () => {
  it.each([
    ['PLAIN', undefined],
    ['SCRAM-SHA-1', undefined],
    ['SCRAM-SHA-256', undefined],
    ['CISCO-VTG-TOKEN', undefined],
    ['SCRAM-SHA-256-PLUS', 'channel binding cannot hold here: use the mechanism without -PLUS'],
    ['X-OAUTH2', 'sign-in by OAuth token is not available for messaging'],
    ['OAUTHBEARER', 'sign-in by OAuth token is not available for messaging'],
    ['ANONYMOUS', 'this mechanism is not available here'],
    ['EXTERNAL', 'this mechanism is not available here'],
    ['', 'this mechanism is not available here'],
  ])('%s: %s', (mechanism, expected) => {
    expect(refuseMechanism(mechanism, false)?.text).toBe(expected);
  });
});

it.each(['OAUTHBEARER', 'X-OAUTH2'])('lets %s pass where tokens are checked', (mechanism) => {
  expect(refuseMechanism(mechanism, true)).toBeUndefined();
});

it('sees an access token in the place of a one-time password', () => {
  const jws = `${'a'.repeat(20)}.${'b'.repeat(20)}.${'c'.repeat(20)}`;
  const message = Buffer.from(`userid=alice@example.com\0token=${jws}`);
  expect(saslIdentity('CISCO-VTG-TOKEN', message, 'example.com')).toEqual({
    user: 'alice@example.com',
    token: jws,
  });
});

describe('base64 as RFC 6120 §6.4.2 wants it', () => {
  it.each([
    ['=', ''],
    ['', ''],
    ['YQ==', 'a'],
    ['YWI=', 'ab'],
    ['YWJj', 'abc'],
    ['YQ', undefined],
    ['YQ= =', undefined],
    ['Y-_h', undefined],
    [' YWJj', undefined],
  ])('%j: %j', (text, expected) => {
    expect(decodeSasl(text)?.toString()).toBe(expected);
  });
});
