// The initiating end row by row: what the other server says, what leaves.
import { describe, expect, it } from 'vitest';
import { NS_SERVER } from '../namespaces.ts';
import { StreamParser } from '../stream-parser.ts';
import { type InitiatingAction, InitiatingServerStream, type Purpose } from './initiating-stream.ts';

const PAIR = { from: 'example.com', to: 'partner.test' };
const LIMITS = { maxElementLength: 4096, maxDepth: 8, maxAttributes: 16, maxElements: 64 };
const OPEN =
  "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback' version='1.0' id='theirs'>";
const features = (inner = ''): string => `<stream:features>${inner}</stream:features>`;
const STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
const EXTERNAL =
  "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>";
const DIALBACK = "<dialback xmlns='urn:xmpp:features:dialback'/>";
const SUCCESS = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>";
const FAILURE = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>";
const RESULT = (type: string, from = 'partner.test'): string =>
  `<db:result from='${from}' to='example.com' type='${type}'/>`;

const withKeys: Purpose = { kind: 'stanzas', key: (id) => `key-for-${id}` };
const withoutKeys: Purpose = { kind: 'stanzas', key: undefined };
const question: Purpose = {
  kind: 'verify',
  question: { from: 'partner.test', to: 'example.com', id: 'ours', key: 'shown' },
};

function note(action: InitiatingAction): string {
  if (action.kind === 'write') return action.text;
  if (action.kind === 'failed') return `failed:${action.reason}`;
  return action.kind === 'verified' ? `verified:${action.result}` : action.kind;
}

/** After TLS, with each text on the parser that the machine asked for. */
function secured(purpose: Purpose, ...texts: readonly string[]): string[] {
  const machine = new InitiatingServerStream(PAIR, purpose);
  machine.secured();
  let parser = new StreamParser(LIMITS, NS_SERVER);
  return texts.flatMap((text) => {
    const heard: string[] = [];
    parser.write(Buffer.from(text), (event) => heard.push(...machine.handle(event).map(note)));
    if (heard.includes('restart')) parser = new StreamParser(LIMITS, NS_SERVER);
    return heard.filter((one) => !one.startsWith('<?xml'));
  });
}

describe('before TLS (T-085)', () => {
  const clear = (...texts: readonly string[]): string[] => {
    const machine = new InitiatingServerStream(PAIR, withKeys);
    const parser = new StreamParser(LIMITS, NS_SERVER);
    const heard: string[] = [];
    for (const text of texts)
      parser.write(Buffer.from(text), (event) => heard.push(...machine.handle(event).map(note)));
    return heard;
  };

  it('asks for TLS and goes on when told', () => {
    expect(clear(OPEN, features(STARTTLS), "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")).toEqual([
      '<starttls xmlns="urn:ietf:params:xml:ns:xmpp-tls"/>',
      'start-tls',
    ]);
  });

  it.each([
    ['no TLS', [features(DIALBACK)], 'no-tls'],
    ['EXTERNAL in the clear', [features(EXTERNAL)], 'no-tls'],
    [
      'a refusal of TLS',
      [features(STARTTLS), "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"],
      'no-tls',
    ],
    ['proceed unasked', ["<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"], 'no-tls'],
    ['a valid key unasked', [RESULT('valid')], 'protocol'],
    ['a stanza', ["<message from='a@partner.test' to='b@example.com'/>"], 'protocol'],
    ['the end', ['</stream:stream>'], 'refused'],
  ])('%s is no way on', (_name, texts, reason) => {
    expect(clear(OPEN, ...texts).at(-1)).toBe(`failed:${reason}`);
  });
});

describe('our proof', () => {
  it('is EXTERNAL where it is offered', () => {
    expect(secured(withKeys, OPEN, features(EXTERNAL + DIALBACK), SUCCESS, OPEN, features())).toEqual([
      '<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="EXTERNAL">ZXhhbXBsZS5jb20=</auth>',
      'restart',
      'ready',
    ]);
  });

  it('is a key where EXTERNAL fails or is not offered, if keys are allowed', () => {
    const key = '<db:result from="example.com" to="partner.test">key-for-theirs</db:result>';
    expect(secured(withKeys, OPEN, features(DIALBACK), RESULT('valid'))).toEqual([key, 'ready']);
    expect(secured(withKeys, OPEN, features(EXTERNAL), FAILURE, RESULT('valid')).slice(1)).toEqual([
      key,
      'ready',
    ]);
    expect(secured(withoutKeys, OPEN, features(DIALBACK))).toEqual(['failed:not-believed']);
    expect(secured(withoutKeys, OPEN, features(EXTERNAL), FAILURE).at(-1)).toBe('failed:not-believed');
  });

  it.each([
    ['invalid', RESULT('invalid'), 'not-believed'],
    ['an error', RESULT('error'), 'not-believed'],
    ['in the name of another', RESULT('valid', 'evil.test'), 'protocol'],
    [
      'to another question',
      "<db:verify from='partner.test' to='example.com' id='x' type='valid'/>",
      'protocol',
    ],
    [
      'a stream error',
      "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
      'refused',
    ],
    [
      'a passing error',
      "<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
      'closed',
    ],
  ])('answered %s', (_name, text, reason) => {
    expect(secured(withKeys, OPEN, features(DIALBACK), text).at(-1)).toBe(`failed:${reason}`);
  });

  it('leads to a stream of one direction', () => {
    const spoken = "<message from='a@partner.test' to='b@example.com'/>";
    expect(secured(withKeys, OPEN, features(DIALBACK), RESULT('valid'), spoken).at(-1)).toBe(
      'failed:protocol',
    );
    expect(secured(withKeys, OPEN, features(DIALBACK), RESULT('valid'), '</stream:stream>').at(-1)).toBe(
      'failed:closed',
    );
  });
});

describe('a question about a key', () => {
  it.each([
    ["<db:verify from='partner.test' to='example.com' id='ours' type='valid'/>", 'verified:valid'],
    ["<db:verify from='partner.test' to='example.com' id='ours' type='invalid'/>", 'verified:invalid'],
    ["<db:verify from='partner.test' to='example.com' id='ours' type='error'/>", 'verified:item-not-found'],
    ["<db:verify from='partner.test' to='example.com' id='other' type='valid'/>", 'failed:protocol'],
    ["<db:verify from='evil.test' to='example.com' id='ours' type='valid'/>", 'failed:protocol'],
    [RESULT('valid'), 'failed:protocol'],
  ])('%s: %s', (answer, expected) => {
    expect(secured(question, OPEN, features(DIALBACK), answer).slice(0, 2)).toEqual([
      '<db:verify from="example.com" to="partner.test" id="ours">shown</db:verify>',
      expected,
    ]);
  });
});
