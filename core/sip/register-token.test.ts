import { expect, test } from 'vitest';
import { deny } from '../../auth/verdict.ts';
import { parseMessage, type SipRequest } from '../../sip/index.ts';
import type { SipNode } from './node-directory.ts';
import { judgeToken, type TokenJudge } from './register-token.ts';

const lines = [
  'REGISTER sip:cm1 SIP/2.0',
  'Via: SIP/2.0/TLS h;branch=z9hG4bK1',
  'From: <sip:1001@cm1>;tag=a',
  'To: <sip:1001@cm1>',
  'Call-ID: c',
  'CSeq: 1 REGISTER',
];
const register = (...more: string[]): SipRequest =>
  parseMessage(Buffer.from([...lines, ...more, 'Content-Length: 0', '', ''].join('\r\n'))) as SipRequest;
const node = (deployment: string): SipNode =>
  ({ name: 'cm1', zone: 'CEOAuth-cm1', transport: 'tls', port: 5091, deployment }) as unknown as SipNode;
const account = {
  outcome: 'token',
  user: 'alice',
  expiresAt: 1,
  issuedAt: 1,
  scopes: [],
  tokenId: 't',
  clientId: 'c',
  cluster: 'c1',
  deployment: 'd',
} as const;
const heard: string[] = [];
const says =
  (result: ReturnType<TokenJudge>): TokenJudge =>
  (token) => {
    heard.push(token);
    return result;
  };
const bearer = 'Proxy-Authorization: Bearer token="abc.def"';

test.each([
  ['no token', [], says(account), undefined],
  ['a digest', ['Authorization: Digest username="x"'], says(deny(401, 'token-invalid', '')), undefined],
  ['a good token', [bearer], says(account), undefined],
  ['a good token, later', [bearer], says(Promise.resolve(account)), undefined],
  [
    'void',
    [bearer],
    says(deny(401, 'token-expired', '')),
    { status: 407, challenges: ['Bearer realm="ccmsipline"'] },
  ],
  ['access policy', [bearer], says(deny(403, 'token-scope', '')), { status: 403 }],
  [
    'store down',
    [bearer],
    says(Promise.resolve(deny(503, 'store-unavailable', '', 1))),
    { status: 503, retryAfterSeconds: 1 },
  ],
  ['another deployment', [bearer], says({ ...account, deployment: 'e' }), { status: 403 }],
  ['two tokens', [bearer, 'Authorization: Bearer token="x"'], says(account), { status: 400 }],
  ['unreadable', ['Proxy-Authorization: Bearer abc'], says(account), { status: 400 }],
] as const)('%s', async (_name, more, judge, refusal) => {
  const result = await judgeToken(register(...more), [node('d')], judge);
  if (refusal === undefined) expect(result).toBeUndefined();
  else expect(result).toMatchObject({ refusal: 'token', ...refusal });
});

test('the token is taken out of its quotes; without a judge nobody looks', () => {
  expect(heard).toContain('abc.def');
  expect(judgeToken(register(bearer), [node('d')], undefined)).toBeUndefined();
});

test('a simple token is judged like any other and goes no further', async () => {
  const token = `vst1_${'a'.repeat(43)}`;
  const request = register(
    `Proxy-Authorization: Bearer token="${token}"`,
    'Authorization: Digest username="x"',
  );
  const simple = {
    outcome: 'simple-token',
    user: 'alice',
    homeCluster: 'c1',
    deployment: 'd',
    expiresAt: 1,
  } as const;
  expect(await judgeToken(request, [node('d')], says(simple))).toBeUndefined();
  expect(heard.at(-1)).toBe(token);
  expect(request.headers.getAll('Proxy-Authorization')).toEqual([]);
  expect(request.headers.getAll('Authorization')).toEqual(['Digest username="x"']);
  const astray = register(`Proxy-Authorization: Bearer token="${token}"`);
  expect(await judgeToken(astray, [node('e')], says(simple))).toMatchObject({ status: 403 });
});
