// Single sign-on in core's file: what is refused and in which words, what an operator exports, what a switch lets through.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { makeTestKeys, printIdpMetadata, testKeys } from '../../auth/saml/test-idp.ts';
import { ConfigError, type CoreConfig, loadCore } from '../../config/index.ts';
import { createPair } from '../../zones/pair/pair.ts';
import { systemClock } from '../../zones/index.ts';
import { createSignOnPlane } from '../https/sign-on-plane.ts';
import type { MediaAnchor } from '../sip/index.ts';
import { accessSettings, edgeAddresses } from './https.ts';
import { checkSignOn, signOnOptions, spMetadata } from './sign-on.ts';
import { coreSipOptions } from './sip.ts';
import { openState } from './state.ts';

let folder = '';
beforeAll(makeTestKeys, 60_000);
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'viaduct-saml-'));
  const write = (name: string, text: string): void =>
    writeFileSync(path.join(folder, name), text, { mode: 0o600 });
  const [own, idp, other] = await Promise.all([testKeys('sp'), testKeys('idp'), testKeys('stranger')]);
  write('saml.pem', own.certificate);
  write('saml.key', own.key);
  write('other.key', other.key);
  write('idp.xml', printIdpMetadata([idp.certificate]));
  write('broken.xml', '<broken');
  const pair = await createPair({
    zoneName: 'inside',
    zoneId: 1,
    edges: ['edge1.example.com', 'edge2.example.com'].map((name) => ({ name, address: '10.0.1.10' })),
    cores: [{ name: 'core.inside' }],
    days: 30,
    now: Date.now(),
  });
  write('zone.yaml', pair.files.find(({ role }) => role === 'core')?.yaml ?? '');
});
afterAll(() => rmSync(folder, { recursive: true }));

const provider = { name: 'corporate', domains: ['example.com'], metadata: 'file:idp.xml' };
const certificate = { chain: 'file:saml.pem', key: 'file:saml.key' };
const on = { authentication: 'saml', 'authorize-by-oauth-token': true };
const usual = { access: on, saml: { certificate, 'identity-providers': [provider] } };

function load(change: object): CoreConfig {
  const file = path.join(folder, 'core.yaml');
  const settings = {
    core: { name: 'core.inside' },
    zones: ['zone.yaml'],
    domains: [{ name: 'example.com' }, { name: 'example.net' }],
    'unified-cm': [{ publisher: 'ucm1.example.com' }],
    sip: { address: '10.0.2.10' },
    ...change,
  };
  writeFileSync(file, stringify(settings));
  return loadCore(file);
}

function mistakes(change: object): string {
  try {
    load(change);
    return '';
  } catch (error) {
    if (error instanceof ConfigError) return error.diagnostics.map(({ message }) => message).join('; ');
    throw error;
  }
}

describe('what cannot be meant', () => {
  const rows: [name: string, change: object, words: RegExp][] = [
    ['a SAML path without a section', { access: on }, /needs a saml section/],
    [
      'a domain of two providers',
      { ...usual, saml: { certificate, 'identity-providers': [provider, { ...provider, name: 'second' }] } },
      /example\.com belongs to corporate already: take it away there to transfer it/,
    ],
    [
      'a domain nobody serves',
      { ...usual, saml: { certificate, 'identity-providers': [{ ...provider, domains: ['example.org'] }] } },
      /example\.org is none of the domains of this core/,
    ],
    [
      'sha1 by accident',
      { ...usual, saml: { certificate, 'identity-providers': [{ ...provider, digest: 'sha1' }] } },
      /sha1 needs allow-sha1/,
    ],
    [
      'no metadata',
      { ...usual, saml: { certificate, 'identity-providers': [{ name: 'x', domains: ['example.com'] }] } },
      /needs metadata, metadata-url or both/,
    ],
    [
      'metadata over HTTP',
      {
        ...usual,
        saml: {
          certificate,
          'identity-providers': [{ ...provider, 'metadata-url': 'http://idp.example.com/' }],
        },
      },
      /no https URL/,
    ],
    ['a redirect URI that runs', { ...usual, access: { ...on, 'redirect-uris': ['javascript://x/'] } }, /./],
    [
      'a redirect URI in the clear',
      { ...usual, access: { ...on, 'redirect-uris': ['http://app.example/'] } },
      /./,
    ],
  ];
  test.each(rows)('%s', (_name, change, words) => {
    expect(mistakes(change)).toMatch(words);
  });

  test('a path that ends in no token', () => {
    const config = load({ ...usual, access: { authentication: 'saml' } });
    expect(() => accessSettings(config)).toThrow(/opens nothing without simple tokens/);
  });
});

test('many domains to one provider, and one provider per domain', async () => {
  const state = await openState(undefined, { log: silent, count: () => undefined });
  const second = {
    name: 'second',
    domains: ['example.net'],
    'metadata-url': 'https://idp.example.net/metadata',
  };
  const both = load({ ...usual, saml: { certificate, 'identity-providers': [provider, second] } });
  expect(signOnOptions(both, state, [])?.providers.map(({ domains }) => domains)).toEqual([
    ['example.com'],
    ['example.net'],
  ]);
  const one = { ...provider, domains: ['example.com', 'example.net'] };
  const many = load({ ...usual, saml: { certificate, 'identity-providers': [one] } });
  expect(signOnOptions(many, state, [])?.providers[0]?.domains).toHaveLength(2);
  expect(accessSettings(many)).toMatchObject({
    authenticationPath: 'saml',
    oauthSimple: true,
    userCredential: false,
  });
  await state.store.close();
});

test('a key that is not the certificate’s is refused by name', async () => {
  const state = await openState(undefined, { log: silent, count: () => undefined });
  const wrong = { ...certificate, key: 'file:other.key' };
  const config = load({ ...usual, saml: { certificate: wrong, 'identity-providers': [provider] } });
  expect(() => signOnOptions(config, state, [])).toThrow(/other\.key is not the key of file:saml\.pem/);
  await state.store.close();
});

test('viaduct check reads keys and metadata, all mistakes at once', () => {
  const broken = { ...provider, metadata: 'file:broken.xml' };
  const wrong = { ...certificate, key: 'file:other.key' };
  const config = load({ ...usual, saml: { certificate: wrong, 'identity-providers': [broken] } });
  expect(() => checkSignOn(config, Date.now())).toThrow(
    /other\.key is not the key[^]*corporate: file:broken\.xml: the metadata cannot be used: the XML is not well-formed/,
  );
  expect(() => checkSignOn(load(usual), Date.now())).not.toThrow();
});

test('redirect URIs go with their switches', async () => {
  const state = await openState(undefined, { log: silent, count: () => undefined });
  const uris = { 'redirect-uris': ['https://app.example/back', 'exampleapp://back'] };
  const taken = (access: object): readonly string[] | undefined =>
    signOnOptions(load({ ...usual, access: { ...on, ...uris, ...access } }), state, [])?.redirectUris;
  expect(taken({})).toEqual([]);
  expect(taken({ 'client-redirect-uri': true })).toEqual(['https://app.example/back']);
  expect(taken({ 'ios-embedded-safari': true })).toEqual(['exampleapp://back']);
  await state.store.close();
});

test('a phone may register with a simple token', async () => {
  const state = await openState(undefined, { log: silent, count: () => undefined });
  const config = load(usual);
  const options = signOnOptions(config, state, []);
  if (options === undefined) throw new Error('single sign-on is off');
  const surroundings = {
    core: 'core',
    resolve: async () => [],
    clock: systemClock,
    log: silent,
    count: () => undefined,
  };
  const revocations = { isRevoked: () => false, revoke: async () => undefined };
  const { tokens } = createSignOnPlane(options, { ...surroundings, revocations });
  const grant = {
    user: 'alice',
    homeCluster: 'c',
    deployment: 'default',
    clientId: 'C',
    deviceId: 'D',
    endsAt: undefined,
  };
  const { token } = await tokens.issue(grant);
  const judge = coreSipOptions(config, {
    nodes: () => [],
    media: { open: () => Promise.reject(new Error('no call is made')) } as unknown as MediaAnchor,
    tokens: undefined,
    simpleTokens: tokens,
    digest: undefined,
    state,
    log: silent,
    count: () => undefined,
  }).tokens;
  expect(await judge?.(token)).toMatchObject({ user: 'alice', deployment: 'default' });
  expect(await judge?.(`${token.slice(0, -1)}.`)).toMatchObject({
    outcome: 'deny',
    reason: 'token-malformed',
  });
  expect(await judge?.('a.b.c')).toMatchObject({ outcome: 'deny' });
  await state.store.close();
});

test('the exported metadata names every edge', () => {
  const config = load(usual);
  const xml = spMetadata(config, edgeAddresses(config), ['example.com']);
  expect(xml).toMatch(/entityID="example\.com--[0-9a-f]{16}"/);
  for (const edge of ['edge1', 'edge2'])
    expect(xml).toContain(`https://${edge}.example.com:8443/ZXhhbXBsZS5jb20/fedlet`);
});

const silent = {
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  debug: () => undefined,
};
