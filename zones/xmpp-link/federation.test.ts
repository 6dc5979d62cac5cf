import { describe, expect, it } from 'vitest';
import { federationDial, federationPolicy, type FederationPolicy, FederationRules } from './federation.ts';

const POLICY: FederationPolicy = {
  domains: ['example.com', 'chat.example.com'],
  mode: 'allow-list',
  partners: [
    { name: 'partner.test', subdomains: true, dialback: 'to-partner' },
    {
      name: 'old.partner.test',
      subdomains: false,
      dialback: 'both',
      route: { host: '192.0.2.1', port: 5270 },
    },
    { name: 'alone.test', subdomains: false, dialback: 'off' },
  ],
  denied: ['evil.test', 'bad.partner.test'],
};
const off = { dialback: 'off', route: undefined };

describe('who is a partner', () => {
  it.each([
    ['partner.test', { dialback: 'to-partner', route: undefined }, 'the same'],
    ['chat.partner.test', { dialback: 'to-partner', route: undefined }, 'the same'],
    ['old.partner.test', { dialback: 'both', route: { host: '192.0.2.1', port: 5270 } }, 'the same'],
    ['alone.test', off, 'the same'],
    ['chat.alone.test', undefined, off],
    ['notpartner.test', undefined, off],
    ['bad.partner.test', undefined, 'the same'],
    ['very.bad.partner.test', undefined, 'the same'],
    ['evil.test', undefined, 'the same'],
    ['chat.evil.test', undefined, 'the same'],
    ['notevil.test', undefined, off],
    ['example.com', undefined, 'the same'],
    ['chat.example.com', undefined, 'the same'],
    ['other.example.com', undefined, off],
  ])('%s: %j by allow list, %j by deny list', (name, allowList, denyList) => {
    expect(new FederationRules(POLICY).termsOf(name)).toEqual(allowList);
    const open = new FederationRules({ ...POLICY, mode: 'deny-list' });
    expect(open.termsOf(name)).toEqual(denyList === 'the same' ? allowList : denyList);
  });

  it('serves the domains that are listed and none below', () => {
    const rules = new FederationRules(POLICY);
    expect(
      ['example.com', 'chat.example.com', 'x.example.com', 'com'].filter((name) => rules.serves(name)),
    ).toEqual(['example.com', 'chat.example.com']);
  });
});

describe('messages (T-147)', () => {
  it.each([
    ['unknown keys', { ...POLICY, more: 1 }],
    ['another mode', { ...POLICY, mode: 'allow-all' }],
    ['a name that is none', { ...POLICY, domains: ['EXAMPLE.com'] }],
    [
      'more partners than may be',
      { ...POLICY, partners: Array.from({ length: 301 }, () => POLICY.partners[0]) },
    ],
    ['nothing', undefined],
  ])('a policy with %s is refused', (_name, body) => {
    expect(federationPolicy.safeParse(body).success).toBe(false);
  });

  it.each([
    ['a short name of the question', { id: 'x', from: 'example.com', to: 'partner.test' }],
    ['a path in it', { id: '../../../../../../x', from: 'example.com', to: 'partner.test' }],
    ['no partner', { id: 'x'.repeat(22), from: 'example.com' }],
  ])('an order with %s is refused', (_name, body) => {
    expect(federationDial.safeParse(body).success).toBe(false);
  });
});
