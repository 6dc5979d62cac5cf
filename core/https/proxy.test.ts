import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { printLane } from '../../zones/lane.ts';
import { alice, answerAsUnifiedCm, basic, domainLane, openCore, type TestCore } from './test-core.ts';

let at: TestCore;
let cookie = '';
const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
const bodyOf = (answer: string): string => answer.slice(answer.indexOf('\r\n\r\n') + 4);
const head = 'Host: edge1.example.com:8443\r\n';

beforeAll(async () => {
  at = await openCore();
  const answer = await at.get(`/${domainLane}/get_edge_config`, alice);
  cookie = `Cookie: ${/X-Auth=[\w-]+/.exec(answer)?.[0]}\r\n`;
});
afterAll(() => at.close());
beforeEach(() => {
  at.ucm.requests.length = 0;
  at.counted.length = 0;
  at.logged.length = 0;
});
afterEach(() => {
  at.ucm.answer = answerAsUnifiedCm;
});

describe('a permitted request', () => {
  test('reaches Unified CM in canonical form, with our marks and without our cookie', async () => {
    const id = '6af9a674-9ebc-41ea-868e-90e7309a758c';
    const sent =
      `${cookie.trim()}; JSESSIONID=7\r\n${alice}TrackingID: ${id}\r\nX-Forwarded-For: 192.0.2.7\r\n` +
      'Via: https/1.1 forged\r\nX_Forwarded_User: root\r\nConnection: X-Hop\r\nX-Hop: 1\r\nAccept: */*\r\n';
    const answer = await at.get(`/${at.lane()}//cucm-uds/user/%61lice/extensions?a=b%20c`, sent);
    expect(statusOf(answer)).toBe(200);
    const { headers, ...echo } = JSON.parse(bodyOf(answer)) as { headers: Record<string, string> };
    expect(echo).toEqual({ method: 'GET', target: '/cucm-uds/user/alice/extensions?a=b%20c', body: '' });
    expect(headers).toEqual({
      host: `ucm1.example.com:${at.ucm.port}`,
      cookie: 'JSESSIONID=7',
      authorization: alice.slice('Authorization: '.length, -2),
      trackingid: id,
      'x-forwarded-for': '192.0.2.7',
      via: 'https/1.1 viaduct[edge1.example.com], http/1.1 viaduct[core1.inside]',
      accept: '*/*',
    });
  });

  test('is one log line with user, rule and how it ended', async () => {
    await at.get(`/${at.lane()}/cucm-uds/user/alice/x?secret=1`, cookie + alice);
    expect(at.logged).toEqual([
      expect.objectContaining({
        event: 'Request Allowed',
        user: 'alice',
        domain: 'example.com',
        deployment: 'd',
        method: 'GET',
        request: `https://ucm1.example.com:${at.ucm.port}/cucm-uds/user/alice/x`,
        rule: '/cucm-uds/user/',
        match: 'prefix',
        type: 'Built-in rule for Unified CM server',
        status: 200,
      }),
    ]);
  });

  test('carries a body of known length and one in chunks', async () => {
    const target = `/${at.lane()}/cucm-uds/user/alice/x`;
    const known = `PUT ${target} HTTP/1.1\r\n${head}${cookie}${alice}Content-Length: 5\r\nConnection: close\r\n\r\nhello`;
    expect(bodyOf(await at.exchange(known))).toContain('"body":"hello"');
    const chunked = `POST ${target} HTTP/1.1\r\n${head}${cookie}${alice}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n`;
    expect(bodyOf(await at.exchange(chunked))).toContain('"body":"hello!"');
  });

  test('gets files over plain HTTP, without the password', async () => {
    const lane = at.lane({ protocol: 'http', port: at.files.port });
    expect(bodyOf(await at.get(`/${lane}/CSFALICE.cnf.xml`, cookie + alice))).toBe('<device/>');
    expect(at.files.requests.at(-1)?.headers.authorization).toBeUndefined();
  });

  test('may call the node by its pinned address', async () => {
    expect(statusOf(await at.get(`/${at.lane({ host: '127.0.0.1' })}/cucm-uds/version`, cookie))).toBe(200);
    expect(at.ucm.requests.at(-1)?.headers.host).toBe(`ucm1.example.com:${at.ucm.port}`);
  });

  test('gets the answer of the server as it is: 404, 401, no body', async () => {
    const target = `/${at.lane()}/cucm-uds/user/alice/x`;
    for (const status of [404, 401, 204, 304]) {
      at.ucm.answer = (_request, response) => void response.writeHead(status, { ETag: '"1"' }).end();
      const answer = await at.get(target, cookie);
      expect(statusOf(answer)).toBe(status);
      expect(answer).toContain('ETag: "1"');
    }
    const headOnly = await at.exchange(
      `HEAD ${target} HTTP/1.1\r\n${head}${cookie}${alice}Connection: close\r\n\r\n`,
    );
    expect(bodyOf(headOnly)).toBe('');
  });

  test('gets redirects as lanes', async () => {
    at.ucm.answer = (_request, response) =>
      void response.writeHead(302, { Location: 'https://ucm1.example.com:8443/ssosp/x' }).end();
    const answer = await at.get(`/${at.lane()}/ssosp/start`, cookie);
    expect(answer).toContain(`Location: /${at.lane({ port: 8443 })}/ssosp/x\r\n`);
    expect(answer).not.toContain('ucm1.example.com');
  });

  test('shares connections to the node with those before it', async () => {
    const before = at.ucm.connections();
    for (let i = 0; i < 5; i++) await at.get(`/${at.lane()}/cucm-uds/version`, cookie);
    expect(at.ucm.connections() - before).toBeLessThanOrEqual(1);
  });
});

describe('refused, and Unified CM sees nothing of it', () => {
  const rows: [name: string, path: () => string, headers: () => string, status: number, counted: string][] = [
    [
      'no credentials',
      () => `/${at.lane()}/cucm-uds/version`,
      () => '',
      401,
      'request-refused credentials-missing',
    ],
    [
      'a cookie that is only there',
      () => `/${at.lane()}/cucm-uds/version`,
      () => 'Cookie: X-Auth=1e1111e1-dddb-49e9-ad0d-ab34526e2b00\r\n',
      401,
      'request-refused cookie-invalid',
    ],
    [
      'the cookie of another deployment',
      () => `/${at.lane({ domain: 'branch.example.com' })}/cucm-uds/version`,
      () => cookie,
      401,
      'request-refused cookie-invalid',
    ],
    [
      "another user's credentials",
      () => `/${at.lane()}/cucm-uds/version`,
      () => cookie + basic('bob', 'x'),
      403,
      'request-refused identity-mismatch',
    ],
    [
      'two Authorization lines',
      () => `/${at.lane()}/cucm-uds/version`,
      () => cookie + alice + alice,
      401,
      'request-refused credentials-malformed',
    ],
    [
      "another user's resources",
      () => `/${at.lane()}/cucm-uds/user/bob/devices`,
      () => cookie,
      403,
      'request-refused other-user',
    ],
    [
      "another user's resources, encoded",
      () => `/${at.lane()}/cucm-uds/user/%62ob/devices`,
      () => cookie,
      403,
      'request-refused other-user',
    ],
    [
      'an unknown host',
      () => `/${at.lane({ host: 'db.example.com' })}/cucm-uds/version`,
      () => cookie,
      403,
      'request-refused node-unknown',
    ],
    [
      'this machine',
      () => `/${at.lane({ host: '127.0.0.2' })}/cucm-uds/version`,
      () => cookie,
      403,
      'request-refused node-unknown',
    ],
    [
      'metadata service',
      () => `/${at.lane({ host: '169.254.169.254', port: 80, protocol: 'http' })}/latest`,
      () => cookie,
      403,
      'request-refused node-unknown',
    ],
    [
      'another port',
      () => `/${at.lane({ port: 22 })}/`,
      () => cookie,
      403,
      'request-refused service-unknown',
    ],
    [
      'another protocol',
      () => `/${at.lane({ protocol: 'http' })}/cucm-uds/version`,
      () => cookie,
      403,
      'request-refused service-unknown',
    ],
    ['another path', () => `/${at.lane()}/ccmadmin/`, () => cookie, 403, 'request-refused path'],
    [
      'a path with a parameter',
      () => `/${at.lane()}/cucm-uds/user/alice;/x`,
      () => cookie,
      400,
      'message-refused target',
    ],
    [
      'dot segments',
      () => `/${at.lane()}/cucm-uds/user/alice/../bob`,
      () => cookie,
      400,
      'message-refused target',
    ],
    [
      'encoded dot segments',
      () => `/${at.lane()}/cucm-uds/user/alice/%2e%2e/bob`,
      () => cookie,
      400,
      'message-refused target',
    ],
    [
      'encoded slash',
      () => `/${at.lane()}/cucm-uds/user/alice%2f..%2fbob`,
      () => cookie,
      400,
      'message-refused target',
    ],
    [
      'double encoding',
      () => `/${at.lane()}/cucm-uds/user/%2562ob`,
      () => cookie,
      400,
      'message-refused target',
    ],
    ['NUL', () => `/${at.lane()}/cucm-uds/user/alice%00`, () => cookie, 400, 'message-refused target'],
    [
      'backslash',
      () => `/${at.lane()}/cucm-uds/user/alice%5c..%5cbob`,
      () => cookie,
      400,
      'message-refused target',
    ],
    [
      'a full-width slash',
      () => `/${at.lane()}/cucm-uds/user/alice%EF%BC%8F..`,
      () => cookie,
      400,
      'message-refused target',
    ],
    [
      'a lane with five parts',
      () => `/${Buffer.from('example.com/https/ucm1.example.com/8443/x').toString('base64url')}/`,
      () => cookie,
      404,
      'request-refused lane',
    ],
    [
      'a lane of an unknown domain',
      () =>
        `/${printLane({ kind: 'proxy', domain: 'other.org', protocol: 'https', host: 'ucm1.example.com', port: 8443 })}/cucm-uds/version`,
      () => cookie,
      403,
      'request-refused domain',
    ],
  ];
  test.each(rows)('%s', async (_name, path, headers, status, counted) => {
    const answer = await at.get(path(), headers());
    expect(statusOf(answer)).toBe(status);
    expect(at.counted).toContain(counted);
    expect(at.ucm.requests).toEqual([]);
    expect(answer).not.toMatch(/ucm1|10\.0\.|rule/);
  });

  test('the log names the rule that came nearest', async () => {
    await at.get(`/${at.lane()}/cucm-uds/vers`, cookie);
    expect(at.logged).toEqual([
      expect.objectContaining({
        event: 'Request Rejected',
        reason: 'path',
        rule: '/cucm-uds/version',
        status: 403,
      }),
    ]);
  });
});

describe('a captured edge (T-145)', () => {
  const target = (): string => `/${at.lane()}/cucm-uds/user/alice/x`;
  const rows: [name: string, text: () => string, status: number][] = [
    [
      'length and chunks',
      () =>
        `POST ${target()} HTTP/1.1\r\n${head}${cookie}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
    ],
    [
      'two lengths',
      () => `POST ${target()} HTTP/1.1\r\n${head}${cookie}Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd`,
      400,
    ],
    [
      'a signed length',
      () => `POST ${target()} HTTP/1.1\r\n${head}${cookie}Content-Length: +4\r\n\r\nabcd`,
      400,
    ],
    ['blank before the colon', () => `GET ${target()} HTTP/1.1\r\n${head}X-Forwarded-For : 1\r\n\r\n`, 400],
    ['a folded line', () => `GET ${target()} HTTP/1.1\r\n${head}A: b\r\n c\r\n\r\n`, 400],
    ['bare LF', () => `GET ${target()} HTTP/1.1\n${head}\n\n`, 400],
    ['no Host', () => `GET ${target()} HTTP/1.1\r\n\r\n`, 400],
    ['absolute form', () => `GET http://db.inside/${at.lane()}/x HTTP/1.1\r\n${head}\r\n`, 400],
    ['CONNECT', () => `CONNECT db.inside:22 HTTP/1.1\r\n${head}\r\n`, 405],
    ['HTTP/1.0', () => `GET ${target()} HTTP/1.0\r\n${head}\r\n`, 505],
    ['HTTP/2', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505],
    [
      'a head beyond the limit',
      () => `GET ${target()} HTTP/1.1\r\n${head}A: ${'a'.repeat(140_000)}\r\n\r\n`,
      431,
    ],
  ];
  test.each(rows)('%s', async (_name, text, status) => {
    expect(statusOf(await at.exchange(text()))).toBe(status);
    expect(at.ucm.requests).toEqual([]);
    expect(at.counted.join()).toMatch(/message-refused/);
  });

  test('an upgrade is not passed on', async () => {
    const answer = await at.get(target(), `${cookie}${alice}Upgrade: h2c\r\nHTTP2-Settings: AAAA\r\n`);
    expect(statusOf(answer)).toBe(200);
    expect(bodyOf(answer)).not.toMatch(/upgrade|h2c|http2/i);
  });

  test('two requests on a channel are decided one by one', async () => {
    const good = `GET ${target()} HTTP/1.1\r\n${head}${cookie}${alice}\r\n`;
    const bad = `GET ${target()} HTTP/1.1\r\n${head}Connection: close\r\n\r\n`;
    const answers = await at.exchange(good + bad);
    expect(answers.match(/HTTP\/1\.1 \d{3}/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 401']);
  });
});
