// Single sign-on through a whole core: the redirect, what the browser brings back, the token and the doors it opens.
import { randomUUID } from 'node:crypto';
import { inflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  makeTestKeys,
  printAssertion,
  printIdpMetadata,
  printResponse,
  sign,
  testKeys,
  type Told,
} from '../../auth/saml/test-idp.ts';
import { usualProvider } from '../../auth/saml/test-sign-on.ts';
import { createMemoryStore } from '../../zones/store/memory-store.ts';
import { ManualClock } from '../../zones/test-clock.ts';
import type { CoreHttpsOptions } from './core-https.ts';
import { alice, domainLane, openCore, type TestCore } from './test-core.ts';

const base = `https://edge1.example.com:8443/${domainLane}`;
const appUri = 'exampleapp://signed-in';
let core: TestCore;
let used: CoreHttpsOptions['sso'];

/** A core of a cluster: `shared` is the store of another one. */
async function open(shared?: CoreHttpsOptions['sso']): Promise<TestCore> {
  const [own, idp] = await Promise.all([testKeys('sp'), testKeys('idp')]);
  const nothing = (): void => undefined;
  const storeClock = new ManualClock();
  const store = createMemoryStore({
    journal: undefined,
    sweepMs: 60_000,
    clock: storeClock,
    count: nothing,
    onHealth: nothing,
  });
  const space = { maxEntries: 100, maxEntryLength: 4000, whenFull: 'refuse', durable: false } as const;
  const sso: CoreHttpsOptions['sso'] = shared ?? {
    keys: { privateKey: own.key, certificate: own.certificate },
    mode: 'cluster',
    providers: [{ ...usualProvider, document: printIdpMetadata([idp.certificate]), authority: undefined }],
    redirectUris: [appUri],
    refreshMs: 3_600_000,
    retryMs: 60_000,
    staleMs: 86_400_000,
    warnBeforeMs: 86_400_000,
    fetchMs: 1000,
    maxMetadataBytes: 100_000,
    signInMs: 300_000,
    skewMs: 60_000,
    maxBegunPerAddress: 100,
    tokenLifetimeMs: 3_600_000,
    sipExtraMs: 600_000,
    maxTokensPerUser: 3,
    pending: store.namespace('pending', space),
    used: store.namespace('used', space),
    tokens: store.namespace('tokens', space),
    ownMetadata: { document: 'ours', store: store.namespace('facts', space) },
  };
  used = sso;
  return openCore({
    sso,
    access: {
      authenticationPath: 'saml-and-ucm-ldap',
      oauthWithRefresh: false,
      oauthSimple: true,
      userCredential: true,
      internalCheck: false,
      activationCodeOnboarding: false,
      embeddedSafari: true,
      clientRedirectUri: false,
      sipTokenExtraTtlS: 600,
    },
    rateControl: { maxLogins: 0, periodMs: 300_000 },
  });
}

beforeAll(async () => {
  await makeTestKeys();
  core = await open();
}, 60_000);
afterAll(() => core.close());

const header = (answer: string, name: string): string =>
  new RegExp(`^${name}: (.*)\r$`, 'im').exec(answer)?.[1] ?? '';
const status = (answer: string): string => answer.slice(9, 12);

interface Begun {
  readonly relayState: string;
  readonly requestId: string;
  readonly cookie: string;
}

async function begin(query = ''): Promise<Begun> {
  const answer = await core.get(
    `/${domainLane}/authorize?response_type=token&client_id=C1&device_id=D1${query}`,
  );
  expect(status(answer)).toBe('302');
  const url = new URL(header(answer, 'Location'));
  const xml = inflateRawSync(Buffer.from(url.searchParams.get('SAMLRequest') ?? '', 'base64')).toString();
  expect(header(answer, 'Set-Cookie')).toMatch(
    /; Path=\/ZXhhbXBsZS5jb20\/fedlet; Secure; HttpOnly; SameSite=None$/,
  );
  return {
    relayState: url.searchParams.get('RelayState') ?? '',
    requestId: /ID="([^"]+)"/.exec(xml)?.[1] ?? '',
    cookie: header(answer, 'Set-Cookie').split(';')[0] ?? '',
  };
}

async function respond({ requestId }: Begun, change: Partial<Told> = {}): Promise<string> {
  const now = core.clock.wall();
  const entity = `example.com--`;
  const { entityIdOf } = await import('../../auth/saml/sp-metadata.ts');
  const audience = entityIdOf('example.com', (await testKeys('sp')).certificate, 'cluster', 'x');
  expect(audience.startsWith(entity)).toBe(true);
  const idp = 'https://idp.example.com/metadata';
  const told: Told = {
    responseId: '_r',
    assertionId: `_${randomUUID()}`,
    issuer: idp,
    assertionIssuer: idp,
    destination: `${base}/fedlet`,
    recipient: `${base}/fedlet`,
    audience,
    inResponseTo: requestId,
    subjectInResponseTo: requestId,
    status: 'urn:oasis:names:tc:SAML:2.0:status:Success',
    notBefore: now,
    notOnOrAfter: now + 300_000,
    confirmedUntil: now + 300_000,
    user: 'alice',
    conditions: '',
    attributes: '',
    subject: '',
    statement: '',
    doctype: '',
    ...change,
  };
  return printResponse(told, await sign(printAssertion(told), told.assertionId));
}

function post(path: string, form: Record<string, string>, headers = ''): Promise<string> {
  const body = new URLSearchParams(form).toString();
  return core.exchange(
    `POST /${domainLane}/${path} HTTP/1.1\r\nHost: edge1.example.com:8443\r\n${headers}Connection: close\r\n` +
      `Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
}

async function finish(begun: Begun, xml: string, headers = `Cookie: ${begun.cookie}\r\n`): Promise<string> {
  const form = { SAMLResponse: Buffer.from(xml).toString('base64'), RelayState: begun.relayState };
  return post('fedlet', form, headers);
}

async function signIn(query = ''): Promise<{ token: string; location: string }> {
  const begun = await begin(query);
  const answer = await finish(begun, await respond(begun));
  expect(status(answer), answer).toBe('303');
  const location = header(answer, 'Location');
  return { location, token: new URLSearchParams(location.split('#')[1]).get('access_token') ?? '' };
}

const bearer = (token: string): string => `Authorization: Bearer ${token}\r\n`;

test('get_edge_sso offers single sign-on where the domain has a provider', async () => {
  expect(await core.get(`/${domainLane}/get_edge_sso?email=alice@example.com`)).toContain(
    '<Status enabled="true"/>',
  );
  const branch = Buffer.from('branch.example.com').toString('base64url');
  expect(await core.get(`/${branch}/get_edge_sso`)).toContain('<Status enabled="false"/>');
  expect(status(await core.get(`/${branch}/authorize?response_type=token&client_id=C1`))).toBe('503');
});

test('from the redirect to a lane that is open; the token stays here', async () => {
  const { token, location } = await signIn('&state=a%20b');
  expect(location).toMatch(
    /oauthcallback#access_token=vst1_[\w-]{43}&token_type=Bearer&expires_in=3600&state=a\+b$/,
  );
  const config = await core.get(`/${domainLane}/get_edge_config`, bearer(token));
  expect(status(config)).toBe('200');
  const cookie = header(config, 'Set-Cookie').split(';')[0] ?? '';
  expect(cookie).toMatch(/^X-Auth=/);
  const file = await core.get(
    `/${core.lane({ protocol: 'http', port: core.files.port })}/CSFALICE.cnf.xml`,
    bearer(token),
  );
  expect(status(file)).toBe('200');
  const inside = await core.get(
    `/${core.lane()}/cucm-uds/user/alice`,
    `Cookie: ${cookie}\r\n${bearer(token)}`,
  );
  // Unified CM was asked without the token: it does not know it and shall not see it.
  expect(status(inside)).toBe('401');
  expect(inside).toContain('Cisco Web Services Realm');
  const other = await core.get(`/${core.lane()}/cucm-uds/user/bob/devices`, bearer(token));
  expect(status(other)).toBe('403');
  expect(status(await core.get(`/${domainLane}/oauthcallback`))).toBe('200');
});

test('tokens are listed and ended by user and by id; a device has one', async () => {
  const first = await signIn();
  const second = await signIn();
  const listed = await core.core.listTokens('alice');
  expect(listed).toHaveLength(1);
  expect(listed[0]).toMatchObject({ user: 'alice', deviceId: 'D1', clientId: 'C1', deployment: 'd' });
  expect(JSON.stringify(listed)).not.toContain(second.token);
  expect(status(await core.get(`/${domainLane}/get_edge_config`, bearer(first.token)))).toBe('401');
  expect(await core.core.revokeToken(listed[0]?.id ?? '')).toBe(1);
  expect(status(await core.get(`/${domainLane}/get_edge_config`, bearer(second.token)))).toBe('401');
  core.clock.advance(10);
  const third = await signIn();
  expect(await core.core.revoke('alice')).toBe(1);
  expect(status(await core.get(`/${domainLane}/get_edge_config`, bearer(third.token)))).toBe('401');
  core.clock.advance(10);
  const last = await signIn();
  expect(status(await post('revoke', {}, bearer(last.token)))).toBe('200');
  expect(await core.core.listTokens(undefined)).toEqual([]);
});

test('a redirect URI is taken letter for letter (T-127)', async () => {
  const { location } = await signIn(`&redirect_uri=${encodeURIComponent(appUri)}`);
  expect(location).toMatch(/^exampleapp:\/\/signed-in#access_token=/);
  for (const uri of [`${appUri}/x`, `${appUri}x`, 'EXAMPLEAPP://signed-in', 'https://evil.example/'])
    expect(
      status(
        await core.get(
          `/${domainLane}/authorize?response_type=token&client_id=C1&redirect_uri=${encodeURIComponent(uri)}`,
        ),
      ),
    ).toBe('400');
  expect(
    status(await core.get(`/${domainLane}/authorize?response_type=token&client_id=C1&client_id=C2`)),
  ).toBe('400');
});

test('what is refused, and that the log names the cause', async () => {
  const rows: [change: Partial<Told>, code: string, cause: RegExp][] = [
    [{ user: 'mallory' }, '403', /does not know mallory/],
    [{ audience: 'https://other.example' }, '403', /not meant for/],
    [{ status: 'urn:oasis:names:tc:SAML:2.0:status:Responder' }, '403', /says no: urn:oasis/],
    [{ attributes: '<saml:AttributeStatement/>' }, '403', /No uid Attribute in Assertion from IdP/],
    [{ notBefore: core.clock.wall() + 600_000 }, '403', /begins in 600 s; are the clocks right/],
  ];
  for (const [change, code, cause] of rows) {
    const begun = await begin();
    const answer = await finish(begun, await respond(begun, change));
    expect(status(answer)).toBe(code);
    expect(JSON.stringify(core.logged.at(-1))).toMatch(cause);
    expect(answer).not.toMatch(cause);
  }
  const begun = await begin();
  const good = await respond(begun);
  expect(status(await finish(begun, good, ''))).toBe('403');
  expect(status(await core.get(`/${domainLane}/fedlet`))).toBe('405');
  expect(status(await post('fedlet', { SAMLResponse: 'x' }))).toBe('403');
  expect(status(await post('fedlet', {}))).toBe('400');
  const forged = good.replace('>alice<', '>mallo<');
  expect(status(await finish(begun, forged))).toBe('403');
  expect(status(await finish(begun, good))).toBe('303');
  expect(status(await finish(begun, good))).toBe('403');
});

test('nothing secret is logged', async () => {
  const { token } = await signIn();
  expect(JSON.stringify(core.logged)).not.toContain(token);
});

test('a sign-in begins at one core and ends at another; its token opens both', async () => {
  // A revocation just now voids what is issued in the same millisecond.
  core.clock.advance(10);
  const begun = await begin();
  const first = core;
  const second = await open(used);
  second.clock.advance(first.clock.wall() - second.clock.wall());
  try {
    const xml = await respond(begun);
    core = second;
    const answer = await finish(begun, xml);
    expect(status(answer), JSON.stringify(second.logged.at(-1))).toBe('303');
    const token = new URLSearchParams(header(answer, 'Location').split('#')[1]).get('access_token') ?? '';
    for (const one of [first, second])
      expect(
        status(await one.get(`/${domainLane}/get_edge_config`, bearer(token))),
        JSON.stringify(one.logged.at(-1)),
      ).toBe('200');
    core = first;
    expect(status(await finish(begun, xml))).toBe('403');
  } finally {
    core = first;
    await second.close();
  }
});

test('a body that is too long, two responses in one form, another type', async () => {
  const long = { SAMLResponse: 'A'.repeat(500_000) };
  expect(status(await post('fedlet', long))).toBe('400');
  const twice = 'SAMLResponse=a&SAMLResponse=b';
  const head = `POST /${domainLane}/fedlet HTTP/1.1\r\nHost: edge1.example.com:8443\r\nConnection: close\r\n`;
  const form = 'Content-Type: application/x-www-form-urlencoded\r\n';
  const length = `Content-Length: ${twice.length}\r\n\r\n${twice}`;
  expect(status(await core.exchange(`${head}${form}${length}`))).toBe('400');
  expect(status(await core.exchange(`${head}Content-Type: text/xml\r\n${length}`))).toBe('400');
});

test('name and password still open the door beside it', async () => {
  expect(status(await core.get(`/${domainLane}/get_edge_config`, alice))).toBe('200');
});

test('a token ends: for the web at its time, for SIP later', async () => {
  core.clock.advance(10);
  const { token } = await signIn();
  expect(await core.core.simpleTokens?.check('d2', token, 'https')).toMatchObject({
    reason: 'token-deployment',
  });
  core.clock.advance(3_600_000);
  expect(await core.core.simpleTokens?.check('d', token, 'https')).toMatchObject({ reason: 'token-expired' });
  expect(await core.core.simpleTokens?.check('d', token, 'sip')).toMatchObject({ user: 'alice' });
  core.clock.advance(600_000);
  expect(await core.core.simpleTokens?.check('d', token, 'sip')).toMatchObject({ reason: 'token-expired' });
});
