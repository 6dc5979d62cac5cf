// T-166: nothing that opens a door is ever said: not in the log at its most talkative, not on /status or /metrics, not in
// the command line or environment of a process, not in a file that others may read.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { EdgeRequests } from '../../lab/client/edge-requests.ts';
import type { Phone } from '../../lab/client/phone.ts';
import { type Company, foundCompany } from './company.ts';
import { ALICE, bobPhone, deviceFile, expectService, signIn, webClient } from './people.ts';

let company: Company;
let bob: Phone;
let client: EdgeRequests;
const secrets = new Map<string, string>();

beforeAll(async () => {
  const log = { level: 'debug' };
  company = await foundCompany({ block: 28, edge: { log }, core: { log } });
  await company.start();
  bob = await bobPhone(company);
  client = webClient(company);
  await signIn(client);
  await client.toEdge('get_edge_config', { user: ALICE.user, password: 'not-her-password' });
  const answer = await client.toEdge('get_edge_config', ALICE);
  const cookie = /X-Auth=([^;]+)/.exec(String(answer.headers['set-cookie']))?.[1] ?? '';
  expect(cookie.length).toBeGreaterThan(20);
  secrets.set('cookie', cookie);
  secrets.set('password', ALICE.password);
  secrets.set('password in Basic', Buffer.from(`${ALICE.user}:${ALICE.password}`).toString('base64'));
  secrets.set('wrong password', 'not-her-password');
  secrets.set('digest password', 'looking-glass');
  secrets.set('SDES key', 'inline:');
  secrets.set('private key', 'PRIVATE KEY');
  for (const file of ['zone-edge.yaml', 'zone-core.yaml', 'edge.key']) {
    const lines = readFileSync(path.join(company.folder, file), 'utf8')
      .split('\n')
      .map((line) => line.trim());
    const first = lines.findIndex((line) => line.includes('PRIVATE KEY')) + 1;
    secrets.set(`key in ${file}`, lines[first] ?? '');
  }
  expect((await deviceFile(company, client)).status).toBe(200);
  await expectService(company, bob);
  // Refused with everything in the wrong place, which is what tempts a log line. Whoever types a password as user name
  // has made it a user name: it may stand in the log and in the counter of sign-ins.
  const inQuery = `get_edge_config?password=${ALICE.password}&X-Auth=${cookie}&access_token=${cookie}`;
  await client.toEdge(inQuery, { user: ALICE.password, password: ALICE.user });
});
afterAll(async () => {
  client?.close();
  bob?.close();
  await company?.close();
});

function expectSilent(where: string, text: string, except: readonly string[] = []): void {
  expect(text, where).not.toBe('');
  for (const [what, secret] of secrets) {
    if (except.includes(what)) continue;
    const at = text.indexOf(secret);
    expect(at < 0 ? '' : `${what}: ${text.slice(Math.max(0, at - 200), at + 20)}`, where).toBe('');
  }
}

test.each(['edge', 'core'] as const)('%s: pages, command line, environment, log', async (role) => {
  const one = company[role];
  for (const page of ['/status', '/metrics'] as const) expectSilent(page, (await one.page(page)) ?? '');
  for (const file of ['cmdline', 'environ'] as const) {
    expectSilent(file, readFileSync(`/proc/${one.pid}/${file}`, 'latin1'));
  }
  // the log is written behind; a process that ends in order writes all of it
  await one.stop();
  expect(one.output()).toContain(`${role} is closing`);
  expectSilent('log', one.output(), ['password']);
});

test('what core keeps on disk is for its owner alone, and holds no secret', () => {
  const folder = path.join(company.folder, 'core-state');
  const files = readdirSync(folder);
  expect(files.length).toBeGreaterThan(1);
  for (const name of files) {
    const file = path.join(folder, name);
    expect(statSync(file).mode & 0o077, name).toBe(0);
    expectSilent(name, readFileSync(file, 'latin1') || ' ', ['password']);
  }
});
