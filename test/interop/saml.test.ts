// Single sign-on with an identity provider and a browser nobody here wrote: SimpleSAMLphp from Debian, asked by headless
// Chromium through real edge and core processes, from the login page to a lane that is open.
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSigningCertificate } from '../../auth/index.ts';
import { createLabAuthority } from '../../lab/authority/authority.ts';
import { type Company, DOMAIN, EDGE_NAME, foundCompany, linksUp } from '../e2e/company.ts';
import { webClient } from '../e2e/people.ts';
import { canRun } from '../topology/requirements.ts';
import { until } from '../topology/until.ts';
import { openChromium, type TestBrowser } from './chromium.ts';
import { type SimpleSamlPhp, startSimpleSamlPhp } from './simplesamlphp.ts';

const block = 61;
const idp = `127.0.${block}.60`;
const phpAddress = `127.0.${block}.61`;
const lane = Buffer.from(DOMAIN).toString('base64url');
const begin = `https://${EDGE_NAME}:8443/${lane}/authorize?response_type=token&client_id=C1&device_id=D1&state=s`;
const launcher = path.resolve(import.meta.dirname, '../../bin/viaduct.mjs');

describe.skipIf(!canSignOn())('single sign-on through SimpleSAMLphp and Chromium', () => {
  let company: Company;
  let provider: SimpleSamlPhp;
  let browser: TestBrowser;

  beforeAll(async () => {
    company = await foundCompany({
      block,
      core: {
        access: { authentication: 'saml', 'authorize-by-oauth-token': true },
        'rate-control': { logins: 0 },
        saml: {
          certificate: { chain: 'file:saml.pem', key: 'file:saml.key' },
          'identity-providers': [
            {
              name: 'simplesamlphp',
              domains: [DOMAIN],
              'metadata-url': `https://${idp}:8443/simplesaml/saml2/idp/metadata.php`,
              'metadata-authority': 'file:idp-authority.pem',
            },
          ],
        },
      },
    });
    const viaduct = (...words: string[]): string =>
      execFileSync(process.execPath, [launcher, ...words], { cwd: company.folder, encoding: 'utf8' });
    viaduct('saml', 'certificate', 'core.example.com');
    const authority = await createLabAuthority('Authority of an identity provider', Date.now());
    writeFileSync(path.join(company.folder, 'idp-authority.pem'), authority.certificate);
    provider = await startSimpleSamlPhp(company.keeper, {
      folder: company.folder,
      address: idp,
      phpAddress,
      web: await authority.issue([idp]),
      signing: await signingKeys(),
      serviceProvider: viaduct('saml', 'metadata', 'core.yaml'),
      accounts: { alice: 'wonderland', mallory: 'nobody inside' },
    });
    await company.start();
    await until('metadata has been fetched', async () => (await singleSignOn(company)).state === 'ready', {
      deadlineMs: 10_000,
      detail: () => company.core.log(10),
    });
    browser = await openChromium({ [EDGE_NAME]: company.at.edge });
  });
  afterAll(async () => {
    await browser?.close();
    await provider?.close();
    await company?.close();
  });

  /** Fills in the login page; resolves with where the browser ends. */
  async function signIn(user: string, password: string, wanted: RegExp): Promise<URL> {
    const page = await browser.page();
    await page.goto(begin);
    await page.fill('input[name="username"]', user);
    await page.fill('input[name="password"]', password);
    await page
      .click('#regularsubmit button, button[type="submit"], input[type="submit"]')
      .catch(() => page.press('input[name="password"]', 'Enter'));
    await page.waitForURL(wanted, { timeout: 15_000 }).catch(async (error: unknown) => {
      throw new Error(
        `${page.url()}\n${await page.content().catch(String)}\n${provider.log()}\n${company.core.log(40)}\n${company.edge.log(3)}`,
        {
          cause: error,
        },
      );
    });
    const url = new URL(page.url());
    await page.context().close();
    return url;
  }

  const logged = (words: RegExp): Promise<void> =>
    until(`core logs ${String(words)}`, async () => words.test(company.core.log(20)), { deadlineMs: 5_000 });

  const tokenOf = (url: URL): string => new URLSearchParams(url.hash.slice(1)).get('access_token') ?? '';
  const callback = /\/oauthcallback#access_token=/;

  async function expectOpen(token: string): Promise<void> {
    const client = webClient(company);
    try {
      const settings = await client.toEdge('get_edge_config?service_name=_cisco-uds', { token });
      expect(settings.status, settings.body.toString()).toBe(200);
      const files = { protocol: 'http', host: company.at.ucm, port: 6970 } as const;
      expect((await client.throughLane(files, 'CSFALICE.cnf.xml')).status).toBe(200);
    } finally {
      client.close();
    }
  }

  test('from the login page to a working lane', async () => {
    const url = await signIn('alice', 'wonderland', callback);
    expect(url.host).toBe(`${EDGE_NAME}:8443`);
    expect(url.hash).toContain('state=s');
    await expectOpen(tokenOf(url));
  });

  test('with the assertion encrypted', async () => {
    provider.encrypt(true);
    await expectOpen(tokenOf(await signIn('alice', 'wonderland', callback)));
    provider.encrypt(false);
  });

  test('a user whom only the identity provider knows stays outside; the log says why', async () => {
    await signIn('mallory', 'nobody inside', /\/fedlet$/);
    await logged(/call control does not know mallory/);
  });

  test('tokens are listed and ended on the command line', async () => {
    const token = tokenOf(await signIn('alice', 'wonderland', callback));
    const ask = (...words: string[]): string =>
      execFileSync(
        process.execPath,
        [launcher, 'tokens', ...words, '--url', `http://${company.at.core}:8090/`],
        { encoding: 'utf8' },
      );
    expect(ask('list', '--user', 'alice')).toMatch(/deviceId: D1/);
    expect(ask('revoke', 'alice')).toMatch(/1 token ended/);
    const client = webClient(company);
    expect((await client.toEdge('get_edge_config', { token })).status).toBe(401);
    client.close();
  });

  test('new signing keys are fetched when the first signature does not fit; a second change at once has to wait', async () => {
    provider.sign(await signingKeys());
    await expectOpen(tokenOf(await signIn('alice', 'wonderland', callback)));
    provider.sign(await signingKeys());
    await signIn('alice', 'wonderland', /\/fedlet$/);
    await logged(/signature is not good/);
  });

  test('a core that starts while the identity provider is down is closed, and says why', async () => {
    await provider.close();
    await company.core.stop();
    await company.core.start();
    await linksUp(company.edge, company.core);
    const client = webClient(company);
    const answer = await client.toEdge('authorize?response_type=token&client_id=C1');
    expect(answer.status).toBe(503);
    expect((await singleSignOn(company)).state).toMatch(/cannot be refreshed: .*ECONNREFUSED/);
    client.close();
  });

  test('passwords open nothing on this path', async () => {
    const client = webClient(company);
    expect((await client.toEdge('get_edge_config', { user: 'alice', password: 'wonderland' })).status).toBe(
      403,
    );
    client.close();
  });
});

/** Debian's package has no program to look for. */
function canSignOn(): boolean {
  const suite = 'single sign-on (SimpleSAMLphp, Chromium)';
  if (!canRun(suite, ['php', 'chromium'])) return false;
  const isThere = existsSync('/usr/share/simplesamlphp/www/module.php');
  if (!isThere) process.stderr.write(`skipped: ${suite}: simplesamlphp is not installed\n`);
  return isThere;
}

function signingKeys(): ReturnType<typeof createSigningCertificate> {
  const now = Date.now();
  return createSigningCertificate('simplesamlphp', {
    fromMs: now - 3_600_000,
    untilMs: now + 86_400_000,
    bits: 2048,
  });
}

async function singleSignOn(company: Company): Promise<{ state?: string }> {
  const answer = await fetch(`http://${company.at.core}:8090/status`);
  const { https } = (await answer.json()) as {
    https?: { singleSignOn?: { identityProviders?: { state: string }[] } };
  };
  return https?.singleSignOn?.identityProviders?.[0] ?? {};
}
