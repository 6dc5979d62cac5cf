import { describe, expect, it } from 'vitest';
import { NS_SERVER } from '../namespaces.ts';
import type { StreamError } from '../stream-error.ts';
import { type StreamElement, StreamParser } from '../stream-parser.ts';
import { bounceOf, readStanza, wantsBounce } from './stanza.ts';

const LIMITS = { maxElementLength: 4096, maxDepth: 8, maxAttributes: 16, maxElements: 64 };
const OPEN =
  "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>";

function stanza(text: string): ReturnType<typeof readStanza> {
  const found: StreamElement[] = [];
  new StreamParser(LIMITS, NS_SERVER).write(Buffer.from(OPEN + text), (event) => {
    if (event.kind === 'element') found.push(event);
  });
  return readStanza(found[0]!);
}

const FROM_TO = "from='bob@partner.test/x' to='alice@example.com'";

describe('a stanza', () => {
  it('goes on as it came', () => {
    const text = `<message ${FROM_TO} id='1'><body>a &lt; b</body><x xmlns='urn:x'/></message>`;
    expect(stanza(text)).toMatchObject({
      from: 'partner.test',
      to: 'example.com',
      text: text.replaceAll("'", '"'),
    });
  });

  it.each([
    ["<message to='alice@example.com'/>", 'improper-addressing'],
    ["<message from='bob@partner.test'/>", 'improper-addressing'],
    ["<message from='bob@partner' to='alice@example.com'/>", 'improper-addressing'],
    [`<other ${FROM_TO}/>`, 'unsupported-stanza-type'],
    [`<message xmlns='jabber:client' ${FROM_TO}/>`, 'unsupported-stanza-type'],
  ])('%s is refused with %s', (text, condition) => {
    expect(() => stanza(text)).toThrow(expect.objectContaining({ condition }) as StreamError);
  });
});

describe('the way back', () => {
  it.each([
    [`<message ${FROM_TO}/>`, true],
    [`<message ${FROM_TO} type='groupchat'/>`, true],
    [`<message ${FROM_TO} type='error'/>`, false],
    [`<iq ${FROM_TO} type='get' id='1'/>`, true],
    [`<iq ${FROM_TO} type='set' id='1'/>`, true],
    [`<iq ${FROM_TO} type='result' id='1'/>`, false],
    [`<presence ${FROM_TO}/>`, false],
    [`<presence ${FROM_TO} type='unavailable'/>`, false],
    [`<presence ${FROM_TO} type='subscribe'/>`, true],
  ])('%s wants an error: %s', (text, expected) => {
    expect(wantsBounce(stanza(text).head)).toBe(expected);
  });

  it('has the error of RFC 6120 §8.3, and earns no other', () => {
    const bounce = bounceOf(stanza(`<message ${FROM_TO} id='a&amp;b'/>`), 'remote-server-timeout');
    expect(bounce).toMatchObject({ from: 'example.com', to: 'partner.test' });
    expect(bounce.text).toBe(
      '<message type="error" from="alice@example.com" to="bob@partner.test/x" id="a&amp;b"><error type="wait"><remote-server-timeout xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></message>',
    );
    expect(wantsBounce(bounce.head)).toBe(false);
    expect(stanza(bounce.text)).toEqual(bounce);
  });
});
