// The HTTPS rows of docs/attacks.md through the real door, a real core behind it and Unified CM behind that, while Alice
// is served. What is refused never reaches the inside; what is held for it is given back.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { HOSTILE_BODIES, HOSTILE_HEADS } from '../../http/test-hostile-requests.ts';
import type { EdgeRequests } from '../../lab/client/edge-requests.ts';
import { until } from '../topology/until.ts';
import { type Company, DOMAIN, EDGE_NAME, foundCompany, smallHeaps } from './company.ts';
import { ALICE, deviceFile, signIn, webClient } from './people.ts';
import { dialTcp, dialTls, type RawClient } from './raw-client.ts';

const HTTPS = 8443;
const MIB = 1024 * 1024;
const MAX_GROWTH_MIB = 24;

let company: Company;
let alice: EdgeRequests;
let cookie = '';

beforeAll(async () => {
  company = await foundCompany({
    block: 25,
    core: { 'rate-control': { logins: 0 } },
    environment: smallHeaps,
  });
  await company.start();
  alice = webClient(company);
  await signIn(alice);
  const basic = `Authorization: Basic ${Buffer.from(`${ALICE.user}:${ALICE.password}`).toString('base64')}`;
  const answer = await ask('GET', `/${lane(DOMAIN)}/get_edge_config`, [basic]);
  cookie = `Cookie: ${/X-Auth=[^;\r\n]+/.exec(answer)?.[0]}`;
});
afterAll(async () => {
  alice?.close();
  await company?.close();
});
beforeEach(() => void (company.askedInside as string[]).splice(0));

const lane = (text: string): string => Buffer.from(text).toString('base64url');
const toNode = (host = company.at.ucm, port = 6970, protocol = 'http'): string =>
  lane(`${DOMAIN}/${protocol}/${host}/${port}`);
const fileLine = 'GET /CSFALICE.cnf.xml';

/** One request on a connection of its own; everything the door answered. */
async function ask(method: string, target: string, fields: readonly string[] = []): Promise<string> {
  const client = await dialTls(company, HTTPS);
  const lines = [`${method} ${target} HTTP/1.1`, `Host: ${EDGE_NAME}`, ...fields, 'Connection: close'];
  client.socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  return client.closed;
}

const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1] ?? 0);

/** Nothing of the inside may show in what a refused client is told (T-113). */
function expectNoLeak(answer: string): void {
  expect(answer).not.toContain(company.at.ucm);
  expect(answer).not.toContain(company.at.core);
  expect(answer).not.toMatch(/core\.example\.com|node_modules|\.ts:\d/);
}

describe('bytes that two servers might read in two ways (T-100, T-104, T-108, T-111)', () => {
  test('every head is answered once, the connection closed, the inside hears nothing', async () => {
    for (const { name, raw, status } of HOSTILE_HEADS) {
      const client = await dialTls(company, HTTPS);
      client.socket.write(raw, 'latin1');
      // the door closes by itself: a head that ends in silence is ended by the client
      client.socket.end();
      const answer = await client.closed;
      expect(statusOf(answer), name).toBe(status);
      expect(answer.match(/HTTP\/1\.1 \d{3} /g), name).toHaveLength(1);
      expectNoLeak(answer);
    }
    expect(company.askedInside).toEqual([]);
    expect((await deviceFile(company, alice)).status).toBe(200);
  });

  test('every body ends at the door: no second request is ever seen', async () => {
    for (const { name, raw } of HOSTILE_BODIES) {
      const client = await dialTls(company, HTTPS);
      client.socket.write(raw, 'latin1');
      const answer = await client.closed;
      expect(statusOf(answer), name).toBeGreaterThanOrEqual(400);
      expectNoLeak(answer);
    }
    expect(company.askedInside).toEqual([]);
    expect((await deviceFile(company, alice)).status).toBe(200);
  });
});

describe('who is not signed in', () => {
  const disguises: [string, string[]][] = [
    ['with nothing', []],
    ['as a health check (T-106)', ['User-Agent: GoogleHC/1.0', 'X-Health-Check: 1']],
    [
      'as the proxy itself (T-105)',
      ['X-Forwarded-User: alice', 'X-Forwarded-For: 127.0.0.1', 'X-Forwarded-Uri: /'],
    ],
    ['in underscores (T-108)', ['X_Forwarded_User: alice', 'Remote-User: alice', 'X-Auth: alice']],
    ['with a cookie that was never given', ['Cookie: X-Auth=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA']],
    ['with an empty cookie', ['Cookie: X-Auth=']],
    ['with a token nobody issued', ['Authorization: Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.']],
  ];
  test.each(disguises)('%s gets 401', async (_name, fields) => {
    const answer = await ask('GET', `/${toNode()}/CSFALICE.cnf.xml`, fields);
    expect(statusOf(answer)).toBe(401);
    expectNoLeak(answer);
    expect(company.askedInside).toEqual([]);
  });

  test('and one character of the cookie changed is 401 as well', async () => {
    const end = cookie.at(-2) === 'A' ? 'B' : 'A';
    const changed = `${cookie.slice(0, -2)}${end}${cookie.at(-1)}`;
    expect(statusOf(await ask('GET', `/${toNode()}/CSFALICE.cnf.xml`, [cookie]))).toBe(200);
    expect(company.askedInside).toEqual([fileLine]);
    expect(statusOf(await ask('GET', `/${toNode()}/CSFALICE.cnf.xml`, [changed]))).toBe(401);
  });
});

describe('who is signed in', () => {
  test.each([
    ["core's admin page", '127.0.25.20', 8090],
    ["edge's admin page", '127.0.25.10', 8090],
    ['loopback', '127.0.0.1', 6970],
    ['loopback by name', 'localhost', 6970],
    ['every address', '0.0.0.0', 6970],
    ['the metadata service', '169.254.169.254', 80],
    ['the node in decimal', '2130712862', 6970],
    ['the node in hexadecimal', '0x7f00191e', 6970],
    ['the node in octal', '0177.0.031.036', 6970],
    ['the node in short', '127.6430', 6970],
    ['the node in IPv6', '[::ffff:127.0.25.30]', 6970],
    ['the node with a dot', '127.0.25.30.', 6970],
    ['the node on another port', '127.0.25.30', 5060],
    ['the node on no port', '127.0.25.30', 0],
  ])('reaches no %s (T-110)', async (_name, host, port) => {
    const answer = await ask('GET', `/${toNode(host, port)}/CSFALICE.cnf.xml`, [cookie]);
    expect([403, 404]).toContain(statusOf(answer));
    expect(answer).not.toContain('HTTP/1.1 200');
    expect(company.askedInside).toEqual([]);
  });

  test.each([
    '/cucm-uds/user/bob/devices',
    '/cucm-uds/user/alice/../bob/devices',
    '/cucm-uds/user/alice/%2e%2e/bob/devices',
    '/cucm-uds/user/alice%2f..%2fbob/devices',
    '/cucm-uds/user//bob/devices',
    '/cucm-uds/user/alice;/../bob/devices',
    '/cucm-uds/user/BOB/devices',
    '/cucm-uds/user/%62ob/devices',
    '/cucm-uds/user/bob%00/devices',
    '/cucm-uds/user/alice\\..\\bob/devices',
    '/ccmadmin/',
    '/cucm-uds/%2e%2e/ccmadmin/',
    '/axl/',
  ])('may not read %s (T-103)', async (path) => {
    const answer = await ask('GET', `/${toNode(company.at.ucm, 8443, 'https')}${path}`, [cookie]);
    expect([400, 401, 403, 404]).toContain(statusOf(answer));
    expect(company.askedInside.filter((line) => !line.startsWith('GET /cucm-uds/user/alice'))).toEqual([]);
  });

  test('may not turn the connection into another protocol (T-066, T-111)', async () => {
    const upgrades = [
      [
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
      ],
      ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA'],
    ];
    for (const fields of upgrades) {
      const answer = await ask('GET', `/${toNode()}/CSFALICE.cnf.xml`, [cookie, ...fields]);
      expect(statusOf(answer)).not.toBe(101);
    }
  });
});

test('HTTP/2 is not spoken: there is no stream to reset (T-102)', async () => {
  const client = await dialTls(company, HTTPS);
  client.socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  expect(statusOf(await client.closed)).toBe(505);
});

describe('floods (T-057, T-142)', { timeout: 180_000 }, () => {
  const keepServed = async (): Promise<void> => expect((await deviceFile(company, alice)).status).toBe(200);

  /** Resident memory of edge and core after `burst`, in MiB above what a first, equal burst left. */
  async function growth(burst: () => Promise<void>): Promise<number[]> {
    await burst();
    const before = [company.edge.residentBytes(), company.core.residentBytes()];
    await burst();
    return [company.edge, company.core].map((one, at) => (one.residentBytes() - (before[at] ?? 0)) / MIB);
  }

  /** Requests one behind the other on one connection, as long as the door keeps it. */
  async function pipeline(client: RawClient, request: string, count: number): Promise<void> {
    client.socket.write(request.repeat(count));
    const answers = (): number => client.text().match(/HTTP\/1\.1 \d{3} /g)?.length ?? 0;
    await Promise.race([
      client.closed,
      until('each is answered', () => answers() >= count, { deadlineMs: 30_000, everyMs: 100 }),
    ]);
    client.socket.destroy();
  }

  test('10,000 requests without a sign-in: memory stays, Alice is served meanwhile', async () => {
    const request = `GET /${toNode()}/CSFALICE.cnf.xml HTTP/1.1\r\nHost: ${EDGE_NAME}\r\n\r\n`;
    const grown = await growth(async () => {
      for (let connection = 0; connection < 10; connection += 1) {
        await pipeline(await dialTls(company, HTTPS), request, 500);
        await keepServed();
      }
    });
    expect(company.askedInside.every((line) => line === fileLine)).toBe(true);
    for (const mebibytes of grown) expect(mebibytes).toBeLessThan(MAX_GROWTH_MIB);
  });

  test('4,000 connections of junk before and after the handshake: memory stays', async () => {
    const junk = Buffer.from('\u0016\u0003\u0001\u0002\u0000GET / HTTP/1.0\r\n\r\n'.repeat(20), 'latin1');
    const grown = await growth(async () => {
      for (let round = 0; round < 20; round += 1) {
        await Promise.all(
          Array.from({ length: 90 }, async () => {
            const client = await dialTcp(company, HTTPS);
            client.socket.end(junk);
            await client.closed;
          }),
        );
        await Promise.all(
          Array.from({ length: 10 }, async () => {
            const client = await dialTls(company, HTTPS);
            client.socket.end(junk);
            await client.closed;
          }),
        );
        await keepServed();
      }
    });
    for (const mebibytes of grown) expect(mebibytes).toBeLessThan(MAX_GROWTH_MIB);
  });

  test('200 handshakes that never come: Alice signs in beside them', async () => {
    const silent = await Promise.all(Array.from({ length: 200 }, () => dialTcp(company, HTTPS)));
    const second = webClient(company);
    await signIn(second);
    second.close();
    for (const { socket } of silent) socket.destroy();
    await Promise.all(silent.map(({ closed }) => closed));
  });
});
