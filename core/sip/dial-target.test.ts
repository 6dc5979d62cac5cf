// One form for every spelling of a target.
import { describe, expect, test } from 'vitest';
import { parseMessage, type SipRequest } from '../../sip/index.ts';
import { dialTarget } from './dial-target.ts';

function request(method: string, uri: string, referTo?: string): SipRequest {
  const lines = [
    `${method} ${uri} SIP/2.0`,
    'Via: SIP/2.0/TLS a;branch=z9hG4bK1',
    'From: <sip:a@b>;tag=1',
    'To: <sip:c@d>',
    'Call-ID: x',
    `CSeq: 1 ${method}`,
    ...(referTo === undefined ? [] : [`Refer-To: ${referTo}`]),
    'Content-Length: 0',
    '',
    '',
  ];
  return parseMessage(Buffer.from(lines.join('\r\n'))) as SipRequest;
}

describe('a call', () => {
  test.each([
    ['sip:0900123@Example.COM', ['0900123', '0900123@example.com']],
    ['sip:%30900123@example.com', ['0900123', '0900123@example.com']],
    ['sip:0900-12.3@example.com;user=phone', ['0900123', '0900123@example.com']],
    ['sip:(0900)123;phone-context=x@example.com', ['0900123', '0900123@example.com']],
    ['sips:+49%20900@example.com:5061', ['+49900', '+49900@example.com']],
    ['sip:Bob.Smith@example.com', ['bob.smith', 'bob.smith@example.com']],
    ['sip:example.com', ['', '@example.com']],
    ['tel:+49-900-123;phone-context=x', ['+49900123']],
    ['TEL:%2b49900123', ['+49900123']],
  ])('%s', (uri, forms) => {
    expect(dialTarget(request('INVITE', uri))).toMatchObject({ forms });
  });
});

test.each([
  ['<sip:0900123@10.0.0.1?Replaces=x>', ['0900123', '0900123@10.0.0.1'], '10.0.0.1'],
  ['"Bob" <tel:+1-900>;x=y', ['+1900'], undefined],
])('a transfer to %s', (referTo, forms, host) => {
  expect(dialTarget(request('REFER', 'sip:a@b', referTo))).toEqual({ forms, host });
});

test.each([
  ['a transfer without a target', request('REFER', 'sip:a@b')],
  ['a transfer to a body part', request('REFER', 'sip:a@b', '<cid:x@y>')],
  ['another method', request('MESSAGE', 'sip:0900123@b')],
  ['another scheme', request('INVITE', 'urn:service:sos')],
])('nothing is dialled by %s', (_name, asked) => {
  expect(dialTarget(asked)).toBeUndefined();
});

test.each([
  ['two targets in one line', '<tel:1>, <tel:0900>'],
  ['half a target', '<sip:1'],
])('a transfer with %s is unreadable', (_name, referTo) => {
  expect(dialTarget(request('REFER', 'sip:a@b', referTo))).toBe('unreadable');
});
