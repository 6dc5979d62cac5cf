import { describe, expect, test } from 'vitest';
import { isBearer, parseBearer, parseSipBearer } from './bearer.ts';
import { KeyDocumentError, readKeyDocument } from './key-document.ts';
import { createTestIssuer } from './test-issuer.ts';

describe('Bearer', () => {
  test.each([
    ['Bearer abc.def.ghi', 'abc.def.ghi'],
    ['bearer abc==', 'abc=='],
    ['Bearer', undefined],
    ['Bearer a b', undefined],
    ['Bearer "abc"', undefined],
    ['Basic abc', undefined],
  ])('HTTP: %s', (value, token) => {
    expect(parseBearer(value)).toBe(token);
    expect(isBearer(value)).toBe(!value.startsWith('Basic'));
  });

  test.each([
    ['Bearer token="abc.def"', 'abc.def'],
    ['Bearer realm="ccmsipline", token="abc"', 'abc'],
    ['bearer token="abc", device="x"', 'abc'],
    ['Bearer abc', undefined],
    ['Bearer token="a b"', undefined],
    ['Digest token="abc"', undefined],
    [`Bearer ${'a="",'.repeat(3000)}token=`, undefined],
  ])('SIP: %s', (value, token) => expect(parseSipBearer(value)).toBe(token));
});

const issuer = createTestIssuer();
const good = JSON.parse(issuer.document) as { keys: Record<string, unknown>[] };
const [rsa = {}, oct = {}] = good.keys;

test('a key document is read', () => {
  expect(readKeyDocument(issuer.document).map(({ use, kid }) => [use, kid])).toEqual([
    ['sig', issuer.signingKid],
    ['enc', issuer.encryptionKid],
  ]);
});

test.each([
  ['not JSON', 'no', 'is not JSON'],
  ['no keys', '{}', 'is no set'],
  ['signing key only', JSON.stringify({ keys: [rsa] }), 'needs a signing key'],
  ['no key id', JSON.stringify({ keys: [{ ...rsa, kid: undefined }, oct] }), 'is no set'],
  ['key id of another form', JSON.stringify({ keys: [{ ...rsa, kid: '../x' }, oct] }), 'CLUSTER:HASH'],
  ['two clusters', JSON.stringify({ keys: [{ ...rsa, kid: 'a:b' }, oct] }), 'more than one cluster'],
  ['short secret', JSON.stringify({ keys: [rsa, { ...oct, k: 'AAAA' }] }), 'not 32 bytes'],
  ['no number', JSON.stringify({ keys: [{ ...rsa, n: 'AQAB' }, oct] }), 'RSA key'],
])('refused: %s', (_name, text, words) => {
  expect(() => readKeyDocument(text)).toThrow(KeyDocumentError);
  expect(() => readKeyDocument(text)).toThrow(words);
});
