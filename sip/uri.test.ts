// URIs: parts, faithful printing, refusals, and the equality examples of RFC 3261 §19.1.4.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SipParseError } from './parse-error.ts';
import { withParam, withoutParam } from './params.ts';
import { isLooseRoute, parseSipUri, parseUri, printUri, uriTransport } from './uri.ts';
import { addressKey, isSameUri } from './uri-compare.ts';

// The same cases in every run: a failure must not depend on who runs it.
fc.configureGlobal({ seed: 3261 });

describe('parsing', () => {
  const rows = [
    ['sip:alice@atlanta.com', 'alice', undefined, 'atlanta.com', undefined, 0],
    ['sip:alice:secretword@atlanta.com;transport=tcp', 'alice', 'secretword', 'atlanta.com', undefined, 1],
    ['sips:1212@gateway.com:5061', '1212', undefined, 'gateway.com', 5061, 0],
    ['sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com', undefined, undefined, 'atlanta.com', undefined, 1],
    ['sip:alice;day=tuesday@atlanta.com', 'alice;day=tuesday', undefined, 'atlanta.com', undefined, 0],
    ['sip:proxy-call-id=17aa8dc7-422c@192.168.1.5:5060;transport=tcp;lr', 'proxy-call-id=17aa8dc7-422c', undefined, '192.168.1.5', 5060, 2],
    ['sip:a@[2001:db8::10]:5070;x', 'a', undefined, '[2001:db8::10]', 5070, 1],
    ['SIP:A@B', 'A', undefined, 'B', undefined, 0],
  ] as const; // prettier-ignore

  it.each(rows)('%s', (text, user, password, host, port, params) => {
    const uri = parseSipUri(text);
    expect([uri.user, uri.password, uri.host, uri.port, uri.params.length]).toEqual([
      user,
      password,
      host,
      port,
      params,
    ]);
    expect(printUri(uri).slice(4)).toBe(text.slice(4));
  });

  it.each([
    '', 'alice', ':a', 'sip:', 'sip:@h', 'sip:a@', 'sip:a@h:', 'sip:a@h:x', 'sip:a@h:65536', 'sip:a@h;', 'sip:a@h;;lr', 'sip:a@h;=x', 'sip:a@h;lr;LR',
    'sip:a b@h', 'sip:a@h h', 'sip:a@h<', 'sip:a@"h"', 'sip:a@[::1', 'sip:a@[]', 'sip:a@[zz]', 'sip:a@b@c', '1sip:a@b', 'sip:a@h\xE9', 'sip:a@h|x', 'sip:a@h]',
    `sip:${'a'.repeat(256)}`, `sip:${'a'.repeat(2048)}@h`,
  ])('refuses %j', (text) => {
    expect(() => parseUri(text)).toThrow(SipParseError);
  }); // prettier-ignore

  it('leaves other schemes alone and says 416 where a SIP URI is needed', () => {
    expect(parseUri('tel:+358-555-1234567;phone-context=x')).toEqual({
      kind: 'other',
      scheme: 'tel',
      opaque: '+358-555-1234567;phone-context=x',
    });
    expect(() => parseSipUri('tel:+1')).toThrow(expect.objectContaining({ status: 416 }));
  });

  it('edits one part and keeps the rest', () => {
    const uri = parseSipUri('sip:u%41@h:5060;A=b;transport=tls;c?d=e');
    const moved = {
      ...uri,
      host: '10.0.0.1',
      port: 5062,
      params: withParam(withoutParam(uri.params, 'a'), 'Transport', 'tcp'),
    };
    expect(printUri(moved)).toBe('sip:u%41@10.0.0.1:5062;Transport=tcp;c?d=e');
    expect(printUri({ ...uri, params: withParam(uri.params, 'lr', undefined) })).toBe(
      'sip:u%41@h:5060;A=b;transport=tls;c;lr?d=e',
    );
  });

  it('knows transport and loose routing', () => {
    expect(uriTransport(parseSipUri('sip:h;transport=TCP'))).toBe('tcp');
    expect(uriTransport(parseSipUri('sips:h'))).toBe('tls');
    expect(uriTransport(parseSipUri('sip:h'))).toBeUndefined();
    expect([
      isLooseRoute(parseUri('sip:h;lr')),
      isLooseRoute(parseUri('sip:h;lr=on')),
      isLooseRoute(parseUri('sip:lr')),
    ]).toEqual([true, true, false]);
  });

  it('round trip: what is printed parses to the same, for any URI', () => {
    const user = fc.option(fc.stringMatching(/^[a-zA-Z0-9\-_.!~*'()&=+$,;?/%]{1,20}$/), { nil: undefined });
    const host = fc.oneof(
      fc.stringMatching(/^[a-z0-9-]{1,10}(\.[a-z]{2,5})?$/),
      fc.constant('[::1]'),
      fc.ipV4(),
    );
    const param = fc.stringMatching(/^[a-z0-9]{1,8}(=[a-zA-Z0-9[\]/:&+$%-]{1,8})?$/);
    fc.assert(
      fc.property(
        user,
        host,
        fc.option(fc.integer({ min: 0, max: 65_535 })),
        fc.uniqueArray(param, { selector: (p) => p.split('=')[0], maxLength: 5 }),
        (u, h, port, params) => {
          const text = `sip:${u === undefined ? '' : `${u}@`}${h}${port === null ? '' : `:${port}`}${params.map((p) => `;${p}`).join('')}`;
          expect(printUri(parseUri(text))).toBe(text);
        },
      ),
    );
  });
});

describe('equality, RFC 3261 §19.1.4', () => {
  const same = [
    ['sip:%61lice@atlanta.com;transport=TCP', 'sip:alice@AtLanTa.CoM;Transport=tcp'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com;newparam=5'],
    ['sip:carol@chicago.com;security=on', 'sip:carol@chicago.com;newparam=5'],
    [
      'sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com',
      'sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com',
    ],
    [
      'sip:alice@atlanta.com?subject=project%20x&priority=urgent',
      'sip:alice@atlanta.com?priority=urgent&subject=project%20x',
    ],
    ['tel:+1', 'tel:+1'],
  ] as const;
  const different = [
    ['SIP:ALICE@AtLanTa.CoM;Transport=udp', 'sip:alice@AtLanTa.CoM;Transport=UDP'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:5060'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com;transport=udp'],
    ['sip:bob@biloxi.com:6000;transport=tcp', 'sip:bob@biloxi.com'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com?Subject=next%20meeting'],
    ['sip:bob@phone21.boxesbybob.com', 'sip:bob@192.0.2.4'],
    ['sip:carol@chicago.com;security=on', 'sip:carol@chicago.com;security=off'],
    ['sip:carol@chicago.com', 'sips:carol@chicago.com'],
    ['sip:chicago.com', 'sip:carol@chicago.com'],
    ['tel:+1', 'sip:1'],
  ] as const;

  it.each(same)('%s = %s', (a, b) => {
    expect([isSameUri(parseUri(a), parseUri(b)), isSameUri(parseUri(b), parseUri(a))]).toEqual([true, true]);
  });
  it.each(different)('%s ≠ %s', (a, b) => {
    expect([isSameUri(parseUri(a), parseUri(b)), isSameUri(parseUri(b), parseUri(a))]).toEqual([
      false,
      false,
    ]);
  });
  it('has one key per address of record', () => {
    expect(addressKey(parseUri('sip:%31%30@Example.COM;x=y'))).toBe('sip:10@example.com');
    expect(addressKey(parseUri('sip:a@h:5061'))).toBe('sip:a@h:5061');
    expect(addressKey(parseUri('tel:+1'))).toBe('tel:+1');
  });
});
