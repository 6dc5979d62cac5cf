// A genuine response with something changed anywhere: it signs in the same user or nobody, and only our own error is thrown
// (T-120). Changes are of bytes, of whole elements, and of where elements stand.
import * as fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { SamlFault } from './saml-fault.ts';
import { makeTestKeys } from './test-idp.ts';
import { openSignOn, truthful } from './test-sign-on.ts';

beforeAll(makeTestKeys, 60_000);

type Change = (xml: string) => string;

const elements = (xml: string): string[] =>
  [...xml.matchAll(/<([\w:]+)[^>]*(?:\/>|>[^]*?<\/\1>)/g)].map(([text]) => text);

const changes: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(fc.nat(), fc.constantFrom('a', '<', '"', ' ', '&', '/', '\n', '0', '\u00e9')).map(
    ([at, letter]): Change =>
      (xml) =>
        `${xml.slice(0, at % xml.length)}${letter}${xml.slice((at % xml.length) + 1)}`,
  ),
  fc.nat().map((at): Change => (xml) => {
    const found = elements(xml);
    return xml.replace(found[at % found.length] ?? '', '');
  }),
  fc.tuple(fc.nat(), fc.nat()).map(([from, to]): Change => (xml) => {
    const found = elements(xml);
    const [moved, before] = [found[from % found.length] ?? '', found[to % found.length] ?? ''];
    return xml.replace(before, () => `${moved}${before}`);
  }),
  fc.constantFrom<Change>(
    (xml) => xml.replaceAll('>alice<', '>mallory<'),
    (xml) => xml.replace('>alice<', '>mallory<'),
    (xml) => xml.replaceAll('_assertion', '_other'),
    (xml) => xml.replaceAll('saml:', 'a:').replaceAll('xmlns:saml', 'xmlns:a'),
  ),
);

test('the same user or nobody', { timeout: 30_000 }, async () => {
  const saml = await openSignOn();
  await fc.assert(
    fc.asyncProperty(fc.array(changes, { minLength: 1, maxLength: 3 }), async (made) => {
      const sent = await saml.begin();
      const good = await truthful({ ...sent.told, assertionId: `_${sent.requestId}` });
      const xml = made.reduce((text, change) => change(text), good);
      try {
        expect((await saml.finish(sent, xml)).user).toBe('alice');
      } catch (error) {
        expect(error).toBeInstanceOf(SamlFault);
      }
    }),
    { numRuns: 60 },
  );
});
