// The dial policy as an operator writes it: deployments by domain, transfers outside, what a refusal says.
import { expect, test } from 'vitest';
import type { CoreConfig } from '../../config/index.ts';
import { parseMessage, type SipRequest } from '../../sip/index.ts';
import { dialPolicy } from './dial-policy.ts';

const policy = (part: Partial<CoreConfig['dialPolicy']> = {}) =>
  dialPolicy({
    domains: [
      { name: 'Example.com', deployment: 'default', messaging: true },
      { name: 'guests.example.com', deployment: 'guests', messaging: true },
    ],
    dialPolicy: {
      rules: [
        { name: 'premium', action: 'deny', deployments: [], users: [], targets: ['0900*'] },
        { name: 'guests', action: 'deny', deployments: ['guests'], users: [], targets: ['+*'] },
      ],
      otherwise: 'allow',
      referElsewhere: 'deny',
      ...part,
    },
  } as unknown as CoreConfig);

const request = (method: string, uri: string, referTo = ''): SipRequest =>
  parseMessage(
    Buffer.from(
      `${method} ${uri} SIP/2.0\r\nVia: SIP/2.0/TLS a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 ${method}\r\n${referTo}Content-Length: 0\r\n\r\n`,
    ),
  ) as SipRequest;

const isOurs = (host: string): boolean => host === 'example.com';
const invite = (target: string): SipRequest => request('INVITE', target);
const refer = (target: string): SipRequest => request('REFER', 'sip:c@d', `Refer-To: <${target}>\r\n`);

test.each([
  ['a number that nothing forbids', invite('sip:1002@example.com'), 'alice@example.com', undefined],
  [
    'a forbidden one, spelled otherwise',
    invite('sip:%3090-0123@example.com'),
    'alice@example.com',
    'Not Allowed By Dial Policy (premium)',
  ],
  [
    'abroad, of a guest',
    invite('tel:+15550100'),
    'eve@guests.example.com',
    'Not Allowed By Dial Policy (guests)',
  ],
  ['abroad, of the staff', invite('tel:+15550100'), 'alice@example.com', undefined],
  [
    'a transfer to a forbidden number',
    refer('tel:0900-1'),
    'alice@example.com',
    'Not Allowed By Dial Policy (premium)',
  ],
  ['a transfer inside', refer('sip:1003@example.com'), 'alice@example.com', undefined],
  [
    'a transfer to a stranger',
    refer('sip:x@evil.example'),
    'alice@example.com',
    'Transfer Outside Not Allowed',
  ],
  ['a REGISTER', request('REGISTER', 'sip:0900@example.com'), 'alice@example.com', undefined],
])('%s', (_name, asked, aor, reason) => {
  expect(policy()(asked, aor, isOurs)).toEqual(reason === undefined ? undefined : { status: 403, reason });
});

test('a transfer that can be read in two ways is refused', () => {
  const asked = request('REFER', 'sip:c@d', 'Refer-To: <tel:1>, <tel:0900>\r\n');
  expect(policy()(asked, 'alice@example.com', isOurs)).toEqual({ status: 400, reason: 'Malformed Refer-To' });
});

test('an operator may let transfers go outside', () => {
  const judge = policy({ referElsewhere: 'allow' });
  expect(judge(refer('sip:x@partner.example'), 'alice@example.com', isOurs)).toBeUndefined();
});
