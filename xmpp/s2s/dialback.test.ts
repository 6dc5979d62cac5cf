import * as fc from 'fast-check';
import { parse } from 'ltx';
import { describe, expect, it } from 'vitest';
import {
  dialbackKey,
  isOurKey,
  NS_DIALBACK,
  printDialbackAnswer,
  printResultQuestion,
  printVerifyQuestion,
  readDialback,
} from './dialback.ts';

const pair = { from: 'example.org', to: 'xmpp.example.com' };

describe('keys', () => {
  it('are those of XEP-0185', () => {
    expect(dialbackKey('s3cr3tf0rd14lb4ck', pair, 'D60000229F')).toBe(
      '37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643',
    );
  });

  it.each([
    ['as made', {}, true],
    ['for another stream', { id: 'D60000229E' }, false],
    ['for another partner', { to: 'evil.example.com' }, false],
    ['for another domain of ours', { from: 'chat.example.org' }, false],
    ['shorter', { key: '37c69b1c' }, false],
    ['empty', { key: '' }, false],
    ['of another secret', { key: dialbackKey('other', pair, 'D60000229F') }, false],
  ])('a key %s', (_name, change, expected) => {
    const question = { ...pair, id: 'D60000229F', key: dialbackKey('secret', pair, 'D60000229F') };
    expect(isOurKey('secret', { ...question, ...change })).toBe(expected);
  });
});

describe('elements', () => {
  const read = (text: string) => {
    const element = parse(text);
    return readDialback(element.name.replace('db:', ''), element);
  };

  it('come back as they were printed', () => {
    expect(read(printResultQuestion(pair, 'key'))).toEqual({
      ...pair,
      name: 'result',
      id: '',
      key: 'key',
      type: '',
    });
    const question = { ...pair, id: 'x<&>"', key: 'key' };
    expect(read(printVerifyQuestion(question))).toEqual({ ...question, name: 'verify', type: '' });
  });

  it.each([
    ['valid', '<db:verify from="xmpp.example.com" to="example.org" id="1" type="valid"/>'],
    ['invalid', '<db:verify from="xmpp.example.com" to="example.org" id="1" type="invalid"/>'],
    [
      'not-allowed',
      '<db:verify from="xmpp.example.com" to="example.org" id="1" type="error"><error type="cancel"><not-allowed xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></db:verify>',
    ],
  ] as const)('answer %s', (result, text) => {
    const question = { ...pair, name: 'verify' as const, id: '1', key: 'k', type: '' };
    expect(printDialbackAnswer(question, result)).toBe(text);
  });

  it.each([
    ['no domain', '<db:result from="example.org"/>'],
    ['an address', '<db:result from="a@example.org" to="example.com"/>'],
    ['a verification without id', '<db:verify from="example.org" to="example.com">key</db:verify>'],
    ['another element', '<db:other from="example.org" to="example.com"/>'],
    ['a key without end', `<db:result from="example.org" to="example.com">${'k'.repeat(513)}</db:result>`],
  ])('with %s are none', (_name, text) => {
    expect(read(text)).toBeUndefined();
  });

  it('never throw', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (from, to, key) => {
        const element = parse(`<r xmlns="${NS_DIALBACK}"/>`);
        Object.assign(element.attrs, { from, to });
        readDialback('result', element.t(key));
      }),
    );
  });
});
