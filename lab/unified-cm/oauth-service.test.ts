import { beforeAll, describe, expect, test } from 'vitest';
import { printBasic } from './basic-credentials.ts';
import { exampleEnterprise } from './enterprise.ts';
import { answerOauth, keyAccount } from './oauth-service.ts';
import { createTokenIssuer, type TokenIssuer } from './token-issuer.ts';

const enterprise = exampleEnterprise([]);
const alice = printBasic('alice', 'wonderland');
let now = 1_800_000_000_000;
let issuer: TokenIssuer;
beforeAll(async () => {
  issuer = await createTokenIssuer(() => now);
});

const ask = (method: string, target: string, authorization?: string, body = '') =>
  answerOauth(enterprise, issuer, 'https://ucm1.example.com:8443', { method, target, authorization, body });

async function codeOf(): Promise<string> {
  const answer = await ask('GET', '/ssosp/oauth/authorize?response_type=code', alice);
  return new URL(answer.headers['Location'] ?? '').searchParams.get('code') ?? '';
}

const tokensOf = async (body: string): Promise<Record<string, string>> =>
  JSON.parse((await ask('POST', '/ssosp/oauth/token', undefined, body)).body) as Record<string, string>;

describe('tokens', () => {
  test('a code is redeemed once; the refresh token renews until it is revoked', async () => {
    const code = await codeOf();
    const first = await tokensOf(`grant_type=authorization_code&code=${code}`);
    expect(issuer.userOf(first['access_token'] ?? '')).toBe('alice');
    expect(await tokensOf(`code=${code}`)).toEqual({ error: 'invalid_grant' });
    const renew = `grant_type=refresh_token&refresh_token=${first['refresh_token']}`;
    expect(issuer.userOf((await tokensOf(renew))['access_token'] ?? '')).toBe('alice');
    expect((await ask('GET', '/ssosp/token/revoke', alice)).status).toBe(200);
    expect(await tokensOf(renew)).toEqual({ error: 'invalid_grant' });
    expect(issuer.userOf(first['access_token'] ?? '')).toBeUndefined();
  });

  test('a code is good for a minute', async () => {
    const code = await codeOf();
    now += 60_001;
    expect(await tokensOf(`code=${code}`)).toEqual({ error: 'invalid_grant' });
  });
});

test.each([
  ['authorize without password', 'GET', '/ssosp/oauth/authorize?response_type=code', undefined, 401],
  ['authorize for a simple token', 'GET', '/ssosp/oauth/authorize?response_type=token', alice, 400],
  ['keys for a user', 'GET', '/ssosp/keys', alice, 401],
  ['keys for the account', 'GET', '/ssosp/keys', printBasic(keyAccount.user, keyAccount.password), 200],
  ['anything else', 'GET', '/ssosp/x', alice, 404],
])('%s', async (_name, method, target, authorization, status) => {
  expect((await ask(method, target, authorization)).status).toBe(status);
});
