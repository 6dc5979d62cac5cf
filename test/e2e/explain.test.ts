// An operator's questions and changes, put by the command line to real processes: why a logged request was refused, at
// edge and at core; rules that change while core runs, outlive it, and are all of a file or nothing; how a user stands.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../topology/until.ts';
import { type Company, foundCompany, linksUp } from './company.ts';
import { ALICE, signIn, webClient } from './people.ts';
import { LAUNCHER } from './viaduct-process.ts';

let company: Company;
beforeAll(async () => {
  company = await foundCompany({
    block: 34,
    edge: {},
    core: {
      'rate-control': { logins: 20 },
      'intrusion-protection': { categories: { 'http-auth': { 'trigger-level': 3 } } },
    },
  });
  await company.start();
});
afterAll(() => company?.close());

const adminOf = (role: 'edge' | 'core'): string => `http://${company.at[role]}:8090`;
const heading = 'Url,Deployment,HttpMethods,MatchType,Description\n';

async function viaduct(...words: readonly string[]): Promise<{ code: number | string | null; said: string }> {
  const started = company.keeper.start([process.execPath, LAUNCHER, ...words], { name: 'viaduct' });
  const code = await started.ended;
  return { code, said: started.output() };
}
function file(name: string, text: string): string {
  const place = path.join(company.folder, name);
  writeFileSync(place, text);
  return place;
}
const logged = (target: string): string[] =>
  company.core
    .output()
    .split('\n')
    .filter((line) => line.includes(`/${target}"`) && line.includes('trackingId'));

/** Asks for a path of the node inside; the status and what the log calls the request. */
async function ask(target: string): Promise<{ status: number; trackingId: string }> {
  const client = webClient(company);
  await signIn(client);
  const before = logged(target).length;
  const { status } = await client.throughLane(
    { protocol: 'https', host: company.at.ucm, port: 8443 },
    target,
  );
  client.close();
  await until('the log has the request', async () => logged(target).length > before, { deadlineMs: 5_000 });
  return { status, trackingId: /"trackingId":"([^"]+)"/.exec(logged(target).at(-1) ?? '')?.[1] ?? '' };
}

describe('a logged request', () => {
  test('is explained at core with both halves, the nearest rule and what to change', async () => {
    const { status, trackingId } = await ask('cucm-uds/versio');
    expect(status).toBe(403);
    const { code, said } = await viaduct('explain', trackingId, '--url', adminOf('core'));
    expect(code).toBe(1);
    expect(said).toMatch(/edge edge\.example\.com: GET from .+ was answered 403/);
    expect(said).toMatch(
      /NO {3}core: GET .*cucm-uds\/versio of alice: Request Rejected \(path\).*Add a rule/,
    );
    expect((await viaduct('explain', trackingId, '--url', adminOf('edge'))).said).toContain(
      'what core decided stands at core',
    );
  });

  test('that was let in says by which rule', async () => {
    const { status, trackingId } = await ask('cucm-uds/version');
    expect(status).toBe(200);
    const { code, said } = await viaduct('explain', trackingId, '--url', adminOf('core'));
    expect([code, said]).toEqual([0, expect.stringMatching(/Request Allowed .*rule \/cucm-uds\/version/)]);
  });

  test('that nobody remembers is said to be so', async () => {
    const { code, said } = await viaduct(
      'explain',
      '00000000-0000-4000-8000-000000000000',
      '--url',
      adminOf('core'),
    );
    expect([code, said]).toEqual([1, expect.stringContaining('nobody remembers it')]);
  });
});

describe('rules of a running core', () => {
  const target = 'ccmadmin/help.html';

  test('open a path at once; one broken line opens nothing', async () => {
    expect((await ask(target)).status).toBe(403);
    const url = `https://${company.at.ucm}:8443/${target}`;
    const broken = file('broken.csv', `${heading}${url},,,exact,\nhttps://x/?q,,,,\n`);
    const refused = await viaduct('allowlist', 'upload', broken, '--url', adminOf('core'));
    expect([refused.code, refused.said]).toEqual([1, expect.stringMatching(/"line": 3/)]);
    expect((await ask(target)).status).toBe(403);
    const good = file('good.csv', `${heading}${url},,,exact,help pages\n`);
    expect(await viaduct('allowlist', 'upload', good, '--url', adminOf('core'))).toMatchObject({ code: 0 });
    expect((await ask(target)).status).not.toBe(403);
    expect((await viaduct('allowlist', 'rules', '--url', adminOf('core'))).said).toContain('help pages');
    const tests = file(
      'tests.csv',
      `Url,ExpectedResult,Deployment,Description,HttpMethod\n${url},allow,,,\n${url}x,block,,,\n`,
    );
    expect(await viaduct('allowlist', 'try', tests, '--url', adminOf('core'))).toMatchObject({ code: 0 });
  });

  test('hold after a restart, and not after they are taken out', async () => {
    await company.core.stop();
    await company.core.start();
    await linksUp(company.edge, company.core);
    expect((await ask(target)).status).not.toBe(403);
    const rule = `https://${company.at.ucm}:8443/${target}`;
    expect(await viaduct('allowlist', 'remove', rule, '--url', adminOf('core'))).toMatchObject({ code: 0 });
    expect((await ask(target)).status).toBe(403);
  });
});

describe('a user', () => {
  test('who is out is said to be, with how to let him in, and the history tells it later', async () => {
    const client = webClient(company, company.at.stranger);
    for (let i = 0; i < 3; i += 1)
      await client.toEdge('get_edge_config', { user: 'bob', password: `guess ${i}` });
    client.close();
    const { code, said } = await viaduct('explain', 'user:bob', '--url', adminOf('core'));
    const id = `user:default:bob@${company.at.stranger}`;
    expect([code, said]).toEqual([1, expect.stringContaining(`viaduct bans unblock ${id}`)]);
    expect(await viaduct('bans', 'unblock', id, '--url', adminOf('core'))).toMatchObject({ code: 0 });
    expect((await viaduct('bans', 'history', '--url', adminOf('core'))).said).toMatch(/by: operator/);
    const after = await viaduct('explain', 'user:bob', '--url', adminOf('core'));
    expect([after.code, after.said]).toEqual([0, expect.stringContaining("the user's home cluster is")]);
  });

  test('no password stands in what is kept', async () => {
    const { said } = await viaduct('explain', `user:${ALICE.user}`, '--url', adminOf('core'));
    expect(said).not.toContain(ALICE.password);
  });
});
