import { describe, expect, test } from 'vitest';
import { canonicalHost, NodeDirectory, type SipNode } from './node-directory.ts';

const node = (name: string, address: string, over: Partial<SipNode> = {}): SipNode => ({
  name,
  addresses: [address],
  transport: 'tcp',
  port: 5060,
  zone: `CEtcp-${name}`,
  ...over,
});
const one = node('cm1.example.com', '10.0.0.1');
const oneTls = node('cm1.example.com', '10.0.0.1', {
  transport: 'tls',
  port: 5061,
  zone: 'CEtls-cm1.example.com',
});
const oneOauth = node('cm1.example.com', '10.0.0.1', {
  transport: 'tls',
  port: 5091,
  zone: 'CEOAuth-cm1.example.com',
});
const two = node('cm2.example.com', '10.0.0.2', { addresses: ['10.0.0.2', '2001:db8::2'] });

function directory(nodes: readonly SipNode[] = [one, oneTls, oneOauth, two]) {
  const domains = ['Example.COM'];
  return new NodeDirectory({ nodes: () => nodes, servedDomains: () => domains, avoidMs: 10_000 });
}
const wanted = { port: undefined, bearer: false, homeZone: undefined };
const zones = (nodes: readonly SipNode[]) => nodes.map(({ zone }) => zone);

test.each([
  ['10.0.0.2', 'cm2.example.com'],
  ['::ffff:10.0.0.2', 'cm2.example.com'],
  ['2001:db8::2', 'cm2.example.com'],
  ['10.0.0.3', undefined],
])('a connection from %s is of %s', (address, name) =>
  expect(directory().byAddress(address)?.name).toBe(name),
);

describe('where a request may go', () => {
  const rows: [string, Parameters<NodeDirectory['candidates']>[0], string[]][] = [
    ['a node by name', { ...wanted, host: 'CM1.example.com.' }, ['CEtcp-cm1.example.com']],
    ['a node by address', { ...wanted, host: '10.0.0.2' }, ['CEtcp-cm2.example.com']],
    ['a node by mapped address', { ...wanted, host: '[::ffff:10.0.0.2]' }, ['CEtcp-cm2.example.com']],
    ['a node by its second address', { ...wanted, host: '[2001:DB8::2]' }, ['CEtcp-cm2.example.com']],
    ['a node at its TLS port', { ...wanted, host: 'cm1.example.com', port: 5061 }, ['CEtls-cm1.example.com']],
    [
      'a node with a token',
      { ...wanted, host: 'cm1.example.com', bearer: true },
      ['CEOAuth-cm1.example.com'],
    ],
    [
      'a node where the client is registered',
      { ...wanted, host: 'cm1.example.com', homeZone: 'CEtls-cm1.example.com' },
      ['CEtls-cm1.example.com'],
    ],
    ['another name under our domain', { ...wanted, host: 'mail.example.com' }, []],
    ['another domain', { ...wanted, host: 'example.net' }, []],
    ['an address nobody discovered', { ...wanted, host: '10.0.0.3' }, []],
  ];
  test.each(rows)('%s', (_name, want, expected) => {
    expect(zones(directory().candidates(want, 0))).toEqual(expected);
  });

  test('a domain: each node in turn, home first, failed ones last for a while', () => {
    const nodes = directory();
    const domain = { ...wanted, host: 'example.com' };
    const firsts = [0, 1, 2, 3].map(() => nodes.candidates(domain, 0)[0]?.name);
    expect(firsts).toEqual(['cm1.example.com', 'cm2.example.com', 'cm1.example.com', 'cm2.example.com']);
    expect(nodes.candidates({ ...domain, homeZone: two.zone }, 0)[0]).toBe(two);
    nodes.failed(two, 0);
    for (let n = 0; n < 4; n += 1)
      expect(nodes.candidates({ ...domain, homeZone: two.zone }, 5_000)[0]).toBe(one);
    expect(nodes.candidates({ ...domain, homeZone: two.zone }, 10_001)[0]).toBe(two);
    nodes.failed(two, 20_000);
    nodes.answered(two);
    expect(nodes.candidates({ ...domain, homeZone: two.zone }, 20_001)[0]).toBe(two);
  });

  test('follows discovery when its list is replaced', () => {
    let nodes: readonly SipNode[] = [one];
    const domains: string[] = [];
    const found = new NodeDirectory({ nodes: () => nodes, servedDomains: () => domains, avoidMs: 1 });
    expect(found.isNode('cm2.example.com')).toBe(false);
    nodes = [two];
    expect([found.isNode('cm2.example.com'), found.isNode('cm1.example.com')]).toEqual([true, false]);
    expect(found.byAddress('::ffff:10.0.0.2')).toBe(two);
    expect(found.byZone(two.zone)).toBe(two);
    expect(found.anyNode(wanted2(), 0)).toEqual([two]);
  });
});

function wanted2() {
  return { ...wanted, host: '' };
}

const hosts: [string, string][] = [
  ['EXAMPLE.com.', 'example.com'],
  ['[2001:DB8::1]', '2001:db8::1'],
  ['::FFFF:10.0.0.1', '10.0.0.1'],
];
test.each(hosts)('%s is %s', (host, canonical) => expect(canonicalHost(host)).toBe(canonical));
