// What an operator may say of federation, and what is told at once when it cannot be meant so.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { createPair } from '../zones/pair/pair.ts';
import { ConfigError, loadCore } from './index.ts';

let folder = '';

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'viaduct-federation-config-'));
  const pair = await createPair({
    zoneName: 'inside',
    zoneId: 1,
    edges: [{ name: 'edge.example.com', address: '10.0.1.10' }],
    cores: [{ name: 'core.inside' }],
    days: 30,
    now: Date.now(),
  });
  const zone = pair.files.find(({ role }) => role === 'core')?.yaml ?? '';
  writeFileSync(path.join(folder, 'zone.yaml'), zone, { mode: 0o600 });
  writeFileSync(path.join(folder, 'some.pem'), 'PEM', { mode: 0o600 });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SHOWN = { chain: 'file:some.pem', key: 'file:some.pem' };
const GOOD = { enabled: true, domains: ['example.com', 'Conference.example.com'], certificate: SHOWN };

function load(federation: object, isMessagingOn = true): ReturnType<typeof loadCore> {
  const node = { name: 'imp.inside', kind: 'im-presence' };
  const file = path.join(folder, 'core.yaml');
  writeFileSync(
    file,
    stringify({
      core: { name: 'core.inside' },
      zones: ['zone.yaml'],
      domains: [{ name: 'example.com' }],
      'unified-cm': [{ publisher: 'cucm.inside', 'static-nodes': [node] }],
      sip: { address: '10.0.2.10' },
      xmpp: { enabled: isMessagingOn, federation },
    }),
  );
  return loadCore(file, {});
}

it('is off, and when on has partners by list, without dialback', () => {
  expect(load({}).xmpp.federation.enabled).toBe(false);
  const { xmpp } = load({ ...GOOD, partners: [{ name: 'Partner.test' }] });
  expect(xmpp.federation).toMatchObject({
    enabled: true,
    mode: 'allow-list',
    domains: ['example.com', 'conference.example.com'],
    partners: [{ name: 'partner.test', subdomains: false, dialback: 'off' }],
  });
});

it.each<[string, object, boolean, RegExp]>([
  ['no certificate', { enabled: true, domains: ['example.com'] }, true, /needed to federate/],
  ['messaging off', GOOD, false, /needs xmpp.enabled/],
  [
    'a domain of somebody else',
    { ...GOOD, domains: ['example.org'] },
    true,
    /neither under domains nor below/,
  ],
  [
    'a domain that ends alike',
    { ...GOOD, domains: ['badexample.com'] },
    true,
    /neither under domains nor below/,
  ],
  [
    'a partner that is no domain',
    { ...GOOD, partners: [{ name: 'bob@partner.test' }] },
    true,
    /not a host name/,
  ],
  ['a wildcard', { ...GOOD, partners: [{ name: '*.partner.test' }] }, true, /not a host name/],
  [
    'more than one message holds',
    {
      ...GOOD,
      partners: Array.from({ length: 300 }, (_, n) => ({
        name: `${`${'a'.repeat(60)}.`.repeat(3)}p${n}.test`,
      })),
    },
    true,
    /too much to tell an edge at once/,
  ],
])('with %s it says so', (_name, federation, isMessagingOn, words) => {
  let said = '';
  try {
    load(federation, isMessagingOn);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    said = JSON.stringify(error.diagnostics);
  }
  expect(said).toMatch(words);
});
