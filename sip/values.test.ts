// Header values: addresses, Via, CSeq, RAck, parameters, credentials. Rows of text and what is read or refused.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAuthHeader } from './auth-header.ts';
import { parseCSeq, parseRAck } from './cseq.ts';
import { parseNameAddr } from './name-addr.ts';
import { MAX_PARAMS, paramValue, parseParams, printParams } from './params.ts';
import { SipParseError } from './parse-error.ts';
import { hasMagicCookie, parseVia, printVia } from './via.ts';

// The same cases in every run: a failure must not depend on who runs it.
fc.configureGlobal({ seed: 3261 });

describe('addresses', () => {
  const rows = [
    ['<sip:a@b>', undefined, 'sip:a@b', ''],
    ['sip:a@b;tag=1;x', undefined, 'sip:a@b', ';tag=1;x'],
    ['sip:a@b ; tag = 1', undefined, 'sip:a@b', ';tag=1'],
    ['Alice <sip:a@b>', 'Alice', 'sip:a@b', ''],
    ['Alice B.  <sip:a@b;x=y>;z', 'Alice B.', 'sip:a@b;x=y', ';z'],
    ['"A, \\"<x>\\" ; B" <sip:a@b>;q=0.5', '"A, \\"<x>\\" ; B"', 'sip:a@b', ';q=0.5'],
    ['"\xC3\xA9"<sip:a@b>', '"\xC3\xA9"', 'sip:a@b', ''],
    ['\xC3\xA9l\xC3\xA0 <sip:a@b>', '\xC3\xA9l\xC3\xA0', 'sip:a@b', ''],
    ['<tel:+1;phone-context=x>;y', undefined, 'tel:+1;phone-context=x', ';y'],
    ['<sip:a@b>;+sip.instance="<urn:uuid:0;1,2>"', undefined, 'sip:a@b', ';+sip.instance="<urn:uuid:0;1,2>"'],
  ] as const;

  it.each(rows)('%s', (text, display, uri, params) => {
    const address = parseNameAddr(text);
    expect([address.display, address.uriText, printParams(address.params)]).toEqual([display, uri, params]);
    const again = parseNameAddr(address.print());
    expect([again.display, again.uriText, again.params]).toEqual([
      address.display,
      address.uriText,
      address.params,
    ]);
  });

  it.each(['', '<>', '<sip:a', 'sip:a>', '"x', '"x" sip:a@b', 'a,b <sip:a@b>', '<sip:a@b>x', '<sip:a@b>;', '<sip:a@b>;;x', '<sip:a@b>;=', '<sip:a@b>;a=', 'sip:a@b?x=y', ';tag=1', '<sip:a>;tag', '<sip:a@b><sip:c@d>'])('refuses %j', (text) => {
    expect(() => parseNameAddr(text)).toThrow(SipParseError);
  }); // prettier-ignore

  it('keeps what it does not change', () => {
    const address = parseNameAddr('"Bob"   <sip:b@h>;+u.sip!model.ccm.cisco.com="503";video');
    expect(address.withUri('sip:x@y').print()).toBe('"Bob" <sip:x@y>;+u.sip!model.ccm.cisco.com="503";video');
    expect([address.displayName, address.param('VIDEO'), address.param('nothing')]).toEqual([
      'Bob',
      '',
      undefined,
    ]);
  });
});

describe('Via', () => {
  const rows = [
    ['SIP/2.0/TLS h:5061;branch=z9hG4bKa', 'TLS', 'h', 5061, 'z9hG4bKa'],
    ['SIP / 2.0 / udp   h ;branch = z9hG4bKa', 'UDP', 'h', undefined, 'z9hG4bKa'],
    ['sip/2.0/TCP [2001:db8::1]:5060;branch=x', 'TCP', '[2001:db8::1]', 5060, 'x'],
    ['SIP/2.0/TCP h : 5060', 'TCP', 'h', 5060, undefined],
    ['SIP/2.0/TLS 192.168.1.162:50784;branch=z9hG4bK3a04bdf3;received=172.18.105.10;rport=50784;ingress-zone=CollaborationEdgeZone', 'TLS', '192.168.1.162', 50784, 'z9hG4bK3a04bdf3'],
  ] as const; // prettier-ignore

  it.each(rows)('%s', (text, transport, host, port, branch) => {
    const via = parseVia(text);
    expect([via.transport, via.host, via.port, via.branch]).toEqual([transport, host, port, branch]);
    expect(parseVia(printVia(via))).toEqual(via);
  });

  it.each(['', 'SIP/2.0', 'SIP/2.0/', 'SIP/2.0/TLS', 'SIP/2.0/TLS ', 'SIP/2.0/T S h x', 'HTTP/1.1/TCP h', 'SIP/2.0/TLS h:0x1', 'SIP/2.0/TLS h;;', 'SIP/2.0/TLS h i', 'SIP/2.0/TLS h;branch=a b'])('refuses %j', (text) => {
    expect(() => parseVia(text)).toThrow(SipParseError);
  }); // prettier-ignore

  it.each([
    ['z9hG4bKa', true],
    ['Z9HG4BKa', true],
    ['z9hG4bK', false],
    ['1234', false],
  ])('magic cookie of %s: %s', (branch, has) => {
    expect(hasMagicCookie(parseVia(`SIP/2.0/TLS h;branch=${branch}`))).toBe(has);
  });
});

describe('numbers', () => {
  it('reads CSeq and RAck', () => {
    expect(parseCSeq('0009  \tINVITE')).toEqual({ number: 9, method: 'INVITE' });
    expect(parseCSeq('2147483647 X')).toEqual({ number: 2_147_483_647, method: 'X' });
    expect(parseRAck('776656 1 INVITE')).toEqual({ rseq: 776_656, number: 1, method: 'INVITE' });
  });

  it.each([
    '',
    '1',
    '1 ',
    'x INVITE',
    '-1 INVITE',
    '1.0 INVITE',
    '2147483648 X',
    '1 IN VITE',
    '00000000001 X',
  ])('refuses CSeq %j', (text) => {
    expect(() => parseCSeq(text)).toThrow(SipParseError);
  });

  it.each(['', '1 INVITE', '0 1 INVITE', '4294967296 1 INVITE', '1 1'])('refuses RAck %j', (text) => {
    expect(() => parseRAck(text)).toThrow(SipParseError);
  });
});

describe('parameters', () => {
  it('round trip for any list', () => {
    const name = fc.stringMatching(/^[a-z0-9.!%*_+`'~-]{1,8}$/);
    const value = fc.option(
      fc.oneof(
        fc.stringMatching(/^[a-zA-Z0-9:/[\].-]{1,8}$/),
        fc.stringMatching(/^"([a-z;,= <>]|\\["\\]){0,8}"$/),
      ),
      { nil: undefined },
    );
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.record({ name, value }), { selector: (param) => param.name, maxLength: 8 }),
        (params) => {
          expect(parseParams(printParams(params), 0)).toEqual(params);
        },
      ),
    );
  });

  it('are bounded and resolve quotes', () => {
    const many = Array.from({ length: MAX_PARAMS + 1 }, (_, index) => `;p${index}`).join('');
    expect(() => parseParams(many, 0)).toThrow('Too Many');
    expect(paramValue(parseParams(';a="x\\"y\\\\"', 0), 'A')).toBe('x"y\\');
  });
});

describe('credentials', () => {
  it('read Digest and the Bearer form of SIP', () => {
    const digest = parseAuthHeader('Digest realm="a, b",nonce="x\\"y" , qop=auth,  nc=00000001');
    expect(digest.params.map(({ name, value }) => `${name}=${value}`)).toEqual([
      'realm="a, b"',
      'nonce="x\\"y"',
      'qop=auth',
      'nc=00000001',
    ]);
    expect(parseAuthHeader('Bearer token="ey.J-_"')).toEqual({
      scheme: 'bearer',
      params: [{ name: 'token', value: '"ey.J-_"' }],
    });
  });

  it.each([
    '',
    'Digest',
    'Digest realm',
    'Digest realm=',
    'Digest realm="a',
    'Digest a=1 b=2',
    'Digest a=1,,b=2',
    'Digest a=1,a=2',
    'Di;gest a=1',
  ])('refuse %j', (text) => {
    expect(() => parseAuthHeader(text)).toThrow(SipParseError);
  });
});
