import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Lane, LaneError, maxLaneLength, parseLane, printLane, splitLanePath } from './lane.ts';

const encode = (text: string): string => Buffer.from(text, 'latin1').toString('base64url');

/** Lanes seen on real wires, with what they mean. */
const seen: [segment: string, lane: Lane][] = [
  ['dGJ0cC5jb20', { kind: 'domain', domain: 'tbtp.com' }],
  ['ZXUuY2hlZ2cuY29t', { kind: 'domain', domain: 'eu.chegg.com' }],
  ['dGxhYnMuZGU', { kind: 'domain', domain: 'tlabs.de' }],
  [
    'c3RldmVuLmxhYi9odHRwcy9jdWNtLnN0ZXZlbi5sYWIvODQ0Mw',
    { kind: 'proxy', domain: 'steven.lab', protocol: 'https', host: 'cucm.steven.lab', port: 8443 },
  ],
  [
    'c3RldmVuLmxhYi9odHRwcy8xMC40OC4zNi4yMTUvODQ0Mw',
    { kind: 'proxy', domain: 'steven.lab', protocol: 'https', host: '10.48.36.215', port: 8443 },
  ],
  [
    'aHBjbC5jby5pbi9odHRwLzEwLjE1LjAuMzMvNjk3MA',
    { kind: 'proxy', domain: 'hpcl.co.in', protocol: 'http', host: '10.15.0.33', port: 6970 },
  ],
];

describe('lanes seen on the wire', () => {
  test.each(seen)('%s', (segment, lane) => {
    expect(parseLane(segment)).toEqual(lane);
    expect(printLane(lane)).toBe(segment);
  });
});

describe('other spellings of the same lane', () => {
  const rows: [name: string, segment: string, printed: string][] = [
    ['padding', 'dGJ0cC5jb20=', 'dGJ0cC5jb20'],
    ['capitals in the domain', encode('TBTP.Com'), 'dGJ0cC5jb20'],
    ['capitals in the host', encode('a.b/https/CUCM.a.b/8443'), encode('a.b/https/cucm.a.b/8443')],
    ['IPv6 in brackets', encode('a.b/https/[2001:DB8::0:1]/443'), encode('a.b/https/2001:db8::1/443')],
    ['IPv6 bare and long', encode('a.b/https/2001:db8:0:0:0:0:0:1/443'), encode('a.b/https/2001:db8::1/443')],
  ];
  test.each(rows)('%s', (_name, segment, printed) => {
    expect(printLane(parseLane(segment))).toBe(printed);
  });
});

describe('refused', () => {
  const label = 'a'.repeat(64);
  const rows: [name: string, segment: string, code: string][] = [
    ['empty', '', 'length'],
    ['longer than any lane', 'a'.repeat(maxLaneLength + 1), 'length'],
    ['not base64', 'dGJ0.C5jb20', 'encoding'],
    ['percent-encoded', 'dGJ0cC5jb20%3D', 'encoding'],
    ['one digit too many', 'dGJ0c', 'encoding'],
    ['bits past the end', 'dGJ0cC5jb21', 'encoding'],
    ['wrong padding', 'dGJ0cC5jb20==', 'encoding'],
    ['two parts', encode('a.b/https'), 'shape'],
    ['five parts', encode('a.b/https/c.d/443/x'), 'shape'],
    ['slash at the end', encode('a.b/'), 'shape'],
    ['no domain', encode('/https/c.d/443'), 'domain'],
    ['domain with a dot at the end', encode('a.b.'), 'domain'],
    ['domain that is an address', encode('10.0.0.1'), 'domain'],
    ['domain with NUL', encode('a.b\0'), 'domain'],
    ['domain beyond ASCII', encode('\u00e4.de'), 'domain'],
    ['domain with CR LF', encode('a.b\r\nX: y'), 'domain'],
    ['label of 64', encode(`${label}.b`), 'domain'],
    ['other protocol', encode('a.b/ftp/c.d/21'), 'protocol'],
    ['protocol in capitals', encode('a.b/HTTPS/c.d/443'), 'protocol'],
    ['no host', encode('a.b/https//443'), 'host'],
    ['host with user', encode('a.b/https/u@c.d/443'), 'host'],
    ['host with port', encode('a.b/https/c.d:1/443'), 'host'],
    ['host as one number', encode('a.b/https/2130706433/443'), 'host'],
    ['host as short address', encode('a.b/https/127.1/443'), 'host'],
    ['host as hex address', encode('a.b/https/0x7f.0x1/443'), 'host'],
    ['host as octal address', encode('a.b/https/0177.0.0.1/443'), 'host'],
    ['host with zone id', encode('a.b/https/fe80::1%eth0/443'), 'host'],
    ['host with underscore', encode('a.b/https/c_d.e/443'), 'host'],
    ['name in brackets', encode('a.b/https/[c.d]/443'), 'host'],
    ['port 0', encode('a.b/https/c.d/0'), 'port'],
    ['port 65536', encode('a.b/https/c.d/65536'), 'port'],
    ['port with sign', encode('a.b/https/c.d/+443'), 'port'],
    ['port with zero in front', encode('a.b/https/c.d/0443'), 'port'],
    ['no port', encode('a.b/https/c.d/'), 'port'],
  ];
  test.each(rows)('%s', (_name, segment, code) => {
    const failure = catchOf(() => parseLane(segment));
    expect(failure).toBeInstanceOf(LaneError);
    expect(failure).toMatchObject({ code });
  });
});

describe('properties', () => {
  test('whatever parses prints to a lane that parses to the same', () => {
    const name = fc.domain();
    const lane: fc.Arbitrary<Lane> = fc.oneof(
      fc.record({ kind: fc.constant('domain' as const), domain: name }),
      fc.record({
        kind: fc.constant('proxy' as const),
        domain: name,
        protocol: fc.constantFrom('http' as const, 'https' as const),
        host: fc.oneof(name, fc.ipV4()),
        port: fc.integer({ min: 1, max: 65_535 }),
      }),
    );
    fc.assert(
      fc.property(lane, (value) => {
        expect(parseLane(printLane(value))).toEqual(fold(value));
      }),
    );
  });

  test('throws nothing but LaneError', () => {
    const text = fc.oneof(fc.string(), fc.string().map(encode), fc.base64String());
    fc.assert(
      fc.property(text, (segment) => {
        const failure = catchOf(() => parseLane(segment));
        expect(failure === undefined || failure instanceof LaneError).toBe(true);
      }),
    );
  });
});

describe('splitting a path', () => {
  const rows: [path: string, segment: string | undefined, rest: string | undefined][] = [
    ['/abc/cucm-uds/version', 'abc', '/cucm-uds/version'],
    ['/abc/', 'abc', '/'],
    ['/abc', 'abc', '/'],
    ['/', undefined, undefined],
    ['//x', undefined, undefined],
    ['', undefined, undefined],
    ['*', undefined, undefined],
  ];
  test.each(rows)('%s', (path, segment, rest) => {
    const split = splitLanePath(path);
    expect(split?.segment).toBe(segment);
    expect(split?.rest).toBe(rest);
  });
});

function fold(lane: Lane): Lane {
  const domain = lane.domain.toLowerCase();
  return lane.kind === 'domain' ? { ...lane, domain } : { ...lane, domain, host: lane.host.toLowerCase() };
}

function catchOf(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}
