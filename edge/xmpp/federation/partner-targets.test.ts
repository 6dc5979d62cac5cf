// Where a partner's server is looked for, and where it never is, whatever DNS says (T-086).
import { describe, expect, it } from 'vitest';
import { PeerPolicy } from '../../../turn/index.ts';
import type { ServiceRecord } from './federation-options.ts';
import { partnerTargets } from './partner-targets.ts';

interface Zone {
  readonly plain?: readonly ServiceRecord[];
  readonly direct?: readonly ServiceRecord[];
  readonly addresses?: Readonly<Record<string, readonly string[]>>;
}

const srv = (host: string, priority = 0, weight = 0, port = 5269): ServiceRecord => ({
  host,
  port,
  priority,
  weight,
});
const policy = new PeerPolicy({
  allow: ['10.9.0.0/16'],
  deny: ['203.0.113.0/24'],
  ownAddresses: ['198.51.100.7'],
  relayAddresses: [],
  ownPorts: [],
});

async function found(
  zone: Zone,
  route?: { host: string; port: number },
  random = 0,
): Promise<readonly string[]> {
  const counted: string[] = [];
  const targets = await partnerTargets('partner.test', route, {
    dns: {
      services: (name) => Promise.resolve((name.startsWith('_xmpps') ? zone.direct : zone.plain) ?? []),
      addresses: (host) => Promise.resolve(zone.addresses?.[host] ?? []),
    },
    isAllowedTarget: (address) => policy.judge(address).allowed,
    random: () => random,
    count: (event) => counted.push(event),
  });
  return [
    ...targets.map(({ address, port, isDirectTls }) => `${address} ${port}${isDirectTls ? ' tls' : ''}`),
    ...counted,
  ];
}

const A = '93.184.216.34';
const B = '93.184.216.35';

describe('a partner is found', () => {
  it.each<[string, Zone, readonly string[]]>([
    ['by SRV', { plain: [srv('a', 0, 0, 5270)], addresses: { a: [A] } }, [`${A} 5270`]],
    ['at its domain without SRV', { addresses: { 'partner.test': [A] } }, [`${A} 5269`]],
    [
      'nowhere when the service is decidedly not there',
      { plain: [srv('.')], addresses: { 'partner.test': [A] } },
      [],
    ],
    ['nowhere without an address', { plain: [srv('a')] }, []],
    [
      'in the order of priorities, TLS from the first byte among them (XEP-0368)',
      { plain: [srv('b', 20), srv('a', 5)], direct: [srv('b', 10, 0, 443)], addresses: { a: [A], b: [B] } },
      [`${A} 5269`, `${B} 443 tls`, `${B} 5269`],
    ],
    [
      'at no more than six services and three addresses of each',
      {
        plain: Array.from({ length: 20 }, (_, n) => srv('a', n, 0, n + 1)),
        addresses: { a: [A, B, A, B] },
      },
      [1, 2, 3, 4, 5, 6].flatMap((port) => [`${A} ${port}`, `${B} ${port}`, `${A} ${port}`]),
    ],
    ['but not at port 0', { plain: [srv('a', 0, 0, 0)], addresses: { a: [A] } }, []],
  ])('%s', async (_name, zone, expected) => {
    expect(await found(zone)).toEqual(expected);
  });

  it('by weight among equals', async () => {
    const zone = { plain: [srv('a', 0, 1), srv('b', 0, 97)], addresses: { a: [A], b: [B] } };
    expect((await found(zone, undefined, 0.5))[0]).toBe(`${B} 5269`);
    expect((await found(zone, undefined, 0))[0]).toBe(`${A} 5269`);
  });

  it('by a static route, whose address is believed and whose name is looked up and judged', async () => {
    expect(await found({}, { host: '10.1.2.3', port: 1 })).toEqual(['10.1.2.3 1']);
    expect(await found({ addresses: { a: [A] } }, { host: 'a', port: 2 })).toEqual([`${A} 2`]);
    expect(await found({ addresses: { a: ['10.1.2.3'] } }, { host: 'a', port: 2 })).toEqual([
      'target-refused',
    ]);
  });
});

describe('DNS leads nobody inside (T-086)', () => {
  it.each([
    ['loopback', '127.0.0.1'],
    ['loopback, IPv6', '::1'],
    ['a private network', '10.0.0.53'],
    ['another', '192.168.1.1'],
    ['metadata', '169.254.169.254'],
    ['unique local', 'fd00::1'],
    ['link local', 'fe80::1'],
    ['the unspecified address', '0.0.0.0'],
    ['loopback inside IPv6', '::ffff:127.0.0.1'],
    ['a private address behind NAT64', '64:ff9b::10.0.0.1'],
    ['a private address inside 6to4', '2002:a00:1::1'],
    ['an address of this machine', '198.51.100.7'],
    ['a denied range', '203.0.113.9'],
    ['no address', 'inside.example'],
  ])('%s', async (_name, address) => {
    expect(await found({ plain: [srv('a')], addresses: { a: [address] } })).toEqual(['target-refused']);
    expect(await found({ plain: [srv('a')], addresses: { a: [address, A] } })).toEqual([
      `${A} 5269`,
      'target-refused',
    ]);
  });

  it('an address in place of a name is judged too', async () => {
    expect(await found({ plain: [srv('10.0.0.1')] })).toEqual(['target-refused']);
  });

  it('what the operator allows is allowed', async () => {
    expect(await found({ plain: [srv('a')], addresses: { a: ['10.9.1.1'] } })).toEqual(['10.9.1.1 5269']);
  });

  it('rejects when DNS fails, so that nobody takes silence for absence', async () => {
    const failing = {
      services: () => Promise.reject(new Error('SERVFAIL')),
      addresses: () => Promise.resolve([A]),
    };
    const options = { dns: failing, isAllowedTarget: () => true, random: () => 0, count: () => undefined };
    await expect(partnerTargets('partner.test', undefined, options)).rejects.toThrow('SERVFAIL');
  });
});
