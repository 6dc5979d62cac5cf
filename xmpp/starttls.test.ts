import { parse } from 'ltx';
import { describe, expect, it } from 'vitest';
import { NS_CLIENT, NS_STREAMS, NS_TLS } from './namespaces.ts';
import { answerBeforeTls, InitiatingStream } from './starttls.ts';
import { StreamError } from './stream-error.ts';
import type { StreamEvent } from './stream-parser.ts';

const open = (to?: string): StreamEvent => ({
  kind: 'open',
  header: { to, from: undefined, id: 'x', lang: undefined },
});
function element(text: string): StreamEvent {
  const parsed = parse(text);
  return {
    kind: 'element',
    local: parsed.getName(),
    namespace: parsed.getNS() ?? NS_CLIENT,
    element: parsed,
  };
}
const features = (inner: string): StreamEvent =>
  element(`<stream:features xmlns:stream="${NS_STREAMS}">${inner}</stream:features>`);

describe('the receiving end', () => {
  it('offers TLS and nothing else', () => {
    const [action] = answerBeforeTls(open('example.com'), 'id1', 'edge.example.com');
    expect(action).toEqual({
      kind: 'write',
      text: `<?xml version="1.0"?><stream:stream xmlns="jabber:client" xmlns:stream="${NS_STREAMS}" from="example.com" id="id1" xml:lang="en" version="1.0"><stream:features><starttls xmlns="${NS_TLS}"><required/></starttls></stream:features>`,
    });
  });

  it('proceeds, also with the attribute that Jabber adds', () => {
    expect(answerBeforeTls(element(`<starttls xmlns="${NS_TLS}" cookie="0"/>`), 'i', 'e')).toEqual([
      { kind: 'write', text: `<proceed xmlns="${NS_TLS}"/>` },
      { kind: 'start-tls' },
    ]);
  });

  it.each([
    [
      'sign-in in the clear',
      '<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="PLAIN">AGEAYg==</auth>',
    ],
    ['a stanza in the clear', '<message/>'],
    ['compression', '<compress xmlns="http://jabber.org/protocol/compress"/>'],
    ['a starttls of nobody', '<starttls/>'],
  ])('refuses %s', (_name, text) => {
    expect(() => answerBeforeTls(element(text), 'i', 'e')).toThrow(StreamError);
  });
});

describe('the initiating end', () => {
  it('asks for TLS, then is ready with the features that come through it', () => {
    const stream = new InitiatingStream('example.com');
    expect(stream.begin()).toContain('to="example.com"');
    expect(stream.handle(open())).toEqual([]);
    expect(stream.handle(features(`<starttls xmlns="${NS_TLS}"/>`))).toEqual([
      { kind: 'write', text: `<starttls xmlns="${NS_TLS}"/>` },
    ]);
    expect(stream.handle(element(`<proceed xmlns="${NS_TLS}"/>`))).toEqual([{ kind: 'start-tls' }]);
    expect(stream.secured()).toContain('to="example.com"');
    stream.handle(open());
    expect(stream.handle(features('<a/>'))).toMatchObject([{ kind: 'ready', header: { id: 'x' } }]);
  });

  it.each([
    ['no TLS on offer (TLS stripped)', [open(), features('<a/>')]],
    ['proceed that nobody asked for', [open(), element(`<proceed xmlns="${NS_TLS}"/>`)]],
    [
      'a failure',
      [open(), features(`<starttls xmlns="${NS_TLS}"/>`), element(`<failure xmlns="${NS_TLS}"/>`)],
    ],
    ['features before a header', [features('')]],
    ['the end', [open(), { kind: 'close' } as const]],
  ])('gives up at %s', (_name, events) => {
    const stream = new InitiatingStream('example.com');
    stream.begin();
    expect(() => events.forEach((event) => stream.handle(event))).toThrow(StreamError);
  });
});
