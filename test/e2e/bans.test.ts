// Intrusion protection through real processes: a hostile address is kept out of edge's doors while others are served, a
// device that guesses is shut out without its neighbours, and an operator lets both in again.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../topology/until.ts';
import { type Company, foundCompany, linksUp } from './company.ts';
import { ALICE, signIn, webClient } from './people.ts';
import { dialTls } from './raw-client.ts';
import { LAUNCHER } from './viaduct-process.ts';

const SETTINGS = 'get_edge_config';
const fast = (level: number): object => ({ 'trigger-level': level, window: '10 min', block: '10 min' });

let company: Company;

beforeAll(async () => {
  company = await foundCompany({
    block: 29,
    edge: { 'intrusion-protection': { categories: { 'http-protocol': fast(2) } } },
    core: {
      'rate-control': { logins: 0 },
      'intrusion-protection': { categories: { 'http-auth': fast(3) } },
    },
  });
  await company.start();
});
afterAll(() => company?.close());

/** Runs the command line against a process of the company. */
async function viaduct(...words: readonly string[]): Promise<string> {
  const started = company.keeper.start([process.execPath, LAUNCHER, ...words], { name: 'viaduct' });
  await started.ended;
  return started.output();
}
const adminOf = (role: 'edge' | 'core'): string => `http://${company.at[role]}:8090`;

/** The status of a sign-in, or `closed` when the door does not let the client in. */
async function statusAt(address: string, user: string, password: string): Promise<number | 'closed'> {
  const client = webClient(company, address);
  try {
    return (await client.toEdge(SETTINGS, { user, password })).status;
  } catch {
    return 'closed';
  } finally {
    client.close();
  }
}

describe('what is no HTTP', () => {
  test('keeps its address out of the door and nobody else', async () => {
    for (let i = 0; i < 2; i += 1) {
      const client = await dialTls(company, 8443);
      client.socket.write('GET / HTTP/1.1\nHost: x\n\n');
      await client.closed;
    }
    expect(await statusAt(company.at.stranger, ALICE.user, ALICE.password)).toBe('closed');
    const client = webClient(company);
    await signIn(client);
    client.close();
  });

  test('until an operator lets it in', async () => {
    const id = `address:${company.at.stranger}`;
    expect(await viaduct('bans', '--url', adminOf('edge'))).toContain(id);
    expect(await viaduct('bans', 'unblock', id, '--url', adminOf('edge'))).toContain('let in again');
    expect(await statusAt(company.at.stranger, ALICE.user, ALICE.password)).toBe(200);
  });
});

describe('a device that guesses', () => {
  test('is shut out at core with the right password too; the same user elsewhere is not', async () => {
    for (let i = 0; i < 3; i += 1)
      expect(await statusAt(company.at.stranger, 'alice', `guess ${i}`)).toBe(401);
    expect(await statusAt(company.at.stranger, ALICE.user, ALICE.password)).toBe(429);
    expect(await statusAt(company.at.client, ALICE.user, ALICE.password)).toBe(200);
    expect(await statusAt(company.at.stranger, 'bob', 'builder')).toBe(200);
  });

  test('users nobody knows: core tells edge, which closes the door', async () => {
    for (let i = 0; i < 3; i += 1) await statusAt(company.at.stranger, `nobody${i}`, 'x');
    await until(
      'edge keeps the address out',
      async () => (await statusAt(company.at.stranger, 'bob', 'builder')) === 'closed',
      { deadlineMs: 5_000, detail: () => company.edge.log(10) },
    );
    const id = `address:${company.at.stranger}`;
    expect(await viaduct('bans', 'unblock', id, '--url', adminOf('core'))).toContain('let in again');
    await until(
      'edge lets it in again',
      async () => (await statusAt(company.at.stranger, 'bob', 'builder')) === 200,
      { deadlineMs: 5_000, detail: () => company.edge.log(10) },
    );
  });
});

describe('a restart of core', () => {
  let small: Company;
  beforeAll(async () => {
    small = await foundCompany({
      block: 35,
      core: {
        'rate-control': { logins: 3, period: '86400 s' },
        'intrusion-protection': { categories: { 'http-auth': fast(3) } },
      },
    });
    await small.start();
  });
  afterAll(() => small?.close());

  async function signInAt(address: string, user: string, password: string) {
    const client = webClient(small, address);
    const answer = await client.toEdge(SETTINGS, { user, password });
    client.close();
    return answer;
  }

  test('forgets neither sign-ins nor failures', async () => {
    const { client, stranger } = small.at;
    for (let i = 0; i < 3; i += 1)
      expect((await signInAt(client, ALICE.user, ALICE.password)).status).toBe(200);
    for (let i = 0; i < 2; i += 1) expect((await signInAt(stranger, 'bob', `guess ${i}`)).status).toBe(401);
    await small.core.stop();
    await small.core.start();
    await linksUp(small.edge, small.core);
    const limited = await signInAt(client, ALICE.user, ALICE.password);
    expect(limited.status).toBe(429);
    expect(Number(limited.headers['retry-after'])).toBeGreaterThan(0);
    expect(Number(limited.headers['retry-after'])).toBeLessThanOrEqual(86_400);
    expect((await signInAt(stranger, 'bob', 'guess 3')).status).toBe(401);
    expect(JSON.stringify((await small.core.status())['intrusion'])).toContain(`bob@${stranger}`);
  });
});
