// Pairing: what comes out joins, is what it claims, and what does not belong together is refused in words.
import { X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { CORE, EDGE, pairForTest, zoneOf } from '../test-zone.ts';
import { type ZoneFile, ZoneFileError, pemBlock, resolveZone, zoneFileSchema } from '../zone-file.ts';
import { type Pair, printBundle } from './pair.ts';
import { type RenewRequest, renewIdentity } from './renew.ts';

const DAY_MS = 86_400_000;
let pair: Pair;
let other: Pair;
beforeAll(async () => {
  [pair, other] = await Promise.all([pairForTest(), pairForTest()]);
});

const fileOf = (of: Pair, name: string): ZoneFile =>
  zoneFileSchema.parse(parse(of.files.find((file) => file.name === name)?.yaml ?? ''));

describe('a pair', () => {
  it.each([
    [EDGE, 'edge'],
    [CORE, 'core'],
  ])('gives %s a file that joins by itself', (name, role) => {
    expect(zoneOf(pair, name).self).toEqual({ role, name });
  });

  it('issues identities for both TLS roles, of the pair alone, ending when asked', async () => {
    const now = Date.UTC(2026, 10, 20);
    const zone = zoneOf(await pairForTest({ days: 7, now }), EDGE);
    const leaf = new X509Certificate(zone.identity.certificate);
    const authority = new X509Certificate(zone.authority);
    expect(leaf.verify(authority.publicKey)).toBe(true);
    expect(leaf.subjectAltName).toBe(`DNS:${EDGE}`);
    expect(leaf.keyUsage?.toSorted()).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
    expect(leaf.ca).toBe(false);
    expect(authority.ca).toBe(true);
    expect(leaf.validToDate.getTime()).toBe(now + 7 * DAY_MS);
    expect(leaf.validFromDate.getTime()).toBeLessThan(now);
  });

  it('puts no secret of one peer into the file of another, nor the authority key into any', () => {
    const secrets = pair.files.map((file) => pemBlock(file.yaml, 'OPENSSH PRIVATE KEY'));
    expect(new Set(secrets).size).toBe(pair.files.length);
    const authorityKey = pemBlock(pair.authorityPem, 'PRIVATE KEY')?.split('\n')[1] ?? 'none';
    for (const file of pair.files) expect(file.yaml).not.toContain(authorityKey);
  });

  it('takes names longer than a common name may be', async () => {
    const name = `${'a'.repeat(60)}.${'b'.repeat(60)}.example.com`;
    const long = await pairForTest({ cores: [{ name }] });
    expect(zoneOf(long, name).self.name).toBe(name);
  });

  it.each([
    ['a name in capitals', { cores: [{ name: 'Core' }] }],
    ['no edge', { edges: [] }],
    ['seven cores', { cores: Array.from({ length: 7 }, (_, at) => ({ name: `core${at}` })) }],
    ['a zone number of 0', { zoneId: 0 }],
    ['an address that is none', { edges: [{ name: EDGE, address: '300.1.1.1' }] }],
    ['an address with a port', { edges: [{ name: EDGE, address: '10.0.1.10:2222' }] }],
    ['a name that breaks out of YAML', { zoneName: 'a\nidentity: x' }],
  ])('refuses %s', async (_name, change) => {
    await expect(pairForTest(change)).rejects.toThrow();
  });
});

describe('a zone file', () => {
  const edited = (change: (zone: ZoneFile['traversal-zone']) => void): ZoneFile => {
    const file = structuredClone(fileOf(pair, EDGE));
    change(file['traversal-zone']);
    return file;
  };
  const foreign = () => fileOf(other, EDGE)['traversal-zone'];
  const cases: [string, (zone: ZoneFile['traversal-zone']) => void, string][] = [
    [
      'the authority of another pair',
      (zone) => void (zone.authority = foreign().authority),
      "not signed by this pair's authority",
    ],
    [
      'an identity nobody lists',
      (zone) => void (zone.edges[0]!.name = 'edge2'),
      'neither an edge nor a core',
    ],
    [
      'another pinned SSH key',
      (zone) => void (zone.edges[0]!['ssh-host-key'] = foreign().edges[0]!['ssh-host-key']),
      'pins SSH key',
    ],
    ['one name twice', (zone) => void (zone.cores[0]!.name = EDGE), 'used by two peers'],
    ['an identity without keys', (zone) => void (zone.identity = zone.authority), 'no TLS key'],
    [
      'an unreadable certificate',
      (zone) => void (zone.identity = zone.identity.replace(/MII/, '')),
      'cannot be read',
    ],
    [
      'keys of two peers mixed',
      (zone) => {
        const mine = pemBlock(zone.identity, 'CERTIFICATE') ?? '';
        zone.identity =
          zone.identity.replace(mine, '') &&
          mine + foreign().identity.slice(foreign().identity.indexOf('-----BEGIN PRIVATE'));
      },
      'does not belong to its certificate',
    ],
  ];
  it.each(cases)('with %s is refused in words', (_name, change, words) => {
    const file = edited(change);
    expect(() => resolveZone(file, file['traversal-zone'].identity)).toThrow(ZoneFileError);
    expect(() => resolveZone(file, file['traversal-zone'].identity)).toThrow(words);
  });

  it('has a sentence for the operator at every key', () => {
    const zone = zoneFileSchema.shape['traversal-zone'];
    for (const [name, field] of Object.entries(zone.shape)) expect(field.description, name).toMatch(/\.$/);
  });
});

describe('renewal', () => {
  const request = (change: Partial<RenewRequest> = {}): RenewRequest => {
    const zone = zoneOf(pair, CORE);
    return {
      authorityPem: pair.authorityPem,
      zoneAuthority: zone.authority,
      name: CORE,
      identity: zone.identity,
      days: 30,
      now: Date.now(),
      ...change,
    };
  };

  it('gives a new certificate and TLS key; the pinned SSH key stays, so nobody else changes', async () => {
    const renewed = await renewIdentity(request());
    const before = zoneOf(pair, CORE);
    expect(resolveZone(fileOf(pair, CORE), printBundle(renewed)).self.name).toBe(CORE);
    expect(renewed.sshKey).toBe(before.identity.sshKey);
    expect(renewed.tlsKey).not.toBe(before.identity.tlsKey);
  });

  it.each([
    ['another authority', () => ({ authorityPem: other.authorityPem }), 'not the one of the zone file'],
    ['no key', () => ({ authorityPem: zoneOf(pair, CORE).authority }), 'certificate and private key'],
    ['an authority that has ended', () => ({ now: Date.now() + 4000 * DAY_MS }), 'pair the zone anew'],
  ])('is refused with %s', async (_name, change, words) => {
    await expect(renewIdentity(request(change()))).rejects.toThrow(words);
  });
});
