import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createResponse, parseMessage, type SipRequest } from '../../sip/index.ts';
import { claimOf, noteSignIn } from './sign-in-watch.ts';

const lines = [
  'Via: SIP/2.0/TLS h;branch=z9hG4bK1',
  'From: <sip:1001@cm1>;tag=a',
  'To: <sip:1001@cm1>',
  'Call-ID: c',
];
const request = (method: string, ...more: string[]): SipRequest =>
  parseMessage(
    Buffer.from(
      [`${method} sip:cm1 SIP/2.0`, ...lines, `CSeq: 1 ${method}`, ...more, 'Content-Length: 0', '', ''].join(
        '\r\n',
      ),
    ),
  ) as SipRequest;
const digest = (user: string): string =>
  `Authorization: Digest realm="ccmsipline", username="${user}", nonce="n"`;

test.each([
  ['no credentials', request('REGISTER'), undefined],
  ['a token', request('REGISTER', 'Proxy-Authorization: Bearer token="a.b"'), undefined],
  ['not a REGISTER', request('INVITE', digest('alice')), undefined],
  ['a user', request('REGISTER', digest('alice')), { user: 'alice' }],
  ['a user at the proxy', request('REGISTER', `Proxy-${digest('alice')}`), { user: 'alice' }],
  ['an escaped user', request('REGISTER', digest('al\\"ice')), { user: 'al"ice' }],
  ['no user', request('REGISTER', 'Authorization: Digest realm="x"'), { user: undefined }],
  ['an unclosed user', request('REGISTER', 'Authorization: Digest username="alice'), { user: undefined }],
])('%s', (_name, message, claim) => expect(claimOf(message)).toEqual(claim));

test.each([
  ['success', 200, [], { user: 'alice' }, ['succeeded alice 192.0.2.1']],
  ['wrong password', 401, [], { user: 'alice' }, ['failed alice 192.0.2.1']],
  ['wrong password at the proxy', 407, [], { user: 'alice' }, ['failed alice 192.0.2.1']],
  ['forbidden', 403, [], { user: 'alice' }, ['failed alice 192.0.2.1']],
  ['an unreadable user', 401, [], { user: undefined }, ['failed undefined 192.0.2.1']],
  [
    'a stale nonce',
    401,
    [['WWW-Authenticate', 'Digest realm="x", stale=TRUE, nonce="m"']],
    { user: 'alice' },
    [],
  ],
  ['a challenge to nobody', 401, [], undefined, []],
  ['an outage', 503, [], { user: 'alice' }, []],
  ['unknown line', 404, [], { user: 'alice' }, []],
])('%s is told as %#', (_name, status, headers, claim, told) => {
  const heard: string[] = [];
  const watch = {
    isOut: () => false,
    failed: (user: string | undefined, address: string) => void heard.push(`failed ${user} ${address}`),
    succeeded: (user: string, address: string) => void heard.push(`succeeded ${user} ${address}`),
  };
  const response = createResponse(request('REGISTER'), status, 'x', {
    headers: headers as [string, string][],
  });
  noteSignIn(watch, claim, '192.0.2.1', response);
  noteSignIn(watch, claim, '192.0.2.1', undefined);
  expect(heard).toEqual(told);
});

test('whatever stands in the credentials, they are read in linear time and without a throw', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('"', '\\', ',', ' ', 'username=', 'a') }), (text) => {
      const headers = { getAll: (name: string) => (name === 'Authorization' ? [`Digest ${text}`] : []) };
      claimOf({ method: 'REGISTER', headers: headers as unknown as SipRequest['headers'] });
    }),
  );
  const long = { getAll: () => [`Digest username="${'\\'.repeat(15_000)}`] };
  expect(claimOf({ method: 'REGISTER', headers: long as unknown as SipRequest['headers'] })).toEqual({
    user: undefined,
  });
});
