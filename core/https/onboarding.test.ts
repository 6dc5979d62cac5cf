import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAuthority, issueIdentity } from '../../zones/pair/certificate.ts';
import { createTestIssuer } from '../../auth/oauth/test-issuer.ts';
import { alice, answerAsUnifiedCm, openCore, type TestCore } from './test-core.ts';

const validity = { from: Date.now(), days: 2 };
const maker = await createAuthority('maker of phones', validity);
const fieldOf = async (name: string): Promise<string> => {
  const { certificate } = await issueIdentity(maker, name, validity);
  return `:${certificate.replaceAll(/-----[^-]+-----|\s/g, '')}:`;
};
const phone = await fieldOf('sep001122334455');
const another = await fieldOf('sep001122334466');
const issuer = createTestIssuer();

const access = {
  authenticationPath: 'ucm-ldap',
  oauthWithRefresh: true,
  oauthSimple: false,
  userCredential: true,
  internalCheck: false,
  activationCodeOnboarding: true,
  embeddedSafari: false,
  clientRedirectUri: false,
  sipTokenExtraTtlS: 0,
} as const;
const oauth = {
  keys: new Map([['c1', { document: issuer.document }]]),
  overlapMs: 7_200_000,
  refetchMs: 30_000,
  refreshMs: 3_600_000,
  lifetimeMs: 3_600_000,
  skewMs: 60_000,
  maxTokens: 1000,
  scopes: { https: [], sip: [], xmpp: [] },
};

let core: TestCore;
let status = 200;
/** The device activation service: tells what it was shown. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  if (!request.url?.startsWith('/activation/')) return answerAsUnifiedCm(request, response);
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(request.headers));
}

beforeEach(async () => {
  status = 200;
  core = await openCore({ access, oauth, onboardingPaths: ['/activation/'] });
  core.ucm.answer = answer;
});
afterEach(() => core.close());

const ask = (path: string, headers = ''): Promise<string> => core.get(`/${core.lane()}${path}`, headers);
const statusOf = (text: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]);
const shows = (field: string, address = '203.0.113.7'): string =>
  `Client-Cert: ${field}\r\nX-Forwarded-For: ${address}\r\n`;

describe('a phone with an activation code', () => {
  it('reaches the activation service with its certificate and nothing else', async () => {
    const text = await ask('/activation/begin', shows(phone));
    expect(statusOf(text)).toBe(200);
    expect(text).toContain(`"client-cert":"${phone}"`);
  });

  it.each([
    '/cucm-uds/user/alice/devices',
    '/cucm-uds/version',
    '/activation',
    '/activation/../cucm-uds/version',
  ])('reaches no other path: %s', async (path) => {
    expect([401, 403, 400, 404]).toContain(statusOf(await ask(path, shows(phone))));
  });

  it('reaches no other server', async () => {
    const lane = core.lane({ host: 'ucm9.example.com' });
    expect(statusOf(await core.get(`/${lane}/activation/begin`, shows(phone)))).toBe(401);
  });

  it.each([
    ['no certificate', ''],
    ['something else', 'Client-Cert: :bm90IGEgY2VydGlmaWNhdGU=:\r\n'],
    ['two certificates', `Client-Cert: ${phone}\r\nClient-Cert: ${another}\r\n`],
    ['no structured field', `Client-Cert: ${phone.slice(1, -1)}\r\n`],
  ])('is refused with %s', async (_, headers) => {
    expect(statusOf(await ask('/activation/begin', headers))).toBe(403);
    expect(core.counted).toContain('request-refused device-unproven');
    expect(core.ucm.requests.some(({ line }) => line.includes('/activation/'))).toBe(false);
  });

  it('cannot guess codes: what Unified CM refuses is counted per device and per address (T-131)', async () => {
    status = 403;
    for (let guess = 0; guess < 8; guess += 1)
      expect(statusOf(await ask('/activation/x', shows(phone)))).toBe(403);
    const text = await ask('/activation/x', shows(phone, '203.0.113.8'));
    expect(statusOf(text)).toBe(429);
    expect(text).toMatch(/^Retry-After: \d+/m);
    expect(statusOf(await ask('/activation/x', shows(another, '203.0.113.7')))).toBe(429);
    expect(statusOf(await ask('/activation/x', shows(another, '203.0.113.9')))).toBe(403);
  });

  it('may ask as often as it needs while nothing is refused', async () => {
    for (let step = 0; step < 20; step += 1)
      expect(statusOf(await ask('/activation/x', shows(phone)))).toBe(200);
  });
});

it('a certificate beside credentials travels on, and opens nothing more', async () => {
  const text = await ask('/cucm-uds/user/alice', `${alice}${shows(phone)}`);
  expect(statusOf(text)).toBe(200);
  expect(text).toContain(`"client-cert":"${phone}"`);
  expect(statusOf(await ask('/activation/x', `${alice}${shows(phone)}`))).toBe(403);
});

it('switched off, a certificate is no way in', async () => {
  await core.close();
  core = await openCore({
    access: { ...access, activationCodeOnboarding: false },
    oauth,
    onboardingPaths: ['/activation/'],
  });
  expect(statusOf(await ask('/activation/x', shows(phone)))).toBe(401);
});
