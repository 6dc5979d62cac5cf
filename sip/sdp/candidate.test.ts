// a=candidate: what is read, what is refused, and that refusing takes linear time.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isIcePassword, isIceUfrag, parseCandidate, parseRemoteCandidates } from './index.ts';

const HOST = '1 1 UDP 2130706431 192.168.1.5 50000 typ host';

describe('a=candidate', () => {
  test.each([
    ['host', HOST, { foundation: '1', component: 1, address: '192.168.1.5', port: 50000, type: 'host' }],
    ['lower case transport', HOST.replace('UDP', 'udp'), { type: 'host' }],
    ['upper case type', HOST.replace('typ host', 'typ SRFLX'), { type: 'srflx' }],
    [
      'server-reflexive with where it was seen from',
      'aB+/ 2 UDP 1694498815 203.0.113.9 61000 typ srflx raddr 10.0.0.2 rport 50001',
      { foundation: 'aB+/', component: 2, address: '203.0.113.9', type: 'srflx' },
    ],
    [
      'TCP with its type',
      '3 1 TCP 1 10.0.0.2 9 typ host tcptype active generation 0',
      { type: 'host', port: 9 },
    ],
    ['IPv6', HOST.replace('192.168.1.5', '2001:db8::5'), { address: '2001:db8::5' }],
  ])('%s', (_name, line, expected) => {
    expect(parseCandidate(line)).toMatchObject(expected);
  });

  test.each([
    ['empty', '', 'malformed'],
    ['two spaces', HOST.replace(' 1 ', '  1 '), 'malformed'],
    ['component 0', HOST.replace('1 1 ', '1 0 '), 'malformed'],
    ['component 257', HOST.replace('1 1 ', '1 257 '), 'malformed'],
    ['priority 2^31', HOST.replace('2130706431', '2147483648'), 'malformed'],
    ['port 65536', HOST.replace('50000', '65536'), 'malformed'],
    ['unknown type', HOST.replace('typ host', 'typ magic'), 'malformed'],
    ['foundation of 33', HOST.replace('1 1', `${'x'.repeat(33)} 1`), 'malformed'],
    ['extension without its value', `${HOST} generation`, 'malformed'],
    ['nine extensions', `${HOST}${' a b'.repeat(9)}`, 'malformed'],
    ['origin that is a name', `${HOST} raddr db.inside.example rport 1`, 'malformed'],
    ['a kilobyte', `${HOST} a ${'b'.repeat(1000)}`, 'malformed'],
    ['mDNS', HOST.replace('192.168.1.5', 'aa-bb.local'), 'name'],
    ['a name', HOST.replace('192.168.1.5', 'cucm.inside.example'), 'name'],
    ['IPv6 with a zone', HOST.replace('192.168.1.5', 'fe80::1%eth0'), 'name'],
  ])('%s is refused', (_name, line, refusal) => {
    expect(parseCandidate(line)).toBe(refusal);
  });

  test('any text gives a candidate or a word', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 600 }), (text) => {
        const parsed = parseCandidate(text);
        expect(typeof parsed === 'string' || parsed.port <= 65535).toBe(true);
      }),
    );
  });

  test('a hostile line takes no longer than a good one of its length', () => {
    const started = process.cpuUsage().user;
    for (let round = 0; round < 2000; round++) parseCandidate(`${HOST}${' a'.repeat(160)}!`);
    expect(process.cpuUsage().user - started).toBeLessThan(2_000_000);
  });
});

test('credentials have the lengths of the RFC', () => {
  expect([isIceUfrag('abc'), isIceUfrag('abcd'), isIceUfrag('a'.repeat(257)), isIceUfrag('ab cd')]).toEqual([
    false,
    true,
    false,
    false,
  ]);
  expect([isIcePassword('a'.repeat(21)), isIcePassword('a'.repeat(22)), isIcePassword(undefined)]).toEqual([
    false,
    true,
    false,
  ]);
});

test.each([
  ['1 192.0.2.1 5000', [{ component: 1, address: '192.0.2.1', port: 5000 }]],
  ['1 192.0.2.1 5000 2 192.0.2.1 5001', expect.objectContaining({ length: 2 }) as unknown],
  ['1 host.example 5000', undefined],
  ['1 192.0.2.1', undefined],
  ['', undefined],
])('a=remote-candidates:%s', (value, expected) => {
  expect(parseRemoteCandidates(value)).toEqual(expected);
});
