import { describe, expect, it } from 'vitest';
import {
  count,
  duration,
  host,
  hostName,
  ipAddress,
  isNameServer,
  mediaPortRange,
  portRange,
  size,
} from './units.ts';

describe('duration', () => {
  const leaf = duration('1 s', '1 h', '30 s');
  it.each([
    ['30 s', 30_000],
    ['30s', 30_000],
    ['1.5 min', 90_000],
    ['1000 ms', 1_000],
    ['1 h', 3_600_000],
    [undefined, 30_000],
  ])('%s is %d ms', (text, expected) => expect(leaf.parse(text)).toBe(expected));
  it.each(['30', '', 's', '-1 s', '1  s', '999 ms', '61 min', '1e3 s', '3 parsecs', '1 s '])(
    'refuses %j',
    (text) => expect(leaf.safeParse(text).success).toBe(false),
  );
});

describe('size', () => {
  const leaf = size('1 KiB', '4 GiB', '32 KiB');
  it.each([
    ['64 KiB', 65_536],
    ['1 MiB', 1_048_576],
    ['4 GiB', 4_294_967_296],
  ])('%s is %d bytes', (text, expected) => expect(leaf.parse(text)).toBe(expected));
  it.each(['64 KB', '64', '1 B', '5 GiB'])('refuses %j', (text) =>
    expect(leaf.safeParse(text).success).toBe(false),
  );
});

describe('port range', () => {
  const leaf = portRange(1024, 65535, '36002-59999');
  it('takes FIRST-LAST', () => expect(leaf.parse('40000-40099')).toEqual({ first: 40000, last: 40099 }));
  it.each(['40000', '40099-40000', '40000-40000', '80-90', '40000-70000', '40000 - 40099'])(
    'refuses %j',
    (text) => expect(leaf.safeParse(text).success).toBe(false),
  );
});

describe('names and addresses', () => {
  it('folds a host name to lower case', () =>
    expect(hostName().parse('Edge.Example.COM')).toBe('edge.example.com'));
  it.each([
    'edge_1.example.com',
    '-a.example',
    'a..b',
    '',
    '192.0.2.1',
    'a'.repeat(64),
    `${'a.'.repeat(127)}aa`,
  ])('is no host name: %j', (text) => expect(hostName().safeParse(text).success).toBe(false));
  it.each(['192.0.2.1', '2001:db8::1', 'ucm.example.com'])('is a host: %j', (text) =>
    expect(host().parse(text)).toBe(text),
  );
  it.each(['300.1.1.1', '1.2.3', '::g', 'ucm'])('is no address: %j', (text) =>
    expect(ipAddress().safeParse(text).success).toBe(false),
  );
});

it('a count keeps its range', () => {
  expect(count(0, 100, 8).parse(undefined)).toBe(8);
  for (const value of [-1, 101, 1.5, '8']) expect(count(0, 100, 8).safeParse(value).success).toBe(false);
});

it('media ports start even and end odd', () => {
  expect(mediaPortRange('36002-59999').parse(undefined)).toEqual({ first: 36002, last: 59999 });
  for (const text of ['36001-59999', '36002-59998', '59999-36002']) {
    expect(mediaPortRange('36002-59999').safeParse(text).success).toBe(false);
  }
});

it.each([
  ['192.0.2.53', true],
  ['192.0.2.53:5353', true],
  ['[2001:db8::53]:53', true],
  ['2001:db8::53', true],
  ['192.0.2.53:0', false],
  ['192.0.2.53:70000', false],
  ['dns.example.com', false],
  ['', false],
])('%j as a name server: %s', (text, expected) => expect(isNameServer(text)).toBe(expected));
