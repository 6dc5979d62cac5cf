// Metadata of identity providers: what is taken, what is refused by name, and how it comes and goes over time.
import * as fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { ManualClock } from '../../zones/test-clock.ts';
import { createIdentityProviders, type IdentityProviderOptions } from './identity-providers.ts';
import { readIdpMetadata } from './idp-metadata.ts';
import { readResponseForm } from './response-form.ts';
import { SamlFault } from './saml-fault.ts';
import { createSigningCertificate } from './sp-certificate.ts';
import { entityIdOf, printSpMetadata } from './sp-metadata.ts';
import { idpEntity, makeTestKeys, printIdpMetadata, sign, testKeys } from './test-idp.ts';
import { usualProvider } from './test-sign-on.ts';
import { parseTree } from './xml-tree.ts';

beforeAll(makeTestKeys, 60_000);

const now = new ManualClock().wall();
const idp = async (): Promise<string> => (await testKeys('idp')).certificate;

test('metadata says who, where and with which keys', async () => {
  const found = readIdpMetadata(printIdpMetadata([await idp()]), undefined, now);
  expect(found).toMatchObject({
    entityId: idpEntity,
    signOnUrl: 'https://idp.example.com/sso',
    validUntil: undefined,
  });
  expect(found.certificates).toHaveLength(1);
});

describe('metadata that cannot be used, and why', () => {
  const rows: [name: string, xml: () => Promise<string>, words: RegExp][] = [
    ['no XML', async () => 'hello', /well-formed/],
    ['a document type', async () => `<!DOCTYPE a>${printIdpMetadata([await idp()])}`, /document type/],
    [
      'ended',
      async () => printIdpMetadata([await idp()], { attributes: 'validUntil="2001-01-01T00:00:00Z"' }),
      /was good until 2001/,
    ],
    [
      'an end nobody can read',
      async () => printIdpMetadata([await idp()], { attributes: 'validUntil="soon"' }),
      /validUntil/,
    ],
    [
      'no https',
      async () => printIdpMetadata([await idp()], { location: 'http://idp.example.com/' }),
      /no https URL/,
    ],
    [
      'javascript',
      async () => printIdpMetadata([await idp()], { location: 'javascript:alert(1)' }),
      /no https URL/,
    ],
    [
      'POST only',
      async () =>
        printIdpMetadata([await idp()], { binding: 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST' }),
      /HTTP-Redirect/,
    ],
    ['no certificate', async () => printIdpMetadata([]), /no signing certificate/],
    ['a broken certificate', async () => printIdpMetadata(['AAAA']), /cannot be read/],
    ['a short key', async () => printIdpMetadata([(await shortKey()).certificate]), /2048 bits/],
    ['another entity', async () => printIdpMetadata([await idp()], { entityId: '' }), /entityID/],
    [
      'a service provider',
      async () => printSpMetadata([{ entityId: 'x', consumers: [] }], await idp()),
      /no identity provider/,
    ],
  ];
  test.each(rows)('%s', async (_name, xml, words) => {
    const text = await xml();
    expect(() => readIdpMetadata(text, undefined, now)).toThrow(words);
  });
  const shortKey = () => createSigningCertificate('short', { fromMs: 0, untilMs: now, bits: 1024 });
});

test('one entity is picked out of several', async () => {
  const two = ['a', 'b'].map(async (name) =>
    printIdpMetadata([await idp()], { entityId: `https://${name}.example` }),
  );
  const body = (await Promise.all(two)).join('').replaceAll(' ID="_metadata"', '');
  const xml = `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">${body}</md:EntitiesDescriptor>`;
  expect(() => readIdpMetadata(xml, undefined, now)).toThrow(/several/);
  expect(readIdpMetadata(xml, 'https://b.example', now).entityId).toBe('https://b.example');
  expect(() => readIdpMetadata(xml, 'https://c.example', now)).toThrow(/does not name/);
});

interface Opened {
  readonly clock: ManualClock;
  readonly providers: ReturnType<typeof createIdentityProviders>;
  readonly warned: string[];
  answer: string | Error;
}

function open(...change: Partial<IdentityProviderOptions>[]): Opened {
  const clock = new ManualClock();
  const warned: string[] = [];
  const log = (fields: object): void => void warned.push(JSON.stringify(fields));
  const opened: Opened = {
    clock,
    warned,
    answer: new Error('connection refused'),
    providers: createIdentityProviders({
      providers: change.map((one) => ({ ...usualProvider, document: undefined, ...one })),
      fetch: () =>
        opened.answer instanceof Error ? Promise.reject(opened.answer) : Promise.resolve(opened.answer),
      refreshMs: 3_600_000,
      retryMs: 60_000,
      staleMs: 86_400_000,
      warnBeforeMs: 30 * 86_400_000,
      now: clock.wall,
      after: (ms, callback) => clock.after(ms, callback),
      log: { info: log, warn: log },
      count: () => undefined,
    }),
  };
  return opened;
}

const url = 'https://idp.example.com/metadata';

test('a provider without metadata is closed, and opens when the URL answers', async () => {
  const opened = open({ url });
  await opened.providers.refresh();
  expect(opened.providers.of('example.com')).toMatchObject({
    kind: 'unavailable',
    cause: /connection refused/,
  });
  opened.answer = printIdpMetadata([await idp()]);
  await opened.providers.refresh();
  expect(opened.providers.of('example.com')).toMatchObject({ kind: 'ready', entityId: idpEntity });
  expect(opened.providers.of('other.example')).toBeUndefined();
});

test('an imported document that cannot be used closes its domains, and the URL may mend it', async () => {
  const opened = open({ url, document: '<broken' });
  expect(opened.providers.of('example.com')).toMatchObject({ kind: 'unavailable', cause: /not well-formed/ });
  opened.answer = printIdpMetadata([await idp()]);
  await opened.providers.refresh();
  expect(opened.providers.of('example.com')).toMatchObject({ kind: 'ready' });
});

test('new keys are taken beside the old before these end; malformed metadata changes nothing (T-125)', async () => {
  const [first, second] = await Promise.all([testKeys('idp'), testKeys('stranger')]);
  const opened = open({ url, document: printIdpMetadata([first.certificate]) });
  opened.answer = printIdpMetadata([first.certificate, second.certificate]);
  await opened.providers.refresh();
  expect(opened.providers.of('example.com')).toMatchObject({
    certificates: [first.certificate, second.certificate].map((pem) => pem),
  });
  opened.answer = '<broken';
  await opened.providers.refresh();
  expect(opened.providers.of('example.com')).toMatchObject({ kind: 'ready' });
  expect(opened.providers.status()[0]?.alarms.join()).toMatch(/cannot be refreshed/);
  opened.answer = printIdpMetadata([second.certificate], { entityId: 'https://evil.example' });
  await opened.providers.refresh();
  expect(opened.providers.of('example.com')).toMatchObject({ kind: 'ready', entityId: idpEntity });
});

test('an ended certificate is out of use, and warned of before', { timeout: 30_000 }, async () => {
  const short = await createSigningCertificate('short', {
    fromMs: 0,
    untilMs: now + 40 * 86_400_000,
    bits: 2048,
  });
  const opened = open({ document: printIdpMetadata([short.certificate]) });
  expect(opened.providers.status()[0]?.alarms).toEqual([]);
  opened.clock.advance(20 * 86_400_000);
  await opened.providers.refresh();
  expect(opened.warned.join()).toMatch(/signing certificate [0-9a-f]{16} ends/);
  opened.clock.advance(20 * 86_400_000);
  expect(opened.providers.of('example.com')).toMatchObject({
    kind: 'unavailable',
    cause: /signing certificates/,
  });
});

test('metadata from a URL that falls silent is not good for ever', async () => {
  const opened = open({ url });
  opened.answer = printIdpMetadata([await idp()]);
  await opened.providers.refresh();
  opened.answer = new Error('connection refused');
  opened.clock.advance(86_400_000);
  await opened.providers.refresh();
  expect(opened.providers.of('example.com')).toMatchObject({ kind: 'unavailable' });
});

test('a pinned signer signs the metadata, or it is not taken', async () => {
  const [signer, stranger, idpKeys] = await Promise.all([
    testKeys('signer'),
    testKeys('stranger'),
    testKeys('idp'),
  ]);
  const plain = printIdpMetadata([idpKeys.certificate]).replace('><md:IDP', '><md:Issuer/><md:IDP');
  const opened = open({ url, metadataSigner: signer.certificate });
  const rows: [answer: string, kind: string][] = [
    [plain, 'unavailable'],
    [await sign(plain, '_metadata', { key: stranger.key }), 'unavailable'],
    [
      (await sign(plain, '_metadata', { key: signer.key })).replace(
        'idp.example.com/sso',
        'evil.example/sso',
      ),
      'unavailable',
    ],
    [await sign(plain, '_metadata', { key: signer.key }), 'ready'],
  ];
  for (const [answer, kind] of rows) {
    opened.answer = answer;
    await opened.providers.refresh();
    expect(opened.providers.of('example.com')?.kind, opened.providers.status()[0]?.state).toBe(kind);
  }
});

test('our own metadata: one entity for a cluster, one for each core as peers', async () => {
  const { certificate } = await testKeys('sp');
  const cluster = entityIdOf('example.com', certificate, 'cluster', 'core1');
  expect(cluster).toMatch(/^example\.com--[0-9a-f]{16}$/);
  expect(entityIdOf('example.com', certificate, 'cluster', 'core2')).toBe(cluster);
  const peers = ['core1', 'core2'].map((core) => entityIdOf('example.com', certificate, 'peer', core));
  expect(new Set([cluster, ...peers]).size).toBe(3);
  const consumers = ['https://edge1.example.com:8443/x/fedlet', 'https://edge2.example.com:8443/x/fedlet'];
  const xml = printSpMetadata(
    [
      { entityId: cluster, consumers },
      { entityId: 'b', consumers },
    ],
    certificate,
  );
  const tree = parseTree(xml, { maxLength: 100_000, maxDepth: 10, maxElements: 100, comments: false });
  expect(tree.name).toBe('EntitiesDescriptor');
  expect(xml.match(/AssertionConsumerService /g)).toHaveLength(4);
  expect(xml.match(/isDefault/g)).toHaveLength(2);
});

test('whatever text comes, the readers throw only their own error', () => {
  const piece = fc.constantFrom(
    '<',
    '>',
    '</a>',
    '<a ',
    'ID="x"',
    '&',
    '<!--',
    ']]>',
    '<saml:Assertion',
    'xmlns:saml="u"',
    '\u0000',
    '<?x',
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(piece, { maxLength: 30 }).map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(text, (xml) => {
      for (const read of [() => readResponseForm(xml, true), () => readIdpMetadata(xml, undefined, now)]) {
        try {
          read();
        } catch (error) {
          expect(error).toBeInstanceOf(SamlFault);
        }
      }
    }),
    { numRuns: 300 },
  );
});
